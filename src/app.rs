//! The state shared by requests, and the work in the background.

mod readings;

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use http::HeaderMap;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use readings::ReadingCache;

use crate::{
    auth::{self, Caller, LoginAttempts, Sessions, quota},
    catalog::{self, CatalogCache},
    cause,
    commands::{
        self,
        dispatch::{self, Dispatcher},
        idempotency,
        wake_signal::WakeSignal,
    },
    db::{self, PgPool},
    error::Result,
    events::{self, EventNotifier, RecentEvents},
    home::{self, Whereabouts},
    inventory::Inventory,
    invoicing,
    links::{self, Addresses, Links},
    metrics::Metrics,
    outbound::{Gate, guard::Range},
    packages::loader::{self, Loader},
    page::UnknownFilters,
    placing::queue::Placer,
    replanning::{self, wakes},
    stock::feed,
    tasks::Tasks,
    upstream::{self, Intake, Pace, Upstream, UpstreamSettings},
    webhooks::{self, DeliveryService},
};

/// When a server first deletes what is old, after its start.
const FORGET_AFTER: Duration = Duration::from_mins(1);
/// Connections for reading single orders.
const READS: u32 = 4;

/// The state of handlers. A clone only counts a reference: axum makes several per request.
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
    /// More connections, for groups of commands and for reading packages ([`db::for_groups`]).
    pub lookups: PgPool,
    /// More connections ([`db::for_lookups`]), for reading single objects: commands never wait for these, nor these for
    /// commands.
    pub reads: PgPool,
    /// The installation in memory.
    pub catalog_cache: Arc<CatalogCache>,
    /// The cache of tokens.
    pub sessions: Arc<Sessions>,
    /// The limits of guesses at passwords.
    pub login_attempts: Arc<LoginAttempts>,
    /// How many tokens a user may have.
    pub token_quota: quota::Quota,
    /// Proxies that are believed in what they say of their clients.
    pub trusted_proxies: Vec<Range>,
    /// What becomes of a parameter that a list does not have.
    pub unknown_filters: UnknownFilters,
    /// Makes and checks the addresses of documents.
    pub links: Arc<Links>,
    /// Runs commands.
    pub dispatcher: Dispatcher,
    /// Reads single packages.
    pub loader: Loader,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// What metrics tell from the database.
    pub readings: Arc<ReadingCache>,
    /// Notified after a commit that wrote events.
    pub event_notifier: Arc<EventNotifier>,
    /// The latest events in memory, for all who follow.
    pub recent_events: Arc<RecentEvents>,
    /// Cancelled when the server stops: waiting requests end.
    pub stop: CancellationToken,
    /// Receives the stock and room that commands free.
    pub wake_signal: Arc<WakeSignal>,
    /// The stock service.
    pub inventory: Inventory,
    /// The upstream, if there is one.
    pub upstream: Upstream,
    /// Takes the upstream's orders.
    pub intake: Intake,
    /// The delivery of webhooks.
    pub webhooks: DeliveryService,
    /// The work in the background.
    pub tasks: Tasks,
    /// Closed while the database is not at home: nothing leaves this server.
    pub gate: Gate,
}

/// What a server does besides answering requests.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How webhooks are delivered.
    pub webhooks: webhooks::Settings,
    /// True if this server delivers them.
    pub delivers_webhooks: bool,
    /// How waiting packages are planned again; none: not by this server.
    pub replanning: Option<replanning::Settings>,
    /// The upstream that is followed, and how often; none: not by this server.
    pub upstream: Option<(UpstreamSettings, Pace)>,
    /// Days for which events are kept; none: this server deletes none.
    pub events_keep_days: Option<u32>,
    /// Proxies that are believed in what they say of their clients (`X-Forwarded-For` and its kind).
    pub trusted_proxies: Vec<Range>,
    /// What becomes of a parameter that a list does not have.
    pub unknown_filters: UnknownFilters,
    /// Most streams and waiting requests of a user, for the feed of events.
    pub streams_per_user: u32,
    /// How many tokens a user may have.
    pub tokens: quota::Quota,
    /// Which addresses commands may bring.
    pub invoices: invoicing::Rules,
    /// How long the addresses of documents are good, and for whom.
    pub links: links::Settings,
    /// Where this server is, to see whether the database is at home here; none: that is not looked at.
    pub whereabouts: Option<Whereabouts>,
}

impl App {
    /// Reads the installation and starts the work in the background, until `stop`. Every server begins here.
    ///
    /// The future is boxed: a crate that awaits it does not compile all this work once more.
    ///
    /// # Errors
    /// When the database fails, TLS cannot be set up, or the settings contradict themselves.
    #[must_use]
    pub fn start(pool: PgPool, settings: Settings, stop: &CancellationToken) -> BoxFuture<'_, Result<Self>> {
        Box::pin(Self::start_all(pool, settings, stop))
    }

    async fn start_all(pool: PgPool, settings: Settings, stop: &CancellationToken) -> Result<Self> {
        // One connection for all of it: a pool opens another one while the last is on its way back.
        let mut connection = pool.acquire().await?;
        events::retention::prepare(&mut connection).await?;
        let catalog_cache =
            Arc::new(CatalogCache::new(commands::kinds()).with_invoice_rules(settings.invoices.clone()));
        catalog_cache.refresh(&mut connection).await?;
        let links = Arc::new(Links::open(&mut connection, settings.links).await?);
        drop(connection);
        let gate = Gate::open();
        if let Some(whereabouts) = &settings.whereabouts {
            home::follow(&home::settle(&pool, whereabouts).await?, &gate);
        }
        let (sessions, metrics) = (Arc::new(Sessions::default()), Arc::new(Metrics::default()));
        let (wake_signal, recent_events) = (Arc::default(), Arc::new(RecentEvents::new(settings.streams_per_user)));
        let event_notifier = Arc::new(EventNotifier::new(Arc::clone(&recent_events)));
        let tasks = Tasks::default();
        let inventory = Inventory::new(pool.clone(), Arc::clone(&metrics), Arc::clone(&wake_signal), gate.clone());
        let lookups = db::for_groups(&pool, dispatch::CONNECTIONS + loader::READERS);
        let dispatcher = Dispatcher::start(
            &pool,
            lookups.clone(),
            Arc::clone(&catalog_cache),
            Arc::clone(&metrics),
            Arc::clone(&wake_signal),
            inventory.clone(),
            &tasks,
        );
        let (hooks, traffic) = (settings.webhooks.clone(), dispatcher.traffic());
        let webhooks = DeliveryService::new(hooks, Arc::clone(&links), traffic, &tasks, gate.clone())?;
        let mut shared = Shared {
            webhooks,
            dispatcher: dispatcher.clone(),
            loader: Loader::start(&lookups, &catalog_cache, &tasks),
            lookups,
            reads: db::for_lookups(&pool, READS),
            intake: Intake {
                pool: pool.clone(),
                catalog_cache: Arc::clone(&catalog_cache),
                inventory: inventory.clone(),
                wake_signal: Arc::clone(&wake_signal),
                metrics: Arc::clone(&metrics),
                dispatcher,
                placer: Placer::start(&pool, &catalog_cache, &tasks),
            },
            pool,
            catalog_cache,
            sessions,
            login_attempts: Arc::default(),
            token_quota: settings.tokens,
            trusted_proxies: settings.trusted_proxies.clone(),
            unknown_filters: settings.unknown_filters,
            links,
            readings: Arc::default(),
            metrics,
            event_notifier,
            recent_events,
            stop: stop.clone(),
            wake_signal,
            inventory,
            upstream: Upstream::default(),
            tasks,
            gate,
        };
        shared.follow(settings.whereabouts.clone());
        shared.start_workers(settings).await?;
        Ok(Self(Arc::new(shared)))
    }

    /// Waits for commands, deliveries and calls under way, and closes the connections.
    pub async fn finish(self) {
        let Shared { pool, lookups, reads, dispatcher, webhooks, upstream, sessions, .. } =
            Arc::unwrap_or_clone(self.0);
        webhooks.finish().await;
        upstream.finish().await;
        dispatcher.finish().await;
        if let Err(error) = sessions.note_uses(&pool).await {
            tracing::warn!(%error, "cannot write the last use of tokens");
        }
        lookups.close().await;
        reads.close().await;
        pool.close().await;
    }
}

impl Shared {
    /// The user that sent a request, with the rights that this server knows of now.
    ///
    /// # Errors
    /// 401 if there is no such active user.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Arc<Caller>> {
        let key = auth::key(headers)?;
        let caller = self.sessions.caller(&self.pool, key, self.catalog_cache.current().version).await?;
        cause::with_current(|cause| cause.is_of(&caller.username));
        Ok(caller)
    }

    /// Looks at once whether something was installed or rights were changed, without waiting for the notice of it: after a
    /// change by this server.
    pub async fn catch_up(&self) {
        let looking = async { self.catalog_cache.up_to_date(&mut *self.pool.acquire().await?).await };
        if let Err(error) = looking.await {
            tracing::warn!(%error, "cannot look at once at what was changed; the notice of it comes as well");
        }
    }

    /// The addresses in an answer to a reader who calls this server `base_url`.
    #[must_use]
    pub fn addresses(&self, base_url: &str) -> Addresses {
        Addresses::new(base_url.to_owned(), Arc::clone(&self.links))
    }

    /// Starts what every server does: it follows events and the installation, and deletes what is old.
    fn follow(&self, whereabouts: Option<Whereabouts>) {
        let Self { tasks, stop, pool, .. } = self;
        let (stopped, connections) = (stop.clone(), pool.clone());
        let notifier = Arc::clone(&self.event_notifier);
        tasks.keep("events", stop, move || Arc::clone(&notifier).watch(connections.clone(), stopped.clone()));
        let (stopped, connections) = (stop.clone(), pool.clone());
        let notifier = Arc::clone(&self.event_notifier);
        tasks.keep("events of stock", stop, move || {
            feed::tell_until_stopped(connections.clone(), Arc::clone(&notifier), stopped.clone())
        });
        let (stopped, connections) = (stop.clone(), pool.clone());
        let catalog_cache = Arc::clone(&self.catalog_cache);
        tasks.keep("catalog", stop, move || {
            catalog::follow(connections.clone(), Arc::clone(&catalog_cache), stopped.clone())
        });
        let (stopped, connections) = (stop.clone(), pool.clone());
        tasks.keep("old records", stop, move || forget_old_records(connections.clone(), stopped.clone()));
        let (stopped, connections, sessions) = (stop.clone(), pool.clone(), Arc::clone(&self.sessions));
        tasks.keep("uses of tokens", stop, move || {
            note_uses(connections.clone(), Arc::clone(&sessions), stopped.clone())
        });
        if let Some(whereabouts) = whereabouts {
            let (stopped, connections, gate) = (stop.clone(), pool.clone(), self.gate.clone());
            tasks.keep("home", stop, move || {
                home::watch(connections.clone(), whereabouts.clone(), gate.clone(), stopped.clone())
            });
        }
    }

    /// Starts the workers that the settings name.
    async fn start_workers(&mut self, settings: Settings) -> Result<()> {
        if settings.delivers_webhooks {
            let (catalog_cache, metrics) = (Arc::clone(&self.catalog_cache), Arc::clone(&self.metrics));
            self.webhooks.start(&self.pool, catalog_cache, metrics, Arc::clone(&self.event_notifier), &self.stop);
        }
        if let Some(days) = settings.events_keep_days {
            let (pool, stop) = (self.pool.clone(), self.stop.clone());
            let maintain = move || events::retention::maintain(pool.clone(), days, stop.clone());
            self.tasks.keep("retention of events", &self.stop, maintain);
        }
        if let Some(replanning) = settings.replanning {
            let worker = replanning::Worker {
                pool: self.pool.clone(),
                catalog_cache: Arc::clone(&self.catalog_cache),
                dispatcher: self.dispatcher.clone(),
                metrics: Arc::clone(&self.metrics),
                wake_signal: Arc::clone(&self.wake_signal),
                inventory: self.inventory.clone(),
                stop: self.stop.clone(),
            };
            worker.start(replanning, &self.tasks);
        }
        // After the worker: what its orders free is heard.
        if let Some((upstream, pace)) = settings.upstream {
            let context = upstream::Context {
                intake: self.intake.clone(),
                event_notifier: Arc::clone(&self.event_notifier),
                metrics: Arc::clone(&self.metrics),
                gate: self.gate.clone(),
            };
            self.upstream = upstream::start(context, &upstream, pace, &self.tasks, &self.stop).await?;
        }
        Ok(())
    }
}

/// How often the last use of tokens is written.
const NOTE_USES_EVERY: Duration = Duration::from_mins(1);

/// Writes the last use of tokens now and then; [`App::finish`] writes the rest.
async fn note_uses(pool: PgPool, sessions: Arc<Sessions>, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(NOTE_USES_EVERY) => {}
        }
        if let Err(error) = sessions.note_uses(&pool).await {
            tracing::warn!(%error, "cannot write the last use of tokens");
        }
    }
}

/// Deletes old idempotency keys, tokens and records every hour; not at once, when a server has to begin.
async fn forget_old_records(pool: PgPool, stop: CancellationToken) {
    let mut hours = tokio::time::interval_at(Instant::now() + FORGET_AFTER, Duration::from_hours(1));
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
        if let Err(error) = quota::forget_expired(&pool).await {
            tracing::warn!(%error, "cannot delete tokens that ended long ago");
        }
        if let Err(error) = webhooks::forget_old(&pool).await {
            tracing::warn!(%error, "cannot delete old deliveries");
        }
    }
}
