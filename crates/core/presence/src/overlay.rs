//! What watchers see of a client when something else than the user's clients wins.

use crate::rules::{Composed, Show};
use crate::source::Span;
use bytes::Bytes;
use muster_stanza::{Stanza, Writer, ns};
use muster_types::Instant;

/// The element with what show and status cannot say: the state by its name in the rule table, the
/// kind of source it comes from, and until when it is said to last.
pub const DETAILS: &str = "urn:muster:presence:1";

/// What becomes of the presence of a user's clients on its way to watchers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Overlay {
    /// It passes as it came (RFC 6121 §4.4).
    #[default]
    AsItCame,
    /// These elements take the place of show and status. Each client keeps what else it says, its
    /// priority and capabilities for example.
    Over(Bytes),
    /// Watchers see no client at all; the user's own clients still see each other.
    Hidden,
}

impl Overlay {
    /// The overlay of a state that a source other than a client has led to.
    pub(crate) fn of(composed: Composed<'_>, said: Option<&Span<Instant>>) -> Self {
        let (state, rule) = (composed.state, composed.rule);
        if state.show == Show::Unavailable {
            return Self::Hidden;
        }
        let note = said.and_then(|span| span.note.as_deref());
        let until = said
            .and_then(|span| span.until)
            .map(|until| until.to_string());
        let mut xml = Writer::new();
        if let Some(show) = state.show.element() {
            xml.leaf("show", show);
        }
        if let Some(status) = note.or(state.status.as_deref()) {
            xml.leaf("status", status);
        }
        xml.start("composed")
            .attr("xmlns", DETAILS)
            .attr("state", state.name.as_str())
            .attr("by", rule.group.label())
            .attr_opt("until", until.as_deref())
            .end();
        Self::Over(xml.finish().into())
    }

    /// The presence of a client as watchers see it; whoever may see a hidden one sees it as it came.
    pub fn shown(&self, stanza: &Stanza) -> Stanza {
        let Self::Over(elements) = self else {
            return stanza.clone();
        };
        let replaced = |child: &muster_stanza::ElementRef<'_>| {
            child.is("show", ns::CLIENT)
                || child.is("status", ns::CLIENT)
                || child.namespace() == DETAILS
        };
        let mut content = elements.to_vec();
        for child in stanza.children().filter(|child| !replaced(child)) {
            content.extend(child.raw_standalone());
        }
        stanza.clone().with_content(content)
    }
}
