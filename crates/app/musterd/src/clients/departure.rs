//! Clients are sent away so many a second: those at which nobody looks first, and whoever has come meanwhile last.

use super::Clients;
use muster_types::SessionId;
use std::time::Duration;
use tokio::time::Instant;

/// Between two portions.
const STEP: Duration = Duration::from_millis(50);
/// How long all may take to go before the process ends, as long as the slowest pace is enough for that.
const BEFORE_THE_END: Duration = Duration::from_secs(10);
/// The slowest pace before the end, in clients a second.
const SLOWEST: u32 = 500;

/// Who is still to go.
#[derive(Debug, Default)]
pub(crate) struct Departure {
    waiting: Vec<SessionId>,
    /// What may go and did not yet, in thousandths of a client.
    allowed: u64,
}

impl Departure {
    /// Between two portions.
    pub(crate) const STEP: Duration = STEP;

    /// Sends away as many as may go after so much time.
    pub(crate) fn step(&mut self, clients: &Clients, per_second: u32, elapsed: Duration) {
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        let more = u64::from(per_second).saturating_mul(millis);
        // A pause is not made up for.
        let most = u64::from(per_second).saturating_mul(1_000).max(1_000);
        self.allowed = self.allowed.saturating_add(more).min(most);
        while self.allowed >= 1_000 {
            if self.waiting.is_empty() {
                self.waiting = clients.sessions_to_send_away();
            }
            let Some(session) = self.waiting.pop() else {
                return;
            };
            if clients.send_away(session) {
                self.allowed -= 1_000;
            }
        }
    }

    /// Sends all away because the process ends.
    pub(crate) async fn before_the_end(clients: &Clients) {
        let all = u32::try_from(clients.session_count()).unwrap_or(u32::MAX);
        if all == 0 {
            return;
        }
        let seconds = u32::try_from(BEFORE_THE_END.as_secs()).unwrap_or(1);
        let per_second = SLOWEST.max(all.div_ceil(seconds));
        tracing::info!("sending {all} clients away, {per_second} a second");
        let (mut departure, begun) = (Self::default(), Instant::now());
        // Somebody who does not go in time is sent away with the others.
        while clients.session_count() > 0 && begun.elapsed() < BEFORE_THE_END + STEP * 4 {
            departure.step(clients, per_second, STEP);
            tokio::time::sleep(STEP).await;
        }
    }
}
