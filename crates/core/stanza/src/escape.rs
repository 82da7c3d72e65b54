//! Text to XML and back.

use std::borrow::Cow;

/// Appends `text` as element content. What XML 1.0 cannot carry becomes U+FFFD.
pub fn escape_text(out: &mut Vec<u8>, text: &str) {
    escape(out, text, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        // A bare carriage return would be read back as a line feed. XML 1.0 §2.11.
        '\r' => Some("&#13;"),
        c if !is_xml_char(c) => Some("\u{FFFD}"),
        _ => None,
    });
}

/// Appends `text` as an attribute value, without the quotes and fit for either kind. What XML 1.0
/// cannot carry becomes U+FFFD.
pub fn escape_attr(out: &mut Vec<u8>, text: &str) {
    escape(out, text, |c| match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        '\'' => Some("&apos;"),
        '"' => Some("&quot;"),
        // White space other than a blank would be read back as a blank. XML 1.0 §3.3.3.
        '\t' => Some("&#9;"),
        '\n' => Some("&#10;"),
        '\r' => Some("&#13;"),
        c if !is_xml_char(c) => Some("\u{FFFD}"),
        _ => None,
    });
}

/// Whether the byte may begin a character that is escaped. U+FFFE and U+FFFF begin with 0xEF.
const fn is_suspect(byte: u8) -> bool {
    matches!(byte, 0..=0x1F | b'&' | b'<' | b'>' | b'\'' | b'"' | 0xEF)
}

fn escape(out: &mut Vec<u8>, text: &str, replacement: impl Fn(char) -> Option<&'static str>) {
    // All bytes, without a way out at the first: so the compiler looks at many at a time.
    if !text.bytes().fold(false, |any, byte| any | is_suspect(byte)) {
        return out.extend_from_slice(text.as_bytes());
    }
    let mut done = 0;
    for (at, c) in text.char_indices() {
        if let Some(replacement) = replacement(c) {
            out.extend_from_slice(&text.as_bytes()[done..at]);
            out.extend_from_slice(replacement.as_bytes());
            done = at + c.len_utf8();
        }
    }
    out.extend_from_slice(&text.as_bytes()[done..]);
}

/// Whether XML 1.0 §2.2 allows the character.
pub(crate) const fn is_xml_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..)
}

/// Reads an attribute value: references replaced, white space made blanks (XML 1.0 §3.3.3).
pub(crate) fn unescape_attr(raw: &str) -> Cow<'_, str> {
    unescape(raw, |c| match c {
        '\t' | '\n' => ' ',
        c => c,
    })
}

/// Reads element content: references replaced, line ends made line feeds (XML 1.0 §2.11).
pub(crate) fn unescape_text(raw: &str) -> Cow<'_, str> {
    unescape(raw, |c| c)
}

/// Makes line ends line feeds, as in a CDATA section, where there are no references.
pub(crate) fn unescape_line_ends(raw: &str) -> Cow<'_, str> {
    if raw.contains('\r') {
        Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n"))
    } else {
        Cow::Borrowed(raw)
    }
}

fn unescape(raw: &str, white: impl Fn(char) -> char) -> Cow<'_, str> {
    if !raw
        .bytes()
        .any(|b| matches!(b, b'&' | b'\t' | b'\n' | b'\r'))
    {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '&' => match split_reference(rest) {
                Some((c, after)) => {
                    out.push(c);
                    rest = after;
                }
                None => out.push('&'),
            },
            '\r' => {
                rest = rest.strip_prefix('\n').unwrap_or(rest);
                out.push(white('\n'));
            }
            c => out.push(white(c)),
        }
    }
    Cow::Owned(out)
}

/// Splits a reference off what follows its `&`: one of the five of XML 1.0 §4.6 or a number of an
/// allowed character. Anything else is `None`; without a DTD there are no other entities.
pub(crate) fn split_reference(after_ampersand: &str) -> Option<(char, &str)> {
    // The longest that is of use is `#x10FFFF;`; leading zeros are allowed, within reason.
    let end = after_ampersand.bytes().take(16).position(|b| b == b';')?;
    let (name, rest) = (&after_ampersand[..end], &after_ampersand[end + 1..]);
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "apos" => '\'',
        "quot" => '"',
        _ => numbered(name.strip_prefix('#')?)?,
    };
    Some((c, rest))
}

fn numbered(digits: &str) -> Option<char> {
    let (digits, radix) = match digits.strip_prefix('x') {
        Some(hex) => (hex, 16),
        None => (digits, 10),
    };
    // `from_str_radix` alone would take a sign.
    if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let number = u32::from_str_radix(digits, radix).ok()?;
    char::from_u32(number).filter(|c| is_xml_char(*c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_text_reads_back() {
        for text in [
            "",
            "plain",
            "<&>'\"",
            "a\r\nb\tc\n",
            "gr\u{fc}\u{df}e \u{1F980}",
        ] {
            let (mut attr, mut content) = (Vec::new(), Vec::new());
            escape_attr(&mut attr, text);
            escape_text(&mut content, text);
            assert_eq!(unescape_attr(std::str::from_utf8(&attr).unwrap()), text);
            assert_eq!(unescape_text(std::str::from_utf8(&content).unwrap()), text);
        }
    }

    #[test]
    fn characters_xml_cannot_carry_are_replaced() {
        let mut out = Vec::new();
        escape_text(&mut out, "a\u{0}b\u{FFFE}");
        assert_eq!(out, "a\u{FFFD}b\u{FFFD}".as_bytes());
    }

    #[test]
    fn references() {
        for (raw, read) in [
            ("amp;x", Some(('&', "x"))),
            ("#65;", Some(('A', ""))),
            ("#x1F980;", Some(('\u{1F980}', ""))),
            ("#0000065;", Some(('A', ""))),
            ("#0;", None),
            ("#xD800;", None),
            ("#x110000;", None),
            ("#+65;", None),
            ("#;", None),
            ("#x;", None),
            ("#X41;", None),
            ("nbsp;", None),
            ("amp", None),
            (";", None),
            ("", None),
        ] {
            assert_eq!(split_reference(raw), read, "&{raw}");
        }
    }

    #[test]
    fn white_space_is_normalised() {
        assert_eq!(unescape_attr("a\tb\r\nc\rd&#10;e"), "a b c d\ne");
        assert_eq!(unescape_text("a\tb\r\nc\rd&#13;e"), "a\tb\nc\nd\re");
    }
}
