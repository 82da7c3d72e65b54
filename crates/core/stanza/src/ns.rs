//! Namespaces, by the names their specifications give them.

/// The content of a client's stream. RFC 6120 §4.8.
pub const CLIENT: &str = "jabber:client";
/// The content of a server's stream. RFC 6120 §4.8.
pub const SERVER: &str = "jabber:server";
/// The stream element itself. RFC 6120 §4.8.
pub const STREAMS: &str = "http://etherx.jabber.org/streams";
/// Stream errors. RFC 6120 §4.9.
pub const STREAM_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-streams";
/// Stanza errors. RFC 6120 §8.3.
pub const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";
/// STARTTLS negotiation. RFC 6120 §5.
pub const TLS: &str = "urn:ietf:params:xml:ns:xmpp-tls";
/// SASL negotiation. RFC 6120 §6.
pub const SASL: &str = "urn:ietf:params:xml:ns:xmpp-sasl";
/// Channel-binding types a server offers. XEP-0440.
pub const SASL_CHANNEL_BINDING: &str = "urn:xmpp:sasl-cb:0";
/// Resource binding. RFC 6120 §7.
pub const BIND: &str = "urn:ietf:params:xml:ns:xmpp-bind";
/// Session establishment, obsolete. RFC 3921 §3.
pub const SESSION: &str = "urn:ietf:params:xml:ns:xmpp-session";
/// Stream management. XEP-0198.
pub const SM: &str = "urn:xmpp:sm:3";
/// Rosters. RFC 6121 §2.
pub const ROSTER: &str = "jabber:iq:roster";
/// The stream feature of roster versioning. RFC 6121 §2.6.
pub const ROSTER_VER: &str = "urn:xmpp:features:rosterver";
/// The stream feature of subscription pre-approval. RFC 6121 §3.4.
pub const PRE_APPROVAL: &str = "urn:xmpp:features:pre-approval";
/// What an entity is and can do. XEP-0030.
pub const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// What an entity holds. XEP-0030.
pub const DISCO_ITEMS: &str = "http://jabber.org/protocol/disco#items";
/// Blocking. XEP-0191.
pub const BLOCKING: &str = "urn:xmpp:blocking";
/// What is wrong with a stanza to somebody the sender has blocked. XEP-0191 §3.
pub const BLOCKING_ERRORS: &str = "urn:xmpp:blocking:errors";
/// Data forms. XEP-0004.
pub const DATA: &str = "jabber:x:data";
/// Ad-hoc commands. XEP-0050.
pub const COMMANDS: &str = "http://jabber.org/protocol/commands";
/// Private storage. XEP-0049.
pub const PRIVATE: &str = "jabber:iq:private";
/// vCards. XEP-0054.
pub const VCARD: &str = "vcard-temp";
/// Software version. XEP-0092.
pub const VERSION: &str = "jabber:iq:version";
/// Entity capabilities. XEP-0115.
pub const CAPS: &str = "http://jabber.org/protocol/caps";
/// Offline messages, as a disco feature. XEP-0160.
pub const OFFLINE: &str = "msgoffline";
/// Chat state notifications. XEP-0085.
pub const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
/// Publish-subscribe: requests. XEP-0060.
pub const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
/// Publish-subscribe: what is told of changes. XEP-0060 §7.1.2.1.
pub const PUBSUB_EVENT: &str = "http://jabber.org/protocol/pubsub#event";
/// Publish-subscribe: requests of a node's owner. XEP-0060 §8.
pub const PUBSUB_OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
/// Publish-subscribe: what is wrong with a request. XEP-0060 §15.3.
pub const PUBSUB_ERRORS: &str = "http://jabber.org/protocol/pubsub#errors";
/// Publish-subscribe: the form of a node's configuration. XEP-0060 §16.4.4.
pub const PUBSUB_CONFIG: &str = "http://jabber.org/protocol/pubsub#node_config";
/// Publish-subscribe: the form of what a publisher asks for. XEP-0060 §7.1.5.
pub const PUBSUB_OPTIONS: &str = "http://jabber.org/protocol/pubsub#publish-options";
/// Ping. XEP-0199.
pub const PING: &str = "urn:xmpp:ping";
/// Entity time. XEP-0202.
pub const TIME: &str = "urn:xmpp:time";
/// Delay stamps. XEP-0203.
pub const DELAY: &str = "urn:xmpp:delay";
/// Client state indication. XEP-0352.
pub const CSI: &str = "urn:xmpp:csi:0";
/// The prefix `xml`, bound everywhere. Namespaces in XML 1.0 §3.
pub const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The prefix `xmlns`, never to be declared. Namespaces in XML 1.0 §3.
pub const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
