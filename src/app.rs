//! What requests share, and what works in the background while they are served.

use std::{sync::Arc, time::Duration};

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::Sessions,
    catalog::{self, CatalogCache},
    commands::{
        self,
        dispatch::{self, Dispatcher},
        idempotency,
        transfer::dispatch::TransferDispatcher,
    },
    db,
    error::Result,
    events::{self, EventNotifier},
    inventory::Inventory,
    metrics::Metrics,
    packages::loader::{self, Loader},
    replanning::{WakeSignal, wakes},
    upstream::Upstream,
    webhooks::{self, DeliveryService},
};

/// Connections that read one order at a time.
const READS: u32 = 4;

/// What handlers share. A clone is one count: axum makes several for every request.
#[derive(Clone)]
pub struct App(Arc<Shared>);

impl std::ops::Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// The parts of an [`App`].
#[derive(Clone)]
pub struct Shared {
    /// Connections to Postgres.
    pub pool: PgPool,
    /// More of them, for groups of commands and the readers of packages ([`db::for_groups`]).
    pub lookups: PgPool,
    /// The same ([`db::for_lookups`]), for whoever reads one thing: commands never wait for these, nor these for commands.
    pub reads: PgPool,
    /// The installation in memory.
    pub catalog_cache: Arc<CatalogCache>,
    /// Recent tokens.
    pub sessions: Arc<Sessions>,
    /// Runs commands.
    pub dispatcher: Dispatcher,
    /// Runs commands on transfers.
    pub transfers: TransferDispatcher,
    /// Reads single packages.
    pub loader: Loader,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Rung when something was written that events tell.
    pub event_notifier: Arc<EventNotifier>,
    /// The server is told to stop: who waits for something to happen ends.
    pub stop: CancellationToken,
    /// Rung when a command frees what others wait for.
    pub wake_signal: Arc<WakeSignal>,
    /// Asks the stock service.
    pub inventory: Inventory,
    /// Where orders come from, if there is such a place: see [`crate::upstream::attach`].
    pub upstream: Arc<Upstream>,
    /// Delivers events to who subscribed.
    pub webhooks: DeliveryService,
}

impl App {
    /// Reads the installation and starts what works in the background, until `stop`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn start(pool: PgPool, stop: &CancellationToken) -> Result<Self> {
        let catalog_cache = Arc::new(CatalogCache::new(commands::kinds()));
        catalog_cache.refresh(&mut *pool.acquire().await?).await?;
        let sessions = Arc::new(Sessions::default());
        let metrics = Arc::new(Metrics::default());
        let wake_signal = Arc::new(WakeSignal::default());
        events::retention::prepare(&pool).await?;
        let event_notifier = Arc::new(EventNotifier::default());
        tokio::spawn(Arc::clone(&event_notifier).watch(pool.clone(), stop.clone()));
        let inventory = Inventory::new(pool.clone(), Arc::clone(&metrics), Arc::clone(&wake_signal));
        tokio::spawn(catalog::follow(pool.clone(), Arc::clone(&catalog_cache), Arc::clone(&sessions), stop.clone()));
        tokio::spawn(forget_old_keys(pool.clone(), stop.clone()));
        let lookups = db::for_groups(&pool, dispatch::CONNECTIONS + loader::READERS);
        let reads = db::for_lookups(&pool, READS);
        let dispatcher = Dispatcher::start(
            pool.clone(),
            lookups.clone(),
            Arc::clone(&catalog_cache),
            Arc::clone(&metrics),
            Arc::clone(&wake_signal),
            inventory.clone(),
        );
        Ok(Self(Arc::new(Shared {
            webhooks: DeliveryService::new(webhooks::Settings::default(), dispatcher.traffic())?,
            dispatcher,
            transfers: TransferDispatcher::start(
                pool.clone(),
                Arc::clone(&catalog_cache),
                Arc::clone(&metrics),
                Arc::clone(&wake_signal),
                inventory.clone(),
            ),
            loader: Loader::start(&lookups, &catalog_cache),
            lookups,
            reads,
            pool,
            catalog_cache,
            sessions,
            metrics,
            event_notifier,
            stop: stop.clone(),
            wake_signal,
            inventory,
            upstream: Arc::default(),
        })))
    }

    /// The same with these settings of webhooks.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn with_webhooks(mut self, settings: webhooks::Settings) -> Result<Self> {
        let webhooks = DeliveryService::new(settings, self.dispatcher.traffic())?;
        Arc::make_mut(&mut self.0).webhooks = webhooks;
        Ok(self)
    }

    /// Names the upstream, before anybody is served.
    pub(crate) fn set_upstream(&mut self, upstream: Upstream) {
        Arc::make_mut(&mut self.0).upstream = Arc::new(upstream);
    }

    /// Waits for commands and deliveries that are under way, and closes the connections.
    pub async fn finish(self) {
        let Shared { pool, lookups, reads, dispatcher, transfers, webhooks, .. } = Arc::unwrap_or_clone(self.0);
        webhooks.finish().await;
        dispatcher.finish().await;
        transfers.finish().await;
        lookups.close().await;
        reads.close().await;
        pool.close().await;
    }
}

/// Keys and notes past their lifetime are deleted hourly.
async fn forget_old_keys(pool: PgPool, stop: CancellationToken) {
    let mut hours = tokio::time::interval(Duration::from_hours(1));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = hours.tick() => {}
        }
        if let Err(error) = idempotency::forget_old(&pool).await {
            tracing::warn!(%error, "cannot delete old idempotency keys");
        }
        if let Err(error) = wakes::forget_old(&pool).await {
            tracing::warn!(%error, "cannot delete old notes of what came free");
        }
        if let Err(error) = webhooks::forget_old(&pool).await {
            tracing::warn!(%error, "cannot delete old deliveries");
        }
    }
}
