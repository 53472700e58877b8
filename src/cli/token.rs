//! `oms token …`.

use chrono::{DateTime, Utc};

use super::{
    data::Data,
    outcome::{Outcome, date_time},
    table::Printing,
    terminal::{self, say},
};
use crate::{
    audit::{self, Actor},
    auth::{
        NewToken,
        tokens::{self, TokenView},
    },
    config::DataSettings,
    error::{Error, Result},
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a token for a user and print its key, alone, on standard output. It is shown this once.
    Issue {
        /// The user's name.
        user: String,
        /// What the token is for.
        #[arg(long, default_value = "", hide_default_value = true)]
        name: String,
        /// When it ends: 2027-01-31T12:00:00Z, or a day. Never without it.
        #[arg(long, value_name = "MOMENT", value_parser = date_time)]
        expires: Option<DateTime<Utc>>,
    },
    /// List the tokens, of a user or all: id, first digits, user, name, and when it was made, used and ends.
    List {
        /// The user's name.
        user: Option<String>,
        #[command(flatten)]
        printing: Printing,
    },
    /// End all tokens of a user, or one.
    Revoke {
        /// The user's name.
        #[arg(required_unless_present = "id")]
        user: Option<String>,
        /// The id of one token, as `oms token list` shows it.
        #[arg(long, conflicts_with = "user")]
        id: Option<i64>,
    },
}

pub(super) async fn run(settings: &DataSettings, command: Command) -> Result<Outcome> {
    let data = Data::open(settings).await?;
    let done = run_on(&data, command).await;
    data.close().await?;
    done.map(|()| Outcome::Done)
}

async fn run_on(data: &Data, command: Command) -> Result<()> {
    let mut transaction = audit::begin(&data.pool, &Actor::command_line()).await?;
    match command {
        Command::Issue { user, name, expires } => {
            let token = NewToken { name: &name, expires_date: expires, is_login: false };
            let issued = tokens::issue(&mut transaction, &user, &token).await?;
            // Before it is good: a key that nobody could read leaves no token behind.
            terminal::deliver(format_args!("{}\n", issued.key))?;
            transaction.commit().await?;
        }
        Command::List { user, printing } => {
            let listed = tokens::list(&mut transaction, user.as_deref()).await?;
            printing.rows(&mut terminal::Output, &listed, line)?;
        }
        Command::Revoke { user: _, id: Some(id) } => {
            if !tokens::revoke(&mut transaction, id).await? {
                return Err(Error::Fault(format!("there is no token {id}; oms token list shows them")));
            }
            transaction.commit().await?;
            say!("revoked token {id}");
        }
        Command::Revoke { user, id: None } => {
            let user = user.unwrap_or_default();
            let count = tokens::revoke_all(&mut transaction, &user).await?;
            transaction.commit().await?;
            say!("revoked {count} tokens of {user}");
        }
    }
    Ok(())
}

fn line(token: &TokenView) -> String {
    let prefix = token.key_prefix.as_deref().unwrap_or("????????");
    let name = if token.name.is_empty() { "without a name" } else { &token.name };
    let used = token.last_used_date.map_or_else(|| "not used yet".to_owned(), |date| format!("used {date}"));
    let ends = match token.expires_date {
        Some(date) if token.is_expired => format!("ended {date}"),
        Some(date) => format!("ends {date}"),
        None => "never ends".to_owned(),
    };
    format!("{}: {prefix}… of {}: {name}, made {}, {used}, {ends}", token.id, token.user, token.created_date)
}
