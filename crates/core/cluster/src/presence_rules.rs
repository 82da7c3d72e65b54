//! By which rules presence is composed in the whole cluster.

use muster_presence::rules::Rules;
use std::sync::Arc;

/// The operator's own table, or the shipped one.
#[derive(Clone, Debug)]
pub struct PresenceRules {
    text: Option<Arc<str>>,
    rules: Arc<Rules>,
    problem: Option<String>,
}

impl PresenceRules {
    /// The proposer has checked the text; a program of another version may still read it otherwise. Then
    /// it composes by the shipped table, and what the log holds stays the same on all nodes.
    pub(crate) fn of(text: Option<String>) -> Self {
        let Some(text) = text else {
            return Self::default();
        };
        let (rules, problem) = match Rules::read(&text) {
            Ok(rules) => (Arc::new(rules), None),
            Err(why) => (Rules::shipped(), Some(why.to_string())),
        };
        Self {
            text: Some(text.into()),
            rules,
            problem,
        }
    }

    /// The operator's own table as it was given; `None` while the shipped one is in force.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// What is composed by. The same table is the same allocation.
    pub const fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Why this program does not take the operator's table.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }
}

impl Default for PresenceRules {
    fn default() -> Self {
        Self {
            text: None,
            rules: Rules::shipped(),
            problem: None,
        }
    }
}

/// The text is all there is to compare.
impl PartialEq for PresenceRules {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
