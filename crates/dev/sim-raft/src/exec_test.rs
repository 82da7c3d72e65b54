//! Hosts that stop, and the order of what is ready.

use crate::exec::{Exec, Host, sleep};
use crate::plan::Plan;
use crate::sim::{self, Sim};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const HOST: Host = Host(1);

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Runs a host that looks at its clock each 100 ms, and stops it from 250 ms to 1,050 ms.
fn looks(suspended: bool) -> Vec<Duration> {
    let sim = Rc::new(Sim::new(Plan::random(1)));
    let before = sim::set(Some(Rc::clone(&sim)));
    let exec: Rc<Exec> = Rc::clone(&sim.exec);
    exec.add_host(HOST, 1_000_000);
    let seen = Rc::new(RefCell::new(Vec::new()));
    let look = Rc::clone(&seen);
    exec.spawn_on(HOST, async move {
        loop {
            sleep(ms(100)).await;
            look.borrow_mut().push(sim::sim().exec.now());
        }
    });
    let (stop, resume) = (Rc::clone(&exec), Rc::clone(&exec));
    exec.after(ms(250), move || stop.stop(HOST, suspended));
    exec.after(ms(1_050), move || resume.resume(HOST));
    exec.run(ms(1_260), || false);
    exec.kill(HOST);
    sim::set(before);
    seen.take()
}

#[test]
fn a_paused_host_is_late_and_a_suspended_one_goes_on_where_it_was() {
    assert_eq!(looks(false), [100, 200, 1_050, 1_150, 1_250].map(ms));
    assert_eq!(looks(true), [100, 200, 1_100, 1_200].map(ms));
}
