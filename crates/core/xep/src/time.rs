//! XEP-0202: Entity Time. The server keeps UTC.

use crate::Extension;
use muster_stanza::{IqType, Writer, ns};

pub(crate) const EXTENSION: Extension = Extension {
    features: &[ns::TIME],
    answer: |question| {
        if !question.is(IqType::Get, "time", ns::TIME) {
            return None;
        }
        let mut out = Writer::new();
        out.start("time").attr("xmlns", ns::TIME);
        out.leaf("tzo", "+00:00")
            .leaf("utc", &question.now.to_string())
            .end();
        Some(question.iq.result_with(out.finish()))
    },
};

#[cfg(test)]
mod tests {
    use crate::testing::ask;

    #[test]
    fn the_time_is_utc() {
        assert_eq!(
            ask("get", "<time xmlns='urn:xmpp:time'/>").as_deref(),
            Some(
                "<time xmlns='urn:xmpp:time'><tzo>+00:00</tzo>\
                 <utc>2000-02-29T00:00:00.000Z</utc></time>"
            )
        );
    }
}
