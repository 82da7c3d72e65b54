//! A watcher: notes who is called unavailable.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::stage::Stage;
use crate::arrive::bare;
use crate::client::{Session, SessionError};
use crate::crowd::Member;

/// How often the end of the run is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Watches until the run ends; `None` when it was not connected then.
pub(super) async fn watch(stage: Arc<Stage>, member: Member) -> Option<Member> {
    let number = member.number;
    let mut session = member.session;
    loop {
        match note(&stage, &mut session).await {
            Ok(()) => return Some(Member { number, session }),
            Err(error) => session = stage.come_back(number, &error).await?,
        }
    }
}

async fn note(stage: &Stage, session: &mut Session) -> Result<(), SessionError> {
    while !stage.has_ended() {
        let Ok(element) = timeout(LOOK_EVERY, session.next()).await else {
            continue;
        };
        let element = element?;
        if element.name() == "presence" && element.attr("type").as_deref() == Some("unavailable") {
            stage.sight(bare(&element.attr("from").unwrap_or_default()));
        }
    }
    Ok(())
}
