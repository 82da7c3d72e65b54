use std::collections::BTreeMap;

use super::{Record, attribute};

#[test]
fn an_item_that_was_acknowledged_must_hold_that_number_or_a_later_try() {
    // Item 1: 7 acknowledged, 9 tried after it. Item 2: tried, never acknowledged.
    let record = Record {
        items: BTreeMap::from([(1, (9, Some(7))), (2, (8, None))]),
        ..Record::default()
    };
    for (held, lost) in [
        (&[(1, 7)][..], 0),
        (&[(1, 9), (2, 8)], 0),
        (&[(1, 6)], 1),
        (&[(1, 10)], 1),
        (&[(2, 8)], 1),
        (&[], 1),
    ] {
        let roster = held.iter().copied().collect();
        let found = record.missing_items(&roster, "a@b");
        assert_eq!(found.len(), lost, "{held:?}: {found:?}");
    }
}

#[test]
fn attributes_are_read_in_either_kind_of_quotes() {
    let text = " jid='item3@history.invalid' name=\"17\" subscription='none'/>";
    assert_eq!(attribute(text, "jid"), Some("item3@history.invalid"));
    assert_eq!(attribute(text, "name"), Some("17"));
    assert_eq!(attribute(text, "ask"), None);
}
