//! What the installation names once, and its services: they go when they are gone from the files.

use crate::{
    db::PgConnection,
    error::Result,
    installation::{items::Section, plan::Plan, read::Installation},
};

/// Writes what differs of them.
pub(super) async fn write(connection: &mut PgConnection, wanted: &Installation, plan: &Plan) -> Result<()> {
    if plan.of(Section::Inventory).next().is_some() {
        stock(&mut *connection, wanted).await?;
    }
    if plan.of(Section::InvoiceServices).next().is_some() {
        invoices(&mut *connection, wanted).await?;
    }
    if plan.of(Section::TimeZone).next().is_some() {
        time_zone(connection, wanted).await?;
    }
    Ok(())
}

async fn stock(connection: &mut PgConnection, wanted: &Installation) -> Result<()> {
    let Some(inventory) = wanted.inventory.first() else {
        sqlx::query!("delete from inventory_engine").execute(connection).await?;
        return Ok(());
    };
    let settings = inventory.settings.stored();
    sqlx::query!(
        "insert into inventory_engine (settings) values ($1)
         on conflict (only_row) do update set settings = excluded.settings",
        settings.reveal()
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Exactly those of the files.
async fn invoices(connection: &mut PgConnection, wanted: &Installation) -> Result<()> {
    let slugs: Vec<String> = wanted.invoice_services.iter().map(|entry| entry.slug.clone()).collect();
    sqlx::query!("delete from invoice_services where not (slug = any($1))", &slugs).execute(&mut *connection).await?;
    for entry in &wanted.invoice_services {
        let settings = entry.service.stored();
        sqlx::query!(
            "insert into invoice_services (slug, settings) values ($1, $2)
             on conflict (slug) do update set settings = excluded.settings",
            entry.slug,
            settings.reveal()
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn time_zone(connection: &mut PgConnection, wanted: &Installation) -> Result<()> {
    let Some(wanted) = wanted.time_zone.first() else {
        sqlx::query!("delete from installation_settings").execute(connection).await?;
        return Ok(());
    };
    sqlx::query!(
        "insert into installation_settings (time_zone) values ($1)
         on conflict (only_row) do update set time_zone = excluded.time_zone",
        wanted.zone.name()
    )
    .execute(connection)
    .await?;
    Ok(())
}
