//! `oms user …`.

use std::io::Read;

use super::{data::Data, outcome::Outcome};
use crate::{
    auth::{self, Role},
    config::DataSettings,
    error::{Error, Refusal, Result},
};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Add a user.
    Add {
        /// The user's name.
        name: String,
        /// What the user may do.
        #[arg(long, value_enum, default_value = "integrator")]
        role: Role,
        /// ERP code of a location the user sees; several times for several. A store user needs at least one; anybody
        /// else sees everything without one.
        #[arg(long, value_name = "ERP_CODE")]
        location: Vec<String>,
        /// Read a password from standard input, for logging in by name and password.
        #[arg(long)]
        password_stdin: bool,
    },
    /// List the users.
    List,
    /// Let a user in no more; their tokens stop working everywhere within moments.
    Disable {
        /// The user's name.
        name: String,
    },
    /// Let a disabled user in again.
    Enable {
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
        Command::Add { name, role, location, password_stdin } => {
            let password = if password_stdin { Some(read_password()?) } else { None };
            auth::create_user(&mut transaction, &name, password.as_deref(), role, &location).await?;
            println!("added {name} ({}); a token: oms token issue {name}", role.as_str());
        }
        Command::List => {
            for user in auth::list_users(&mut transaction).await? {
                println!("{user}");
            }
        }
        Command::Disable { name } => auth::set_active(&mut transaction, &name, false).await?,
        Command::Enable { name } => auth::set_active(&mut transaction, &name, true).await?,
    }
    transaction.commit().await?;
    Ok(())
}

fn read_password() -> Result<String> {
    let mut text = String::new();
    std::io::stdin()
        .take(4096)
        .read_to_string(&mut text)
        .map_err(|error| Error::Fault(format!("cannot read the password: {error}")))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Refusal::field("password", "Standard input is empty; pipe the password in.").into());
    }
    Ok(password.to_owned())
}
