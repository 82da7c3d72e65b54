//! Reads a table and checks it.

use super::{
    Facts, Group, RULES_BYTES_MAX, RULES_MAX, Rule, Rules, RulesError, STATES_MAX, Show, State,
};
use crate::source::{NOTE_BYTES_MAX, Name};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What the winning source says.
const SAID: &str = "said";
const DAY: u64 = 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Table {
    #[serde(default)]
    calendar_spread: u64,
    #[serde(default)]
    idle_after: u64,
    #[serde(default)]
    long_idle_after: u64,
    #[serde(default)]
    state: Vec<StateRow>,
    #[serde(default)]
    rule: Vec<RuleRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StateRow {
    name: String,
    like: Option<String>,
    show: Option<String>,
    status: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleRow {
    name: String,
    #[serde(default)]
    when: Vec<String>,
    #[serde(default)]
    unless: Vec<String>,
    state: String,
}

pub(super) fn read(text: &str) -> Result<Rules, RulesError> {
    if text.len() > RULES_BYTES_MAX {
        return Err(RulesError::TooLong(text.len()));
    }
    let table: Table = toml::from_str(text)
        .map_err(|e| RulesError::Unreadable(e.to_string().trim().to_owned()))?;
    let (states, rules) = (table.state.len(), table.rule.len());
    if !(1..=STATES_MAX).contains(&states) || !(1..=RULES_MAX).contains(&rules) {
        return Err(RulesError::HowMany(states, rules));
    }
    for (name, seconds, most) in [
        ("calendar-spread", table.calendar_spread, 59),
        ("idle-after", table.idle_after, DAY),
        ("long-idle-after", table.long_idle_after, DAY),
    ] {
        if seconds > most {
            let name = name.to_owned();
            return Err(RulesError::Seconds {
                name,
                seconds,
                most,
            });
        }
    }
    let (states, by_name) = read_states(&table.state)?;
    let rules = table.rule.iter().map(|row| read_rule(row, &by_name));
    let rules: Vec<Rule> = rules.collect::<Result<_, _>>()?;
    check_default(&table.rule)?;
    Ok(Rules {
        states,
        by_name,
        rules,
        calendar_spread: Duration::from_secs(table.calendar_spread),
        idle_after: Duration::from_secs(table.idle_after),
        long_idle_after: Duration::from_secs(table.long_idle_after),
    })
}

fn read_states(rows: &[StateRow]) -> Result<(Vec<State>, BTreeMap<Name, usize>), RulesError> {
    let mut by_name = BTreeMap::new();
    for (id, row) in rows.iter().enumerate() {
        if [SAID, "any"].contains(&row.name.as_str()) {
            return Err(RulesError::Reserved(row.name.clone()));
        }
        let name: Name = row.name.parse().map_err(RulesError::Name)?;
        if by_name.insert(name, id).is_some() {
            return Err(RulesError::Doubled(row.name.clone()));
        }
    }
    let states = rows.iter().map(|row| read_state(row, rows));
    Ok((states.collect::<Result<_, _>>()?, by_name))
}

/// A state with what it takes from the states it is like.
fn read_state(row: &StateRow, rows: &[StateRow]) -> Result<State, RulesError> {
    let mut chain = vec![row];
    while let Some(last) = chain.last()
        && let Some(like) = &last.like
    {
        if chain.iter().any(|seen| seen.name == *like) {
            let mut names: Vec<_> = chain.iter().map(|row| row.name.as_str()).collect();
            names.push(like);
            return Err(RulesError::Loop(names.join(" -> ")));
        }
        let next = rows.iter().find(|row| row.name == *like);
        chain.push(next.ok_or_else(|| RulesError::UnknownLike {
            state: last.name.clone(),
            like: like.clone(),
        })?);
    }
    let show = chain.iter().find_map(|row| row.show.as_deref());
    let show = show.ok_or_else(|| RulesError::NoShow(row.name.clone()))?;
    let status = chain.iter().find_map(|row| row.status.clone());
    let is_line = |text: &String| text.len() <= NOTE_BYTES_MAX && !text.contains(char::is_control);
    if !status.iter().all(is_line) {
        return Err(RulesError::Status(row.name.clone()));
    }
    let known = Show::ALL.iter().find(|known| known.label() == show);
    let name = |row: &&StateRow| row.name.parse().map_err(RulesError::Name);
    Ok(State {
        name: name(&row)?,
        show: *known.ok_or_else(|| RulesError::Show {
            state: row.name.clone(),
            show: show.to_owned(),
        })?,
        status,
        like: chain[1..].iter().map(name).collect::<Result<_, _>>()?,
    })
}

fn read_rule(row: &RuleRow, states: &BTreeMap<Name, usize>) -> Result<Rule, RulesError> {
    let id = |name: &Name| states.get(name).copied();
    let (mut when, mut unless) = (Facts::default(), Facts::default());
    let mut group = None;
    for condition in &row.when {
        let asked = when.ask(&row.name, condition, id)?;
        group.get_or_insert(asked);
    }
    for condition in &row.unless {
        unless.ask(&row.name, condition, id)?;
    }
    let group = group.unwrap_or(Group::Devices);
    let state = if row.state == SAID {
        if !matches!(group, Group::Manual | Group::App) {
            return Err(RulesError::NothingSaid(row.name.clone()));
        }
        None
    } else {
        let name = row.state.parse::<Name>().ok();
        let known = name.and_then(|name| id(&name));
        Some(known.ok_or_else(|| RulesError::UnknownState {
            rule: row.name.clone(),
            state: row.state.clone(),
        })?)
    };
    Ok(Rule {
        name: row.name.clone(),
        when,
        unless,
        state,
        group,
    })
}

fn check_default(rows: &[RuleRow]) -> Result<(), RulesError> {
    let is_default = |row: &&RuleRow| row.when.is_empty() && row.unless.is_empty();
    let Some((last, before)) = rows.split_last() else {
        return Ok(());
    };
    if !is_default(&last) {
        return Err(RulesError::NoDefault(last.name.clone()));
    }
    match before.iter().find(is_default) {
        Some(row) => Err(RulesError::Unreachable(row.name.clone())),
        None => Ok(()),
    }
}
