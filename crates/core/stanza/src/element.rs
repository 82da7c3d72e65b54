//! One valid element, kept as bytes and read on demand.

use crate::scope::Scope;
use crate::tag::{Piece, Pieces, StartTag, place, split_name, tag_end};
use crate::{StreamError, escape, framer, ns};
use bytes::Bytes;
use memchr::memrchr;
use std::borrow::Cow;
use std::ops::Range;

/// One whole, well-formed element that owns its bytes; a clone shares them. All prefixes it uses
/// are declared in it, and outside of it the default namespace is `jabber:client`.
#[derive(Clone)]
pub struct Element {
    raw: Bytes,
    /// Where the start tag ends.
    tag_end: usize,
    /// Where the local name stands.
    name: Range<usize>,
    namespace: Namespace,
    /// Where the content stands.
    content: Range<usize>,
}

/// The element's own namespace, kept so that asking for it costs nothing.
#[derive(Clone)]
enum Namespace {
    Client,
    /// Written in the start tag, at this place.
    Written(Range<usize>),
    /// Written with references in it.
    Escaped(Box<str>),
}

impl Element {
    /// Reads exactly one element, white space around it allowed. Without a declaration its
    /// namespace is `jabber:client`. No limits are applied.
    ///
    /// # Errors
    /// What a [`Framer`](crate::Framer) would say, and `bad-format` when it is not one element.
    pub fn parse(bytes: &[u8]) -> Result<Self, StreamError> {
        framer::parse_one(bytes)
    }

    /// Takes bytes that were checked to be one complete element.
    pub(crate) fn from_checked(raw: Bytes) -> Self {
        let end = tag_end(&raw, 0).unwrap_or(raw.len());
        let tag = StartTag::read(text(&raw[..end])).unwrap_or_default();
        let (prefix, local) = split_name(tag.name).unwrap_or(("", tag.name));
        let declared = tag
            .attributes()
            .map_while(Result::ok)
            .find(|a| a.declares() == Some(prefix))
            .map(|a| a.value);
        let namespace = match declared {
            None => Namespace::Client,
            Some(ns::CLIENT) => Namespace::Client,
            Some(value) => match escape::unescape_attr(value) {
                Cow::Borrowed(_) => Namespace::Written(place(&raw, value)),
                Cow::Owned(value) => Namespace::Escaped(value.into()),
            },
        };
        let content_end = content_end(&raw, end, &tag);
        let name = place(&raw, local);
        Self {
            tag_end: end,
            name,
            namespace,
            content: end..content_end,
            raw,
        }
    }

    /// The local name.
    pub fn name(&self) -> &str {
        text(self.part(&self.name))
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        match &self.namespace {
            Namespace::Client => ns::CLIENT,
            Namespace::Written(range) => text(self.part(range)),
            Namespace::Escaped(value) => value,
        }
    }

    /// Whether it has this local name and namespace.
    pub fn is(&self, name: &str, namespace: &str) -> bool {
        self.name() == name && self.namespace() == namespace
    }

    /// The value of an attribute, by its name as written (`xml:lang` by that name).
    pub fn attr(&self, name: &str) -> Option<Cow<'_, str>> {
        self.tag().attribute(name).map(escape::unescape_attr)
    }

    /// The child elements.
    pub fn children(&self) -> Children<'_> {
        Children::within(self.content(), Scope::client().enter(&self.tag()))
    }

    /// The first child of this local name and namespace.
    pub fn child(&self, name: &str, namespace: &str) -> Option<ElementRef<'_>> {
        self.children().find(|child| child.is(name, namespace))
    }

    /// The text directly inside, CDATA included, children left out.
    pub fn text(&self) -> String {
        direct_text(self.content())
    }

    /// The bytes.
    pub const fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// The content as bytes that are complete within `jabber:client`; shares where it can.
    pub(crate) fn complete_content(&self) -> Bytes {
        let inside = Scope::client().enter(&self.tag());
        if inside.is_client() {
            self.raw.slice(self.content.clone())
        } else {
            inside.complete_content(self.content()).into()
        }
    }

    pub(crate) fn tag(&self) -> StartTag<'_> {
        StartTag::read(text(self.part(&(0..self.tag_end)))).unwrap_or_default()
    }

    fn content(&self) -> &str {
        text(self.part(&self.content))
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.raw.get(range.clone()).unwrap_or_default()
    }
}

impl PartialEq for Element {
    /// By bytes.
    fn eq(&self, other: &Self) -> bool {
        self.raw == other.raw
    }
}

impl Eq for Element {}

impl std::fmt::Debug for Element {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(text(&self.raw))
    }
}

/// An element inside another, borrowed.
#[derive(Clone, Debug)]
pub struct ElementRef<'a> {
    raw: &'a str,
    tag: StartTag<'a>,
    name: &'a str,
    namespace: Cow<'a, str>,
    content: &'a str,
    /// What holds inside it.
    inside: Scope<'a>,
}

impl<'a> ElementRef<'a> {
    /// `None` when `raw` is not an element.
    fn read(raw: &'a str, around: &Scope<'a>) -> Option<Self> {
        let end = tag_end(raw.as_bytes(), 0)?;
        let tag = StartTag::read(&raw[..end])?;
        let inside = around.enter(&tag);
        let (namespace, name) = inside.resolve(tag.name);
        let content = raw.get(end..content_end(raw.as_bytes(), end, &tag))?;
        Some(Self {
            raw,
            tag,
            name,
            namespace,
            content,
            inside,
        })
    }

    /// The local name.
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether it has this local name and namespace.
    pub fn is(&self, name: &str, namespace: &str) -> bool {
        self.name == name && self.namespace == namespace
    }

    /// The value of an attribute, by its name as written (`xml:lang` by that name).
    pub fn attr(&self, name: &str) -> Option<Cow<'a, str>> {
        self.tag.attribute(name).map(escape::unescape_attr)
    }

    /// The child elements.
    pub fn children(&self) -> Children<'a> {
        Children::within(self.content, self.inside.clone())
    }

    /// The first child of this local name and namespace.
    pub fn child(&self, name: &str, namespace: &str) -> Option<Self> {
        self.children().find(|child| child.is(name, namespace))
    }

    /// The text directly inside, CDATA included, children left out.
    pub fn text(&self) -> String {
        direct_text(self.content)
    }

    /// A copy that stands by itself: what it inherits is declared in it.
    pub fn to_element(&self) -> Element {
        Element::from_checked(self.raw_standalone().into())
    }

    /// The bytes of [`to_element`](Self::to_element).
    pub fn raw_standalone(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.raw.len() + 64);
        self.inside.write_complete(&mut out, self.raw);
        out
    }
}

/// Walks child elements.
#[derive(Clone, Debug)]
pub struct Children<'a> {
    pieces: Pieces<'a>,
    /// What holds around them.
    around: Scope<'a>,
}

impl<'a> Children<'a> {
    pub(crate) const fn within(content: &'a str, around: Scope<'a>) -> Self {
        Self {
            pieces: Pieces { rest: content },
            around,
        }
    }
}

impl<'a> Iterator for Children<'a> {
    type Item = ElementRef<'a>;

    fn next(&mut self) -> Option<ElementRef<'a>> {
        loop {
            match self.pieces.next()? {
                Piece::Element(raw) => return ElementRef::read(raw, &self.around),
                Piece::Text(_) | Piece::Cdata { .. } => {}
            }
        }
    }
}

/// Where the content of `element` ends, whose start tag ends at `tag_end`: where the end tag begins.
fn content_end(element: &[u8], tag_end: usize, tag: &StartTag<'_>) -> usize {
    if tag.empty {
        tag_end
    } else {
        memrchr(b'<', element).unwrap_or(tag_end)
    }
}

fn direct_text(content: &str) -> String {
    let mut out = String::new();
    for piece in (Pieces { rest: content }) {
        match piece {
            Piece::Text(raw) => out.push_str(&escape::unescape_text(raw)),
            Piece::Cdata { inner, .. } => out.push_str(&escape::unescape_line_ends(inner)),
            Piece::Element(_) => {}
        }
    }
    out
}

/// Checked bytes are UTF-8; anything else reads as nothing.
#[inline]
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}
