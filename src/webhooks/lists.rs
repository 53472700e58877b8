//! The lists of subscriptions and of deliveries, with the filters of dj-whisperer.

use crate::page::{Kind, List, filter};

/// Subscriptions. A caller sees their own.
pub const HOOKS: List = List {
    from: " from webhooks w",
    columns: "w.id, w.retry_countdown_config, w.created_date, w.modified_date, w.target_url, \
              w.is_active and w.paused_date is null as is_active, w.secret_key, w.event_type, w.callback, \
              w.additional_headers, w.config",
    visible: "w.user_id = any({})",
    filters: &[
        filter("target_url", Kind::Text, "lower(w.target_url) = lower({})", "Address it is delivered to, in any case."),
        filter("event_type", Kind::Text, "lower(w.event_type) = lower({})", "Type of event, in any case."),
        filter(
            "is_active",
            Kind::Boolean,
            "(w.is_active and w.paused_date is null) = {}",
            "Whether it is active and not paused.",
        ),
    ],
    sorts: &[
        ("id", "w.id"),
        ("target_url", "w.target_url"),
        ("event_type", "w.event_type"),
        ("created_date", "w.created_date"),
        ("modified_date", "w.modified_date"),
    ],
    default_sort: "-id",
    tie_breaker: "w.id desc",
};

/// Deliveries that were tried, as the original has them: what is to come is no row of the list.
pub const DELIVERIES: List = List {
    from: " from hook_events e join webhooks w on w.id = e.webhook_id and e.response_http_status is not null",
    columns: "e.id",
    visible: "w.user_id = any({})",
    filters: &[
        filter("uuid", Kind::Uuid, "e.uuid = {}", "The uuid in the body that was sent."),
        filter("response_http_status", Kind::Integer, "e.response_http_status = {}", "Status of the latest answer."),
        filter("delivered", Kind::Boolean, "e.delivered = {}", "Whether it was delivered."),
        filter("created_date", Kind::DateTime, "e.created_date = {}", "Created at exactly this moment."),
        filter("created_date__gt", Kind::DateTime, "e.created_date > {}", "Created after this moment."),
        filter("created_date__gte", Kind::DateTime, "e.created_date >= {}", "Created at this moment or later."),
        filter("created_date__lt", Kind::DateTime, "e.created_date < {}", "Created before this moment."),
        filter("created_date__lte", Kind::DateTime, "e.created_date <= {}", "Created at this moment or earlier."),
        filter(
            "object_id",
            Kind::Text,
            "e.object_id::text = {}",
            "Id of the package, transfer, location or subscription that it tells of.",
        ),
        filter(
            "content_type",
            Kind::Integer,
            "case e.entity when 'package' then 26 when 'transfer' then 27 end = {}",
            "26: events of packages; 27: events of transfers.",
        ),
        filter("webhook", Kind::Integer, "e.webhook_id = {}", "Id of the subscription."),
        filter("event_type", Kind::Text, "lower(w.event_type) = lower({})", "Type of event, in any case."),
    ],
    sorts: &[
        ("id", "e.id"),
        ("created_date", "e.created_date"),
        ("modified_date", "e.modified_date"),
        ("response_http_status", "e.response_http_status"),
        ("retry_count", "e.retry_count"),
        ("webhook", "e.webhook_id"),
    ],
    default_sort: "-id",
    tie_breaker: "e.id desc",
};

/// Deliveries that were not tried yet.
pub const QUEUE: List = List {
    from: " from hook_events e join webhooks w on w.id = e.webhook_id and e.response_http_status is null",
    columns: "e.id, e.created_date, e.modified_date, e.uuid, e.webhook_id as hook_id, w.event_type, \
              null::text as app_label, e.entity as model_name, e.object_id::text as object_id, '{}'::jsonb as instance_dict",
    visible: "w.user_id = any({})",
    filters: &[filter("event_type", Kind::Text, "lower(w.event_type) = lower({})", "Type of event, in any case.")],
    sorts: &[
        ("id", "e.id"),
        ("created_date", "e.created_date"),
        ("modified_date", "e.modified_date"),
        ("hook_id", "e.webhook_id"),
        ("event_type", "w.event_type"),
    ],
    default_sort: "-id",
    tie_breaker: "e.id desc",
};
