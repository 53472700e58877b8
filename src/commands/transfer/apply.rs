//! Writes packages and transfers with all their consequences.
//!
//! Packages first ([`super::super::apply`], which ends with stock and locations), because new transfers refer to new
//! packages and items. Existing transfers were locked before ([`super::facts::lock`]), so the lock order is kept:
//! packages, transfers, stock, locations.

use super::{
    super::{
        apply::{self, Applied, CreatedItems},
        consequences::PackageChange,
    },
    consequences::{Derived, TransferConsequences},
};
use crate::{
    commands::transfer::changes::{Carried, TransferChange, TransferItemChange},
    db::PgConnection,
    error::{Error, Result},
};

/// Writes packages and transfers with all their consequences. `installation_version` is as in [`apply::apply`]. Call it
/// within a transaction if there are transfers.
///
/// # Errors
/// When the database fails or refuses.
pub async fn apply(
    connection: &mut PgConnection,
    packages: &[PackageChange],
    transfers: &[TransferChange],
    derived: &Derived,
    installation_version: Option<i64>,
) -> Result<Applied> {
    let applied = apply::apply(&mut *connection, packages, &derived.packages, installation_version).await?;
    if let Applied::Done { packages, created_items } = &applied
        && !transfers.is_empty()
    {
        write(connection, packages, created_items, transfers, &derived.transfers).await?;
    }
    Ok(applied)
}

/// Writes transfers, after their packages.
async fn write(
    connection: &mut PgConnection,
    package_ids: &[i64],
    items: &CreatedItems,
    transfers: &[TransferChange],
    own: &TransferConsequences,
) -> Result<()> {
    let mut ids = Vec::with_capacity(transfers.len());
    for (index, transfer) in transfers.iter().enumerate() {
        let events = own.events.iter().filter(|(of, _)| *of == index).count();
        let events = i64::try_from(events).unwrap_or(i64::MAX);
        ids.push(match (transfer.id, transfer.package) {
            (Some(id), _) => update(connection, id, transfer, events).await?,
            (None, Some(package)) => create(connection, package_ids[package], transfer, items, events).await?,
            (None, None) => return Err(Error::Fault("a new transfer without a package".to_owned())),
        });
    }
    write_reservations(connection, transfers, own, items).await?;
    write_log(connection, &ids, transfers).await?;
    write_events(connection, &ids, transfers, own).await
}

/// The package item of an item of a transfer.
fn carried(transfer: &TransferChange, item: &TransferItemChange, created: &CreatedItems) -> Result<i64> {
    let id = match item.package_item {
        Carried::Item(id) => Some(id),
        Carried::New(at) => transfer.package.and_then(|package| created.get(&(package, at)).copied()),
    };
    id.ok_or_else(|| Error::Fault(format!("no item was created for order item {}", item.order_item_id)))
}

/// A new transfer, numbered after its package's latest. The package is locked or new, so no other transaction numbers.
async fn create(
    connection: &mut PgConnection,
    package_id: i64,
    transfer: &TransferChange,
    created: &CreatedItems,
    events: i64,
) -> Result<i64> {
    let id = sqlx::query_scalar!(
        "insert into transfers (number, package_id, source_location_id, destination_location_id, state_id,
                                event_sequence)
         select p.number || 'T' || (select count(*) + 1 from transfers t where t.package_id = p.id), p.id, $2, $3, $4, $5
           from packages p where p.id = $1
         returning id",
        package_id,
        transfer.source_location_id,
        transfer.destination_location_id,
        transfer.after,
        events
    )
    .fetch_one(&mut *connection)
    .await?;
    let package_items: Vec<i64> =
        transfer.items.iter().map(|item| carried(transfer, item, created)).collect::<Result<_>>()?;
    let quantities: Vec<i64> = transfer.items.iter().map(|item| item.quantity).collect();
    let skus: Vec<String> = transfer.items.iter().map(|item| item.sku.clone()).collect();
    sqlx::query!(
        "insert into transfer_items (transfer_id, package_item_id, quantity, sku)
         select $1, c.package_item_id, c.quantity, c.sku
           from unnest($2::bigint[], $3::bigint[], $4::text[]) with ordinality as c(package_item_id, quantity, sku, n)
          order by c.n",
        id,
        &package_items,
        &quantities,
        &skus
    )
    .execute(connection)
    .await?;
    Ok(id)
}

async fn update(connection: &mut PgConnection, id: i64, transfer: &TransferChange, events: i64) -> Result<i64> {
    let shipment = transfer.shipment.as_ref();
    sqlx::query!(
        "update transfers
            set state_id = $2, event_sequence = event_sequence + $3, modified_date = now(),
                cargo_company_id = coalesce($4, cargo_company_id), tracking_number = coalesce($5, tracking_number)
          where id = $1",
        id,
        transfer.after,
        events,
        shipment.map(|shipment| shipment.cargo_company_id),
        shipment.map(|shipment| shipment.tracking_number.as_str())
    )
    .execute(connection)
    .await?;
    Ok(id)
}

async fn write_reservations(
    connection: &mut PgConnection,
    transfers: &[TransferChange],
    own: &TransferConsequences,
    created: &CreatedItems,
) -> Result<()> {
    let (mut held, mut locations, mut skus, mut quantities) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (transfer, at) in own.reserve.iter().map(|(index, at)| (&transfers[*index], *at)) {
        let item = &transfer.items[at];
        held.push(carried(transfer, item, created)?);
        locations.push(transfer.source_location_id);
        skus.push(item.sku.clone());
        quantities.push(item.quantity);
    }
    if held.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into reservations (package_item_id, stock_location_id, sku, quantity)
         select * from unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[])",
        &held,
        &locations,
        &skus,
        &quantities
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn write_log(connection: &mut PgConnection, ids: &[i64], transfers: &[TransferChange]) -> Result<()> {
    let transitions: Vec<Option<i64>> = transfers.iter().map(|transfer| transfer.transition_id).collect();
    let sources: Vec<Option<i64>> = transfers.iter().map(|transfer| transfer.before).collect();
    let destinations: Vec<i64> = transfers.iter().map(|transfer| transfer.after).collect();
    let users: Vec<Option<i64>> = transfers.iter().map(|transfer| transfer.user_id).collect();
    let requests: Vec<Option<String>> = transfers.iter().map(request_id).collect();
    sqlx::query!(
        "insert into transfer_logs (transfer_id, transition_id, source_state_id, destination_state_id, user_id,
                                    request_id)
         select * from unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[])",
        ids,
        &transitions as &[Option<i64>],
        &sources as &[Option<i64>],
        &destinations,
        &users as &[Option<i64>],
        &requests as &[Option<String>]
    )
    .execute(connection)
    .await?;
    Ok(())
}

fn request_id(transfer: &TransferChange) -> Option<String> {
    transfer.cause.as_ref().map(|cause| cause.request_id().to_owned())
}

/// The transfer and its package are read back, because everything else of them is written.
async fn write_events(
    connection: &mut PgConnection,
    ids: &[i64],
    transfers: &[TransferChange],
    own: &TransferConsequences,
) -> Result<()> {
    let (mut objects, mut sequences, mut types) = (Vec::new(), Vec::new(), Vec::new());
    let (mut requests, mut traces) = (Vec::new(), Vec::new());
    for (index, transfer) in transfers.iter().enumerate() {
        let events: Vec<&str> = own.events.iter().filter(|(of, _)| *of == index).map(|(_, event)| *event).collect();
        if !events.is_empty() {
            objects.push(ids[index]);
            sequences.push(transfer.event_sequence + 1);
            types.push(events.join(" "));
            requests.push(request_id(transfer));
            traces.push(transfer.cause.as_ref().and_then(|cause| cause.traceparent()));
        }
    }
    sqlx::query!(
        "insert into events (entity, object_id, sequence, types, stock_location_ids, installation_version, facts,
                             request_id, traceparent)
         select 'transfer', t.id, c.sequence, string_to_array(c.types, ' '),
                array[t.source_location_id, t.destination_location_id], (select version from installation),
                json_build_object('state', t.state_id, 'cargo_company', t.cargo_company_id,
                                  'tracking_number', t.tracking_number, 'package_state', p.state_id,
                                  'package_stock_location', p.stock_location_id),
                c.request_id, c.traceparent
           from unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[]) with ordinality
                as c(id, sequence, types, request_id, traceparent, n)
           join transfers t on t.id = c.id
           join packages p on p.id = t.package_id
          order by c.n",
        &objects,
        &sequences,
        &types,
        &requests as &[Option<String>],
        &traces as &[Option<String>]
    )
    .execute(connection)
    .await?;
    Ok(())
}
