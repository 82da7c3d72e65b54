//! Accounts, and where new ones are homed.

use super::{Applied, Draft};
use crate::records::Table;
use crate::state::Removal;
use crate::{
    ACCOUNT_ROWS_MAX, ACCOUNTS_MAX, Account, AccountRow, AccountsReport, AssignmentMode,
    ClusterState, ControlEvent, ControlOutcome, Refusal, RowRefusal,
};
use muster_presence::source::{Policies, Policy};
use muster_sasl::Verifiers;
use muster_types::{BareJid, LogIndex, NodeId, SlotId};
use std::sync::Arc;

impl Draft {
    pub(super) fn accounts_put(&mut self, rows: Vec<AccountRow>, update: bool) -> Applied {
        if rows.len() > ACCOUNT_ROWS_MAX {
            let what = "rows in one command".to_owned();
            return Err(Refusal::TooMany {
                what,
                limit: ACCOUNT_ROWS_MAX,
            });
        }
        let mut report = AccountsReport::default();
        for (number, row) in (0..).zip(rows) {
            match self.account_put(row, update) {
                Ok(Put::Added) => report.added += 1,
                Ok(Put::Updated) => report.updated += 1,
                Err(refusal) => report.refused.push((number, refusal)),
            }
        }
        Ok(ControlOutcome::Accounts(report))
    }

    fn account_put(&mut self, row: AccountRow, update: bool) -> Result<Put, RowRefusal> {
        let AccountRow {
            jid,
            verifiers,
            home,
            name,
        } = row;
        let (bytes, limit) = (
            name.as_ref().map_or(0, String::len),
            Account::NAME_BYTES_MAX,
        );
        if bytes > limit {
            return Err(RowRefusal::NameTooLong { bytes, limit });
        }
        if let Some(account) = self.state.account(&jid).cloned() {
            if !update {
                return Err(RowRefusal::Exists { jid });
            }
            self.same_home(&jid, account.slot, home)?;
            let name = name.or(account.name);
            self.put_account(
                jid.clone(),
                Account {
                    verifiers,
                    name,
                    ..account
                },
            );
            self.events.push(ControlEvent::AccountChanged(jid));
            return Ok(Put::Updated);
        }
        may_be_added(&self.state, &jid)?;
        let slot = assign(&self.state, home)?;
        self.state.counts.add(&jid, slot);
        self.put_account(
            jid.clone(),
            Account {
                slot,
                verifiers,
                name,
                disabled: false,
            },
        );
        self.events.push(ControlEvent::AccountAdded(jid));
        Ok(Put::Added)
    }

    fn same_home(
        &self,
        jid: &BareJid,
        slot: SlotId,
        wanted: Option<NodeId>,
    ) -> Result<(), RowRefusal> {
        match (wanted, self.state.slot(slot)) {
            (Some(wanted), Some(slot)) if slot.home != wanted => Err(RowRefusal::Homed {
                jid: jid.clone(),
                home: slot.home,
            }),
            _ => Ok(()),
        }
    }

    pub(super) fn account_remove(&mut self, jid: BareJid) -> Applied {
        let slot = self.account(&jid)?.slot;
        let left = Removal {
            slot,
            at: self.index,
        };
        self.state.counts.subtract(&jid, slot);
        self.state.accounts.remove(&jid);
        self.writes
            .push(Table::Account.remove(jid.as_str().as_bytes()));
        self.writes
            .push(Table::Removal.put(jid.as_str().as_bytes(), &left));
        self.state.removals.insert(jid.clone(), left);
        self.state.disabled.remove(&jid);
        self.set_policies(&jid, Policies::default());
        self.events.push(ControlEvent::AccountRemoved { jid, slot });
        Ok(ControlOutcome::Done)
    }

    /// The owner of the slot says that nothing is left. Said twice it is still true.
    pub(super) fn account_purged(&mut self, jid: &BareJid, at: LogIndex) -> Applied {
        if self
            .state
            .removals
            .get(jid)
            .is_some_and(|left| left.at == at)
        {
            self.state.removals.remove(jid);
            self.writes
                .push(Table::Removal.remove(jid.as_str().as_bytes()));
        }
        Ok(ControlOutcome::Done)
    }

    pub(super) fn account_password(&mut self, jid: BareJid, verifiers: Verifiers) -> Applied {
        let account = Account {
            verifiers,
            ..self.account(&jid)?
        };
        self.change_account(jid, account)
    }

    pub(super) fn account_disable(&mut self, jid: BareJid, disabled: bool) -> Applied {
        let account = Account {
            disabled,
            ..self.account(&jid)?
        };
        self.change_account(jid, account)
    }

    pub(super) fn account_policy(&mut self, jid: BareJid, policy: Policy, on: bool) -> Applied {
        self.account(&jid)?;
        let policies = self.state.policies(&jid).with(policy, on);
        self.set_policies(&jid, policies);
        self.events.push(ControlEvent::AccountChanged(jid));
        Ok(ControlOutcome::Done)
    }

    fn set_policies(&mut self, jid: &BareJid, policies: Policies) {
        if policies == self.state.policies(jid) {
            return;
        }
        let key = jid.as_str().as_bytes();
        if policies.is_empty() {
            self.state.policies.remove(jid);
            self.writes.push(Table::Policies.remove(key));
        } else {
            self.state.policies.insert(jid.clone(), policies);
            self.writes.push(Table::Policies.put(key, &policies));
        }
    }

    fn change_account(&mut self, jid: BareJid, account: Account) -> Applied {
        self.put_account(jid.clone(), account);
        self.events.push(ControlEvent::AccountChanged(jid));
        Ok(ControlOutcome::Done)
    }

    fn account(&self, jid: &BareJid) -> Result<Account, Refusal> {
        self.state
            .account(jid)
            .cloned()
            .ok_or_else(|| Refusal::NoSuchAccount { jid: jid.clone() })
    }

    fn put_account(&mut self, jid: BareJid, account: Account) {
        self.writes
            .push(Table::Account.put(jid.as_str().as_bytes(), &account));
        if account.disabled {
            self.state.disabled.insert(jid.clone());
        } else {
            self.state.disabled.remove(&jid);
        }
        self.state.accounts.insert(jid, Arc::new(account));
    }
}

/// What a row did.
enum Put {
    Added,
    Updated,
}

fn may_be_added(state: &ClusterState, jid: &BareJid) -> Result<(), RowRefusal> {
    if jid.node().is_none() {
        return Err(RowRefusal::NoUser { jid: jid.clone() });
    }
    if state.is_being_removed(jid) {
        return Err(RowRefusal::BeingRemoved { jid: jid.clone() });
    }
    if !state.hosts(jid.domain().as_str()) {
        return Err(RowRefusal::UnknownDomain {
            domain: jid.domain().as_str().to_owned(),
        });
    }
    if state.account_count() >= ACCOUNTS_MAX {
        return Err(RowRefusal::Full {
            limit: ACCOUNTS_MAX,
        });
    }
    Ok(())
}

/// The slot of a new account (domain facts A7).
fn assign(state: &ClusterState, home: Option<NodeId>) -> Result<SlotId, RowRefusal> {
    if let Some(node) = home {
        let slot = state.slot_of_home(node).map(|slot| slot.id);
        return slot.ok_or(RowRefusal::NoSuchHome { node });
    }
    match state.settings().assignment {
        AssignmentMode::Balanced => emptiest(state, state.slots().map(|slot| slot.id)),
        AssignmentMode::ActiveStandby => {
            let firsts = state
                .groups()
                .filter_map(|group| group.nodes.first().copied());
            emptiest(
                state,
                firsts
                    .filter_map(|node| state.slot_of_home(node))
                    .map(|slot| slot.id),
            )
        }
        AssignmentMode::None => Err(RowRefusal::HomeMissing),
    }
}

/// The slot with the fewest accounts; of equals the lowest id, so that every replica chooses the same.
fn emptiest(
    state: &ClusterState,
    slots: impl Iterator<Item = SlotId>,
) -> Result<SlotId, RowRefusal> {
    slots
        .min_by_key(|slot| (state.slot_accounts(*slot), *slot))
        .ok_or(RowRefusal::NoSlot)
}
