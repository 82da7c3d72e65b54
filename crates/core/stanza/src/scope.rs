//! Namespaces in force. Namespaces in XML 1.0.

use crate::scanner::Declaration;
use crate::tag::{Attribute, Piece, Pieces, StartTag, split_name};
use crate::{escape, escape_attr, ns};
use memchr::memmem;
use std::borrow::Cow;
use std::sync::Arc;

/// The declarations that hold at one place. A clone is cheap: prefixes are rare and shared.
#[derive(Clone, Debug)]
pub(crate) struct Scope<'a> {
    /// The default namespace.
    pub(crate) default: Cow<'a, str>,
    prefixes: Option<Arc<Binding<'a>>>,
}

#[derive(Debug)]
struct Binding<'a> {
    prefix: &'a str,
    uri: Cow<'a, str>,
    outer: Option<Arc<Self>>,
}

impl<'a> Scope<'a> {
    /// What holds around every [`Element`](crate::Element): no prefixes, default `jabber:client`.
    pub(crate) const fn client() -> Self {
        Self {
            default: Cow::Borrowed(ns::CLIENT),
            prefixes: None,
        }
    }

    /// What a stream header makes hold inside it.
    pub(crate) fn of_stream(content: &'a str, declarations: &'a [Declaration]) -> Self {
        let mut scope = Self {
            default: Cow::Borrowed(content),
            prefixes: None,
        };
        for declaration in declarations {
            scope.bind(&declaration.prefix, Cow::Borrowed(&declaration.uri));
        }
        scope
    }

    /// What holds inside `tag`.
    pub(crate) fn enter(&self, tag: &StartTag<'a>) -> Self {
        let mut inside = self.clone();
        for attribute in tag.attributes().map_while(Result::ok) {
            inside.declare(attribute);
        }
        inside
    }

    fn declare(&mut self, attribute: Attribute<'a>) {
        match attribute.declares() {
            Some("") => self.default = escape::unescape_attr(attribute.value),
            Some(prefix) => self.bind(prefix, escape::unescape_attr(attribute.value)),
            None => {}
        }
    }

    fn bind(&mut self, prefix: &'a str, uri: Cow<'a, str>) {
        self.prefixes = Some(Arc::new(Binding {
            prefix,
            uri,
            outer: self.prefixes.take(),
        }));
    }

    /// The namespace of an element called `name` inside this scope, and its local name. An unknown
    /// prefix has the empty namespace; the framer lets none through.
    pub(crate) fn resolve(&self, name: &'a str) -> (Cow<'a, str>, &'a str) {
        let Some((prefix, local)) = split_name(name) else {
            return (self.default.clone(), name);
        };
        let uri = match self.bindings().find(|b| b.prefix == prefix) {
            Some(binding) => binding.uri.clone(),
            None if prefix == "xml" => Cow::Borrowed(ns::XML),
            None => Cow::Borrowed(""),
        };
        (uri, local)
    }

    /// Whether XML taken out of here reads the same within [`Scope::client`].
    pub(crate) fn is_client(&self) -> bool {
        self.prefixes.is_none() && self.default == ns::CLIENT
    }

    /// Innermost first.
    fn bindings(&self) -> impl Iterator<Item = &Binding<'a>> {
        std::iter::successors(self.prefixes.as_deref(), |binding| binding.outer.as_deref())
    }

    /// The declarations that `element`, taken out of here, lacks to be complete by itself.
    fn missing(&self, element: &str, tag: &StartTag<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        let mut known: Vec<&str> = tag
            .attributes()
            .map_while(Result::ok)
            .filter_map(|a| a.declares())
            .collect();
        if self.default != ns::CLIENT && !known.contains(&"") {
            declaration(&mut out, "", &self.default);
        }
        for binding in self.bindings() {
            if !known.contains(&binding.prefix) && mentions(element, binding.prefix) {
                known.push(binding.prefix);
                declaration(&mut out, binding.prefix, &binding.uri);
            }
        }
        out
    }

    /// Appends `element`, taken out of here, with the declarations it lacks.
    pub(crate) fn write_complete(&self, out: &mut Vec<u8>, element: &str) {
        let end = crate::tag::tag_end(element.as_bytes(), 0).unwrap_or(element.len());
        let tag = StartTag::read(&element[..end]).unwrap_or_default();
        let missing = if self.is_client() {
            Vec::new()
        } else {
            self.missing(element, &tag)
        };
        splice(out, element, &tag, &missing);
    }

    /// The content of an element taken out of here, each child completed.
    pub(crate) fn complete_content(&self, content: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(content.len() + 64);
        for piece in (Pieces { rest: content }) {
            match piece {
                Piece::Element(child) => self.write_complete(&mut out, child),
                Piece::Text(raw) | Piece::Cdata { whole: raw, .. } => {
                    out.extend_from_slice(raw.as_bytes());
                }
            }
        }
        out
    }
}

/// Appends `element` with `declarations` put behind its name.
pub(crate) fn splice(out: &mut Vec<u8>, element: &str, tag: &StartTag<'_>, declarations: &[u8]) {
    let (head, tail) = element
        .as_bytes()
        .split_at((1 + tag.name.len()).min(element.len()));
    out.extend_from_slice(head);
    out.extend_from_slice(declarations);
    out.extend_from_slice(tail);
}

/// Appends one namespace declaration; the empty prefix is the default namespace.
pub(crate) fn declaration(out: &mut Vec<u8>, prefix: &str, uri: &str) {
    out.extend_from_slice(b" xmlns");
    if !prefix.is_empty() {
        out.push(b':');
        out.extend_from_slice(prefix.as_bytes());
    }
    out.extend_from_slice(b"='");
    escape_attr(out, uri);
    out.push(b'\'');
}

/// Whether `prefix:` stands anywhere in `xml`. It may be mere text: a declaration too many does no
/// harm, one too few would.
fn mentions(xml: &str, prefix: &str) -> bool {
    memmem::find_iter(xml.as_bytes(), prefix)
        .any(|at| xml.as_bytes().get(at + prefix.len()) == Some(&b':'))
}
