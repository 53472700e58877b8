//! A connection that gives up when Postgres is silent.
//!
//! A cable, a firewall or a frozen server may leave a connection open and send nothing more. Neither TCP nor a time-out
//! of the server helps then. So each statement has a deadline here, in the type that every query of the crate takes:
//! when it passes, the statement fails, and the connection is never used again.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use futures_util::{Stream, future::BoxFuture, stream::BoxStream};
use sqlx::{
    Connection as _, Describe, Either, Execute, Executor, Postgres, SqlStr,
    migrate::{AppliedMigration, Migrate as _, MigrateError, Migrator},
    postgres::{PgQueryResult, PgRow, PgStatement, PgTransactionManager, PgTypeInfo},
};
use sqlx_core::transaction::TransactionManager as _;
use tokio::time::Sleep;

use super::{failures::is_of_the_connection, links::Links, transaction::Transaction};

/// How long an ended connection may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection to Postgres whose every statement has a deadline.
#[derive(Debug)]
pub struct PgConnection {
    raw: sqlx::PgConnection,
    state: State,
}

/// What is known of a connection.
#[derive(Debug)]
struct State {
    /// How long Postgres may be silent while a statement runs.
    patience: Duration,
    /// A statement has not been read to its end.
    is_busy: bool,
    /// It is not to be used any more.
    is_broken: bool,
    /// When it was last seen to work.
    used_at: Instant,
    links: Arc<Links>,
}

impl PgConnection {
    pub(super) fn new(raw: sqlx::PgConnection, patience: Duration, links: Arc<Links>) -> Self {
        let state = State { patience, is_busy: false, is_broken: false, used_at: Instant::now(), links };
        Self { raw, state }
    }

    /// The connection of sqlx, for what only that can do: no deadline holds there.
    pub(super) fn raw(&mut self) -> &mut sqlx::PgConnection {
        &mut self.raw
    }

    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.state.patience = patience;
    }

    /// True if it must be closed.
    pub(super) fn is_broken(&self) -> bool {
        self.state.is_broken
    }

    /// True if nothing of the last user is left on it: no unread answer, no open transaction.
    pub(super) fn is_clean(&self) -> bool {
        !self.state.is_busy && PgTransactionManager::get_transaction_depth(&self.raw) == 0
    }

    /// When it was last seen to work.
    pub(super) fn used_at(&self) -> Instant {
        self.state.used_at
    }

    /// True if another connection was lost since this one was last seen to work: so is this one, in all likelihood.
    pub(super) fn is_doubtful(&self) -> bool {
        self.state.links.lost_since(self.state.used_at)
    }

    /// True if a connection was lost a moment ago. This one has worked since, but its end may have been on the way.
    pub(super) fn is_after_a_loss(&self, within: Duration) -> bool {
        self.state.links.lost_within(within)
    }

    /// Sends what waits to be sent (the end of a transaction that was dropped), and waits for the answer.
    pub(super) async fn settle(&mut self, within: Duration) -> sqlx::Result<()> {
        self.state.within(within, self.raw.ping()).await
    }

    /// The migrations that are applied.
    pub(super) async fn applied_migrations(
        &mut self,
        migrator: &Migrator,
    ) -> Result<Vec<AppliedMigration>, MigrateError> {
        let patience = self.state.patience;
        let listed = async {
            match self.raw.list_applied_migrations(&migrator.table_name).await {
                Ok(listed) => Ok(Ok(listed)),
                Err(MigrateError::Execute(error)) => Err(error),
                Err(other) => Ok(Err(other)),
            }
        };
        self.state.within(patience, listed).await?
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin(&mut self) -> sqlx::Result<Transaction<'_>> {
        Transaction::begin(self, None).await
    }

    /// Begins a transaction by a statement of its own, which begins with `begin`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn begin_with(&mut self, statement: &'static str) -> sqlx::Result<Transaction<'_>> {
        Transaction::begin(self, Some(statement)).await
    }

    /// Says goodbye, but not for long, and closes it.
    pub async fn close(self) {
        if !self.state.is_broken {
            tokio::time::timeout(GOODBYE, self.raw.close()).await.ok();
        }
    }

    /// Begins a transaction, or a savepoint in one. If that fails or is given up, the connection is not used again: it may
    /// have begun, and sqlx counts what has begun only when it is answered, and ends only what it has counted.
    pub(super) async fn start_transaction(&mut self, statement: Option<&'static str>) -> sqlx::Result<()> {
        let statement = statement.map(SqlStr::from_static);
        let Self { raw, state } = self;
        let mut beginning = Beginning { state, is_over: false };
        beginning.state.within(beginning.state.patience, PgTransactionManager::begin(raw, statement)).await?;
        beginning.is_over = true;
        Ok(())
    }

    /// Ends a transaction, or a savepoint of one.
    pub(super) async fn end_transaction(&mut self, end: End) -> sqlx::Result<()> {
        let patience = self.state.patience;
        match end {
            End::Commit => self.state.within(patience, PgTransactionManager::commit(&mut self.raw)).await,
            End::Rollback => self.state.within(patience, PgTransactionManager::rollback(&mut self.raw)).await,
        }
    }

    /// Has a transaction rolled back before the next statement.
    pub(super) fn abandon_transaction(&mut self) {
        self.state.is_busy = true;
        if !self.state.is_broken {
            PgTransactionManager::start_rollback(&mut self.raw);
        }
    }
}

/// A transaction that is about to begin.
struct Beginning<'c> {
    state: &'c mut State,
    is_over: bool,
}

impl Drop for Beginning<'_> {
    fn drop(&mut self) {
        self.state.is_broken |= !self.is_over;
    }
}

/// How a transaction ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    Commit,
    Rollback,
}

impl State {
    /// Runs a statement, unless Postgres is silent for so long.
    async fn within<T>(
        &mut self,
        patience: Duration,
        statement: impl Future<Output = sqlx::Result<T>>,
    ) -> sqlx::Result<T> {
        self.begin()?;
        match tokio::time::timeout(patience, statement).await {
            Ok(Ok(done)) => {
                self.finish();
                Ok(done)
            }
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => Err(self.gave_up(patience)),
        }
    }

    fn begin(&mut self) -> sqlx::Result<()> {
        if self.is_broken {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "this connection was given up").into());
        }
        self.is_busy = true;
        Ok(())
    }

    fn finish(&mut self) {
        self.is_busy = false;
        self.used_at = Instant::now();
    }

    fn failed(&mut self, error: sqlx::Error) -> sqlx::Error {
        if is_of_the_connection(&error) {
            self.is_broken = true;
            self.links.lost();
        }
        error
    }

    fn gave_up(&mut self, patience: Duration) -> sqlx::Error {
        self.is_broken = true;
        self.links.lost();
        tracing::warn!(seconds = patience.as_secs(), "a connection to Postgres is silent, and is given up");
        let text = format!("Postgres has been silent for {} seconds", patience.as_secs());
        io::Error::new(io::ErrorKind::TimedOut, text).into()
    }
}

/// The rows of a statement, each of which has to come in time.
struct Rows<'e> {
    stream: BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>,
    state: &'e mut State,
    /// While nothing comes.
    silence: Option<Pin<Box<Sleep>>>,
}

impl Stream for Rows<'_> {
    type Item = sqlx::Result<Either<PgQueryResult, PgRow>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.state.is_broken {
            return Poll::Ready(this.state.begin().err().map(Err));
        }
        match this.stream.as_mut().poll_next(context) {
            Poll::Ready(None) => {
                this.state.finish();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(this.state.failed(error)))),
            Poll::Ready(some) => {
                this.silence = None;
                Poll::Ready(some)
            }
            Poll::Pending => {
                let patience = this.state.patience;
                let silence = this.silence.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
                match silence.as_mut().poll(context) {
                    Poll::Ready(()) => Poll::Ready(Some(Err(this.state.gave_up(patience)))),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }
}

impl<'c> Executor<'c> for &'c mut PgConnection {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let PgConnection { raw, state } = self;
        // A broken one answers with the first poll.
        state.is_busy = true;
        Box::pin(Rows { stream: raw.fetch_many(query), state, silence: None })
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let PgConnection { raw, state } = self;
        Box::pin(async move { state.within(state.patience, raw.fetch_optional(query)).await })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        let PgConnection { raw, state } = self;
        Box::pin(async move { state.within(state.patience, raw.prepare_with(sql, parameters)).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'c: 'e,
    {
        let PgConnection { raw, state } = self;
        Box::pin(async move { state.within(state.patience, raw.describe(sql)).await })
    }
}
