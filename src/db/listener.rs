//! Notices of Postgres (LISTEN), on a connection of their own.

use std::{io, time::Duration};

use sqlx::postgres::{PgListener, PgPoolOptions};

use super::pool::PgPool;

/// How long Postgres may take to begin, and to say that it is still there.
const PATIENCE: Duration = Duration::from_secs(4);

/// Listens to a channel. Silence is the rule here, so whoever waits asks now and then if it [`is_alive`].
///
/// [`is_alive`]: Self::is_alive
#[derive(Debug)]
pub struct Listener(PgListener);

impl Listener {
    /// Begins to listen.
    ///
    /// # Errors
    /// When the database fails, or is silent.
    pub async fn listen(pool: &PgPool, channel: &str) -> sqlx::Result<Self> {
        let begun = async {
            // A listener of sqlx takes a pool of sqlx.
            let own = PgPoolOptions::new()
                .max_connections(1)
                .idle_timeout(None)
                .max_lifetime(None)
                .connect_lazy_with(pool.connect_options());
            let mut listener = PgListener::connect_with(&own).await?;
            listener.listen(channel).await?;
            Ok(Self(listener))
        };
        let begun = tokio::time::timeout(PATIENCE, begun).await;
        begun.unwrap_or_else(|_| Err(sqlx::Error::Io(io::ErrorKind::TimedOut.into())))
    }

    /// Waits for a notice.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn hear(&mut self) -> sqlx::Result<()> {
        self.0.recv().await.map(drop)
    }

    /// True if Postgres still answers on this connection.
    pub async fn is_alive(&mut self) -> bool {
        let asked = sqlx::raw_sql("select 1").execute(&mut self.0);
        matches!(tokio::time::timeout(PATIENCE, asked).await, Ok(Ok(_)))
    }
}
