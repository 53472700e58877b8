//! Adjustments: units that are added to a shelf or taken from it, with a reason. Where a count says how many there are, an
//! adjustment says how many there are more or less, so that it is right whatever was packed meanwhile.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::{
    LONGEST_SKU, MOST_ATTEMPTS, MOST_UNITS, Origin, Place,
    ledger::{self, Change, Why},
    tell,
};
use crate::{
    db::{PgConnection, PgPool},
    error::Result,
    reading::{Defect, Reader},
};

/// Longest reason, in characters.
pub const LONGEST_REASON: usize = 500;

/// An adjustment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adjustment {
    /// The location.
    pub place: Place,
    /// The SKU.
    pub sku: String,
    /// Units that are added, or taken where it is negative; never 0.
    pub delta: i64,
    /// Why.
    pub reason: String,
}

impl Adjustment {
    /// Reads an adjustment as it is sent: `stock_location` (or `erp_code`), `sku`, `delta`, `reason`. `find` has the id of a
    /// location by its ERP code.
    pub fn read(reader: &mut Reader<'_>, find: impl Fn(&str) -> Option<i64>) -> Self {
        let place = Place::read(reader, &["sku", "delta", "reason"], find);
        let sku = reader.text_within("sku", LONGEST_SKU).unwrap_or_default();
        let delta = reader.integer("delta", -MOST_UNITS..=MOST_UNITS);
        if delta == Some(0) {
            reader.wrong("delta", "Say how many units are added, or taken: -1.");
        }
        let reason = reader.text_within("reason", LONGEST_REASON).unwrap_or_default();
        Self { place, sku, delta: delta.unwrap_or_default(), reason }
    }
}

/// A stock after an adjustment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Adjusted {
    /// ERP code of the location.
    pub stock_location: String,
    /// The SKU.
    pub sku: String,
    /// Units on the shelf now, reserved ones included.
    pub quantity: i64,
}

/// An adjustment that cannot be made: its index, and what is wrong.
pub type Wrong = (usize, Defect);

/// Makes adjustments in a transaction of their own, all or none.
///
/// # Errors
/// When the database fails.
pub async fn adjust_alone(
    pool: &PgPool,
    adjustments: &[Adjustment],
    origin: &Origin,
) -> Result<Result<Vec<Adjusted>, Vec<Wrong>>> {
    let mut attempt = 1;
    loop {
        let mut transaction = pool.begin().await?;
        match adjust(&mut transaction, adjustments, origin).await {
            Err(error) if error.is_deadlock() && attempt < MOST_ATTEMPTS => attempt += 1,
            Ok(Ok(adjusted)) => {
                transaction.commit().await?;
                return Ok(Ok(adjusted));
            }
            adjusted => return adjusted,
        }
    }
}

/// Makes adjustments, all or none: within the caller's transaction, which it rolls back if something is wrong.
///
/// # Errors
/// When the database fails.
pub async fn adjust(
    connection: &mut PgConnection,
    adjustments: &[Adjustment],
    origin: &Origin,
) -> Result<Result<Vec<Adjusted>, Vec<Wrong>>> {
    // In the order in which rows of stock are locked.
    let mut indexes: BTreeMap<(&str, i64), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (index, adjustment) in adjustments.iter().enumerate() {
        let Adjustment { place, sku, .. } = adjustment;
        if let Some(first) = indexes.get(&(sku.as_str(), place.id)) {
            let message = format!("{sku} at {} is adjustment {} already; make one of both.", place.erp_code, first + 1);
            wrong.push((index, Defect::of_key("sku", message, "")));
        } else {
            indexes.insert((sku, place.id), index);
        }
    }
    if !wrong.is_empty() {
        return Ok(Err(wrong));
    }
    let skus: Vec<String> = indexes.keys().map(|(sku, _)| (*sku).to_owned()).collect();
    let locations: Vec<i64> = indexes.keys().map(|(_, location)| *location).collect();
    let before = ledger::lock(connection, &skus, &locations).await?;
    let mut changes = Vec::with_capacity(adjustments.len());
    for (index, before) in indexes.into_values().zip(before) {
        let Adjustment { place, sku, delta, reason } = &adjustments[index];
        let before = before.quantity;
        let after = before + delta;
        if after < 0 {
            let message = format!("{} has {before} of {sku}, so {} cannot be taken.", place.erp_code, -delta);
            wrong.push((index, Defect::of_key("delta", message, "")));
        } else if after > MOST_UNITS {
            let message = format!("{} has {before} of {sku}; there can be {MOST_UNITS} at most.", place.erp_code);
            wrong.push((index, Defect::of_key("delta", message, "")));
        }
        changes.push((
            index,
            Change { sku, stock_location_id: place.id, before, after, reason: Some(reason), counted_at: None },
        ));
    }
    if !wrong.is_empty() {
        wrong.sort_by_key(|(index, _)| *index);
        return Ok(Err(wrong));
    }
    let only: Vec<Change<'_>> = changes.iter().map(|(_, change)| *change).collect();
    ledger::record(connection, Why::Adjustment, &only, origin).await?;
    // Units that are taken do not mean that there are others.
    let added: Vec<Change<'_>> = only.into_iter().filter(|change| change.after > change.before).collect();
    tell(connection, &added).await?;
    changes.sort_by_key(|(index, _)| *index);
    let adjusted = changes.into_iter().map(|(index, change)| Adjusted {
        stock_location: adjustments[index].place.erp_code.clone(),
        sku: change.sku.to_owned(),
        quantity: change.after,
    });
    Ok(Ok(adjusted.collect()))
}
