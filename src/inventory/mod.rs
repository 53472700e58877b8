//! Stock from a service of the brand, requested before planning.
//!
//! The installation names the service (`[inventory]`, [`Settings`]). Before an order is planned, or a package is
//! planned again, the service is asked for the SKUs whose last answer is too old. Its answers become counts, as if sent
//! to `PUT /api/v1/oms/stocks/`. All of this ends before the plan's transaction begins: no transaction waits for the
//! network.
//!
//! An answer about a SKU is complete: a location that it does not name has none. A number equal to the stored one is
//! not a new count: an excluded location stays excluded.
//!
//! When the service does not answer, orders are planned on the last known counts, or refused with 503 (`when_down`);
//! packages are planned again on the last known counts. The service is then left alone for five seconds.

mod answer;
mod client;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::task::JoinSet;

use self::{
    answer::Answer,
    client::{Client, PAUSE_AFTER_FAILURE, Reason},
};
use crate::{
    audit::Actor,
    catalog::Catalog,
    cause,
    commands::wake_signal::WakeSignal,
    db::PgPool,
    error::{Error, Result},
    metrics::Metrics,
    orders::{identity, input::OrderInput},
    outbound::Gate,
    stock::{
        self, Count, Door, Origin,
        service::{Settings, WhenDown},
    },
};

/// Most SKUs remembered as fresh. At more, all are forgotten and asked for again.
const MOST_FRESH: usize = 100_000;

/// The stock service and its state in this process. Clones share the state.
#[derive(Clone)]
pub struct Inventory {
    shared: Arc<Shared>,
}

struct Shared {
    pool: PgPool,
    metrics: Arc<Metrics>,
    wake_signal: Arc<WakeSignal>,
    gate: Gate,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The client, with the settings it was made from.
    client: Option<Arc<Client>>,
    /// The time of the last answer about a SKU.
    answered: HashMap<String, Instant>,
    left_alone_until: Option<Instant>,
}

impl Inventory {
    /// A service that has not been asked yet.
    #[must_use]
    pub fn new(pool: PgPool, metrics: Arc<Metrics>, wake_signal: Arc<WakeSignal>, gate: Gate) -> Self {
        Self { shared: Arc::new(Shared { pool, metrics, wake_signal, gate, state: Mutex::default() }) }
    }

    /// To be called before an order is planned. Asks for its SKUs if the order is new.
    ///
    /// # Errors
    /// 503 when the service does not answer and `when_down` is `wait`; when the database fails.
    pub async fn before_order(&self, catalog: &Catalog, order: &OrderInput) -> Result<()> {
        let Some(settings) = &catalog.inventory else { return Ok(()) };
        let known = identity::find(&mut *self.shared.pool.acquire().await?, &order.identity()).await?;
        if known.is_some() {
            return Ok(());
        }
        match self.pull(catalog, settings, order.skus()).await {
            Err(Error::StockService(_)) if settings.when_down == WhenDown::LastKnown => Ok(()),
            pulled => pulled,
        }
    }

    /// To be called before a list of orders is planned, for all their SKUs. A failure of the service is reported by
    /// each order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn before_list(&self, catalog: &Catalog, skus: BTreeSet<String>) -> Result<()> {
        let Some(settings) = &catalog.inventory else { return Ok(()) };
        self.pull_if_it_answers(catalog, settings, skus).await
    }

    /// To be called before packages are planned again. Asks for the SKUs of their items. If the service does not
    /// answer, the last known counts are used.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn before_packages(&self, catalog: &Catalog, package_ids: &[i64]) -> Result<()> {
        let Some(settings) = &catalog.inventory else { return Ok(()) };
        let skus = sqlx::query_scalar!(
            "select distinct oi.sku from package_items i join order_items oi on oi.id = i.order_item_id
              where i.package_id = any($1)",
            package_ids
        )
        .fetch_all(&self.shared.pool)
        .await?;
        self.pull_if_it_answers(catalog, settings, skus.into_iter().collect()).await
    }

    async fn pull_if_it_answers(
        &self,
        catalog: &Catalog,
        settings: &Arc<Settings>,
        skus: BTreeSet<String>,
    ) -> Result<()> {
        match self.pull(catalog, settings, skus).await {
            Err(Error::StockService(_)) => Ok(()),
            pulled => pulled,
        }
    }

    /// Asks for SKUs whose last answer is too old, in as many requests as needed, and stores the counts.
    async fn pull(&self, catalog: &Catalog, settings: &Arc<Settings>, skus: BTreeSet<String>) -> Result<()> {
        if !self.shared.gate.is_open() {
            // A copy of a shop is planned by the counts that it brought along.
            return Ok(());
        }
        let client = self.shared.client(settings)?;
        let stale = self.shared.stale(settings, skus.into_iter().collect());
        if stale.is_empty() {
            return Ok(());
        }
        if self.shared.state().left_alone_until.is_some_and(|until| Instant::now() < until) {
            return Err(Error::StockService("it did not answer a moment ago".to_owned()));
        }
        let places = Arc::new(Places::of(catalog, settings));
        let mut requests = JoinSet::new();
        for skus in client.requests(&stale) {
            let (shared, client, places) = (Arc::clone(&self.shared), Arc::clone(&client), Arc::clone(&places));
            let skus = skus.to_vec();
            requests.spawn(cause::carry(async move { shared.pull_together(&client, &places, skus).await }));
        }
        let mut failure = None;
        while let Some(ended) = requests.join_next().await {
            let ended = ended.unwrap_or_else(|error| Err(Error::Fault(format!("asking the stock service: {error}"))));
            failure = failure.or(ended.err());
        }
        failure.map_or(Ok(()), Err)
    }
}

/// The locations whose stock the service knows: ids by ERP code.
struct Places(HashMap<String, i64>);

impl Places {
    fn of(catalog: &Catalog, settings: &Settings) -> Self {
        let is_served =
            |erp_code: &String| settings.stock_locations.is_empty() || settings.stock_locations.contains(erp_code);
        let served = catalog.locations.values().filter(|location| is_served(&location.erp_code));
        Self(served.map(|location| (location.erp_code.clone(), location.id)).collect())
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The client for these settings. Changed settings make a new client.
    fn client(&self, settings: &Arc<Settings>) -> Result<Arc<Client>> {
        let mut state = self.state();
        if let Some(client) = state.client.as_ref().filter(|client| client.settings == *settings) {
            return Ok(Arc::clone(client));
        }
        let client =
            Client::new(Arc::clone(settings), Arc::clone(&self.metrics), &self.gate).map_err(Error::StockService)?;
        let client = Arc::new(client);
        *state = State { client: Some(Arc::clone(&client)), ..State::default() };
        Ok(client)
    }

    /// The SKUs whose last answer is too old.
    fn stale(&self, settings: &Settings, skus: Vec<String>) -> Vec<String> {
        let state = self.state();
        let is_fresh = |sku: &String| state.answered.get(sku).is_some_and(|at| at.elapsed() < settings.max_age());
        skus.into_iter().filter(|sku| !is_fresh(sku)).collect()
    }

    /// Makes one request and stores its counts.
    async fn pull_together(&self, client: &Client, places: &Places, skus: Vec<String>) -> Result<()> {
        let place = client.place().await.map_err(|why| self.is_down(why))?;
        // While this waited for its slot, another request may have asked for the same SKUs.
        let skus = self.stale(&client.settings, skus);
        if skus.is_empty() {
            return Ok(());
        }
        let asked = Instant::now();
        let answer = client.ask(&skus).await.map_err(|why| self.is_down(why))?;
        if let Some(why) = answer.unread.first() {
            tracing::warn!(why, rows = answer.unread.len(), "rows of the stock service cannot be read");
        }
        let counts = self.changed(places, &skus, answer).await?;
        if !counts.is_empty() {
            let origin = Origin { actor: Actor::Server("stock service"), door: Door::StockService };
            let mut refuse = |at: usize, why: &str| {
                tracing::error!(sku = counts[at].sku, why, "a count of the stock service cannot be kept");
            };
            stock::count_each(&self.pool, &counts, &origin, &mut refuse).await?;
            self.wake_signal.wake();
        }
        let mut state = self.state();
        state.left_alone_until = None;
        if state.answered.len() >= MOST_FRESH {
            state.answered.clear();
        }
        state.answered.extend(skus.into_iter().map(|sku| (sku, asked)));
        drop(state);
        drop(place);
        Ok(())
    }

    fn is_down(&self, why: Reason) -> Error {
        self.state().left_alone_until = Some(Instant::now() + PAUSE_AFTER_FAILURE);
        tracing::warn!(why, "the stock service tells nothing");
        Error::StockService(why)
    }

    /// The counts that differ from the stored ones.
    async fn changed(&self, places: &Places, skus: &[String], answer: Answer) -> Result<Vec<Count>> {
        let rows = sqlx::query!("select sku, stock_location_id, quantity from stocks where sku = any($1)", skus)
            .fetch_all(&self.pool)
            .await?;
        let known: HashMap<(String, i64), i64> =
            rows.into_iter().map(|row| ((row.sku, row.stock_location_id), row.quantity)).collect();
        let served: BTreeSet<i64> = places.0.values().copied().collect();
        // A location that the answer does not name has none, unless a row that cannot be read may name it.
        let has_none = |(sku, at): &&(String, i64)| served.contains(at) && !answer.in_doubt.contains(sku);
        let none = |(sku, at): &(String, i64)| Count {
            stock_location_id: *at,
            sku: sku.clone(),
            quantity: 0,
            counted_at: None,
        };
        let mut counts: BTreeMap<(String, i64), Count> =
            known.keys().filter(has_none).map(|key| (key.clone(), none(key))).collect();
        for line in answer.lines {
            if let Some(stock_location_id) = places.0.get(&line.erp_code) {
                let key = (line.sku, *stock_location_id);
                let count = Count { quantity: line.quantity, counted_at: line.counted_at, ..none(&key) };
                counts.insert(key, count);
            }
        }
        let is_changed = |(key, count): &(&(String, i64), &Count)| {
            count.counted_at.is_some() || known.get(*key).copied().unwrap_or(0) != count.quantity
        };
        Ok(counts.iter().filter(is_changed).map(|(_, count)| count.clone()).collect())
    }
}
