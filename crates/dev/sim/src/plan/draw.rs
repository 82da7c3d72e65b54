//! Draws what goes wrong in a run.

use super::{Fault, FaultKind, Place, Topology, Window};
use crate::Rng;
use crate::device::Health;
use muster_cluster::Role;
use muster_types::{GroupId, Instant};
use std::time::Duration;

const HOUR_MS: i64 = 3_600_000;
/// After something that is over at once, so long its consequences are looked at.
const AFTERMATH: Duration = Duration::from_secs(5);
/// The last fault is over so long before everything is repaired, at least.
const MARGIN: Duration = Duration::from_secs(2);

struct Drawing<'a> {
    rng: &'a mut Rng,
    topology: &'a Topology,
    end: Instant,
    faults: Vec<(Instant, Fault)>,
    windows: Vec<Window>,
}

/// Draws the faults of a run between `begin` and `end`, and when each is in effect.
pub(super) fn draw(
    rng: &mut Rng,
    topology: &Topology,
    begin: Instant,
    end: Instant,
) -> (Vec<(Instant, Fault)>, Vec<Window>) {
    let (faults, windows) = (Vec::new(), Vec::new());
    let mut drawing = Drawing {
        rng,
        topology,
        end,
        faults,
        windows,
    };
    let mut at = begin;
    while at + AFTERMATH < end {
        at = drawing.round(at);
    }
    drawing.faults.sort_by_key(|(at, _)| *at);
    (drawing.faults, drawing.windows)
}

impl Drawing<'_> {
    /// One fault, sometimes a second one beside it, and what operators do meanwhile. Answers when
    /// the next may come.
    fn round(&mut self, at: Instant) -> Instant {
        let mut over = self.one(at);
        if self.rng.chance(25) {
            let second = at + self.rng.millis(0..1_500);
            over = over.max(self.one(second));
        }
        let lasts = over.since(at).max(Duration::from_secs(1));
        for _ in 0..self.rng.below(4) {
            let span = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
            let when = at + self.rng.millis(0..span + 500);
            let act = self.operator();
            self.faults.push((when, act));
        }
        let pause = if self.rng.chance(30) {
            self.rng.millis(12_000..30_000)
        } else {
            self.rng.millis(500..8_000)
        };
        over + pause
    }

    fn place(&mut self) -> Place {
        let places = self.topology.places();
        let first = (Place(0), Role::Serving);
        self.rng.pick(&places).unwrap_or(&first).0
    }

    fn serving(&mut self) -> Place {
        Place(usize::try_from(self.rng.below(self.topology.serving() as u64)).unwrap_or_default())
    }

    fn groups(&self) -> impl Iterator<Item = GroupId> + use<> {
        let count = u16::try_from(self.topology.groups.len()).unwrap_or(1);
        (1..=count).map(GroupId)
    }

    fn operator(&mut self) -> Fault {
        let place = self.serving();
        let groups: Vec<_> = self.groups().collect();
        let group = self.rng.pick(&groups).copied().unwrap_or(GroupId(1));
        match self.rng.below(100) {
            0..35 => Fault::Failover(place),
            35..60 => Fault::Fallback(place),
            60..72 => Fault::Recover(group),
            72..84 => Fault::SwitchHa(group),
            84..93 => Fault::Visitor,
            _ => Fault::Upgrade,
        }
    }

    /// Something that begins now and ends after `lasts`.
    fn during(
        &mut self,
        kind: FaultKind,
        at: Instant,
        lasts: Duration,
        begin: Fault,
        end: Option<Fault>,
    ) -> Instant {
        let until = (at + lasts).min(self.end - MARGIN).max(at);
        self.faults.push((at, begin));
        self.faults.extend(end.map(|fault| (until, fault)));
        let lasting = until.max(at + AFTERMATH);
        self.windows.push(Window {
            kind,
            from: at,
            until: lasting,
        });
        until
    }

    fn one(&mut self, at: Instant) -> Instant {
        let place = self.place();
        match self.rng.below(100) {
            0..10 => self.crash(at, place),
            10..15 => self.crash_loop(at, place),
            15..22 => {
                let lasts = self.rng.millis(10..300);
                let (begin, end) = (Fault::Crash(place), Fault::Restart(place));
                self.during(FaultKind::QuickRestart, at, lasts, begin, Some(end))
            }
            22..32 => self.pause(at, place),
            32..39 => {
                let lasts = self.lasts();
                let begin = Fault::Isolate(place);
                self.during(FaultKind::Isolation, at, lasts, begin, Some(Fault::Heal))
            }
            39..53 => self.cut(at, place),
            53..60 => self.rough(at),
            60..70 => self.disk(at, place),
            70..73 => self.services(at),
            73..76 => {
                let ahead = self.rng.chance(50);
                let jump = Fault::ClockJump(place, if ahead { HOUR_MS } else { -HOUR_MS });
                self.during(FaultKind::ClockJump, at, Duration::ZERO, jump, None)
            }
            76..78 => {
                let lasts = self.rng.millis(15_000..30_000);
                let (begin, end) = (
                    Fault::FastClock(place, true),
                    Fault::FastClock(place, false),
                );
                self.during(FaultKind::FastClock, at, lasts, begin, Some(end))
            }
            78..83 => {
                let place = self.serving();
                let wipe = Fault::Wipe(place);
                let lasts = Duration::from_secs(12);
                self.during(FaultKind::Wipe, at, lasts, wipe, None)
            }
            83..88 => self.witness(at),
            88..95 => self.pair(at),
            _ => self.power(at),
        }
    }

    fn lasts(&mut self) -> Duration {
        match self.rng.below(10) {
            0..3 => self.rng.millis(20..400),
            3..7 => self.rng.millis(400..5_000),
            _ => self.rng.millis(5_000..25_000),
        }
    }

    fn crash(&mut self, at: Instant, place: Place) -> Instant {
        let lasts = self.lasts().max(Duration::from_millis(300));
        let (begin, end) = (Fault::Crash(place), Fault::Restart(place));
        self.during(FaultKind::Crash, at, lasts, begin, Some(end))
    }

    fn crash_loop(&mut self, at: Instant, place: Place) -> Instant {
        let mut when = at;
        for _ in 0..self.rng.below(4) + 3 {
            let down = self.rng.millis(50..600);
            let (begin, end) = (Fault::Crash(place), Fault::Restart(place));
            let up = self.during(FaultKind::CrashLoop, when, down, begin, Some(end));
            when = up + self.rng.millis(100..2_500);
        }
        when
    }

    fn pause(&mut self, at: Instant, place: Place) -> Instant {
        let (kind, lasts) = match self.rng.below(10) {
            0..4 => (FaultKind::ShortPause, self.rng.millis(100..1_000)),
            4..8 => (FaultKind::LongPause, self.rng.millis(1_000..8_000)),
            _ => (FaultKind::LongPause, self.rng.millis(8_000..60_000)),
        };
        let (begin, end) = (Fault::Pause(place), Fault::Resume(place));
        self.during(kind, at, lasts, begin, Some(end))
    }

    /// Between two nodes, in one direction or in both.
    fn cut(&mut self, at: Instant, from: Place) -> Instant {
        let mut to = self.place();
        if to == from {
            to = Place((from.0 + 1) % self.topology.places().len());
        }
        let lasts = self.lasts();
        let heal = Some(Fault::Heal);
        if self.rng.chance(50) {
            let cut = Fault::Cut { from, to };
            return self.during(FaultKind::OneWayCut, at, lasts, cut, heal);
        }
        let back = Fault::Cut { from: to, to: from };
        self.faults.push((at, back));
        let cut = Fault::Cut { from, to };
        self.during(FaultKind::PartialCut, at, lasts, cut, heal)
    }

    fn rough(&mut self, at: Instant) -> Instant {
        let rough = Fault::Rough {
            loss: self.rng.below(30),
            twice: self.rng.below(20),
            delay: self.rng.millis(1..120),
        };
        let lasts = self.rng.millis(2_000..20_000);
        self.during(FaultKind::Rough, at, lasts, rough, Some(Fault::Smooth))
    }

    fn disk(&mut self, at: Instant, place: Place) -> Instant {
        let (kind, health, lasts) = match self.rng.below(3) {
            0 => (
                FaultKind::SlowDisk,
                Health::Slow,
                self.rng.millis(2_000..20_000),
            ),
            1 => (
                FaultKind::FullDisk,
                Health::Full,
                self.rng.millis(2_000..15_000),
            ),
            _ => (
                FaultKind::FailedSync,
                Health::FailsOnce,
                self.rng.millis(500..3_000),
            ),
        };
        let good = Fault::Disk(place, Health::Good);
        let until = self.during(kind, at, lasts, Fault::Disk(place, health), Some(good));
        // A node whose disk failed has ended; somebody starts it again.
        self.faults
            .push((until + Duration::from_millis(50), Fault::Restart(place)));
        until
    }

    /// Critical services of a node fail, or of both nodes of a pair: then nobody can serve its users, and an operator
    /// has to recover the group when they work again.
    fn services(&mut self, at: Instant) -> Instant {
        let pairs = self.topology.group_places();
        let mut places = self.rng.pick(&pairs).cloned().unwrap_or_default();
        if self.rng.chance(50) {
            places.reverse();
        }
        if self.rng.chance(20) {
            places.truncate(1);
        }
        let mut until = at;
        let lasts = self.rng.millis(6_000..20_000);
        for place in places {
            let begins = at + self.rng.millis(0..4_000);
            let (begin, end) = (Fault::Service(place, false), Fault::Service(place, true));
            let ends = self.during(FaultKind::Services, begins, lasts, begin, Some(end));
            until = until.max(ends);
        }
        // Somebody tries to recover all groups, and the next faults do not wait for it.
        for _ in 0..4 {
            let when = until + self.rng.millis(0..25_000);
            for group in self.groups() {
                self.faults.push((when, Fault::Recover(group)));
            }
        }
        at + self.rng.millis(500..15_000)
    }

    fn witness(&mut self, at: Instant) -> Instant {
        let place = Place(self.topology.serving());
        if !self.topology.witness {
            return self.crash(at, Place(0));
        }
        let lasts = self.lasts();
        let (begin, end) = (Fault::Crash(place), Fault::Restart(place));
        self.during(FaultKind::WitnessLoss, at, lasts, begin, Some(end))
    }

    /// Both nodes of a pair, mostly for longer than the grace.
    fn pair(&mut self, at: Instant) -> Instant {
        let pairs = self.topology.group_places();
        let pair = self.rng.pick(&pairs).cloned().unwrap_or_default();
        let lasts = if self.rng.chance(60) {
            self.rng.millis(40_000..55_000)
        } else {
            self.rng.millis(500..10_000)
        };
        self.together(FaultKind::PairLoss, at, &pair, lasts)
    }

    fn power(&mut self, at: Instant) -> Instant {
        let all: Vec<_> = self
            .topology
            .places()
            .iter()
            .map(|(place, _)| *place)
            .collect();
        let lasts = self.rng.millis(300..20_000);
        self.together(FaultKind::PowerLoss, at, &all, lasts)
    }

    fn together(
        &mut self,
        kind: FaultKind,
        at: Instant,
        places: &[Place],
        lasts: Duration,
    ) -> Instant {
        let mut until = at;
        for place in places {
            let lasts = lasts + self.rng.millis(0..2_000);
            let (begin, end) = (Fault::Crash(*place), Fault::Restart(*place));
            until = until.max(self.during(kind, at, lasts, begin, Some(end)));
        }
        until
    }
}
