//! A client: writes, pings, comes back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use muster_stanza::{Element, Writer, ns};
use tokio::time::timeout;

use super::gaps::Gaps;
use super::ledger::Ledger;
use super::stage::Stage;
use crate::arrive::bare;
use crate::client::{Session, SessionError};
use crate::crowd::Member;
use crate::figures::Failures;

/// Pause after an IQ error, before the next try.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// What became of one client.
pub(super) struct Outcome {
    number: usize,
    /// `None`: it was not connected at the end.
    session: Option<Session>,
    pub(super) ledger: Ledger,
    pub(super) pings: u64,
    /// The longest time between two acknowledged IQs, by round.
    pub(super) gaps: Vec<Duration>,
    /// The same between two acknowledged writes.
    pub(super) write_gaps: Vec<Duration>,
    pub(super) iq_errors: Failures,
}

/// A client at work.
struct Client {
    stage: Arc<Stage>,
    ledger: Ledger,
    pings: u64,
    gaps: Gaps,
    write_gaps: Gaps,
    iq_errors: Failures,
}

/// Works until the run ends.
pub(super) async fn work(stage: Arc<Stage>, member: Member) -> Outcome {
    let now = Instant::now();
    let mut client = Client {
        ledger: Ledger::new(stage.items),
        pings: 0,
        gaps: Gaps::new(now),
        write_gaps: Gaps::new(now),
        iq_errors: Failures::default(),
        stage,
    };
    let mut session = Some(member.session);
    while let Some(connected) = &mut session {
        match client.serve(connected).await {
            Ok(()) => break,
            Err(error) => session = client.stage.come_back(member.number, &error).await,
        }
    }
    let (round, now) = (client.stage.round(), Instant::now());
    Outcome {
        number: member.number,
        session,
        ledger: client.ledger,
        pings: client.pings,
        gaps: client.gaps.finish(round, now),
        write_gaps: client.write_gaps.finish(round, now),
        iq_errors: client.iq_errors,
    }
}

impl Client {
    /// Writes and pings in turn until the run ends.
    async fn serve(&mut self, session: &mut Session) -> Result<(), SessionError> {
        while !self.stage.has_ended() {
            let (item, number) = self.ledger.next_write();
            let write = roster_set(item, &self.stage.run, number);
            if self.ask(session, "set", None, &write).await? {
                self.ledger.acknowledge();
                self.write_gaps
                    .acknowledge(self.stage.round(), Instant::now());
            }
            pause(session, self.stage.interval).await?;
            let own = bare(session.jid()).to_owned();
            if self
                .ask(session, "get", Some(&own), b"<ping xmlns='urn:xmpp:ping'/>")
                .await?
            {
                self.pings += 1;
            }
            pause(session, self.stage.interval).await?;
        }
        Ok(())
    }

    /// Sends an IQ; false when the answer was an error.
    async fn ask(
        &mut self,
        session: &mut Session,
        kind: &str,
        to: Option<&str>,
        payload: &[u8],
    ) -> Result<bool, SessionError> {
        let patience = self.stage.iq_timeout;
        match timeout(patience, session.ask(kind, to, payload)).await {
            Ok(Ok(_)) => {
                self.gaps.acknowledge(self.stage.round(), Instant::now());
                Ok(true)
            }
            Ok(Err(error @ SessionError::IqError(_))) => {
                self.iq_errors.add(&error);
                pause(session, RETRY_AFTER).await?;
                Ok(false)
            }
            Ok(Err(error)) => Err(error),
            Err(_) => Err(SessionError::Timeout(patience)),
        }
    }
}

/// Waits and reads meanwhile.
async fn pause(session: &mut Session, time: Duration) -> Result<(), SessionError> {
    let read = async {
        loop {
            if let Err(error) = session.next().await {
                return error;
            }
        }
    };
    timeout(time, read).await.map_or(Ok(()), Err)
}

/// Reads the roster again: how many acknowledged writes are missing. `None` when it cannot be read.
pub(super) async fn verify(stage: Arc<Stage>, outcome: Outcome) -> Option<(u64, Member)> {
    let patience = stage.target.timeout;
    let read = async {
        let mut session = match outcome.session {
            Some(session) => session,
            None => stage.target.log_in(outcome.number, patience.into()).await?,
        };
        let roster = session.roster().await?;
        Ok::<_, SessionError>((roster, session))
    };
    match timeout(patience, read).await {
        Ok(Ok((roster, session))) => {
            let number = outcome.number;
            let missing = outcome.ledger.missing(&numbers(&roster, &stage.run));
            Some((missing, Member { number, session }))
        }
        Ok(Err(error)) => {
            eprintln!("a roster could not be read again: {error}");
            None
        }
        Err(_) => None,
    }
}

fn roster_set(item: usize, run: &str, number: u64) -> Vec<u8> {
    let mut out = Writer::new();
    out.start("query").attr("xmlns", ns::ROSTER).start("item");
    out.attr("jid", &format!("item{item}@load.invalid"));
    out.attr("name", &format!("{run}-{number}"));
    out.finish()
}

/// The number that each item of this run holds.
fn numbers(roster: &Element, run: &str) -> BTreeMap<usize, u64> {
    let query = roster.child("query", ns::ROSTER);
    let items = query.iter().flat_map(|query| query.children());
    items
        .filter_map(|item| {
            let (jid, name) = (item.attr("jid")?, item.attr("name")?);
            let at = jid
                .strip_prefix("item")?
                .strip_suffix("@load.invalid")?
                .parse()
                .ok()?;
            let (of, number) = name.split_once('-')?;
            (of == run).then_some((at, number.parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roster_is_read_back_as_it_was_written() {
        let item = |item, run, number| {
            let query = Element::parse(&roster_set(item, run, number)).unwrap();
            let item = query.children().next().unwrap().raw_standalone();
            String::from_utf8(item).unwrap()
        };
        let roster = format!(
            "<iq type='result' id='1'><query xmlns='jabber:iq:roster'>{}{}{}<item jid='a@b' name='c'/></query></iq>",
            item(0, "aa", 7),
            item(12, "aa", 300),
            item(3, "bb", 5),
        );
        let found = numbers(&Element::parse(roster.as_bytes()).unwrap(), "aa");
        assert_eq!(found, BTreeMap::from([(0, 7), (12, 300)]));
    }
}
