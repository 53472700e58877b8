//! Ends the open transfers of packages that end.

use super::{super::consequences::PackageChange, facts};
use crate::{
    commands::transfer::changes::TransferChange,
    db::PgConnection,
    error::Result,
    workflow::{Holding, State, TRANSFER_CANCELLED, WAITING_FOR_TRANSFER, Workflow},
};

/// The open transfers, as cancelled, of packages that leave waiting-for-transfer by a command of their own. Reserved
/// units at their sources become free. Units on their way are on no shelf until somebody books them in; in an installation
/// without a state for that, they count as returned.
///
/// Locks them; their packages are locked before. There is no query if no package leaves that state.
///
/// # Errors
/// When the database fails.
pub async fn end(
    connection: &mut PgConnection,
    packages: &[PackageChange],
    workflow: &Workflow,
) -> Result<Vec<TransferChange>> {
    let leaving = leaving(packages, workflow)?;
    if leaving.is_empty() {
        return Ok(Vec::new());
    }
    let cancelled = workflow.state_by_slug("transfer", TRANSFER_CANCELLED)?.id;
    let can_be_booked_in = |state: &&State| {
        let mut ways = workflow.transitions("transfer");
        state.is_cancelled_on_the_way() && ways.any(|transition| transition.source_id == state.id)
    };
    let on_the_way = workflow.states().find(can_be_booked_in).map_or(cancelled, |state| state.id);
    let ids: Vec<i64> = leaving.iter().map(|(id, ..)| *id).collect();
    let mut ended = Vec::new();
    for transfer in facts::lock(connection, &ids).await? {
        let of = leaving.iter().find(|(id, ..)| *id == transfer.package_id);
        if let Some((_, transition_id, package)) = of
            && let state = workflow.state(transfer.state_id)?
            && state.is_open_transfer()
        {
            let end = if state.holding == Holding::Taken { on_the_way } else { cancelled };
            let ending = TransferChange::of(&transfer, end, *transition_id, package.user_id);
            ended.push(TransferChange { cause: package.cause.clone(), ..ending });
        }
    }
    Ok(ended)
}

/// True if a package leaves waiting-for-transfer, so that [`end`] has work.
///
/// # Errors
/// When a state is not in the workflow.
pub fn may_end(packages: &[PackageChange], workflow: &Workflow) -> Result<bool> {
    Ok(!leaving(packages, workflow)?.is_empty())
}

/// Each package that leaves waiting-for-transfer, with its id and its transition.
fn leaving<'p>(packages: &'p [PackageChange], workflow: &Workflow) -> Result<Vec<(i64, i64, &'p PackageChange)>> {
    let mut leaving = Vec::new();
    for package in packages {
        if let (Some(id), Some(before), Some(transition_id)) = (package.id, package.before, package.transition_id)
            && before.state_id != package.after.state_id
            && workflow.state(before.state_id)?.slug == WAITING_FOR_TRANSFER
        {
            leaving.push((id, transition_id, package));
        }
    }
    Ok(leaving)
}
