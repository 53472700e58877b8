//! `oms user …`.

use std::io::{self, IsTerminal as _, Read};

use super::{
    data::Data,
    outcome::Outcome,
    table::Printing,
    terminal::{self, say},
};
use crate::{
    audit::{self, Actor},
    auth::{
        self, Role, passwords,
        users::{self, Change},
    },
    config::DataSettings,
    error::{Error, Refusal, Result},
    secret::Secret,
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
    List(Printing),
    /// Change the role or the locations of a user.
    Set {
        /// The user's name.
        name: String,
        /// What the user may do from now on.
        #[arg(long, value_enum, required_unless_present_any = ["location", "all_locations"])]
        role: Option<Role>,
        /// ERP code of a location the user sees from now on; several times for several.
        #[arg(long, value_name = "ERP_CODE", conflicts_with = "all_locations")]
        location: Vec<String>,
        /// The user sees every location from now on.
        #[arg(long)]
        all_locations: bool,
    },
    /// Set the password of a user: asks for it, or reads it from standard input. Logins with the old one end; tokens that
    /// were issued stay.
    Passwd {
        /// The user's name.
        name: String,
    },
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
    /// Remove a user: tokens end, webhooks are deactivated. The name stays in the history, and is given to nobody else.
    Remove {
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
    // Before the transaction: people take their time.
    let password = match &command {
        Command::Add { password_stdin: true, .. } => Some(read_password()?),
        Command::Passwd { .. } => Some(ask_password()?),
        _ => None,
    };
    let mut transaction = audit::begin(&data.pool, &Actor::command_line()).await?;
    match command {
        Command::Add { name, role, location, .. } => {
            let password = password.as_ref().map(Secret::reveal);
            auth::create_user(&mut transaction, &name, password, role, &location).await?;
            say!("added {name} ({}); a token: oms token issue {name}", role.as_str());
        }
        Command::List(printing) => {
            let listed = users::list(&mut transaction).await?;
            printing.rows(&mut terminal::Output, &listed, ToString::to_string)?;
        }
        Command::Set { name, role, location, all_locations } => {
            let id = users::id_of(&mut transaction, &name).await?;
            let is_given = all_locations || !location.is_empty();
            let location_ids = users::locations(&mut transaction, &location).await?;
            let change = Change { role, location_ids: is_given.then_some(location_ids), ..Change::default() };
            users::change(&mut transaction, id, &change).await?;
        }
        Command::Passwd { name } => {
            let id = users::id_of(&mut transaction, &name).await?;
            let password = password.unwrap_or_else(|| "".into());
            let hash = passwords::hash_new("password", &name, password).await?;
            users::change(&mut transaction, id, &Change { password_hash: Some(Some(hash)), ..Change::default() })
                .await?;
        }
        Command::Disable { name } => auth::set_active(&mut transaction, &name, false).await?,
        Command::Enable { name } => auth::set_active(&mut transaction, &name, true).await?,
        Command::Remove { name } => {
            let id = users::id_of(&mut transaction, &name).await?;
            users::remove(&mut transaction, id).await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}

/// Asks for a password twice where there is somebody to ask; else reads it.
fn ask_password() -> Result<Secret> {
    if !io::stdin().is_terminal() {
        return read_password();
    }
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map(Secret::from)
            .map_err(|error| Error::Fault(format!("cannot read the password: {error}")))
    };
    let password = ask("New password: ")?;
    if ask("Again: ")? != password {
        return Err(Refusal::field("password", "The two are not the same; nothing was changed.").into());
    }
    Ok(password)
}

fn read_password() -> Result<Secret> {
    let mut text = String::new();
    io::stdin()
        .take(4096)
        .read_to_string(&mut text)
        .map_err(|error| Error::Fault(format!("cannot read the password: {error}")))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Refusal::field("password", "Standard input is empty; pipe the password in.").into());
    }
    Ok(password.into())
}
