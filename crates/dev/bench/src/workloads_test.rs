//! A workload that does not do its work would be measured as a fast one.

use crate::{WORKLOADS, workload};

#[test]
fn every_workload_does_all_of_its_work_in_every_run() {
    for workload in WORKLOADS {
        let mut run = (workload.prepare)();
        for number in 1..=5 {
            assert_eq!(run(), workload.units, "{} in run {number}", workload.name);
        }
    }
}

#[test]
fn a_workload_is_found_by_its_name() {
    for one in WORKLOADS {
        let found = workload(one.name).map(|found| found.does);
        assert_eq!(found, Some(one.does), "another one is named {}", one.name);
    }
    assert!(workload("nothing").is_none());
}
