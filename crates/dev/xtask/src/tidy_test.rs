use std::collections::BTreeMap;

use super::{Ratchet, Sizes, compare, lower};

fn lengths(of: &[(&str, usize)]) -> BTreeMap<String, usize> {
    of.iter()
        .map(|(name, lines)| ((*name).to_owned(), *lines))
        .collect()
}

#[test]
fn the_ratchet_holds_what_it_lists_and_refuses_what_is_new() {
    for (what, files, allowed, problems) in [
        ("short", 500, None, 0),
        ("long and new", 501, None, 1),
        ("long and listed", 600, Some(600), 0),
        ("longer than listed", 601, Some(600), 1),
        ("shorter than listed", 590, Some(600), 1),
        ("short and still listed", 400, Some(600), 1),
    ] {
        let sizes = Sizes {
            files: lengths(&[("a.rs", files)]),
            functions: BTreeMap::new(),
        };
        let ratchet = Ratchet {
            files: allowed
                .map(|most| lengths(&[("a.rs", most)]))
                .unwrap_or_default(),
            ..Ratchet::default()
        };
        assert_eq!(compare(&sizes, &ratchet).len(), problems, "{what}");
    }
}

#[test]
fn lowering_never_raises_and_drops_what_is_short() {
    let mut allowed = lengths(&[
        ("shrunk.rs", 800),
        ("grown.rs", 600),
        ("short.rs", 700),
        ("gone.rs", 900),
    ]);
    lower(
        &mut allowed,
        &lengths(&[("shrunk.rs", 700), ("grown.rs", 900), ("short.rs", 300)]),
        500,
    );
    assert_eq!(allowed, lengths(&[("shrunk.rs", 700), ("grown.rs", 600)]));
}
