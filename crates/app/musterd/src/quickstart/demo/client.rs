//! The simulated users. Each one who is at home has a client that stays logged in, as a real one
//! would: when its connection ends it tries the nodes in turn until one lets it in.
//!
//! A message counts as acknowledged when the ping behind it was answered: a node answers that only
//! when the message is safe.

use super::wire::{Wire, is_answer};
use crate::quickstart::DOMAIN;
use anyhow::{Context, bail};
use muster_admin::proto::StatusResponse;
use muster_stanza::{Element, Writer, ns};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, interval, sleep, timeout, timeout_at};
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
        timeout(LOGIN, login)
            .await
            .context("the login took too long")?
    }
}

/// What clients are to do.
#[derive(Clone, Default)]
pub(super) struct Orders {
    /// Makes the ids of a round's messages its own.
    pub(super) round: u32,
    /// To whom they write; nobody while it is empty.
    pub(super) write_to: String,
    /// Whether they log out.
    pub(super) leave: bool,
}

/// What clients tell.
pub(super) enum News {
    /// A node has answered a request for the contact list: this user is served.
    Served {
        who: usize,
        node: &'static str,
        at: Instant,
    },
    /// The connection ended.
    Lost { who: usize },
    /// A node did not let it in.
    Refused { who: usize, why: String },
    /// What a watcher sees of a contact now.
    Sees {
        watcher: usize,
        contact: String,
        online: bool,
    },
    /// A message is sent now.
    Writes { who: usize },
    /// The ping behind it was answered, so it is safe; or it was refused.
    Answered { who: usize, safe: Option<String> },
    /// A message was read.
    Read(String),
    /// How the cluster is.
    Status(Box<StatusResponse>),
    /// Somebody who was away has read what there was.
    HasRead,
}

/// One user's client.
pub(super) struct Client {
    account: Account,
    /// Whom it wants to see; they want to see it too.
    contacts: Vec<String>,
    subscribed: bool,
    writing: Writing,
    news: mpsc::Sender<News>,
    orders: watch::Receiver<Orders>,
}

/// What a client has written in this round.
#[derive(Default)]
struct Writing {
    round: u32,
    count: u32,
    unanswered: Option<String>,
}

impl Client {
    pub(super) fn new(
        account: Account,
        contacts: Vec<String>,
        news: mpsc::Sender<News>,
        orders: watch::Receiver<Orders>,
    ) -> Self {
        Self {
            account,
            contacts,
            subscribed: false,
            writing: Writing::default(),
            news,
            orders,
        }
    }

    /// Stays logged in until it is told to leave.
    pub(super) async fn live(mut self) {
        let (who, doors) = (self.account.who, self.account.doors.clone());
        for door in doors.into_iter().cycle() {
            let news = match self.account.log_in(door).await {
                Ok(wire) => match self.stay(wire, door.0).await {
                    Ok(()) => return,
                    Err(_) if self.orders.borrow().leave => return,
                    Err(_) => News::Lost { who },
                },
                Err(error) => News::Refused {
                    who,
                    why: format!("node {}: {error:#}", door.0),
                },
            };
            if self.tell(news).await.is_err() {
                return;
            }
            sleep(AGAIN).await;
        }
    }

    /// One session. It ends well only when the client was told to leave.
    async fn stay(&mut self, mut wire: Wire, node: &'static str) -> anyhow::Result<()> {
        self.fetch_contacts(&mut wire, node).await?;
        wire.send(&self.greeting()).await?;
        // What the last session was not told may be safe or not: it does not count.
        self.writing.unanswered = None;
        let mut pace = interval(PACE);
        loop {
            tokio::select! {
                element = wire.next() => {
                    let element = element?;
                    if let Some(answer) = answer_to(&element) {
                        wire.send(&answer).await?;
                    }
                    self.hear(&element).await?;
                }
                _ = pace.tick() => self.write(&mut wire).await?,
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
        if !wire.answer_to("contacts").await? {
            bail!("the contact list was refused");
        }
        let (who, at) = (self.account.who, Instant::now());
        self.tell(News::Served { who, node, at }).await
    }

    /// Its presence, and the first time what makes everybody see everybody.
    fn greeting(&mut self) -> Vec<u8> {
        let mut out = Writer::new();
        out.start("presence").end();
        if !std::mem::replace(&mut self.subscribed, true) {
            for contact in &self.contacts {
                out.start("presence").attr("type", "subscribe");
                out.attr("to", contact).end();
            }
        }
        out.finish()
    }

    async fn hear(&mut self, element: &Element) -> anyhow::Result<()> {
        let from = element.attr("from").unwrap_or_default();
        let from = from.split('/').next().unwrap_or_default();
        let kind = element.attr("type");
        match (element.name(), kind.as_deref()) {
            ("presence", kind @ (None | Some("unavailable")))
                if self.contacts.iter().any(|contact| contact == from) =>
            {
                let seen = News::Sees {
                    watcher: self.account.who,
                    contact: from.to_owned(),
                    online: kind.is_none(),
                };
                self.tell(seen).await?;
            }
            ("iq", _) => {
                let id = self.writing.unanswered.as_ref();
                if let Some(is_safe) = id.and_then(|id| is_answer(element, id)) {
                    let (who, id) = (self.account.who, self.writing.unanswered.take());
                    let safe = id.filter(|_| is_safe);
                    self.tell(News::Answered { who, safe }).await?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes the next message, if there is somebody to write to and the last one is answered.
    async fn write(&mut self, wire: &mut Wire) -> anyhow::Result<()> {
        let Orders {
            round, write_to, ..
        } = self.orders.borrow().clone();
        if self.writing.round != round {
            self.writing = Writing {
                round,
                ..Writing::default()
            };
        }
        let over = self.writing.count >= MESSAGES || self.writing.unanswered.is_some();
        if over || write_to.is_empty() {
            return Ok(());
        }
        self.writing.count += 1;
        let who = self.account.who;
        self.tell(News::Writes { who }).await?;
        let id = format!("{round}-{}-{}", self.account.name(), self.writing.count);
        let mut out = Writer::new();
        out.start("message").attr("type", "chat");
        out.attr("to", &write_to).attr("id", &id);
        out.leaf("body", "Read this when you are back.");
        wire.send(&out.finish()).await?;
        ping(wire, &id).await?;
        self.writing.unanswered = Some(id);
        Ok(())
    }

    async fn tell(&self, news: News) -> anyhow::Result<()> {
        self.news.send(news).await.context("nobody listens")
    }
}

/// Logs in, reads the messages that waited, and logs out again; waits a while for those `expected`.
pub(super) async fn read_mail(
    account: Account,
    mut expected: BTreeSet<String>,
    news: mpsc::Sender<News>,
) {
    let who = account.who;
    for door in account.doors.iter().copied().cycle() {
        let read = async {
            let wire = account.log_in(door).await?;
            read_on(wire, &mut expected, &news).await
        };
        let told = match read.await {
            Ok(()) => News::HasRead,
            Err(error) => News::Refused {
                who,
                why: format!("node {}: {error:#}", door.0),
            },
        };
        let done = matches!(told, News::HasRead);
        if news.send(told).await.is_err() || done {
            return;
        }
        sleep(AGAIN).await;
    }
}

async fn read_on(
    mut wire: Wire,
    expected: &mut BTreeSet<String>,
    news: &mpsc::Sender<News>,
) -> anyhow::Result<()> {
    wire.send(b"<presence/>").await?;
    ping(&mut wire, "all").await?;
    let (deadline, mut all) = (Instant::now() + READ, false);
    while !(all && expected.is_empty()) {
        let Ok(element) = timeout_at(deadline, wire.next()).await else {
            break;
        };
        let element = element?;
        all |= is_answer(&element, "all").is_some();
        if element.name() == "message"
            && let Some(id) = element.attr("id")
        {
            expected.remove(id.as_ref());
            news.send(News::Read(id.into_owned())).await?;
        }
    }
    wire.close().await
}

async fn ping(wire: &mut Wire, id: &str) -> anyhow::Result<()> {
    let mut payload = Writer::new();
    payload.start("ping").attr("xmlns", ns::PING);
    wire.ask("get", Some(DOMAIN), id, &payload.finish()).await
}

/// Everybody may see everybody, and what a node asks (changes of the contact list) is taken note of.
fn answer_to(element: &Element) -> Option<Vec<u8>> {
    let mut out = Writer::new();
    match (element.name(), element.attr("type").as_deref()) {
        ("presence", Some("subscribe")) => {
            out.start("presence").attr("type", "subscribed");
            out.attr_opt("to", element.attr("from").as_deref());
        }
        ("iq", Some("get" | "set")) => {
            out.start("iq").attr("type", "result");
            out.attr_opt("id", element.attr("id").as_deref());
            out.attr_opt("to", element.attr("from").as_deref());
        }
        _ => return None,
    }
    Some(out.finish())
}
