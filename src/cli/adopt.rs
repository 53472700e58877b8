//! `oms adopt`.

use super::{data::Data, outcome::Outcome, terminal::say};
use crate::{
    config::DataSettings,
    error::Result,
    home::{self, Standing},
};

pub(super) async fn run(settings: &DataSettings) -> Result<Outcome> {
    let data = Data::open(settings).await?;
    let stood = home::adopt(&data.pool, &settings.whereabouts()).await;
    data.close().await?;
    match stood? {
        Standing::AtHome => say!("the database is at home here; nothing was held"),
        Standing::Away { home, here } => {
            say!(
                "the database was at home at {home}, and is now at {here}; servers let go what they held within seconds"
            );
        }
    }
    Ok(Outcome::Done)
}
