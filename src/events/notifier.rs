//! Wakes the readers of events. A request that wrote calls [`EventNotifier::notify`] after its commit, in memory: no
//! NOTIFY inside a transaction, no quick polling. One watcher then looks how far the events are final, for all readers of
//! this server, and reads them for those who follow ([`RecentEvents`]).

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Cursor, RecentEvents};
use crate::{db::PgPool, error::Result};

/// How often events of other servers and of the command line are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How often it looks while a written event is not final, because another transaction is still open.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// After this time the log says which transaction is open.
const LOG_AFTER: Duration = Duration::from_secs(30);
/// Least time between two looks, however often it is notified.
const LEAST_PAUSE: Duration = Duration::from_millis(10);

/// Receives notice of commits, and sends the position of the last final event.
#[derive(Debug)]
pub struct EventNotifier {
    written: watch::Sender<()>,
    head: watch::Sender<Cursor>,
    recent: Arc<RecentEvents>,
}

impl EventNotifier {
    /// A notifier that also reads for those who follow.
    #[must_use]
    pub fn new(recent: Arc<RecentEvents>) -> Self {
        Self { written: watch::Sender::new(()), head: watch::Sender::new(Cursor::START), recent }
    }

    /// Call it after a commit that wrote events.
    pub fn notify(&self) {
        self.written.send_replace(());
    }

    /// A listener from now on: it misses nothing between two waits.
    #[must_use]
    pub fn subscribe(&self) -> Listener {
        Listener { head: self.head.subscribe() }
    }

    /// Looks for new events until it is stopped.
    pub async fn watch(self: Arc<Self>, pool: PgPool, stop: CancellationToken) {
        let mut written = self.written.subscribe();
        let mut patience = LOOK_EVERY;
        let mut failing = false;
        // Since when written events have not become final, or were last logged.
        let mut held_since: Option<Instant> = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = written.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(patience) => {}
            }
            match self.look(&pool).await {
                Ok(true) => (patience, failing, held_since) = (LOOK_EVERY, false, None),
                Ok(false) => {
                    (patience, failing) = (LOOK_AGAIN, false);
                    if held_since.get_or_insert_with(Instant::now).elapsed() > LOG_AFTER {
                        log_oldest_transaction(&pool).await;
                        held_since = Some(Instant::now());
                    }
                }
                Err(error) => {
                    if !failing {
                        tracing::warn!(%error, "cannot look for new events");
                    }
                    (patience, failing) = (LOOK_EVERY, true);
                }
            }
            tokio::time::sleep(LEAST_PAUSE).await;
        }
    }

    /// Sends how far events are final. True if all are.
    async fn look(&self, pool: &PgPool) -> Result<bool> {
        let row = sqlx::query!(
            r#"select e.position, e.id, e.position <= event_horizon() as "is_final!",
                      f.position as "final_position?", f.id as "final_id?"
                 from (select position, id from events order by position desc, id desc limit 1) e
                 left join (select position, id from events where position <= event_horizon()
                             order by position desc, id desc limit 1) f on true"#
        )
        .fetch_optional(pool)
        .await?;
        let Some(row) = row else { return Ok(true) };
        if let (Some(position), Some(id)) = (row.final_position, row.final_id) {
            let head = Cursor::new(position, id);
            // Before they are woken. If it fails, they read by themselves.
            if let Err(error) = self.recent.extend(pool, head).await {
                tracing::warn!(%error, "cannot read the latest events for all who follow");
            }
            self.head.send_if_modified(|known| {
                let is_new = *known != head;
                *known = head;
                is_new
            });
        }
        Ok(row.is_final)
    }
}

/// Logs which open transaction holds events back.
async fn log_oldest_transaction(pool: &PgPool) {
    let oldest = sqlx::query!(
        "select pid, datname, application_name, extract(epoch from now() - xact_start)::bigint as seconds
           from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid()
          order by xact_start limit 1"
    )
    .fetch_optional(pool)
    .await;
    match oldest {
        Ok(Some(row)) => tracing::warn!(
            pid = row.pid,
            database = row.datname,
            application = row.application_name,
            seconds = row.seconds,
            "events wait for a transaction that stays open: the feed and deliveries go on when it ends"
        ),
        Ok(None) => tracing::warn!("events wait for a transaction that stays open, and this user may not see whose"),
        Err(error) => tracing::warn!(%error, "events wait for a transaction that stays open"),
    }
}

/// See [`EventNotifier::subscribe`].
#[derive(Debug)]
pub struct Listener {
    head: watch::Receiver<Cursor>,
}

impl Listener {
    /// Waits for events that were not there at the last wait.
    pub async fn wait(&mut self) {
        if self.head.changed().await.is_err() {
            // The server stops: there will be none.
            std::future::pending::<()>().await;
        }
    }
}
