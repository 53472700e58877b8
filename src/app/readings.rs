//! What `/metrics` tells from the database: read once for all who ask within some seconds, so that no number of scrapes is
//! more work for it; and never waited for longer than a moment, so that a scrape is answered while it is away.

use std::{sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use crate::{
    db::PgPool,
    error::{Error, Result},
    events,
    metrics::Readings,
    packages, stock, upstream, webhooks,
};

/// For how long what was read is told. Failures, too: a database that is away is not asked by each scrape.
const FRESH: Duration = Duration::from_secs(5);
/// How long reading may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// See the module.
#[derive(Debug, Default)]
pub struct ReadingCache {
    last: Mutex<Option<(Instant, Option<Arc<Readings>>)>>,
}

impl ReadingCache {
    /// What was read last, or what is read now; none if the database does not answer.
    pub async fn get(&self, pool: &PgPool) -> Option<Arc<Readings>> {
        // Whoever comes meanwhile waits here, and gets what this one reads.
        let mut last = self.last.lock().await;
        if let Some((at, readings)) = &*last
            && at.elapsed() < FRESH
        {
            return readings.clone();
        }
        let read = tokio::time::timeout(PATIENCE, read(pool)).await;
        let read = read.unwrap_or_else(|_| Err(Error::Fault("the database does not answer in time".to_owned())));
        let readings = read.map(Arc::new).inspect_err(|error| tracing::warn!(%error, "no metrics of the shop")).ok();
        *last = Some((Instant::now(), readings.clone()));
        readings
    }
}

async fn read(pool: &PgPool) -> Result<Readings> {
    let mut connection = pool.waiting(PATIENCE).acquire().await?;
    Ok(Readings {
        packages: packages::count_open(&mut connection).await?,
        webhooks: webhooks::count(&mut connection).await?,
        upstream: upstream::status::readings(&mut connection).await?,
        stuck_packages: packages::count_stuck(&mut connection).await?,
        short_stock_units: stock::short_units(&mut connection).await?,
        feed_lag_seconds: events::lag_seconds(&mut connection).await?,
    })
}
