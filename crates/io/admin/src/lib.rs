//! The admin service of a node (gRPC), and its health and metrics over HTTP.
//!
//! ```text
//! musterctl --unix socket (peer credentials)--> AdminListener --> service --> dyn Backend (musterd)
//!           --TCP, mutual TLS ---------------->
//! probes, Prometheus --HTTP--> HttpListener: /livez /readyz /metrics
//! programs --HTTPS, tokens--> ApiListener: /v1/presence/..., /v1/events, gRPC (rest)
//! ```
//!
//! A node implements [`Backend`], binds its listeners, and spawns their `serve`.

mod access;
mod accounts;
mod api_clients;
mod audit;
mod backend;
mod caller;
mod configuration;
mod connection;
mod credentials;
mod describe;
mod drain;
mod duration;
mod explain;
#[cfg(any(test, feature = "fake"))]
pub mod fake;
mod homing;
mod http;
mod listen;
mod moves;
mod presence;
mod protection;
pub mod proto;
mod publish;
mod quote;
mod rate;
mod refused;
mod resolve;
mod rest;
mod service;
mod settings;
mod takeover;
mod tls;
mod token;
mod view;
mod visit;
mod words;

pub use audit::Act;
pub use backend::{
    AdminEvent, AlarmInfo, AskFailure, Backend, CheckInfo, EventKind, FollowRefused, Following,
    Lag, LiveView, OperatorCertificate, ProposeFailure, ReplicaInfo, ReplicaState, ServiceInfo,
    SessionInfo, SlotView, Verdict,
};
pub use configuration::{ConfigChange, ConfigDifference};
pub use drain::{DrainInfo, DrainOrder, DrainStage};
pub use duration::{parse_duration, show_duration};
pub use http::{Health, HttpListener};
pub use listen::{AdminListener, ListenError};
pub use protection::{Protection, protection};
pub use rest::{Api, ApiListener, Secure, Secured};
pub use settings::show_settings;
pub use tls::{TlsError, TlsIdentity};
