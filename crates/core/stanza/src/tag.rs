//! Splits XML at its tags. Nothing here judges: on well-formed XML it is right, on anything else it
//! ends early and never panics. The judging is [`check`](crate::check)'s.

use memchr::{memchr, memchr3, memmem};
use std::ops::Range;

/// White space of XML 1.0 §2.3.
pub(crate) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

#[inline]
fn trim_start(text: &str) -> &str {
    &text[text.bytes().take_while(|byte| is_space(*byte)).count()..]
}

#[inline]
fn trim_end(text: &str) -> &str {
    &text[..text.len()
        - text
            .bytes()
            .rev()
            .take_while(|byte| is_space(*byte))
            .count()]
}

/// Splits a name at its first colon. Names are too short for a vectorised search to pay.
#[inline]
pub(crate) fn split_name(name: &str) -> Option<(&str, &str)> {
    let at = name.bytes().position(|byte| byte == b':')?;
    Some((&name[..at], &name[at + 1..]))
}

/// Where the tag that is open at `from` ends: the place after its `>`, quoted ones skipped.
pub(crate) fn tag_end(xml: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + memchr3(b'>', b'\'', b'"', xml.get(from..)?)?;
        if xml[at] == b'>' {
            return Some(at + 1);
        }
        from = at + 1 + memchr(xml[at], xml.get(at + 1..)?)? + 1;
    }
}

/// Where `part`, a slice of `whole`, stands in it.
pub(crate) fn place(whole: &[u8], part: &str) -> Range<usize> {
    let begin = (part.as_ptr() as usize).saturating_sub(whole.as_ptr() as usize);
    begin..begin + part.len()
}

/// A start tag, or the tag of an empty element.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StartTag<'a> {
    /// The name with its prefix.
    pub(crate) name: &'a str,
    /// Everything between the name and the end of the tag.
    attributes: &'a str,
    /// Whether it ends in `/>`.
    pub(crate) empty: bool,
}

impl<'a> StartTag<'a> {
    /// Splits the one tag that `xml` is, from `<` to `>`.
    #[inline]
    pub(crate) fn read(xml: &'a str) -> Option<Self> {
        let body = xml.strip_prefix('<')?.strip_suffix('>')?;
        let (body, empty) = match body.strip_suffix('/') {
            Some(body) => (body, true),
            None => (body, false),
        };
        let (name, attributes) =
            body.split_at(body.bytes().position(is_space).unwrap_or(body.len()));
        Some(Self {
            name,
            attributes,
            empty,
        })
    }

    /// The attributes, namespace declarations among them, in their order.
    pub(crate) const fn attributes(&self) -> Attributes<'a> {
        Attributes {
            rest: self.attributes,
        }
    }

    /// The value of one attribute, by its name with prefix, as it is written.
    pub(crate) fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes()
            .map_while(Result::ok)
            .find(|a| a.name == name)
            .map(|a| a.value)
    }
}

/// One attribute as it is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Attribute<'a> {
    /// The name with its prefix.
    pub(crate) name: &'a str,
    /// What stands between the quotes.
    pub(crate) value: &'a str,
}

impl<'a> Attribute<'a> {
    /// The prefix this attribute declares (`""` for the default namespace), if it declares one.
    #[inline]
    pub(crate) fn declares(&self) -> Option<&'a str> {
        match self.name.strip_prefix("xmlns")? {
            "" => Some(""),
            prefixed => prefixed.strip_prefix(':'),
        }
    }
}

/// What stands there is no attribute.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct NoAttribute;

/// Walks the attributes of a tag; after an error it ends.
#[derive(Clone, Debug)]
pub(crate) struct Attributes<'a> {
    rest: &'a str,
}

impl<'a> Attributes<'a> {
    #[inline]
    fn split_next(&mut self) -> Option<Attribute<'a>> {
        let begin = trim_start(self.rest);
        // Attributes are set apart by white space.
        if begin.len() == self.rest.len() {
            return None;
        }
        let equals = begin.bytes().position(|byte| byte == b'=')?;
        let (name, after) = (&begin[..equals], trim_start(&begin[equals + 1..]));
        let quote = *after.as_bytes().first()?;
        if !matches!(quote, b'\'' | b'"') {
            return None;
        }
        let end = 1 + memchr(quote, &after.as_bytes()[1..])?;
        self.rest = &after[end + 1..];
        Some(Attribute {
            name: trim_end(name),
            value: &after[1..end],
        })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, NoAttribute>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.bytes().all(is_space) {
            return None;
        }
        let attribute = self.split_next().ok_or(NoAttribute);
        if attribute.is_err() {
            self.rest = "";
        }
        Some(attribute)
    }
}

/// One piece of an element's content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Piece<'a> {
    /// Text as it is written.
    Text(&'a str),
    /// What a CDATA section holds, and the whole section.
    Cdata {
        /// Between the brackets.
        inner: &'a str,
        /// With the brackets.
        whole: &'a str,
    },
    /// A whole child element.
    Element(&'a str),
}

const CDATA_BEGIN: &str = "<![CDATA[";
const CDATA_END: &str = "]]>";

/// Walks the content of an element.
#[derive(Clone, Debug)]
pub(crate) struct Pieces<'a> {
    pub(crate) rest: &'a str,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.as_bytes();
        if rest.is_empty() {
            return None;
        }
        let end = match memchr(b'<', rest) {
            Some(0) => element_end(self.rest),
            Some(at) => Some(at),
            None => Some(rest.len()),
        };
        let Some(end) = end else {
            self.rest = "";
            return None;
        };
        let (piece, after) = self.rest.split_at(end);
        self.rest = after;
        Some(if let Some(cdata) = piece.strip_prefix(CDATA_BEGIN) {
            Piece::Cdata {
                inner: cdata.strip_suffix(CDATA_END).unwrap_or(cdata),
                whole: piece,
            }
        } else if piece.starts_with('<') {
            Piece::Element(piece)
        } else {
            Piece::Text(piece)
        })
    }
}

/// Where the element or CDATA section that begins at the `<` in front ends.
fn element_end(xml: &str) -> Option<usize> {
    let bytes = xml.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    loop {
        at += memchr(b'<', &bytes[at..])?;
        if bytes[at..].starts_with(CDATA_BEGIN.as_bytes()) {
            at += memmem::find(&bytes[at..], CDATA_END.as_bytes())? + CDATA_END.len();
        } else {
            let end = tag_end(bytes, at)?;
            if bytes[at + 1] == b'/' {
                depth = depth.checked_sub(1)?;
            } else if bytes[end - 2] != b'/' {
                depth += 1;
            }
            at = end;
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_end_outside_quotes() {
        for (xml, end) in [
            ("<a>", Some(3)),
            ("<a b='>'>", Some(9)),
            ("<a b='\"' c=\"'>\">x", Some(16)),
            ("<a b='>", None),
            ("<a", None),
        ] {
            assert_eq!(tag_end(xml.as_bytes(), 0), end, "{xml}");
        }
    }

    #[test]
    fn attributes_are_split() {
        let tag = StartTag::read("<a b='1' xmlns = \"u\"\n xmlns:p='v' />").unwrap();
        assert_eq!((tag.name, tag.empty), ("a", true));
        let read: Vec<_> = tag.attributes().map(|a| a.unwrap()).collect();
        assert_eq!(
            read.iter()
                .map(|a| (a.name, a.value, a.declares()))
                .collect::<Vec<_>>(),
            [
                ("b", "1", None),
                ("xmlns", "u", Some("")),
                ("xmlns:p", "v", Some("p"))
            ]
        );
    }

    #[test]
    fn what_is_no_attribute_ends_the_walk() {
        for xml in [
            "<a b>",
            "<a b=>",
            "<a b=1>",
            "<a b='1>",
            "<a b='1'c='2'>",
            "<a / b='1'>",
        ] {
            let tag = StartTag::read(xml).unwrap();
            let read: Vec<_> = tag.attributes().collect();
            let ok = read.iter().all(|a| a.is_ok_and(|a| a.name != "/ b"));
            assert!(!ok, "{xml}: {read:?}");
        }
    }

    #[test]
    fn content_falls_into_pieces() {
        let pieces: Vec<_> = Pieces {
            rest: "x<a>y<a/></a><![CDATA[<z>]]><b c='>'/>",
        }
        .collect();
        assert_eq!(
            pieces,
            [
                Piece::Text("x"),
                Piece::Element("<a>y<a/></a>"),
                Piece::Cdata {
                    inner: "<z>",
                    whole: "<![CDATA[<z>]]>"
                },
                Piece::Element("<b c='>'/>"),
            ]
        );
    }

    #[test]
    fn broken_content_ends_early() {
        for (rest, found) in [
            ("<a>", 0),
            ("</a>", 0),
            ("<a/><b", 1),
            ("<![CDATA[x", 0),
            ("<", 0),
            ("<>", 0),
            ("<a></a", 0),
        ] {
            assert_eq!(Pieces { rest }.count(), found, "{rest}");
        }
    }
}
