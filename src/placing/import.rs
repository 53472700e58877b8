//! `oms orders import FILE`: takes orders from JSON lines, or from a file of rows. A bad line is reported, and the others are
//! taken.

use std::{io::Read, pin::pin, sync::Arc, time::Duration};

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

use crate::{
    audit::Actor,
    catalog::CatalogCache,
    db::{PgPool, Transaction},
    error::{Error, Refusal, Result},
    inventory::Inventory,
    orders::{
        compare::Differing,
        file::{Built, OrderFile, Refused, wrong_line},
        input::OrderInput,
    },
    outbound::Gate,
    placing::place::{Durability, Sent, place},
    replanning::wakes,
    upstream::{
        again::{self, Settling},
        problems,
    },
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
    /// Known orders that say otherwise than those that are here.
    pub differing: u64,
    /// Orders of which there is nothing to pack; only files of rows have them.
    pub left_out: u64,
    /// Lines with errors; in a file of rows, orders with them.
    pub refused: u64,
    /// Lines read, but for empty ones; in a file of rows, orders. Each is one of the others.
    pub read: u64,
    /// Rows of a file of rows.
    pub rows: u64,
}

/// Progress of an import.
pub trait Progress {
    /// This many bytes are done.
    fn advance(&mut self, bytes: u64, summary: Summary);
    /// A line has an error.
    fn refused(&mut self, line: u64, why: &str);
    /// There is nothing of an order to pack.
    fn left_out(&mut self, line: u64, why: &str);
    /// The order of a line is known, and says otherwise than the one that is here.
    fn differs(&mut self, line: u64, what: &str);
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
    let taking = Taking { pool, catalog_cache, inventory };
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
            summary.read += 1;
            summary.refused += 1;
            progress.refused(number, &format!("longer than {LONGEST_LINE} bytes"));
        } else {
            let text = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line).trim_ascii();
            if !text.is_empty() {
                summary.read += 1;
                batch.begin(pool).await?;
                let told = match crate::wire::parse(text) {
                    Ok(value) => taking.take(&value, &mut summary).await?,
                    Err(refusal) => summary.refuse(refusal),
                };
                told.tell(number, || number, progress);
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
    let taking = Taking { pool, catalog_cache, inventory };
    let mut summary = Summary::default();
    let (mut batch, mut count, mut read) = (Batch::default(), 0_u64, 0);
    while let Some(built) = file.next_order()? {
        summary.read += 1;
        summary.rows = file.rows_read();
        match built {
            Built::Order { order, line, lines } => {
                batch.begin(pool).await?;
                let told = taking.take(&order, &mut summary).await?;
                told.tell(line, || wrong_line(&order, line, &lines), progress);
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

/// What is to be said of an order.
enum Told {
    Nothing,
    /// It is known, and says this otherwise than the one that is here.
    Differs(String),
    Refused(Refusal),
}

impl Told {
    /// Says it: of the line that the order begins with, or of the one that is wrong.
    fn tell(&self, line: u64, wrong_line: impl FnOnce() -> u64, progress: &mut impl Progress) {
        match self {
            Self::Nothing => {}
            Self::Differs(what) => progress.differs(line, what),
            Self::Refused(refusal) => progress.refused(wrong_line(), &refusal.to_string()),
        }
    }
}

impl Summary {
    fn refuse(&mut self, refusal: Refusal) -> Told {
        self.refused += 1;
        Told::Refused(refusal)
    }
}

/// What taking an order needs.
struct Taking<'a> {
    pool: &'a PgPool,
    catalog_cache: &'a CatalogCache,
    inventory: Inventory,
}

impl Taking<'_> {
    /// Takes an order, and counts it.
    async fn take(&self, order: &Value, summary: &mut Summary) -> Result<Told> {
        match self.take_one(order).await {
            Ok(None) => summary.taken += 1,
            Ok(Some(differs)) => {
                summary.known += 1;
                if !differs.is_empty() {
                    summary.differing += 1;
                    return Ok(Told::Differs(problems::sentence(&differs)));
                }
            }
            Err(Error::Refused(refusal)) => return Ok(summary.refuse(refusal)),
            // It costs this order, whatever step could not keep it.
            Err(error) => match error.of_unkept_data() {
                Some(why) => {
                    let message = format!("It has a value that the database cannot keep: {why}.");
                    return Ok(summary.refuse(Refusal::non_field(&message)));
                }
                None => return Err(error),
            },
        }
        Ok(Told::Nothing)
    }

    /// What a known order says otherwise than the one that is here; none: it is new.
    async fn take_one(&self, value: &Value) -> Result<Option<Vec<Differing>>> {
        let order = OrderInput::of_json(value)?;
        self.inventory.before_order(&self.catalog_cache.current(), &order).await?;
        let order = Arc::new(order);
        let sent = Sent::of(&order, None);
        let placed = place(self.pool, self.catalog_cache, &[sent], Durability::Later).await.pop();
        let placed = placed.unwrap_or(Err(Error::Overloaded))?;
        if placed.is_new {
            return Ok(None);
        }
        let Self { pool, catalog_cache, .. } = self;
        let settling = Settling { pool, catalog_cache, actor: Actor::command_line(), commands: None };
        again::settle(&settling, placed.order_id, &order, value).await.map(Some)
    }
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
