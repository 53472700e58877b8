//! `oms audit`.

use chrono::{DateTime, Utc};

use super::{
    data::Data,
    outcome::{Outcome, date_time},
    table::Printing,
    terminal,
};
use crate::{
    audit::{self, AuditEntry, Wanted},
    config::DataSettings,
    error::Result,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Changes of this user, account at the command line, or role of the database.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Changes of this kind of thing: user, token, webhook, location, scenario, installation …
    #[arg(long)]
    kind: Option<String>,
    /// Changes of the thing of this id; with --kind.
    #[arg(long, value_name = "ID", requires = "kind")]
    object: Option<i64>,
    /// Changes from this moment on (2026-01-31T12:00:00Z) or day.
    #[arg(long, value_name = "MOMENT", value_parser = date_time)]
    from: Option<DateTime<Utc>>,
    /// Changes before this moment or day.
    #[arg(long, value_name = "MOMENT", value_parser = date_time)]
    to: Option<DateTime<Utc>>,
    /// The latest so many.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    limit: u32,
    #[command(flatten)]
    printing: Printing,
}

pub(super) async fn run(settings: &DataSettings, args: Args) -> Result<Outcome> {
    let data = Data::open(settings).await?;
    let Args { user, kind, object, from, to, limit, printing } = args;
    let wanted = Wanted { actor: user, kind, object_id: object, from, to, limit };
    let entries = async { audit::latest(&mut *data.pool.acquire().await?, &wanted).await }.await;
    data.close().await?;
    let mut entries = entries?;
    entries.reverse();
    printing.rows(&mut terminal::Output, &entries, AuditEntry::line)?;
    Ok(Outcome::Done)
}
