//! XML as XMPP uses it, without a document tree: bytes are judged once, at the door, and stay bytes.
//!
//! ```text
//! socket bytes -> Framer -> Frame::Element(Element) -> Stanza::from_element -> ... -> Stanza::encode -> Encoded
//! ```
//!
//! * [`Framer`] cuts whole elements out of the stream and refuses what RFC 6120 §11 forbids.
//! * [`Element`] owns the bytes of one valid element; [`ElementRef`] reads inside it on demand.
//! * [`Stanza`] has the routing attributes read and the content still as bytes.
//! * [`Encoded`] is a stanza serialised once, to be written to many with a different `to` each.
//!
//! Bytes of an [`Element`] or of [`Stanza::content`] are complete by themselves within the default
//! namespace `jabber:client`: every prefix and every other default namespace is declared in them.
#![deny(clippy::wildcard_enum_match_arm)]

mod check;
mod element;
#[cfg(test)]
mod element_test;
mod encoded;
mod error;
mod escape;
mod framer;
#[cfg(test)]
mod framer_test;
mod header;
mod kind;
pub mod ns;
mod scanner;
mod scope;
mod stanza;
mod stanza_error;
#[cfg(test)]
mod stanza_test;
mod tag;
mod writer;

pub use element::{Children, Element, ElementRef};
pub use encoded::Encoded;
pub use error::{StreamCondition, StreamError};
pub use escape::{escape_attr, escape_text};
pub use framer::{Frame, Framer, FramerLimits};
pub use header::StreamHeader;
pub use kind::{IqType, Kind, MessageType, PresenceType};
pub use stanza::{Stanza, StanzaProblem};
pub use stanza_error::{ErrorDetail, ErrorType, StanzaCondition, StanzaError};
pub use writer::Writer;
