//! Relayed lanes: when a node's direct data lane to another is down, its messages go by way of a third
//! node that reaches both. Suspicion is not evidence: two nodes that do not reach each other may both be
//! well, and what they owe each other must not wait for the link.
//!
//! ```text
//!   sender ------------> carrier ------------> receiver      open, messages, close   (to / from)
//!   sender <------------ carrier <------------ receiver      accept, close           (from / to)
//!     one data lane that        one data lane that
//!     the sender dialled        the carrier dialled
//! ```
//!
//! A lane is one way, direct or relayed, and its sender alone decides which of the two it is: there is
//! nothing for the two ends to agree on. Its number is drawn from the same count as the sender's direct
//! connections, and the receiver gives the one seat of that sender ([`Inbound`](crate::inbound::Inbound))
//! to the highest number, after the holder before has left. So messages of an older lane never follow
//! those of a newer one, whichever way either of them went.
//!
//! A relayed lane lives exactly as long as the two connections it runs over: whoever sees one of them end
//! tells the other side. The sender asks its neighbours one after the other; nobody keeps a picture of who
//! reaches whom. A carrier uses direct lanes only, so there is never a second carrier.
//!
//! Only messages are relayed. Raft's requests and the beats are not, and a relayed message does not count as
//! having heard its sender: elections, leases and detection know nothing of relays.
//!
//! # Who is believed
//!
//! The carrier writes the sender's name into each frame, from the certificate of the connection it came
//! over, so a node cannot use an honest carrier to speak in another's name. The receiver believes the
//! carrier: a *dishonest* member could speak on the data lane for a member that the receiver has no link
//! with. That is no more than it can do anyway: all serving nodes hold the key of the cluster's CA, and
//! every member is trusted with every envelope.

mod carrier;
mod frame;
mod receiver;
mod registry;
mod sender;

pub(crate) use carrier::Carrier;
pub(crate) use frame::{Way, relay, way};
pub(crate) use receiver::Receiver;
pub(crate) use registry::Relays;
pub(crate) use sender::Detour;
