//! Every bound of the server that is not a configuration of one listener, with unit and reason.

use std::time::Duration;

/// The most contacts of one roster, and so the most an operator may allow. A roster reaches a client in
/// one stanza, and whose presence it asks for is asked again whenever a client comes or a slot has a
/// new owner: with more of it one user would be felt by others.
pub const ROSTER_ITEMS_MAX: u32 = 5_000;

/// Bounds on what users, clients and peers may make the server hold. The defaults are the shipped
/// ones; a configuration may change them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one stanza from a client that has logged in. RFC 6120 §13.12 asks for at least 10,000.
    pub stanza_bytes: usize,
    /// Bytes of one element before login: SASL and TLS negotiation need little.
    pub element_bytes_before_login: usize,
    /// How deep elements may nest, the stanza itself being 1.
    pub depth: usize,
    /// Attributes of one element.
    pub attributes: usize,
    /// Contacts in one roster, whatever an operator sets (`contacts-max`); one more is refused with
    /// `resource-constraint`.
    pub roster_items: usize,
    /// Bytes of the addresses, names and groups in one roster. Escaped and with all that is around them
    /// they are less than 10 MB, so that the roster goes through a link in one message, and less than
    /// may wait for a client.
    pub roster_bytes: usize,
    /// Requests to see a user that wait for its answer; one more is turned down.
    pub requests: usize,
    /// Bytes of what a subscription stanza holds: of requests all that wait are kept for their user and
    /// shown to each client that comes.
    pub request_bytes: usize,
    /// Rules of one user about whom it lets in.
    pub access_rules: usize,
    /// Bytes of the addresses in them.
    pub access_bytes: usize,
    /// To whom one client may have sent presence of its own accord at a time (RFC 6121 §4.6).
    pub directed: usize,
    /// Temporary subscriptions of one session at a time; one more is refused with `resource-constraint`.
    pub temporary: usize,
    /// Bytes of a contact's name, and of a group's.
    pub roster_name_bytes: usize,
    /// Groups of one contact.
    pub roster_groups: usize,
    /// Messages kept for a user who is offline; one more is bounced with `service-unavailable`.
    pub offline_messages: usize,
    /// Bytes of one private-storage element or vCard.
    pub private_bytes: usize,
    /// Private-storage namespaces of one user.
    pub private_items: usize,
    /// Nodes of one user's personal eventing service (XEP-0163); one more is refused with
    /// `resource-constraint`.
    pub pep_nodes: usize,
    /// Bytes of one published item; a larger one is refused with `not-acceptable`.
    pub pep_item_bytes: usize,
    /// Bytes of all items of one user.
    pub pep_bytes: usize,
    /// Bytes of the name of a node, and of the id of an item.
    pub pep_name_bytes: usize,
    /// Sessions of one user at a time.
    pub sessions_per_user: usize,
    /// Stanzas one session may have waiting for an owner; then its socket is not read.
    pub waiting_per_session: usize,
    /// How long a stanza or a bind waits for a slot that is between owners.
    pub owner_wait: Duration,
    /// How long a lost client is expected back before watchers are told it is gone.
    pub grace: Duration,
    /// How long a chat stays with the one client that answered (IM forking).
    pub chat_lock: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stanza_bytes: 262_144,
            element_bytes_before_login: 16_384,
            depth: 64,
            attributes: 64,
            roster_items: ROSTER_ITEMS_MAX as usize,
            roster_bytes: 1 << 20,
            requests: 200,
            request_bytes: 8_192,
            access_rules: 1_000,
            access_bytes: 65_536,
            directed: 200,
            temporary: 100,
            roster_name_bytes: 1023,
            roster_groups: 32,
            offline_messages: 100,
            private_bytes: 65_536,
            private_items: 64,
            pep_nodes: 64,
            pep_item_bytes: 65_536,
            pep_bytes: 524_288,
            pep_name_bytes: 512,
            sessions_per_user: 20,
            waiting_per_session: 100,
            owner_wait: Duration::from_secs(5),
            grace: Duration::from_secs(60),
            chat_lock: Duration::from_secs(600),
        }
    }
}
