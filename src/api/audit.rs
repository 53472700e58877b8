//! `/api/v1/oms/audit/`: who changed what.

use utoipa_axum::router::OpenApiRouter;

use super::{
    extract::Doors,
    resource::{Read, list},
};
use crate::audit::AuditEntry;

/// The routes of this area.
#[must_use]
pub fn routes() -> OpenApiRouter<Doors> {
    OpenApiRouter::new().routes(list::<AuditEntry>(&Read {
        path: "/api/v1/oms/audit/",
        tag: "Users",
        operation: "listAudit",
        text: "Who changed what\n\nEvery change of users, tokens, webhooks, locations, scenarios and what else an \
               installation has, the latest first. Nothing of it is ever changed or deleted. For admins.",
    }))
}
