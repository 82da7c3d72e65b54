//! What well-formed means for one piece of XML. XML 1.0 §2, Namespaces in XML 1.0 §4.

use crate::escape::{split_reference, unescape_attr};
use crate::tag::{StartTag, is_space, split_name};
use crate::{StreamCondition, StreamError, ns};
use memchr::{memchr, memmem};

/// The piece breaks the grammar.
pub(crate) const fn malformed() -> StreamError {
    StreamError::new(StreamCondition::NotWellFormed)
}

const ILLEGAL: u8 = 1;
const AMPERSAND: u8 = 2;
const GREATER: u8 = 4;
const NOT_ASCII: u8 = 8;

/// What a byte asks to be looked at for; 0 for most.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = match byte {
            0x09 | 0x0A | 0x0D => 0,
            0x00..=0x1F => ILLEGAL,
            0x26 => AMPERSAND,
            0x3E => GREATER,
            0x80..=0xFF => NOT_ASCII,
            _ => 0,
        };
        byte += 1;
    }
    class
};

/// Everything the bytes of a piece ask to be looked at for.
fn classes(bytes: &[u8]) -> u8 {
    bytes
        .iter()
        .fold(0, |all, byte| all | CLASS[usize::from(*byte)])
}

/// Reads a piece as UTF-8 of characters XML allows, and says what else it has.
#[inline]
fn characters(bytes: &[u8]) -> Result<(&str, u8), StreamError> {
    let classes = classes(bytes);
    Ok((characters_of(bytes, classes)?, classes))
}

#[inline]
fn characters_of(bytes: &[u8], classes: u8) -> Result<&str, StreamError> {
    if classes & ILLEGAL != 0 {
        return Err(malformed());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| malformed())?;
    // Of what UTF-8 can carry above ASCII only these two are not allowed (XML 1.0 §2.2).
    if classes & NOT_ASCII != 0 && text.contains(['\u{FFFE}', '\u{FFFF}']) {
        return Err(malformed());
    }
    Ok(text)
}

/// Checks the characters of a start tag. True when there are references in it.
pub(crate) fn tag_characters(bytes: &[u8]) -> Result<(&str, bool), StreamError> {
    let (text, classes) = characters(bytes)?;
    // Between the tag's own brackets there is no other opening one, not even in a value.
    if memchr(b'<', &bytes[1..]).is_some() {
        return Err(malformed());
    }
    Ok((text, classes & AMPERSAND != 0))
}

/// Checks element content without markup.
pub(crate) fn content(bytes: &[u8]) -> Result<(), StreamError> {
    let classes = classes(bytes);
    if classes == 0 {
        return Ok(());
    }
    let text = characters_of(bytes, classes)?;
    if classes & AMPERSAND != 0 {
        references(text)?;
    }
    if classes & GREATER != 0 && memmem::find(bytes, b"]]>").is_some() {
        return Err(malformed());
    }
    Ok(())
}

/// Checks what a CDATA section holds.
pub(crate) fn cdata(bytes: &[u8]) -> Result<(), StreamError> {
    characters(bytes).map(drop)
}

/// Checks that every `&` begins a reference that means something without a DTD.
pub(crate) fn references(text: &str) -> Result<(), StreamError> {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('&') {
        (_, rest) = split_reference(after).ok_or_else(malformed)?;
    }
    Ok(())
}

/// Splits a name into prefix (`""` if there is none) and local name, both checked.
#[inline]
pub(crate) fn qualified_name(name: &str) -> Result<(&str, &str), StreamError> {
    let (prefix, local) = match split_name(name) {
        Some((prefix, local)) if is_name(prefix) => (prefix, local),
        Some(_) => return Err(malformed()),
        None => ("", name),
    };
    if is_name(local) {
        Ok((prefix, local))
    } else {
        Err(malformed())
    }
}

/// Checks an end tag, from `</` to `>`, against the name it has to close.
pub(crate) fn end_tag(tag: &[u8], name: &[u8]) -> Result<(), StreamError> {
    let after = tag
        .strip_prefix(b"</")
        .and_then(|tag| tag.strip_prefix(name));
    match after {
        Some([white @ .., b'>']) if white.iter().all(|b| is_space(*b)) => Ok(()),
        Some(_) | None => Err(malformed()),
    }
}

/// Checks the declaration of a default namespace. Namespaces in XML 1.0 §3.
pub(crate) fn default_namespace(value: &str) -> Result<(), StreamError> {
    if matches!(&*unescape_attr(value), ns::XML | ns::XMLNS) {
        Err(bad_prefix())
    } else {
        Ok(())
    }
}

/// Checks the declaration of a prefix: not to nothing, and nothing of the reserved.
/// Namespaces in XML 1.0 §3, §5.
pub(crate) fn binding(prefix: &str, value: &str) -> Result<(), StreamError> {
    let uri = unescape_attr(value);
    let good = match prefix {
        "xml" => uri == ns::XML,
        "xmlns" => false,
        _ => !matches!(&*uri, "" | ns::XML | ns::XMLNS),
    };
    if good { Ok(()) } else { Err(bad_prefix()) }
}

const fn bad_prefix() -> StreamError {
    StreamError::new(StreamCondition::BadNamespacePrefix)
}

/// Checks an XML declaration, from `<?xml` to `?>`: version 1.0 and UTF-8. XML 1.0 §2.8,
/// RFC 6120 §11.6.
pub(crate) fn xml_declaration(bytes: &[u8]) -> Result<(), StreamError> {
    let (text, _) = characters(bytes)?;
    let inner = text
        .strip_prefix("<?")
        .and_then(|text| text.strip_suffix("?>"));
    let tag = format!("<{}>", inner.ok_or_else(malformed)?);
    let mut order = 0;
    for attribute in StartTag::read(&tag).ok_or_else(malformed)?.attributes() {
        let attribute = attribute.map_err(|_| malformed())?;
        let (place, refusal) = match (attribute.name, attribute.value) {
            ("version", "1.0") => (1, None),
            ("version", _) => (1, Some(StreamCondition::BadFormat)),
            ("encoding", value) if value.eq_ignore_ascii_case("utf-8") => (2, None),
            ("encoding", _) => (2, Some(StreamCondition::UnsupportedEncoding)),
            ("standalone", "yes" | "no") => (3, None),
            _ => return Err(malformed()),
        };
        // The version is a must and comes first.
        if place <= order || (order == 0 && place != 1) {
            return Err(malformed());
        }
        order = place;
        if let Some(condition) = refusal {
            return Err(StreamError::new(condition));
        }
    }
    if order == 0 { Err(malformed()) } else { Ok(()) }
}

/// A name without colon: `NCName`.
fn is_name(name: &str) -> bool {
    // Nearly every name is of these alone.
    if let [b'a'..=b'z' | b'A'..=b'Z' | b'_', rest @ ..] = name.as_bytes()
        && rest
            .iter()
            .all(|b| matches!(b, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.'))
    {
        return true;
    }
    let mut chars = name.chars();
    chars.next().is_some_and(is_name_start) && chars.all(|c| is_name_start(c) || is_name_inner(c))
}

/// `NameStartChar` of XML 1.0 §2.3 without the colon.
const fn is_name_start(c: char) -> bool {
    matches!(c,
        'a'..='z' | 'A'..='Z' | '_'
        | '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{2FF}' | '\u{370}'..='\u{37D}'
        | '\u{37F}'..='\u{1FFF}' | '\u{200C}'..='\u{200D}' | '\u{2070}'..='\u{218F}'
        | '\u{2C00}'..='\u{2FEF}' | '\u{3001}'..='\u{D7FF}' | '\u{F900}'..='\u{FDCF}'
        | '\u{FDF0}'..='\u{FFFD}' | '\u{10000}'..='\u{EFFFF}')
}

/// What `NameChar` adds to it.
const fn is_name_inner(c: char) -> bool {
    matches!(c, '0'..='9' | '-' | '.' | '\u{B7}' | '\u{300}'..='\u{36F}' | '\u{203F}'..='\u{2040}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (name, split) in [
            ("a", Some(("", "a"))),
            ("p:a", Some(("p", "a"))),
            ("_a-1.b", Some(("", "_a-1.b"))),
            ("\u{e9}t\u{e9}", Some(("", "\u{e9}t\u{e9}"))),
            ("", None),
            (":", None),
            (":a", None),
            ("a:", None),
            ("a:b:c", None),
            ("1a", None),
            ("-a", None),
            ("a b", None),
            ("a\u{d7}", None),
        ] {
            assert_eq!(qualified_name(name).ok(), split, "{name}");
        }
    }

    #[test]
    fn element_content() {
        for (bytes, good) in [
            (&b"plain > text ] ]]"[..], true),
            (b"tab\t line\r\n &amp;&#10;", true),
            ("\u{FFFD} \u{1F980}".as_bytes(), true),
            (b"a & b", false),
            (b"&nbsp;", false),
            (b"&amp", false),
            (b"]]>", false),
            (b"\x00", false),
            (b"\x1b", false),
            (b"\xff", false),
            (b"\xc0\x80", false),
            (b"\xed\xa0\x80", false),
            ("\u{FFFF}".as_bytes(), false),
        ] {
            assert_eq!(
                content(bytes).is_ok(),
                good,
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }
}
