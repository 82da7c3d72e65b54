//! What a request of XEP-0060 asks of a personal eventing service, as far as XEP-0163 needs it.

use crate::iq::Query;
use muster_slot::{AccessModel, PepEdit};
use muster_stanza::{ElementRef, ErrorDetail, ErrorType, StanzaCondition, StanzaError, ns};
use muster_types::Limits;

/// The id of an item without one: a node holds one item (XEP-0163 §3).
pub(crate) const CURRENT: &str = "current";

/// A request about one node.
#[derive(Debug, PartialEq)]
pub(crate) struct Request {
    pub(crate) node: String,
    pub(crate) asks: Asks,
}

/// What it asks.
#[derive(Debug, PartialEq)]
pub(crate) enum Asks {
    /// The item, if it has one of these ids (XEP-0060 §6.5); any, if none is named.
    Items { ids: Vec<String> },
    /// How the node is configured (§8.2).
    Configuration,
    /// A change that the user commits.
    Edit(PepEdit),
    /// Nothing: a form was given up.
    Nothing,
}

/// What is fixed for every node (§16.4.4), and what a form may say of it.
pub(crate) const FIXED: [(&str, &[&str]); 7] = [
    ("pubsub#persist_items", &["1", "true"]),
    ("pubsub#max_items", &["1"]),
    ("pubsub#send_last_published_item", &["on_sub_and_presence"]),
    ("pubsub#deliver_notifications", &["1", "true"]),
    ("pubsub#deliver_payloads", &["1", "true"]),
    ("pubsub#notify_retract", &["1", "true"]),
    ("pubsub#notify_delete", &["1", "true"]),
];
/// The one field that is a user's to set.
pub(crate) const ACCESS_MODEL: &str = "pubsub#access_model";

/// What is served of what XEP-0060 knows and XEP-0163 does not need, by the names of its features: nothing.
const UNSUPPORTED: [(&str, &str); 8] = [
    ("subscribe", "subscribe"),
    ("unsubscribe", "subscribe"),
    ("options", "subscription-options"),
    ("subscriptions", "retrieve-subscriptions"),
    ("affiliations", "retrieve-affiliations"),
    ("create", "create-nodes"),
    ("default", "retrieve-default"),
    ("purge", "purge-nodes"),
];

/// Reads a request.
pub(crate) fn read(
    query: &Query<'_>,
    pubsub: &ElementRef<'_>,
    limits: &Limits,
) -> Result<Request, StanzaError> {
    let verb = pubsub.children().next().ok_or_else(bad_request)?;
    let is_owner = pubsub.namespace() == ns::PUBSUB_OWNER;
    if verb.namespace() != pubsub.namespace() {
        return Err(bad_request());
    }
    let asks = match (is_owner, query.set, verb.name()) {
        (false, true, "publish") => publish(pubsub, &verb, limits),
        (false, true, "retract") => retract(&verb),
        (false, false, "items") => items(&verb),
        (true, true, "delete") => Ok(Asks::Edit(PepEdit::Delete)),
        (true, true, "configure") => configure(&verb),
        (true, false, "configure") => Ok(Asks::Configuration),
        (_, _, name) => Err(unsupported(name)),
    }?;
    let node = verb.attr("node").filter(|node| !node.is_empty());
    let node = node.ok_or_else(|| bad_request().with_detail(ErrorDetail::NodeIdRequired))?;
    check_name(&node, limits)?;
    let node = node.into_owned();
    Ok(Request { node, asks })
}

fn bad_request() -> StanzaError {
    StanzaError::new(StanzaCondition::BadRequest)
}

fn unsupported(verb: &str) -> StanzaError {
    let known = UNSUPPORTED.iter().find(|(name, _)| *name == verb);
    match known {
        Some((_, feature)) => StanzaError::new(StanzaCondition::FeatureNotImplemented)
            .with_detail(ErrorDetail::Unsupported(feature))
            .with_text("Who may read a node is notified by presence and capabilities (XEP-0163)."),
        None => bad_request(),
    }
}

fn check_name(name: &str, limits: &Limits) -> Result<(), StanzaError> {
    let most = limits.pep_name_bytes;
    if name.len() <= most {
        return Ok(());
    }
    let text = format!("A node's name and an item's id have {most} bytes at most.");
    Err(StanzaError::new(StanzaCondition::NotAcceptable).with_text(text))
}

/// XEP-0060 §7.1. One item: a node keeps no more.
fn publish(
    pubsub: &ElementRef<'_>,
    verb: &ElementRef<'_>,
    limits: &Limits,
) -> Result<Asks, StanzaError> {
    let mut all = verb.children().filter(|item| item.is("item", ns::PUBSUB));
    let Some(item) = all.next() else {
        return Err(bad_request().with_detail(ErrorDetail::ItemRequired));
    };
    if all.next().is_some() {
        return Err(bad_request().with_text("A node holds one item; publish one."));
    }
    let mut payloads = item.children();
    let (Some(payload), None) = (payloads.next(), payloads.next()) else {
        let error = bad_request().with_detail(ErrorDetail::InvalidPayload);
        return Err(error.with_text("An item has one element in it."));
    };
    let payload = payload.raw_standalone();
    let most = limits.pep_item_bytes;
    if payload.len() > most {
        let text = format!(
            "The item has {} bytes, and no more than {most} are taken.",
            payload.len()
        );
        let error = StanzaError::new(StanzaCondition::NotAcceptable).with_text(text);
        return Err(error.with_detail(ErrorDetail::PayloadTooBig));
    }
    let id = item.attr("id").filter(|id| !id.is_empty());
    let id = id.map_or_else(|| CURRENT.to_owned(), std::borrow::Cow::into_owned);
    check_name(&id, limits)?;
    let options = pubsub.child("publish-options", ns::PUBSUB);
    let form = options.and_then(|options| options.child("x", ns::DATA));
    let access = match form {
        Some(form) => read_form(&form).map_err(|why| precondition_not_met(&why))?,
        None => None,
    };
    Ok(Asks::Edit(PepEdit::Publish {
        id,
        payload,
        access,
    }))
}

/// XEP-0060 §7.1.5.
pub(crate) fn precondition_not_met(why: &str) -> StanzaError {
    StanzaError::new(StanzaCondition::Conflict)
        .with_detail(ErrorDetail::PreconditionNotMet)
        .with_text(why)
}

/// XEP-0060 §7.2. Whoever has a node hears of it, whether the request asks for that or not.
fn retract(verb: &ElementRef<'_>) -> Result<Asks, StanzaError> {
    let mut ids = item_ids(verb);
    match (ids.pop(), ids.is_empty()) {
        (Some(id), true) if !id.is_empty() => Ok(Asks::Edit(PepEdit::Retract { id })),
        _ => Err(bad_request().with_detail(ErrorDetail::ItemRequired)),
    }
}

fn items(verb: &ElementRef<'_>) -> Result<Asks, StanzaError> {
    let ids = item_ids(verb);
    Ok(Asks::Items { ids })
}

fn item_ids(verb: &ElementRef<'_>) -> Vec<String> {
    let items = verb.children().filter(|item| item.is("item", ns::PUBSUB));
    let id = |item: ElementRef<'_>| item.attr("id").unwrap_or_default().into_owned();
    items.map(id).collect()
}

/// XEP-0060 §8.2.
fn configure(verb: &ElementRef<'_>) -> Result<Asks, StanzaError> {
    let form = verb.child("x", ns::DATA).ok_or_else(bad_request)?;
    if form.attr("type").as_deref() == Some("cancel") {
        return Ok(Asks::Nothing);
    }
    let access = read_form(&form).map_err(|why| {
        let error = StanzaError::new(StanzaCondition::NotAcceptable);
        error.with_type(ErrorType::Modify).with_text(why)
    })?;
    Ok(access.map_or(Asks::Nothing, |access| {
        Asks::Edit(PepEdit::Configure { access })
    }))
}

/// What a form sets; the words for people when it asks for what no node has.
fn read_form(form: &ElementRef<'_>) -> Result<Option<AccessModel>, String> {
    let mut access = None;
    for field in form.children().filter(|field| field.is("field", ns::DATA)) {
        let var = field.attr("var").unwrap_or_default();
        let value = field.child("value", ns::DATA).map(|value| value.text());
        let value = value.unwrap_or_default();
        let fixed = FIXED.iter().find(|(name, _)| *name == &*var);
        match (&*var, fixed) {
            ("FORM_TYPE", _) => (),
            (ACCESS_MODEL, _) => {
                let model = AccessModel::named(&value);
                access = Some(model.ok_or_else(|| {
                    format!("{var} is presence, whitelist (the user alone) or open.")
                })?);
            }
            (_, Some((_, values))) if values.contains(&value.as_str()) => (),
            (_, Some((_, values))) => return Err(format!("{var} is {} here.", values[0])),
            (_, None) => return Err(format!("{var} is nothing that can be set here.")),
        }
    }
    Ok(access)
}
