//! `oms orders …`.

use std::{fs::File, path::PathBuf};

use chrono_tz::Tz;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::io::BufReader;

use super::{
    data::Data,
    outcome::Outcome,
    terminal::{note, say},
};
use crate::{
    catalog::CatalogCache,
    commands,
    config::DataSettings,
    days,
    error::{Error, Result},
    orders::file::{Format, Mapping, OrderFile, Reading},
    placing::import::{Progress, Summary, import, import_rows},
    reading::{Decoded, Encoding},
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Take the orders of a file: JSON lines, or the export of a shop. It can be run again at any time: of a known order that
    /// differs, who it is for and where it goes are changed while nothing of it is packed; the rest is told and kept as a
    /// problem.
    Import {
        /// The file.
        file: PathBuf,
        /// Who wrote it.
        #[arg(long, value_enum, default_value_t = Format::Json)]
        format: Format,
        #[command(flatten)]
        rows: Rows,
    },
}

/// How a file of rows is written.
#[derive(Debug, clap::Args)]
pub(super) struct Rows {
    /// A file in TOML that says which column is which field: `[columns]` with `number = "Order No"`, `[values]` with what
    /// holds for all orders, and `date_format`.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// How its letters are written; UTF-16 is known by its mark.
    #[arg(long, value_enum)]
    encoding: Option<Encoding>,
    /// The time zone of dates without one, as `Europe/Istanbul`; without it, that of the installation.
    #[arg(long, value_name = "ZONE", value_parser = zone)]
    tz: Option<Tz>,
}

fn zone(name: &str) -> Result<Tz, String> {
    name.parse().map_err(|_| format!("there is no such time zone; {}", days::REMEDY))
}

pub(super) async fn run(settings: &DataSettings, command: Command) -> Result<Outcome> {
    let Command::Import { file, format, rows } = command;
    if format == Format::Json && (rows.mapping.is_some() || rows.encoding.is_some() || rows.tz.is_some()) {
        return Err(Error::Fault(
            "--mapping, --encoding and --tz are for files of rows: say which by --format shopify, woocommerce or csv"
                .to_owned(),
        ));
    }
    let mapping = rows.mapping.as_ref().map(read_mapping).transpose()?.unwrap_or_default();
    let cannot_read = |error| Error::Fault(format!("cannot read {}: {error}", file.display()));
    let opened = File::open(&file).map_err(cannot_read)?;
    let size = opened.metadata().map_or(0, |metadata| metadata.len());
    let data = Data::open(settings).await?;
    let imported = match format {
        Format::Json => take(&data, tokio::fs::File::from_std(opened), size).await,
        _ => {
            take_rows(&data, opened, size, Reading { format, mapping, zone: rows.tz.unwrap_or_default() }, &rows).await
        }
    };
    data.close().await?;
    let Summary { taken, known, differing, left_out, refused, read, rows } = imported?;
    let differing = if differing == 0 { String::new() } else { format!(" ({differing} of them differ)") };
    match format {
        Format::Json => {
            say!("{read} lines read: {taken} orders taken, {known} known already{differing}, {refused} lines refused");
        }
        _ => say!(
            "{read} orders in {rows} rows read: {taken} orders taken, {known} known already{differing}, {left_out} with nothing \
             to pack, {refused} refused"
        ),
    }
    Ok(if refused == 0 { Outcome::Done } else { Outcome::Faults })
}

fn read_mapping(file: &PathBuf) -> Result<Mapping> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| Error::Fault(format!("cannot read {}: {error}", file.display())))?;
    Mapping::read(&text).map_err(|why| Error::Fault(format!("{}: {why}", file.display())))
}

async fn take(data: &Data, file: tokio::fs::File, size: u64) -> Result<Summary> {
    let catalog_cache = CatalogCache::new(commands::kinds());
    catalog_cache.refresh(&mut *data.pool.acquire().await?).await?;
    let (mut progress, reader) = (Bar::new(size), BufReader::with_capacity(1 << 20, file));
    let summary = import(&data.pool, &catalog_cache, &data.gate().await?, reader, &mut progress).await;
    progress.finish();
    progress.told(summary)
}

async fn take_rows(data: &Data, file: File, size: u64, reading: Reading, rows: &Rows) -> Result<Summary> {
    let catalog_cache = CatalogCache::new(commands::kinds());
    catalog_cache.refresh(&mut *data.pool.acquire().await?).await?;
    let zone = rows.tz.unwrap_or(catalog_cache.current().time_zone);
    let file = Decoded::new(file, rows.encoding.unwrap_or_default());
    let file = OrderFile::open(file, Reading { zone, ..reading })?;
    let passed_over = file.passed_over();
    if !passed_over.is_empty() {
        note!("columns that are not read: {}", passed_over.join(", "));
    }
    let mut progress = Bar::new(size);
    let summary = import_rows(&data.pool, &catalog_cache, &data.gate().await?, file, &mut progress).await;
    progress.finish();
    progress.told(summary)
}

/// Progress: a bar on a terminal, otherwise a line now and then.
pub(super) struct Bar {
    line: ProgressBar,
    size: u64,
    done: u64,
    /// Tenths of the file that were printed.
    printed: u64,
    /// What was taken so far.
    until: Summary,
}

impl Bar {
    pub(super) fn new(size: u64) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}  {elapsed} of about {duration}");
        let bar = ProgressBar::new(size);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { line: bar, size: size.max(1), done: 0, printed: 0, until: Summary::default() }
    }

    pub(super) fn finish(&self) {
        self.line.finish_and_clear();
    }

    /// What an import came to. Of one that stopped it says what was read until then.
    fn told(&self, imported: Result<Summary>) -> Result<Summary> {
        imported.map_err(|error| {
            let Summary { read, taken, known, refused, .. } = self.until;
            Error::Fault(format!(
                "{error} — {read} were read until then ({taken} taken, {known} known already, {refused} refused), the rest of the \
                 file was not; it can be imported again"
            ))
        })
    }
}

impl Progress for Bar {
    fn advance(&mut self, bytes: u64, summary: Summary) {
        self.done += bytes;
        self.until = summary;
        self.line.inc(bytes);
        let orders = summary.taken + summary.known;
        self.line.set_message(format!("{orders} orders"));
        let tenth = self.done * 10 / self.size;
        if self.line.is_hidden() && tenth > self.printed {
            self.printed = tenth;
            note!("{:>3}%: {orders} orders", tenth * 10);
        }
    }

    fn refused(&mut self, line: u64, why: &str) {
        self.line.suspend(|| note!("line {line}: {why}"));
    }

    fn left_out(&mut self, line: u64, why: &str) {
        self.line.suspend(|| note!("line {line}: left out: {why}"));
    }

    fn differs(&mut self, line: u64, what: &str) {
        self.line.suspend(|| note!("line {line}: {what}"));
    }
}
