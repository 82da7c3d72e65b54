use super::*;

const WINDOW: Duration = Duration::from_secs(3);
const BEAT_MS: u64 = 50;
const ME: u64 = 1000;

/// Some clocks: what each shows after a thousand true milliseconds. The first is ours.
struct World<'a> {
    rates: &'a [u64],
    clocks: Clocks,
    ms: u64,
    /// How long a beat is on its way, by the time.
    delay: fn(u64) -> u64,
}

impl<'a> World<'a> {
    fn of(rates: &'a [u64]) -> Self {
        Self {
            rates,
            clocks: Clocks::new(WINDOW),
            ms: 0,
            delay: |_| 1,
        }
    }

    fn clock(&self, node: usize, ms: u64) -> Instant {
        Instant::from_nanos(ms * self.rates[node] * 1000)
    }

    fn run(&mut self, seconds: u64) -> Judgement {
        for _ in 0..seconds * 1000 / BEAT_MS {
            self.ms += BEAT_MS;
            for node in 1..self.rates.len() {
                let reading = Reading {
                    sent: self.clock(node, self.ms),
                    received: self.clock(0, self.ms + (self.delay)(self.ms)),
                };
                self.clocks.note(id(node), reading);
            }
        }
        self.clocks.judge(self.clock(0, self.ms))
    }
}

fn id(node: usize) -> NodeId {
    NodeId(u16::try_from(node).unwrap())
}

#[test]
fn a_node_knows_that_its_own_clock_is_wrong_by_the_others() {
    for (what, rates, own, others) in [
        ("in step", &[ME, 1000, 1000][..], None, vec![]),
        (
            "at the limits of synchronisation",
            &[1083, 1000, 1000],
            None,
            vec![],
        ),
        (
            "20 % fast",
            &[1200, 1000, 1000],
            Some(200),
            vec![(1, -167), (2, -167)],
        ),
        (
            "20 % slow",
            &[800, 1000, 1000],
            Some(-200),
            vec![(1, 250), (2, 250)],
        ),
        ("another one", &[ME, 1200, 1000], None, vec![(1, 200)]),
        ("one of two", &[1200, 1000], None, vec![(1, -167)]),
        (
            "two of five",
            &[1200, 1200, 1000, 1000, 1000],
            Some(200),
            vec![(2, -167), (3, -167), (4, -167)],
        ),
        (
            "seen by the good of five",
            &[ME, 1200, 1200, 1000, 1000],
            None,
            vec![(1, 200), (2, 200)],
        ),
        (
            "each its own way",
            &[ME, 1250, 750],
            None,
            vec![(1, 250), (2, -250)],
        ),
    ] {
        let judgement = World::of(rates).run(20);
        let near = |(node, by): &(NodeId, i64)| (usize::from(node.0), (by + 2) / 5);
        let expected: Vec<_> = others
            .iter()
            .map(|(node, by)| (*node, (by + 2) / 5))
            .collect();
        assert_eq!(
            judgement.own.map(|by| (by + 2) / 5),
            own.map(|by: i64| (by + 2) / 5),
            "{what}"
        );
        assert_eq!(
            judgement.others.iter().map(near).collect::<Vec<_>>(),
            expected,
            "{what}"
        );
    }
}

#[test]
fn it_is_known_after_two_windows_and_a_gathering() {
    let mut world = World::of(&[1200, 1000, 1000]);
    assert_eq!(world.run(5).own, None);
    assert!(world.run(2).own.is_some());
}

#[test]
fn late_beats_and_a_machine_that_stood_still_are_no_wrong_clock() {
    let mut jumpy = World::of(&[ME, 1000, 1000]);
    jumpy.delay = |ms| (ms * 7919) % 400;
    assert_eq!(jumpy.run(60), Judgement::default());
    // All beats of each second second come half a second late, in order.
    let mut stuck = World::of(&[ME, 1000, 1000]);
    stuck.delay = |ms| if (ms / 1000) % 2 == 0 { 1 } else { 500 };
    assert_eq!(stuck.run(60), Judgement::default());
    // The host stood still for 2 s, and its clock with it.
    let mut world = World::of(&[ME, 1000, 1000]);
    world.run(10);
    let stopped = world.clocks.courses.values_mut();
    for course in stopped {
        course.edge = course.edge.map(|edge| Reading {
            sent: edge.sent - Duration::from_secs(2),
            ..edge
        });
    }
    for _ in 0..20 {
        assert_eq!(world.run(1).own, None);
    }
}

#[test]
fn a_clock_that_is_right_again_is_in_step_after_a_window() {
    let mut world = World::of(&[1200, 1000, 1000]);
    assert!(world.run(20).own.is_some());
    let at = world.ms;
    world.rates = &[1000, 1000, 1000];
    // Ours goes on from where it was: a process's clock does not jump.
    world.ms = at * 12 / 10;
    assert_eq!(world.run(10), Judgement::default());
}

#[test]
fn a_peer_that_restarts_or_is_gone_says_nothing() {
    let mut world = World::of(&[1200, 1000, 1000]);
    world.run(20);
    let fresh = Reading {
        sent: Instant::ZERO,
        received: world.clock(0, world.ms),
    };
    world.clocks.note(id(1), fresh);
    let judgement = world.clocks.judge(fresh.received);
    assert_eq!((judgement.own, judgement.others.len()), (None, 1));
    let later = fresh.received + WINDOW * 2;
    assert_eq!(world.clocks.judge(later), Judgement::default());
}
