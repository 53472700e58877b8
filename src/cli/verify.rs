//! `oms verify`.

use super::{
    data::Data,
    outcome::Outcome,
    table::{Printing, grouped},
    terminal::{self, say},
};
use crate::{
    config::DataSettings,
    error::Result,
    verify::{Fault, Report, prove},
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    printing: Printing,
}

pub(super) async fn run(settings: &DataSettings, args: Args) -> Result<Outcome> {
    let data = Data::open_to_read(settings).await?;
    let is_json = args.printing.is_json();
    let report = prove(&data.pool, &mut |fault| {
        if !is_json {
            say!("{}", line(fault));
        }
    })
    .await;
    data.close().await?;
    let report = report?;
    args.printing.table(&mut terminal::Output, &report, |_| {
        summary(&report);
        Ok(())
    })?;
    Ok(if report.fault_count() == 0 { Outcome::Done } else { Outcome::Faults })
}

fn line(fault: &Fault) -> String {
    match &fault.remedy {
        Some(remedy) => format!("{fault} ({remedy})"),
        None => fault.to_string(),
    }
}

fn summary(report: &Report) {
    let told = u64::try_from(report.faults.len()).unwrap_or(u64::MAX);
    let found = report.fault_count();
    if found > told {
        say!("… and {} more: --json says how many of each check", grouped(found - told));
    }
    let counted: Vec<String> =
        report.counted.iter().map(|counted| format!("{} {}", grouped(counted.number), counted.what)).collect();
    let verdict = match found {
        0 => "in order".to_owned(),
        1 => "1 fault".to_owned(),
        more => format!("{} faults", grouped(more)),
    };
    say!("{verdict}: {} checks of {}", report.checks.len(), counted.join(", "));
}
