//! `oms stock …`.

use std::{fs::File, path::PathBuf};

use serde_json::{Map, Value};

use super::{
    data::Data,
    outcome::Outcome,
    terminal::{note, say},
};
use crate::{
    audit::Actor,
    config::DataSettings,
    db::PgPool,
    error::{Error, Result},
    reading::{self, Decoded, Defect, Encoding, Voice},
    stock::{
        Door, Origin,
        adjust::{Adjusted, Adjustment, adjust_alone},
        import::{Summary, import},
    },
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Set the stock of a CSV file: `erp_code,sku,quantity` (the units on the shelf now, reserved ones included), separated
    /// by commas, semicolons or tabs.
    Import {
        /// The file.
        file: PathBuf,
        /// How its letters are written; UTF-16 is known by its mark.
        #[arg(long, value_enum, default_value_t = Encoding::Utf8)]
        encoding: Encoding,
    },
    /// Add units of a SKU to the shelf of a location, or take them from it: `oms stock adjust W-LEEDS 85123A -2 --reason
    /// broken`. It is right whatever is packed at the same time, and refused if there are not as many.
    Adjust {
        /// ERP code of the location.
        #[arg(value_name = "ERP_CODE")]
        location: String,
        /// The SKU.
        sku: String,
        /// Units that are added, or taken where it is negative.
        #[arg(allow_negative_numbers = true)]
        delta: i64,
        /// Why; the history of the SKU shows it.
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub(super) async fn run(settings: &DataSettings, command: Command) -> Result<Outcome> {
    match command {
        Command::Import { file, encoding } => import_file(settings, file, encoding).await,
        Command::Adjust { location, sku, delta, reason } => {
            let data = Data::open(settings).await?;
            let given: [(&str, Value); 4] = [
                ("erp_code", location.into()),
                ("sku", sku.into()),
                ("delta", delta.into()),
                ("reason", reason.into()),
            ];
            let given = given.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            let adjusted = adjust_one(&data.pool, &given).await;
            data.close().await?;
            for Adjusted { stock_location, sku, quantity } in adjusted? {
                say!("{stock_location} has {quantity} of {sku} now");
            }
            Ok(Outcome::Done)
        }
    }
}

async fn import_file(settings: &DataSettings, file: PathBuf, encoding: Encoding) -> Result<Outcome> {
    let reader = File::open(&file).map_err(|error| Error::Fault(format!("cannot read {}: {error}", file.display())))?;
    let reader = Decoded::new(reader, encoding);
    let data = Data::open(settings).await?;
    let imported = import(&data.pool, Actor::command_line(), reader, |line, why| note!("line {line}: {why}")).await;
    data.close().await?;
    let Summary { read, set, unchanged, refused } = imported?;
    say!("{read} lines read: {set} counts set, {unchanged} unchanged, {refused} refused");
    Ok(if refused == 0 { Outcome::Done } else { Outcome::Faults })
}

/// Makes an adjustment by the rules of requests.
async fn adjust_one(pool: &PgPool, given: &Map<String, Value>) -> Result<Vec<Adjusted>> {
    let rows = sqlx::query!("select id, erp_code from stock_locations").fetch_all(pool).await?;
    let find = |erp_code: &str| rows.iter().find(|row| row.erp_code == erp_code).map(|row| row.id);
    let adjustment = reading::with(Voice::Request, given, |reader| Adjustment::read(reader, find));
    let adjustment = adjustment.map_err(|defects| Defect::field_errors(&defects))?;
    let origin = Origin { actor: Actor::command_line(), door: Door::CommandLine };
    match adjust_alone(pool, &[adjustment], &origin).await? {
        Ok(adjusted) => Ok(adjusted),
        Err(wrong) => {
            let defects: Vec<Defect> = wrong.into_iter().map(|(_, defect)| defect).collect();
            Err(Defect::field_errors(&defects).into())
        }
    }
}
