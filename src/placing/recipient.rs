//! Who an order is for, and where it goes, changed while nothing of it is packed: in one transaction with what is told of it
//! and with who changed it. It holds the order's packages, so either a command that packs one sees the change, or the change
//! sees that it is packed.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    audit::{self, Actor},
    catalog::{Catalog, CatalogCache},
    cause,
    db::{self, PgPool, Transaction},
    error::{Error, Result},
    orders::input::Recipient,
    packages::{
        facts::{self, PackageFacts},
        snapshot::PackageSnapshot,
    },
    workflow::{CANCELLED, Holding},
};

/// The event that tells it of each package.
pub(crate) const TOLD: &str = "package.order.updated";
/// How often it is tried again after a package was added meanwhile.
const MOST_ATTEMPTS: u32 = 6;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Changed {
    /// It is changed.
    Done,
    /// It was so already.
    Same,
    /// Something is packed: why it is not changed any more.
    TooLate(String),
}

/// Changes the parts of an order that say who it is for and where it goes. `change`: what its kept parts become.
/// `heard_date`: the upstream's date of change of what says so; what is older than what was heard already changes nothing.
///
/// # Errors
/// When the database fails; 503 when others were faster too often.
pub(crate) async fn change(
    pool: &PgPool,
    catalog_cache: &CatalogCache,
    order_id: i64,
    actor: &Actor,
    heard_date: Option<DateTime<Utc>>,
    change: impl Fn(&Value) -> Value + Send + Sync,
) -> Result<Changed> {
    for attempt in 1..=MOST_ATTEMPTS {
        match try_change(pool, catalog_cache, order_id, actor, heard_date, &change).await {
            Ok(Some(changed)) => return Ok(changed),
            Ok(None) => {}
            Err(error) if error.is_deadlock() && attempt < MOST_ATTEMPTS => {}
            Err(error) => return Err(error),
        }
    }
    Err(Error::Overloaded)
}

/// One transaction. None if a package was added to the order meanwhile.
async fn try_change(
    pool: &PgPool,
    catalog_cache: &CatalogCache,
    order_id: i64,
    actor: &Actor,
    heard_date: Option<DateTime<Utc>>,
    change: &(impl Fn(&Value) -> Value + Sync),
) -> Result<Option<Changed>> {
    let mut transaction = pool.begin_with(db::BEGIN_UNDER_INSTALLATION).await?;
    // What is told must not be taken back by a crash.
    sqlx::query!("set local synchronous_commit = on").execute(&mut *transaction).await?;
    audit::name(&mut transaction, actor).await?;
    let catalog = catalog_cache.up_to_date(&mut transaction).await?;
    let package_ids = sqlx::query_scalar!("select id from packages where order_id = $1 order by id", order_id)
        .fetch_all(&mut *transaction)
        .await?;
    let packages = facts::lock(&mut transaction, &package_ids).await?;
    let mut packages: Vec<PackageFacts> = packages.by_id.into_values().collect();
    packages.sort_unstable_by_key(|package| package.id);
    let order = sqlx::query!(
        "select number, details, package_count, heard_date from orders where id = $1 for update",
        order_id
    )
    .fetch_one(&mut *transaction)
    .await?;
    // Whoever adds a package holds the order's row.
    if usize::try_from(order.package_count) != Ok(packages.len()) {
        return Ok(None);
    }
    let details = change(&order.details);
    let is_older = heard_date.zip(order.heard_date).is_some_and(|(sent, heard)| sent < heard);
    if is_older || details == order.details {
        return Ok(Some(Changed::Same));
    }
    let over = catalog.workflow.state_by_slug("package", CANCELLED)?.id;
    packages.retain(|package| package.state_id != over);
    if let Some(why) = why_too_late(&catalog, &packages)? {
        return Ok(Some(Changed::TooLate(why)));
    }
    write(&mut transaction, order_id, &details).await?;
    tell(&mut transaction, &packages).await?;
    sqlx::query!(
        "select write_audit('order', $1, $2, 'changed', audit_changes($3, $4, '{}')) as written",
        order_id,
        order.number,
        order.details,
        details
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Some(Changed::Done))
}

/// The first package whose label or box has the address already.
fn why_too_late(catalog: &Catalog, packages: &[PackageFacts]) -> Result<Option<String>> {
    for package in packages {
        let state = catalog.workflow.state(package.state_id)?;
        if state.holding == Holding::Taken || package.shipment.is_some() {
            let sentence = "to whom and where it goes is not changed any more.";
            return Ok(Some(format!("Package {} is in the state {}: {sentence}", package.number, state.name)));
        }
    }
    Ok(None)
}

/// Keeps what the order was, and writes what it becomes.
async fn write(transaction: &mut Transaction<'_>, order_id: i64, details: &Value) -> Result<()> {
    // All events of before have smaller ids, for the packages are held; all of after have greater ones.
    sqlx::query!(
        "insert into order_history (order_id, revision, until_event_id, customer_first_name, customer_last_name, latitude,
                                    longitude, details)
         select id, revision, nextval('event_ids'), customer_first_name, customer_last_name, latitude, longitude, details
           from orders where id = $1",
        order_id
    )
    .execute(&mut **transaction)
    .await?;
    let recipient = Recipient::of(details);
    sqlx::query!(
        "update orders set details = $2, customer_first_name = $3, customer_last_name = $4,
                latitude = $5::text::numeric, longitude = $6::text::numeric, revision = revision + 1, modified_date = now()
          where id = $1",
        order_id,
        details,
        recipient.first_name,
        recipient.last_name,
        recipient.latitude,
        recipient.longitude
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!("update orders o set seal = seal(o) where id = $1", order_id).execute(&mut **transaction).await?;
    Ok(())
}

/// Tells it of each package. A command that was decided before is decided again, for the version is another.
async fn tell(transaction: &mut Transaction<'_>, packages: &[PackageFacts]) -> Result<()> {
    let cause = cause::current();
    for package in packages {
        let snapshot = PackageSnapshot {
            state_id: package.state_id,
            stock_location_id: package.stock_location_id,
            items: package.items.iter().map(Into::into).collect(),
            documents: package.documents.clone(),
        };
        sqlx::query!(
            "insert into events (entity, object_id, sequence, types, stock_location_ids, installation_version, facts,
                                 request_id, traceparent)
             select 'package', $1, $2, array[$3::text], array[$4::bigint], version, $5::text::json, $6, $7
               from installation",
            package.id,
            package.event_sequence + 1,
            TOLD,
            package.stock_location_id,
            snapshot.to_json()?,
            cause.as_ref().map(|cause| cause.request_id()),
            cause.as_ref().and_then(|cause| cause.traceparent())
        )
        .execute(&mut **transaction)
        .await?;
    }
    let ids: Vec<i64> = packages.iter().map(|package| package.id).collect();
    sqlx::query!(
        "update packages set event_sequence = event_sequence + 1, version = version + 1, modified_date = now()
          where id = any($1)",
        &ids
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
