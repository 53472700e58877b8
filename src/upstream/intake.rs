//! Takes an order of the upstream, pushed or read from its list.

use std::{collections::HashMap, sync::Arc};

use serde_json::Value;

use super::problems;
use crate::{
    catalog::CatalogCache,
    commands::wake_signal::{Freed, WakeSignal},
    db::PgPool,
    error::{Error, Refusal, Result},
    inventory::Inventory,
    metrics::Metrics,
    orders::{
        identity::{self, Identity, StoredIdentity},
        input::OrderInput,
    },
    placing::place::{Durability, Placed, place},
};

/// `OrderStatus` approved: from this status on an order can be packed; later statuses are already being packed.
const APPROVED: &str = "400";

/// The result for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is new.
    New(i64),
    /// It was known; nothing changed.
    Known(i64),
    /// It is not to be packed: not yet, or not by us. It comes again when its status changes.
    Left {
        /// Its status.
        status: String,
    },
}

impl Taken {
    /// For the metric.
    const fn outcome(&self) -> &'static str {
        match self {
            Self::New(_) => "new",
            Self::Known(_) => "known",
            Self::Left { .. } => "left",
        }
    }
}

/// The pieces that taking an order needs. Clones are cheap.
#[derive(Clone)]
pub struct Intake {
    pub(crate) pool: PgPool,
    pub(crate) catalog_cache: Arc<CatalogCache>,
    pub(crate) inventory: Inventory,
    pub(crate) wake_signal: Arc<WakeSignal>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Intake {
    /// Takes one order.
    ///
    /// # Errors
    /// As for placing it; no problem is recorded.
    async fn take(&self, value: &Value, user_id: Option<i64>) -> Result<Taken> {
        let order = OrderInput::of_json(value)?;
        if order.status != APPROVED {
            let known = identity::find(&mut *self.pool.acquire().await?, &order.identity()).await?;
            return Ok(match known {
                Some(id) => Taken::Known(id),
                None => Taken::Left { status: order.status },
            });
        }
        self.inventory.before_order(&self.catalog_cache.current(), &order).await?;
        let Placed { order_id, is_new, waits } =
            place(&self.pool, &self.catalog_cache, &order, user_id, Durability::Each).await?;
        if waits {
            // The missing stock may have been counted during the plan.
            self.wake_signal.send(Freed { skus: order.skus(), ..Freed::default() });
        }
        problems::resolve(&self.pool, &order.number).await?;
        Ok(if is_new { Taken::New(order_id) } else { Taken::Known(order_id) })
    }

    /// Takes one order. If it cannot be taken, a problem is recorded, and it is tried again.
    ///
    /// # Errors
    /// When the failure is not about the order: the database is away, the stock service does not answer.
    pub(crate) async fn take_or_record(&self, value: &Value, user_id: Option<i64>) -> Result<Result<Taken, Refusal>> {
        let way = if user_id.is_some() { "pushed" } else { "polled" };
        let taken = self.take(value, user_id).await;
        self.metrics.order(way, taken.as_ref().map_or_else(Error::outcome, Taken::outcome));
        let failure = match taken {
            Ok(taken) => return Ok(Ok(taken)),
            Err(error) if error.status().as_u16() == 503 => return Err(error),
            Err(failure) => failure,
        };
        let refusal = match failure {
            Error::Refused(refusal) => refusal,
            fault => {
                tracing::error!(error = %fault, "an order of the upstream could not be taken");
                Refusal::non_field("This server could not take the order; its log says why.")
            }
        };
        let reference = problems::reference(value);
        tracing::warn!(order = reference, reason = %refusal, "an order of the upstream was not taken");
        problems::record(&self.pool, &reference, &refusal.to_string(), value).await?;
        Ok(Err(refusal))
    }

    /// Takes the orders of a page, each once; one query finds the known ones. Returns the number of new ones.
    ///
    /// # Errors
    /// As [`take_or_record`](Self::take_or_record).
    pub(crate) async fn take_page(&self, orders: &[Value]) -> Result<usize> {
        let numbers: Vec<String> = orders.iter().filter_map(Identity::of_json).map(|order| order.number).collect();
        let stored = identity::of_numbers(&mut *self.pool.acquire().await?, &numbers, None).await?;
        let mut known: HashMap<String, Vec<Identity>> = HashMap::new();
        for StoredIdentity { identity, .. } in stored {
            known.entry(identity.number.clone()).or_default().push(identity);
        }
        let mut new = 0;
        for order in orders {
            if let Some(identity) = Identity::of_json(order) {
                let of_its_number = known.entry(identity.number.clone()).or_default();
                if of_its_number.iter().any(|known| known.is(&identity)) {
                    continue;
                }
                of_its_number.push(identity);
            }
            new += usize::from(matches!(self.take_or_record(order, None).await?, Ok(Taken::New(_))));
        }
        Ok(new)
    }
}
