//! `/api/v1/oms/packages/`: lists, one package, its items, its log, and the routes by which commands come in.

mod bulk;
pub(super) mod command;
mod invoice;
mod list;

use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    declare::with_schema,
    resource::{self, Read, detail, list_below},
};
use crate::{
    api::extract::Doors,
    commands::effects::PackageEffects,
    history::PackageMove,
    packages::{items::PackageItem, list::PackageSummary, view::PackageView},
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let read = |path, operation, text| Read { path, tag: "Packages", operation, text };
    OpenApiRouter::new()
        .routes(resource::list::<PackageView>(&read(
            "/api/v1/oms/packages/",
            "listPackages",
            "Packages\n\nThe packages the caller may see, latest first. A filter of the original that is not offered here \
             yet is answered 400; a parameter that is no filter is ignored.",
        )))
        .routes(resource::list::<PackageSummary>(&read(
            "/api/v1/oms/packages/short/",
            "listPackageSummaries",
            "Packages, short\n\nThe same list with related objects reduced to their keys and `packageitem_count` for the \
             items.",
        )))
        .routes(routes!(list::detail))
        .routes(resource::list::<PackageItem>(&read(
            "/api/v1/oms/packages/package-items/",
            "listPackageItems",
            "Package items\n\nThe items of the packages the caller may see, latest first.",
        )))
        .routes(detail::<PackageItem>(
            &read("/api/v1/oms/packages/package-items/{id}/", "getPackageItem", "One package item"),
            "the item",
        ))
        .routes(list_below::<PackageView, PackageMove>(
            &read(
                "/api/v1/oms/packages/{id}/transition-logs/",
                "listPackageMoves",
                "A package's transition log\n\nEvery move of the package, latest first: when, by whom, by which \
                 transition, from and to which state, where, and what the command recorded.",
            ),
            "the package",
        ))
        .routes(with_schema::<PackageEffects, _>(routes!(command::run_command)))
        .routes(routes!(bulk::run_commands))
        .routes(routes!(invoice::document))
}
