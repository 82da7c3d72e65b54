//! The start tag of a stream. RFC 6120 §4.7, §4.8.

use crate::scanner::Declaration;
use crate::scope::Scope;
use crate::tag::StartTag;
use crate::{StreamCondition, StreamError, check, element, escape, ns};

/// The stream's start tag. RFC 6120 §4.7.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StreamHeader {
    /// The domain the other side wants.
    pub to: Option<String>,
    /// Who it says it is.
    pub from: Option<String>,
    /// The stream id.
    pub id: Option<String>,
    /// The version of XMPP.
    pub version: Option<String>,
    /// The default language (`xml:lang`).
    pub lang: Option<String>,
    /// The default namespace of the stanzas: `jabber:client` or `jabber:server`.
    pub content_namespace: String,
}

/// What holds for everything inside the stream.
#[derive(Debug)]
pub(crate) struct Root {
    /// The name of the root, with its prefix.
    pub(crate) name: String,
    pub(crate) content_namespace: &'static str,
    /// The prefixes it declares.
    pub(crate) declarations: Vec<Declaration>,
}

impl Default for Root {
    fn default() -> Self {
        Self {
            name: String::new(),
            content_namespace: ns::CLIENT,
            declarations: Vec::new(),
        }
    }
}

/// Reads a start tag that was checked for itself, and checks that it begins a stream.
pub(crate) fn read(raw: &[u8]) -> Result<(Root, StreamHeader), StreamError> {
    let tag = StartTag::read(element::text(raw)).ok_or_else(check::malformed)?;
    let inside = Scope::client().enter(&tag);
    let (namespace, local) = inside.resolve(tag.name);
    let content_namespace = match (&*namespace, tag.attribute("xmlns").unwrap_or_default()) {
        (ns::STREAMS, ns::CLIENT) => ns::CLIENT,
        (ns::STREAMS, ns::SERVER) => ns::SERVER,
        _ => return Err(StreamError::new(StreamCondition::InvalidNamespace)),
    };
    if local != "stream" || tag.empty {
        return Err(StreamError::new(StreamCondition::BadFormat));
    }
    let name = tag.name.to_owned();
    let root = Root {
        name,
        content_namespace,
        declarations: declarations(&tag),
    };
    Ok((root, stream_header(&tag, content_namespace)))
}

/// The prefixes a stream header declares. `xml` needs none.
fn declarations(tag: &StartTag<'_>) -> Vec<Declaration> {
    let attributes = tag.attributes().map_while(Result::ok);
    let declared = attributes.filter_map(|a| Some((a.declares()?, a.value)));
    let prefixes = declared.filter(|(prefix, _)| !matches!(*prefix, "" | "xml"));
    prefixes
        .map(|(prefix, value)| Declaration {
            prefix: prefix.to_owned(),
            uri: escape::unescape_attr(value).into_owned(),
        })
        .collect()
}

fn stream_header(tag: &StartTag<'_>, content_namespace: &str) -> StreamHeader {
    let read = |name| {
        tag.attribute(name)
            .map(|value| escape::unescape_attr(value).into_owned())
    };
    StreamHeader {
        to: read("to"),
        from: read("from"),
        id: read("id"),
        version: read("version"),
        lang: read("xml:lang"),
        content_namespace: content_namespace.to_owned(),
    }
}
