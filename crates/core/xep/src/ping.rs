//! XEP-0199: XMPP Ping. The answer to a client's ping (§4.2).

use crate::Extension;
use muster_stanza::{IqType, Stanza, ns};

pub(crate) const EXTENSION: Extension = Extension {
    features: &[ns::PING],
    answer: |question| answer(question.iq),
};

/// The answer, if `iq` is a ping.
pub(crate) fn answer(iq: &Stanza) -> Option<Stanza> {
    let asks = iq.iq_type() == Some(IqType::Get) && iq.payload()?.is("ping", ns::PING);
    asks.then(|| iq.result())
}

#[cfg(test)]
mod tests {
    use crate::testing::{ask, iq};
    use crate::{AccountInfo, answer_account};

    const PING: &str = "<ping xmlns='urn:xmpp:ping'/>";

    #[test]
    fn a_ping_is_answered_with_nothing() {
        assert_eq!(ask("get", PING).as_deref(), Some(""));
    }

    #[test]
    fn an_account_answers_too() {
        let account = AccountInfo {
            jid: "u@a.b",
            features: Vec::new(),
            nodes: Vec::new(),
        };
        let ping = iq("get", PING);
        assert_eq!(answer_account(&ping, &account), Some(ping.result()));
        assert_eq!(answer_account(&iq("result", PING), &account), None);
    }
}
