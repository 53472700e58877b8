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
use decide::Outcome;
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

/// Cancels lines of an order, as a plan would; none: all.
///
/// # Errors
/// When the database fails.
pub(crate) async fn cancel_lines(
    canceller: Canceller<'_>,
    caller: &Arc<Caller>,
    order_id: i64,
    order_item_ids: Option<&[i64]>,
    reason: &str,
) -> Result<Cancelled> {
    let outcomes = decide::cancel(canceller, caller, order_id, order_item_ids, reason).await?;
    let refused = outcomes.iter().find(|outcome| outcome.word == "refused");
    Ok(match refused {
        Some(outcome) => Cancelled::Refused(outcome.reason.clone().unwrap_or_default()),
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
    let (order_id, order_item_ids) = find(canceller.pool, &plan).await?;
    let (plan_id, is_decided) = begin(canceller.pool, &plan, order_id, order_item_ids.as_deref()).await?;
    if !is_decided {
        decide(canceller, caller, &plan, plan_id, order_id, order_item_ids.as_deref()).await?;
    }
    Ok(plan_id)
}

/// The order and the lines that a plan is about.
async fn find(pool: &PgPool, plan: &Plan) -> Result<(i64, Option<Vec<i64>>)> {
    let number = &plan.order.number;
    let Some(order_id) = plan.order.find(&mut *pool.acquire().await?, None, "order").await? else {
        let detail = format!("There is no order {number} here; send the plan again once there is.");
        return Err(Refusal::detail(StatusCode::NOT_FOUND, detail).into());
    };
    let Some(wanted) = &plan.order_items else { return Ok((order_id, None)) };
    let rows = sqlx::query!(
        r#"select id, omnitron_id as "omnitron_id!" from order_items where order_id = $1 and omnitron_id = any($2)"#,
        order_id,
        wanted
    )
    .fetch_all(pool)
    .await?;
    if let Some(stranger) = wanted.iter().find(|key| !rows.iter().any(|row| row.omnitron_id == **key)) {
        let message = format!("{stranger} is no item of order {number}.");
        return Err(Refusal::field("order_items", message).into());
    }
    Ok((order_id, Some(rows.into_iter().map(|row| row.id).collect())))
}

/// Records a plan; its id, and whether it was decided before.
async fn begin(pool: &PgPool, plan: &Plan, order_id: i64, order_item_ids: Option<&[i64]>) -> Result<(i64, bool)> {
    sqlx::query!(
        "insert into cancellation_plans (remote_id, plan_type, order_id, order_item_ids) values ($1, $2, $3, $4)
         on conflict (remote_id) do nothing",
        plan.pk,
        plan.kind.as_str(),
        order_id,
        order_item_ids
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
    order_item_ids: Option<&[i64]>,
) -> Result<()> {
    let reason = format!("Cancellation plan {}", plan.pk);
    let (decision, outcomes) = match plan.kind {
        PlanType::Refund => ("recorded", Vec::new()),
        PlanType::Cancel => {
            let outcomes = decide::cancel(canceller, caller, order_id, order_item_ids, &reason).await?;
            (decision(&outcomes), outcomes)
        }
    };
    let mut transaction = canceller.pool.begin().await?;
    let refused = outcomes.iter().find(|outcome| outcome.word == "refused");
    let decided = sqlx::query!(
        "update cancellation_plans set decision = $2, reason = $3, decided_date = now()
          where id = $1 and decision is null",
        plan_id,
        decision,
        refused.and_then(|outcome| outcome.reason.clone())
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
