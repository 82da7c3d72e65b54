//! Groups and their high availability.

use super::{Applied, Draft};
use crate::records::Table;
use crate::{
    ControlEvent, ControlOutcome, Group, HaReason, HaState, Refusal, Role, Slot, check_name,
};
use muster_types::{GroupId, NodeId, SlotId};

impl Draft {
    pub(super) fn group_create(&mut self, name: String) -> Applied {
        check_name(&name)?;
        if self.state.group_named(&name).is_some() {
            return Err(Refusal::GroupExists { name });
        }
        let last = self.state.meta.last_group.0.checked_add(1);
        let limit = usize::from(u16::MAX);
        let id = GroupId(last.ok_or_else(|| Refusal::TooMany {
            what: "groups".to_owned(),
            limit,
        })?);
        self.state.meta.last_group = id;
        self.put_meta();
        self.put_group(Group {
            id,
            name,
            nodes: Vec::new(),
            ha: false,
            changes: 0,
            held: false,
        });
        self.events.push(ControlEvent::GroupCreated(id));
        Ok(ControlOutcome::Group(id))
    }

    pub(super) fn group_remove(&mut self, id: GroupId) -> Applied {
        let group = self.group(id)?;
        if !group.nodes.is_empty() {
            return Err(Refusal::GroupNotEmpty { group: group.name });
        }
        self.remove_group(id);
        Ok(ControlOutcome::Done)
    }

    pub(super) fn group_add_node(&mut self, id: GroupId, node: NodeId) -> Applied {
        let mut group = self.group(id)?;
        if self.member(node)?.role == Role::Witness {
            return Err(Refusal::Witness { node });
        }
        if let Some(other) = self.state.group_of(node) {
            return Err(Refusal::InGroup {
                node,
                group: other.name.clone(),
            });
        }
        if group.nodes.len() >= Group::NODES_MAX {
            return Err(Refusal::GroupFull { group: group.name });
        }
        group.nodes.push(node);
        self.put_group(group);
        self.create_slot(id, node).map(ControlOutcome::Slot)
    }

    fn create_slot(&mut self, group: GroupId, home: NodeId) -> Result<SlotId, Refusal> {
        let last = self.state.meta.last_slot.0.checked_add(1);
        let limit = usize::from(u16::MAX);
        let id = SlotId(last.ok_or_else(|| Refusal::TooMany {
            what: "slots".to_owned(),
            limit,
        })?);
        self.state.meta.last_slot = id;
        self.put_meta();
        self.put_slot(Slot {
            id,
            group,
            home,
            desired: home,
            owner: None,
            voters: vec![home],
        });
        self.events.push(ControlEvent::SlotCreated(id));
        Ok(id)
    }

    pub(super) fn group_hold(&mut self, id: GroupId, held: bool) -> Applied {
        let mut group = self.group(id)?;
        if group.held != held {
            group.held = held;
            self.put_group(group);
            self.events
                .push(ControlEvent::GroupHeld { group: id, held });
        }
        Ok(ControlOutcome::Done)
    }

    pub(super) fn group_enable_ha(&mut self, id: GroupId) -> Applied {
        let mut group = self.group(id)?;
        if group.ha {
            return Ok(ControlOutcome::Done);
        }
        let [first, second] = *group.nodes.as_slice() else {
            return Err(Refusal::NotAPair {
                nodes: group.nodes.len(),
                group: group.name,
            });
        };
        let ousted = |node: &NodeId| self.state.ousted_by(*node).is_some();
        if let Some(node) = group.nodes.iter().copied().find(ousted) {
            return Err(Refusal::Ousted { node });
        }
        if self.state.third_voters(&group).is_empty() {
            return Err(Refusal::NoThirdVoter { group: group.name });
        }
        let versions = (self.member(first)?.version, self.member(second)?.version);
        if !versions.0.works_with(versions.1) {
            return Err(Refusal::VersionsDiffer {
                group: group.name,
                first: versions.0,
                second: versions.1,
            });
        }
        group.ha = true;
        self.put_group(group);
        for node in [first, second] {
            self.set_ha(node, HaState::Initializing, HaReason::Initialization)?;
        }
        self.events.push(ControlEvent::GroupHa {
            group: id,
            on: true,
        });
        Ok(ControlOutcome::Done)
    }

    pub(super) fn group_disable_ha(&mut self, id: GroupId) -> Applied {
        let group = self.group(id)?;
        if !group.ha {
            return Ok(ControlOutcome::Done);
        }
        let is_away = |s: &&Slot| s.is_failed_over() || s.owner_node().is_some_and(|o| o != s.home);
        let away = self
            .state
            .slots()
            .filter(|slot| slot.group == id)
            .find(is_away);
        if let Some(home) = away.map(|slot| slot.home) {
            return Err(Refusal::AwayFromHome { home });
        }
        for node in group.nodes.clone() {
            self.set_ha(node, HaState::Unknown, HaReason::HighAvailabilityNotEnabled)?;
        }
        self.put_group(Group {
            ha: false,
            ..self.group(id)?
        });
        self.events.push(ControlEvent::GroupHa {
            group: id,
            on: false,
        });
        Ok(ControlOutcome::Done)
    }

    pub(super) fn group(&self, id: GroupId) -> Result<Group, Refusal> {
        self.state
            .group(id)
            .cloned()
            .ok_or(Refusal::NoSuchGroup { group: id })
    }

    pub(super) fn put_group(&mut self, group: Group) {
        self.writes
            .push(Table::Group.put(&group.id.0.to_be_bytes(), &group));
        self.state.groups.insert(group.id, group);
    }

    pub(super) fn remove_group(&mut self, id: GroupId) {
        self.writes.push(Table::Group.remove(&id.0.to_be_bytes()));
        self.state.groups.remove(&id);
        self.events.push(ControlEvent::GroupRemoved(id));
    }
}
