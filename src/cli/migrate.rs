//! `oms migrate`.

use super::{data::Data, outcome::Outcome, terminal::say};
use crate::{config::DataSettings, error::Result};

pub(super) async fn run(settings: &DataSettings) -> Result<Outcome> {
    let data = Data::open_and_migrate(settings).await?;
    data.close().await?;
    say!("the schema is current");
    Ok(Outcome::Done)
}
