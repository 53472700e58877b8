//! The engine: reads, decides and writes commands, without locks if possible. The same for packages and transfers.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt as _;

use super::{
    super::{
        idempotency::{self, IdempotencyKey},
        outcome::{Outcome, PackageAnswer},
        transfer,
    },
    Request,
    decided::{Decided, Decision},
    judge::judge,
    pinned::PinnedConnection,
};
use crate::{
    catalog::{Catalog, CatalogCache},
    commands::{package::subject::Packages, subject::Subject, wake_signal::WakeSignal},
    db::{self, PgPool},
    error::{Error, Result},
    packages::facts,
    tasks::panic_text,
};

/// How often a transaction is tried again after a deadlock, or after others took its stock or quota.
const MOST_ATTEMPTS: u32 = 6;
/// From this attempt on, a plan locks the rows that it reads, so that no other can be faster.
const LOCK_FROM_ATTEMPT: u32 = 3;

/// Runs work on commands. A panic becomes a failure of these commands only.
pub(super) async fn unless_it_panics<T>(
    work: impl Future<Output = Result<T, AttemptError>>,
) -> Result<T, AttemptError> {
    AssertUnwindSafe(work)
        .catch_unwind()
        .await
        .unwrap_or_else(|panic| Err(AttemptError::Failed(Error::Fault(format!("panic: {}", panic_text(&*panic))))))
}

/// The engine.
pub(super) struct Engine {
    pub(super) pool: PgPool,
    /// For groups ([`db::for_groups`]).
    pub(super) lookups: PgPool,
    pub(super) catalog_cache: Arc<CatalogCache>,
    pub(super) wake_signal: Arc<WakeSignal>,
}

/// How commands are run under locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// With others: commands that could not be decided or written without locks.
    Group,
    /// By itself: it may plan, writes nothing, or would delay others.
    Alone,
}

/// Why an attempt failed.
pub(super) enum AttemptError {
    /// It plans, which is not possible in a group.
    Plans,
    /// Another transaction was faster: try again.
    Conflict,
    /// The database failed or refused.
    Failed(Error),
}

impl<E: Into<Error>> From<E> for AttemptError {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl Engine {
    /// Reads packages and decides commands, without locks: the write checks that the facts are still valid.
    pub(super) async fn decide(
        &self,
        pinned: &mut PinnedConnection,
        requests: &[&Request],
    ) -> Result<(Arc<Catalog>, Vec<Decision<PackageAnswer>>), AttemptError> {
        let mut connection = pinned.take(&self.lookups).await?;
        let found = facts::read_packages(&mut connection, &ids(requests)).await?;
        let catalog = self.catalog_cache.current();
        if found.version.is_some_and(|version| version != catalog.version) {
            // It is read again under the lock, which groups do not take.
            return Err(AttemptError::Conflict);
        }
        let remembered = idempotency::read_answers(&mut connection, &keys(requests)).await?;
        let mut decisions = Vec::with_capacity(requests.len());
        for request in requests {
            let package = found.by_id.get(&request.id);
            let decision = judge::<Packages>(&mut connection, request, package, &catalog, &remembered, None).await?;
            if transfer::end::may_end(&decision.laid.packages, &catalog.workflow)? {
                // Its transfers are read and ended under its package's lock.
                return Err(AttemptError::Conflict);
            }
            decisions.push(decision);
        }
        pinned.keep(connection);
        Ok((catalog, decisions))
    }

    /// Writes decisions that were made without a lock, if their facts are still valid: mostly in one statement, without
    /// another wait.
    pub(super) async fn write(
        &self,
        pinned: &mut PinnedConnection,
        catalog: &Catalog,
        requests: &[&Request],
        decisions: Vec<Decision<PackageAnswer>>,
    ) -> Result<Vec<Outcome<PackageAnswer>>, AttemptError> {
        let decided = Decided::new(decisions, catalog)?;
        let answers = decided.answers(requests);
        let mut connection = pinned.take(&self.lookups).await?;
        if answers.is_empty() && (decided.is_empty() || decided.is_one_statement()) {
            decided.write(&mut connection, Some(catalog.version)).await?;
        } else {
            let mut transaction = connection.begin().await?;
            decided.write(&mut transaction, Some(catalog.version)).await?;
            if !idempotency::write(&mut transaction, &answers).await? {
                return Err(AttemptError::Conflict);
            }
            transaction.commit().await?;
        }
        pinned.keep(connection);
        note_group(requests);
        self.wake_signal.send_for(&decided.changes, &decided.derived.packages, catalog);
        Ok(decided.outcomes)
    }

    /// Runs a command in a transaction of its own.
    pub(super) async fn run_alone<S: Subject>(&self, request: &Request) -> Result<Outcome<S::Answer>> {
        let mut outcomes = self.run_locked::<S>(Way::Alone, &[request]).await?;
        outcomes.pop().ok_or_else(|| Error::Fault("no outcome".to_owned()))
    }

    /// Runs commands in one transaction, under locks.
    pub(super) async fn run_locked<S: Subject>(
        &self,
        way: Way,
        requests: &[&Request],
    ) -> Result<Vec<Outcome<S::Answer>>> {
        let mut attempt = 1;
        loop {
            match unless_it_panics(self.attempt::<S>(way, requests, attempt >= LOCK_FROM_ATTEMPT)).await {
                Ok(outcomes) => return Ok(outcomes),
                // The installation changed while it waited.
                Err(AttemptError::Plans) if requests.len() > 1 => {
                    return Err(Error::Fault("a command that plans cannot run in a group".to_owned()));
                }
                Err(AttemptError::Plans | AttemptError::Conflict) if attempt < MOST_ATTEMPTS => {}
                Err(AttemptError::Failed(error)) if is_conflict(&error) && attempt < MOST_ATTEMPTS => {}
                Err(AttemptError::Plans | AttemptError::Conflict) => return Err(Error::Overloaded),
                // Others were faster each time: not a fault of the server, and worth another try.
                Err(AttemptError::Failed(error)) if is_conflict(&error) => return Err(Error::Overloaded),
                Err(AttemptError::Failed(error)) => return Err(error),
            }
            attempt += 1;
        }
    }

    /// One transaction from begin to commit, its subjects locked.
    async fn attempt<S: Subject>(
        &self,
        way: Way,
        requests: &[&Request],
        lock: bool,
    ) -> Result<Vec<Outcome<S::Answer>>, AttemptError> {
        let pool = if way == Way::Group { &self.lookups } else { &self.pool };
        let mut transaction = pool.begin_with(db::BEGIN_UNDER_INSTALLATION).await?;
        if way == Way::Alone {
            db::set_lock_timeout(&mut transaction).await?;
        }
        let locked = S::lock(&mut transaction, &ids(requests)).await?;
        let mut catalog = self.catalog_cache.current();
        if locked.version.is_some_and(|version| version != catalog.version) {
            catalog = self.catalog_cache.up_to_date(&mut transaction).await?;
        }
        let remembered = idempotency::read_answers(&mut transaction, &keys(requests)).await?;
        let planning = (requests.len() == 1).then_some(lock);
        let mut decisions = Vec::with_capacity(requests.len());
        for request in requests {
            let facts = locked.by_id.get(&request.id);
            decisions.push(judge::<S>(&mut transaction, request, facts, &catalog, &remembered, planning).await?);
        }
        let mut decided = Decided::new(decisions, &catalog)?;
        let ended = S::ended(&mut transaction, &decided.changes, &catalog.workflow).await?;
        decided.end(ended, &catalog)?;
        decided.write(&mut transaction, None).await?;
        let answers = decided.answers(requests);
        if !idempotency::write(&mut transaction, &answers).await? {
            return Err(AttemptError::Conflict);
        }
        if decided.is_empty() && answers.is_empty() {
            transaction.rollback().await?;
        } else {
            transaction.commit().await?;
            note_group(requests);
        }
        self.wake_signal.send_for(&decided.changes, &decided.derived.packages, &catalog);
        Ok(decided.outcomes)
    }
}

/// Notes for each request how many commands were written together.
fn note_group(requests: &[&Request]) {
    for cause in requests.iter().filter_map(|request| request.cause.as_ref()) {
        cause.was_in_group(requests.len());
    }
}

/// Sorted, because they are locked in this order.
fn ids(requests: &[&Request]) -> Vec<i64> {
    let mut ids: Vec<i64> = requests.iter().map(|request| request.id).collect();
    ids.sort_unstable();
    ids
}

fn keys<'a>(requests: &[&'a Request]) -> Vec<&'a IdempotencyKey> {
    requests.iter().filter_map(|request| request.key.as_ref()).collect()
}

/// True if nothing was done because of others: a deadlock, a changed workflow, a connection that was ended.
pub(super) fn is_conflict(error: &Error) -> bool {
    let database = match error {
        Error::Database(sqlx::Error::Database(database)) => database,
        Error::Database(error) => return db::never_arrived(error),
        _ => return false,
    };
    // 57P01: Postgres was told to end the connection, and has undone what was begun on it.
    database.code().is_some_and(|code| ["40P01", "40001", "57P01"].contains(&&*code))
        || matches!(database.constraint(), Some("transition_logs_legal_move" | "transfer_logs_legal_move"))
}

/// One failure for a whole group: the database is away, or overloaded.
pub(super) fn all_failed<A>(failure: Error, count: usize) -> Vec<Result<Outcome<A>>> {
    let others = (1..count).map(|_| Err(Error::Overloaded));
    others.chain(std::iter::once(Err(failure))).collect()
}
