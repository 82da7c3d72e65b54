//! Accounts and domains.

use crate::apply_test::{A, B, W, domain, jid, pair, put, row, verifiers};
use crate::*;
use muster_types::{BareJid, LogIndex, SlotId};

#[test]
fn balanced_assignment_is_equal_within_one() {
    let mut log = pair();
    let rows = (0..7)
        .map(|n| row(&format!("u{n}@example.com"), None))
        .collect();
    let report = AccountsReport {
        added: 7,
        updated: 0,
        refused: Vec::new(),
    };
    assert_eq!(log.ok(put(rows)), ControlOutcome::Accounts(report));
    assert_eq!(
        [1, 2].map(|slot| log.state.slot_accounts(SlotId(slot))),
        [4, 3]
    );
    log.ok(put(vec![
        row("x@example.com", Some(A)),
        row("y@example.com", None),
    ]));
    assert_eq!(
        [1, 2].map(|slot| log.state.slot_accounts(SlotId(slot))),
        [5, 4]
    );
}

#[test]
fn the_other_modes_fill_the_first_node_or_nobody() {
    let mut log = pair();
    let mode = |mode| ControlCommand::SettingsSet(vec![Setting::Assignment(mode)]);
    log.ok(mode(AssignmentMode::ActiveStandby));
    log.ok(put((0..3)
        .map(|n| row(&format!("u{n}@example.com"), None))
        .collect()));
    assert_eq!(
        [1, 2].map(|slot| log.state.slot_accounts(SlotId(slot))),
        [3, 0]
    );
    log.ok(mode(AssignmentMode::None));
    let ControlOutcome::Accounts(report) = log.ok(put(vec![row("z@example.com", None)])) else {
        panic!("accounts have a report")
    };
    assert_eq!(report.refused, [(0, RowRefusal::HomeMissing)]);
}

#[test]
fn bad_rows_are_named_and_the_good_ones_go_in() {
    let mut log = pair();
    let long = AccountRow {
        name: Some("n".repeat(1024)),
        ..row("long@example.com", None)
    };
    let rows = vec![
        row("alice@example.com", None),
        row("alice@example.com", None),
        row("example.com", None),
        row("bob@elsewhere.org", None),
        row("carol@example.com", Some(W)),
        long,
        row("dave@example.com", None),
    ];
    let ControlOutcome::Accounts(report) = log.ok(put(rows)) else {
        panic!("accounts have a report")
    };
    assert_eq!(report.added, 2);
    assert_eq!(
        report.refused,
        [
            (
                1,
                RowRefusal::Exists {
                    jid: jid("alice@example.com")
                }
            ),
            (
                2,
                RowRefusal::NoUser {
                    jid: jid("example.com")
                }
            ),
            (
                3,
                RowRefusal::UnknownDomain {
                    domain: "elsewhere.org".to_owned()
                }
            ),
            (4, RowRefusal::NoSuchHome { node: W }),
            (
                5,
                RowRefusal::NameTooLong {
                    bytes: 1024,
                    limit: 1023
                }
            ),
        ]
    );
    let too_many = vec![row("eve@example.com", None); ACCOUNT_ROWS_MAX + 1];
    assert!(matches!(
        log.refused(put(too_many)),
        Refusal::TooMany { .. }
    ));
}

#[test]
fn an_update_keeps_home_and_changes_password_and_name() {
    let mut log = pair();
    log.ok(put(vec![row("alice@example.com", Some(A))]));
    let change = |home, name: Option<&str>| ControlCommand::AccountsPut {
        rows: vec![AccountRow {
            verifiers: verifiers(2),
            name: name.map(str::to_owned),
            ..row("alice@example.com", home)
        }],
        update: true,
    };
    let ControlOutcome::Accounts(report) = log.ok(change(Some(B), None)) else {
        panic!("accounts have a report")
    };
    assert_eq!(
        report.refused,
        [(
            0,
            RowRefusal::Homed {
                jid: jid("alice@example.com"),
                home: A
            }
        )]
    );
    log.ok(change(Some(A), Some("Alice")));
    log.ok(change(None, None));
    let account = log.state.account(&jid("alice@example.com")).unwrap();
    assert_eq!(
        (account.name.as_deref(), &account.verifiers),
        (Some("Alice"), &verifiers(2))
    );
    assert_eq!(log.state.account_count(), 1);
}

#[test]
fn accounts_are_changed_and_removed() {
    let mut log = pair();
    let alice = || jid("alice@example.com");
    log.ok(put(vec![row("alice@example.com", Some(A))]));
    log.ok(ControlCommand::AccountPassword {
        jid: alice(),
        verifiers: verifiers(3),
    });
    log.ok(ControlCommand::AccountDisable {
        jid: alice(),
        disabled: true,
    });
    let account = log.state.account(&alice()).unwrap();
    assert!(account.disabled && account.verifiers == verifiers(3));
    let remove = || ControlCommand::AccountRemove { jid: alice() };
    let events = log.propose(remove());
    assert_eq!(
        events.last(),
        Some(&ControlEvent::AccountRemoved {
            jid: alice(),
            slot: SlotId(1)
        })
    );
    assert_eq!(
        log.refused(remove()),
        Refusal::NoSuchAccount { jid: alice() }
    );
    assert_eq!(
        (
            log.state.slot_accounts(SlotId(1)),
            log.state.domain_accounts("example.com")
        ),
        (0, 0)
    );
}

#[test]
fn a_removed_address_is_free_when_its_data_is_gone() {
    let mut log = pair();
    let alice = || jid("alice@example.com");
    let add = || put(vec![row("alice@example.com", Some(A))]);
    log.ok(add());
    log.ok(ControlCommand::AccountRemove { jid: alice() });
    let (at, left) = log.state.next_removal(SlotId(1)).unwrap();
    assert_eq!(left, &alice());
    assert_eq!(log.state.next_removal(SlotId(2)), None);
    let again = log.ok(add());
    let refused = vec![(0, RowRefusal::BeingRemoved { jid: alice() })];
    let ControlOutcome::Accounts(report) = again else {
        panic!("{again:?}");
    };
    assert_eq!(report.refused, refused);
    let purged = |at| ControlCommand::AccountPurged { jid: alice(), at };
    log.ok(purged(LogIndex(at.0 - 1)));
    assert!(log.state.is_being_removed(&alice()), "that was another one");
    for _ in 0..2 {
        log.ok(purged(at));
    }
    log.ok(add());
    assert!(log.state.account(&alice()).is_some());
    assert_eq!(log.state.removal_count(SlotId(1)), 0);
}

#[test]
fn who_may_have_no_sessions_is_known_by_slot() {
    let mut log = pair();
    let alice = || jid("alice@example.com");
    log.ok(put(vec![
        row("alice@example.com", Some(A)),
        row("bob@example.com", Some(B)),
    ]));
    let disable = |disabled| ControlCommand::AccountDisable {
        jid: alice(),
        disabled,
    };
    log.ok(disable(true));
    assert_eq!(log.state.barred(SlotId(1)).collect::<Vec<_>>(), [&alice()]);
    assert_eq!(log.state.barred(SlotId(2)).count(), 0);
    log.ok(disable(false));
    assert_eq!(log.state.barred(SlotId(1)).count(), 0);
}

#[test]
fn accounts_are_listed_in_pages() {
    let mut log = pair();
    log.ok(put(["b", "a", "c"]
        .map(|n| row(&format!("{n}@example.com"), None))
        .to_vec()));
    let page = |last: Option<&BareJid>| {
        let jids = log
            .state
            .accounts_after(last)
            .take(2)
            .map(|(jid, _)| jid.to_string());
        jids.collect::<Vec<_>>()
    };
    assert_eq!(page(None), ["a@example.com", "b@example.com"]);
    assert_eq!(page(Some(&jid("b@example.com"))), ["c@example.com"]);
}

#[test]
fn a_domain_goes_only_without_accounts() {
    let mut log = pair();
    log.ok(put(vec![row("alice@example.com", None)]));
    let name = || "example.com".to_owned();
    let remove = || ControlCommand::DomainRemove {
        domain: domain("example.com"),
    };
    let add = || ControlCommand::DomainAdd {
        domain: domain("example.com"),
    };
    assert_eq!(log.refused(add()), Refusal::DomainExists { domain: name() });
    assert_eq!(
        log.refused(remove()),
        Refusal::DomainHasAccounts {
            domain: name(),
            accounts: 1
        }
    );
    log.ok(ControlCommand::AccountRemove {
        jid: jid("alice@example.com"),
    });
    log.ok(remove());
    assert_eq!(
        log.refused(remove()),
        Refusal::NoSuchDomain { domain: name() }
    );
}
