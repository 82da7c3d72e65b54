//! What the server offers at each stage: RFC 6120 §4.3.2.

use super::csi;
use muster_sasl::{ChannelBindings, Mechanism};
use muster_stanza::{Writer, ns};

/// Before TLS: nothing but TLS (RFC 7590 §3.1).
pub(super) fn before_tls() -> Vec<u8> {
    let mut out = Writer::new();
    out.start("stream:features");
    out.start("starttls")
        .attr("xmlns", ns::TLS)
        .start("required");
    out.finish()
}

/// Before the login: how to log in, and what a login can be bound to (XEP-0440).
pub(super) fn before_login(mechanisms: &[Mechanism], bindings: &ChannelBindings) -> Vec<u8> {
    let mut out = Writer::new();
    out.start("stream:features");
    out.start("mechanisms").attr("xmlns", ns::SASL);
    for mechanism in mechanisms {
        out.leaf("mechanism", mechanism.name());
    }
    out.end();
    if mechanisms.iter().any(|mechanism| mechanism.binds_channel()) {
        out.start("sasl-channel-binding")
            .attr("xmlns", ns::SASL_CHANNEL_BINDING);
        for name in bindings.names() {
            out.start("channel-binding").attr("type", name).end();
        }
        out.end();
    }
    out.finish()
}

/// After the login: a resource to bind, and what the user's server can do with rosters
/// (RFC 6121 §2.6.1, §3.4.1) and for inactive clients. Session establishment is for clients of
/// RFC 3921: optional.
pub(super) fn after_login() -> Vec<u8> {
    let mut out = Writer::new();
    out.start("stream:features");
    out.start("bind")
        .attr("xmlns", ns::BIND)
        .start("required")
        .end()
        .end();
    out.start("session")
        .attr("xmlns", ns::SESSION)
        .start("optional")
        .end()
        .end();
    out.start("ver").attr("xmlns", ns::ROSTER_VER).end();
    out.start("sub").attr("xmlns", ns::PRE_APPROVAL).end();
    csi::announce(&mut out);
    out.finish()
}
