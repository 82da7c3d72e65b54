//! What changes, as server-sent events. Presence is a register: a stream tells the newest state of each user,
//! and what came and went between two looks of a slow reader is not told. After a cut a program sends the id
//! of its last event (`Last-Event-ID`) to any node, and is told what is different since.

use super::Api;
use super::client::Caller;
use super::look::presence;
use super::mark::{Mark, id_of, seen};
use super::problem::Problem;
use super::standing::{Standing, Turn};
use super::streams::Place;
use super::user::{InPath, of_caller};
use crate::quote::quoted;
use crate::{FollowRefused, Following};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SelectAll, Stream, StreamExt};
use muster_cluster::{ClusterState, Scope};
use muster_envelope::Composed;
use muster_types::BareJid;
use serde_json::{Value, json};
use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;
use tokio_stream::wrappers::WatchStream;

/// Users of one stream.
const USERS_MAX: usize = 50;
/// How often a stream with nothing to tell shows that it stands.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

type Newest = Option<Result<Composed, FollowRefused>>;
type News = Pin<Box<dyn Stream<Item = (usize, Newest)> + Send>>;

pub(super) async fn of_one(
    State(api): State<Api>,
    caller: Caller,
    path: InPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let user = path.user(&caller)?;
    caller.may(Scope::Read)?;
    open(api, caller, vec![user], &headers)
}

pub(super) async fn of_several(
    State(api): State<Api>,
    caller: Caller,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.may(Scope::Read)?;
    let mut users = BTreeSet::new();
    for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if key != "jid" {
            return Err(Problem::bad_request(format!(
                "the parameter {} is not taken here: there is jid, once for each user",
                quoted(&key)
            )));
        }
        users.insert(of_caller(&caller, &value)?);
        if users.len() > USERS_MAX {
            return Err(Problem::bad_request(format!(
                "one stream takes {USERS_MAX} users: open another one for the others"
            )));
        }
    }
    if users.is_empty() {
        let detail = "name at least one user: /v1/events?jid=alice%40example.com";
        return Err(Problem::bad_request(detail));
    }
    open(api, caller, users.into_iter().collect(), &headers)
}

fn open(
    api: Api,
    caller: Caller,
    users: Vec<BareJid>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    for user in &users {
        api.slot_of(user)?;
    }
    let place = api.streams.take(&caller.name)?;
    let mut followings = Vec::with_capacity(users.len());
    for user in &users {
        followings.push(api.service.backend.follow(user).ok_or_else(|| {
            let detail = "this node follows as many users as it takes: use another node";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "full", detail).for_seconds(10)
        })?);
    }
    let last = headers
        .get("last-event-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default();
    let feed = Feed::new(&api, caller, place, users, followings, last);
    let events = futures_util::stream::unfold(feed, |mut feed| async {
        let event = feed.next().await?;
        Some((Ok::<_, Infallible>(event), feed))
    });
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((no_store, Sse::new(events).keep_alive(keep_alive)).into_response())
}

/// One stream.
struct Feed {
    standing: Standing,
    users: Vec<BareJid>,
    /// What the program has seen of each.
    seen: Vec<Option<Mark>>,
    gone: BTreeSet<usize>,
    news: SelectAll<News>,
    waiting: VecDeque<Event>,
    over: bool,
    _followings: Vec<Box<dyn Send + Sync>>,
    _place: Place,
}

/// What a stream waits for.
enum Happened {
    /// Something that all streams wait for.
    Turned(Turn),
    /// The newest of the user with this place.
    Told(usize, Newest),
}

impl Feed {
    fn new(
        api: &Api,
        caller: Caller,
        place: Place,
        users: Vec<BareJid>,
        followings: Vec<Following>,
        last: &str,
    ) -> Self {
        let (mut news, mut guards) = (SelectAll::new(), Vec::new());
        for (nth, following) in followings.into_iter().enumerate() {
            let changes = WatchStream::new(following.newest);
            let changes: News = Box::pin(changes.map(move |newest| (nth, newest)));
            news.push(changes);
            guards.push(following.until_dropped);
        }
        Self {
            standing: Standing::new(api, caller),
            seen: seen(last, users.len()),
            users,
            gone: BTreeSet::new(),
            news,
            waiting: VecDeque::new(),
            over: false,
            _followings: guards,
            _place: place,
        }
    }

    /// The next event; `None` when the stream ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            if self.over || self.gone.len() == self.users.len() {
                return None;
            }
            match self.wait().await {
                Happened::Turned(Turn::Ending) => return None,
                Happened::Turned(Turn::Over(why)) => self.close(why),
                Happened::Turned(Turn::Changed(state)) => self.on_cluster(&state),
                Happened::Told(nth, Some(Ok(composed))) => self.on_news(nth, &composed),
                Happened::Told(_, Some(Err(refused))) => self.close(&refused.to_string()),
                Happened::Told(_, None) => {}
            }
        }
    }

    /// Waits for something to happen. Whether the stream may go on is asked before what it tells.
    async fn wait(&mut self) -> Happened {
        tokio::select! {
            biased;
            turn = self.standing.turn() => Happened::Turned(turn),
            Some((nth, newest)) = self.news.next() => Happened::Told(nth, newest),
        }
    }

    fn on_news(&mut self, nth: usize, composed: &Composed) {
        let shown = Value::Object(presence(&self.users[nth], &composed.presence)).to_string();
        let mark = Mark::of(composed, &shown);
        let seen = self.seen[nth].as_ref();
        let (news, later) = (mark.is_news_after(seen), mark.is_later_than(seen));
        if self.gone.contains(&nth) || !later {
            return;
        }
        self.seen[nth] = Some(mark);
        let event = Event::default().id(id_of(&self.seen));
        // Another owner says the same: the program only learns how to ask for what comes after.
        self.waiting.push_back(match news {
            true => event.event("presence").data(shown),
            false => event,
        });
    }

    /// Accounts may have gone.
    fn on_cluster(&mut self, state: &ClusterState) {
        for (nth, user) in self.users.iter().enumerate() {
            if state.account_slot(user).is_none() && self.gone.insert(nth) {
                let data = json!({ "jid": user.as_str() }).to_string();
                self.waiting
                    .push_back(Event::default().event("removed").data(data));
            }
        }
    }

    fn close(&mut self, why: &str) {
        let data = json!({ "detail": why }).to_string();
        self.waiting
            .push_back(Event::default().event("closed").data(data));
        self.over = true;
    }
}

#[cfg(test)]
#[path = "events_test.rs"]
mod events_test;
