//! `oms repair`.

use super::{
    data::Data,
    outcome::Outcome,
    table::Printing,
    terminal::{self, say},
};
use crate::{
    config::DataSettings,
    error::Result,
    verify::repair::{self, Step},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to make again.
    #[arg(value_enum)]
    what: What,
    /// Do it. Without this, it says what it would do.
    #[arg(long)]
    run: bool,
    #[command(flatten)]
    printing: Printing,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    /// Quota of locations, reserved units of stock, numbers of packages of orders: from the rows that they count.
    Counters,
    /// Sequences that would give a number which is taken.
    Sequences,
    /// Indexes that are missing or invalid, without stopping anybody.
    Indexes,
    /// Triggers that are missing or disabled, and foreign keys that are not enforced.
    Triggers,
}

pub(super) async fn run(settings: &DataSettings, args: Args) -> Result<Outcome> {
    let kind = match args.what {
        What::Counters => repair::Kind::Counters,
        What::Sequences => repair::Kind::Sequences,
        What::Indexes => repair::Kind::Indexes,
        What::Triggers => repair::Kind::Triggers,
    };
    let data = if args.run { Data::open(settings).await? } else { Data::open_to_read(settings).await? };
    let steps = async {
        if args.run {
            return repair::repair(&data.pool, kind).await;
        }
        repair::plan(&mut *data.pool.acquire().await?, kind).await
    }
    .await;
    data.close().await?;
    let steps = steps?;
    args.printing.rows(&mut terminal::Output, &steps, line)?;
    if !args.printing.is_json() {
        match (steps.is_empty(), args.run) {
            (true, _) => say!("nothing to repair"),
            (false, true) => say!("{} repaired; oms verify says what is left", steps.len()),
            (false, false) => say!("{} to repair; add --run to do it", steps.len()),
        }
    }
    Ok(Outcome::Done)
}

fn line(step: &Step) -> String {
    format!("{}: {} -> {}", step.subject, step.from, step.to)
}
