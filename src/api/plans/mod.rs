//! `/api/v1/oms/orderexecutionplans/`.

mod stock_info;

use sqlx::{PgConnection, postgres::PgRow};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    declare::paged,
    resource::{Read, Resource, Viewer, detail, list},
};
use crate::{
    api::extract::Doors,
    app::App,
    error::Result,
    page::{List, ids},
    plans::{self, ExecutionPlanView},
};

/// The routes of this area.
pub fn routes() -> OpenApiRouter<Doors> {
    let read = |path, operation, text| Read { path, tag: "Plans", operation, text };
    OpenApiRouter::new()
        .routes(list::<ExecutionPlanView>(&read(
            "/api/v1/oms/orderexecutionplans/",
            "listPlanningRecords",
            "Planning records\n\nOne an order: where its items went, and in `context` each time they were planned: every \
             candidate location in the rule's order, the values that were seen, and why it was chosen or not.",
        )))
        .routes(detail::<ExecutionPlanView>(
            &read("/api/v1/oms/orderexecutionplans/{id}/", "getPlanningRecord", "One planning record"),
            "the order",
        ))
        .routes(paged::<stock_info::StockInfoView, _>(routes!(stock_info::list), []))
}

impl Resource for ExecutionPlanView {
    const LIST: List = plans::list::LIST;

    async fn load(_: &App, connection: &mut PgConnection, rows: &[PgRow], viewer: &Viewer) -> Result<Vec<Self>> {
        plans::load(connection, &ids(rows)?, &viewer.scope).await
    }
}
