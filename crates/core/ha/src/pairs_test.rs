//! The table of pairs, row by row: each is reached by machines that live through what its cause says,
//! and in each an operator can do what the table of states says and nothing else.

use crate::harness_test::{HALF_HOUR, World, everybody_ready, failed_over_and_back, secs};
use crate::log_test::{A, B, W, pair_and_witness};
use crate::{
    HaAction, Input, PAIRS, allowed_action, check_failover, check_fallback, check_recover,
    find_pair, store_lost,
};
use muster_cluster::{HaReason as R, HaState as S};
use muster_types::{GroupId, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

type Status = (S, R);

/// A life and the rows it passes, in their order. The affected node may be a or b.
struct Life {
    world: World,
    passed: Vec<[Status; 2]>,
}

impl Life {
    fn of(world: World) -> Self {
        let mut life = Self {
            world,
            passed: Vec::new(),
        };
        life.note();
        life
    }

    fn note(&mut self) {
        let status = self.world.status();
        if self.passed.last() != Some(&status) {
            check_actions(&self.world);
            self.passed.push(status);
        }
    }

    fn run(&mut self, time: Duration) -> &mut Self {
        let end = self.world.now + time;
        while self.world.now < end {
            self.world.step();
            self.note();
        }
        self
    }

    fn act(&mut self, act: impl FnOnce(&mut World)) -> &mut Self {
        act(&mut self.world);
        self.note();
        self
    }

    /// Killed and started again before anybody misses it.
    fn reboot(&mut self, node: NodeId) -> &mut Self {
        self.world.favourites = vec![node];
        self.act(|world| world.kill(node));
        self.run(Duration::from_millis(50));
        self.act(|world| world.start(node));
        self.run(secs(2));
        self.world.favourites = vec![B, A, W];
        self
    }
}

/// In each pair of states an operator's command is taken only where the table of states allows it.
fn check_actions(world: &World) {
    let (state, ready) = (&world.log.state, everybody_ready());
    for node in [A, B] {
        let ha = state.node(node).expect("a node of the pair").ha.state;
        for (action, taken) in [
            (
                HaAction::Failover,
                check_failover(state, node, &ready).is_ok(),
            ),
            (
                HaAction::Fallback,
                check_fallback(state, node, &ready).is_ok(),
            ),
        ] {
            let allowed = allowed_action(ha) == Some(action);
            assert!(allowed || !taken, "{action} in {:?}", world.status());
        }
    }
    let failed = |node| state.node(node).map(|node| node.ha.state) == Some(S::RunningInFailedMode);
    let recovers = check_recover(state, GroupId(1), &ready).is_ok();
    assert_eq!(recovers, failed(A) || failed(B), "{:?}", world.status());
}

fn failover(world: &mut World) {
    let command = check_failover(&world.log.state, A, &everybody_ready());
    world.command(command.expect("two normal nodes"));
}

fn fallback(world: &mut World) {
    let command = check_fallback(&world.log.state, A, &everybody_ready());
    world.command(command.expect("a is away"));
}

fn settled() -> Life {
    let mut world = World::settled();
    world.favourites = vec![B, A, W];
    Life::of(world)
}

fn away_by_hand() -> Life {
    let mut life = settled();
    life.act(failover).run(secs(1));
    life
}

fn services_down() -> Life {
    let mut life = settled();
    life.act(|world| world.services_down(A, &["router"]));
    life.run(secs(12));
    life
}

fn store_down() -> Life {
    let mut life = settled();
    life.act(|world| world.services_down(A, &["store"]));
    life.run(secs(12));
    life
}

fn cut_off() -> Life {
    let mut life = settled();
    life.act(|world| world.cut.extend([(A, B), (A, W)]));
    life.run(secs(5));
    life
}

fn b_and_w_start_alone() -> Life {
    let mut life = settled();
    [A, B, W].into_iter().for_each(|node| life.world.kill(node));
    life.run(secs(1));
    [B, W].into_iter().for_each(|node| life.world.start(node));
    life.run(secs(5));
    life
}

/// By hand, to and fro, with restarts at each stage.
fn moves_by_hand() -> Vec<Life> {
    let mut to_and_fro = away_by_hand();
    to_and_fro.act(fallback).run(secs(1));
    let mut backup_restarts = away_by_hand();
    backup_restarts.reboot(B);
    let mut both_restart = away_by_hand();
    both_restart.reboot(A).reboot(B);
    let mut restart_in_takeover = settled();
    restart_in_takeover.act(failover).reboot(B);
    let mut restart_in_take_back = away_by_hand();
    restart_in_take_back.act(fallback).reboot(A);
    let mut to_nowhere = settled();
    to_nowhere.act(|world| {
        world.favourites = vec![W];
        world.behind.insert(B);
    });
    to_nowhere.run(secs(3)).act(failover).run(secs(40));
    let mut failed_restarts = settled();
    failed_restarts.act(|world| world.behind.extend([B]));
    failed_restarts.run(secs(3)).act(failover).run(secs(40));
    failed_restarts.reboot(A);
    let mut from_nowhere = Life::of(failed_over_and_back());
    from_nowhere.act(|world| world.behind.extend([A]));
    from_nowhere.run(secs(3)).act(fallback).run(secs(40));
    vec![
        to_and_fro,
        backup_restarts,
        both_restart,
        restart_in_takeover,
        restart_in_take_back,
        to_nowhere,
        failed_restarts,
        from_nowhere,
    ]
}

/// Nodes that die, restart, and are not seen.
fn deaths() -> Vec<Life> {
    let mut home_again = Life::of(failed_over_and_back());
    home_again.run(HALF_HOUR + secs(2));
    let mut restart_on_the_way = Life::of(failed_over_and_back());
    let before = restart_on_the_way.world.now;
    while restart_on_the_way.world.status()[0].0 != S::TakingBack {
        restart_on_the_way.run(Duration::from_millis(10));
        let waited = restart_on_the_way.world.now.since(before);
        assert!(waited < HALF_HOUR + secs(1), "it never goes home");
    }
    restart_on_the_way.reboot(A);
    let mut both_restart = Life::of(failed_over_and_back());
    both_restart.reboot(B);
    let mut shut_down = settled();
    shut_down.act(|world| world.input(A, Input::Stopping));
    shut_down.run(secs(1)).act(|world| world.kill(A));
    shut_down.run(secs(2)).reboot(B);
    shut_down.run(secs(10)).act(|world| world.start(A));
    shut_down.run(secs(1));
    let mut dead = settled();
    dead.act(|world| world.kill(A)).run(secs(3)).reboot(B);
    dead.run(secs(10));
    let mut never_seen = b_and_w_start_alone();
    never_seen.act(|world| world.start(A)).run(secs(1));
    let mut never_seen_and_broken = b_and_w_start_alone();
    never_seen_and_broken.act(|world| world.start(A));
    never_seen_and_broken.act(|world| world.services_down(A, &["router"]));
    never_seen_and_broken.run(secs(12));
    let mut cut = cut_off();
    cut.act(|world| {
        world.cut.clear();
        world.healed = true;
    });
    cut.run(secs(1)).reboot(B);
    let mut quick = settled();
    quick.reboot(A);
    vec![
        home_again,
        restart_on_the_way,
        both_restart,
        shut_down,
        dead,
        never_seen,
        never_seen_and_broken,
        cut,
        quick,
    ]
}

/// Services and stores that fail.
fn breakdowns() -> Vec<Life> {
    let mut all = Vec::new();
    for begin in [services_down, store_down] {
        let mut back = begin();
        back.act(|world| world.services_down(A, &[])).run(secs(1));
        back.reboot(B);
        let mut restarted = begin();
        restarted.reboot(A);
        let mut backup_restarts = begin();
        backup_restarts.reboot(B);
        all.extend([back, restarted, backup_restarts]);
    }
    let mut both = services_down();
    both.act(|world| world.services_down(B, &["c2s"]));
    both.run(secs(12));
    let mut not_started = away_by_hand();
    not_started.act(|world| world.services_down(A, &["router"]));
    not_started.run(secs(12)).act(fallback).run(secs(1));
    let mut last_words = settled();
    last_words.act(|world| {
        let command = store_lost(&world.log.state, A, true);
        world.command(command.expect("b can take them"));
        world.kill(A);
    });
    last_words.run(secs(3)).act(|world| world.start(A));
    last_words.run(secs(1));
    all.extend([both, not_started, last_words]);
    for service in ["router", "store"] {
        let mut backup = Life::of(failed_over_and_back());
        backup.act(|world| world.services_down(B, &[service]));
        backup
            .run(secs(12))
            .act(|world| world.services_down(B, &[]));
        backup.run(secs(1));
        all.push(backup);
    }
    all
}

/// Groups that begin, and one without HA.
fn beginnings() -> Vec<Life> {
    let mut first = Life::of(World::new(pair_and_witness(true)));
    first.run(secs(2));
    vec![first, Life::of(World::new(pair_and_witness(false)))]
}

fn lives() -> Vec<Life> {
    [beginnings(), moves_by_hand(), deaths(), breakdowns()]
        .into_iter()
        .flatten()
        .collect()
}

#[test]
fn every_row_of_the_table_is_reached_and_nothing_but_its_rows() {
    let mut missing: BTreeSet<_> = PAIRS
        .iter()
        .map(|pair| [pair.affected, pair.peer])
        .collect();
    let mut unknown = BTreeSet::new();
    for life in lives() {
        for [a, b] in life.world.seen.iter().copied().chain(life.passed) {
            missing.remove(&[a, b]);
            missing.remove(&[b, a]);
            if find_pair(a, b).is_none() {
                unknown.insert([a, b]);
            }
        }
    }
    assert!(missing.is_empty(), "never reached: {missing:#?}");
    assert!(unknown.is_empty(), "not in the table: {unknown:#?}");
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// One thing that may happen to a pair.
fn happen(world: &mut World, numbers: &mut Numbers) {
    let node = [A, B][usize::from(numbers.below(2) == 1)];
    let ready = everybody_ready();
    match numbers.below(18) {
        14 => drop(world.cut.insert((A, B))),
        15 => drop(world.cut.insert((node, W))),
        16 | 17 => {
            world.cut.clear();
            world.healed = true;
        }
        0 if world.runs(node) => world.kill(node),
        12 | 13 if world.stopped.contains(&node) => world.kill(node),
        12 if world.runs(node) => world.input(node, Input::Stopping),
        1 | 2 if !world.runs(node) => world.start(node),
        3 if world.runs(node) => {
            world.kill(node);
            world.start(node);
        }
        4 if world.runs(node) => world.services_down(node, &["router"]),
        5 if world.runs(node) => world.services_down(node, &["store"]),
        6 | 7 if world.runs(node) => world.services_down(node, &[]),
        8 => drop(check_failover(&world.log.state, node, &ready).map(|it| world.command(it))),
        9 => drop(check_fallback(&world.log.state, node, &ready).map(|it| world.command(it))),
        10 => drop(check_recover(&world.log.state, GroupId(1), &ready).map(|it| world.command(it))),
        11 => world.favourites.rotate_left(1),
        _ => {}
    }
}

#[test]
fn whatever_happens_to_a_pair_its_states_stay_in_the_table() {
    let mut unknown = BTreeMap::new();
    for seed in 0..40 {
        let mut numbers = Numbers(seed);
        let mut world = World::settled();
        for _ in 0..60 {
            happen(&mut world, &mut numbers);
            let pause = [20, 300, 2_000, 12_000][usize::try_from(numbers.below(4)).unwrap()];
            world.run(Duration::from_millis(pause));
        }
        for [a, b] in world.seen.iter().copied() {
            // A node can be shut down whatever its peer does.
            let is_off = a.0 == S::Off || b.0 == S::Off;
            if !is_off && find_pair(a, b).is_none() {
                unknown.entry([a, b]).or_insert(seed);
            }
        }
    }
    assert!(unknown.is_empty(), "not in the table, by seed: {unknown:?}");
}
