//! Stocks that were counted below what is reserved: the packages whose units are not there. The latest promises are those that
//! cannot be kept, in the reverse order of the turns.

use std::collections::BTreeSet;

use crate::{
    catalog::Catalog,
    db::PgPool,
    error::Result,
    kinds::names::DETECTED_OUT_OF_STOCK_ITEM,
    workflow::{State, WAITING},
};

/// Most stocks that are looked at together.
const MOST_STOCKS: i64 = 100;

/// What was tried and is still so.
pub(super) type Tried = BTreeSet<Promise>;

/// Units of an item that are not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Promise {
    pub package: i64,
    /// The package's version as it was read: another server that does the same does not do it again.
    pub version: i64,
    pub state_id: i64,
    pub item: i64,
    pub units: i64,
}

/// The transition that says of a package's items that they are not there, from the state in which nobody works on it yet.
pub(super) fn transition(catalog: &Catalog, state_id: i64) -> Option<i64> {
    let is_untouched = |state: &State| state.slug == WAITING;
    let mut transitions = catalog.workflow.transitions("package");
    let found = transitions.find(|transition| {
        transition.kind.identifier == DETECTED_OUT_OF_STOCK_ITEM
            && transition.source_id == state_id
            && catalog.workflow.state(state_id).is_ok_and(is_untouched)
    });
    found.map(|transition| transition.id)
}

/// The latest promises of short stocks that nobody works on yet, as many units as are not there.
pub(super) async fn promises(pool: &PgPool, catalog: &Catalog) -> Result<Vec<Promise>> {
    let waiting = catalog.workflow.state_by_slug("package", WAITING)?.id;
    // What is held by packages that somebody works on is theirs.
    let rows = sqlx::query!(
        r#"select i.package_id, p.version, i.id as item, i.quantity, h.short as "short!", h.sku, h.stock_location_id
             from (select n.sku, n.stock_location_id, s.reserved - (s.quantity - s.missing) as short
                     from short_stocks n join stocks s on s.sku = n.sku and s.stock_location_id = n.stock_location_id
                    where s.reserved > s.quantity - s.missing
                    order by n.since, n.sku, n.stock_location_id limit $2) h
             join reservations r on r.sku = h.sku and r.stock_location_id = h.stock_location_id
             join package_items i on i.id = r.package_item_id
             join packages p on p.id = i.package_id and p.state_id = $1 and p.stock_location_id = h.stock_location_id
             join orders o on o.id = p.order_id
            order by h.sku, h.stock_location_id, o.date_placed desc, o.id desc, p.id desc, i.id desc"#,
        waiting,
        MOST_STOCKS
    )
    .fetch_all(pool)
    .await?;
    let mut promises = Vec::new();
    let (mut stock, mut left) = (None, 0);
    for row in rows {
        if stock.as_ref() != Some(&(row.sku.clone(), row.stock_location_id)) {
            (stock, left) = (Some((row.sku, row.stock_location_id)), row.short);
        }
        let units = row.quantity.min(left);
        if units > 0 {
            left -= units;
            promises.push(Promise {
                package: row.package_id,
                version: row.version,
                state_id: waiting,
                item: row.item,
                units,
            });
        }
    }
    Ok(promises)
}
