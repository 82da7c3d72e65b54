//! Personal eventing: what a node keeps, what is refused, and what is told.

use crate::testing::{Replica, jid};
use crate::{AccessModel, PepChange, PepEdit, Refusal, SlotEvent, UserChange};
use muster_types::{Limits, LogIndex};

fn edit(node: &str, edit: PepEdit) -> UserChange {
    let node = node.to_owned();
    UserChange::Pep { node, edit }
}

fn publish(node: &str, payload: &str, access: Option<AccessModel>) -> UserChange {
    let (id, payload) = ("current".to_owned(), payload.as_bytes().to_vec());
    edit(
        node,
        PepEdit::Publish {
            id,
            payload,
            access,
        },
    )
}

fn retract(node: &str, id: &str) -> UserChange {
    let id = id.to_owned();
    edit(node, PepEdit::Retract { id })
}

/// What was told, or why it was refused.
fn came(events: &[SlotEvent]) -> Result<Option<PepChange>, Refusal> {
    match events {
        [SlotEvent::PepChanged { change, .. }, SlotEvent::Done { .. }] => Ok(Some(*change)),
        [SlotEvent::Done { .. }] => Ok(None),
        [SlotEvent::Refused { why, .. }] => Err(why.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_node_keeps_the_last_item_and_goes_with_the_account() {
    let mut replica = Replica::opened();
    let nodes = |replica: &Replica| replica.state.pep(&jid("juliet")).cloned();
    for payload in ["<a/>", "<b/>"] {
        let events = replica.change("juliet", publish("mood", payload, None));
        assert_eq!(came(&events), Ok(Some(PepChange::Published)));
    }
    let kept = nodes(&replica).unwrap();
    assert_eq!(kept.len(), 1);
    let node = &kept["mood"];
    assert_eq!(node.payload.as_deref(), Some(&b"<b/>"[..]));
    assert_eq!(node.changed, LogIndex(replica.index));
    assert_eq!(node.access, AccessModel::Presence);

    let events = replica.change("juliet", retract("mood", "current"));
    assert_eq!(came(&events), Ok(Some(PepChange::Retracted)));
    assert_eq!(nodes(&replica).unwrap()["mood"].payload, None);
    for gone in [retract("mood", "current"), retract("tune", "current")] {
        let events = replica.change("juliet", gone);
        assert_eq!(came(&events), Err(Refusal::NoSuchItem));
    }
    let events = replica.change("juliet", edit("mood", PepEdit::Delete));
    let deleted = PepChange::Deleted(AccessModel::Presence);
    assert_eq!(came(&events), Ok(Some(deleted)));
    assert_eq!(nodes(&replica), None, "nothing is kept of her");

    replica.change("juliet", publish("mood", "<a/>", None));
    let removal = UserChange::RemoveUser {
        at: LogIndex(1),
        contact_slots: [].into(),
    };
    replica.change("juliet", removal);
    assert_eq!(nodes(&replica), None);
    assert!(!replica.store.keys().any(|key| key[0] == crate::key::PEP));
}

#[test]
fn the_first_publisher_says_who_may_read_and_the_others_must_agree() {
    use AccessModel::{Open, Presence, Whitelist};
    let mut replica = Replica::opened();
    let other = |model: AccessModel| Refusal::OtherAccessModel {
        model: model.label().to_owned(),
    };
    let mut try_it = |change| came(&replica.change("juliet", change));
    let published = Ok(Some(PepChange::Published));
    assert_eq!(try_it(publish("keys", "<x/>", Some(Open))), published);
    assert_eq!(try_it(publish("keys", "<x/>", None)), published);
    let refused = try_it(publish("keys", "<x/>", Some(Presence)));
    assert_eq!(refused, Err(other(Open)));
    let configure = edit("keys", PepEdit::Configure { access: Whitelist });
    assert_eq!(try_it(configure), Ok(None), "nobody is told of that");
    assert_eq!(try_it(publish("keys", "<x/>", Some(Whitelist))), published);
    let configure = edit("tune", PepEdit::Configure { access: Open });
    assert_eq!(try_it(configure), Err(Refusal::NoSuchItem));
}

#[test]
fn a_full_account_takes_no_more_and_room_comes_from_deleting() {
    let mut replica = Replica::opened();
    let (pep_nodes, pep_bytes) = (2, 40);
    replica.state.set_limits(Limits {
        pep_nodes,
        pep_bytes,
        ..Limits::default()
    });
    let full = Refusal::PepFull {
        nodes: pep_nodes,
        bytes: pep_bytes,
    };
    let mut try_it = |change| came(&replica.change("juliet", change));
    let published = Ok(Some(PepChange::Published));
    assert_eq!(try_it(publish("a", "<x/>", None)), published);
    assert_eq!(try_it(publish("b", "<x/>", None)), published);
    assert_eq!(try_it(publish("c", "<x/>", None)), Err(full.clone()));
    let much = format!("<x>{}</x>", "y".repeat(20));
    assert_eq!(try_it(publish("a", &much, None)), Err(full));
    assert_eq!(
        try_it(edit("b", PepEdit::Delete)),
        Ok(Some(PepChange::Deleted(AccessModel::Presence)))
    );
    assert_eq!(try_it(publish("a", &much, None)), published);
}

#[test]
fn what_changed_after_an_entry_is_found() {
    let mut replica = Replica::opened();
    replica.change("juliet", publish("mood", "<a/>", None));
    let before = LogIndex(replica.index);
    replica.change("romeo", publish("mood", "<a/>", None));
    replica.change("juliet", publish("tune", "<a/>", None));
    let after: Vec<_> = replica
        .state
        .pep_after(before)
        .map(|(user, node)| (user.clone(), node.to_owned()))
        .collect();
    let expected = [(jid("juliet"), "tune"), (jid("romeo"), "mood")];
    assert_eq!(after, expected.map(|(user, node)| (user, node.to_owned())));
}
