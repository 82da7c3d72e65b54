//! RFC 3921 §3: session establishment. Binding has done it already, but older clients ask, because
//! the stream features name it.

use crate::Extension;
use muster_stanza::{IqType, ns};

pub(crate) const EXTENSION: Extension = Extension {
    // It is a feature of the stream, not of discovery.
    features: &[],
    answer: |question| {
        question
            .is(IqType::Set, "session", ns::SESSION)
            .then(|| question.iq.result())
    },
};

#[cfg(test)]
mod tests {
    use crate::testing::ask;

    #[test]
    fn a_session_is_established_by_saying_so() {
        let session = "<session xmlns='urn:ietf:params:xml:ns:xmpp-session'/>";
        assert_eq!(ask("set", session).as_deref(), Some(""));
        assert_eq!(ask("get", session), None);
    }
}
