//! What the end-to-end tests share: the people in them.
//!
//! Each file below `tests/` is one subject. The cluster is real (`musterd quickstart`), the clients are other people's
//! (`tests/clients`), and each test stands alone.

mod talk;

pub use talk::Talk;

use anyhow::{Context, Result};
use muster_testkit::{
    Client, ClientOptions, History, Library, NodeFacts, PATIENCE, Quickstart, Raw, UserFacts,
    Writer,
};

/// A pair of users with different home nodes: what one of them sees of the other crosses the cluster.
#[derive(Clone, Debug)]
pub struct Couple {
    /// The one whose node is broken.
    pub alice: UserFacts,
    /// The one who watches.
    pub bob: UserFacts,
    /// Alice's home node.
    pub home: String,
    /// Bob's home node.
    pub peer: String,
}

impl Couple {
    /// Finds two such users.
    ///
    /// # Errors
    /// Fails when all users have one home.
    pub fn of(cluster: &Quickstart) -> Result<Self> {
        let ctl = cluster.ctl();
        let alice = cluster.user(0).clone();
        let home = ctl.home_of(&alice.jid)?;
        for bob in &cluster.facts().users[1..] {
            let peer = ctl.home_of(&bob.jid)?;
            if peer != home {
                return Ok(Self {
                    alice,
                    bob: bob.clone(),
                    home,
                    peer,
                });
            }
        }
        anyhow::bail!("every user's home is {home}, although the assignment is balanced")
    }
}

/// What a node answers to a probe, with the headers.
///
/// # Errors
/// Fails when it does not answer.
pub fn probe(node: &NodeFacts, path: &str) -> Result<String> {
    let mut raw = Raw::connect(&node.http)?;
    raw.send(format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    ))?;
    raw.read_to_end(PATIENCE)
}

/// A node's address for STARTTLS clients.
///
/// # Errors
/// Fails for a witness.
pub fn c2s(node: &NodeFacts) -> Result<&str> {
    node.c2s
        .as_deref()
        .with_context(|| format!("node {} serves no clients", node.name))
}

/// Starts to write for both of a couple, each at their home node and round to the other, with messages to the next two
/// accounts, who must not be online.
///
/// # Errors
/// Fails when there are not enough accounts.
pub fn write_under(cluster: &Quickstart, couple: &Couple) -> Result<History> {
    let mut readers = cluster.facts().users.iter();
    let mut next = || {
        let free = readers.find(|user| **user != couple.alice && **user != couple.bob);
        free.cloned().context("no account is left for a reader")
    };
    let mut writers = Vec::new();
    for (user, home) in [(&couple.alice, &couple.home), (&couple.bob, &couple.peer)] {
        let (own, other) = (cluster.node(home)?, cluster.peer(home)?);
        writers.push(Writer {
            user: user.clone(),
            reader: next()?,
            addresses: vec![c2s(own)?.to_owned(), c2s(other)?.to_owned()],
        });
    }
    Ok(History::start(&cluster.trust()?, writers))
}

/// A client that starts at a node and goes to its peer when that does not answer, and back.
///
/// # Errors
/// Fails when the node has no peer.
pub fn from_node(cluster: &Quickstart, library: Library, node: &str) -> Result<ClientOptions> {
    Ok(ClientOptions::new(
        library,
        &[c2s(cluster.node(node)?)?, c2s(cluster.peer(node)?)?],
    ))
}

/// A connected client that starts at a node; its owner knows of its presence.
///
/// # Errors
/// Fails when it does not get in.
pub fn log_in(
    cluster: &Quickstart,
    library: Library,
    user: &UserFacts,
    node: &str,
) -> Result<Client> {
    let mut client = cluster.client(user, &from_node(cluster, library, node)?)?;
    client.ready(0)?;
    client.expect(0, "its own presence", |event| {
        event.is_presence("available", &user.jid)
    })?;
    Ok(client)
}
