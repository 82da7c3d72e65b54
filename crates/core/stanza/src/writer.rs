//! Writes XML, piece by piece.

use crate::{escape_attr, escape_text};
use std::ops::Range;

/// Writes one element (or several) into a growing buffer.
///
/// Names are the program's own and go out as they are; values and texts are escaped. A namespace
/// is declared like any attribute: `attr("xmlns", …)`.
///
/// ```
/// let mut out = muster_stanza::Writer::new();
/// out.start("query").attr("xmlns", "jabber:iq:roster");
/// for jid in ["a@b", "c@d"] {
///     out.start("item").attr("jid", jid).end();
/// }
/// let bytes = out.end().finish();
/// assert_eq!(bytes, b"<query xmlns='jabber:iq:roster'><item jid='a@b'/><item jid='c@d'/></query>");
/// ```
#[derive(Default, Debug)]
pub struct Writer {
    out: Vec<u8>,
    /// Where the names of the open elements stand in `out`.
    open: Vec<Range<usize>>,
    /// Whether the innermost start tag still lacks its `>`.
    in_tag: bool,
}

impl Writer {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty buffer with room for so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            out: Vec::with_capacity(bytes),
            ..Self::default()
        }
    }

    /// Opens an element.
    pub fn start(&mut self, name: &str) -> &mut Self {
        self.close_tag();
        self.out.push(b'<');
        let begin = self.out.len();
        self.out.extend_from_slice(name.as_bytes());
        self.open.push(begin..self.out.len());
        self.in_tag = true;
        self
    }

    /// Adds an attribute to the element just opened; after content it does nothing.
    pub fn attr(&mut self, name: &str, value: &str) -> &mut Self {
        debug_assert!(self.in_tag, "attribute {name} after content");
        if self.in_tag {
            self.out.push(b' ');
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b"='");
            escape_attr(&mut self.out, value);
            self.out.push(b'\'');
        }
        self
    }

    /// Adds an attribute if there is a value.
    pub fn attr_opt(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        match value {
            Some(value) => self.attr(name, value),
            None => self,
        }
    }

    /// Adds text.
    pub fn text(&mut self, text: &str) -> &mut Self {
        self.close_tag();
        escape_text(&mut self.out, text);
        self
    }

    /// Adds an element that holds only text.
    pub fn leaf(&mut self, name: &str, text: &str) -> &mut Self {
        self.start(name).text(text).end()
    }

    /// Adds XML that is already written, for example the bytes of an [`Element`](crate::Element).
    pub fn raw(&mut self, xml: &[u8]) -> &mut Self {
        self.close_tag();
        self.out.extend_from_slice(xml);
        self
    }

    /// Closes the innermost open element.
    pub fn end(&mut self) -> &mut Self {
        let Some(name) = self.open.pop() else {
            return self;
        };
        if self.in_tag {
            self.out.extend_from_slice(b"/>");
            self.in_tag = false;
        } else {
            self.out.extend_from_slice(b"</");
            self.out.extend_from_within(name);
            self.out.push(b'>');
        }
        self
    }

    /// Closes whatever is still open and hands out the bytes; the writer is empty again.
    pub fn finish(&mut self) -> Vec<u8> {
        while !self.open.is_empty() {
            self.end();
        }
        std::mem::take(&mut self.out)
    }

    fn close_tag(&mut self) {
        if self.in_tag {
            self.out.push(b'>');
            self.in_tag = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_nested_elements_escaped() {
        let mut out = Writer::new();
        out.start("a").attr("k", "it's").attr_opt("none", None);
        out.leaf("b", "1 < 2").start("c").end().raw(b"<d/>");
        assert_eq!(
            out.finish(),
            b"<a k='it&apos;s'><b>1 &lt; 2</b><c/><d/></a>"
        );
        assert_eq!(out.finish(), b"");
    }
}
