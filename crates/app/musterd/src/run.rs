//! `musterd run`: from the configuration to a serving node, and its end.

mod asked;
mod protection;

use crate::RunArgs;
use crate::backend::{NodeBackend, SetupRequest};
use crate::config::{Config, Role};
use crate::identity::Pki;
use crate::node::Node;
use crate::notify::notify;
use crate::reload::Reload;
use crate::replicas::EX_IOERR;
use crate::{alarms, api, clients, control, homecomings, isolation, setup, start_gate};
use anyhow::Context;
use muster_admin::{AdminListener, Health, HttpListener, TlsIdentity};
use muster_cluster::ControlCommand;
use muster_link::{Identity, Links};
use muster_raft::StartError;
use muster_store::{DataFolder, StoreError};
use muster_telemetry::{LogFormat, LogOptions};
use muster_types::DomainPart;
use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

/// Checks the configuration and the files it names.
pub(crate) fn check(file: &Path) -> anyhow::Result<()> {
    let config = Config::load(file)?;
    if config.role == Role::Serving {
        clients::certificates(&config.c2s)?;
    }
    eprintln!("{}: good", file.display());
    Ok(())
}

/// How to log at `level`. Below debug the consensus library is left out but for errors: what
/// matters of it is in our own lines, and a dead peer makes it repeat itself.
pub(crate) fn log_options(level: &str, format: LogFormat) -> LogOptions {
    let level = match level {
        "error" | "warn" | "info" => format!("{level},openraft=error"),
        other => other.to_owned(),
    };
    LogOptions { format, level }
}

/// Runs until told to end. What ends it otherwise is the last thing said.
pub(crate) fn run(args: &RunArgs) -> ExitCode {
    match run_node(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error, args.log_format);
            status_of(&error)
        }
    }
}

fn run_node(args: &RunArgs) -> anyhow::Result<()> {
    muster_telemetry::init_logs(&log_options(&args.log, args.log_format))?;
    let config = Config::load(&args.file)?;
    let reload = Reload::new(&args.file, config);
    let untied = args.tied_to.as_deref().map(tie).transpose()?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let outcome = runtime.block_on(serve(&reload, untied));
    // Tasks that still wait for something must not hold the process.
    runtime.shutdown_background();
    outcome
}

/// Programs that read the log get the error in its form too; everybody else gets it plainly, also
/// where the log leaves errors out.
fn report(error: &anyhow::Error, format: LogFormat) {
    match format {
        LogFormat::Json if tracing::enabled!(tracing::Level::ERROR) => {
            tracing::error!("this node ends: {error:#}");
        }
        LogFormat::Json | LogFormat::Text => eprintln!("musterd: {error:#}"),
    }
}

/// Storage that failed needs a person: a service manager must be able to tell.
fn status_of(error: &anyhow::Error) -> ExitCode {
    let storage = |cause: &(dyn Error + 'static)| {
        cause.is::<StoreError>() || matches!(cause.downcast_ref(), Some(StartError::Storage { .. }))
    };
    if error.chain().any(storage) {
        ExitCode::from(EX_IOERR)
    } else {
        ExitCode::FAILURE
    }
}

/// Resolves when nobody holds `file` locked any more.
fn tie(file: &Path) -> anyhow::Result<oneshot::Receiver<()>> {
    let lock = File::open(file).with_context(|| file.display().to_string())?;
    let (free, untied) = oneshot::channel();
    std::thread::Builder::new()
        .name("tied-to".into())
        .spawn(move || {
            if lock.lock_shared().is_ok() {
                // The node may be ending already.
                let _ = free.send(());
            }
        })?;
    Ok(untied)
}

async fn tied(untied: Option<oneshot::Receiver<()>>) {
    match untied {
        Some(untied) => match untied.await {
            Ok(()) => tracing::warn!("whoever started this node has ended"),
            // The lock cannot be watched: the node is not tied.
            Err(_) => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}

async fn serve(reload: &Arc<Reload>, untied: Option<oneshot::Receiver<()>>) -> anyhow::Result<()> {
    // First of all: a SIGHUP that nobody takes ends a process.
    let hangups = signal(SignalKind::hangup())?;
    tokio::spawn(Arc::clone(reload).keep(hangups));
    let config = reload.in_force().get();
    let (signalled, untied) = (asked::to_end()?, tied(untied));
    let asked = async {
        tokio::select! {
            () = signalled => {}
            () = untied => {}
        }
    };
    tokio::pin!(asked);
    let mut folder = DataFolder::open(&config.data_dir)?;
    let (requests_tx, mut requests) = mpsc::channel(1);
    let (end, ended) = watch::channel(false);
    let backend = Arc::new(NodeBackend::new(Arc::clone(reload), requests_tx));
    start_admin(&config, &backend, &ended)?;
    start_http(&config, &backend, &ended).await?;
    let node = tokio::select! {
        node = begin(reload, &mut folder, &mut requests, &backend) => node?,
        () = &mut asked => return Ok(()),
    };
    reload.started(&node);
    tokio::spawn(homecomings::keep_the_window(Arc::clone(&node)));
    tokio::spawn(refuse_setup(requests));
    tokio::select! {
        opened = open(&config, &node, &backend, &ended) => {
            opened?;
            asked.await;
        }
        () = &mut asked => {}
    }
    tracing::info!("stopping: handing over; a second Ctrl-C ends at once");
    notify("STOPPING=1");
    node.stop().await;
    end.send_replace(true);
    Ok(())
}

/// Starts the node of the cluster that the folder belongs to, or that an operator names.
async fn begin(
    reload: &Reload,
    folder: &mut DataFolder,
    requests: &mut mpsc::Receiver<SetupRequest>,
    backend: &NodeBackend,
) -> anyhow::Result<Arc<Node>> {
    if folder.identity().is_some() {
        return go(reload, folder, backend).await;
    }
    tracing::info!(
        "this node is in no cluster: `musterctl cluster init` makes one, `musterctl cluster \
         join TOKEN` brings it into one"
    );
    enter(reload, folder, requests, backend).await
}

/// Opens what needs a node, to clients last: they must not get in by what was true before it started.
async fn open(
    config: &Config,
    node: &Arc<Node>,
    backend: &Arc<NodeBackend>,
    ended: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let links = node.shared.links.get().map(Links::local_addr);
    tracing::info!(
        "listening on {} for other nodes",
        links.unwrap_or(config.link.listen)
    );
    start_remote(config, backend, ended).await?;
    control::catch_up(&node.shared).await;
    start_gate::wait(node).await;
    api::start(config, node, backend, ended).await?;
    for line in node.open_to_clients()? {
        tracing::info!("listening on {line}");
    }
    tokio::spawn(isolation::watch(Arc::clone(node)));
    tokio::spawn(protection::tell(Arc::clone(backend), Arc::clone(node)));
    tokio::spawn(alarms::keep(Arc::clone(backend), Arc::clone(node)));
    backend.reload().ready();
    Ok(())
}

/// The unix socket of `musterctl`: it is there before the node is in a cluster.
fn start_admin(
    config: &Config,
    backend: &Arc<NodeBackend>,
    ended: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let socket = config.admin_socket();
    let listener = AdminListener::unix(&socket).context("admin.socket")?;
    tracing::info!("listening on {} for musterctl", listener.address());
    tokio::spawn(listener.serve(Arc::clone(backend) as _, wait_for(ended)));
    Ok(())
}

/// Health over HTTP, which also says that a node is in no cluster.
async fn start_http(
    config: &Config,
    backend: &Arc<NodeBackend>,
    ended: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let address = config.http.listen;
    let listener = HttpListener::bind(address).await.context("http.listen")?;
    let address = listener.address().unwrap_or(address);
    tracing::info!("listening on {address} for health and metrics");
    tokio::spawn(listener.serve(health(backend)?, wait_for(ended)));
    Ok(())
}

/// Admin over TLS needs to know who the node is.
async fn start_remote(
    config: &Config,
    backend: &Arc<NodeBackend>,
    ended: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let Some(address) = config.admin.listen else {
        return Ok(());
    };
    let Identity {
        certificate,
        key,
        ca,
    } = Pki::load(&config.data_dir)?.identity;
    let identity = TlsIdentity {
        certificate,
        key,
        ca,
    };
    let listener = AdminListener::tls(address, &identity)
        .await
        .context("admin.listen")?;
    tracing::info!("listening on {} for musterctl, TLS", listener.address());
    tokio::spawn(listener.serve(Arc::clone(backend) as _, wait_for(ended)));
    Ok(())
}

fn health(backend: &Arc<NodeBackend>) -> anyhow::Result<Health> {
    let recorder = muster_telemetry::install()?;
    let (ready, counted) = (Arc::clone(backend), Arc::clone(backend));
    Ok(Health {
        not_ready: Arc::new(move || ready.not_ready()),
        metrics: Arc::new(move || {
            counted.gauge();
            recorder.render()
        }),
    })
}

pub(crate) fn wait_for(ended: &watch::Receiver<bool>) -> impl Future<Output = ()> + Send + 'static {
    let mut ended = ended.clone();
    async move {
        // The sender lives as long as the node.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

/// Waits for an operator to say which cluster this is.
async fn enter(
    reload: &Reload,
    folder: &mut DataFolder,
    requests: &mut mpsc::Receiver<SetupRequest>,
    backend: &NodeBackend,
) -> anyhow::Result<Arc<Node>> {
    loop {
        let request = requests
            .recv()
            .await
            .context("the admin service has ended")?;
        let (entered, reply) = match request {
            SetupRequest::Init { domains, reply } => {
                (found(reload, folder, domains, backend).await, reply)
            }
            SetupRequest::Join { token, reply } => {
                (join(reload, folder, &token, backend).await, reply)
            }
        };
        match entered {
            Ok(node) => {
                // The operator may have gone.
                let _ = reply.send(Ok((node.shared.cluster.clone(), node.shared.node)));
                return Ok(node);
            }
            Err(error) => {
                let _ = reply.send(Err(format!("{error:#}")));
                // Half a beginning is worse than none: the next start finds out what is there.
                if folder.identity().is_some() {
                    return Err(error);
                }
            }
        }
    }
}

async fn found(
    reload: &Reload,
    folder: &mut DataFolder,
    domains: Vec<DomainPart>,
    backend: &NodeBackend,
) -> anyhow::Result<Arc<Node>> {
    anyhow::ensure!(
        reload.in_force().get().role == Role::Serving,
        "the first node of a cluster must be a serving node: a witness holds no CA key"
    );
    setup::found(folder, &domains)?;
    go(reload, folder, backend).await
}

async fn join(
    reload: &Reload,
    folder: &mut DataFolder,
    token: &str,
    backend: &NodeBackend,
) -> anyhow::Result<Arc<Node>> {
    setup::join(folder, &reload.in_force().get(), token).await?;
    go(reload, folder, backend).await
}

/// Starts the node; the first one of a cluster completes the founding, also one that was cut off.
async fn go(
    reload: &Reload,
    folder: &mut DataFolder,
    backend: &NodeBackend,
) -> anyhow::Result<Arc<Node>> {
    setup::check_folder(folder)?;
    let node = Node::start(reload.in_force(), folder).await?;
    if let Some(domains) = setup::founding(folder)? {
        for name in domains {
            let domain = DomainPart::new(&name)?.into_owned();
            control::propose(&node.shared, ControlCommand::DomainAdd { domain }).await?;
        }
        setup::founded(folder)?;
    }
    backend.started(&node);
    Ok(node)
}

/// A node enters one cluster in its life.
async fn refuse_setup(mut requests: mpsc::Receiver<SetupRequest>) {
    while let Some(request) = requests.recv().await {
        let reply = match request {
            SetupRequest::Init { reply, .. } | SetupRequest::Join { reply, .. } => reply,
        };
        let refusal = "this node belongs to a cluster already; to make it a new node, stop it and \
                       move its data folder away";
        let _ = reply.send(Err(refusal.to_owned()));
    }
}
