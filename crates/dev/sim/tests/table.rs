//! What the documentation says was met: every fault while every operation was begun.

use muster_sim::{FaultKind, Operation};
use std::path::Path;

#[test]
fn every_operation_was_met_under_every_fault() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/simulation.md");
    let page = std::fs::read_to_string(page).expect("the page is there");
    let cells = |line: &str| -> Vec<String> {
        let cells = line.trim_matches('|').split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let head = page.lines().find(|line| line.starts_with("| fault |"));
    let head = cells(head.expect("the table is there"));
    let operations: Vec<_> = Operation::ALL.iter().map(|one| one.label()).collect();
    assert_eq!(head[1..], operations);
    for kind in FaultKind::ALL {
        let row = page
            .lines()
            .find(|line| line.starts_with(&format!("| {} |", kind.label())));
        let row = cells(row.unwrap_or_else(|| panic!("no row for {}", kind.label())));
        assert_eq!(row.len(), head.len());
        for (operation, met) in operations.iter().zip(&row[1..]) {
            let met: u64 = met.parse().expect("a number");
            assert!(met > 0, "{operation} was not met under {}", kind.label());
        }
    }
}
