//! `oms orders import FILE`: takes orders from JSON lines, or from a file of rows. A bad line is reported, and the others are
//! taken.

use std::{io::Read, pin::pin, sync::Arc, time::Duration};

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::{
    catalog::CatalogCache,
    db::{PgPool, Transaction},
    error::{Error, Refusal, Result},
    inventory::Inventory,
    orders::{
        file::{Built, OrderFile, Refused, wrong_line},
        input::OrderInput,
    },
    outbound::Gate,
    placing::place::{Durability, place},
    replanning::wakes,
};

/// Lines after which the orders so far are made durable, and told.
const BATCH: u64 = 100;
/// How long these orders wait for the next line.
const PATIENCE: Duration = Duration::from_millis(100);
/// Longest line, in bytes. A longer one is reported and skipped, so that no file fills the memory.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// The result of an import.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// New orders.
    pub taken: u64,
    /// Known orders.
    pub known: u64,
    /// Orders of which there is nothing to pack; only files of rows have them.
    pub left_out: u64,
    /// Lines with errors; in a file of rows, orders with them.
    pub refused: u64,
}

/// Progress of an import.
pub trait Progress {
    /// This many bytes are done.
    fn advance(&mut self, bytes: u64, summary: Summary);
    /// A line has an error.
    fn refused(&mut self, line: u64, why: &str);
    /// There is nothing of an order to pack.
    fn left_out(&mut self, line: u64, why: &str);
}

/// Takes every order of a stream. The same file can be imported again at any time. `gate`: whether a stock service may be
/// asked.
///
/// # Errors
/// When the file or the database fails; orders taken before stay.
pub async fn import(
    pool: &PgPool,
    catalog_cache: &CatalogCache,
    gate: &Gate,
    mut file: impl AsyncBufRead + Unpin,
    progress: &mut impl Progress,
) -> Result<Summary> {
    let inventory = Inventory::new(pool.clone(), Arc::default(), Arc::default(), gate.clone());
    let mut summary = Summary::default();
    let mut number = 0;
    let mut line = Vec::new();
    let mut batch = Batch::default();
    loop {
        let read = read_line(&mut file, &mut line, &mut batch)
            .await?
            .map_err(|error| Error::Fault(format!("reading line {}: {error}", number + 1)))?;
        if read == 0 {
            break;
        }
        number += 1;
        let mut bytes = read as u64;
        if read as u64 == LONGEST_LINE && line.last() != Some(&b'\n') {
            bytes += skip_line(&mut file).await.map_err(|error| Error::Fault(error.to_string()))?;
            summary.refused += 1;
            progress.refused(number, &format!("longer than {LONGEST_LINE} bytes"));
        } else {
            let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii();
            if !text.is_empty() {
                batch.begin(pool).await?;
                let order = crate::wire::parse(text).and_then(|value| OrderInput::of_json(&value));
                if let Some(refusal) = take(pool, catalog_cache, &inventory, order, &mut summary).await? {
                    progress.refused(number, &refusal.to_string());
                }
            }
        }
        progress.advance(bytes, summary);
        if number % BATCH == 0 {
            batch.end().await?;
        }
    }
    if summary.taken > 0 {
        // Missing stock may have been counted while the orders were planned.
        wakes::for_anything(&mut *pool.acquire().await?).await?;
    }
    batch.end().await?;
    Ok(summary)
}

/// The same of a file of rows. An order with a bad line is reported, and the others are taken.
///
/// # Errors
/// As [`import`].
pub async fn import_rows(
    pool: &PgPool,
    catalog_cache: &CatalogCache,
    gate: &Gate,
    mut file: OrderFile<impl Read>,
    progress: &mut impl Progress,
) -> Result<Summary> {
    let inventory = Inventory::new(pool.clone(), Arc::default(), Arc::default(), gate.clone());
    let mut summary = Summary::default();
    let (mut batch, mut count, mut read) = (Batch::default(), 0_u64, 0);
    while let Some(built) = file.next_order()? {
        match built {
            Built::Order { order, line, lines } => {
                batch.begin(pool).await?;
                let input = OrderInput::of_json(&order);
                if let Some(refusal) = take(pool, catalog_cache, &inventory, input, &mut summary).await? {
                    progress.refused(wrong_line(&order, line, &lines), &refusal.to_string());
                }
            }
            Built::LeftOut { line, why } => {
                summary.left_out += 1;
                progress.left_out(line, &why);
            }
            Built::Refused(Refused { line, why }) => {
                summary.refused += 1;
                progress.refused(line, &why);
            }
        }
        let until = file.bytes_read();
        progress.advance(until.saturating_sub(read), summary);
        read = until;
        count += 1;
        if count.is_multiple_of(BATCH) {
            batch.end().await?;
        }
    }
    if summary.taken > 0 {
        // As in `import`.
        wakes::for_anything(&mut *pool.acquire().await?).await?;
    }
    batch.end().await?;
    Ok(summary)
}

/// Places an order, and counts it. Returns why it is refused.
async fn take(
    pool: &PgPool,
    catalog_cache: &CatalogCache,
    inventory: &Inventory,
    order: Result<OrderInput, Refusal>,
    summary: &mut Summary,
) -> Result<Option<Refusal>> {
    let placed = match order {
        Ok(order) => {
            inventory.before_order(&catalog_cache.current(), &order).await?;
            place(pool, catalog_cache, &order, None, Durability::Later).await
        }
        Err(refusal) => Err(refusal.into()),
    };
    match placed {
        Ok(placed) if placed.is_new => summary.taken += 1,
        Ok(_) => summary.known += 1,
        Err(Error::Refused(refusal)) => {
            summary.refused += 1;
            return Ok(Some(refusal));
        }
        Err(error) => return Err(error),
    }
    Ok(None)
}

/// Reads a line, up to the longest. A batch does not wait for a slow file.
async fn read_line(
    file: &mut (impl AsyncBufRead + Unpin),
    line: &mut Vec<u8>,
    batch: &mut Batch,
) -> Result<std::io::Result<usize>> {
    line.clear();
    let mut file = file.take(LONGEST_LINE);
    let mut reading = pin!(file.read_until(b'\n', line));
    if let Ok(read) = tokio::time::timeout(PATIENCE, &mut reading).await {
        return Ok(read);
    }
    batch.end().await?;
    Ok(reading.await)
}

/// Skips the rest of a line.
async fn skip_line(file: &mut (impl AsyncBufRead + Unpin)) -> std::io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = file.fill_buf().await?;
        if buffer.is_empty() {
            return Ok(skipped);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(buffer.len(), |end| end + 1);
        file.consume(count);
        skipped += count as u64;
        if end.is_some() {
            return Ok(skipped);
        }
    }
}

/// Orders that are stored without a wait for the disk. It is an open transaction: until its end, no reader is told of
/// these orders, since a crash could take them back.
#[derive(Default)]
struct Batch(Option<Transaction<'static>>);

impl Batch {
    async fn begin(&mut self, pool: &PgPool) -> Result<()> {
        if self.0.is_none() {
            let mut transaction = pool.begin().await?;
            sqlx::query!("set local synchronous_commit = on").execute(&mut *transaction).await?;
            // Without an id it would hold back nothing, and without a write not wait for the disk.
            sqlx::query!("select pg_current_xact_id()::text as id").fetch_one(&mut *transaction).await?;
            self.0 = Some(transaction);
        }
        Ok(())
    }

    /// One durable commit makes all earlier ones durable, because the log is written in order.
    async fn end(&mut self) -> Result<()> {
        if let Some(transaction) = self.0.take() {
            transaction.commit().await?;
        }
        Ok(())
    }
}
