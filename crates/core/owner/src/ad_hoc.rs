//! XEP-0050: Ad-Hoc Commands. The command of the user's own account by which the user chooses to be shown as
//! something else, and the list of all its commands.

use crate::cx::Cx;
use crate::iq::Query;
use crate::serving::{Progress, Serving};
use muster_presence::rules::{Rules, State};
use muster_presence::source::{FromNow, NOTE_BYTES_MAX, Report, Says, Source, Span};
use muster_stanza::ErrorDetail::BadPayload;
use muster_stanza::{ElementRef, StanzaCondition, Writer, ns};
use muster_types::Timestamp;
use muster_xep::command::{self, Step, field, option};
use muster_xep::temporary;

/// The command.
const CHOOSE: &str = "urn:muster:presence:choose";
const NAME: &str = "Choose how you are shown";
/// All commands of an account: node and name. The session's node answers the second one itself.
const COMMANDS: [(&str, &str); 2] = [(CHOOSE, NAME), (temporary::NODE, temporary::NAME)];
/// What the form offers beside the states: no choice.
const NONE: &str = "none";
/// For how long a choice may hold: the value, minutes, and the words.
const TIMES: [(&str, u64, &str); 6] = [
    ("", 0, "until I change it"),
    ("30", 30, "30 minutes"),
    ("60", 60, "1 hour"),
    ("240", 240, "4 hours"),
    ("1440", 1_440, "1 day"),
    ("10080", 10_080, "1 week"),
];

/// What a client filled in.
struct Choice {
    state: String,
    note: String,
    minutes: u64,
}

impl Serving {
    /// A step of a command (§2).
    pub(crate) fn command(
        &mut self,
        cx: &mut Cx<'_>,
        query: &Query<'_>,
        command: &ElementRef<'_>,
    ) -> Progress {
        if !query.own {
            return query.refuse(cx, StanzaCondition::Forbidden);
        }
        if !query.set {
            return query.refuse(cx, StanzaCondition::BadRequest);
        }
        if command.attr("node").as_deref() != Some(CHOOSE) {
            return query.refuse(cx, StanzaCondition::ItemNotFound);
        }
        let rules = cx.world.rules();
        let content = match command::step(command) {
            Ok(Step::Cancel) => command::canceled(CHOOSE),
            Ok(Step::Offer) => offer(&rules),
            Ok(Step::Submit(form)) => match self.choose(cx, query, &rules, &form) {
                Ok(()) => command::completed(CHOOSE, "It is so from now on."),
                Err(why) => return query.fail(cx, &command::refusal(BadPayload, &why)),
            },
            Err(error) => return query.fail(cx, &error),
        };
        query.reply(cx, &query.iq.result_with(content))
    }

    fn choose(
        &mut self,
        cx: &mut Cx<'_>,
        query: &Query<'_>,
        rules: &Rules,
        form: &ElementRef<'_>,
    ) -> Result<(), String> {
        let Choice {
            state,
            note,
            minutes,
        } = read(form)?;
        let source = Source::Manual;
        let mut report = Report {
            source: source.clone(),
            spans: Vec::new(),
        };
        if state != NONE {
            let known = |one: &&State| one.name.as_str() == state;
            if rules.states().iter().find(known).is_none() {
                return Err(format!("There is no state {state:?}."));
            }
            let lasts = (minutes > 0).then_some(minutes * 60_000);
            report.spans.push(Span {
                says: Says::read(&source, &state)?,
                note: Some(note).filter(|note| !note.is_empty()),
                begins: FromNow(0),
                ends: lasts.map(FromNow::ahead),
                until: lasts.map(|lasts| Timestamp(cx.world.wall.0 + lasts)),
            });
        }
        self.take_report(cx, &query.user, &report)
            .map_err(|why| why.to_string())
    }
}

/// What service discovery says of commands (§3.1, §3.2); `None` when it is asked about something else.
pub(crate) fn described(query: &Query<'_>, payload: &ElementRef<'_>) -> Option<Vec<u8>> {
    let node = payload.attr("node").filter(|_| query.own && !query.set)?;
    let mut out = Writer::new();
    match (payload.namespace(), &*node) {
        (ns::DISCO_ITEMS, ns::COMMANDS) => {
            out.start("query").attr("xmlns", ns::DISCO_ITEMS);
            out.attr("node", &node);
            for (node, name) in COMMANDS {
                out.start("item").attr("jid", query.user.as_str());
                out.attr("node", node).attr("name", name).end();
            }
        }
        (ns::DISCO_INFO, node) => {
            let command = COMMANDS.iter().find(|(command, _)| *command == node);
            let (kind, name) = match command {
                Some((_, name)) => ("command-node", *name),
                None if node == ns::COMMANDS => ("command-list", "Commands"),
                None => return None,
            };
            out.start("query").attr("xmlns", ns::DISCO_INFO);
            out.attr("node", node).start("identity");
            out.attr("category", "automation").attr("type", kind);
            out.attr("name", name).end();
            for feature in [ns::COMMANDS, ns::DATA] {
                out.start("feature").attr("var", feature).end();
            }
        }
        _ => return None,
    }
    Some(out.end().finish())
}

/// The form (XEP-0004).
fn offer(rules: &Rules) -> Vec<u8> {
    command::offer(CHOOSE, NAME, |out| {
        field(out, "state", "list-single", "You are", NONE);
        option(out, NONE, "As your devices, phones and calendars say");
        for state in rules.states() {
            let name = state.name.as_str();
            option(out, name, state.status.as_deref().unwrap_or(name));
        }
        out.end();
        field(out, "note", "text-single", "What others read", "");
        out.end();
        field(out, "minutes", "list-single", "For how long", "");
        for (value, _, label) in TIMES {
            option(out, value, label);
        }
        out.end();
    })
}

fn read(form: &ElementRef<'_>) -> Result<Choice, String> {
    let value = |name: &str| command::value(form, name);
    let state = value("state").ok_or("The form has no field \"state\".")?;
    let note = value("note").unwrap_or_default();
    if note.len() > NOTE_BYTES_MAX || note.contains(char::is_control) {
        return Err(format!(
            "What others read is one line of {NOTE_BYTES_MAX} bytes at most."
        ));
    }
    let time = value("minutes").unwrap_or_default();
    let known = TIMES.iter().find(|(value, ..)| *value == time);
    let (_, minutes, _) = known.ok_or_else(|| format!("{time:?} minutes are not offered."))?;
    Ok(Choice {
        state,
        note,
        minutes: *minutes,
    })
}
