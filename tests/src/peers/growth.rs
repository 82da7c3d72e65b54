//! How the cost of Muster grows: with sessions, with contacts, with nodes.

use anyhow::Result;
use serde_json::{Value, json};

use super::context;
use super::folder::Place;
use super::load::Load;
use super::server::{Kind, start};
use super::work::{self, Crowd, Scale, Sitting, crowd};

/// Contacts that a user of these crowds may have at most; the default is 200.
const CONTACTS_MAX: u32 = 1_000;

/// One measurement: what grows, how far, which server, who.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    /// What grows.
    pub(crate) axis: &'static str,
    /// How far.
    pub(crate) at: u32,
    kind: Kind,
    crowd: Crowd,
}

const fn point(axis: &'static str, at: u32, crowd: Crowd) -> Point {
    Point {
        axis,
        at,
        kind: Kind::MusterGrowing,
        crowd,
    }
}

/// All points. 19,000 sessions are what one process may hold here, which has 20,000 files.
const POINTS: [Point; 13] = [
    point("sessions", 1_000, crowd("s1k-", 1_000, 10)),
    point("sessions", 2_000, crowd("s2k-", 2_000, 10)),
    point("sessions", 5_000, crowd("s5k-", 5_000, 10)),
    point("sessions", 10_000, crowd("s10k-", 10_000, 10)),
    point("sessions", 19_000, crowd("s19k-", 19_000, 10)),
    point("contacts", 10, crowd("s1k-", 1_000, 10)),
    point("contacts", 50, crowd("c50-", 1_000, 50)),
    point("contacts", 100, crowd("c100-", 1_000, 100)),
    point("contacts", 200, crowd("c200-", 1_000, 200)),
    point("contacts", 500, crowd("c500-", 1_000, 500)),
    point("nodes", 1, crowd("s2k-", 2_000, 10)),
    Point {
        kind: Kind::MusterPairGrowing,
        ..point("nodes", 2, crowd("s2k-", 2_000, 10))
    },
    Point {
        kind: Kind::MusterTrioGrowing,
        ..point("nodes", 3, crowd("s2k-", 2_000, 10))
    },
];

/// The points on some axes, up to some size; all axes, if none is named.
pub(crate) fn points(axes: &[String], sessions_max: u32) -> impl Iterator<Item = Point> {
    let fits = move |point: &Point| {
        (axes.is_empty() || axes.iter().any(|axis| axis == point.axis))
            && point.crowd.users <= sessions_max as usize
    };
    POINTS.into_iter().filter(fits)
}

/// Measures one point: memory of idle sessions in a fresh process, then presence with the same.
///
/// # Errors
/// With what the server or `muster-load` said.
pub(crate) fn measure(load: &Load, dir: &std::path::Path, point: Point) -> Result<Value> {
    let place = Place::of(dir, point.kind, point.crowd.name)?;
    let begin = || start(point.kind, &place, &Scale::FULL, Sitting::Talk);
    if !place.has(point.crowd.name) {
        let server = begin()?;
        for bound in ["contacts-max", "watchers-max"] {
            server.set(&format!("{bound}={CONTACTS_MAX}"))?;
        }
        work::gather(load, server.as_ref(), &place, point.crowd)?;
        server.end()?;
    }
    let server = begin()?;
    let contacts = point.crowd.contacts.to_string();
    let before = context::busy(&server.reach().pids)?;
    let watch = |what: &str, words: &[&str]| {
        let mut all = vec!["--contacts", &contacts];
        all.extend(words);
        load.watch(what, server.as_ref(), point.crowd, true, &all)
    };
    context::settle(&server.reach().pids)?;
    let idle = watch("idle", &["--hold", "30s"])?;
    let (time, rate) = (format!("{}s", Scale::FULL.seconds), Scale::FULL.deliveries);
    let fanout = watch(
        "fanout",
        &["--duration", &time, "--then-rate", &rate.to_string()],
    )?;
    let others_busy = before.others_until_now()?;
    server.end()?;
    Ok(json!({
        "axis": point.axis, "at": point.at, "users": point.crowd.users, "contacts": point.crowd.contacts,
        "others_busy": others_busy, "idle": idle, "fanout": fanout,
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn crowds_of_one_name_are_one_crowd() {
        let mut crowds = BTreeMap::new();
        for point in POINTS {
            let known = *crowds.entry(point.crowd.name).or_insert(point.crowd);
            assert_eq!(known, point.crowd);
            assert!(point.crowd.contacts <= CONTACTS_MAX as usize);
        }
    }

    #[test]
    fn axes_and_sizes_are_chosen() {
        let count = |axes: &[&str], most| {
            let axes: Vec<_> = axes.iter().map(|axis| (*axis).to_owned()).collect();
            points(&axes, most).count()
        };
        assert_eq!(count(&[], 19_000), POINTS.len());
        assert_eq!(count(&["sessions"], 5_000), 3);
        assert_eq!(count(&["nodes", "contacts"], 1_000), 5);
    }
}
