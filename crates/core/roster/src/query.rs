//! Rosters as XML: `<query xmlns='jabber:iq:roster'/>` read and written (RFC 6121 §2).

use crate::{Roster, RosterEdit, RosterItem};
use muster_stanza::{ElementRef, StanzaCondition, escape_attr, escape_text, ns};
use muster_types::{BareJid, Limits};

/// What a roster set asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RosterSet {
    /// Add the contact, or change its name and groups (RFC 6121 §2.3, §2.4).
    Edit(RosterEdit),
    /// Remove the contact (RFC 6121 §2.5).
    Remove(BareJid),
}

/// What is wrong with a roster set (RFC 6121 §2.3.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RosterSetError {
    /// The element is not `{jabber:iq:roster}query`.
    #[error("not a roster query")]
    NotAQuery,
    /// There is not exactly one item.
    #[error("a roster set holds exactly one item")]
    NotOneItem,
    /// The item has no `jid`.
    #[error("the item has no jid")]
    NoJid,
    /// The `jid` is none, or has a resource.
    #[error("the jid of the item is not a bare JID")]
    BadJid,
    /// A group is named twice.
    #[error("a group is named twice")]
    DuplicateGroup,
    /// A group has no name.
    #[error("a group has no name")]
    EmptyGroup,
    /// The name is longer than `Limits::roster_name_bytes`.
    #[error("the name is too long")]
    LongName,
    /// The name of a group is longer than `Limits::roster_name_bytes`.
    #[error("the name of a group is too long")]
    LongGroup,
    /// The contact is in more than `Limits::roster_groups` groups.
    #[error("the contact is in too many groups")]
    TooManyGroups,
}

impl RosterSetError {
    /// The stanza error that tells the client.
    pub const fn condition(self) -> StanzaCondition {
        match self {
            Self::NotAQuery | Self::NotOneItem | Self::NoJid | Self::DuplicateGroup => {
                StanzaCondition::BadRequest
            }
            Self::BadJid => StanzaCondition::JidMalformed,
            Self::EmptyGroup | Self::LongName | Self::LongGroup | Self::TooManyGroups => {
                StanzaCondition::NotAcceptable
            }
        }
    }
}

/// Reads the `query` element of a roster set. Any `subscription` but "remove", and `ask`, are
/// ignored (RFC 6121 §2.1.2.2, §2.1.2.5).
///
/// # Errors
/// [`RosterSetError`]: what the client did wrong.
pub fn parse_roster_set(
    query: &ElementRef<'_>,
    limits: &Limits,
) -> Result<RosterSet, RosterSetError> {
    if !query.is("query", ns::ROSTER) {
        return Err(RosterSetError::NotAQuery);
    }
    let mut items = query
        .children()
        .filter(|child| child.is("item", ns::ROSTER));
    let (Some(item), None) = (items.next(), items.next()) else {
        return Err(RosterSetError::NotOneItem);
    };
    let jid = item.attr("jid").ok_or(RosterSetError::NoJid)?;
    let contact = BareJid::new(&jid).map_err(|_| RosterSetError::BadJid)?;
    if item.attr("subscription").as_deref() == Some("remove") {
        return Ok(RosterSet::Remove(contact));
    }
    let name = item
        .attr("name")
        .filter(|name| !name.is_empty())
        .map(|name| name.into_owned());
    if name
        .as_ref()
        .is_some_and(|name| name.len() > limits.roster_name_bytes)
    {
        return Err(RosterSetError::LongName);
    }
    Ok(RosterSet::Edit(RosterEdit {
        contact,
        name,
        groups: parse_groups(&item, limits)?,
    }))
}

fn parse_groups(item: &ElementRef<'_>, limits: &Limits) -> Result<Vec<String>, RosterSetError> {
    let mut groups = Vec::new();
    for group in item
        .children()
        .filter(|child| child.is("group", ns::ROSTER))
    {
        let group = group.text();
        if group.is_empty() {
            return Err(RosterSetError::EmptyGroup);
        }
        if group.len() > limits.roster_name_bytes {
            return Err(RosterSetError::LongGroup);
        }
        if groups.len() == limits.roster_groups {
            return Err(RosterSetError::TooManyGroups);
        }
        groups.push(group);
    }
    groups.sort_unstable();
    if groups.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(RosterSetError::DuplicateGroup);
    }
    Ok(groups)
}

/// The `query` element that answers a roster get: the whole roster, or `None` (an empty result)
/// when `known`, the `ver` of the get, is the current version (RFC 6121 §2.6.3).
pub fn encode_result(roster: &Roster, known: Option<&str>) -> Option<Vec<u8>> {
    if roster.is_known(known) {
        return None;
    }
    let mut out = Vec::with_capacity(128 + 96 * roster.len());
    open_query(&mut out, roster.version());
    for item in roster.items() {
        write_item(&mut out, item);
    }
    out.extend_from_slice(b"</query>");
    Some(out)
}

/// The `query` element of a roster push (RFC 6121 §2.1.6).
pub fn encode_push(item: &RosterItem, version: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    open_query(&mut out, version);
    write_item(&mut out, item);
    out.extend_from_slice(b"</query>");
    out
}

/// The `query` element of the roster push that takes a contact away (RFC 6121 §2.5.2).
pub fn encode_removal(contact: &BareJid, version: u64) -> Vec<u8> {
    let mut out = Vec::with_capacity(160);
    open_query(&mut out, version);
    out.extend_from_slice(b"<item");
    write_attr(&mut out, "jid", contact.as_str());
    out.extend_from_slice(b" subscription='remove'/></query>");
    out
}

fn open_query(out: &mut Vec<u8>, version: u64) {
    out.extend_from_slice(b"<query");
    write_attr(out, "xmlns", ns::ROSTER);
    write_attr(out, "ver", &version.to_string());
    out.push(b'>');
}

fn write_item(out: &mut Vec<u8>, item: &RosterItem) {
    out.extend_from_slice(b"<item");
    write_attr(out, "jid", item.contact.as_str());
    if let Some(name) = &item.name {
        write_attr(out, "name", name);
    }
    write_attr(out, "subscription", item.subscription.wire());
    if item.subscription.ask() {
        write_attr(out, "ask", "subscribe");
    }
    if item.approved {
        write_attr(out, "approved", "true");
    }
    if item.groups.is_empty() {
        out.extend_from_slice(b"/>");
        return;
    }
    out.push(b'>');
    for group in &item.groups {
        out.extend_from_slice(b"<group>");
        escape_text(out, group);
        out.extend_from_slice(b"</group>");
    }
    out.extend_from_slice(b"</item>");
}

fn write_attr(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(b' ');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"='");
    escape_attr(out, value);
    out.push(b'\'');
}
