//! An order that is sent again, and says otherwise than the one that is here. What differs is told; what can still be done is
//! done, each by its own means: a cancellation by the installation's transitions, as a cancellation plan; who it is for and
//! where it goes by [`recipient`]. The rest is kept as a problem with its reason. Each step is done or not by itself, and the
//! order sent once more goes on where the last time ended.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::{
    cancellations::{Cancelled, Canceller, Wanted, WantedLine, WantedUnits, cancel},
    problems,
};
use crate::{
    audit::Actor,
    auth::Caller,
    catalog::CatalogCache,
    commands::dispatch::Dispatcher,
    db::PgPool,
    error::{Error, Result},
    orders::{
        compare::{self, Change, Difference, Differing, RECIPIENT, StoredOrder, is_said},
        input::OrderInput,
        statuses::Stage,
    },
    placing::{
        recipient::{self, Changed},
        take_up,
    },
};

/// Why it stays as it came.
const AS_IT_CAME: &str = "An order stays as it came in this.";
/// The reason of a cancellation, in the log.
const SENT_AGAIN: &str = "The order was sent again with less";
const WANTED_AGAIN: &str = "What was cancelled stays cancelled; order it anew.";
const SENT_ELSEWHERE: &str = "It is not sent from here yet; whoever knows that it was sent elsewhere cancels it here.";
const WITHOUT_COMMANDS: &str = "A file cancels nothing; send it over HTTP, or a cancellation plan.";
const SOMEBODY_DECIDES: &str = "Somebody has to decide about it first.";

/// The pieces that it needs.
pub(crate) struct Settling<'a> {
    pub pool: &'a PgPool,
    pub catalog_cache: &'a CatalogCache,
    /// Whose the changes are.
    pub actor: Actor,
    /// What runs commands, and for whom; none where no command can be run.
    pub commands: Option<(&'a Dispatcher, &'a Arc<Caller>)>,
}

/// Compares an order with the stored one that it is, and does what can be done. Returns what differed; nothing of a message
/// that is older than one that was heard before.
///
/// # Errors
/// When the database fails.
pub(crate) async fn settle(
    settling: &Settling<'_>,
    order_id: i64,
    order: &OrderInput,
    payload: &Value,
) -> Result<Vec<Differing>> {
    // First: what is older, and comes at the same time, sees it and changes nothing, or was there before the comparison.
    hear(settling, order_id, order.modified_date).await?;
    let mut connection = settling.pool.acquire().await?;
    let catalog = settling.catalog_cache.up_to_date(&mut connection).await?;
    let stored = compare::load(&mut connection, &[order_id]).await?.remove(&order_id);
    drop(connection);
    let stored = stored.ok_or_else(|| Error::Fault(format!("order {order_id} vanished")))?;
    if is_older(order, &stored) {
        return Ok(Vec::new());
    }
    note_wanted(settling, &stored.wanted(order)).await?;
    let company = order.cargo_company.as_ref().and_then(|name| catalog.cargo_company(name)).map(|company| company.id);
    let differences = stored.differences(order, company);
    let mut told = Vec::with_capacity(differences.len());
    if differences.is_empty() {
        problems::resolve(settling.pool, &order.identity()).await?;
    } else {
        let undone = act(settling, &stored, order, &differences).await?;
        told.extend(differences.iter().zip(&undone).map(|(one, why)| Differing::of(one, why.as_deref())));
        problems::record_difference(settling.pool, &order.identity(), order_id, &told, payload).await?;
    }
    Ok(told)
}

/// True if the message was overtaken by one that the upstream sent later.
pub(crate) fn is_older(order: &OrderInput, stored: &StoredOrder) -> bool {
    order.modified_date.zip(stored.heard_date).is_some_and(|(sent, heard)| sent < heard)
}

/// Why each difference is not done; none: it is.
async fn act(
    settling: &Settling<'_>,
    stored: &StoredOrder,
    order: &OrderInput,
    differences: &[Difference],
) -> Result<Vec<Option<String>>> {
    let wanted = |change: Change| differences.iter().any(|one| one.change == change);
    let line = |one: &Difference| match one.change {
        Change::LineCancelled(order_item_id) => Some(WantedLine { order_item_id, units: WantedUnits::All }),
        Change::FewerUnits(order_item_id, left) => Some(WantedLine { order_item_id, units: WantedUnits::AllBut(left) }),
        _ => None,
    };
    let lines: Vec<WantedLine> = differences.iter().filter_map(line).collect();
    // Before anything is packed it is decided who it is for; what is cancelled needs no address.
    let recipient = if wanted(Change::Recipient) && !wanted(Change::Cancelled) {
        change_recipient(settling, stored, order).await?
    } else {
        Some(AS_IT_CAME.to_owned())
    };
    let cancelled = if wanted(Change::Cancelled) {
        undo(settling, stored.id, Wanted::Order).await?
    } else if lines.is_empty() {
        None
    } else {
        undo(settling, stored.id, Wanted::Lines(&lines)).await?
    };
    let approved = take_up(settling, stored.id, order, differences).await?;
    let why = |one: &Difference| match one.change {
        Change::Approved(_) => approved.clone(),
        Change::WantedAgain => Some(WANTED_AGAIN.to_owned()),
        Change::SentElsewhere => Some(SENT_ELSEWHERE.to_owned()),
        Change::Cancelled | Change::LineCancelled(_) | Change::FewerUnits(..) => cancelled.clone(),
        Change::Recipient => recipient.clone(),
        Change::Other => Some(AS_IT_CAME.to_owned()),
    };
    Ok(differences.iter().map(why).collect())
}

/// Cancels what is not wanted any more of an order; why it could not be.
async fn undo(settling: &Settling<'_>, order_id: i64, wanted: Wanted<'_>) -> Result<Option<String>> {
    let Some((dispatcher, caller)) = settling.commands else { return Ok(Some(WITHOUT_COMMANDS.to_owned())) };
    let canceller = Canceller { pool: settling.pool, catalog_cache: settling.catalog_cache, dispatcher };
    Ok(match cancel(canceller, caller, order_id, wanted, SENT_AGAIN).await? {
        Cancelled::All => None,
        Cancelled::Waits => Some(SOMEBODY_DECIDES.to_owned()),
        Cancelled::Refused(reason) => Some(reason),
    })
}

/// Plans the lines that are approved now; why they could not be.
async fn take_up(
    settling: &Settling<'_>,
    order_id: i64,
    order: &OrderInput,
    differences: &[Difference],
) -> Result<Option<String>> {
    let line = |one: &Difference| match (one.change, one.line) {
        (Change::Approved(id), Some((number, _))) => Some((id, order.lines.get(number - 1)?.status.clone())),
        _ => None,
    };
    let lines: BTreeMap<i64, String> = differences.iter().filter_map(line).collect();
    if lines.is_empty() {
        return Ok(None);
    }
    if Stage::of(&order.status) != Stage::ToPack {
        return Ok(Some(format!("The order itself has the status {}.", order.status)));
    }
    let user_id = settling.commands.as_ref().map(|(_, caller)| caller.user_id);
    match take_up::take_up(settling.pool, settling.catalog_cache, (order_id, order), &lines, user_id).await {
        Ok(()) => Ok(None),
        Err(Error::Refused(refusal)) => Ok(Some(refusal.to_string())),
        Err(error) => Err(error),
    }
}

/// Keeps how many units of lines are wanted now.
async fn note_wanted(settling: &Settling<'_>, wanted: &[(i64, i64)]) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let (ids, units): (Vec<i64>, Vec<i64>) = wanted.iter().copied().unzip();
    sqlx::query!(
        "update order_items i set wanted_quantity = w.units
           from unnest($1::bigint[], $2::bigint[]) as w(id, units) where i.id = w.id",
        &ids,
        &units
    )
    .execute(settling.pool)
    .await?;
    Ok(())
}

/// Changes who it is for and where it goes; why it could not be.
async fn change_recipient(settling: &Settling<'_>, stored: &StoredOrder, order: &OrderInput) -> Result<Option<String>> {
    let parts = |details: &Value| -> Value {
        let mut details: Map<String, Value> = details.as_object().cloned().unwrap_or_default();
        for part in RECIPIENT {
            if let Some(value) = order.details.get(part).filter(|value| is_said(value)) {
                details.insert(part.to_owned(), value.clone());
            }
        }
        Value::Object(details)
    };
    let Settling { pool, catalog_cache, actor, .. } = settling;
    Ok(match recipient::change(pool, catalog_cache, stored.id, actor, order.modified_date, parts).await? {
        Changed::Done | Changed::Same => None,
        Changed::TooLate(reason) => Some(reason),
    })
}

/// Notes the date of what was heard. Most of what is sent again was heard before.
async fn hear(settling: &Settling<'_>, order_id: i64, date: Option<DateTime<Utc>>) -> Result<()> {
    sqlx::query!(
        "update orders set heard_date = $2 where id = $1 and $2::timestamptz is not null
            and (heard_date is null or heard_date < $2)",
        order_id,
        date
    )
    .execute(settling.pool)
    .await?;
    Ok(())
}
