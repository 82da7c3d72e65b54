//! What the server answers by itself, without any user's data: one file per extension.
//!
//! The caller has found that an IQ is for the server ([`answer_host`]) or for the sender's own
//! account ([`answer_account`]); `None` means that nobody here knows it, which is
//! `service-unavailable` for a get or a set and silence for anything else.
//!
//! [`command`] and [`temporary`] are for those who hold what an ad-hoc command is about.
//!
//! To add one: write its file with an `EXTENSION`, and put that into `EXTENSIONS`. Service
//! discovery announces what is in the list.
#![deny(clippy::wildcard_enum_match_arm)]

mod caps;
pub mod command;
mod disco;
mod ping;
mod session;
pub mod temporary;
mod time;
mod version;

use muster_stanza::{ElementRef, IqType, Stanza};
use muster_types::Timestamp;

pub use caps::{Caps, NOTIFY_MAX, notified_of};
pub use disco::account_disco;

/// Every extension the server answers for a domain, in the order they are asked.
const EXTENSIONS: &[Extension] = &[
    disco::EXTENSION,
    version::EXTENSION,
    session::EXTENSION,
    ping::EXTENSION,
    time::EXTENSION,
];

/// One extension.
struct Extension {
    /// What service discovery announces for it.
    features: &'static [&'static str],
    /// Answers a question; `None` when it is another's.
    answer: fn(&Question<'_>) -> Option<Stanza>,
}

/// An IQ get or set, and who is asked.
struct Question<'a> {
    host: &'a HostInfo,
    now: Timestamp,
    iq: &'a Stanza,
    iq_type: IqType,
    payload: ElementRef<'a>,
}

impl Question<'_> {
    /// Whether it is of this type and about this element.
    fn is(&self, iq_type: IqType, name: &str, namespace: &str) -> bool {
        self.iq_type == iq_type && self.payload.is(name, namespace)
    }
}

/// What a domain says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostInfo {
    /// The name of the software.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The operating system, if people may know.
    pub os: Option<String>,
    /// The domain asked.
    pub domain: String,
    /// Features served for this domain elsewhere in the server, to be announced with ours.
    pub features: Vec<String>,
}

/// Answers an IQ for the server, addressed to its domain or to nobody.
pub fn answer_host(host: &HostInfo, now: Timestamp, iq: &Stanza) -> Option<Stanza> {
    let iq_type = iq
        .iq_type()
        .filter(|t| matches!(t, IqType::Get | IqType::Set))?;
    let question = Question {
        host,
        now,
        iq,
        iq_type,
        payload: iq.payload()?,
    };
    EXTENSIONS
        .iter()
        .find_map(|extension| (extension.answer)(&question))
}

/// What an account is to whoever asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountInfo<'a> {
    /// Its address.
    pub jid: &'a str,
    /// Features that the caller serves for it.
    pub features: Vec<&'a str>,
    /// The nodes of its personal eventing service (XEP-0163) that the asker may read.
    pub nodes: Vec<&'a str>,
}

/// Answers an IQ to an account: discovery and ping. Ping is announced with the account's own features.
pub fn answer_account(iq: &Stanza, account: &AccountInfo<'_>) -> Option<Stanza> {
    ping::answer(iq).or_else(|| account_disco(iq, account))
}

#[cfg(test)]
mod testing;
