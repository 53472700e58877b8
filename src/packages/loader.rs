//! The loader: waiting reads of single packages share one query, as commands share one transaction.
//!
//! A store's screen asks for one package at a time, and many screens ask at once. When the loader is free, it reads all
//! waiting packages together; a single request does not wait.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::view;
use crate::{
    catalog::CatalogCache,
    db::PgPool,
    error::{Error, Result},
    links::Addresses,
    scope::Scope,
    tasks::Tasks,
};

/// Most packages in one query.
const LARGEST_GROUP: usize = 64;
/// Most waiting requests. One more is answered 503.
const LONGEST_QUEUE: usize = 4096;
/// Queries at the same time.
pub(crate) const READERS: u32 = 2;

/// The JSON of a package, and the version of which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Grows with each change.
    pub version: i64,
    /// The JSON.
    pub body: Bytes,
}

struct Wanted {
    id: i64,
    addresses: Addresses,
    scope: Scope,
    reply: oneshot::Sender<Result<Option<Loaded>>>,
}

/// The loader. Clones share its queue.
#[derive(Clone)]
pub struct Loader {
    queue: mpsc::Sender<Wanted>,
}

impl Loader {
    /// Starts the readers, on connections that look each package up by an index.
    #[must_use]
    pub fn start(pool: &PgPool, catalog_cache: &Arc<CatalogCache>, tasks: &Tasks) -> Self {
        let (queue, wanted) = mpsc::channel(LONGEST_QUEUE);
        let wanted = Arc::new(tokio::sync::Mutex::new(wanted));
        for _ in 0..READERS {
            let (wanted, pool, catalog_cache) = (Arc::clone(&wanted), pool.clone(), Arc::clone(catalog_cache));
            tasks.keep_open("packages", move || {
                read_forever(Arc::clone(&wanted), pool.clone(), Arc::clone(&catalog_cache))
            });
        }
        Self { queue }
    }

    /// The JSON of a package for a reader; none if it does not exist, or the reader's scope does not see it.
    ///
    /// # Errors
    /// 503 when too many wait or the database is away.
    pub async fn load(&self, id: i64, addresses: Addresses, scope: Scope) -> Result<Option<Loaded>> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Wanted { id, addresses, scope, reply }).map_err(|_| Error::Overloaded)?;
        answer.await.unwrap_or_else(|_| Err(Error::Fault("the loader stopped".to_owned())))
    }
}

async fn read_forever(
    queue: Arc<tokio::sync::Mutex<mpsc::Receiver<Wanted>>>,
    pool: PgPool,
    catalog_cache: Arc<CatalogCache>,
) {
    loop {
        let mut group = Vec::new();
        let count = queue.lock().await.recv_many(&mut group, LARGEST_GROUP).await;
        if count == 0 {
            return;
        }
        let mut read = read_group(&pool, &catalog_cache, &group).await;
        if read.as_ref().is_err_and(Error::is_lost_connection) {
            // Another connection may work.
            read = read_group(&pool, &catalog_cache, &group).await;
        }
        match read {
            Ok(mut found) => {
                for (index, wanted) in group.into_iter().enumerate() {
                    wanted.reply.send(Ok(found.remove(&index))).ok();
                }
            }
            Err(error) => {
                tracing::warn!(%error, "cannot read packages");
                for wanted in group {
                    wanted.reply.send(Err(Error::Overloaded)).ok();
                }
            }
        }
    }
}

/// The packages found, by index in the group.
async fn read_group(pool: &PgPool, catalog_cache: &CatalogCache, group: &[Wanted]) -> Result<HashMap<usize, Loaded>> {
    let mut ids: Vec<i64> = group.iter().map(|wanted| wanted.id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut connection = pool.acquire().await?;
    let mut views: HashMap<i64, _> =
        view::load(&mut connection, catalog_cache, &ids).await?.into_iter().map(|view| (view.id, view)).collect();
    drop(connection);
    let mut found = HashMap::with_capacity(group.len());
    for (index, wanted) in group.iter().enumerate() {
        let Some(view) = views.get_mut(&wanted.id).filter(|view| wanted.scope.sees(view.stock_location_id)) else {
            continue;
        };
        let transfers = wanted.scope.is_limited().then(|| view.transfer_orders.clone());
        view.show_documents(&wanted.addresses);
        view.restrict(&wanted.scope);
        let body = serde_json::to_vec(&view).map_err(|error| Error::Fault(format!("package JSON: {error}")))?;
        if let Some(transfers) = transfers {
            view.transfer_orders = transfers;
        }
        found.insert(index, Loaded { version: view.version, body: body.into() });
    }
    Ok(found)
}
