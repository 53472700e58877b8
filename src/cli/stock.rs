//! `oms stock …`.

use std::{fs::File, path::PathBuf};

use super::{
    data::Data,
    outcome::Outcome,
    terminal::{note, say},
};
use crate::{
    config::DataSettings,
    error::{Error, Result},
    stock::import::import,
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Set the stock of a CSV file: `erp_code,sku,quantity` (the units on the shelf now, reserved ones included).
    Import {
        /// The file.
        file: PathBuf,
    },
}

pub(super) async fn run(settings: &DataSettings, command: Command) -> Result<Outcome> {
    let Command::Import { file } = command;
    let reader = File::open(&file).map_err(|error| Error::Fault(format!("cannot read {}: {error}", file.display())))?;
    let data = Data::open(settings).await?;
    let imported = import(&data.pool, reader, |line, why| note!("line {line}: {why}")).await;
    data.close().await?;
    let summary = imported?;
    say!("{} counts set, {} lines refused", summary.set, summary.refused);
    Ok(if summary.refused == 0 { Outcome::Done } else { Outcome::Faults })
}
