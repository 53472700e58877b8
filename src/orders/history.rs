//! What orders were before they were changed: for events of then.

use std::collections::HashMap;

use serde_json::value::RawValue;
use sqlx::types::Json;

use crate::{db::PgConnection, error::Result};

/// Who an order was for, and where it went, before a change.
#[derive(Debug, Clone)]
pub struct Earlier {
    /// It was so for events with smaller ids.
    until_event_id: i64,
    /// The customer.
    pub customer: Option<Json<Box<RawValue>>>,
    /// The address.
    pub shipping_address: Option<Json<Box<RawValue>>>,
    /// Its city.
    pub city: Option<Json<Box<RawValue>>>,
}

/// What some orders were before.
#[derive(Debug, Default)]
pub struct OrderHistory(HashMap<i64, Vec<Earlier>>);

impl OrderHistory {
    /// Reads it. Most orders have none: then one index lookup each is enough.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load(connection: &mut PgConnection, order_ids: &[i64]) -> Result<Self> {
        let rows = sqlx::query!(
            r#"select order_id, until_event_id, details->'customer' as "customer: Json<Box<RawValue>>",
                      details->'shipping_address' as "shipping_address: Json<Box<RawValue>>",
                      details->'shipping_address'->'city' as "city: Json<Box<RawValue>>"
                 from order_history where order_id = any($1) order by order_id, revision"#,
            order_ids
        )
        .fetch_all(connection)
        .await?;
        let mut history = Self::default();
        for row in rows {
            let (customer, shipping_address, city) = (row.customer, row.shipping_address, row.city);
            let earlier = Earlier { until_event_id: row.until_event_id, customer, shipping_address, city };
            history.0.entry(row.order_id).or_default().push(earlier);
        }
        Ok(history)
    }

    /// What an order was at an event of its packages or their transfers; none: what it is now.
    #[must_use]
    pub fn at(&self, order_id: i64, event_id: i64) -> Option<&Earlier> {
        self.0.get(&order_id)?.iter().find(|earlier| event_id < earlier.until_event_id)
    }
}
