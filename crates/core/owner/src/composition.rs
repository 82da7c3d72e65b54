//! What sources other than clients say about users, and what that makes of the users' presence.
//!
//! Each change composes the user anew. If watchers are to see something else, all clients of the user
//! are shown anew, in one message a node; if not, nobody is told.

use crate::cx::Cx;
use crate::pace::Pace;
use crate::serving::Serving;
use crate::sight::may_see;
use muster_envelope::{
    Answer, Explained, Question, ReportRefusal, Seen, SeenClient, contacts_digest,
};
use muster_presence::rules::Rules;
use muster_presence::source::{FromNow, Policies, Report, SOURCES_MAX, Says, Source};
use muster_presence::{Overlay, Presentity, Recomposed};
use muster_stanza::{Stanza, ns};
use muster_types::{BareJid, Instant, NodeId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// When users are to be composed again, and by which rules they were.
#[derive(Default)]
pub(crate) struct Composition {
    /// By time. Not a wheel: that would have to turn while nothing is due, and a tree of ten thousands of users takes a
    /// microsecond.
    due: BTreeSet<(Instant, BareJid)>,
    by_user: BTreeMap<BareJid, Instant>,
    /// How often what sources say may change what is shown.
    pace: Pace,
    rules: Option<Arc<Rules>>,
    /// About whom the administrator has decided something.
    restricted: BTreeMap<BareJid, Policies>,
    /// Whether a client's "do not disturb" counted as a choice.
    dnd_is_manual: bool,
}

impl Composition {
    fn set(&mut self, user: &BareJid, next: Option<Instant>) {
        let before = match next {
            Some(next) => self.by_user.insert(user.clone(), next),
            None => self.by_user.remove(user),
        };
        if let Some(before) = before {
            self.due.remove(&(before, user.clone()));
        }
        if let Some(next) = next {
            self.due.insert((next, user.clone()));
        }
    }

    /// Composes a user at `at`, if nothing does so before.
    fn bring_forward(&mut self, user: &BareJid, at: Instant) {
        let known = self.by_user.get(user).copied();
        self.set(user, Some(known.map_or(at, |known| known.min(at))));
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due.first().map(|(due, _)| *due)
    }
}

impl Serving {
    /// A node asks for people or programs.
    pub(crate) fn on_ask(&mut self, cx: &mut Cx<'_>, from: NodeId, ask: u64, question: Question) {
        let answer = match question {
            Question::Access { user, set } => match self.ask_access(cx, from, ask, user, set) {
                Some(answer) => answer,
                None => return,
            },
            Question::Reports(reports) => {
                let refused = |(user, report)| self.take_report(cx, &user, &report).err();
                Answer::Reports(reports.into_iter().map(refused).collect())
            }
            Question::Follow { users, no_more } => {
                return self.on_follow(cx, from, users, no_more);
            }
            Question::Explain { user, watcher } => match cx.world.slot_of(&user) {
                Some(slot) if slot == cx.config.slot => self.explain(cx, &user, watcher.as_ref()),
                Some(_) | None => Answer::NoAccount,
            },
        };
        cx.answer(from, ask, answer);
    }

    pub(crate) fn take_report(
        &mut self,
        cx: &mut Cx<'_>,
        user: &BareJid,
        report: &Report<FromNow>,
    ) -> Result<(), ReportRefusal> {
        if cx.world.slot_of(user) != Some(cx.config.slot) || cx.world.is_barred(user) {
            return Err(ReportRefusal::NoAccount);
        }
        let rules = cx.world.rules();
        for span in &report.spans {
            if let Says::State(name) = &span.says
                && rules.state(name).is_none()
            {
                return Err(ReportRefusal::UnknownState(name.clone()));
            }
        }
        let presentity = self.sight.presentity_mut(user);
        let others = presentity
            .reports()
            .filter(|known| known.source != report.source);
        if others.count() >= SOURCES_MAX && !report.spans.is_empty() {
            return Err(ReportRefusal::TooManySources(SOURCES_MAX));
        }
        let known = presentity
            .reports()
            .find(|known| known.source == report.source);
        let report = kept(&rules, user, report, known, cx.now);
        if known.is_some_and(|known| known.says_the_same(&report, cx.now)) {
            return Ok(());
        }
        self.feeds.report(cx, user, &report);
        presentity.report(report);
        match self.composition.pace.admit(cx.now, user) {
            Ok(()) => drop(self.recompose(cx, user)),
            Err(turn) => self.composition.bring_forward(user, turn),
        }
        Ok(())
    }

    /// Composes a user anew, and shows it anew if that makes a difference. Whether it does.
    pub(crate) fn recompose(&mut self, cx: &mut Cx<'_>, user: &BareJid) -> bool {
        let Some(before) = self.compose(cx, user) else {
            return false;
        };
        self.tell_choice(cx, user);
        let Some(before) = before else {
            return false;
        };
        let picture = &self.picture;
        let certain = picture.is_certain();
        // Who waits for this owner's first answer gets it with everything.
        let waits = |node: NodeId, watcher: &BareJid| {
            before != Overlay::Hidden && picture.will_answer(user, node, watcher)
        };
        self.sight.show_anew(cx, user, certain, &waits);
        if before == Overlay::Hidden {
            self.tell_items(cx, user, &|_, watcher| watcher != user);
        }
        true
    }

    /// Composes a user; nothing is done for one of whom only its clients say something. What watchers saw until
    /// now, if they are to see something else.
    pub(crate) fn compose(&mut self, cx: &Cx<'_>, user: &BareJid) -> Option<Option<Overlay>> {
        // Whoever has no other sources than clients is shown as it is, without rules.
        let presentity = self.sight.presentity(user)?;
        // Whose account is removed stays hidden until the last client has gone.
        let policies = match cx.world.is_barred(user) {
            true => presentity.policies(),
            false => cx.world.policies(user),
        };
        let dnd_is_manual = cx.world.dnd_is_manual();
        let chosen = dnd_is_manual && presentity.says_dnd();
        if presentity.is_plain() && policies.is_empty() && !chosen {
            return None;
        }
        let rules = cx.world.rules();
        let presentity = self.sight.presentity_mut(user);
        presentity.set_policies(policies);
        presentity.set_dnd_is_manual(dnd_is_manual);
        let Recomposed { before, next } = presentity.recompose(cx.now, &rules);
        self.composition.set(user, next);
        Some(before)
    }

    /// Whoever has no client any more has no choice any more. While clients may be here that are not known,
    /// nothing is forgotten.
    pub(crate) fn forget_choice(&mut self, cx: &mut Cx<'_>, user: &BareJid) {
        let unseen_choice = |presentity: &Presentity| {
            presentity.is_empty() && presentity.has_report(&Source::Manual)
        };
        if self.picture.knows_who_is_here()
            && self.sessions.of_user(user).next().is_none()
            && self.sight.presentity(user).is_some_and(unseen_choice)
        {
            self.forget_reports(cx, user, |source| *source == Source::Manual);
        }
    }

    /// The same for all users, once whoever is not here has gone.
    pub(crate) fn forget_choices(&mut self, cx: &mut Cx<'_>) {
        let users = self
            .sight
            .reported_after(None)
            .map(|(user, _)| user.clone());
        for user in users.collect::<Vec<_>>() {
            self.forget_choice(cx, &user);
        }
    }

    /// Sources say nothing any more about a user.
    pub(crate) fn forget_reports(
        &mut self,
        cx: &mut Cx<'_>,
        user: &BareJid,
        which: impl Fn(&Source) -> bool,
    ) {
        let Some(presentity) = self.sight.presentity(user) else {
            return;
        };
        let sources = presentity.reports().map(|report| &report.source);
        let gone: Vec<Source> = sources.filter(|source| which(source)).cloned().collect();
        if gone.is_empty() {
            return;
        }
        for source in gone {
            let spans = Vec::new();
            let nothing = Report { source, spans };
            self.feeds.report(cx, user, &nothing);
            self.sight.presentity_mut(user).report(nothing);
        }
        self.recompose(cx, user);
    }

    /// Meetings begin and end, and what had a lifetime is over.
    pub(crate) fn wake_composition(&mut self, cx: &mut Cx<'_>) {
        while let Some((due, user)) = self.composition.due.first().cloned()
            && due <= cx.now
        {
            match self.composition.pace.admit(cx.now, &user) {
                Ok(()) => {
                    self.composition.set(&user, None);
                    self.recompose(cx, &user);
                }
                Err(turn) => self.composition.set(&user, Some(turn)),
            }
        }
    }

    /// Other rules may be in force.
    pub(crate) fn obey_rules(&mut self, cx: &mut Cx<'_>) {
        self.obey_policies(cx);
        self.obey_dnd(cx);
        let rules = cx.world.rules();
        let known = self.composition.rules.replace(Arc::clone(&rules));
        self.obey_followed(cx);
        if known.is_none_or(|known| Arc::ptr_eq(&known, &rules)) {
            return;
        }
        let reported = self.sight.reported_after(None).map(|(user, _)| user);
        let users = reported.chain(self.composition.restricted.keys());
        for user in users.cloned().collect::<BTreeSet<_>>() {
            self.recompose(cx, &user);
        }
    }

    /// The administrator may have decided otherwise about users.
    fn obey_policies(&mut self, cx: &mut Cx<'_>) {
        let restricted = cx.world.restricted(cx.config.slot);
        let known = std::mem::replace(&mut self.composition.restricted, restricted);
        let now = &self.composition.restricted;
        let users = known.keys().chain(now.keys());
        let changed = users.filter(|user| known.get(*user) != now.get(*user));
        for user in changed.cloned().collect::<BTreeSet<_>>() {
            self.recompose(cx, &user);
        }
    }

    /// An operator may count a client's "do not disturb" otherwise.
    fn obey_dnd(&mut self, cx: &mut Cx<'_>) {
        let now = cx.world.dnd_is_manual();
        if std::mem::replace(&mut self.composition.dnd_is_manual, now) != now {
            for user in self.sight.not_to_be_disturbed() {
                self.recompose(cx, &user);
            }
        }
    }

    /// A user as it is now, also one of whom nothing was ever said.
    pub(crate) fn portrait(&self, cx: &Cx<'_>, user: &BareJid) -> Presentity {
        let known = self.sight.presentity(user).cloned();
        let mut presentity = known.unwrap_or_else(|| Presentity::new(cx.epoch));
        presentity.set_policies(cx.world.policies(user));
        presentity.set_dnd_is_manual(cx.world.dnd_is_manual());
        presentity
    }

    fn explain(&self, cx: &Cx<'_>, user: &BareJid, watcher: Option<&BareJid>) -> Answer {
        let presentity = self.portrait(cx, user);
        Answer::Explained(Box::new(Explained {
            explanation: presentity.explain(cx.now, &cx.world.rules()),
            seen: watcher.map(|watcher| self.seen(cx, user, &presentity, watcher)),
        }))
    }

    fn seen(
        &self,
        cx: &Cx<'_>,
        user: &BareJid,
        presentity: &Presentity,
        watcher: &BareJid,
    ) -> Seen {
        if !may_see(cx, user, watcher) && !self.sight.sees_for_a_while(cx, user, watcher) {
            return match cx.state.permission(user).blocks(watcher) {
                true => Seen::Blocked,
                false => Seen::NotAllowed,
            };
        }
        if presentity.overlay() == &Overlay::Hidden && watcher != user {
            return Seen::Hidden;
        }
        let text = |stanza: &Stanza, name: &str| {
            let child = stanza.child(name, ns::CLIENT);
            child.map(|child| child.text())
        };
        let clients = presentity.publications().map(|(resource, publication)| {
            let stanza = presentity.overlay().shown(&publication.stanza);
            SeenClient {
                resource: resource.to_string(),
                show: text(&stanza, "show").unwrap_or_else(|| "available".to_owned()),
                status: text(&stanza, "status"),
            }
        });
        Seen::Clients(clients.collect())
    }
}

/// A report as it is kept. Meetings begin and end on the hour for many users: each user's do a little later, by a
/// measure that is the same for the user on every node.
fn kept(
    rules: &Rules,
    user: &BareJid,
    report: &Report<FromNow>,
    known: Option<&Report<Instant>>,
    now: Instant,
) -> Report<Instant> {
    let most = u64::try_from(rules.calendar_spread.as_millis()).unwrap_or_default();
    if most == 0 || !matches!(report.source, Source::Calendar(_)) {
        return report.kept(now);
    }
    let mut report = report.clone();
    let later = contacts_digest([user]) % most;
    for span in &mut report.spans {
        // Also of one that has begun: a calendar that is asked each minute says so after the hour. What is said to
        // be so from now on is so, and what is shown already goes on.
        let shown = known.is_some_and(|known| known.current(now).any(|one| one.says == span.says));
        let begins = span.begins.later(later);
        if begins.0 > 0 && span.begins.0 != 0 && !(shown && span.begins.0 < 0) {
            span.begins = begins;
        }
        span.ends = span.ends.map(|ends| ends.later(later));
    }
    report.kept(now)
}
