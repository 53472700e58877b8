//! What the upstream said last of orders that are not here, so that nobody acts on what it said before: a message that was on its
//! way for long, a problem that is tried again, two messages at once.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::problems;
use crate::{db::PgPool, error::Result, orders::identity::Identity, reading::values, wire::without_nulls};

/// Days after which what was said last is forgotten.
const KEPT_DAYS: i32 = 90;

/// What a message says of which order, and when. A message without a date cannot be told from one before.
pub(crate) struct Heard {
    order: Identity,
    date: DateTime<Utc>,
}

impl Heard {
    /// Of a message, whatever else is wrong with it.
    pub(crate) fn of(message: &Value) -> Option<Self> {
        let date = message["modified_date"].as_str().and_then(values::date_time)?;
        Some(Self { order: Identity::of_json(message)?, date })
    }

    /// Keeps what the message says, unless a later one was heard.
    pub(crate) async fn note(&self, pool: &PgPool, message: &Value) -> Result<()> {
        sqlx::query!(
            "insert into heard_orders as h (number, identity, heard_date, payload) values ($1, $2, $3, $4)
             on conflict (number, identity) do update
                set heard_date = excluded.heard_date, payload = excluded.payload, modified_date = now()
              where h.heard_date < excluded.heard_date",
            self.order.number,
            problems::identity(&self.order),
            self.date,
            &*without_nulls(message)
        )
        .execute(pool)
        .await?;
        Ok(())
    }

    /// The message by which this one is overtaken.
    pub(crate) async fn overtaken_by(&self, pool: &PgPool) -> Result<Option<Value>> {
        let payload = sqlx::query_scalar!(
            "select payload from heard_orders where number = $1 and identity = $2 and heard_date > $3",
            self.order.number,
            problems::identity(&self.order),
            self.date
        );
        Ok(payload.fetch_optional(pool).await?)
    }

    /// Forgets it: the order is here, and knows itself what was heard of it.
    pub(crate) async fn forget(&self, pool: &PgPool) -> Result<()> {
        sqlx::query!(
            "delete from heard_orders where number = $1 and identity = $2 and heard_date <= $3",
            self.order.number,
            problems::identity(&self.order),
            self.date
        )
        .execute(pool)
        .await?;
        Ok(())
    }
}

/// What was said of orders that are here, and know of nothing so late: the server that took them fell over before it looked.
pub(crate) async fn overtaking(pool: &PgPool) -> Result<Vec<Value>> {
    let payloads = sqlx::query_scalar!(
        "select h.payload from heard_orders h
          where exists (select from orders o where o.number = h.number
                           and (o.heard_date is null or o.heard_date < h.heard_date))"
    );
    Ok(payloads.fetch_all(pool).await?)
}

/// Deletes what nothing was heard of for long.
pub(crate) async fn forget_old(pool: &PgPool) -> Result<()> {
    sqlx::query!("delete from heard_orders where modified_date < now() - make_interval(days => $1)", KEPT_DAYS)
        .execute(pool)
        .await?;
    Ok(())
}
