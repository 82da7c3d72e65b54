//! Whom a user lets in: a rule for a contact, a domain or everybody. A client edits the table by
//! XEP-0191, which knows blocking only; an operator and the API know all of it.

use muster_types::{Bare as _, BareJid, Jid};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// What a rule says.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Access {
    /// A request to see the user is granted without asking the user.
    Allow,
    /// The user is asked.
    Ask,
    /// Neither sees the other, and nothing gets through (XEP-0191 §3). A rule for everybody refuses only
    /// requests of those who do not see the user yet.
    Block,
}

impl Access {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Ask, Self::Block];

    /// The word for people and the API.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Ask => "ask",
            Self::Block => "block",
        }
    }
}

/// Whom a rule is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Whom {
    /// Whoever has no rule of its own. Written `*`.
    Everybody,
    /// A contact, a client of it, a domain or a resource of that (XEP-0191 §4).
    Jid(Jid),
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everybody => f.write_str("*"),
            Self::Jid(jid) => jid.fmt(f),
        }
    }
}

/// Neither `*` nor an address.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is neither an address, nor a domain, nor * for everybody")]
pub struct NobodyNamed(String);

impl FromStr for Whom {
    type Err = NobodyNamed;

    fn from_str(text: &str) -> Result<Self, NobodyNamed> {
        match text {
            "*" => Ok(Self::Everybody),
            text => Jid::new(text)
                .map(Self::Jid)
                .map_err(|_| NobodyNamed(text.to_owned())),
        }
    }
}

/// A rule that changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessChange {
    /// Whom it is about.
    pub whom: Whom,
    /// What it said; `None` where there was none.
    pub before: Option<Access>,
    /// What it says.
    pub after: Option<Access>,
}

/// The rules of one user.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AccessList {
    rules: BTreeMap<Whom, Access>,
}

impl AccessList {
    /// How many rules there are.
    pub fn len(&self) -> usize {
        self.rules.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// All of them, the one for everybody first.
    pub fn rules(&self) -> impl Iterator<Item = (&Whom, Access)> {
        self.rules.iter().map(|(whom, access)| (whom, *access))
    }

    /// The rule for exactly this.
    pub fn rule(&self, whom: &Whom) -> Option<Access> {
        self.rules.get(whom).copied()
    }

    /// Sets a rule, or removes it; whether that changes anything.
    pub fn set(&mut self, whom: Whom, access: Option<Access>) -> bool {
        let before = match access {
            Some(access) => self.rules.insert(whom, access),
            None => self.rules.remove(&whom),
        };
        before != access
    }

    /// Sets and removes rules in order; those that are others afterwards, each once.
    pub fn change(&mut self, rules: Vec<(Whom, Option<Access>)>) -> Vec<AccessChange> {
        let named: BTreeSet<Whom> = rules.iter().map(|(whom, _)| whom.clone()).collect();
        let before: Vec<_> = named.iter().map(|whom| self.rule(whom)).collect();
        for (whom, access) in rules {
            self.set(whom, access);
        }
        let changes = named.into_iter().zip(before).map(|(whom, before)| {
            let after = self.rule(&whom);
            AccessChange {
                whom,
                before,
                after,
            }
        });
        changes
            .filter(|change| change.before != change.after)
            .collect()
    }

    /// The list as it was before these changes.
    #[must_use]
    pub fn before(&self, changes: &[AccessChange]) -> Self {
        let mut list = self.clone();
        for change in changes {
            list.set(change.whom.clone(), change.before);
        }
        list
    }

    /// How many bytes the addresses in it have.
    pub fn bytes(&self) -> usize {
        let bytes = |whom: &Whom| match whom {
            Whom::Everybody => 0,
            Whom::Jid(jid) => jid.as_str().len(),
        };
        self.rules.keys().map(bytes).sum()
    }

    /// Whom the user has blocked, as XEP-0191 lists them.
    pub fn blocked(&self) -> impl Iterator<Item = &Jid> {
        self.rules().filter_map(|(whom, access)| match whom {
            Whom::Jid(jid) if access == Access::Block => Some(jid),
            Whom::Jid(_) | Whom::Everybody => None,
        })
    }

    /// What the most exact rule says about who has this address (XEP-0191 §4); `None` when only the rule
    /// for everybody is left.
    pub fn of(&self, jid: &Jid) -> Option<Access> {
        if self.rules.is_empty() {
            return None;
        }
        let rule = |jid: Jid| self.rule(&Whom::Jid(jid));
        let domain = || Jid::from(BareJid::from_parts(None, jid.domain()));
        let of_domain = || {
            let resource = jid.resource()?;
            rule(
                BareJid::from_parts(None, jid.domain())
                    .with_resource(resource)
                    .into(),
            )
        };
        rule(jid.clone())
            .or_else(|| rule(jid.bare().into()))
            .or_else(of_domain)
            .or_else(|| rule(domain()))
    }

    /// Whether nothing of who has this address gets through. Of a contact that is asked about by its bare
    /// JID a rule for one of its clients says nothing.
    pub fn blocks(&self, jid: &Jid) -> bool {
        self.of(jid) == Some(Access::Block)
    }

    /// What becomes of a contact's request to see the user, who has otherwise decided nothing.
    pub fn answer(&self, contact: &BareJid, otherwise: Access) -> Access {
        self.of(&contact.clone().into())
            .or_else(|| self.rule(&Whom::Everybody))
            .unwrap_or(otherwise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(rules: &[(&str, Access)]) -> AccessList {
        let mut list = AccessList::default();
        for (whom, access) in rules {
            assert!(list.set(whom.parse().unwrap(), Some(*access)));
        }
        list
    }

    #[test]
    fn the_most_exact_rule_counts() {
        let list = list(&[
            ("*", Access::Allow),
            ("evil.example", Access::Block),
            ("good@evil.example", Access::Ask),
            ("good@evil.example/spy", Access::Block),
            ("other.example/gate", Access::Block),
        ]);
        for (jid, of) in [
            ("evil.example", Some(Access::Block)),
            ("bad@evil.example", Some(Access::Block)),
            ("bad@evil.example/any", Some(Access::Block)),
            ("good@evil.example", Some(Access::Ask)),
            ("good@evil.example/home", Some(Access::Ask)),
            ("good@evil.example/spy", Some(Access::Block)),
            ("a@other.example/gate", Some(Access::Block)),
            ("a@other.example/home", None),
            ("a@sub.evil.example", None),
        ] {
            assert_eq!(list.of(&Jid::new(jid).unwrap()), of, "{jid}");
        }
    }

    #[test]
    fn a_request_is_answered_by_the_rule_for_everybody_last() {
        let rules = list(&[("evil.example", Access::Block), ("*", Access::Allow)]);
        let answer =
            |list: &AccessList, jid: &str| list.answer(&BareJid::new(jid).unwrap(), Access::Ask);
        assert_eq!(answer(&rules, "a@evil.example"), Access::Block);
        assert_eq!(answer(&rules, "a@example.com"), Access::Allow);
        assert_eq!(answer(&AccessList::default(), "a@example.com"), Access::Ask);
    }

    #[test]
    fn what_changed_is_said_once_and_can_be_taken_back() {
        let mut rules = list(&[("a@example.com", Access::Block), ("*", Access::Ask)]);
        let old = rules.clone();
        let whom = |text: &str| text.parse::<Whom>().unwrap();
        let changes = rules.change(vec![
            (whom("a@example.com"), None),
            (whom("b@example.com"), Some(Access::Allow)),
            (whom("b@example.com"), Some(Access::Block)),
            (whom("*"), Some(Access::Ask)),
        ]);
        let said: Vec<_> = changes
            .iter()
            .map(|change| (change.whom.to_string(), change.before, change.after))
            .collect();
        assert_eq!(
            said,
            [
                ("a@example.com".to_owned(), Some(Access::Block), None),
                ("b@example.com".to_owned(), None, Some(Access::Block)),
            ]
        );
        assert_eq!(rules.before(&changes), old);
        assert_eq!(rules.bytes(), "b@example.com".len());
    }

    #[test]
    fn a_rule_that_is_set_again_or_was_never_there_changes_nothing() {
        let mut list = list(&[("a@example.com", Access::Block)]);
        let whom: Whom = "a@example.com".parse().unwrap();
        assert!(!list.set(whom.clone(), Some(Access::Block)));
        assert!(list.set(whom.clone(), None));
        assert!(!list.set(whom, None));
        assert!(list.is_empty());
    }
}
