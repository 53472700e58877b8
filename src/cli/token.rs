//! `oms token …`.

use super::{data::Data, outcome::Outcome};
use crate::{auth, config::DataSettings, error::Result};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a token for a user and print its key, alone, on standard output. It is shown this once.
    Issue {
        /// The user's name.
        name: String,
    },
    /// Take all tokens of a user back.
    Revoke {
        /// The user's name.
        name: String,
    },
}

pub(super) async fn run(settings: &DataSettings, command: Command) -> Result<Outcome> {
    let data = Data::open(settings).await?;
    let done = run_on(&data, command).await;
    data.close().await?;
    done.map(|()| Outcome::Done)
}

async fn run_on(data: &Data, command: Command) -> Result<()> {
    let mut transaction = data.pool.begin().await?;
    match command {
        Command::Issue { name } => {
            let key = auth::issue_token(&mut transaction, &name).await?;
            transaction.commit().await?;
            println!("{key}");
        }
        Command::Revoke { name } => {
            let count = auth::revoke_tokens(&mut transaction, &name).await?;
            transaction.commit().await?;
            println!("revoked {count} tokens of {name}");
        }
    }
    Ok(())
}
