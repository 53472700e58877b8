//! The documents of invoices.

use uuid::Uuid;

use crate::{db::PgPool, error::Result};

/// The document of a package's invoice, as `UPDATE_INVOICE` gave it.
#[derive(Debug)]
pub struct InvoiceDocument {
    /// What its maker calls it: `pdf`, `xml`.
    pub kind: String,
    /// The document.
    pub bytes: Vec<u8>,
}

/// Finds a document by its key, among those of packages at these locations (none: at any).
///
/// # Errors
/// When the database fails.
pub async fn document(pool: &PgPool, key: Uuid, location_ids: Option<&[i64]>) -> Result<Option<InvoiceDocument>> {
    let document = sqlx::query_as!(
        InvoiceDocument,
        r#"select i.document_type as "kind!", i.document as "bytes!"
             from package_invoices i
             join packages p on p.id = i.package_id
            where i.document_key = $1 and ($2::bigint[] is null or p.stock_location_id = any($2))"#,
        key,
        location_ids
    );
    Ok(document.fetch_optional(pool).await?)
}
