//! A stanza serialised once, written to many.

use crate::{Stanza, escape_attr};
use bytes::Bytes;
use muster_types::Jid;
use std::ops::Range;

/// The bytes of a stanza, with the place known where the attribute `to` stands. A clone shares them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Encoded {
    bytes: Bytes,
    /// The stanza's own ` to='…'`; empty, but in its place, when it has none.
    own_to: Range<usize>,
}

impl Encoded {
    /// Serialises `stanza`.
    pub(crate) fn of(stanza: &Stanza) -> Self {
        let mut out = Vec::with_capacity(160 + stanza.content.len());
        let element = stanza.kind.element();
        out.push(b'<');
        out.extend_from_slice(element.as_bytes());
        attr(
            &mut out,
            "from",
            stanza.from.as_ref().map(|jid| jid.as_str()),
        );
        attr(&mut out, "id", stanza.id.as_deref());
        attr(&mut out, "type", stanza.kind.type_attr());
        attr(&mut out, "xml:lang", stanza.lang.as_deref());
        let begin = out.len();
        attr(&mut out, "to", stanza.to.as_ref().map(|jid| jid.as_str()));
        let own_to = begin..out.len();
        if stanza.content.is_empty() {
            out.extend_from_slice(b"/>");
        } else {
            out.push(b'>');
            out.extend_from_slice(&stanza.content);
            out.extend_from_slice(b"</");
            out.extend_from_slice(element.as_bytes());
            out.push(b'>');
        }
        Self {
            bytes: out.into(),
            own_to,
        }
    }

    /// Appends the stanza, addressed to `to`; with `None` as it was addressed, if it was.
    pub fn write(&self, out: &mut Vec<u8>, to: Option<&Jid>) {
        let Some(to) = to else {
            return out.extend_from_slice(&self.bytes);
        };
        out.extend_from_slice(&self.bytes[..self.own_to.start]);
        attr(out, "to", Some(to.as_str()));
        out.extend_from_slice(&self.bytes[self.own_to.end..]);
    }

    /// Bytes of the stanza as it was addressed.
    #[allow(clippy::len_without_is_empty, reason = "a stanza is never empty")]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// A copy of the stanza as it was addressed.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes.to_vec()
    }

    /// The stanza as it was addressed, without copying.
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }
}

fn attr(out: &mut Vec<u8>, name: &str, value: Option<&str>) {
    let Some(value) = value else { return };
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"='");
    escape_attr(out, value);
    out.push(b'\'');
}

#[cfg(test)]
mod tests {
    use crate::{IqType, MessageType, Stanza};
    use muster_types::Jid;

    #[test]
    fn to_is_kept_replaced_or_added() {
        let plain = Stanza::message(MessageType::Chat).with_content("<body>x</body>");
        let addressed = plain.clone().with_to(Jid::new("a@b/it's").unwrap());
        let other = Jid::new("c@d").unwrap();
        for (stanza, to, xml) in [
            (
                &plain,
                None,
                "<message type='chat'><body>x</body></message>",
            ),
            (
                &plain,
                Some(&other),
                "<message type='chat' to='c@d'><body>x</body></message>",
            ),
            (
                &addressed,
                None,
                "<message type='chat' to='a@b/it&apos;s'><body>x</body></message>",
            ),
            (
                &addressed,
                Some(&other),
                "<message type='chat' to='c@d'><body>x</body></message>",
            ),
        ] {
            let mut out = Vec::new();
            stanza.encode().write(&mut out, to);
            assert_eq!(String::from_utf8(out).unwrap(), xml);
        }
    }

    #[test]
    fn empty_content_makes_an_empty_element() {
        let encoded = Stanza::iq(IqType::Result, "1").encode();
        assert_eq!(encoded.to_vec(), b"<iq id='1' type='result'/>");
        assert_eq!(encoded.len(), 26);
    }
}
