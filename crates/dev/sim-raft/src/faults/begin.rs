//! How a fault begins and ends.

use super::{Fault, Kind};
use crate::node::{self, Node};
use crate::operator;
use crate::plan::Mistake;
use crate::rng::Rng;
use crate::sim::{Sim, host, sim};
use muster_types::NodeId;
use std::time::Duration;

/// What is done so soon after a fault counts as done under it.
const AFTERMATH: Duration = Duration::from_secs(3);

type End = Box<dyn FnOnce(&Sim)>;

/// Lets a fault begin now, and end when its time is over.
pub(crate) fn begin(number: u64, fault: Fault) {
    let sim = sim();
    let mut rng = Rng::new(fault.chance);
    let Some(end) = start(&sim, fault, &mut rng) else {
        return;
    };
    sim.active.borrow_mut().insert(number, fault);
    sim.counts.borrow_mut().add_fault(fault.kind);
    sim.exec.after(fault.lasts, move || {
        let sim = crate::sim::sim();
        // What was lost with a disk comes back as a new node also after the healing.
        if !sim.heals() || fault.kind == Kind::Wipe {
            sim.say(format!("{:?} ends", fault.kind));
            end(&sim);
        }
    });
    sim.exec.after(fault.lasts + AFTERMATH, move || {
        crate::sim::sim().active.borrow_mut().remove(&number);
    });
}

/// Ends all that is left.
pub(crate) fn heal() {
    let sim = sim();
    sim.say("healing");
    sim.net.borrow_mut().heal();
    let ids: Vec<_> = sim.nodes.borrow().keys().copied().collect();
    for id in ids {
        sim.exec.resume(host(id));
        with(&sim, id, |node| {
            node.held = 0;
            node.dark = false;
            node.flaws = crate::disk::Flaws::default();
            node.disk.set_full(false);
        });
        node::start(id);
    }
}

fn start(sim: &Sim, fault: Fault, rng: &mut Rng) -> Option<End> {
    let kind = fault.kind;
    match kind {
        Kind::Crash | Kind::CrashLoop | Kind::CrashAll | Kind::QuickRestart | Kind::WitnessLoss => {
            down(sim, fault, rng)
        }
        Kind::Pause | Kind::Suspend => {
            let id = victim(sim, rng)?;
            sim.exec.stop(host(id), kind == Kind::Suspend);
            said(sim, fault, &[id]);
            end(move |sim| sim.exec.resume(host(id)))
        }
        Kind::Isolate
        | Kind::CutPair
        | Kind::CutOneWay
        | Kind::Deaf
        | Kind::Mute
        | Kind::Bridge => cut(sim, fault, rng),
        Kind::Loss | Kind::Doubles | Kind::Lag => worsen(sim, fault, rng),
        Kind::SlowDisk | Kind::FullDisk | Kind::SyncError => disk(sim, fault, rng),
        Kind::ClockJump => {
            let id = victim(sim, rng)?;
            let hour = if rng.chance(50) {
                3_600_000
            } else {
                -3_600_000
            };
            with(sim, id, |node| node.wall += hour);
            said(sim, fault, &[id]);
            end(move |sim| with(sim, id, |node| node.wall -= hour))
        }
        Kind::Wipe => wipe(sim, fault, rng),
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "the faults that find nobody to hit answer None in its place"
)]
fn end(end: impl FnOnce(&Sim) + 'static) -> Option<End> {
    Some(Box::new(end))
}

fn with(sim: &Sim, id: NodeId, act: impl FnOnce(&mut Node)) {
    if let Some(node) = sim.nodes.borrow_mut().get_mut(&id) {
        act(node);
    }
}

fn said(sim: &Sim, fault: Fault, nodes: &[NodeId]) {
    sim.say(format!(
        "{:?} of {nodes:?} for {:?}",
        fault.kind, fault.lasts
    ));
}

fn present(sim: &Sim) -> Vec<NodeId> {
    let nodes = sim.nodes.borrow();
    let present = nodes.iter().filter(|(_, node)| !node.gone);
    present.map(|(id, _)| *id).collect()
}

/// Every second time whoever serves a group.
fn victim(sim: &Sim, rng: &mut Rng) -> Option<NodeId> {
    let serving: Vec<_> = {
        let nodes = sim.nodes.borrow();
        let serves = |node: &Node| {
            let process = node.process.as_ref();
            process
                .is_some_and(|process| process.seats.values().any(|seat| seat.serving().is_some()))
        };
        let serving = nodes.iter().filter(|(_, node)| serves(node));
        serving.map(|(id, _)| *id).collect()
    };
    if rng.chance(50) && !serving.is_empty() {
        return rng.pick(&serving);
    }
    rng.pick(&present(sim))
}

fn down(sim: &Sim, fault: Fault, rng: &mut Rng) -> Option<End> {
    let dark = rng.chance(50) || fault.kind == Kind::CrashAll;
    let ids = match fault.kind {
        Kind::CrashAll => present(sim),
        Kind::WitnessLoss => {
            let nodes = sim.nodes.borrow();
            let witnesses = nodes.iter().filter(|(_, node)| node.witness && !node.gone);
            witnesses.map(|(id, _)| *id).take(1).collect()
        }
        _ => vec![victim(sim, rng)?],
    };
    if ids.is_empty() {
        return None;
    }
    said(sim, fault, &ids);
    if fault.kind == Kind::CrashLoop {
        let id = ids[0];
        again(sim, id, sim.exec.now() + fault.lasts, rng.next());
        return end(|_| ());
    }
    for id in &ids {
        with(sim, *id, |node| {
            node.held += 1;
            node.dark = dark;
        });
        node::kill(*id);
    }
    end(move |sim| {
        for id in ids {
            with(sim, id, |node| {
                node.held = node.held.saturating_sub(1);
                node.dark = false;
            });
            node::start(id);
        }
    })
}

/// Dies, starts, runs for a moment and dies again.
fn again(sim: &Sim, id: NodeId, until: Duration, chance: u64) {
    node::kill(id);
    let mut rng = Rng::new(chance);
    let (down, up, chance) = (rng.millis(20..400), rng.millis(50..900), rng.next());
    sim.exec.after(down, move || node::start(id));
    sim.exec.after(down + up, move || {
        let sim = crate::sim::sim();
        if sim.exec.now() < until && !sim.heals() {
            again(&sim, id, until, chance);
        }
    });
}

fn cut(sim: &Sim, fault: Fault, rng: &mut Rng) -> Option<End> {
    let one = victim(sim, rng)?;
    let others: Vec<_> = present(sim).into_iter().filter(|id| *id != one).collect();
    let other = rng.pick(&others)?;
    let mut ways = Vec::new();
    match fault.kind {
        Kind::CutPair => ways.extend([(one, other), (other, one)]),
        Kind::CutOneWay => ways.push((one, other)),
        Kind::Deaf => ways.extend(others.iter().map(|id| (*id, one))),
        Kind::Mute => ways.extend(others.iter().map(|id| (one, *id))),
        Kind::Bridge => {
            let half = others.len() / 2;
            for left in &others[..half] {
                for right in &others[half..] {
                    ways.extend([(*left, *right), (*right, *left)]);
                }
            }
        }
        _ => {
            for id in &others {
                ways.extend([(one, *id), (*id, one)]);
            }
        }
    }
    said(sim, fault, &[one, other]);
    for (from, to) in &ways {
        sim.net.borrow_mut().cut(*from, *to);
    }
    end(move |sim| {
        for (from, to) in ways {
            sim.net.borrow_mut().mend(from, to);
        }
    })
}

fn worsen(sim: &Sim, fault: Fault, rng: &mut Rng) -> Option<End> {
    said(sim, fault, &[]);
    let mut net = sim.net.borrow_mut();
    match fault.kind {
        Kind::Loss => {
            net.loss = rng.range(2..60);
            end(|sim| sim.net.borrow_mut().loss = 0)
        }
        Kind::Doubles => {
            net.doubles = rng.range(10..90);
            end(|sim| sim.net.borrow_mut().doubles = 0)
        }
        _ => {
            net.lag = rng.millis(10..500);
            end(|sim| sim.net.borrow_mut().lag = Duration::ZERO)
        }
    }
}

fn disk(sim: &Sim, fault: Fault, rng: &mut Rng) -> Option<End> {
    let id = victim(sim, rng)?;
    said(sim, fault, &[id]);
    let slow = rng.millis(20..1_500);
    let at_once = rng.chance(50);
    with(sim, id, |node| match fault.kind {
        Kind::SlowDisk => node.flaws.slow = slow,
        Kind::SyncError => node.flaws.fails = true,
        _ => {
            node.flaws.full = true;
            // Some disks take what is written, and only the sync finds no room.
            node.disk.set_full(at_once);
        }
    });
    end(move |sim| {
        with(sim, id, |node| {
            node.flaws = crate::disk::Flaws::default();
            node.disk.set_full(false);
        });
    })
}

/// The node is lost with its disk. Once its groups have what they need, a new one takes its place.
fn wipe(sim: &Sim, fault: Fault, rng: &mut Rng) -> Option<End> {
    let id = victim(sim, rng)?;
    let groups = sim.group_ids();
    let present = present(sim);
    let may = groups.iter().all(|group| {
        let wanted = sim.wanted(*group);
        operator::is_settled(sim, *group)
            && wanted.all.iter().all(|id| present.contains(id))
            && (wanted.voters.len() > 2 || !wanted.voters.contains(&id))
    });
    if !may {
        return None;
    }
    said(sim, fault, &[id]);
    node::kill(id);
    if sim.plan.mistake == Some(Mistake::WipedKeepsId) {
        with(sim, id, |node| node.disk.wipe());
        return end(move |_| node::start(id));
    }
    with(sim, id, |node| node.gone = true);
    end(move |sim| replace(sim, id))
}

fn replace(sim: &Sim, old: NodeId) {
    let new = {
        let mut nodes = sim.nodes.borrow_mut();
        let last = nodes.keys().next_back().map_or(0, |id| id.0);
        let witness = nodes.get(&old).is_some_and(|node| node.witness);
        let new = NodeId(last + 1);
        let node = Node {
            witness,
            ..Node::default()
        };
        nodes.insert(new, node);
        new
    };
    sim.say(format!("{new} replaces {old}"));
    let rate = sim.plan.rate(sim.draw(Rng::next));
    sim.exec.add_host(host(new), rate);
    for wanted in sim.wanted.borrow_mut().values_mut() {
        for set in [&mut wanted.voters, &mut wanted.all] {
            if set.remove(&old) {
                set.insert(new);
            }
        }
    }
    node::start(new);
}
