//! `/cargo-company/`, `/cargo-company-conditions/` and the labels.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    extract::{Doors, Key, Public},
    file::File,
    resource::{Read, detail, list},
};
use crate::{
    cargo::{CargoCompany, CargoCompanyCondition, shipping_label},
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

/// A shipping label
///
/// The address in a package's `shipping_label`. It needs no token: the key in it is only known to who was shown the
/// package, so that a browser or a printer can open it.
#[utoipa::path(get, path = "/api/v1/oms/shipping-labels/{key}/", tag = "Cargo companies",
    operation_id = "getShippingLabel",
    params(("key" = Uuid, Path, description = "The key in the package's `shipping_label`.",
        example = "6a2f41a3-c54c-4e0a-9f5e-7c2b1d3e4f50")),
    security(()),
    responses((status = 200, description = "A printable label, 100 × 150 mm", body = File, content_type = "application/pdf")))]
async fn label(Public { app }: Public, Key(key): Key) -> Result<Response> {
    let pdf = shipping_label(&app.pool, key).await?.ok_or_else(Refusal::not_found)?;
    let kind = (header::CONTENT_TYPE, "application/pdf");
    Ok(([kind, (header::CACHE_CONTROL, "private, max-age=300")], File(pdf)).into_response())
}
