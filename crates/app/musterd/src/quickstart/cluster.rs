//! Forms the cluster of a quickstart: every step looks first whether it was done before.

use super::files::{Layout, NodeLayout};
use super::processes::Processes;
use super::readiness::{advice, is_settled, serves, stands};
use super::users::{User, Users};
use super::{DOMAIN, GROUP};
use anyhow::{Context, bail};
use hyper_util::rt::TokioIo;
use muster_admin::proto;
use muster_admin::proto::admin_client::AdminClient;
use muster_admin::proto::{
    ClusterInitRequest, ClusterJoinRequest, GroupAddNodeRequest, GroupCreateRequest, GroupRef,
    Role, StatusRequest, StatusResponse, TokenCreateRequest, UserListRequest, UserRow,
    UsersPutRequest,
};
use muster_store::DataFolder;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// How long each step may take before the quickstart gives up.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// How long the states of the nodes may take to settle once everything else is as it should be.
const SETTLE: Duration = Duration::from_secs(10);
/// Users in one request.
const BATCH: usize = 250;

type Client = AdminClient<Channel>;

/// Brings every node into one cluster with HA and all users, and waits until all users are served.
/// Users may be where they were before: with the peer, after a failover. Returns what to say about
/// that, a line each.
pub(crate) async fn form(
    layout: &mut Layout,
    processes: &mut Processes,
) -> anyhow::Result<Vec<String>> {
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
    let what = "all nodes are there and serve their users";
    wait(layout, processes, &mut admin, what, serves).await?;
    let alone = others.is_empty();
    put_users(&mut layout.users, &mut admin).await?;
    if alone {
        return Ok(Vec::new());
    }
    enable_ha(&mut admin).await?;
    let what = "every node votes for the users of the others";
    wait(layout, processes, &mut admin, what, stands).await?;
    let status = settle(layout, processes, &mut admin).await?;
    Ok(advice(&status, &layout.musterctl().join(" ")))
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

/// Adds the users that are missing; what operators did to the others is left alone.
async fn put_users(users: &mut Users, admin: &mut Client) -> anyhow::Result<()> {
    let mut there = jids(admin).await?;
    let missing = users.missing(&there);
    if !missing.is_empty() {
        eprintln!("adding {} users …", missing.len());
        add(&missing, admin).await?;
        there = jids(admin).await?;
    }
    users.settle(&there)
}

/// The addresses of the users that the cluster has.
async fn jids(admin: &mut Client) -> anyhow::Result<BTreeSet<String>> {
    let users = users(admin).await?;
    Ok(users.into_iter().map(|user| user.jid).collect())
}

/// The users that the cluster has.
async fn users(admin: &mut Client) -> anyhow::Result<Vec<proto::User>> {
    let (mut users, mut after) = (Vec::new(), String::new());
    loop {
        let request = UserListRequest { after, limit: 0 };
        let page = admin.user_list(request).await.map_err(said)?.into_inner();
        let Some(last) = page.users.last() else {
            return Ok(users);
        };
        after = last.jid.clone();
        users.extend(page.users);
    }
}

/// The home node of each user.
pub(super) async fn homes(
    layout: &Layout,
    processes: &mut Processes,
) -> anyhow::Result<BTreeMap<String, String>> {
    let first = layout.nodes.first().context("no nodes")?;
    let mut admin = connect(first, layout, processes).await?;
    let users = users(&mut admin).await?;
    Ok(users
        .into_iter()
        .map(|user| (user.jid, user.home))
        .collect())
}

async fn add(missing: &[&User], admin: &mut Client) -> anyhow::Result<()> {
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
            update: false,
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

/// Waits a moment until the nodes' states pass no more. Nothing depends on it but what is said.
async fn settle(
    layout: &Layout,
    processes: &mut Processes,
    admin: &mut Client,
) -> anyhow::Result<StatusResponse> {
    let deadline = Instant::now() + SETTLE;
    loop {
        let now = status(admin).await?;
        if is_settled(&now) || Instant::now() > deadline {
            return Ok(now);
        }
        processes.check(layout)?;
        tokio::time::sleep(LOOK).await;
    }
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

pub(super) async fn channel(socket: PathBuf) -> anyhow::Result<Channel> {
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
pub(crate) fn introduce(layout: &Layout, advice: &[String]) {
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
        .present()
        .take(10)
        .map(|user| format!("  {:<24} {}", user.jid, user.password))
        .collect();
    eprintln!(
        "\nMuster is ready.\n\nConnect any XMPP client to\n{}\ntrusting the CA in {}, as\n{}\n\n{}\n\
         All of this for programs: {}\n{}Ctrl-C ends everything.",
        lines.join("\n"),
        layout.ca_file.display(),
        users.join("\n"),
        commands(layout),
        layout.description().display(),
        paragraph(advice),
    );
}

/// What to type in another terminal.
fn commands(layout: &Layout) -> String {
    let mut text = format!(
        "In another terminal:\n  . {}\n  musterctl status              who serves whom, and whether a \
         failure would be survived\n",
        layout.environment().display()
    );
    if layout.nodes.len() > 1 {
        let musterctl = layout.musterctl().join(" ");
        text += &format!(
            "  musterctl group failover a    moves node a's users to its peer\n  musterctl group \
             fallback a    and back\nWithout that file:\n  {musterctl} group failover a\n"
        );
    }
    text
}

fn paragraph(lines: &[String]) -> String {
    if lines.is_empty() {
        String::new()
    } else {
        format!("\n{}\n\n", lines.join("\n"))
    }
}
