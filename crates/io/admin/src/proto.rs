//! The admin protocol (`proto/muster/admin/v1/admin.proto`): messages, client and server.
#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    clippy::use_self,
    clippy::or_fun_call,
    reason = "generated; the comments are in the .proto file"
)]

tonic::include_proto!("muster.admin.v1");

/// The presence protocol (`proto/muster/presence/v1/presence.proto`).
pub mod presence {
    tonic::include_proto!("muster.presence.v1");
}
