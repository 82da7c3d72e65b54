use super::*;
use Breakdown as B;
use HaReason as R;
use HaState as S;
use muster_types::Timestamp;

fn status(state: HaState, reason: HaReason) -> HaStatus {
    HaStatus {
        state,
        reason,
        since: Timestamp(0),
    }
}

#[test]
fn what_becomes_of_the_users_depends_on_both_nodes() {
    let (down, db) = (R::CriticalServiceDown, R::DatabaseFailure);
    for (me, peer, failed, wanted) in [
        (
            (S::Normal, R::None),
            (S::Normal, R::None),
            down,
            Some(B::FailOver(down)),
        ),
        (
            (S::Initializing, R::Initialization),
            (S::Normal, R::None),
            db,
            Some(B::FailOver(db)),
        ),
        (
            (S::Normal, R::None),
            (S::Initializing, R::Initialization),
            down,
            None,
        ),
        (
            (S::RunningInBackupMode, R::PeerDown),
            (S::Unreachable, R::None),
            down,
            None,
        ),
        (
            (S::RunningInBackupMode, R::PeerDown),
            (S::FailedOver, R::Initialization),
            db,
            Some(B::GiveAllBack(R::AutoRecoverDatabaseFailure)),
        ),
        (
            (S::RunningInBackupMode, R::AdminRequest),
            (S::Idle, R::AdminRequest),
            down,
            Some(B::GiveAllBack(R::AutoRecoverCriticalServiceDown)),
        ),
        (
            (S::RunningInBackupMode, down),
            (S::FailedOverCriticalServicesNotRunning, down),
            db,
            Some(B::Fail(down)),
        ),
        (
            (S::BackupActivated, R::AutoRecoverDatabaseFailure),
            (S::FailoverAffectedServices, R::AutoRecoverDatabaseFailure),
            down,
            Some(B::Fail(down)),
        ),
        (
            (S::FailedOver, R::PeerDown),
            (S::RunningInBackupMode, R::PeerDown),
            down,
            Some(B::NotRunning(down)),
        ),
        (
            (S::FailedOver, R::PeerDown),
            (S::FailedOver, R::PeerDown),
            down,
            Some(B::FailOver(down)),
        ),
        (
            (S::FailedOver, R::Initialization),
            (S::RunningInBackupMode, R::PeerDownDuringInitialization),
            down,
            Some(B::NotRunning(R::Initialization)),
        ),
        (
            (S::TakingBack, R::AdminRequest),
            (S::FallingBack, R::AdminRequest),
            down,
            Some(B::Fail(R::StartOfCriticalServicesFailed)),
        ),
        (
            (S::TakingOver, R::AdminRequest),
            (S::FailingOver, R::AdminRequest),
            down,
            Some(B::Fail(R::TakeOverUsersFailed)),
        ),
        (
            (S::RunningInFailedMode, down),
            (S::RunningInFailedMode, down),
            down,
            None,
        ),
    ] {
        let (me, peer) = (status(me.0, me.1), status(peer.0, peer.1));
        assert_eq!(breakdown(failed, me, peer, true), wanted, "{me} | {peer}");
    }
}

#[test]
fn nobody_is_given_to_a_peer_that_is_not_heard() {
    let normal = status(S::Normal, R::None);
    assert_eq!(
        breakdown(R::CriticalServiceDown, normal, normal, false),
        None
    );
}
