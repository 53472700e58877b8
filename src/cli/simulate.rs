//! `oms simulate …`.

use std::path::PathBuf;

use chrono::{Days, NaiveDate, NaiveTime};
use indicatif::ProgressBar;

use super::{
    data::Data,
    outcome::{Outcome, day, read_file},
    table,
    terminal::{self, note, say},
};
use crate::{
    config::DataSettings,
    error::{Error, Result},
    installation::read::Installation,
    scenarios::definition::Definition,
    simulation::{
        html::{self, Title},
        json,
        run::{Simulation, compare, read_orders},
        text,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// File with the scenarios to plan by: `[[scenarios]]` as in an installation file; what else is in it is left aside.
    #[arg(long, value_name = "FILE")]
    scenario: PathBuf,

    /// First day (UTC) of the orders, by the day they were placed, such as 2026-01-31.
    #[arg(long, value_name = "DATE", value_parser = day)]
    from: NaiveDate,

    /// Last day (UTC) of the orders.
    #[arg(long, value_name = "DATE", value_parser = day)]
    to: NaiveDate,

    /// Orders to plan in place of the stored ones, as JSON lines; one that is stored is compared with its own plan, one
    /// that is not with a plan by the scenarios of now, on the stock that was last seen when it was placed.
    #[arg(long, value_name = "FILE")]
    orders: Option<PathBuf>,

    /// Also write a report with charts, a page of its own.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Print the report as JSON: an object with the totals of both sides and, by location, both again.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(settings: &DataSettings, args: Args) -> Result<Outcome> {
    if args.to < args.from {
        return Err(Error::Fault(format!("--to {} is before --from {}", args.to, args.from)));
    }
    let Some(definitions) = read_scenarios(&args.scenario)? else { return Ok(Outcome::Faults) };
    let orders = match &args.orders {
        None => None,
        Some(file) => Some(read_orders(&read_file(file)?).map_err(|error| in_file(file, &error))?),
    };
    let midnight = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    let after = args.to.checked_add_days(Days::new(1)).unwrap_or(NaiveDate::MAX);
    let simulation =
        Simulation { definitions: &definitions, from: midnight(args.from), until: midnight(after), orders };
    let data = Data::open(settings).await?;
    let line = ProgressBar::new_spinner();
    let progress = &mut |orders| line.set_message(format!("{orders} orders"));
    let compared = compare(&data.pool, &simulation, progress).await;
    line.finish_and_clear();
    data.close().await?;
    let comparison = compared?;
    if args.json {
        table::json(&mut terminal::Output, &json::report(&comparison))?;
    } else {
        terminal::print(text::report(&comparison));
    }
    if let Some(file) = &args.html {
        let name = args.scenario.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let title = Title { scenario: name, from: args.from, to: args.to };
        std::fs::write(file, html::page(&title, &comparison))
            .map_err(|error| Error::Fault(format!("cannot write {}: {error}", file.display())))?;
        if !args.json {
            terminal::print("\n");
            say!("written: {}", file.display());
        }
    }
    Ok(Outcome::Done)
}

fn in_file(file: &std::path::Path, error: &Error) -> Error {
    Error::Fault(format!("{}: {error}", file.display()))
}

/// The scenarios of a file. Prints every problem.
fn read_scenarios(file: &std::path::Path) -> Result<Option<Vec<Definition>>> {
    let text = read_file(file)?;
    let name = file.display().to_string();
    match Installation::parse_files(&[(&name, &text)]) {
        Ok(installation) => Ok(Some(installation.scenarios.into_iter().map(|scenario| scenario.definition).collect())),
        Err(problems) => {
            for problem in &problems {
                note!("error: {problem}");
            }
            Ok(None)
        }
    }
}
