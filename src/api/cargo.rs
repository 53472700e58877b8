//! `/cargo-company/`, `/cargo-company-conditions/` and the labels.

use axum::{http::HeaderName, response::Response};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::{Doors, Linked},
    file::{self, File},
    resource::{Read, detail, list},
};
use crate::{
    cargo::{CargoCompany, CargoCompanyCondition, Replaced, shipping_label},
    error::{Refusal, Result},
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let read = |path, operation, text| Read { path, tag: "Cargo companies", operation, text };
    OpenApiRouter::new()
        .routes(list::<CargoCompany>(&read(
            "/api/v1/oms/cargo-company/",
            "listCargoCompanies",
            "The cargo companies\n\nTheir ids are what commands send as `cargo_company`.",
        )))
        .routes(detail::<CargoCompany>(
            &read("/api/v1/oms/cargo-company/{id}/", "getCargoCompany", "One cargo company"),
            "the cargo company",
        ))
        .routes(list::<CargoCompanyCondition>(&read(
            "/api/v1/oms/cargo-company-conditions/",
            "listCargoCompanyConditions",
            "Conditions of cargo companies\n\nThey come from the installation, and are kept for the clients that choose \
             by them.",
        )))
        .routes(detail::<CargoCompanyCondition>(
            &read(
                "/api/v1/oms/cargo-company-conditions/{id}/",
                "getCargoCompanyCondition",
                "The conditions of one cargo company",
            ),
            "the entry",
        ))
        .routes(routes!(label))
}

/// How many letters of a label are written in others, and how many are not written.
const TRANSLITERATED: HeaderName = HeaderName::from_static("x-label-transliterated");
const MISSING: HeaderName = HeaderName::from_static("x-label-missing");

/// A shipping label
///
/// The address in a package's `shipping_label`. It is signed, and good for some days (`OMS_LINK_HOURS`), so that a browser
/// or a printer can open it without a token; `OMS_LINKS_NEED_TOKEN` wants one all the same.
#[utoipa::path(get, path = "/api/v1/oms/shipping-labels/{key}/", tag = "Cargo companies",
    operation_id = "getShippingLabel",
    params(("key" = Uuid, Path, description = "The key in the package's `shipping_label`.",
            example = "6a2f41a3-c54c-4e0a-9f5e-7c2b1d3e4f50"),
           ("expires" = Option<u64>, Query, description = "As in the package's `shipping_label`."),
           ("signature" = Option<String>, Query, description = "As in the package's `shipping_label`.")),
    security(()),
    responses((status = 200, description = "A printable label, 100 × 150 mm", body = File, content_type = "application/pdf",
               headers(("x-label-transliterated" = u64, description = "How many letters, which the fonts lack, are written in Latin ones."),
                       ("x-label-missing" = u64, description = "How many letters stand as `?`."))),
              (status = 401, description = "This server wants a token, too"),
              (status = 403, description = "The address is not signed as it should be"),
              (status = 410, description = "The address has expired")))]
async fn label(Linked { app, key, location_ids }: Linked<false>) -> Result<Response> {
    let label = shipping_label(&app.pool, key, location_ids.as_deref()).await?.ok_or_else(Refusal::not_found)?;
    let Replaced { transliterated, missing, missing_letters } = label.replaced;
    app.metrics.label_letters(transliterated, missing);
    if missing > 0 {
        tracing::warn!(label = ?key, letters = ?missing_letters, "a label has letters that its fonts lack: they print as ?");
    }
    let mut response = file::document(label.pdf, "label", "pdf");
    for (name, count) in [(TRANSLITERATED, transliterated), (MISSING, missing)] {
        response.headers_mut().insert(name, count.into());
    }
    Ok(response)
}
