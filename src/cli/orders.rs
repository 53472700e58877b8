//! `oms orders …`.

use std::path::PathBuf;

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
    error::{Error, Result},
    placing::import::{Progress, Summary, import},
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Take the orders of a file of JSON lines. Known orders are left as they are, so it can be run again at any time.
    Import {
        /// The file.
        file: PathBuf,
    },
}

pub(super) async fn run(settings: &DataSettings, command: Command) -> Result<Outcome> {
    let Command::Import { file } = command;
    let opened = tokio::fs::File::open(&file)
        .await
        .map_err(|error| Error::Fault(format!("cannot read {}: {error}", file.display())))?;
    let size = opened.metadata().await.map_or(0, |metadata| metadata.len());
    let data = Data::open(settings).await?;
    let imported = take(&data, opened, size).await;
    data.close().await?;
    let summary = imported?;
    say!("{} orders taken, {} known already, {} lines refused", summary.taken, summary.known, summary.refused);
    Ok(if summary.refused == 0 { Outcome::Done } else { Outcome::Faults })
}

async fn take(data: &Data, file: tokio::fs::File, size: u64) -> Result<Summary> {
    let catalog_cache = CatalogCache::new(commands::kinds());
    catalog_cache.refresh(&mut *data.pool.acquire().await?).await?;
    let (mut progress, reader) = (Bar::new(size), BufReader::with_capacity(1 << 20, file));
    let summary = import(&data.pool, &catalog_cache, &data.gate().await?, reader, &mut progress).await;
    progress.finish();
    summary
}

/// Progress: a bar on a terminal, otherwise a line now and then.
pub(super) struct Bar {
    line: ProgressBar,
    size: u64,
    done: u64,
    /// Tenths of the file that were printed.
    printed: u64,
}

impl Bar {
    pub(super) fn new(size: u64) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {msg}  {elapsed} of about {duration}");
        let bar = ProgressBar::new(size);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { line: bar, size: size.max(1), done: 0, printed: 0 }
    }

    pub(super) fn finish(&self) {
        self.line.finish_and_clear();
    }
}

impl Progress for Bar {
    fn advance(&mut self, bytes: u64, summary: Summary) {
        self.done += bytes;
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
}
