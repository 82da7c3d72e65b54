//! Elements cut out of bytes by their ends, and the few words that are looked for in them.

/// The next whole element at the front of `bytes`: its length. A stream header is one, and so is the end of a stream.
pub(crate) fn element(bytes: &[u8]) -> Option<usize> {
    let first_end = find(bytes, b">")? + 1;
    if bytes.starts_with(b"<?") {
        // The XML declaration and the header after it are taken together.
        return element(&bytes[first_end..]).map(|more| first_end + more);
    }
    let opens = bytes.starts_with(b"<stream:stream") || bytes.starts_with(b"</");
    if opens || bytes[..first_end].ends_with(b"/>") {
        return Some(first_end);
    }
    let name_end = bytes.iter().position(|b| matches!(b, b' ' | b'>'))?;
    let mut close = Vec::with_capacity(name_end + 2);
    close.extend_from_slice(b"</");
    close.extend_from_slice(&bytes[1..name_end]);
    close.push(b'>');
    find(bytes, &close).map(|at| at + close.len())
}

/// What stands between two words.
pub(crate) fn between<'a>(bytes: &'a [u8], before: &[u8], after: &[u8]) -> Option<&'a [u8]> {
    let from = find(bytes, before)? + before.len();
    let length = find(&bytes[from..], after)?;
    Some(&bytes[from..from + length])
}

/// The value of an attribute of the first tag, in either kind of quotes.
pub(crate) fn attr<'a>(element: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let tag = &element[..=find(element, b">")?];
    ['\'', '"'].into_iter().find_map(|quote| {
        let before = format!(" {name}={quote}");
        between(tag, before.as_bytes(), &[quote as u8])
    })
}

/// The number that a name ends with.
pub(crate) fn number(name: &[u8]) -> Option<usize> {
    let digits = name.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    std::str::from_utf8(&name[name.len() - digits..])
        .ok()?
        .parse()
        .ok()
}

/// Where a word begins.
pub(crate) fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    let first = *word.first()?;
    let mut from = 0;
    loop {
        let at = from + bytes.get(from..)?.iter().position(|b| *b == first)?;
        if bytes[at..].starts_with(word) {
            return Some(at);
        }
        from = at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_end_where_they_end() {
        let header = "<?xml version='1.0'?><stream:stream to='b' version='1.0'>";
        for (bytes, whole) in [
            (header, Some(header)),
            ("<?xml version='1.0'?>", None),
            ("<presence/><presence/>", Some("<presence/>")),
            (
                "<presence><status>1</status></presence><iq",
                Some("<presence><status>1</status></presence>"),
            ),
            ("<iq id='1'><query/></i", None),
            ("<iq id='1'><query/></iq>", Some("<iq id='1'><query/></iq>")),
            ("</stream:stream>", Some("</stream:stream>")),
            ("<pres", None),
            ("", None),
        ] {
            let found = element(bytes.as_bytes()).map(|end| &bytes[..end]);
            assert_eq!(found, whole, "{bytes}");
        }
    }

    #[test]
    fn words_are_found() {
        let message = b"<message type='chat' to=\"u2@b\" id='7'><body>to='x'</body></message>";
        assert_eq!(attr(message, "to"), Some(&b"u2@b"[..]));
        assert_eq!(attr(message, "id"), Some(&b"7"[..]));
        assert_eq!(attr(message, "from"), None);
        assert_eq!(number(b"user17"), Some(17));
        assert_eq!(number(b"user"), None);
        assert_eq!(between(b"a<b>c</b>", b"<b>", b"</b>"), Some(&b"c"[..]));
    }
}
