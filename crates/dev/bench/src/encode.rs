//! A stanza is serialised once and written to many.

use crate::{Workload, address, repeat};
use muster_stanza::{MessageType, PresenceType, Stanza};
use muster_types::Jid;
use std::hint::black_box;

const WATCHERS: u64 = 50;
const CLIENTS: u64 = 3;
/// Messages in one run.
const MESSAGES: u64 = 10;

pub(crate) const PRESENCE: Workload = Workload {
    name: "encode-presence",
    does: "serialises a presence and writes it to all its watchers",
    unit: "recipient",
    units: WATCHERS,
    prepare: || {
        let mut writing = Writing::prepare(presence(), WATCHERS);
        Box::new(move || writing.run())
    },
};

pub(crate) const MESSAGE: Workload = Workload {
    name: "encode-message",
    does: "serialises messages and writes each to the clients of a user",
    unit: "recipient",
    units: MESSAGES * CLIENTS,
    prepare: || {
        let mut writing = Writing::prepare(message(), CLIENTS);
        Box::new(move || repeat(MESSAGES, || writing.run()))
    },
};

/// A presence as clients send it.
pub(crate) fn presence() -> Stanza {
    Stanza::presence(PresenceType::Available)
        .with_from(address::client(&address::alice()))
        .with_content(
            "<show>away</show><status>Back at two</status><priority>5</priority>\
             <c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://client.example' \
             ver='q07IKJEyjvHSyhy//CH0CxmKi8w='/>",
        )
}

fn message() -> Stanza {
    Stanza::message(MessageType::Chat)
        .with_from(address::client(&address::alice()))
        .with_to(address::user(0))
        .with_id("c6b1")
        .with_content(
            "<body>Shall we meet at the usual place, a quarter past twelve?</body>\
             <request xmlns='urn:xmpp:receipts'/>",
        )
}

struct Writing {
    stanza: Stanza,
    recipients: Vec<Jid>,
    /// What is handed to a socket; its memory is kept.
    out: Vec<u8>,
}

impl Writing {
    fn prepare(stanza: Stanza, recipients: u64) -> Self {
        let recipients = (0..recipients).map(|number| address::client(&address::user(number)));
        Self {
            stanza,
            recipients: recipients.map(Jid::from).collect(),
            out: Vec::new(),
        }
    }

    fn run(&mut self) -> u64 {
        let encoded = black_box(&self.stanza).encode();
        let mut written = 0;
        for to in &self.recipients {
            self.out.clear();
            encoded.write(&mut self.out, Some(to));
            written += u64::from(black_box(&self.out).len() > encoded.len() / 2);
        }
        written
    }
}
