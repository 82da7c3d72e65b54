//! How each service is asked for a sign of work.

use super::{Answer, Services};
use crate::clients::Clients;
use crate::shared::Shared;
use muster_ha::ServiceKind::{Clock, Store, Work};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Questions that may wait in a task's inbox: one is asked at a time.
pub(crate) const QUESTIONS: usize = 4;
/// How long a listener may take to end a connection.
const CONNECTION: Duration = Duration::from_secs(30);

/// Registers what every node has.
pub(crate) fn register_all(
    shared: &Arc<Shared>,
    clients: Option<&Arc<Clients>>,
    shards: Vec<mpsc::Sender<Answer>>,
) {
    let (services, config) = (&shared.services, shared.config().services.clone());
    services.register("router", Work, config.router, move |answer| {
        for shard in &shards {
            // One that is not taken says by that that nobody is there.
            let _ = shard.try_send(answer.another());
        }
        answer.good();
    });
    let of = Arc::downgrade(shared);
    services.register("presence", Work, config.presence, move |answer| {
        let Some(shared) = of.upgrade() else { return };
        for slot in shared.all_slots() {
            slot.ask(answer.another());
        }
        answer.good();
    });
    let store = shared.store.clone();
    services.register("store", Store, config.store, move |answer| {
        store.barrier(move |written| {
            if written.is_ok() {
                answer.good();
            }
        });
    });
    let of = Arc::downgrade(shared);
    services.register("raft", Work, config.raft, move |answer| {
        ask_raft(&of, answer)
    });
    let of = Arc::downgrade(shared);
    services.register("clock", Clock, config.clock, move |answer| {
        let in_step = |shared: Arc<Shared>| shared.clocks.judge().own.is_none();
        if of.upgrade().is_some_and(in_step) {
            answer.good();
        }
    });
    if let Some(clients) = clients {
        register_listeners(services, clients);
    }
}

/// The thread has to turn, and the core of each group to answer.
fn ask_raft(shared: &Weak<Shared>, answer: Answer) {
    let Some(shared) = shared.upgrade() else {
        return;
    };
    let groups = shared.groups.all();
    shared.raft.spawn(async move {
        for group in groups {
            group.is_initialized().await;
        }
        answer.good();
    });
}

/// Each open listener has to take a connection, and to end it. Those that were closed on purpose owe
/// nothing.
fn register_listeners(services: &Services, clients: &Arc<Clients>) {
    let of = Arc::downgrade(clients);
    let config = clients.shared.config().services.c2s;
    services.register("c2s", Work, config, move |answer| {
        let Some(clients) = of.upgrade() else { return };
        for address in clients.open_listeners() {
            let answer = answer.another();
            clients.shared.main.spawn(async move {
                let taken = tokio::time::timeout(CONNECTION, connect(nearby(address)));
                if let Ok(Ok(())) = taken.await {
                    answer.good();
                }
            });
        }
        answer.good();
    });
}

/// Connects as a client that changes its mind.
async fn connect(address: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.shutdown().await?;
    let mut last_words = [0; 1024];
    while stream.read(&mut last_words).await? > 0 {}
    Ok(())
}

/// Where a listener on every address is reached from its own host.
fn nearby(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
