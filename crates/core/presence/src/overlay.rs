//! What watchers see of a client when something else than the user's clients wins.

use crate::rules::{Composed, Group, Show};
use crate::source::{Name, Span};
use muster_stanza::{Stanza, Writer, ns};
use muster_types::{Instant, Timestamp};
use std::sync::Arc;

/// The element with what show and status cannot say: the state by its name in the rule table, the
/// kind of source it comes from, and until when it is said to last.
pub const DETAILS: &str = "urn:muster:presence:1";
/// What the elements take, with a short note.
const XML_BYTES: usize = 256;

/// What becomes of the presence of a user's clients on its way to watchers.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Overlay {
    /// It passes as it came (RFC 6121 §4.4).
    #[default]
    AsItCame,
    /// Elements take the place of show and status. Each client keeps what else it says, its priority and
    /// capabilities for example.
    Over(Arc<Over>),
    /// Watchers see no client at all; the user's own clients still see each other.
    Hidden,
}

/// What is laid over, and the same as XML.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Over {
    state: Name,
    show: Show,
    status: Option<String>,
    by: Group,
    until: Option<Timestamp>,
    xml: Vec<u8>,
}

impl Over {
    fn write(&mut self) {
        let mut xml = Writer::with_capacity(XML_BYTES);
        if let Some(show) = self.show.element() {
            xml.leaf("show", show);
        }
        if let Some(status) = &self.status {
            xml.leaf("status", status);
        }
        let until = self.until.map(|until| until.to_string());
        xml.start("composed")
            .attr("xmlns", DETAILS)
            .attr("state", self.state.as_str())
            .attr("by", self.by.label())
            .attr_opt("until", until.as_deref())
            .end();
        self.xml = xml.finish();
    }
}

impl Overlay {
    /// The overlay of a state that a source other than a client has led to; `known` again, if it is that.
    pub(crate) fn of(composed: Composed<'_>, said: Option<&Span<Instant>>, known: &Self) -> Self {
        let (state, rule) = (composed.state, composed.rule);
        if state.show == Show::Unavailable {
            return Self::Hidden;
        }
        let note = said.and_then(|span| span.note.as_deref());
        let status = note.or(state.status.as_deref());
        let until = said.and_then(|span| span.until);
        let (name, show, by) = (&state.name, state.show, rule.group);
        if let Self::Over(known) = known
            && (&known.state, known.show, known.by) == (name, show, by)
            && (known.status.as_deref(), known.until) == (status, until)
        {
            return Self::Over(Arc::clone(known));
        }
        let mut over = Over {
            state: name.clone(),
            show,
            status: status.map(str::to_owned),
            by,
            until,
            xml: Vec::new(),
        };
        over.write();
        Self::Over(Arc::new(over))
    }

    /// The presence of a client as watchers see it; whoever may see a hidden one sees it as it came.
    pub fn shown(&self, stanza: &Stanza) -> Stanza {
        let Self::Over(over) = self else {
            return stanza.clone();
        };
        let replaced = |child: &muster_stanza::ElementRef<'_>| {
            child.is("show", ns::CLIENT)
                || child.is("status", ns::CLIENT)
                || child.namespace() == DETAILS
        };
        let mut content = over.xml.clone();
        for child in stanza.children().filter(|child| !replaced(child)) {
            content.extend(child.raw_standalone());
        }
        stanza.clone().with_content(content)
    }
}
