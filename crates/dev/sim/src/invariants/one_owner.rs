//! At most one owner of a slot decides at any instant, its lease included.

use super::Violation;
use muster_types::{Epoch, NodeId, SlotId};

/// Looks at everybody who decides for `slot` at one instant.
///
/// # Errors
/// When there are two.
pub(crate) fn check(
    slot: SlotId,
    owners: impl Iterator<Item = (NodeId, Epoch)> + Clone,
) -> Result<(), Violation> {
    if owners.clone().nth(1).is_some() {
        let seen = format!("{slot} has owners {:?}", owners.collect::<Vec<_>>());
        return Err(Violation::new("at most one owner of a slot", seen));
    }
    Ok(())
}
