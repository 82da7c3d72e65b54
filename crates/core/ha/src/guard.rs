//! What is decided from a state of the cluster holds for that state only: a command that moves users or
//! changes a node's state is refused when its group has changed meanwhile. Whoever wanted it looks anew.

use muster_cluster::{ClusterState, ControlCommand, Group};

/// The command, bound to the state it was decided from.
pub(crate) fn guarded(state: &ClusterState, command: ControlCommand) -> ControlCommand {
    let commands = if let ControlCommand::Together(commands) = command {
        commands
    } else {
        vec![command]
    };
    let group = commands
        .iter()
        .find_map(|command| group_moved(state, command));
    let guard = group.filter(|group| group.ha).map(|group| {
        let (group, changes) = (group.id, group.changes);
        ControlCommand::GroupUnchanged { group, changes }
    });
    let mut all: Vec<_> = guard.into_iter().chain(commands).collect();
    match all.pop() {
        Some(one) if all.is_empty() => one,
        last => ControlCommand::Together(all.into_iter().chain(last).collect()),
    }
}

/// The group whose states or users a command moves.
fn group_moved<'a>(state: &'a ClusterState, command: &ControlCommand) -> Option<&'a Group> {
    if let ControlCommand::HaTransition { node, .. } = command {
        state.group_of(*node)
    } else if let ControlCommand::SlotDesire { slot, .. } = command {
        state.group(state.slot(*slot)?.group)
    } else {
        None
    }
}
