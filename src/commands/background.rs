//! Facts that some commands need besides their package. They are read in a query of their own, only for kinds of
//! command that ask for them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::package::replacements;
use crate::{
    commands::input::Input,
    db::PgConnection,
    error::Result,
    kinds::Lookup,
    packages::facts::{PackageFacts, states_before},
    workflow::CANCELLED,
};

/// The facts that were read; empty if the command does not ask.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Background {
    /// The package's state before the present one, from its log; `waiting` for a package that began there.
    pub state_before_id: Option<i64>,
    /// Ids and titles of the active denial reasons, by priority.
    pub denial_reasons: Vec<(i64, String)>,
    /// The upstream's keys of the package's order lines, by order item id.
    pub omnitron_ids: HashMap<i64, i64>,
    /// The barcodes of the products of the package's order lines, by order item id.
    pub barcodes: HashMap<i64, String>,
    /// The available stock of the SKUs in `replacements`, at the package's location. A SKU that was never counted there
    /// is missing.
    pub available: BTreeMap<String, i64>,
    /// Order items of which other items have units too; read if products are replaced.
    pub divided: BTreeSet<i64>,
}

/// Reads the facts that a command asks for.
///
/// # Errors
/// When the database fails.
pub async fn load(
    connection: &mut PgConnection,
    lookups: &[Lookup],
    package: &PackageFacts,
    input: Input<'_>,
) -> Result<Background> {
    let mut background = Background::default();
    for lookup in lookups {
        match lookup {
            Lookup::StateBefore => {
                let before = states_before(connection, &[package.id]).await?;
                background.state_before_id = before.get(&package.id).copied();
            }
            Lookup::DenialReasons => background.denial_reasons = denial_reasons(connection).await?,
            Lookup::Products => {
                (background.omnitron_ids, background.barcodes) = lines(connection, package).await?;
                let skus = replacements::named_skus(input);
                background.available = available(connection, package.stock_location_id, &skus).await?;
                background.divided = divided(connection, package, &skus).await?;
            }
        }
    }
    Ok(background)
}

async fn denial_reasons(connection: &mut PgConnection) -> Result<Vec<(i64, String)>> {
    // Locked against deletion: the command's record refers to one of them.
    let rows = sqlx::query!(
        "select id, title from denial_reasons where is_active order by priority nulls last, id for key share"
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.title)).collect())
}

/// The upstream's keys and the barcodes of the package's order lines, by order item id.
async fn lines(
    connection: &mut PgConnection,
    package: &PackageFacts,
) -> Result<(HashMap<i64, i64>, HashMap<i64, String>)> {
    let lines: Vec<i64> = package.items.iter().map(|item| item.order_item_id).collect();
    let query = sqlx::query!(
        "select id, omnitron_id, product->>'barcode' as barcode from order_items where id = any($1)",
        &lines
    );
    let (mut keys, mut barcodes) = (HashMap::new(), HashMap::new());
    for row in query.fetch_all(connection).await? {
        keys.extend(row.omnitron_id.map(|key| (row.id, key)));
        barcodes.extend(row.barcode.map(|barcode| (row.id, barcode)));
    }
    Ok((keys, barcodes))
}

/// The lines of which other items have units too, if some product is to be replaced.
async fn divided(connection: &mut PgConnection, package: &PackageFacts, skus: &[String]) -> Result<BTreeSet<i64>> {
    if skus.is_empty() {
        return Ok(BTreeSet::new());
    }
    let (items, lines): (Vec<i64>, Vec<i64>) = package.items.iter().map(|item| (item.id, item.order_item_id)).unzip();
    let rows = sqlx::query_scalar!(
        r#"select w.order_item_id as "order_item_id!"
             from unnest($1::bigint[], $2::bigint[]) as w(id, order_item_id)
            where exists (select from package_items i join packages p on p.id = i.package_id
                            join states s on s.id = p.state_id
                           where i.order_item_id = w.order_item_id and i.id <> w.id and s.slug <> $3)"#,
        &items,
        &lines,
        CANCELLED
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().collect())
}

async fn available(
    connection: &mut PgConnection,
    stock_location_id: i64,
    skus: &[String],
) -> Result<BTreeMap<String, i64>> {
    if skus.is_empty() {
        return Ok(BTreeMap::new());
    }
    let rows = sqlx::query!(
        r#"select sku, quantity - reserved - missing as "available!" from stocks where sku = any($1) and stock_location_id = $2"#,
        skus,
        stock_location_id
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (row.sku, row.available)).collect())
}
