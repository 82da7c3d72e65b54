//! When a node that has started may take clients: a pure look at its replicas.

use std::time::Duration;

/// How one replica of this node is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Whether it has all that was committed when this node started.
    pub caught_up: bool,
    /// Whether anybody leads its log: then the others do their work without this node.
    pub led: bool,
}

/// What a starting node does about clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Gate {
    /// It takes them.
    Open,
    /// It takes none yet.
    Wait,
    /// It takes them though it may lack something: there is nobody to get it from.
    OpenBehind,
}

/// Looks at all replicas of a node that has seen no leader of what it lacks for so long (`alone`), since
/// it started if ever. The node that is behind others waits for as long as it takes; the first of a
/// cluster waits for the others as long as `patience`.
pub fn gate(
    replicas: impl IntoIterator<Item = Standing>,
    alone: Duration,
    patience: Duration,
) -> Gate {
    let (mut missing, mut behind_others) = (false, false);
    for replica in replicas {
        missing |= !replica.caught_up;
        behind_others |= !replica.caught_up && replica.led;
    }
    if !missing {
        Gate::Open
    } else if behind_others || alone < patience {
        Gate::Wait
    } else {
        Gate::OpenBehind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_that_is_behind_waits_and_the_first_of_a_cluster_not_for_ever() {
        let replica = |caught_up, led| Standing { caught_up, led };
        let (good, behind, alone) = (
            replica(true, true),
            replica(false, true),
            replica(false, false),
        );
        for (replicas, alone, wanted) in [
            (vec![], 0, Gate::Open),
            (vec![good, good], 0, Gate::Open),
            (vec![replica(true, false)], 0, Gate::Open),
            (vec![good, behind], 3_600, Gate::Wait),
            (vec![alone, behind], 3_600, Gate::Wait),
            (vec![good, alone], 9, Gate::Wait),
            (vec![good, alone], 10, Gate::OpenBehind),
            (vec![alone], 10, Gate::OpenBehind),
        ] {
            let alone = Duration::from_secs(alone);
            let decided = gate(replicas.clone(), alone, Duration::from_secs(10));
            assert_eq!(decided, wanted, "{replicas:?} after {alone:?}");
        }
    }
}
