//! The simulated users. Each one who is at home has a client that stays logged in, as a real one
//! would: when its connection ends it tries the nodes in turn until one lets it in.
//!
//! A message counts as acknowledged when the ping behind it was answered: a node answers that only
//! when the message is safe.

use super::wire::{Wire, is_answer};
use crate::quickstart::DOMAIN;
use anyhow::{Context, bail};
use muster_stanza::{Element, Writer, ns};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_rustls::TlsConnector;

/// How long one login may take before the next node is tried.
const LOGIN: Duration = Duration::from_secs(6);
/// A pause before the other node is tried.
const AGAIN: Duration = Duration::from_millis(50);
/// How often a client writes.
const PACE: Duration = Duration::from_millis(250);
/// Messages of one client in one round. Four clients stay below the 100 that a node keeps for a
/// user who is away.
const MESSAGES: u32 = 24;
/// How long a reader waits for messages that were acknowledged.
const READ: Duration = Duration::from_secs(5);

/// A node as clients know it.
pub(super) type Door = (&'static str, SocketAddr);

/// Who a client is, and where it may go: to the first door first.
#[derive(Clone)]
pub(super) struct Account {
    /// Its place in the list of people.
    pub(super) who: usize,
    pub(super) jid: String,
    pub(super) password: String,
    pub(super) doors: Vec<Door>,
    pub(super) connector: TlsConnector,
}

impl Account {
    fn name(&self) -> &str {
        self.jid.split('@').next().unwrap_or_default()
    }

    async fn log_in(&self, door: Door) -> anyhow::Result<Wire> {
        let login = Wire::log_in(&self.connector, door.1, self.name(), &self.password);
        timeout(LOGIN, login).await.context("the login took too long")?
    }
}

/// What clients are to do.
#[derive(Clone, Default)]
pub(super) struct Orders {
    /// Makes the ids of a round's messages its own.
    pub(super) round: String,
    /// To whom they write; nobody while it is empty.
    pub(super) write_to: String,
    /// Whether they log out.
    pub(super) leave: bool,
}

/// What clients tell.
pub(super) enum News {
    /// A node has answered a request for the contact list: this user is served.
    Served { who: usize, node: &'static str, at: Instant },
    /// The connection ended.
    Lost { who: usize },
    /// A node did not let it in.
    Refused { who: usize, why: String },
    /// What a watcher sees of a contact now.
    Sees { watcher: usize, contact: String, online: bool },
    /// A message is safe, says the node.
    Acknowledged(String),
    /// A message was read.
    Read(String),
    /// Somebody who was away has read what there was.
    HasRead,
}

/// One user's client.
pub(super) struct Client {
    pub(super) account: Account,
    /// Whom it wants to see; they want to see it too.
    pub(super) contacts: Vec<String>,
    pub(super) news: mpsc::Sender<News>,
    pub(super) orders: watch::Receiver<Orders>,
}

/// What a client has written in this round.
#[derive(Default)]
struct Writing {
    round: String,
    count: u32,
    unanswered: Option<String>,
}

impl Client {
    /// Stays logged in until it is told to leave.
    pub(super) async fn live(mut self) {
        let doors = self.account.doors.clone();
        let mut subscribed = false;
        for door in doors.into_iter().cycle() {
            let why = match self.account.log_in(door).await {
                Ok(wire) => match self.stay(wire, door.0, &mut subscribed).await {
                    Ok(()) => return,
                    Err(_) => News::Lost { who: self.account.who },
                },
                Err(error) => News::Refused {
                    who: self.account.who,
                    why: format!("node {}: {error:#}", door.0),
                },
            };
            if self.news.send(why).await.is_err() {
                return;
            }
            sleep(AGAIN).await;
        }
    }

    /// One session. It ends well only when the client was told to leave.
    async fn stay(
        &mut self,
        mut wire: Wire,
        node: &'static str,
        subscribed: &mut bool,
    ) -> anyhow::Result<()> {
        self.fetch_contacts(&mut wire, node).await?;
        let mut out = Writer::new();
        out.start("presence").end();
        if !*subscribed {
            for contact in &self.contacts {
                out.start("presence").attr("type", "subscribe");
                out.attr("to", contact).end();
            }
        }
        wire.send(&out.finish()).await?;
        *subscribed = true;
        let mut writing = Writing::default();
        let mut pace = interval(PACE);
        loop {
            tokio::select! {
                element = wire.next() => {
                    let element = element?;
                    self.hear(&element, &mut writing).await?;
                    if let Some(answer) = answer_to(&element) {
                        wire.send(&answer).await?;
                    }
                }
                _ = pace.tick() => self.write(&mut wire, &mut writing).await?,
                changed = self.orders.changed() => {
                    if changed.is_err() || self.orders.borrow().leave {
                        return wire.close().await;
                    }
                }
            }
        }
    }

    /// The first answer: the list can come only from the node that serves the user.
    async fn fetch_contacts(&self, wire: &mut Wire, node: &'static str) -> anyhow::Result<()> {
        let mut query = Writer::new();
        query.start("query").attr("xmlns", ns::ROSTER);
        wire.ask("get", None, "contacts", &query.finish()).await?;
        let answered = loop {
            if let Some(answered) = is_answer(&wire.next().await?, "contacts") {
                break answered;
            }
        };
        if !answered {
            bail!("the contact list was refused");
        }
        let (who, at) = (self.account.who, Instant::now());
        self.tell(News::Served { who, node, at }).await
    }

    async fn hear(&self, element: &Element, writing: &mut Writing) -> anyhow::Result<()> {
        let from = element.attr("from").unwrap_or_default();
        let from = from.split('/').next().unwrap_or_default();
        match (element.name(), element.attr("type").as_deref()) {
            ("presence", kind @ (None | Some("unavailable"))) => {
                if self.contacts.iter().any(|contact| contact == from) {
                    let seen = News::Sees {
                        watcher: self.account.who,
                        contact: from.to_owned(),
                        online: kind.is_none(),
                    };
                    self.tell(seen).await?;
                }
            }
            ("iq", _) => {
                let answered = |id: &String| is_answer(element, id);
                if let Some(result) = writing.unanswered.as_ref().and_then(answered)
                    && let Some(id) = writing.unanswered.take()
                    && result
                {
                    self.tell(News::Acknowledged(id)).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes the next message, if there is somebody to write to and the last one is answered.
    async fn write(&self, wire: &mut Wire, writing: &mut Writing) -> anyhow::Result<()> {
        let Orders { round, write_to, .. } = self.orders.borrow().clone();
        if writing.round != round {
            (writing.round, writing.count) = (round, 0);
        }
        let over = writing.count >= MESSAGES || writing.unanswered.is_some();
        if over || write_to.is_empty() {
            return Ok(());
        }
        writing.count += 1;
        // A client that came back counts from the start: the time keeps its ids apart.
        let stamp = Instant::now().elapsed_since_start();
        let id = format!("{}-{}-{stamp}", writing.round, self.account.name());
        let mut out = Writer::new();
        out.start("message").attr("type", "chat");
        out.attr("to", &write_to).attr("id", &id);
        out.leaf("body", "Read this when you are back.");
        wire.send(&out.finish()).await?;
        ping(wire, &id).await?;
        writing.unanswered = Some(id);
        Ok(())
    }

    async fn tell(&self, news: News) -> anyhow::Result<()> {
        self.news.send(news).await.context("nobody listens")
    }
}
