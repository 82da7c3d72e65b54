//! Finds where an element ends and checks it on the way. It goes on where it stopped, so a byte is
//! looked at a fixed number of times however the bytes arrive.
//!
//! ```text
//!             '<'              not one of / ! ?           '>'
//!   Text ------------> Markup ------------------> Tag -------------> Text, or done
//!                        | '/'                                         ^
//!                        +-----------------------> EndTag -- '>' ------+
//!                        | "![CDATA["                                  |
//!                        +-----------------------> Cdata --- "]]>" ----+
//!                        | other '!', or '?': restricted-xml
//! ```

use crate::check::{self, malformed};
use crate::tag::{Attribute, StartTag, place};
use crate::{FramerLimits, StreamCondition, StreamError, element, escape, ns};
use memchr::{memchr, memchr3, memmem};
use std::borrow::Cow;
use std::ops::Range;

const CDATA_BEGIN: &[u8] = b"<![CDATA[";
const CDATA_END: &[u8] = b"]]>";

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum State {
    /// Before the next `<`.
    #[default]
    Text,
    /// After a `<`.
    Markup,
    /// In a start tag, and in which quotes.
    Tag(Option<u8>),
    EndTag,
    Cdata,
}

/// An element that has begun.
#[derive(Debug)]
struct Open {
    name: Range<usize>,
    /// How many declarations were in force around it.
    bindings: usize,
}

/// A prefix declared inside the element. Places, as everywhere here, count from its first byte.
#[derive(Debug)]
struct Binding {
    prefix: Range<usize>,
    uri: Range<usize>,
}

/// A prefix that the stream header declares.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Declaration {
    pub(crate) prefix: String,
    pub(crate) uri: String,
}

/// What holds around the scanned element, and its bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Around<'a> {
    pub(crate) declarations: &'a [Declaration],
    pub(crate) limits: FramerLimits,
}

impl<'a> Around<'a> {
    fn declaration(self, prefix: &str) -> Option<&'a Declaration> {
        self.declarations
            .iter()
            .find(|declaration| declaration.prefix == prefix)
    }
}

/// The scan of one element, from its `<` to the end of its end tag.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    state: State,
    /// Where the piece at hand begins.
    begin: usize,
    /// What was looked at.
    at: usize,
    open: Vec<Open>,
    bindings: Vec<Binding>,
    /// The names of the attributes of one tag; kept only for its memory.
    names: Vec<Range<usize>>,
    inherits: bool,
}

impl Scanner {
    /// Makes ready for the next element.
    pub(crate) fn clear(&mut self) {
        (self.state, self.begin, self.at, self.inherits) = (State::Text, 0, 0, false);
        self.open.clear();
        self.bindings.clear();
    }

    /// The same, and lets its memory go.
    pub(crate) fn release(&mut self) {
        *self = Self::default();
    }

    /// Whether the element uses a prefix that only the header declares.
    pub(crate) const fn inherits(&self) -> bool {
        self.inherits
    }

    /// Goes on with `window`, which begins with the element's `<` and has grown at its end since
    /// the last call. Answers the element's length once it is whole.
    pub(crate) fn scan(
        &mut self,
        window: &[u8],
        around: Around<'_>,
    ) -> Result<Option<usize>, StreamError> {
        while self.step(window, around)? {
            if self.state == State::Text && self.open.is_empty() {
                return Ok(Some(self.at));
            }
        }
        Ok(None)
    }

    /// As [`scan`](Self::scan), but ends with the start tag.
    pub(crate) fn scan_start_tag(
        &mut self,
        window: &[u8],
        around: Around<'_>,
    ) -> Result<Option<usize>, StreamError> {
        while self.step(window, around)? {
            if self.state == State::Text {
                return Ok(Some(self.at));
            }
        }
        Ok(None)
    }

    /// Takes one piece; false when there is no whole one.
    fn step(&mut self, window: &[u8], around: Around<'_>) -> Result<bool, StreamError> {
        match self.state {
            State::Text => self.text(window),
            State::Markup => self.markup(window),
            State::Tag(quote) => self.tag(window, quote, around),
            State::EndTag => self.end_tag(window),
            State::Cdata => self.cdata(window),
        }
    }

    /// The piece ends at `end`, another state begins there.
    fn next(&mut self, state: State, begin: usize, at: usize) -> Result<bool, StreamError> {
        (self.state, self.begin, self.at) = (state, begin, at);
        Ok(true)
    }

    /// Everything was looked at, up to `at`.
    fn wait(&mut self, at: usize) -> Result<bool, StreamError> {
        self.at = at;
        Ok(false)
    }

    fn text(&mut self, window: &[u8]) -> Result<bool, StreamError> {
        let Some(end) = memchr(b'<', &window[self.at..]).map(|found| self.at + found) else {
            return self.wait(window.len());
        };
        check::content(&window[self.begin..end])?;
        self.next(State::Markup, end, end + 1)
    }

    fn markup(&mut self, window: &[u8]) -> Result<bool, StreamError> {
        let restricted = Err(StreamError::new(StreamCondition::RestrictedXml));
        match window.get(self.at) {
            None => Ok(false),
            Some(b'/') => self.next(State::EndTag, self.begin, self.at),
            Some(b'?') => restricted,
            Some(b'!') => {
                let seen = &window[self.begin..window.len().min(self.begin + CDATA_BEGIN.len())];
                if !CDATA_BEGIN.starts_with(seen) {
                    restricted
                } else if seen.len() < CDATA_BEGIN.len() {
                    Ok(false)
                } else if self.open.is_empty() {
                    Err(StreamError::new(StreamCondition::BadFormat))
                } else {
                    self.next(State::Cdata, self.begin, self.begin + CDATA_BEGIN.len())
                }
            }
            Some(_) => self.next(State::Tag(None), self.begin, self.at),
        }
    }

    fn tag(
        &mut self,
        window: &[u8],
        quote: Option<u8>,
        around: Around<'_>,
    ) -> Result<bool, StreamError> {
        let rest = &window[self.at..];
        let found = match quote {
            Some(quote) => memchr(quote, rest),
            None => memchr3(b'>', b'\'', b'"', rest),
        };
        let Some(at) = found.map(|found| self.at + found) else {
            return self.wait(window.len());
        };
        if quote.is_some() {
            return self.next(State::Tag(None), self.begin, at + 1);
        }
        if window[at] != b'>' {
            return self.next(State::Tag(Some(window[at])), self.begin, at + 1);
        }
        self.start_tag(window, at + 1, around)?;
        self.next(State::Text, at + 1, at + 1)
    }

    fn cdata(&mut self, window: &[u8]) -> Result<bool, StreamError> {
        let Some(end) = memmem::find(&window[self.at..], CDATA_END).map(|found| self.at + found)
        else {
            // The end may have begun.
            return self.wait(
                self.at
                    .max(window.len().saturating_sub(CDATA_END.len() - 1)),
            );
        };
        check::cdata(&window[self.begin + CDATA_BEGIN.len()..end])?;
        self.next(State::Text, end + CDATA_END.len(), end + CDATA_END.len())
    }

    fn end_tag(&mut self, window: &[u8]) -> Result<bool, StreamError> {
        let Some(end) = memchr(b'>', &window[self.at..]).map(|found| self.at + found) else {
            return self.wait(window.len());
        };
        let open = self.open.pop().ok_or_else(malformed)?;
        check::end_tag(&window[self.begin..=end], &window[open.name])?;
        self.bindings.truncate(open.bindings);
        self.next(State::Text, end + 1, end + 1)
    }

    /// Checks the start tag that ends at `end` and opens its element.
    fn start_tag(
        &mut self,
        window: &[u8],
        end: usize,
        around: Around<'_>,
    ) -> Result<(), StreamError> {
        let (text, has_references) = check::tag_characters(&window[self.begin..end])?;
        let tag = StartTag::read(text).ok_or_else(malformed)?;
        let (prefix, _) = check::qualified_name(tag.name)?;
        let bindings = self.bindings.len();
        let prefixed = self.attributes(window, tag, has_references, around.limits)?;
        self.require_prefix(window, prefix, around)?;
        if prefixed > 0 {
            self.prefixed_attributes(window, around)?;
        }
        if self.open.len() == around.limits.depth {
            return Err(too(format!(
                "elements nested deeper than {}",
                around.limits.depth
            )));
        }
        if tag.empty {
            self.bindings.truncate(bindings);
            if self.open.is_empty() {
                return Ok(());
            }
        } else {
            let name = self.begin + 1..self.begin + 1 + tag.name.len();
            self.open.push(Open { name, bindings });
        }
        Ok(())
    }

    /// Checks the attributes, takes note of their names and declarations, and counts those with a
    /// prefix that are no declarations.
    fn attributes(
        &mut self,
        window: &[u8],
        tag: StartTag<'_>,
        has_references: bool,
        limits: FramerLimits,
    ) -> Result<usize, StreamError> {
        self.names.clear();
        let mut prefixed = 0;
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|_| malformed())?;
            if self.names.len() == limits.attributes {
                return Err(too(format!("more than {} attributes", limits.attributes)));
            }
            let name = place(window, attribute.name);
            if self
                .names
                .iter()
                .any(|seen| window[seen.clone()] == window[name.clone()])
            {
                return Err(malformed());
            }
            self.names.push(name);
            if has_references {
                check::references(attribute.value)?;
            }
            let (prefix, _) = check::qualified_name(attribute.name)?;
            match attribute.declares() {
                Some("") => check::default_namespace(attribute.value)?,
                Some(declared) => self.bind(window, declared, attribute, limits)?,
                None => prefixed += usize::from(!prefix.is_empty()),
            }
        }
        Ok(prefixed)
    }

    fn bind(
        &mut self,
        window: &[u8],
        prefix: &str,
        attribute: Attribute<'_>,
        limits: FramerLimits,
    ) -> Result<(), StreamError> {
        check::binding(prefix, attribute.value)?;
        if self.bindings.len() >= limits.attributes {
            return Err(too(format!(
                "more than {} prefixes in force",
                limits.attributes
            )));
        }
        let binding = Binding {
            prefix: place(window, prefix),
            uri: place(window, attribute.value),
        };
        self.bindings.push(binding);
        Ok(())
    }

    /// Checks that a prefix is declared, here or in the header.
    fn require_prefix(
        &mut self,
        window: &[u8],
        prefix: &str,
        around: Around<'_>,
    ) -> Result<(), StreamError> {
        if matches!(prefix, "" | "xml") || self.binding(window, prefix).is_some() {
            return Ok(());
        }
        if around.declaration(prefix).is_none() {
            return Err(StreamError::new(StreamCondition::BadNamespacePrefix));
        }
        self.inherits = true;
        Ok(())
    }

    /// Checks the prefixes of attributes, and that no two of them are the same attribute by
    /// different prefixes (Namespaces in XML 1.0 §6.3).
    fn prefixed_attributes(
        &mut self,
        window: &[u8],
        around: Around<'_>,
    ) -> Result<(), StreamError> {
        let names = std::mem::take(&mut self.names);
        let mut expanded = Vec::new();
        for name in &names {
            match element::text(&window[name.clone()]).split_once(':') {
                None | Some(("xmlns", _)) => {}
                Some((prefix, local)) => {
                    self.require_prefix(window, prefix, around)?;
                    expanded.push((local, self.namespace(window, prefix, around)));
                }
            }
        }
        self.names = names;
        expanded.sort_unstable();
        if expanded.windows(2).any(|pair| pair[0] == pair[1]) {
            Err(malformed())
        } else {
            Ok(())
        }
    }

    fn binding(&self, window: &[u8], prefix: &str) -> Option<&Binding> {
        self.bindings
            .iter()
            .rev()
            .find(|b| &window[b.prefix.clone()] == prefix.as_bytes())
    }

    fn namespace<'a>(&self, window: &'a [u8], prefix: &str, around: Around<'a>) -> Cow<'a, str> {
        match self.binding(window, prefix) {
            Some(binding) => escape::unescape_attr(element::text(&window[binding.uri.clone()])),
            None if prefix == "xml" => Cow::Borrowed(ns::XML),
            None => Cow::Borrowed(around.declaration(prefix).map_or("", |d| d.uri.as_str())),
        }
    }
}

/// A limit is broken.
pub(crate) fn too(text: String) -> StreamError {
    StreamError::new(StreamCondition::PolicyViolation).with_text(text)
}
