//! `oms verify`.

use super::{data::Data, outcome::Outcome, terminal::say};
use crate::{config::DataSettings, error::Result, verify::verify};

pub(super) async fn run(settings: &DataSettings) -> Result<Outcome> {
    let data = Data::open(settings).await?;
    let faults = verify(&data.pool).await;
    data.close().await?;
    let faults = faults?;
    for fault in &faults {
        say!("{fault}");
    }
    if faults.is_empty() {
        say!("quota, ledger, logs, reservations, items and events are in order");
        return Ok(Outcome::Done);
    }
    Ok(Outcome::Faults)
}
