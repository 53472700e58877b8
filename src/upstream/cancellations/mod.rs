//! Cancellation plans: the upstream plans a cancellation or a refund, and hears what can be done.
//!
//! A plan is known by the upstream's key: sent again it is answered as it was decided. It is decided by looking at the
//! packages as they are, so a server that falls over halfway leaves nothing that the plan, sent again, would not finish.

mod decide;
mod plan;
pub(crate) mod reasons;

use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

use crate::{
    auth::Caller,
    catalog::CatalogCache,
    commands::dispatch::Dispatcher,
    db::PgPool,
    error::{Refusal, Result},
};
use decide::{Outcome, refusal};
pub(crate) use decide::{Wanted, WantedLine, WantedUnits};
pub(crate) use plan::PLAN;
use plan::{Plan, PlanType};

/// The pieces that deciding a plan needs.
#[derive(Clone, Copy)]
pub(crate) struct Canceller<'a> {
    pub pool: &'a PgPool,
    pub catalog_cache: &'a CatalogCache,
    pub dispatcher: &'a Dispatcher,
}

/// What came of a cancellation.
pub(crate) enum Cancelled {
    /// Nothing of it is left.
    All,
    /// A person has to decide.
    Waits,
    /// Why something of it cannot be cancelled any more.
    Refused(String),
}

/// Cancels what is wanted of an order, as a plan would.
///
/// # Errors
/// When the database fails.
pub(crate) async fn cancel(
    canceller: Canceller<'_>,
    caller: &Arc<Caller>,
    order_id: i64,
    wanted: Wanted<'_>,
    reason: &str,
) -> Result<Cancelled> {
    let outcomes = decide::cancel(canceller, caller, order_id, wanted, reason).await?;
    Ok(match refusal(&outcomes) {
        Some(reason) => Cancelled::Refused(reason.to_owned()),
        None if outcomes.iter().any(|outcome| outcome.word == "waiting") => Cancelled::Waits,
        None => Cancelled::All,
    })
}

/// Decides a plan, unless it was decided before; its id here.
///
/// # Errors
/// 400 for a payload that is no plan, 404 for an order that is not here; when the database fails.
pub(crate) async fn take(canceller: Canceller<'_>, caller: &Arc<Caller>, payload: &Value) -> Result<i64> {
    let plan = Plan::of_payload(payload)?;
    let (order_id, lines) = find(canceller.pool, &plan).await?;
    let wanted = lines.as_deref().map_or(Wanted::Order, Wanted::Lines);
    let (plan_id, is_decided) = begin(canceller.pool, &plan, order_id, wanted).await?;
    if !is_decided {
        decide(canceller, caller, &plan, plan_id, order_id, wanted).await?;
    }
    Ok(plan_id)
}

/// The order and the lines that a plan is about.
async fn find(pool: &PgPool, plan: &Plan) -> Result<(i64, Option<Vec<WantedLine>>)> {
    let number = &plan.order.number;
    let Some(order_id) = plan.order.find(&mut *pool.acquire().await?, None, "order").await? else {
        let detail = format!("There is no order {number} here; send the plan again once there is.");
        return Err(Refusal::detail(StatusCode::NOT_FOUND, detail).into());
    };
    let Some(wanted) = &plan.order_items else { return Ok((order_id, None)) };
    let keys: Vec<i64> = wanted.iter().map(|line| line.key).collect();
    let rows = sqlx::query!(
        r#"select id, omnitron_id as "omnitron_id!", quantity from order_items
            where order_id = $1 and omnitron_id = any($2) order by id"#,
        order_id,
        &keys
    )
    .fetch_all(pool)
    .await?;
    if let Some(stranger) = keys.iter().find(|key| !rows.iter().any(|row| row.omnitron_id == **key)) {
        let message = format!("{stranger} is no item of order {number}.");
        return Err(Refusal::field("order_items", message).into());
    }
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let quantity = wanted.iter().find(|line| line.key == row.omnitron_id).and_then(|line| line.quantity);
        if quantity.is_some_and(|quantity| quantity > row.quantity) {
            let message = format!("Of item {} there are {} units.", row.omnitron_id, row.quantity);
            return Err(Refusal::field("order_items", message).into());
        }
        lines.push(WantedLine { order_item_id: row.id, units: quantity.map_or(WantedUnits::All, WantedUnits::These) });
    }
    Ok((order_id, Some(lines)))
}

/// Records a plan; its id, and whether it was decided before.
async fn begin(pool: &PgPool, plan: &Plan, order_id: i64, wanted: Wanted<'_>) -> Result<(i64, bool)> {
    let (ids, quantities) = match wanted {
        Wanted::Order => (None, None),
        Wanted::Lines(lines) => {
            let ids: Vec<i64> = lines.iter().map(|line| line.order_item_id).collect();
            let quantities: Vec<Option<i64>> = lines.iter().map(|line| line.units.these()).collect();
            (Some(ids), quantities.iter().any(Option::is_some).then_some(quantities))
        }
    };
    sqlx::query!(
        "insert into cancellation_plans (remote_id, plan_type, order_id, order_item_ids, quantities)
         values ($1, $2, $3, $4, $5)
         on conflict (remote_id) do nothing",
        plan.pk,
        plan.kind.as_str(),
        order_id,
        ids.as_deref(),
        quantities.as_deref() as Option<&[Option<i64>]>
    )
    .execute(pool)
    .await?;
    let row = sqlx::query!("select id, decision from cancellation_plans where remote_id = $1", plan.pk);
    let row = row.fetch_one(pool).await?;
    Ok((row.id, row.decision.is_some()))
}

async fn decide(
    canceller: Canceller<'_>,
    caller: &Arc<Caller>,
    plan: &Plan,
    plan_id: i64,
    order_id: i64,
    wanted: Wanted<'_>,
) -> Result<()> {
    let reason = format!("Cancellation plan {}", plan.pk);
    let (decision, outcomes) = match plan.kind {
        PlanType::Refund => ("recorded", Vec::new()),
        PlanType::Cancel => {
            let outcomes = decide::cancel(canceller, caller, order_id, wanted, &reason).await?;
            (decision(&outcomes), outcomes)
        }
    };
    let mut transaction = canceller.pool.begin().await?;
    let decided = sqlx::query!(
        "update cancellation_plans set decision = $2, reason = $3, decided_date = now()
          where id = $1 and decision is null",
        plan_id,
        decision,
        refusal(&outcomes)
    )
    .execute(&mut *transaction)
    .await?;
    if decided.rows_affected() == 0 {
        // Somebody else was given the same plan and was faster.
        return Ok(());
    }
    for outcome in &outcomes {
        sqlx::query!(
            "insert into cancellation_plan_packages (plan_id, package_id, package_item_ids, outcome, reason)
             values ($1, $2, $3, $4, $5) on conflict do nothing",
            plan_id,
            outcome.package_id,
            &outcome.package_item_ids,
            outcome.word,
            outcome.reason
        )
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    tracing::info!(plan = plan.pk, order = plan.order.number, decision, "decided a cancellation plan");
    Ok(())
}

/// What the packages come to. Where nothing is left to cancel, it is cancelled.
fn decision(outcomes: &[Outcome]) -> &'static str {
    let some = |word: &str| outcomes.iter().any(|outcome| outcome.word == word);
    match (some("refused"), some("cancelled") || some("waiting"), some("waiting")) {
        (true, true, _) => "partly",
        (true, false, _) => "refused",
        (false, _, true) => "waiting",
        (false, _, false) => "cancelled",
    }
}
