//! Subscriptions and deliveries as they are sent.

use serde::Serialize;
use serde_json::{Value, value::RawValue};
use sqlx::FromRow;
use utoipa::{
    ToSchema,
    openapi::{
        Ref, RefOr, Schema,
        schema::{AdditionalProperties, AnyOfBuilder, ObjectBuilder},
    },
};
use uuid::Uuid;

use super::{
    claim::{self, Claimed, Turn},
    countdown::Countdown,
    definition::TargetAuth,
    lists::HOOKS,
    masks::{self, Kept},
};
use crate::{
    catalog::CatalogCache, db::PgConnection, error::Result, links::Addresses, secret::Secret, wire::Timestamp,
};

/// A subscription as it is stored, with its secrets: a row of [`HOOKS`].
#[derive(Debug, FromRow)]
pub(crate) struct StoredHook {
    pub id: i64,
    retry_countdown_config: Value,
    created_date: Timestamp,
    modified_date: Timestamp,
    target_url: String,
    is_active: bool,
    secret_key: Option<Secret>,
    event_type: String,
    callback: Option<String>,
    additional_headers: Secret<Value>,
    config: Secret<Value>,
}

impl StoredHook {
    /// As everybody is shown it.
    pub(crate) fn masked(&self) -> HookView {
        HookView {
            secret_key: self.secret_key.as_ref().map(masks::key),
            additional_headers: masks::headers(self.additional_headers.reveal()),
            config: masks::config(self.config.reveal()),
            id: self.id,
            retry_countdown_config: self.retry_countdown_config.clone(),
            created_date: self.created_date,
            modified_date: self.modified_date,
            target_url: self.target_url.clone(),
            is_active: self.is_active,
            event_type: self.event_type.clone(),
            callback: self.callback.clone(),
        }
    }

    /// With its secrets, for the answer to whoever has just sent them.
    pub(crate) fn as_made(&self) -> HookView {
        HookView {
            secret_key: self.secret_key.as_ref().map(|secret| secret.reveal().to_owned()),
            additional_headers: self.additional_headers.reveal().clone(),
            config: self.config.reveal().clone(),
            ..self.masked()
        }
    }

    /// What a change may keep.
    pub(crate) fn kept(self) -> Kept {
        Kept {
            target_url: self.target_url,
            secret_key: self.secret_key,
            additional_headers: self.additional_headers,
            config: self.config,
        }
    }
}

/// A subscription. Its secrets are shown as `********`, but in the answer that made it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(crate) struct HookView {
    pub id: i64,
    /// When a delivery that failed is tried again.
    #[schema(value_type = Countdown)]
    pub retry_countdown_config: Value,
    pub created_date: Timestamp,
    pub modified_date: Timestamp,
    pub target_url: String,
    /// False where it was deleted or is paused.
    pub is_active: bool,
    pub secret_key: Option<String>,
    pub event_type: String,
    /// Kept for the client; this server calls nothing.
    pub callback: Option<String>,
    /// Sent with each request: their names.
    #[schema(value_type = HashMap<String, String>)]
    pub additional_headers: Value,
    /// `auth`: how to log in at the receiver. Other keys are kept for the client, and never shown.
    #[schema(schema_with = config)]
    pub config: Value,
}

/// The schema of `config`: an object, of which only `auth` means something to this server.
pub(crate) fn config() -> RefOr<Schema> {
    let auth = Ref::from_schema_name(TargetAuth::name());
    ObjectBuilder::new().property("auth", auth).additional_properties(Some(AdditionalProperties::FreeForm(true))).into()
}

/// The schema of the body of a delivery.
fn body() -> RefOr<Schema> {
    let event = Ref::from_schema_name("EventKind");
    let payloads = ["Package", "Transfer", "StockLocation", "WebhookPause"].map(Ref::from_schema_name);
    let payload = payloads.into_iter().fold(AnyOfBuilder::new(), AnyOfBuilder::item);
    ObjectBuilder::new().property("event", event).property("payload", payload).into()
}

/// A delivery that is to come: it was not tried yet. The keys are the original's.
#[derive(Debug, Clone, Serialize, ToSchema, FromRow)]
#[schema(as = QueuedWebhookDelivery)]
pub(crate) struct Queued {
    pub id: i64,
    pub created_date: Timestamp,
    pub modified_date: Timestamp,
    /// The uuid that its body will have, with hyphens.
    pub uuid: Uuid,
    /// The subscription.
    pub hook_id: i64,
    pub event_type: String,
    /// Null: it means nothing here.
    pub app_label: Option<String>,
    /// `package`, `transfer`, `stock_location` or `webhook`.
    pub model_name: String,
    pub object_id: String,
    /// Empty: the body is made when it is sent.
    #[schema(value_type = HashMap<String, String>)]
    pub instance_dict: Value,
}

/// A delivery that was tried.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub(crate) struct DeliveryView {
    pub id: i64,
    pub webhook: HookView,
    pub created_date: Timestamp,
    pub modified_date: Timestamp,
    /// The uuid in the body, with hyphens.
    pub uuid: Uuid,
    /// What is sent; empty where the event is no longer kept, or the subscriber may not see it any more.
    #[schema(schema_with = body)]
    pub request_payload: Box<RawValue>,
    /// The beginning of the latest answer, or why there was none.
    pub response_content: String,
    /// Of the latest answer; 500 where there was none.
    pub response_http_status: i32,
    /// `00:00:00.012345`.
    pub response_time: Option<String>,
    pub delivered: bool,
    /// When it was sent, the latest first.
    pub request_datetimes: Vec<Timestamp>,
    pub retry_count: i32,
    pub object_id: String,
    /// 26 for a package, 27 for a transfer, as in their states.
    pub content_type: Option<i32>,
}

/// A time in the form of Django REST framework.
fn duration(microseconds: i64) -> String {
    let (seconds, rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    if rest == 0 { whole } else { format!("{whole}.{rest:06}") }
}

/// Deliveries by id, in the order of the ids.
pub(crate) async fn deliveries(
    connection: &mut PgConnection,
    catalog_cache: &CatalogCache,
    addresses: &Addresses,
    ids: &[i64],
) -> Result<Vec<DeliveryView>> {
    let claimed = claim::peek(&mut *connection, ids).await?;
    let prepared = claim::prepare(&mut *connection, catalog_cache, addresses, &claimed).await?;
    let hooks = hooks(&mut *connection, &claimed).await?;
    let rows = sqlx::query!(
        r#"select h.id, h.created_date, h.modified_date, coalesce(h.response_content, '') as "content!",
                  coalesce(h.response_http_status, 0) as "status!", h.response_time_microseconds, h.delivered,
                  h.request_datetimes,
                  case h.entity when 'package' then 26 when 'transfer' then 27 end as content_type
             from unnest($1::bigint[]) with ordinality as wanted(id, at)
             join hook_events h on h.id = wanted.id
            order by wanted.at"#,
        ids
    )
    .fetch_all(connection)
    .await?;
    let mut views = Vec::with_capacity(rows.len());
    for row in rows {
        let Some(known) = claimed.iter().find(|known| known.id == row.id) else { continue };
        let Some(webhook) = hooks.iter().find(|hook| hook.id == known.webhook_id) else { continue };
        let text = match prepared.hook(known).map(|hook| prepared.turn(known, hook)) {
            Some(Turn::Send(body)) => String::from_utf8(body.to_vec()).ok(),
            _ => None,
        };
        let text = text.unwrap_or_else(|| "{}".to_owned());
        views.push(DeliveryView {
            id: row.id,
            webhook: webhook.clone(),
            created_date: Timestamp(row.created_date),
            modified_date: Timestamp(row.modified_date),
            uuid: known.uuid,
            request_payload: RawValue::from_string(text).unwrap_or_default(),
            response_content: row.content,
            response_http_status: row.status,
            response_time: row.response_time_microseconds.map(duration),
            delivered: row.delivered,
            request_datetimes: row.request_datetimes.into_iter().map(Timestamp).collect(),
            retry_count: known.retry_count,
            object_id: known.object_id.to_string(),
            content_type: row.content_type,
        });
    }
    Ok(views)
}

/// The subscriptions of some deliveries, masked.
async fn hooks(connection: &mut PgConnection, claimed: &[Claimed]) -> Result<Vec<HookView>> {
    let ids: Vec<i64> = claimed.iter().map(|row| row.webhook_id).collect();
    let mut query = sqlx::QueryBuilder::new("select ");
    query.push(HOOKS.columns).push(HOOKS.from).push(" where w.id = any(").push_bind(ids).push(")");
    let hooks: Vec<StoredHook> = query.build_query_as().fetch_all(connection).await?;
    Ok(hooks.iter().map(StoredHook::masked).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_form_of_the_original() {
        assert_eq!(duration(12_345), "00:00:00.012345");
        assert_eq!(duration(3_000_000), "00:00:03");
        assert_eq!(duration(3_661_000_001), "01:01:01.000001");
    }
}
