//! The stored form of a slot: all its records, and the way back.

use crate::effects::VALUE_VERSION;
use crate::key::{self, Reader};
use crate::user::UserData;
use crate::{SlotState, origins::Outcome};
use muster_roster::Whom;
use muster_types::{
    BareJid, Boot, Epoch, Jid, Limits, LoadError, LogIndex, NodeId, Origin, SlotId, decode_value,
    encode_value,
};
use serde::{Serialize, de::DeserializeOwned};

type Record = (Vec<u8>, Vec<u8>);

/// All records in key order.
pub(crate) fn records(state: &SlotState) -> Vec<Record> {
    let mut out = Vec::new();
    if let Some((node, boot)) = state.owner {
        put(&mut out, vec![key::OWNER], &(state.epoch, node, boot));
    }
    for (user, data) in &state.users {
        user_records(&mut out, user, data);
    }
    for (to, outbox) in &state.outboxes.slots {
        put(&mut out, key::of_slot(key::OUTBOX_LAST, *to), &outbox.last);
        for (number, item) in &outbox.items {
            put(&mut out, key::outbox_item(*to, *number), item);
        }
    }
    for (from, number) in &state.received {
        put(&mut out, key::of_slot(key::RECEIVED, *from), number);
    }
    if state.outboxes.lineage != 0 {
        put(&mut out, vec![key::LINEAGE], &state.outboxes.lineage);
    }
    for from in &state.met {
        put(&mut out, key::of_slot(key::MET, *from), &());
    }
    if state.removed != LogIndex::default() {
        put(&mut out, vec![key::REMOVED], &state.removed);
    }
    for (origin, outcome) in state.origins.iter() {
        put(&mut out, key::origin(origin), outcome);
    }
    out.sort_unstable();
    out
}

fn user_records(out: &mut Vec<Record>, user: &BareJid, data: &UserData) {
    let UserData {
        roster,
        access,
        vcard,
        private,
        pep,
        offline,
    } = data;
    if roster.version() != 0 {
        put(
            out,
            key::of_user(key::ROSTER_VERSION, user, &[]),
            &roster.version(),
        );
    }
    for item in roster.items() {
        put(
            out,
            key::of_contact(key::ROSTER_ITEM, user, &item.contact),
            item,
        );
    }
    for (contact, stanza) in roster.requests() {
        put(out, key::of_contact(key::REQUEST, user, contact), stanza);
    }
    for (whom, access) in access.rules() {
        put(out, key::access(user, whom), &access);
    }
    if let Some(vcard) = vcard {
        put(out, key::of_user(key::VCARD, user, &[]), vcard);
    }
    for ((namespace, name), element) in private {
        put(out, key::private(user, namespace, name), element);
    }
    for (name, node) in pep {
        put(out, key::pep(user, name), node);
    }
    for (number, message) in offline {
        put(out, key::offline(user, *number), message);
    }
}

fn put<T: Serialize>(out: &mut Vec<Record>, key: Vec<u8>, value: &T) {
    out.push((key, encode_value(VALUE_VERSION, value)));
}

/// Builds the state from its records; the limits are the shipped ones.
pub(crate) fn load(records: &mut dyn Iterator<Item = Record>) -> Result<SlotState, LoadError> {
    let mut state = SlotState::new(Limits::default());
    for (key, value) in records {
        restore(&mut state, &key, &value)?;
    }
    Ok(state)
}

fn restore(state: &mut SlotState, key: &[u8], value: &[u8]) -> Result<(), LoadError> {
    let (&table, rest) = key.split_first().ok_or(LoadError::Damaged { table: 0 })?;
    let damaged = LoadError::Damaged { table };
    let mut rest = Reader(rest);
    match table {
        key::OWNER => {
            let (epoch, node, boot): (Epoch, NodeId, Boot) = decode(table, value)?;
            (state.epoch, state.owner) = (epoch, Some((node, boot)));
            rest.end().ok_or(damaged)
        }
        key::ROSTER_VERSION..=key::OFFLINE | key::ACCESS | key::PEP => {
            let user = rest
                .terminated()
                .and_then(|user| BareJid::new(user).ok())
                .ok_or(damaged)?;
            restore_of_user(state.users.entry(user).or_default(), table, rest, value)
        }
        key::OUTBOX_LAST | key::OUTBOX_ITEM | key::RECEIVED | key::MET => {
            let slot = rest
                .bytes()
                .map(u16::from_be_bytes)
                .map(SlotId)
                .ok_or(damaged)?;
            restore_of_slot(state, table, slot, rest, value)
        }
        key::REMOVED => {
            state.removed = decode(table, value)?;
            rest.end().ok_or(damaged)
        }
        key::LINEAGE => {
            state.outboxes.lineage = decode(table, value)?;
            rest.end().ok_or(damaged)
        }
        key::ORIGIN => {
            let origin = read_origin(rest).ok_or(damaged)?;
            state
                .origins
                .restore(origin, decode::<Outcome>(table, value)?);
            Ok(())
        }
        table => Err(LoadError::UnknownTable { table }),
    }
}

fn restore_of_user(
    data: &mut UserData,
    table: u8,
    mut rest: Reader<'_>,
    value: &[u8],
) -> Result<(), LoadError> {
    let damaged = LoadError::Damaged { table };
    match table {
        key::ROSTER_ITEM => data.roster.restore_item(decode(table, value)?),
        key::REQUEST => {
            let contact = rest.text().and_then(|contact| BareJid::new(contact).ok());
            data.roster
                .restore_request(contact.ok_or(damaged)?, decode(table, value)?);
        }
        key::PRIVATE => {
            let namespace = rest.terminated().ok_or_else(|| damaged.clone())?.to_owned();
            let name = rest.text().ok_or(damaged)?.to_owned();
            data.private
                .insert((namespace, name), decode(table, value)?);
        }
        key::OFFLINE => {
            let number = rest
                .bytes()
                .map(u64::from_be_bytes)
                .ok_or_else(|| damaged.clone())?;
            rest.end().ok_or(damaged)?;
            data.offline.insert(number, decode(table, value)?);
        }
        key::ACCESS => {
            let whom = rest.text().and_then(|whom| match whom {
                "" => Some(Whom::Everybody),
                jid => Jid::new(jid).ok().map(Whom::Jid),
            });
            data.access
                .set(whom.ok_or(damaged)?, Some(decode(table, value)?));
        }
        key::PEP => {
            let name = rest.text().ok_or(damaged)?.to_owned();
            data.pep.insert(name, decode(table, value)?);
        }
        key::VCARD => data.vcard = Some(decode(table, value)?),
        key::ROSTER_VERSION => data.roster.restore_version(decode(table, value)?),
        table => return Err(LoadError::UnknownTable { table }),
    }
    Ok(())
}

fn restore_of_slot(
    state: &mut SlotState,
    table: u8,
    slot: SlotId,
    mut rest: Reader<'_>,
    value: &[u8],
) -> Result<(), LoadError> {
    match table {
        key::OUTBOX_ITEM => {
            let number = rest.bytes().map(u64::from_be_bytes);
            let number = number.ok_or(LoadError::Damaged { table })?;
            let outbox = state.outboxes.slots.entry(slot).or_default();
            outbox.items.insert(number, decode(table, value)?);
        }
        key::OUTBOX_LAST => {
            state.outboxes.slots.entry(slot).or_default().last = decode(table, value)?
        }
        key::RECEIVED => {
            state.received.insert(slot, decode(table, value)?);
        }
        key::MET => {
            let () = decode(table, value)?;
            state.met.insert(slot);
        }
        table => return Err(LoadError::UnknownTable { table }),
    }
    rest.end().ok_or(LoadError::Damaged { table })
}

fn read_origin(mut rest: Reader<'_>) -> Option<Origin> {
    let node = NodeId(u16::from_be_bytes(rest.bytes()?));
    let boot = Boot(u64::from_be_bytes(rest.bytes()?));
    let serial = u64::from_be_bytes(rest.bytes()?);
    rest.end()?;
    Some(Origin { node, boot, serial })
}

fn decode<T: DeserializeOwned>(table: u8, value: &[u8]) -> Result<T, LoadError> {
    decode_value(table, VALUE_VERSION, value)
}
