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
    db::{PgConnection, PgPool},
    error::{Refusal, Result},
    orders::packing::Family,
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
    let rows = sqlx::query_as!(
        LineRow,
        r#"select oi.id, oi.omnitron_id, oi.parent_omnitron_id as parent, oi.quantity,
                  coalesce(n.reason = 'kit', false) as "is_kit!"
             from order_items oi left join lines_not_packed n on n.order_item_id = oi.id
            where oi.order_id = $1 order by oi.id"#,
        order_id
    )
    .fetch_all(pool)
    .await?;
    if let Some(stranger) = keys.iter().find(|key| !rows.iter().any(|row| row.omnitron_id == Some(**key))) {
        let message = format!("{stranger} is no item of order {number}.");
        return Err(Refusal::field("order_items", message).into());
    }
    let mut lines = Vec::with_capacity(rows.len());
    for row in &rows {
        let Some(named) = wanted.iter().find(|line| Some(line.key) == row.omnitron_id) else { continue };
        if named.quantity.is_some_and(|quantity| quantity > row.quantity) {
            let message = format!("Of item {} there are {} units.", named.key, row.quantity);
            return Err(Refusal::field("order_items", message).into());
        }
        let units = named.quantity.map_or(WantedUnits::All, WantedUnits::These);
        lines.push(WantedLine { order_item_id: row.id, units });
    }
    let parts = parts_of_kits(&rows, &lines)?;
    lines.extend(parts);
    Ok((order_id, Some(lines)))
}

/// A line of an order.
struct LineRow {
    id: i64,
    omnitron_id: Option<i64>,
    parent: Option<i64>,
    quantity: i64,
    is_kit: bool,
}

/// What is wanted of the parts of kits that are named: as much as of the kit. What names a part itself says more of it.
fn parts_of_kits(rows: &[LineRow], named: &[WantedLine]) -> Result<Vec<WantedLine>, Refusal> {
    if !rows.iter().any(|row| row.is_kit) {
        return Ok(Vec::new());
    }
    let keys: Vec<(Option<i64>, Option<i64>)> = rows.iter().map(|row| (row.omnitron_id, row.parent)).collect();
    let family = Family::of(&keys);
    let units_of = |row: &LineRow| named.iter().find(|line| line.order_item_id == row.id).map(|line| line.units);
    let mut parts = Vec::new();
    for (at, row) in rows.iter().enumerate().filter(|(_, row)| !row.is_kit && units_of(row).is_none()) {
        let mut kits = family.above(at).map(|above| &rows[above]).filter(|row| row.is_kit);
        let Some((kit, units)) = kits.find_map(|kit| Some((kit, units_of(kit)?))) else { continue };
        let units = match units {
            WantedUnits::These(units) if (units * row.quantity) % kit.quantity != 0 => {
                let (kit_key, key) = (kit.omnitron_id.unwrap_or_default(), row.omnitron_id.unwrap_or_default());
                let message = format!(
                    "{units} of {} units of kit {kit_key} are no whole number of the {} units of its part {key}.",
                    kit.quantity, row.quantity
                );
                return Err(Refusal::field("order_items", message));
            }
            WantedUnits::These(units) => WantedUnits::These(units * row.quantity / kit.quantity),
            other => other,
        };
        parts.push(WantedLine { order_item_id: row.id, units });
    }
    Ok(parts)
}

/// Records a plan; its id, and whether it was decided before. 409 for a key that has another content.
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
    let row = sqlx::query!(
        r#"select id, decision, plan_type <> $2 as "is_another_type!", order_id <> $3 as "is_another_order!",
                  (order_item_ids is distinct from $4 or quantities is distinct from $5) as "has_other_items!"
             from cancellation_plans where remote_id = $1"#,
        plan.pk,
        plan.kind.as_str(),
        order_id,
        ids.as_deref(),
        quantities.as_deref() as Option<&[Option<i64>]>
    );
    let row = row.fetch_one(pool).await?;
    let differing = [
        ("plan_type", row.is_another_type),
        ("order", row.is_another_order),
        ("order_items", row.has_other_items && !row.is_another_order),
    ];
    let differing: Vec<&str> = differing.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect();
    if differing.is_empty() {
        return Ok((row.id, row.decision.is_some()));
    }
    Err(Refusal::detail(
        StatusCode::CONFLICT,
        format!(
            "Cancellation plan {} came before with another {}, and stays as it was decided; send what is new as a plan with a \
             key of its own.",
            plan.pk,
            differing.join(", ")
        ),
    )
    .into())
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
    if matches!(decision, "cancelled" | "waiting") {
        note_not_wanted(&mut transaction, order_id, wanted).await?;
    }
    transaction.commit().await?;
    tracing::info!(plan = plan.pk, order = plan.order.number, decision, "decided a cancellation plan");
    Ok(())
}

/// Keeps that a plan does not want units any more.
async fn note_not_wanted(connection: &mut PgConnection, order_id: i64, wanted: Wanted<'_>) -> Result<()> {
    let lines = if let Wanted::Lines(lines) = wanted { Some(lines) } else { None };
    let ids: Option<Vec<i64>> = lines.map(|lines| lines.iter().map(|line| line.order_item_id).collect());
    let units: Option<Vec<Option<i64>>> = lines.map(|lines| lines.iter().map(|line| line.units.these()).collect());
    sqlx::query!(
        "update order_items i
            set wanted_quantity = greatest(coalesce(wanted_quantity, quantity) - coalesce(w.units, quantity), 0)
           from (select k.id, u.units from order_items k
                   left join unnest($2::bigint[], $3::bigint[]) as u(id, units) on u.id = k.id
                  where k.order_id = $1 and ($2::bigint[] is null or u.id is not null)) w
          where i.id = w.id",
        order_id,
        ids.as_deref(),
        units.as_deref() as Option<&[Option<i64>]>
    )
    .execute(connection)
    .await?;
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
