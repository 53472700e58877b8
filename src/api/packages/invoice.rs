//! `GET /invoices/{key}/`: the document of a package's invoice.

use axum::response::Response;

use super::super::file::{self, File};
use crate::{
    api::extract::Linked,
    error::{Refusal, Result},
    packages::invoice,
};

/// An invoice
///
/// The address in a package's `invoice_document`. It is signed, and good for some days (`OMS_LINK_HOURS`), so that a
/// browser or a printer can open it without a token; `OMS_LINKS_NEED_TOKEN` wants one all the same. A new document has a
/// new address. What is no PDF, PNG or JPEG by its bytes is sent as a file to keep.
#[utoipa::path(get, path = "/api/v1/oms/invoices/{key}/", tag = "Packages", operation_id = "getInvoice",
    params(("key" = Uuid, Path, description = "The key in the package's `invoice_document`.",
            example = "6a2f41a3-c54c-4e0a-9f5e-7c2b1d3e4f50"),
           ("expires" = Option<u64>, Query, description = "As in the package's `invoice_document`."),
           ("signature" = Option<String>, Query, description = "As in the package's `invoice_document`.")),
    security(()),
    responses((status = 200, description = "The document as UPDATE_INVOICE gave it",
               content((File = "application/pdf"), (File = "image/png"), (File = "image/jpeg"),
                       (File = "application/octet-stream"))),
              (status = 401, description = "This server wants a token, too"),
              (status = 403, description = "The address is not signed as it should be"),
              (status = 410, description = "The address has expired")))]
pub(super) async fn document(Linked { app, key, location_ids }: Linked<true>) -> Result<Response> {
    let found = invoice::document(&app.pool, key, location_ids.as_deref()).await?.ok_or_else(Refusal::not_found)?;
    Ok(file::document(found.bytes, "invoice", &found.kind))
}
