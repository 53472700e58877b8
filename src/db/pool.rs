//! The pool of connections.

use std::{
    io,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use deadpool::{
    Runtime,
    managed::{
        Manager, Metrics, Object, Pool, PoolConfig, PoolError, QueueMode, RecycleError, RecycleResult, Timeouts,
        WeakPool,
    },
};
use futures_util::{
    StreamExt as _, TryStreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Describe, Either, Execute, Executor, Postgres, SqlStr,
    postgres::{PgConnectOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use super::{connection::PgConnection, failures, links::Links, servers::Servers, transaction::Transaction};
use crate::tasks::Tasks;

/// How long a request waits until another gives a connection back.
const WAIT: Duration = Duration::from_secs(10);
/// How long opening a connection may take, its settings included.
const OPEN_WITHIN: Duration = Duration::from_secs(4);
/// How long an attempt is repeated while Postgres starts, or has no connection left.
const RETRY_FOR: Duration = Duration::from_secs(2);
/// The same of a Postgres that is started again when it goes down: it ends, and starts, within a few seconds.
const RETURNS_WITHIN: Duration = Duration::from_secs(8);
/// Longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// A connection that has lain idle for longer is tested before it is used.
const TEST_AFTER: Duration = Duration::from_secs(1);
/// For so long after a loss each connection is tested: those of one server end one after the other.
const IN_DOUBT_FOR: Duration = Duration::from_secs(5);
/// How long the test may take.
const TEST_WITHIN: Duration = Duration::from_millis(1500);
/// How long a connection may take to end what its user left.
const SETTLE_WITHIN: Duration = Duration::from_secs(2);
/// How often idle connections are looked through, and after which time they are closed.
const LOOK_THROUGH_EVERY: Duration = Duration::from_mins(1);
const IDLE_FOR: Duration = Duration::from_mins(10);
/// A connection's backend grows with the tables and plans it has seen.
const OLDEST: Duration = Duration::from_mins(30);

/// A pool of connections to Postgres. Each statement on them has a deadline.
#[derive(Debug, Clone)]
pub struct PgPool {
    pool: Pool<Opener>,
    /// How long Postgres may be silent while a statement of this user runs.
    patience: Duration,
}

/// How connections are opened.
#[derive(Debug, Clone)]
pub(super) struct Opener {
    pub(super) servers: Arc<Servers>,
    /// Statements for each new connection.
    pub(super) settings: Vec<&'static str>,
    /// How long Postgres may be silent while a statement runs.
    pub(super) patience: Duration,
    pub(super) links: Arc<Links>,
    /// One that is open already, and the first to be given out.
    ready: Arc<Mutex<Option<PgConnection>>>,
}

impl Opener {
    pub(super) fn new(
        servers: Arc<Servers>,
        settings: Vec<&'static str>,
        patience: Duration,
        links: Arc<Links>,
    ) -> Self {
        Self { servers, settings, patience, links, ready: Arc::default() }
    }

    /// The same, with a connection that it has opened.
    pub(super) fn with_ready(self, connection: PgConnection) -> Self {
        Self { ready: Arc::new(Mutex::new(Some(connection))), ..self }
    }

    /// The connection that is open already, if it is there and works.
    async fn ready(&self) -> Option<PgConnection> {
        let mut connection = self.ready.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        is_usable(&mut connection).await.then_some(connection)
    }

    /// Opens a connection. Says why it cannot, if it cannot.
    async fn open(&self) -> sqlx::Result<PgConnection> {
        self.links.fresh_failure()?;
        let opened = self.open_patiently().await;
        match &opened {
            Ok(_) => self.links.opened(),
            Err(error) => self.links.not_opened(error),
        }
        opened
    }

    async fn open_patiently(&self) -> sqlx::Result<PgConnection> {
        let began = Instant::now();
        let mut pause = Duration::from_millis(25);
        let (open_within, retry_for) = if self.servers.come_back {
            (RETURNS_WITHIN + OPEN_WITHIN, RETURNS_WITHIN)
        } else {
            (OPEN_WITHIN, RETRY_FOR)
        };
        loop {
            match self.try_within(open_within.saturating_sub(began.elapsed()).min(OPEN_WITHIN)).await {
                Err(error) if failures::may_start(&error) && began.elapsed() + pause < retry_for => {
                    // Postgres is down, so what was open to it is lost.
                    self.links.lost();
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                done => return done,
            }
        }
    }

    pub(super) async fn try_within(&self, limit: Duration) -> sqlx::Result<PgConnection> {
        let opened = tokio::time::timeout(limit, Box::pin(self.try_once())).await;
        opened.unwrap_or_else(|_| {
            let text = format!("{} does not answer", self.servers);
            Err(io::Error::new(io::ErrorKind::TimedOut, text).into())
        })
    }

    async fn try_once(&self) -> sqlx::Result<PgConnection> {
        let mut raw = self.servers.connect().await?;
        for statements in &self.settings {
            sqlx::raw_sql(*statements).execute(&mut raw).await?;
        }
        Ok(PgConnection::new(raw, self.patience, Arc::clone(&self.links)))
    }
}

impl Manager for Opener {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<PgConnection> {
        // On the heap: it is seldom, and large, and whoever takes a connection would be as large.
        Box::pin(async {
            match self.ready().await {
                Some(connection) => Ok(connection),
                None => self.open().await,
            }
        })
        .await
    }

    async fn recycle(&self, connection: &mut PgConnection, metrics: &Metrics) -> RecycleResult<sqlx::Error> {
        if metrics.created.elapsed() > OLDEST || !is_usable(connection).await {
            return Err(RecycleError::message("not to be used again"));
        }
        Ok(())
    }
}

impl PgPool {
    pub(super) fn new(opener: Opener, connections: u32) -> Self {
        let mut config = PoolConfig::new(connections as usize);
        config.timeouts = Timeouts { wait: Some(WAIT), create: None, recycle: None };
        // The latest used: its backend is warm, and those that are not needed grow old.
        config.queue_mode = QueueMode::Lifo;
        let pool = Pool::builder(opener).config(config).runtime(Runtime::Tokio1).build();
        #[expect(clippy::expect_used, reason = "time-outs only lack a runtime, and there is one")]
        let pool = pool.expect("a runtime");
        let weak = Arc::new(pool.weak());
        Tasks::default().keep_open("idle connections", move || look_through(Arc::clone(&weak)));
        let patience = pool.manager().patience;
        Self { pool, patience }
    }

    /// The same pool for a user who waits for Postgres no longer than this.
    #[must_use]
    pub fn waiting(&self, patience: Duration) -> Self {
        Self { pool: self.pool.clone(), patience }
    }

    /// Takes a connection.
    ///
    /// # Errors
    /// When none becomes free in ten seconds, or none can be opened.
    pub async fn acquire(&self) -> sqlx::Result<PoolConnection> {
        match self.pool.get().await {
            Ok(mut connection) => {
                connection.set_patience(self.patience);
                Ok(PoolConnection(Some(connection)))
            }
            Err(PoolError::Backend(error)) => Err(error),
            Err(PoolError::Closed) => Err(sqlx::Error::PoolClosed),
            // The cause, if it is that none can be opened.
            Err(_) => Err(self.failure().map_or(sqlx::Error::PoolTimedOut, |text| io::Error::other(text).into())),
        }
    }

    /// Begins a transaction on a connection of its own.
    ///
    /// # Errors
    /// As [`acquire`](Self::acquire), and when the database fails.
    pub async fn begin(&self) -> sqlx::Result<Transaction<'static>> {
        self.begin_by(None).await
    }

    /// The same, by a statement of its own, which begins with `begin`.
    ///
    /// # Errors
    /// As [`begin`](Self::begin).
    pub async fn begin_with(&self, statement: &'static str) -> sqlx::Result<Transaction<'static>> {
        self.begin_by(Some(statement)).await
    }

    /// A connection may have been lost while it lay idle. Nothing is done on it yet, so another takes its place.
    async fn begin_by(&self, statement: Option<&'static str>) -> sqlx::Result<Transaction<'static>> {
        match Transaction::begin_pooled(self.acquire().await?, statement).await {
            Err(error) if failures::is_of_the_connection(&error) => {
                Transaction::begin_pooled(self.acquire().await?, statement).await
            }
            begun => begun,
        }
    }

    /// Closes the idle connections now and the others when they come back. No more are given out.
    pub async fn close(&self) {
        let mut idle = self.pool.retain(|_, _| false).removed;
        idle.extend(self.opener().ready.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.pool.close();
        futures_util::future::join_all(idle.into_iter().map(PgConnection::close)).await;
    }

    /// How many connections there are, and how many of them are idle.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let status = self.pool.status();
        (status.size, status.available)
    }

    /// Why no connection can be opened, if the last attempt of a pool of this process failed.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.opener().links.failure()
    }

    /// Opens a connection and closes it again: whether that is possible now.
    ///
    /// # Errors
    /// When it is not.
    pub async fn probe(&self) -> sqlx::Result<()> {
        Box::pin(self.opener().open()).await?.close().await;
        Ok(())
    }

    /// How to connect to the server that connections are opened to.
    #[must_use]
    pub fn connect_options(&self) -> PgConnectOptions {
        self.opener().servers.current()
    }

    pub(super) fn opener(&self) -> &Opener {
        self.pool.manager()
    }
}

/// Closes what has lain idle for long, as long as the pool lives.
async fn look_through(pool: Arc<WeakPool<Opener>>) {
    loop {
        tokio::time::sleep(LOOK_THROUGH_EVERY).await;
        let Some(pool) = pool.upgrade() else { return };
        if pool.is_closed() {
            return;
        }
        let removed = pool.retain(|connection, _| connection.used_at().elapsed() < IDLE_FOR).removed;
        drop(pool);
        for connection in removed {
            connection.close().await;
        }
    }
}

/// A connection of a pool. Dropped, it goes back; what its user left on it is ended first.
#[derive(Debug)]
pub struct PoolConnection(Option<Object<Opener>>);

impl PoolConnection {
    /// Takes it out of the pool, which may open another.
    #[expect(clippy::expect_used, reason = "as `deref`")]
    pub(super) fn detach(mut self) -> PgConnection {
        self.0.take().map(Object::take).expect(TAKEN)
    }

    /// True if it may be used, which is tested if it has lain idle.
    pub async fn is_usable(&mut self) -> bool {
        is_usable(self).await
    }
}

async fn is_usable(connection: &mut PgConnection) -> bool {
    if connection.is_broken() || connection.is_doubtful() {
        return false;
    }
    let is_fresh = connection.used_at().elapsed() < TEST_AFTER && !connection.is_after_a_loss(IN_DOUBT_FOR);
    is_fresh || Box::pin(connection.settle(TEST_WITHIN)).await.is_ok()
}

const TAKEN: &str = "a connection is there until it is dropped";

impl Deref for PoolConnection {
    type Target = PgConnection;

    #[expect(clippy::expect_used, reason = "only `detach` and `drop` take it, which end this value")]
    fn deref(&self) -> &PgConnection {
        self.0.as_ref().expect(TAKEN)
    }
}

impl DerefMut for PoolConnection {
    #[expect(clippy::expect_used, reason = "only `detach` and `drop` take it, which end this value")]
    fn deref_mut(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect(TAKEN)
    }
}

impl Drop for PoolConnection {
    fn drop(&mut self) {
        let Some(mut connection) = self.0.take() else { return };
        if connection.is_broken() {
            drop(Object::take(connection));
            return;
        }
        if connection.is_clean() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            drop(Object::take(connection));
            return;
        };
        runtime.spawn(async move {
            let settled = tokio::time::timeout(SETTLE_WITHIN, connection.settle(SETTLE_WITHIN * 2)).await;
            if !matches!(settled, Ok(Ok(()))) {
                tracing::debug!("a connection did not end what was begun on it, and is closed");
                drop(Object::take(connection));
            }
        });
    }
}

/// Each statement by any connection.
impl<'p> Executor<'p> for &PgPool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        let all = async move {
            let mut connection = pool.acquire().await?;
            let all: Vec<_> = connection.fetch_many(query).try_collect().await?;
            Ok::<_, sqlx::Error>(stream::iter(all).map(Ok))
        };
        Box::pin(stream::once(all).try_flatten())
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.fetch_optional(query).await })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.prepare_with(sql, parameters).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        Box::pin(async move { pool.acquire().await?.describe(sql).await })
    }
}
