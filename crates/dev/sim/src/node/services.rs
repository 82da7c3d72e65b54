//! What the probes of a node's services say: one that hangs, and its clock.

use super::Node;
use crate::plan::Sabotage;
use muster_ha::{Input, ServiceDown, ServiceKind};
use muster_types::{Instant, Machine};
use std::time::Duration;

/// How long a critical service may be down.
const DELAY: Duration = Duration::from_secs(2);
/// Between two edges of a comparison of clocks.
pub(super) const WINDOW: Duration = Duration::from_secs(2);

impl Node {
    /// A critical service works or not.
    pub(super) fn set_service(&mut self, now: Instant, works: bool) {
        self.hangs_since = (!works).then_some(now);
        self.tell_services(now);
    }

    /// Looks whether its clock runs as fast as the others'.
    pub(super) fn look_at_clock(&mut self, now: Instant) {
        let wrong = self.clocks.judge(now).own.is_some();
        if wrong != self.wrong_since.is_some() && self.setup.sabotage != Some(Sabotage::TrustClock)
        {
            self.wrong_since = wrong.then_some(now);
            self.tell_services(now);
        }
    }

    fn tell_services(&mut self, now: Instant) {
        let all = [
            ("router", ServiceKind::Work, self.hangs_since),
            ("clock", ServiceKind::Clock, self.wrong_since),
        ];
        let down = all.into_iter().filter_map(|(name, kind, since)| {
            Some(ServiceDown {
                name,
                since: since?,
                delay: DELAY,
                critical: true,
                kind,
            })
        });
        self.machine.handle(now, Input::Services(down.collect()));
    }
}
