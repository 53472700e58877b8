//! Orders that come at the same time are placed together: whoever waits for the disk, or for the group before, waits with
//! others. An order for which nobody waits is placed at once, alone.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt as _;
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};

use super::place::{Durability, Placed, Sent, place};
use crate::{
    catalog::CatalogCache,
    db::PgPool,
    error::{Error, Result},
    orders::input::OrderInput,
    tasks::Tasks,
};

/// Most orders that may wait. One more is answered 503.
const LONGEST_QUEUE: usize = 4096;
/// Most orders of a list that are under way at the same time: as many as a group has.
pub const MOST_AT_ONCE: usize = MOST_TOGETHER;
/// Most orders of a group.
const MOST_TOGETHER: usize = 256;
/// Most work of a group: the lines of its orders, times the locations that may get them.
const MOST_WORK: usize = 400_000;
/// An order of more work than this goes beside the others, and holds none of them up.
const LARGE: usize = 100_000;
/// Most large orders at the same time.
const MOST_LARGE: usize = 2;

/// Places orders, those that come at the same time together. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Placer {
    waiting: mpsc::Sender<Waiting>,
    pool: PgPool,
    catalog_cache: Arc<CatalogCache>,
    large: Arc<Semaphore>,
}

/// An order that waits for its answer.
#[derive(Debug)]
struct Waiting {
    sent: Sent,
    reply: oneshot::Sender<Result<Placed>>,
}

impl Placer {
    /// Starts to place what comes.
    #[must_use]
    pub fn start(pool: &PgPool, catalog_cache: &Arc<CatalogCache>, tasks: &Tasks) -> Self {
        let (waiting, arriving) = mpsc::channel(LONGEST_QUEUE);
        let placer = Self {
            waiting,
            pool: pool.clone(),
            catalog_cache: Arc::clone(catalog_cache),
            large: Arc::new(Semaphore::new(MOST_LARGE)),
        };
        let arriving = Arc::new(Mutex::new(arriving));
        let (pool, catalog_cache) = (pool.clone(), Arc::clone(catalog_cache));
        tasks.keep_open("placing of orders", move || {
            place_forever(Arc::clone(&arriving), pool.clone(), Arc::clone(&catalog_cache))
        });
        placer
    }

    /// Stores and plans an order, which is then on disk.
    ///
    /// # Errors
    /// As [`place`]; 503 when too many wait.
    pub async fn place(&self, order: &Arc<OrderInput>, user_id: Option<i64>) -> Result<Placed> {
        let sent = Sent::of(order, user_id);
        if work(order, &self.catalog_cache) > LARGE {
            let _turn = self.large.acquire().await.map_err(|_| Error::Overloaded)?;
            let mut placed = place(&self.pool, &self.catalog_cache, &[sent], Durability::Each).await;
            return placed.pop().unwrap_or(Err(Error::Overloaded));
        }
        let (reply, answer) = oneshot::channel();
        self.waiting.try_send(Waiting { sent, reply }).map_err(|_| Error::Overloaded)?;
        // Whoever placed it may have died: it is placed or not, and sending it again is safe.
        answer.await.unwrap_or(Err(Error::Overloaded))
    }
}

/// What planning an order costs.
fn work(order: &OrderInput, catalog_cache: &CatalogCache) -> usize {
    order.lines.len().saturating_mul(catalog_cache.current().locations.len().max(1))
}

/// Places a group. If that panics, each of its orders is placed alone, and who panics then costs itself.
async fn place_safely(pool: &PgPool, catalog_cache: &CatalogCache, group: &[Sent]) -> Vec<Result<Placed>> {
    let together = place(pool, catalog_cache, group, Durability::Each);
    match AssertUnwindSafe(together).catch_unwind().await {
        Ok(placed) => placed,
        Err(_) if group.len() == 1 => vec![Err(Error::Fault("placing an order panicked".to_owned()))],
        Err(_) => {
            let mut placed = Vec::with_capacity(group.len());
            for one in group {
                placed.extend(Box::pin(place_safely(pool, catalog_cache, std::slice::from_ref(one))).await);
            }
            placed
        }
    }
}

async fn place_forever(arriving: Arc<Mutex<mpsc::Receiver<Waiting>>>, pool: PgPool, catalog_cache: Arc<CatalogCache>) {
    let mut arriving = arriving.lock().await;
    let mut next = None;
    loop {
        let first = match next.take() {
            Some(waiting) => waiting,
            None => match arriving.recv().await {
                Some(waiting) => waiting,
                None => return,
            },
        };
        let mut left = MOST_WORK.saturating_sub(work(&first.sent.order, &catalog_cache));
        let mut group = vec![first];
        loop {
            let before = group.len();
            // Other tasks that read requests run first, as long as they bring more orders.
            tokio::task::yield_now().await;
            while group.len() < MOST_TOGETHER
                && next.is_none()
                && let Ok(waiting) = arriving.try_recv()
            {
                let work = work(&waiting.sent.order, &catalog_cache);
                if work > left {
                    next = Some(waiting);
                } else {
                    left -= work;
                    group.push(waiting);
                }
            }
            if group.len() == before || next.is_some() {
                break;
            }
        }
        let (sent, replies): (Vec<Sent>, Vec<_>) = group.into_iter().map(|one| (one.sent, one.reply)).unzip();
        let placed = place_safely(&pool, &catalog_cache, &sent).await;
        for (reply, placed) in replies.into_iter().zip(placed) {
            // Who no longer waits for it finds it when it is sent again.
            reply.send(placed).ok();
        }
    }
}
