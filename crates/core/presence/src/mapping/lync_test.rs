//! The tables of Lync and Office Communicator as the trade wrote them down.

use crate::{Mapping, MappingTable, NoteParts};

fn preset(name: &str) -> &'static Mapping {
    Mapping::preset(name).unwrap()
}

fn to<'t>(table: &'t MappingTable, state: &str) -> Option<&'t str> {
    Some(&table.to_peer([state])?.word)
}

fn from<'t>(table: &'t MappingTable, word: &str) -> Option<&'t str> {
    Some(&table.from_peer([word])?.word)
}

/// Every row of a table towards Lync, and none besides: `rows` are (the client's word, our state,
/// Lync's word).
fn check_to(table: &MappingTable, rows: &[(&str, &str, &str)]) {
    for (client, state, word) in rows {
        assert_eq!(to(table, state), Some(*word), "{client}");
    }
    for state in preset("lync-partitioned").states() {
        let listed = rows.iter().any(|row| row.1 == state);
        assert_eq!(to(table, state).is_some(), listed, "{state}");
    }
}

#[test]
fn lync_numbers_are_understood_by_range() {
    // OCS: from, to, state, canonical number.
    for (first, last, state, idle, canonical) in [
        (3000, 4499, "available", None, Some(3500)),
        (4500, 5999, "available", Some("idle"), None),
        (6000, 7499, "busy", None, Some(6500)),
        (7500, 8999, "busy", Some("idle"), None),
        (9000, 11999, "do-not-disturb", None, Some(9500)),
        (12000, 14999, "be-right-back", None, Some(12500)),
        (15000, 17999, "away", None, Some(15500)),
        (18000, u32::MAX, "offline", None, None),
    ] {
        for number in [first, canonical.unwrap_or(first), last] {
            let mapped = preset("lync").from_peer([number.to_string().as_str()]);
            let mapped = mapped.map(|m| (m.word.as_str(), m.activity.as_deref()));
            assert_eq!(mapped, Some((state, idle)), "{number}");
        }
        if let Some(canonical) = canonical {
            let said = to(preset("lync").general(), state);
            assert_eq!(said, Some(canonical.to_string().as_str()), "{state}");
        }
    }
    for nothing in ["0", "1", "2999", "-1", "", "Busy"] {
        assert_eq!(preset("lync").from_peer([nothing]), None, "{nothing}");
    }
}

#[test]
fn lync_is_told_the_canonical_numbers() {
    for (state, number) in [
        ("available", Some("3500")),
        ("busy", Some("6500")),
        ("on-the-phone", Some("6500")),
        ("in-a-meeting", Some("6500")),
        ("do-not-disturb", Some("9500")),
        ("away", Some("15500")),
        ("be-right-back", Some("12500")),
        ("extended-away", Some("15500")),
        ("out-of-office", Some("15500")),
        ("vacation", Some("15500")),
        ("offline", Some("18500")),
        ("working-elsewhere", None),
    ] {
        assert_eq!(to(preset("lync").general(), state), number, "{state}");
    }
}

#[test]
fn partitioned_lync_to_every_kind_of_client() {
    // S001 table 5: Lync/OC → Jabber = CUPC 8 = other XMPP client.
    let mapping = preset("lync-partitioned");
    let columns = [
        mapping.variant("jabber").unwrap(),
        mapping.variant("cupc-8").unwrap(),
        mapping.general(),
    ];
    for (lync, state) in [
        ("Available", Some("available")),
        ("Away", Some("away")),
        ("Be Right Back", Some("away")),
        ("Busy", Some("busy")),
        ("Do Not Disturb", Some("busy")),
        ("Appear Offline", Some("offline")),
        ("Offline", Some("offline")),
        ("In a Meeting", None),
    ] {
        assert_eq!(columns.map(|table| from(table, lync)), [state; 3], "{lync}");
    }
}

#[test]
fn partitioned_cupc_8_to_lync() {
    // S001 table 6.
    check_to(
        preset("lync-partitioned").variant("cupc-8").unwrap(),
        &[
            ("Available", "available", "Available"),
            ("Busy", "busy", "Busy"),
            ("On the Phone", "on-the-phone", "Busy"),
            ("Meeting", "in-a-meeting", "Busy"),
            ("Away", "away", "Away"),
            ("Do Not Disturb", "do-not-disturb", "Busy"),
            ("Offline", "offline", "Offline"),
            ("Offline — On the Phone", "offline-on-the-phone", "Offline"),
            ("Offline — Meeting", "offline-in-a-meeting", "Offline"),
            (
                "Offline — Out of Office",
                "offline-out-of-office",
                "Offline",
            ),
        ],
    );
}

#[test]
fn partitioned_jabber_to_lync() {
    // S001 table 7.
    check_to(
        preset("lync-partitioned").variant("jabber").unwrap(),
        &[
            ("Available", "available", "Available"),
            ("Away", "away", "Away"),
            ("Do Not Disturb", "do-not-disturb", "Busy"),
            ("Out of Office", "out-of-office", "Offline"),
            ("Offline", "offline", "Offline"),
        ],
    );
}

#[test]
fn partitioned_other_xmpp_to_lync() {
    // S001 table 8.
    check_to(
        preset("lync-partitioned").general(),
        &[
            ("Available", "available", "Available"),
            ("Away", "away", "Away"),
            ("Extended Away", "extended-away", "Away"),
            ("Do Not Disturb", "do-not-disturb", "Busy"),
            ("Offline", "offline", "Offline"),
        ],
    );
}

#[test]
fn interdomain_lync_to_clients() {
    // IDF: Lync → third-party XMPP (with its text) / Jabber.
    let mapping = preset("lync-interdomain");
    let jabber = mapping.variant("jabber").unwrap();
    for (lync, xmpp, text, at_jabber) in [
        ("Available", "available", None, "available"),
        ("Busy", "away", Some("Busy"), "busy"),
        ("Do Not Disturb", "away", Some("Do not disturb"), "busy"),
        ("Be Right Back", "away", None, "away"),
        ("Away", "away", None, "away"),
    ] {
        let mapped = mapping.from_peer([lync]).unwrap();
        assert_eq!(mapped.word, xmpp, "{lync}");
        let note = mapped.note(NoteParts::default());
        assert_eq!(note.as_deref(), text, "{lync}");
        assert_eq!(from(jabber, lync), Some(at_jabber), "{lync}");
    }
    assert_eq!(mapping.from_peer(["Offline"]), None);
}

#[test]
fn interdomain_clients_to_lync() {
    // IDF: Jabber → Lync, XMPP → Lync.
    let mapping = preset("lync-interdomain");
    check_to(
        mapping.variant("jabber").unwrap(),
        &[("Busy", "busy", "Busy"), ("DND", "do-not-disturb", "Busy")],
    );
    check_to(
        mapping.general(),
        &[
            ("Away", "away", "Away"),
            ("XA", "extended-away", "Away"),
            ("DND", "do-not-disturb", "Busy"),
        ],
    );
}

#[test]
fn the_two_federations_keep_their_differences() {
    let both = ["lync-partitioned", "lync-interdomain"].map(|name| preset(name).general());
    assert_eq!(
        both.map(|table| from(table, "Busy")),
        [Some("busy"), Some("away")]
    );
    assert_eq!(
        both.map(|table| from(table, "Do Not Disturb")),
        [Some("busy"), Some("away")]
    );
}
