//! Forms the cluster of a quickstart: every step looks first whether it was done before.

use super::DOMAIN;
use super::files::{Layout, NodeLayout};
use super::processes::Processes;
use anyhow::{Context, bail};
use hyper_util::rt::TokioIo;
use muster_admin::proto::admin_client::AdminClient;
use muster_admin::proto::{
    ClusterInitRequest, ClusterJoinRequest, GroupAddNodeRequest, GroupCreateRequest, GroupRef,
    Role, StatusRequest, StatusResponse, TokenCreateRequest, UserRow, UsersPutRequest,
};
use muster_store::DataFolder;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// How long each step may take before the quickstart gives up.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// The group of the pair.
const GROUP: &str = "main";
/// Users in one request.
const BATCH: usize = 250;

type Client = AdminClient<Channel>;

/// Brings every node into one cluster with HA and all users, and waits until all are ready.
pub(crate) async fn form(layout: &Layout, processes: &mut Processes) -> anyhow::Result<()> {
    let [first, others @ ..] = layout.nodes.as_slice() else {
        bail!("no nodes")
    };
    let mut admin = connect(first, layout, processes).await?;
    if is_new(first, layout, processes, &mut admin).await? {
        eprintln!("making the cluster …");
        let domains = vec![DOMAIN.to_owned()];
        admin
            .cluster_init(ClusterInitRequest { domains })
            .await
            .map_err(said)?;
    }
    for node in others {
        let mut joining = connect(node, layout, processes).await?;
        if is_new(node, layout, processes, &mut joining).await? {
            eprintln!("node {} joins …", node.name);
            let role = if node.witness {
                Role::Witness
            } else {
                Role::Serving
            };
            let request = TokenCreateRequest {
                role: role.into(),
                lifetime_seconds: 600,
            };
            let token = retry(&admin, request, |mut c, r| async move {
                c.token_create(r).await
            })
            .await?
            .token;
            joining
                .cluster_join(ClusterJoinRequest { token })
                .await
                .map_err(said)?;
        }
    }
    form_group(layout, &mut admin).await?;
    put_users(layout, &mut admin).await?;
    if others.is_empty() {
        return wait(
            layout,
            processes,
            &mut admin,
            "the node serves its users",
            served,
        )
        .await;
    }
    wait(layout, processes, &mut admin, "all nodes are there", |s| {
        served(s) && s.nodes.iter().all(|node| node.reachable)
    })
    .await?;
    enable_ha(&mut admin).await?;
    wait(
        layout,
        processes,
        &mut admin,
        "every user is protected",
        |s| served(s) && s.protection.iter().all(|group| group.protected),
    )
    .await
}

/// Whether a node has no cluster yet. One that has is waited for until it knows so: while it starts,
/// its admin service is there already.
async fn is_new(
    node: &NodeLayout,
    layout: &Layout,
    processes: &mut Processes,
    admin: &mut Client,
) -> anyhow::Result<bool> {
    if DataFolder::peek(&node.data)?.is_none() {
        return Ok(true);
    }
    wait(
        layout,
        processes,
        admin,
        "the node knows its cluster",
        |status| !status.cluster.is_empty(),
    )
    .await?;
    Ok(false)
}

async fn form_group(layout: &Layout, admin: &mut Client) -> anyhow::Result<()> {
    let now = status(admin).await?;
    if now.groups.iter().all(|group| group.name != GROUP) {
        let request = GroupCreateRequest {
            name: GROUP.to_owned(),
        };
        retry(
            admin,
            request,
            |mut c, r| async move { c.group_create(r).await },
        )
        .await?;
    }
    for node in layout.nodes.iter().filter(|node| !node.witness) {
        let known = now
            .groups
            .iter()
            .any(|group| group.nodes.iter().any(|n| n == node.name));
        if !known {
            let request = GroupAddNodeRequest {
                group: GROUP.to_owned(),
                node: node.name.to_owned(),
            };
            retry(admin, request, |mut c, r| async move {
                c.group_add_node(r).await
            })
            .await?;
        }
    }
    Ok(())
}

async fn put_users(layout: &Layout, admin: &mut Client) -> anyhow::Result<()> {
    let known = usize::try_from(status(admin).await?.users)?;
    let missing = layout.users.get(known..).unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("adding {} users …", missing.len());
    let batches: Vec<_> = missing
        .chunks(BATCH)
        .map(|users| UsersPutRequest {
            rows: users
                .iter()
                .map(|user| UserRow {
                    jid: user.jid.clone(),
                    password: user.password.clone(),
                    home: String::new(),
                    name: String::new(),
                })
                .collect(),
            update: true,
        })
        .collect();
    let mut answers = admin
        .users_put(tokio_stream::iter(batches))
        .await
        .map_err(said)?
        .into_inner();
    while let Some(answer) = answers.message().await.map_err(said)? {
        if let Some(error) = answer.errors.first() {
            bail!("a user was refused: {}", error.reason);
        }
    }
    Ok(())
}

/// The data of a fresh peer has to catch up first; until then HA is refused.
async fn enable_ha(admin: &mut Client) -> anyhow::Result<()> {
    if status(admin)
        .await?
        .groups
        .iter()
        .any(|group| group.name == GROUP && group.ha)
    {
        return Ok(());
    }
    eprintln!("switching HA on …");
    let request = GroupRef {
        group: GROUP.to_owned(),
    };
    retry(admin, request, |mut c, r| async move {
        c.group_enable_ha(r).await
    })
    .await?;
    Ok(())
}

/// Every slot has an owner, and it is at home.
fn served(status: &StatusResponse) -> bool {
    !status.slots.is_empty() && status.slots.iter().all(|slot| !slot.owner.is_empty())
}

async fn wait(
    layout: &Layout,
    processes: &mut Processes,
    admin: &mut Client,
    what: &str,
    holds: impl Fn(&StatusResponse) -> bool,
) -> anyhow::Result<()> {
    eprintln!("waiting until {what} …");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = status(admin).await?;
        if holds(&now) {
            return Ok(());
        }
        processes.check(layout)?;
        if Instant::now() > deadline {
            let words: Vec<_> = now
                .protection
                .iter()
                .map(|group| group.words.as_str())
                .collect();
            bail!("gave up waiting until {what}: {}", words.join("; "));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn connect(
    node: &NodeLayout,
    layout: &Layout,
    processes: &mut Processes,
) -> anyhow::Result<Client> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match channel(node.socket()).await {
            Ok(channel) => return Ok(AdminClient::new(channel)),
            Err(error) if Instant::now() > deadline => {
                return Err(error).with_context(|| format!("node {} does not answer", node.name));
            }
            Err(_) => processes.check(layout)?,
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn channel(socket: PathBuf) -> anyhow::Result<Channel> {
    let connect = service_fn(move |_| {
        let socket = socket.clone();
        async move { UnixStream::connect(socket).await.map(TokioIo::new) }
    });
    // The address is not used: the connector knows the socket.
    let endpoint = Endpoint::from_static("http://muster.invalid");
    Ok(endpoint.connect_with_connector(connect).await?)
}

async fn status(admin: &mut Client) -> anyhow::Result<StatusResponse> {
    Ok(admin
        .status(StatusRequest {})
        .await
        .map_err(said)?
        .into_inner())
}

/// What is refused as things stand now may be allowed a moment later.
async fn retry<R, T, F>(
    admin: &Client,
    request: R,
    call: impl Fn(Client, R) -> F,
) -> anyhow::Result<T>
where
    R: Clone,
    F: Future<Output = Result<tonic::Response<T>, tonic::Status>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        match call(admin.clone(), request.clone()).await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(refused) => {
                let later = matches!(
                    refused.code(),
                    tonic::Code::FailedPrecondition
                        | tonic::Code::Unavailable
                        | tonic::Code::Aborted
                );
                if !later || Instant::now() > deadline {
                    return Err(said(refused));
                }
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn said(status: tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("{}", status.message())
}

/// How to use what is running now.
pub(crate) fn introduce(layout: &Layout) {
    let musterctl = layout.musterctl().join(" ");
    let lines: Vec<_> = layout
        .nodes
        .iter()
        .filter(|node| !node.witness)
        .map(|node| {
            let (starttls, tls) = (
                node.address(super::files::Port::C2s),
                node.address(super::files::Port::C2sTls),
            );
            format!(
                "  node {}: {starttls} (STARTTLS) or {tls} (direct TLS)",
                node.name
            )
        })
        .collect();
    let users: Vec<_> = layout
        .users
        .iter()
        .take(10)
        .map(|user| format!("  {:<24} {}", user.jid, user.password))
        .collect();
    eprintln!(
        "\nMuster is ready.\n\nConnect any XMPP client to\n{}\ntrusting the CA in {}, as\n{}\n\n\
         See who serves whom:\n  {musterctl} status\nMove node a's users to its peer, and back:\n  \
         {musterctl} group failover a\n  {musterctl} group fallback a\n\n\
         All of this for programs: {}\nCtrl-C ends everything.",
        lines.join("\n"),
        layout.ca_file.display(),
        users.join("\n"),
        layout.description().display(),
    );
}
