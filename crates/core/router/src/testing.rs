//! Conversations with a router: what goes in, and what comes out, one line an output.

pub(crate) use crate::{BindAnswer, Config, Directory, Input, Output, Router};
pub(crate) use muster_envelope::{
    Announcement, BindOutcome, Envelope, Notice, PresenceBatch, ResourcePresence, ToNode, ToOwner,
    WatchRequest,
};
pub(crate) use muster_presence::Version;
pub(crate) use muster_roster::{Access, AccessList};
pub(crate) use muster_stanza::{IqType, MessageType, PresenceType, Stanza};
pub(crate) use muster_types::{
    BareJid, Boot, Epoch, FullJid, Instant, Jid, Limits, LogIndex, Machine, NodeId, ResourcePart,
    SessionId, SlotId, Timestamp,
};
use muster_xep::HostInfo;
pub(crate) use std::sync::Arc;
use std::time::Duration;

pub(crate) const HERE: NodeId = NodeId(1);
pub(crate) const MINE: SlotId = SlotId(1);
pub(crate) const HIS: SlotId = SlotId(2);

#[derive(Debug, Default)]
pub(crate) struct Accounts {
    pub(crate) late: bool,
}

/// alice lives in slot 1, bob in slot 2; dave comes late.
impl Directory for Accounts {
    fn account_slot(&self, user: &BareJid) -> Option<SlotId> {
        match user.as_str() {
            "alice@x" => Some(MINE),
            "bob@x" => Some(HIS),
            "dave@x" if self.late => Some(HIS),
            _ => None,
        }
    }

    fn hosts(&self, domain: &str) -> bool {
        domain == "x"
    }
}

pub(crate) struct Talk {
    pub(crate) router: Router,
    pub(crate) now: Instant,
}

pub(crate) fn epoch(index: u64) -> Epoch {
    Epoch::opened_at(LogIndex(index))
}

pub(crate) fn session(serial: u64) -> SessionId {
    SessionId {
        node: HERE,
        boot: Boot(1),
        serial,
    }
}

pub(crate) fn resource(name: &str) -> ResourcePart {
    ResourcePart::new(name).unwrap().into_owned()
}

pub(crate) fn to(stanza: Stanza, jid: &str) -> Stanza {
    stanza.with_to(Jid::new(jid).unwrap())
}

pub(crate) fn chat(jid: &str, text: &str) -> Stanza {
    to(Stanza::message(MessageType::Chat), jid)
        .with_id(text)
        .with_content(format!("<body>{text}</body>").into_bytes())
}

pub(crate) fn mail(jid: &str, text: &str) -> Stanza {
    Stanza {
        kind: Stanza::message(MessageType::Normal).kind,
        ..chat(jid, text)
    }
}

pub(crate) fn get(id: &str) -> Stanza {
    Stanza::iq(IqType::Get, id).with_content("<query xmlns='jabber:iq:roster'/>")
}

pub(crate) fn available() -> Stanza {
    Stanza::presence(PresenceType::Available)
}

pub(crate) fn unavailable() -> Stanza {
    Stanza::presence(PresenceType::Unavailable)
}

impl Talk {
    pub(crate) fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> Self {
        let limits = Limits {
            waiting_per_session: 4,
            ..limits
        };
        let host = HostInfo {
            name: "Muster".into(),
            version: "0".into(),
            os: None,
            domain: "x".into(),
            features: Vec::new(),
        };
        let directory = Arc::new(Accounts::default());
        Self {
            router: Router::new(Config { limits, host }, directory),
            now: Instant::ZERO,
        }
    }

    /// Both slots open, alice bound as session 1 and nothing left to say.
    pub(crate) fn with_alice() -> Self {
        Self::of_alice(Limits::default())
    }

    /// The same, and a client may have so many temporary subscriptions.
    pub(crate) fn with_limit(temporary: usize) -> Self {
        Self::of_alice(Limits {
            temporary,
            ..Limits::default()
        })
    }

    fn of_alice(limits: Limits) -> Self {
        let mut talk = Self::with_limits(limits);
        talk.open(MINE, 5);
        talk.open(HIS, 7);
        talk.bind(1, "desk");
        talk
    }

    pub(crate) fn feed(&mut self, input: Input) -> Vec<String> {
        self.router.handle(self.now, input);
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.router.poll())
            .map(|output| line(&output))
            .collect()
    }

    pub(crate) fn pass(&mut self, seconds: u64) -> Vec<String> {
        self.now = self.now + Duration::from_secs(seconds);
        self.router.wake(self.now);
        self.drain()
    }

    pub(crate) fn open(&mut self, slot: SlotId, index: u64) -> Vec<String> {
        let (node, boot) = (NodeId(slot.0 + 1), Boot(1));
        self.feed(Input::Envelope(Envelope::Opened {
            slot,
            epoch: epoch(index),
            node,
            boot,
        }))
    }

    pub(crate) fn close(&mut self, slot: SlotId, index: u64) -> Vec<String> {
        self.feed(Input::Envelope(Envelope::Closed {
            slot,
            epoch: epoch(index),
        }))
    }

    pub(crate) fn bind(&mut self, serial: u64, name: &str) -> Vec<String> {
        let (session, generated) = (session(serial), resource("g"));
        let user = BareJid::new("alice@x").unwrap();
        let jid = user.with_resource(&resource(name));
        self.feed(Input::Bind {
            session,
            user,
            wanted: None,
            generated,
        });
        let outcome = BindOutcome::Bound(jid);
        self.tell(MINE, 5, ToNode::Bound { session, outcome })
    }

    pub(crate) fn tell(&mut self, slot: SlotId, index: u64, body: ToNode) -> Vec<String> {
        self.feed(Input::Envelope(Envelope::ToNode {
            slot,
            epoch: epoch(index),
            body,
        }))
    }

    pub(crate) fn send(&mut self, serial: u64, stanza: Stanza) -> Vec<String> {
        let jid = match self
            .router
            .sessions
            .get(&session(serial))
            .and_then(|s| s.bound())
        {
            Some(jid) => jid.clone(),
            None => FullJid::new("alice@x/none").unwrap(),
        };
        let (session, stanza) = (session(serial), stanza.with_from(jid));
        self.feed(Input::Stanza {
            session,
            stanza,
            at: Timestamp(0),
        })
    }

    pub(crate) fn confirm(&mut self, slot: SlotId, index: u64, serial: u64) -> Vec<String> {
        self.tell(
            slot,
            index,
            ToNode::Confirm {
                session: session(1),
                serial,
            },
        )
    }

    pub(crate) fn ended(&mut self, serial: u64, graceful: bool) -> Vec<String> {
        self.feed(Input::Ended {
            session: session(serial),
            graceful,
        })
    }

    /// Alice's session becomes available and sees bob.
    pub(crate) fn watch_bob(&mut self) {
        self.send(1, available());
        let contacts = vec![BareJid::new("bob@x").unwrap()];
        self.tell(
            MINE,
            5,
            ToNode::Contacts {
                session: session(1),
                contacts,
            },
        );
    }

    pub(crate) fn bob_is(&mut self, index: u64, seq: u64, stanza: Stanza) -> Vec<String> {
        let presentity = BareJid::new("bob@x").unwrap();
        let stanza = stanza.with_from(presentity.with_resource(&resource("phone")));
        let batch = PresenceBatch {
            presentity,
            version: Version {
                epoch: epoch(index),
                seq,
            },
            resources: vec![ResourcePresence {
                resource: resource("phone"),
                stanza,
            }],
            full: false,
            watchers: vec![Arc::new(BareJid::new("alice@x").unwrap())],
        };
        self.tell(HIS, index, ToNode::Presence(batch))
    }

    /// The owner says of alice's own clients.
    pub(crate) fn alice_is(
        &mut self,
        (index, seq): (u64, u64),
        full: bool,
        clients: &[(&str, Stanza)],
    ) -> Vec<String> {
        let presentity = BareJid::new("alice@x").unwrap();
        let resources = clients.iter().map(|(name, stanza)| {
            let (resource, stanza) = (resource(name), stanza.clone());
            let stanza = stanza.with_from(presentity.with_resource(&resource));
            ResourcePresence { resource, stanza }
        });
        let batch = PresenceBatch {
            version: Version {
                epoch: epoch(index),
                seq,
            },
            resources: resources.collect(),
            full,
            watchers: vec![Arc::new(presentity.clone())],
            presentity,
        };
        self.tell(MINE, index, ToNode::Presence(batch))
    }

    pub(crate) fn published(&mut self, serial: u64) -> Vec<String> {
        let session = session(serial);
        self.tell(MINE, 5, ToNode::Published { session })
    }
}

/// One output as a line; sessions by their serial.
pub(crate) fn line(output: &Output) -> String {
    match output {
        Output::Send {
            to,
            envelope: Envelope::ToOwner { slot, epoch, body },
        } => {
            format!("{to} {slot} {epoch} {}", said(body))
        }
        Output::Send { .. } => "not for an owner".into(),
        Output::Bound { session, answer } => match answer {
            BindAnswer::Bound(jid) => format!("{} is {jid}", session.serial),
            BindAnswer::TooMany | BindAnswer::NoAccount | BindAnswer::TooBusy => {
                format!("{} refused: {answer:?}", session.serial)
            }
        },
        Output::Deliver {
            session,
            stanza,
            to,
            key,
        } => {
            let mut bytes = Vec::new();
            stanza.write(&mut bytes, to.as_deref());
            let key = key
                .as_ref()
                .map_or_else(String::new, |key| format!(" [{key}]"));
            format!(
                "{} <- {}{key}",
                session.serial,
                String::from_utf8(bytes).unwrap()
            )
        }
        Output::End { session, error } => format!("{} ends: {error}", session.serial),
        Output::Pause { session } => format!("{} pause", session.serial),
        Output::Resume { session } => format!("{} resume", session.serial),
    }
}

pub(crate) fn said(body: &ToOwner) -> String {
    let sent = |session: &SessionId, serial: &u64, stanza: &Stanza| {
        let to = stanza
            .to
            .as_ref()
            .map_or_else(String::new, |to| format!(" to {to}"));
        let id = stanza
            .id
            .as_ref()
            .map_or_else(String::new, |id| format!(" {id}"));
        format!("{} #{serial} {:?}{id}{to}", session.serial, stanza.kind)
    };
    match body {
        ToOwner::Bind { session, user, .. } => format!("bind {} {user}", session.serial),
        ToOwner::Unbind { session, graceful } => {
            format!(
                "unbind {} {}",
                session.serial,
                if *graceful { "gracefully" } else { "cut" }
            )
        }
        ToOwner::Publish { session, presence } => {
            format!("publish {} {:?}", session.serial, presence.kind)
        }
        ToOwner::Submit {
            session,
            serial,
            stanza,
            contact_slot,
        } => {
            format!("submit {} {contact_slot:?}", sent(session, serial, stanza))
        }
        ToOwner::Route {
            session,
            serial,
            stanza,
        } => {
            format!("route {}", sent(session, serial, stanza))
        }
        ToOwner::Watch(requests) => watched(requests),
        ToOwner::Unwatch { contact, watcher } => format!("unwatch {contact} by {watcher}"),
        ToOwner::WatchTemporarily { session, request } => {
            let asks = watched(std::slice::from_ref(request));
            format!("{asks}, asked by {}", session.serial)
        }
        ToOwner::Announce(part) => announced(part),
        ToOwner::Ask { .. } => "ask".to_owned(),
        ToOwner::AskContacts(sessions) => {
            let all: Vec<_> = sessions.iter().map(|one| one.serial.to_string()).collect();
            format!("ask contacts of {}", all.join(", "))
        }
        ToOwner::AskItems(asked) => {
            let contacts: Vec<_> = asked.contacts.iter().map(ToString::to_string).collect();
            let (contacts, nodes) = (contacts.join(", "), asked.nodes.join(", "));
            format!("items of {contacts} for {}: {nodes}", asked.session.serial)
        }
        ToOwner::Owed { .. } | ToOwner::OwedConfirm { .. } | ToOwner::NodeLost { .. } => {
            "not said by routers".into()
        }
    }
}

pub(crate) const EMPTY: [&str; 0] = [];

fn watched(requests: &[WatchRequest]) -> String {
    let one = |one: &WatchRequest| {
        let temporary = if one.temporary { " for a while" } else { "" };
        format!("{} by {}{temporary}", one.contact, one.watcher)
    };
    let all: Vec<_> = requests.iter().map(one).collect();
    format!("watch {}", all.join(", "))
}

fn announced(part: &Announcement) -> String {
    let sessions: Vec<_> = part
        .sessions
        .iter()
        .map(|one| {
            format!(
                "{}{}",
                one.jid,
                if one.presence.is_some() { "!" } else { "" }
            )
        })
        .collect();
    let watches: Vec<_> = part
        .watches
        .iter()
        .map(|one| {
            let temporary = if one.temporary { " for a while" } else { "" };
            let since = one.known.map(|v| v.seq);
            format!("{} since {since:?}{temporary}", one.contact)
        })
        .collect();
    let heard = part.heard.map(|heard| format!(" heard {heard}"));
    format!(
        "announce [{}] [{}]{}",
        sessions.join(", "),
        watches.join(", "),
        heard.unwrap_or_default()
    )
}
