//! Real clusters for tests: a quickstart in a folder of its own, third-party clients, raw sockets, a DNS server.
//!
//! Everything that is started here is ended by its own pid when its value is dropped. Every wait is for a condition and
//! has a deadline; nothing sleeps and hopes. One cluster runs at a time on a machine (`turn`), since the tests measure
//! seconds.
//!
//! The programs come from `MUSTERD`, `MUSTERCTL` and `MUSTER_PYTHON`, which `cargo xtask test` sets; without them the ones
//! of the development build are used.

mod bare;
mod certificate;
mod client;
mod ctl;
mod deployment;
mod dns;
mod facts;
mod freezer;
mod history;
mod network;
mod outcome;
mod ports;
mod process;
mod programs;
mod quickstart;
mod raw;
mod relay;
mod slow_link;
mod turn;
mod volume;
mod wait;

pub use bare::{BareHosts, Printed};
pub use certificate::write_certificate;
pub use client::{Client, ClientOptions, Event, Library, Mode};
pub use ctl::{Ctl, Watch};
pub use deployment::{Deployment, Plan};
pub use dns::{Dns, Record};
pub use facts::{Facts, NodeFacts, Role, UserFacts};
pub use freezer::Freezer;
pub use history::{History, Verdict, Writer};
pub use network::PacketFault;
pub use outcome::{Failure, Outcome};
pub use ports::{free_port, free_ports};
pub use process::{Process, Signal, alive, signal};
pub use programs::{clients, load, musterctl, musterd, python, root};
pub use quickstart::{Options, Quickstart};
pub use raw::{Raw, Trust, header, plain};
pub use relay::Relay;
pub use slow_link::SlowLink;
pub use turn::Turn;
pub use volume::Volume;
pub use wait::{PATIENCE, never, until};
