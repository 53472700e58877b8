//! `POST /api/v1/oms/cancellation_plan/`: the plans of the upstream are decided.

use axum::{Json, http::HeaderMap};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::FromRow as _;

use super::envelope::{self, Sender};
use crate::{
    api::body::{LIST_BYTES, RequestBody},
    error::{Refusal, Result},
    upstream::{
        cancellations::{self, Canceller},
        lists::PlanView,
    },
};

/// A plan as the upstream sends it, as an example.
pub(super) fn example() -> Value {
    let plan = json!({ "pk": 1, "plan_type": "cancel", "order": { "number": "536365" } });
    envelope::example("cancellation_plan.created", &plan)
}

/// Decide a cancellation plan
///
/// The body is the upstream's `cancellation_plan.created`. Packages that are not packed yet are cancelled, by the
/// installation's `CANCEL_PACKAGE`, or led to cancellation-waiting where the installation has a transition that leads there;
/// what else was in them is planned anew. If one of them cannot be cancelled any more, none is. A refund is recorded. The
/// answer says what was decided; the same plan, sent again, is answered the same.
#[utoipa::path(post, path = "/api/v1/oms/cancellation_plan/", tag = "Upstream",
    operation_id = "decideCancellationPlan", request_body = Value, security(("token" = []), ("basic" = [])),
    responses((status = 200, description = "What was decided", body = PlanView), (status = 404, description = "There is no such order here yet"),
        (status = 409, description = "A plan of this key came before with another content")))]
pub(super) async fn create(
    Sender(door): Sender,
    headers: HeaderMap,
    body: RequestBody<LIST_BYTES>,
) -> Result<Json<impl Serialize>> {
    envelope::authenticate(&door.app.upstream, &headers, body.sent())?;
    let webhook = envelope::payload(body.json().await?, "cancellation_plan.")?;
    let canceller =
        Canceller { pool: &door.app.pool, catalog_cache: &door.app.catalog_cache, dispatcher: &door.app.dispatcher };
    let plan_id = cancellations::take(canceller, &door.caller(), &webhook.payload).await?;
    let row = PlanView::LIST.find(&mut *door.app.pool.acquire().await?, plan_id, &(&door.scope).into()).await?;
    Ok(Json(PlanView::from_row(&row.ok_or_else(Refusal::not_found)?)?))
}
