//! Orders of the upstream that could not be taken: stored, listed, and tried again. And orders that are here, and were sent
//! again otherwise: what of it could not be done.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::{
    db::{PgConnection, PgPool},
    error::Result,
    orders::{
        compare::Differing,
        identity::{Channel, Identity},
    },
    reading::{name, values},
    wire::{pieces::Unread, without_nulls},
};

/// Problems tried again at a time.
const MOST_AT_ONCE: i64 = 20;
/// Longest reference, in characters.
const LONGEST_REFERENCE: usize = 128;

/// A problem to try again.
pub(crate) struct Due {
    pub id: i64,
    pub payload: Value,
}

/// The name of an order: its number, or another of its fields if it has none.
pub(crate) fn reference(order: &Value) -> String {
    let text = |key: &str| match &order[key] {
        Value::String(text) => Some(name(text).into_owned()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let reference = text("number").or_else(|| text("pk").map(|pk| format!("pk {pk}"))).unwrap_or_else(|| {
        let digest = Sha256::digest(order.to_string());
        let beginning = digest.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        format!("without a number, {beginning:016x}")
    });
    reference.replace('\0', "").chars().take(LONGEST_REFERENCE).collect()
}

/// Which of several orders of one number it is about; empty where it has none.
pub(crate) fn identity(order: &Identity) -> String {
    let Identity { channel: Channel { id, name }, omnitron_id, .. } = order;
    let channel = id.map(|id| id.to_string()).or_else(|| name.clone()).unwrap_or_default();
    format!("{channel}/{}", omnitron_id.map(|key| key.to_string()).unwrap_or_default())
}

/// Records that an order could not be taken. It is tried again after a minute, then after twice as long, up to six
/// hours.
pub(crate) async fn record(pool: &PgPool, reference: &str, reason: &str, payload: &Value) -> Result<()> {
    sqlx::query!(
        "insert into upstream_problems as p (reference, reason, payload, next_attempt_date, identity)
         values ($1, $2, $3, now() + interval '1 minute', $4)
         on conflict (reference, identity) where resolved_date is null do update
            set reason = excluded.reason, payload = excluded.payload, attempts = p.attempts + 1, kind = 'not_taken',
                order_id = null,
                next_attempt_date = now() + least(interval '1 minute' * power(2, least(p.attempts, 20)),
                                                  interval '6 hours'),
                modified_date = now()",
        reference,
        reason,
        &*without_nulls(payload),
        Identity::of_json(payload).as_ref().map(identity).unwrap_or_default()
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Records an order that cannot be read: what it says is kept as a text, which is no order. It is not tried again; it is settled
/// when the order comes whole.
pub(crate) async fn record_unread(pool: &PgPool, unread: &Unread) -> Result<()> {
    let said = ["number", "pk"].map(|key| (key.to_owned(), unread.value_of(key).unwrap_or_default()));
    let said = Value::Object(said.into_iter().collect());
    let is_said = !said["number"].is_null() || !said["pk"].is_null();
    let text = Value::from(unread.text.as_str());
    let reference = reference(if is_said { &said } else { &text });
    tracing::warn!(order = reference, reason = unread.why, "an order of the upstream cannot be read");
    sqlx::query!(
        "insert into upstream_problems as p (reference, reason, payload) values ($1, $2, $3)
         on conflict (reference, identity) where resolved_date is null do update
            set kind = 'not_taken', order_id = null, reason = excluded.reason, payload = excluded.payload,
                attempts = p.attempts + 1, next_attempt_date = null, modified_date = now()
          where p.payload <> excluded.payload",
        reference,
        format!("It cannot be read: {}.", unread.why),
        &*without_nulls(&text)
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Records that an order that is here was sent again and differs, and what could not be done. Where everything was, it is
/// settled at once.
pub(crate) async fn record_difference(
    pool: &PgPool,
    order: &Identity,
    order_id: i64,
    differing: &[Differing],
    payload: &Value,
) -> Result<()> {
    let is_done = differing.iter().all(|one| one.done);
    if is_done {
        resolve(pool, order).await?;
    }
    sqlx::query!(
        "insert into upstream_problems as p (reference, identity, kind, order_id, reason, payload, resolved_date)
         values ($1, $2, 'differs', $3, $4, $5, case when $6 then now() end)
         on conflict (reference, identity) where resolved_date is null do update
            set kind = 'differs', order_id = excluded.order_id, reason = excluded.reason, payload = excluded.payload,
                attempts = p.attempts + 1, next_attempt_date = null, modified_date = now()",
        order.number.chars().take(LONGEST_REFERENCE).collect::<String>(),
        identity(order),
        order_id,
        sentence(differing),
        &*without_nulls(payload),
        is_done
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The date of change of the message that each of these orders differs from, as far as its problem is open.
pub(crate) async fn differing(connection: &mut PgConnection, order_ids: &[i64]) -> Result<HashMap<i64, DateTime<Utc>>> {
    let rows = sqlx::query!(
        r#"select order_id as "order_id!", payload->>'modified_date' as date from upstream_problems
            where order_id = any($1) and kind = 'differs' and resolved_date is null"#,
        order_ids
    )
    .fetch_all(connection)
    .await?;
    let dated = rows.into_iter().filter_map(|row| Some((row.order_id, values::date_time(&row.date?)?)));
    Ok(dated.collect())
}

/// What differs, and why what is not done is not.
pub(crate) fn sentence(differing: &[Differing]) -> String {
    let name = |one: &Differing| match (one.line, one.line_field) {
        (Some(line), Some(field)) => format!("{} (item {line}: {field})", one.field),
        _ => one.field.to_owned(),
    };
    let names: Vec<String> = differing.iter().map(name).collect();
    let mut reasons: Vec<&str> = differing.iter().filter_map(|one| one.reason.as_deref()).collect();
    reasons.dedup();
    let what = format!("It was sent again with another {}", names.join(", "));
    if reasons.is_empty() { format!("{what}; it is changed.") } else { format!("{what}: {}", reasons.join(" ")) }
}

/// Closes the problem of an order that was taken.
pub(crate) async fn resolve(pool: &PgPool, order: &Identity) -> Result<()> {
    sqlx::query!(
        "update upstream_problems set resolved_date = now(), modified_date = now()
          where reference = $1 and identity in ($2, '') and resolved_date is null",
        order.number.chars().take(LONGEST_REFERENCE).collect::<String>(),
        identity(order)
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Closes a problem by its id, also for an order that is not to be taken.
pub(crate) async fn close(pool: &PgPool, id: i64) -> Result<()> {
    sqlx::query!(
        "update upstream_problems set resolved_date = now(), modified_date = now()
          where id = $1 and resolved_date is null",
        id
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The order of a problem, as it came.
pub(crate) async fn payload(pool: &PgPool, id: i64) -> Result<Value> {
    Ok(sqlx::query_scalar!("select payload from upstream_problems where id = $1", id).fetch_one(pool).await?)
}

/// The problems that are due.
pub(crate) async fn due(pool: &PgPool) -> Result<Vec<Due>> {
    let due = sqlx::query_as!(
        Due,
        "select id, payload from upstream_problems where resolved_date is null and next_attempt_date <= now()
          order by next_attempt_date limit $1",
        MOST_AT_ONCE
    );
    Ok(due.fetch_all(pool).await?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_order_without_a_number_can_still_be_told_from_others() {
        assert_eq!(reference(&json!({ "number": " 12 ", "pk": 1 })), "12");
        assert_eq!(reference(&json!({ "pk": 1 })), "pk 1");
        let (one, other) = (reference(&json!({ "a": 1 })), reference(&json!(["b"])));
        assert!(one.starts_with("without a number") && one != other);
        assert_eq!(reference(&json!({ "number": "x".repeat(200) })).len(), LONGEST_REFERENCE);
    }
}
