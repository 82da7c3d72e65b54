//! The stored form: one table for each kind of thing, one record for each thing.

use crate::outcomes::Outcomes;
use crate::state::{ClusterState, Counts, Meta};
use crate::{Account, ApiClient, ControlOutcome, PresenceRules, TokenHash};
use muster_types::{
    BareJid, GroupId, LoadError, LogIndex, NodeId, Origin, SlotId, Write, decode_value,
    encode_value,
};
use serde::Serialize;
use std::sync::Arc;

/// Version of every value's encoding.
const VERSION: u8 = 1;

/// First byte of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Table {
    Meta = 1,
    Settings = 2,
    Node = 3,
    Group = 4,
    Slot = 5,
    Domain = 6,
    Account = 7,
    Token = 8,
    Healthy = 9,
    Outcome = 10,
    Removal = 11,
    PresenceRules = 12,
    Policies = 13,
    ApiClient = 14,
}

impl Table {
    const ALL: [Self; 14] = [
        Self::Meta,
        Self::Settings,
        Self::Node,
        Self::Group,
        Self::Slot,
        Self::Domain,
        Self::Account,
        Self::Token,
        Self::Healthy,
        Self::Outcome,
        Self::Removal,
        Self::PresenceRules,
        Self::Policies,
        Self::ApiClient,
    ];

    fn key(self, rest: &[u8]) -> Vec<u8> {
        let mut key = Vec::with_capacity(1 + rest.len());
        key.push(self as u8);
        key.extend_from_slice(rest);
        key
    }

    /// The write that stores `value` under `key`.
    pub(crate) fn put<T: Serialize>(self, key: &[u8], value: &T) -> Write {
        Write {
            key: self.key(key),
            value: Some(encode_value(VERSION, value)),
        }
    }

    /// The write that removes `key`.
    pub(crate) fn remove(self, key: &[u8]) -> Write {
        Write {
            key: self.key(key),
            value: None,
        }
    }
}

/// The key of an answer.
pub(crate) fn outcome_key(at: LogIndex) -> [u8; 8] {
    at.0.to_be_bytes()
}

/// All records of the state in key order.
pub(crate) fn records(state: &ClusterState) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut out = Vec::with_capacity(state.accounts.len() + 64);
    let mut put = |write: Write| {
        if let Some(value) = write.value {
            out.push((write.key, value));
        }
    };
    if state.cluster().is_some() {
        put(Table::Meta.put(&[], &state.meta));
        put(Table::Settings.put(&[], &state.settings));
    }
    if let Some(text) = state.presence_rules.text() {
        put(Table::PresenceRules.put(&[], &text));
    }
    state
        .nodes
        .iter()
        .for_each(|(id, node)| put(Table::Node.put(&id.0.to_be_bytes(), node)));
    state
        .groups
        .iter()
        .for_each(|(id, group)| put(Table::Group.put(&id.0.to_be_bytes(), group)));
    state
        .slots
        .iter()
        .for_each(|(id, slot)| put(Table::Slot.put(&id.0.to_be_bytes(), slot)));
    state
        .domains
        .iter()
        .for_each(|(name, domain)| put(Table::Domain.put(name.as_bytes(), domain)));
    for (jid, account) in &state.accounts {
        put(Table::Account.put(jid.as_str().as_bytes(), account));
    }
    state
        .tokens
        .iter()
        .for_each(|(hash, token)| put(Table::Token.put(&hash.0, token)));
    state
        .healthy
        .iter()
        .for_each(|(id, time)| put(Table::Healthy.put(&id.0.to_be_bytes(), time)));
    for (at, origin, outcome) in state.outcomes.iter() {
        put(Table::Outcome.put(&outcome_key(at), &(origin, outcome)));
    }
    for (jid, policies) in &state.policies {
        put(Table::Policies.put(jid.as_str().as_bytes(), policies));
    }
    for (name, client) in &state.api_clients {
        put(Table::ApiClient.put(name.as_bytes(), client));
    }
    for (jid, left) in &state.removals {
        put(Table::Removal.put(jid.as_str().as_bytes(), left));
    }
    // Addresses are ordered by their parts, keys by their bytes.
    out.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    out
}

/// Builds the state from its records.
pub(crate) fn load(
    records: &mut dyn Iterator<Item = (Vec<u8>, Vec<u8>)>,
) -> Result<ClusterState, LoadError> {
    let mut state = ClusterState::default();
    for (key, value) in records {
        let (first, rest) = key
            .split_first()
            .ok_or(LoadError::UnknownTable { table: 0 })?;
        let table = Table::ALL.into_iter().find(|table| *table as u8 == *first);
        let table = table.ok_or(LoadError::UnknownTable { table: *first })?;
        load_one(&mut state, table, rest, &value)?;
    }
    state.counts = count(&state);
    let disabled = state
        .accounts
        .iter()
        .filter(|(_, account)| account.disabled);
    state.disabled = disabled.map(|(jid, _)| jid.clone()).collect();
    Ok(state)
}

fn load_one(
    state: &mut ClusterState,
    table: Table,
    key: &[u8],
    value: &[u8],
) -> Result<(), LoadError> {
    let damaged = LoadError::Damaged { table: table as u8 };
    let id = || {
        key.try_into()
            .map(u16::from_be_bytes)
            .map_err(|_| damaged.clone())
    };
    let text = || std::str::from_utf8(key).map_err(|_| damaged.clone());
    match table {
        Table::Meta => state.meta = decode::<Meta>(table, value)?,
        Table::Settings => state.settings = decode(table, value)?,
        Table::PresenceRules => {
            state.presence_rules = PresenceRules::of(Some(decode(table, value)?));
        }
        Table::Node => drop(state.nodes.insert(NodeId(id()?), decode(table, value)?)),
        Table::Group => drop(state.groups.insert(GroupId(id()?), decode(table, value)?)),
        Table::Slot => drop(state.slots.insert(SlotId(id()?), decode(table, value)?)),
        Table::Domain => drop(
            state
                .domains
                .insert(text()?.to_owned(), decode(table, value)?),
        ),
        Table::Account => {
            let jid = BareJid::new(text()?).map_err(|_| damaged)?;
            state
                .accounts
                .insert(jid, Arc::new(decode::<Account>(table, value)?));
        }
        Table::Removal => {
            let jid = BareJid::new(text()?).map_err(|_| damaged)?;
            state.removals.insert(jid, decode(table, value)?);
        }
        Table::Policies => {
            let jid = BareJid::new(text()?).map_err(|_| damaged)?;
            state.policies.insert(jid, decode(table, value)?);
        }
        Table::ApiClient => {
            let client: ApiClient = decode(table, value)?;
            let name = text()?.to_owned();
            state.api_client_names.insert(client.hash, name.clone());
            state.api_clients.insert(name, client);
        }
        Table::Token => {
            let hash = TokenHash(key.try_into().map_err(|_| damaged)?);
            state.tokens.insert(hash, decode(table, value)?);
        }
        Table::Healthy => drop(state.healthy.insert(NodeId(id()?), decode(table, value)?)),
        Table::Outcome => {
            let at = key
                .try_into()
                .map(u64::from_be_bytes)
                .map_err(|_| damaged)?;
            let (origin, outcome) = decode::<(Origin, ControlOutcome)>(table, value)?;
            keep(&mut state.outcomes, LogIndex(at), origin, outcome);
        }
    }
    Ok(())
}

/// Never drops one: no more were stored than are kept.
fn keep(outcomes: &mut Outcomes, at: LogIndex, origin: Origin, outcome: ControlOutcome) {
    outcomes.keep(at, origin, outcome);
}

fn decode<T: serde::de::DeserializeOwned>(table: Table, value: &[u8]) -> Result<T, LoadError> {
    decode_value(table as u8, VERSION, value)
}

fn count(state: &ClusterState) -> Counts {
    let mut counts = Counts::default();
    for (jid, account) in &state.accounts {
        counts.add(jid, account.slot);
    }
    counts
}

impl Counts {
    /// One account more.
    pub(crate) fn add(&mut self, jid: &BareJid, slot: SlotId) {
        *self.by_slot.entry(slot).or_default() += 1;
        *self
            .by_domain
            .entry(jid.domain().as_str().to_owned())
            .or_default() += 1;
    }

    /// One account less. Entries that reach zero go, so that equal states compare equal.
    pub(crate) fn subtract(&mut self, jid: &BareJid, slot: SlotId) {
        let domain = jid.domain().as_str();
        match self.by_slot.get(&slot).copied() {
            Some(n) if n > 1 => drop(self.by_slot.insert(slot, n - 1)),
            Some(_) | None => drop(self.by_slot.remove(&slot)),
        }
        match self.by_domain.get(domain).copied() {
            Some(n) if n > 1 => drop(self.by_domain.insert(domain.to_owned(), n - 1)),
            Some(_) | None => drop(self.by_domain.remove(domain)),
        }
    }
}
