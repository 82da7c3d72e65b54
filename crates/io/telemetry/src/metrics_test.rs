use super::*;
use std::path::Path;
use std::{env, fs};

#[test]
fn names_are_unique_and_say_their_kind() {
    for (at, metric) in TABLE.iter().enumerate() {
        let Metric {
            name, kind, unit, ..
        } = metric;
        assert!(
            TABLE[..at].iter().all(|other| other.name != *name),
            "{name} twice"
        );
        assert!(name.starts_with("muster_"), "{name}");
        assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
        assert_eq!(name.ends_with("_seconds"), *unit == Unit::Seconds, "{name}");
        assert!(!metric.description.ends_with('.'), "{name}");
    }
}

#[test]
fn buckets_grow() {
    assert!(BUCKETS.windows(2).all(|pair| pair[0] < pair[1]));
}

/// With `UPDATE=1` the page is written instead.
#[test]
fn the_page_of_metrics_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/metrics.md");
    if env::var_os("UPDATE").is_some() {
        fs::write(&page, markdown()).unwrap();
    }
    let there = fs::read_to_string(&page).unwrap_or_default();
    assert_eq!(
        there,
        markdown(),
        "docs/metrics.md is old: run `cargo xtask metrics`"
    );
}
