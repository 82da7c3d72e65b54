//! XEP-0092: Software Version.

use crate::Extension;
use muster_stanza::{IqType, Writer, ns};

pub(crate) const EXTENSION: Extension = Extension {
    features: &[ns::VERSION],
    answer: |question| {
        if !question.is(IqType::Get, "query", ns::VERSION) {
            return None;
        }
        let mut out = Writer::new();
        out.start("query").attr("xmlns", ns::VERSION);
        out.leaf("name", &question.host.name)
            .leaf("version", &question.host.version);
        if let Some(os) = &question.host.os {
            out.leaf("os", os);
        }
        Some(question.iq.result_with(out.end().finish()))
    },
};

#[cfg(test)]
mod tests {
    use crate::testing::{ask, host, iq, read};
    use crate::{HostInfo, answer_host};
    use muster_types::Timestamp;

    const QUERY: &str = "<query xmlns='jabber:iq:version'/>";

    #[test]
    fn the_os_is_told_only_when_set() {
        let told = "<query xmlns='jabber:iq:version'><name>Muster</name><version>0.1</version>";
        assert_eq!(ask("get", QUERY), Some(format!("{told}</query>")));
        let host = HostInfo {
            os: Some("Linux & more".to_owned()),
            ..host()
        };
        let answer = answer_host(&host, Timestamp(0), &iq("get", QUERY)).unwrap();
        assert!(read(&answer).contains(&format!("{told}<os>Linux &amp; more</os></query>")));
    }
}
