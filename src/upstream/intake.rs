//! Takes an order of the upstream, pushed or read from its list.

use std::{collections::HashMap, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    again::{self, Settling},
    heard::{self, Heard},
    problems,
};
use crate::{
    audit::Actor,
    auth::Caller,
    catalog::{Catalog, CatalogCache},
    commands::{
        dispatch::Dispatcher,
        wake_signal::{Freed, WakeSignal},
    },
    db::{PgConnection, PgPool},
    error::{Error, Refusal, Result},
    inventory::Inventory,
    metrics::Metrics,
    orders::{
        compare::{self, Differing, StoredOrder},
        identity::{self, Identity},
        input::OrderInput,
    },
    placing::{place::Placed, queue::Placer},
    wire::pieces::Entry,
};

/// `OrderStatus` approved: from this status on an order can be packed; later statuses are already being packed.
const APPROVED: &str = "400";

/// The result for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is new.
    New(i64),
    /// It was known.
    Known {
        /// Its id.
        order_id: i64,
        /// What it says otherwise than the one that is here.
        differs: Vec<Differing>,
    },
    /// It is not to be packed: not yet, or not by us. It comes again when its status changes.
    Left {
        /// Its status.
        status: String,
    },
    /// A later message of it was heard, and it is not here: nothing is done.
    Overtaken,
}

impl Taken {
    /// For the metric.
    pub(crate) const fn outcome(&self) -> &'static str {
        match self {
            Self::New(_) => "new",
            Self::Known { differs, .. } if differs.is_empty() => "known",
            Self::Known { .. } => "differs",
            Self::Left { .. } | Self::Overtaken => "left",
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
    pub(crate) dispatcher: Dispatcher,
    pub(crate) placer: Placer,
}

impl Intake {
    /// Takes one order.
    ///
    /// # Errors
    /// As for placing it; no problem is recorded.
    async fn take(&self, value: &Value, caller: Option<&Arc<Caller>>) -> Result<Taken> {
        let order = OrderInput::of_json(value)?;
        if order.status != APPROVED {
            return self.leave(&order, value, caller).await;
        }
        let heard = Heard::of(value);
        if let Some(heard) = &heard
            && let Some(newer) = heard.overtaken_by(&self.pool).await?
            && self.known(&order).await?.is_none()
        {
            tracing::debug!(order = order.number, newer = ?newer["modified_date"], "what was said before is not acted on");
            return Ok(Taken::Overtaken);
        }
        self.inventory.before_order(&self.catalog_cache.current(), &order).await?;
        let user_id = caller.map(|caller| caller.user_id);
        let order = Arc::new(order);
        let Placed { order_id, is_new, waits } = self.placer.place(&order, user_id).await?;
        if waits {
            // The missing stock may have been counted during the plan.
            self.wake_signal.send(Freed { skus: order.skus(), ..Freed::default() });
        }
        if !is_new {
            return self.settle(order_id, &order, value, caller).await;
        }
        if let Some(heard) = &heard {
            // What was heard meanwhile found no order, and is acted on now.
            if let Some(newer) = heard.overtaken_by(&self.pool).await? {
                return self.settle(order_id, &OrderInput::of_json(&newer)?, &newer, caller).await;
            }
            heard.forget(&self.pool).await?;
        }
        problems::resolve(&self.pool, &order.identity()).await?;
        Ok(Taken::New(order_id))
    }

    /// An order that is not to be packed, or not by us. What was recorded of it before is over.
    async fn leave(&self, order: &OrderInput, value: &Value, caller: Option<&Arc<Caller>>) -> Result<Taken> {
        if let Some(id) = self.known(order).await? {
            return self.settle(id, order, value, caller).await;
        }
        if let Some(heard) = Heard::of(value) {
            if heard.overtaken_by(&self.pool).await?.is_some() {
                return Ok(Taken::Overtaken);
            }
            // First: who takes an older message at the same time sees it, or the order is here now.
            heard.note(&self.pool, value).await?;
            if let Some(id) = self.known(order).await? {
                return self.settle(id, order, value, caller).await;
            }
        }
        problems::resolve(&self.pool, &order.identity()).await?;
        Ok(Taken::Left { status: order.status.clone() })
    }

    /// Acts on what was heard of an order while a server took it and fell over.
    pub(crate) async fn settle_overtaken(&self) -> Result<()> {
        for message in heard::overtaking(&self.pool).await? {
            let Ok(order) = OrderInput::of_json(&message) else { continue };
            if let Some(id) = self.known(&order).await? {
                self.settle(id, &order, &message, None).await?;
            }
        }
        Ok(())
    }

    async fn known(&self, order: &OrderInput) -> Result<Option<i64>> {
        identity::find(&mut *self.pool.acquire().await?, &order.identity()).await
    }

    /// Does what can be done of what a known order says otherwise.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn settle(
        &self,
        order_id: i64,
        order: &OrderInput,
        value: &Value,
        caller: Option<&Arc<Caller>>,
    ) -> Result<Taken> {
        let caller = match caller {
            Some(caller) => Arc::clone(caller),
            None => Caller::system(&mut *self.pool.acquire().await?).await?,
        };
        let settling = Settling {
            pool: &self.pool,
            catalog_cache: &self.catalog_cache,
            actor: Actor::from(&*caller),
            commands: Some((&self.dispatcher, &caller)),
        };
        let differs = again::settle(&settling, order_id, order, value).await?;
        Ok(Taken::Known { order_id, differs })
    }

    /// Takes one order. If it cannot be taken, a problem is recorded, and it is tried again.
    ///
    /// # Errors
    /// When the failure is not about the order: the database is away, the stock service does not answer.
    pub(crate) async fn take_or_record(
        &self,
        value: &Value,
        caller: Option<&Arc<Caller>>,
    ) -> Result<Result<Taken, Refusal>> {
        let way = if caller.is_some() { "pushed" } else { "polled" };
        let taken = self.take(value, caller).await;
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
        if let Value::String(text) = value {
            // What could not be read is kept as a text, and is none the better for it.
            return Ok(Err(Refusal::parse(format_args!("the {} bytes that came are no order", text.len()))));
        }
        let reference = problems::reference(value);
        if let Some(heard) = Heard::of(value) {
            if heard.overtaken_by(&self.pool).await?.is_some() {
                return Ok(Err(refusal));
            }
            heard.note(&self.pool, value).await?;
        }
        tracing::warn!(order = reference, reason = %refusal, "an order of the upstream was not taken");
        problems::record(&self.pool, &reference, &refusal.to_string(), value).await?;
        Ok(Err(refusal))
    }

    /// Takes the orders of a page; the known ones are read together, and left alone if they say nothing new. Returns the number
    /// of new ones.
    ///
    /// # Errors
    /// As [`take_or_record`](Self::take_or_record).
    pub(crate) async fn take_page(&self, orders: &[Entry]) -> Result<usize> {
        let read: Vec<&Value> = orders.iter().filter_map(|order| order.as_ref().ok()).collect();
        let known = Known::load(&mut *self.pool.acquire().await?, &read).await?;
        let mut new = 0;
        for order in orders {
            let order = match order {
                Ok(order) => order,
                Err(unread) => {
                    problems::record_unread(&self.pool, unread).await?;
                    continue;
                }
            };
            if !known.are_told_by(&self.catalog_cache.current(), order) {
                continue;
            }
            new += usize::from(matches!(self.take_or_record(order, None).await?, Ok(Taken::New(_))));
        }
        Ok(new)
    }
}

/// The orders of a page that are here.
struct Known {
    identities: identity::Known,
    orders: HashMap<i64, StoredOrder>,
    /// The dates of change of messages of which is kept what could not be done, by order.
    settled: HashMap<i64, DateTime<Utc>>,
}

impl Known {
    async fn load(connection: &mut PgConnection, orders: &[&Value]) -> Result<Self> {
        let sent: Vec<Identity> = orders.iter().filter_map(|order| Identity::of_json(order)).collect();
        let identities = identity::Known::load(&mut *connection, &sent, None).await?;
        let ids: Vec<i64> =
            sent.iter().filter_map(|order| identities.find(order).ok()?).map(|stored| stored.id).collect();
        let settled = problems::differing(&mut *connection, &ids).await?;
        Ok(Self { identities, orders: compare::load(connection, &ids).await?, settled })
    }

    /// Whether an order tells something new: it is not here, or it may differ. Of most it is known by their date of change.
    fn are_told_by(&self, catalog: &Catalog, value: &Value) -> bool {
        let Some(identity) = Identity::of_json(value) else { return true };
        let Ok(Some(stored)) = self.identities.find(&identity) else { return true };
        let (Some(stored), Ok(order)) = (self.orders.get(&stored.id), OrderInput::of_json(value)) else { return true };
        // A message that was heard may not have been settled: the server may have fallen over between.
        let is_settled = order.modified_date.is_some() && self.settled.get(&stored.id).copied() == order.modified_date;
        let company = order.cargo_company.as_ref().and_then(|name| catalog.cargo_company(name));
        !is_settled
            && !again::is_older(&order, stored)
            && (order.modified_date > stored.heard_date
                || !stored.differences(&order, company.map(|company| company.id)).is_empty())
    }
}
