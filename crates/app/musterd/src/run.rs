//! `musterd run`: from the configuration to a serving node, and its end.

use crate::RunArgs;
use crate::backend::{NodeBackend, SetupRequest};
use crate::config::{Config, Role};
use crate::identity::Pki;
use crate::isolation;
use crate::node::Node;
use crate::notify::notify;
use crate::setup;
use anyhow::Context;
use muster_admin::{AdminListener, Health, HttpListener, TlsIdentity};
use muster_cluster::ControlCommand;
use muster_link::Identity;
use muster_store::DataFolder;
use muster_telemetry::{LogFormat, LogOptions};
use muster_types::DomainPart;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

/// Checks the configuration and the files it names.
pub(crate) fn check(file: &Path) -> anyhow::Result<()> {
    let config = Config::load(file)?;
    if config.role == Role::Serving {
        let files: Vec<_> = config.c2s.certificate.iter().map(Into::into).collect();
        muster_net::TlsDomains::load(&files)?;
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

/// Runs until told to end.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<()> {
    muster_telemetry::init_logs(&log_options(&args.log, args.log_format))?;
    let config = Config::load(&args.file)?;
    let untied = args.tied_to.as_deref().map(tie).transpose()?;
    let runtime = tokio::runtime::Runtime::new().context("cannot start the runtime")?;
    let outcome = runtime.block_on(serve(config, untied));
    // Tasks that still wait for something must not hold the process.
    runtime.shutdown_background();
    outcome
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

async fn serve(config: Config, untied: Option<oneshot::Receiver<()>>) -> anyhow::Result<()> {
    let untied = tied(untied);
    tokio::pin!(untied);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut folder = DataFolder::open(&config.data_dir)?;
    let (requests_tx, mut requests) = mpsc::channel(1);
    let (end, ended) = watch::channel(false);
    let backend = Arc::new(NodeBackend::new(config.clone(), requests_tx));
    let mut lines = start_admin(&config, &backend, &ended)?;

    let node = if folder.identity().is_none() {
        tracing::info!(
            "this node is in no cluster: `musterctl cluster init` makes one, `musterctl cluster \
             join TOKEN` brings it into one"
        );
        tokio::select! {
            node = enter(&config, &mut folder, &mut requests, &backend) => node?,
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            () = &mut untied => return Ok(()),
        }
    } else {
        go(&config, &mut folder, &backend).await?
    };
    lines.extend(start_remote(&config, &backend, &ended).await?);
    lines.push(format!("{} for other nodes", config.link.listen));
    lines.extend(node.open_to_clients()?);
    tokio::spawn(isolation::watch(Arc::clone(&node)));
    for line in lines {
        tracing::info!("listening on {line}");
    }
    tracing::info!("{}", backend.protection());
    notify("READY=1");
    tokio::select! {
        () = refuse_setup(&mut requests) => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        () = &mut untied => {}
    }
    tracing::info!("stopping: handing over; a second Ctrl-C ends at once");
    notify("STOPPING=1");
    tokio::select! {
        () = node.stop() => {}
        _ = interrupt.recv() => {}
    }
    end.send_replace(true);
    Ok(())
}

/// The unix socket of `musterctl`: it is there before the node is in a cluster.
fn start_admin(
    config: &Config,
    backend: &Arc<NodeBackend>,
    ended: &watch::Receiver<bool>,
) -> anyhow::Result<Vec<String>> {
    let socket = config.admin_socket();
    let listener = AdminListener::unix(&socket).context("admin.socket")?;
    let line = format!("{} for musterctl", listener.address());
    tokio::spawn(listener.serve(Arc::clone(backend) as _, wait_for(ended)));
    Ok(vec![line])
}

/// Admin over TLS and health over HTTP: they need to know who the node is.
async fn start_remote(
    config: &Config,
    backend: &Arc<NodeBackend>,
    ended: &watch::Receiver<bool>,
) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    if let Some(address) = config.admin.listen {
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
        lines.push(format!("{} for musterctl, TLS", listener.address()));
        tokio::spawn(listener.serve(Arc::clone(backend) as _, wait_for(ended)));
    }
    if let Some(address) = config.http.listen {
        let listener = HttpListener::bind(address).await.context("http.listen")?;
        lines.push(format!("{address} for health and metrics"));
        tokio::spawn(listener.serve(health(backend)?, wait_for(ended)));
    }
    Ok(lines)
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

fn wait_for(ended: &watch::Receiver<bool>) -> impl Future<Output = ()> + Send + 'static {
    let mut ended = ended.clone();
    async move {
        // The sender lives as long as the node.
        let _ = ended.wait_for(|ended| *ended).await;
    }
}

/// Waits for an operator to say which cluster this is.
async fn enter(
    config: &Config,
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
                (found(config, folder, domains, backend).await, reply)
            }
            SetupRequest::Join { token, reply } => {
                (join(config, folder, &token, backend).await, reply)
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
    config: &Config,
    folder: &mut DataFolder,
    domains: Vec<DomainPart>,
    backend: &NodeBackend,
) -> anyhow::Result<Arc<Node>> {
    anyhow::ensure!(
        config.role == Role::Serving,
        "the first node of a cluster must be a serving node: a witness holds no CA key"
    );
    setup::found(folder, &domains)?;
    go(config, folder, backend).await
}

async fn join(
    config: &Config,
    folder: &mut DataFolder,
    token: &str,
    backend: &NodeBackend,
) -> anyhow::Result<Arc<Node>> {
    setup::join(folder, config, token).await?;
    go(config, folder, backend).await
}

/// Starts the node; the first one of a cluster completes the founding, also one that was cut off.
async fn go(
    config: &Config,
    folder: &mut DataFolder,
    backend: &NodeBackend,
) -> anyhow::Result<Arc<Node>> {
    let node = Node::start(config.clone(), folder).await?;
    if let Some(domains) = setup::founding(folder)? {
        for name in domains {
            let domain = DomainPart::new(&name)?.into_owned();
            crate::control::propose(&node.shared, ControlCommand::DomainAdd { domain }).await?;
        }
        setup::founded(folder)?;
    }
    backend.started(&node);
    Ok(node)
}

/// A node enters one cluster in its life.
async fn refuse_setup(requests: &mut mpsc::Receiver<SetupRequest>) {
    while let Some(request) = requests.recv().await {
        let reply = match request {
            SetupRequest::Init { reply, .. } | SetupRequest::Join { reply, .. } => reply,
        };
        let refusal = "this node belongs to a cluster already; to make it a new node, stop it and \
                       move its data folder away";
        let _ = reply.send(Err(refusal.to_owned()));
    }
}
