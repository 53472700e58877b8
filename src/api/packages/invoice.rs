//! `GET /invoices/{key}/`: the document of a package's invoice.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

use super::super::file::File;
use crate::{
    api::extract::{Key, Public},
    commands::package::update_invoice::media_type,
    error::{Refusal, Result},
};

/// An invoice
///
/// The address in a package's `invoice_document`. It needs no token: the key in it is only known to who was shown the
/// package, so that a browser or a printer can open it. A new document has a new address.
#[utoipa::path(get, path = "/api/v1/oms/invoices/{key}/", tag = "Packages", operation_id = "getInvoice",
    params(("key" = Uuid, Path, description = "The key in the package's `invoice_document`.",
        example = "6a2f41a3-c54c-4e0a-9f5e-7c2b1d3e4f50")),
    security(()),
    responses((status = 200, description = "The document as UPDATE_INVOICE gave it",
               content((File = "application/pdf"), (File = "image/png"), (File = "image/jpeg"), (File = "application/xml")))))]
pub(super) async fn document(Public { app }: Public, Key(key): Key) -> Result<Response> {
    let row = sqlx::query!(
        r#"select document_type as "document_type!", document as "document!"
             from package_invoices where document_key = $1"#,
        key
    )
    .fetch_optional(&app.pool)
    .await?
    .ok_or_else(Refusal::not_found)?;
    // What others wrote is shown, never run: its type is not guessed, and XML is only for keeping.
    let disposition = if row.document_type == "xml" { "attachment" } else { "inline" };
    let headers = [
        (header::CONTENT_TYPE, media_type(&row.document_type).unwrap_or("application/octet-stream").to_owned()),
        (header::CONTENT_DISPOSITION, format!("{disposition}; filename=\"invoice.{}\"", row.document_type)),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CACHE_CONTROL, "private, max-age=300".to_owned()),
    ];
    Ok((headers, File(row.document)).into_response())
}
