//! A connection that is kept from one group to the next.

use std::{pin::pin, time::Duration};

use crate::{
    db::{PgPool, PoolConnection},
    error::Result,
};

/// How long a connection without work stays out of the pool.
const PINNED_FOR: Duration = Duration::from_secs(10);

/// A connection that is kept from one group to the next as long as nothing fails. A pool would give another one each
/// time, whose backend has been idle for a while.
#[derive(Default)]
pub(super) struct PinnedConnection(Option<PoolConnection>);

impl PinnedConnection {
    /// Leaves none behind, so that a connection that fails is not kept. One that has lain idle is tested.
    pub(super) async fn take(&mut self, pool: &PgPool) -> Result<PoolConnection> {
        if let Some(mut connection) = self.0.take()
            && connection.is_usable().await
        {
            return Ok(connection);
        }
        Ok(pool.acquire().await?)
    }

    pub(super) fn keep(&mut self, connection: PoolConnection) {
        self.0 = Some(connection);
    }

    /// Waits for work. If that takes long, the connection goes back to the pool, which closes idle ones.
    pub(super) async fn wait_for<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if let Ok(work) = tokio::time::timeout(PINNED_FOR, &mut work).await {
            return work;
        }
        self.0 = None;
        work.await
    }
}
