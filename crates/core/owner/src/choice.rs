//! What a user chooses to be shown as, as a node of its personal eventing service (XEP-0163): published, it is
//! chosen; retracted, there is no choice any more. It stands in no log and ends with the user's last client, like
//! a choice that was made in any other way ([`ad_hoc`](crate::ad_hoc), the API).
//!
//! ```xml
//! <choice xmlns='urn:muster:presence:choice'><state>vacation</state><note>Back in May</note>
//!   <until>2027-01-15T10:00:00Z</until></choice>
//! ```

use crate::cx::Cx;
use crate::iq::Query;
use crate::pep_news::news_of_current;
use crate::pep_request::CURRENT;
use crate::serving::{Progress, Serving};
use muster_envelope::ItemNews;
use muster_presence::source::{FromNow, LIFETIME_MAX, NOTE_BYTES_MAX, Report, Says, Source, Span};
use muster_slot::{AccessModel, PepEdit};
use muster_stanza::{Element, ErrorDetail, ErrorType, StanzaCondition, StanzaError, Writer};
use muster_types::{BareJid, Instant, NodeId, Timestamp};
use std::collections::BTreeMap;

/// The node, and the namespace of what is in it.
pub(crate) const CHOICE: &str = "urn:muster:presence:choice";

/// What each user has chosen, as its clients were told last.
#[derive(Default)]
pub(crate) struct Choices(BTreeMap<BareJid, Vec<u8>>);

impl Serving {
    /// The user's choice, as its node holds it.
    pub(crate) fn choice_item(&self, cx: &Cx<'_>, user: &BareJid) -> Option<Vec<u8>> {
        let presentity = self.sight.presentity(user)?;
        let manual = presentity
            .reports()
            .find(|report| report.source == Source::Manual)?;
        manual.current(cx.now).next().map(encode)
    }

    /// The same as news, if `node` is this one.
    pub(crate) fn chosen(&self, cx: &Cx<'_>, user: &BareJid, node: &str) -> Option<ItemNews> {
        let item = self.choice_item(cx, user).filter(|_| node == CHOICE)?;
        Some(news_of_current(user, CHOICE, Some(&item)))
    }

    /// If the choice is another one, however it was made, the user's own clients are told.
    pub(crate) fn tell_choice(&mut self, cx: &mut Cx<'_>, user: &BareJid) {
        if self.note_choice(cx, user) {
            let item = self.choice_item(cx, user);
            let news = news_of_current(user, CHOICE, item.as_deref());
            self.tell_item(cx, user, AccessModel::Whitelist, &news, &|_, _| true);
        }
    }

    /// A node may not have heard what the last owner told of choices: what is chosen is told again. That one was
    /// taken back a client finds out at its next login.
    pub(crate) fn tell_choices(&self, cx: &mut Cx<'_>, to: NodeId) {
        for (user, item) in &self.choices.0 {
            let news = news_of_current(user, CHOICE, Some(item));
            self.tell_item(cx, user, AccessModel::Whitelist, &news, &|node, _| {
                node == to
            });
        }
    }

    /// Notes the choice. Whether it is another one.
    pub(crate) fn note_choice(&mut self, cx: &Cx<'_>, user: &BareJid) -> bool {
        let item = self.choice_item(cx, user);
        let known = match &item {
            Some(item) => self.choices.0.insert(user.clone(), item.clone()),
            None => self.choices.0.remove(user),
        };
        known != item
    }

    /// The user changes its choice.
    pub(crate) fn edit_choice(
        &mut self,
        cx: &mut Cx<'_>,
        query: &Query<'_>,
        edit: PepEdit,
    ) -> Progress {
        let source = Source::Manual;
        let (spans, reply) = match edit {
            PepEdit::Publish {
                payload, access, ..
            } => {
                if access.is_some_and(|access| access != AccessModel::Whitelist) {
                    let why = "Nobody but the user reads this node: its access model is whitelist.";
                    return query.fail(cx, &crate::pep_request::precondition_not_met(why));
                }
                let read = Element::parse(&payload)
                    .map_err(|_| "An item of this node is a <choice/>.".to_owned())
                    .and_then(|choice| read(&choice, cx.world.wall));
                match read {
                    Ok(span) => {
                        let reply = crate::pep::published(CHOICE, CURRENT);
                        (vec![span], query.iq.result_with(reply))
                    }
                    Err(why) => return invalid(cx, query, &why),
                }
            }
            PepEdit::Retract { id } => {
                if id != CURRENT || self.choice_item(cx, &query.user).is_none() {
                    return query.refuse(cx, StanzaCondition::ItemNotFound);
                }
                (Vec::new(), query.iq.result())
            }
            PepEdit::Configure { .. } | PepEdit::Delete => {
                return query.refuse(cx, StanzaCondition::NotAllowed);
            }
        };
        match self.take_report(cx, &query.user, &Report { source, spans }) {
            Ok(()) => query.reply(cx, &reply),
            Err(why) => invalid(cx, query, &why.to_string()),
        }
    }
}

fn invalid(cx: &mut Cx<'_>, query: &Query<'_>, why: &str) -> Progress {
    let error = StanzaError::new(StanzaCondition::BadRequest).with_type(ErrorType::Modify);
    let error = error.with_detail(ErrorDetail::InvalidPayload);
    query.fail(cx, &error.with_text(why))
}

fn encode(span: &Span<Instant>) -> Vec<u8> {
    let mut out = Writer::new();
    out.start("choice").attr("xmlns", CHOICE);
    out.leaf("state", span.says.label());
    if let Some(note) = &span.note {
        out.leaf("note", note);
    }
    if let Some(until) = span.until {
        out.leaf("until", &until.to_string());
    }
    out.end().finish()
}

/// Reads a choice; what is wrong with it in words for people.
fn read(choice: &Element, wall: Timestamp) -> Result<Span<FromNow>, String> {
    if !choice.is("choice", CHOICE) {
        return Err(format!(
            "An item of this node is a <choice xmlns='{CHOICE}'/>."
        ));
    }
    let text = |name: &str| choice.child(name, CHOICE).map(|child| child.text());
    let state = text("state").ok_or("A choice has a <state/>; to have none, retract the item.")?;
    let note = text("note").filter(|note| !note.is_empty());
    let is_line = |note: &String| note.len() <= NOTE_BYTES_MAX && !note.contains(char::is_control);
    if !note.as_ref().is_none_or(is_line) {
        return Err(format!(
            "A note is one line of {NOTE_BYTES_MAX} bytes at most."
        ));
    }
    let until = match text("until") {
        Some(until) => Some(
            until
                .trim()
                .parse::<Timestamp>()
                .map_err(|why| why.to_string())?,
        ),
        None => None,
    };
    let left = until.map(|until| until.0.saturating_sub(wall.0));
    let most = u64::try_from(LIFETIME_MAX.as_millis()).unwrap_or(u64::MAX);
    if left.is_some_and(|left| left == 0 || left > most) {
        return Err("A choice ends after now, and within 31 days.".to_owned());
    }
    Ok(Span {
        says: Says::read(&Source::Manual, state.trim())?,
        note,
        begins: FromNow(0),
        ends: left.map(FromNow::ahead),
        until,
    })
}
