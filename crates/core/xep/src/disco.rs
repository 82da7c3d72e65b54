//! XEP-0030: Service Discovery. What a domain and an account are (`#info`) and hold (`#items`).

use crate::{AccountInfo, EXTENSIONS, Extension, ping};
use muster_stanza::{ElementRef, IqType, Stanza, StanzaCondition, StanzaError, Writer, ns};
use std::collections::BTreeSet;

const FEATURES: &[&str] = &[ns::DISCO_INFO, ns::DISCO_ITEMS];

pub(crate) const EXTENSION: Extension = Extension {
    features: FEATURES,
    answer: |question| {
        let ours = EXTENSIONS
            .iter()
            .flat_map(|extension| extension.features)
            .copied();
        let others = question.host.features.iter().map(String::as_str);
        let identity = Identity {
            category: "server",
            kind: "im",
            name: Some(&question.host.name),
        };
        answer(question.iq, &[identity], ours.chain(others), &[])
    },
};

/// Answers discovery of an account: it is a registered one, and a personal eventing service (XEP-0163 §6.1)
/// that holds nodes.
pub fn account_disco(iq: &Stanza, account: &AccountInfo<'_>) -> Option<Stanza> {
    let identity = |category, kind| Identity {
        category,
        kind,
        name: None,
    };
    let features = account.features.iter().chain(FEATURES);
    let features = features.chain(ping::EXTENSION.features).copied();
    let items = account.nodes.iter().map(|node| (account.jid, *node));
    answer(
        iq,
        &[identity("account", "registered"), identity("pubsub", "pep")],
        features,
        &items.collect::<Vec<_>>(),
    )
}

/// What an entity is. XEP-0030 §3.1.
struct Identity<'a> {
    category: &'a str,
    kind: &'a str,
    name: Option<&'a str>,
}

fn answer<'a>(
    iq: &Stanza,
    identities: &[Identity<'_>],
    features: impl Iterator<Item = &'a str>,
    items: &[(&str, &str)],
) -> Option<Stanza> {
    let query = iq.payload().filter(|_| iq.iq_type() == Some(IqType::Get))?;
    let content = if query.is("query", ns::DISCO_INFO) {
        info(identities, features)
    } else if query.is("query", ns::DISCO_ITEMS) {
        let mut out = Writer::new();
        out.start("query").attr("xmlns", ns::DISCO_ITEMS);
        for (jid, node) in items {
            out.start("item").attr("jid", jid).attr("node", node).end();
        }
        out.end().finish()
    } else {
        return None;
    };
    if has_node(&query) {
        // Those who know nodes have answered already. XEP-0030 §3.2.
        return Some(iq.error(&StanzaError::new(StanzaCondition::ItemNotFound)));
    }
    Some(iq.result_with(content))
}

fn has_node(query: &ElementRef<'_>) -> bool {
    query.attr("node").is_some_and(|node| !node.is_empty())
}

fn info<'a>(identities: &[Identity<'_>], features: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut out = Writer::new();
    out.start("query").attr("xmlns", ns::DISCO_INFO);
    for identity in identities {
        out.start("identity")
            .attr("category", identity.category)
            .attr("type", identity.kind);
        out.attr_opt("name", identity.name).end();
    }
    // Each once, in an order that is the same in every answer.
    for feature in features.collect::<BTreeSet<_>>() {
        out.start("feature").attr("var", feature).end();
    }
    out.end().finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer_account;
    use crate::testing::{ask, iq};

    fn vars(query: &str) -> Vec<&str> {
        query
            .split("var='")
            .skip(1)
            .filter_map(|rest| rest.split('\'').next())
            .collect()
    }

    #[test]
    fn a_domain_announces_what_is_answered() {
        let info = ask(
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
        )
        .unwrap();
        assert!(
            info.contains("<identity category='server' type='im' name='Muster'/>"),
            "{info}"
        );
        assert_eq!(
            vars(&info),
            [
                ns::DISCO_INFO,
                ns::DISCO_ITEMS,
                ns::VERSION,
                "msgoffline",
                ns::PING,
                ns::TIME,
            ]
        );
    }

    #[test]
    fn a_domain_holds_nothing() {
        let items = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
        assert_eq!(ask("get", items).as_deref(), Some(items));
    }

    #[test]
    fn there_are_no_nodes() {
        for namespace in [ns::DISCO_INFO, ns::DISCO_ITEMS] {
            let query = iq("get", &format!("<query xmlns='{namespace}' node='x'/>"));
            let answer = account_disco(&query, &account()).unwrap();
            let error = answer.child("error", ns::CLIENT).unwrap();
            assert!(error.child("item-not-found", ns::STANZAS).is_some());
        }
    }

    #[test]
    fn an_account_lists_its_nodes() {
        let items = iq(
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#items'/>",
        );
        let answer = answer_account(&items, &account()).unwrap();
        let items = String::from_utf8(answer.content.to_vec()).unwrap();
        assert!(
            items.contains("<item jid='u@a.b' node='urn:mood'/>"),
            "{items}"
        );
    }

    fn account() -> AccountInfo<'static> {
        AccountInfo {
            jid: "u@a.b",
            features: vec![ns::VCARD],
            nodes: vec!["urn:mood"],
        }
    }

    #[test]
    fn an_account_is_registered_and_has_a_personal_eventing_service() {
        let query = iq(
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
        );
        let answer = answer_account(&query, &account()).unwrap();
        let info = String::from_utf8(answer.content.to_vec()).unwrap();
        assert!(
            info.contains("<identity category='account' type='registered'/><identity category='pubsub' type='pep'/>"),
            "{info}"
        );
        assert_eq!(
            vars(&info),
            [ns::DISCO_INFO, ns::DISCO_ITEMS, ns::PING, ns::VCARD]
        );
    }
}
