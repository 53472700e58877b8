//! The services that the installation names: they go when they are gone from the files.

use crate::{db::PgConnection, error::Result, installation::read::Installation};

/// The stock service, which goes when it is gone from the files.
pub(super) async fn stock(connection: &mut PgConnection, installation: &Installation) -> Result<()> {
    let Some(inventory) = installation.inventory.first() else {
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

/// The invoice services: exactly those of the files.
pub(super) async fn invoices(connection: &mut PgConnection, installation: &Installation) -> Result<()> {
    sqlx::query!("delete from invoice_services").execute(&mut *connection).await?;
    for entry in &installation.invoice_services {
        let settings = entry.service.stored();
        sqlx::query!("insert into invoice_services (slug, settings) values ($1, $2)", entry.slug, settings.reveal())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}
