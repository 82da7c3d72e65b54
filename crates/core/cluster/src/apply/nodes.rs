//! Nodes: entering, starting, being replaced, leaving.

use super::{Applied, Draft};
use crate::records::Table;
use crate::{
    Addresses, ControlEvent, ControlOutcome, Group, HaReason, HaState, HaStatus, NODES_MAX,
    NewNode, Node, NodeState, Refusal, Role, SoftwareVersion, TokenHash, check_name,
};
use muster_types::{Boot, NodeId};

impl Draft {
    pub(super) fn init(&mut self, cluster: String, node: NewNode) -> Applied {
        if let Some(cluster) = self.state.cluster() {
            return Err(Refusal::AlreadyInitialised {
                cluster: cluster.to_owned(),
            });
        }
        if node.role == Role::Witness {
            return Err(Refusal::Witness { node: NodeId(1) });
        }
        self.state.meta.cluster = Some(cluster);
        self.writes
            .push(Table::Settings.put(&[], &self.state.settings));
        self.node_enter(node).map(ControlOutcome::Node)
    }

    pub(super) fn node_join(&mut self, token: TokenHash, node: NewNode) -> Applied {
        let mut used = self
            .state
            .tokens
            .get(&token)
            .cloned()
            .ok_or(Refusal::UnknownToken)?;
        if let Some(by) = used.used_by {
            return Err(Refusal::TokenUsed { by });
        }
        if used.expires < self.at {
            return Err(Refusal::TokenExpired);
        }
        if used.role != node.role {
            return Err(Refusal::TokenRole {
                allowed: used.role,
                asked: node.role,
            });
        }
        let id = self.node_enter(node)?;
        used.used_by = Some(id);
        self.put_token(token, used);
        Ok(ControlOutcome::Node(id))
    }

    fn node_enter(&mut self, new: NewNode) -> Result<NodeId, Refusal> {
        check_name(&new.name)?;
        if self.state.node_named(&new.name).is_some() {
            return Err(Refusal::NodeExists { name: new.name });
        }
        let full = Refusal::TooMany {
            what: "nodes".to_owned(),
            limit: NODES_MAX,
        };
        if self.state.members().count() >= NODES_MAX {
            return Err(full);
        }
        let id = NodeId(self.state.meta.last_node.0.checked_add(1).ok_or(full)?);
        self.state.meta.last_node = id;
        self.put_meta();
        let ha = match new.role {
            Role::Serving => HaStatus::not_enabled(self.at),
            Role::Witness => HaStatus {
                state: HaState::Normal,
                reason: HaReason::None,
                since: self.at,
            },
        };
        let NewNode {
            name,
            role,
            addresses,
            version,
            boot,
        } = new;
        self.put_node(Node {
            id,
            name,
            role,
            addresses,
            state: NodeState::Member,
            version,
            boot,
            ha,
        });
        self.events.push(ControlEvent::NodeJoined(id));
        Ok(id)
    }

    pub(super) fn node_addressed(&mut self, id: NodeId, addresses: Addresses) -> Applied {
        let mut node = self.member(id)?;
        if node.addresses != addresses {
            node.addresses = addresses;
            self.put_node(node);
            self.events.push(ControlEvent::NodeAddressed(id));
        }
        Ok(ControlOutcome::Done)
    }

    pub(super) fn node_booted(
        &mut self,
        id: NodeId,
        boot: Boot,
        version: SoftwareVersion,
        addresses: Addresses,
    ) -> Applied {
        let node = self.member(id)?;
        // What a start means for the states is told with it, once: said again it may be out of date.
        if boot < node.boot || (boot, version) == (node.boot, node.version) {
            return Err(Refusal::BootKnown { node: id });
        }
        self.node_addressed(id, addresses)?;
        let mut node = self.member(id)?;
        (node.boot, node.version) = (boot, version);
        self.put_node(node);
        self.group_changed_state(id);
        self.events
            .push(ControlEvent::NodeBooted { node: id, boot });
        Ok(ControlOutcome::Done)
    }

    pub(super) fn node_replace(&mut self, old: NodeId, new: NodeId) -> Applied {
        let mut gone = self.holder(old)?;
        let fresh = self.member(new)?;
        let role = gone.role;
        if old == new || fresh.role != role || self.state.group_of(new).is_some() {
            return Err(Refusal::CannotReplace { old, new, role });
        }
        self.another_copy_exists(old)?;
        let peer = self.state.peer_of(old);
        let is_away = |draft: &Self, node| {
            let slot = draft.state.slot_of_home(node);
            slot.is_some_and(|slot| slot.desired == old)
        };
        let back = peer.filter(|peer| is_away(self, *peer));
        self.move_slots(old, new);
        if let Some(mut group) = self.state.group_of(old).cloned() {
            group
                .nodes
                .iter_mut()
                .filter(|node| **node == old)
                .for_each(|node| *node = new);
            let ha = group.ha;
            self.put_group(group);
            if ha {
                self.set_ha(new, HaState::Initializing, HaReason::Initialization)?;
                self.begins_anew(back)?;
            }
        }
        // Whoever was ousted stays that for ever.
        if gone.is_member() {
            gone.state = NodeState::Replaced { by: new };
        }
        self.put_node(gone);
        self.events.push(ControlEvent::NodeReplaced { old, new });
        Ok(ControlOutcome::Done)
    }

    /// A node that gets its users back because its backup was replaced is failed over no more: it starts to
    /// serve them. What others say of one that is not there, and failed mode, stay.
    fn begins_anew(&mut self, back: Option<NodeId>) -> Result<(), Refusal> {
        use HaState as S;
        let Some(node) = back.and_then(|back| self.state.node(back)) else {
            return Ok(());
        };
        if matches!(
            node.ha.state,
            S::Unreachable | S::Off | S::RunningInFailedMode
        ) {
            return Ok(());
        }
        self.set_ha(node.id, S::Initializing, HaReason::Initialization)
    }

    fn another_copy_exists(&self, old: NodeId) -> Result<(), Refusal> {
        let Some(slot) = self.state.slot_of_home(old) else {
            return Ok(());
        };
        let copies = slot.voters.iter().filter(|voter| **voter != old).count();
        if copies == 0 && self.state.slot_accounts(slot.id) > 0 {
            return Err(Refusal::OnlyCopy { node: old });
        }
        Ok(())
    }

    /// The slot of `old` gets `new` as home. What `old` should have served for its peer goes home,
    /// because `new` has no data yet; and so does, as soon as it has caught up, what was taken over from it
    /// without a quorum.
    fn move_slots(&mut self, old: NodeId, new: NodeId) {
        let ousted = self.state.ousted_by(old).is_some();
        let concerned = |node: NodeId| node == old;
        let slots = self
            .state
            .slots()
            .filter(|s| concerned(s.home) || concerned(s.desired));
        for mut slot in slots.cloned().collect::<Vec<_>>() {
            if slot.home == old {
                slot.home = new;
            }
            if slot.desired == old || ousted && slot.home == new {
                slot.desired = slot.home;
            }
            self.put_slot(slot);
        }
    }

    pub(super) fn node_remove(&mut self, id: NodeId) -> Applied {
        let mut node = self.member(id)?;
        let serving = self.state.members().filter(|node| node.serves()).count();
        if node.serves() && serving == 1 {
            return Err(Refusal::LastNode { node: id });
        }
        self.not_needed_as_voter(id)?;
        if let Some(group) = self.state.group_of(id).cloned() {
            self.leave_group(id, group)?;
        }
        node.state = NodeState::Removed;
        self.put_node(node);
        self.events.push(ControlEvent::NodeRemoved(id));
        Ok(ControlOutcome::Done)
    }

    fn not_needed_as_voter(&self, id: NodeId) -> Result<(), Refusal> {
        let mut protected = self
            .state
            .groups()
            .filter(|g| g.ha && !g.nodes.contains(&id));
        match protected.find(|group| self.state.third_voters(group) == [id]) {
            Some(group) => Err(Refusal::NeededAsVoter {
                node: id,
                group: group.name.clone(),
            }),
            None => Ok(()),
        }
    }

    fn leave_group(&mut self, id: NodeId, mut group: Group) -> Result<(), Refusal> {
        if group.ha {
            return Err(Refusal::HaOn { group: group.name });
        }
        if let Some(slot) = self.state.slot_of_home(id).map(|slot| slot.id) {
            let held = self.state.removal_count(slot);
            let accounts = self.state.slot_accounts(slot) + held as u64;
            if accounts > 0 {
                return Err(Refusal::HasAccounts { node: id, accounts });
            }
            self.remove_slot(slot);
        }
        group.nodes.retain(|node| *node != id);
        if group.nodes.is_empty() {
            self.remove_group(group.id);
        } else {
            self.put_group(group);
        }
        Ok(())
    }

    pub(super) fn node_oust(&mut self, id: NodeId, by: NodeId) -> Applied {
        let mut node = self.member(id)?;
        self.member(by)?;
        let group = self.state.group_of(id).cloned();
        let group = group.ok_or(Refusal::NoGroup { node: id })?;
        if group.peer_of(id) != Some(by) {
            return Err(Refusal::NotAPair {
                nodes: group.nodes.len(),
                group: group.name,
            });
        }
        if self.state.lone_pair(id).is_none() {
            return Err(Refusal::HasThirdVoter { group: group.name });
        }
        let slots = self.state.slots().filter(|slot| slot.group == group.id);
        for mut slot in slots.cloned().collect::<Vec<_>>() {
            slot.desired = by;
            self.put_slot(slot);
        }
        node.state = NodeState::Ousted { by };
        self.put_node(node);
        self.events.push(ControlEvent::NodeOusted { node: id, by });
        Ok(ControlOutcome::Done)
    }

    /// The node, if it has a place in the cluster: a member, or one that was ousted and has no successor.
    fn holder(&self, id: NodeId) -> Result<Node, Refusal> {
        match self.state.node(id) {
            Some(node) if node.ousted_by().is_some() && self.state.group_of(id).is_some() => {
                Ok(node.clone())
            }
            Some(_) | None => self.member(id),
        }
    }

    /// The node, if it belongs to the cluster.
    pub(super) fn member(&self, id: NodeId) -> Result<Node, Refusal> {
        let node = self
            .state
            .node(id)
            .ok_or(Refusal::NoSuchNode { node: id })?;
        if node.is_member() {
            Ok(node.clone())
        } else {
            Err(Refusal::NotMember { node: id })
        }
    }

    pub(super) fn put_node(&mut self, node: Node) {
        self.writes
            .push(Table::Node.put(&node.id.0.to_be_bytes(), &node));
        self.state.nodes.insert(node.id, node);
    }

    pub(super) fn put_meta(&mut self) {
        self.writes.push(Table::Meta.put(&[], &self.state.meta));
    }
}
