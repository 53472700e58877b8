//! The reference: what Postgres does by itself, driven by its own tool.

use std::process::Stdio;

use tokio::process::Command;

use crate::{
    Failure, LOCATIONS, PACKAGES, Plan,
    database::{Database, Loaded},
    support::machine::Clock,
};

/// One run of pgbench.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub clients: usize,
    /// After the warm-up.
    pub per_second: f64,
    /// Warm-up included.
    pub transactions: u64,
}

/// A script with everything filled in that is not a variable of pgbench.
pub(crate) fn script(text: &str, loaded: &Loaded) -> String {
    let ids = &loaded.ids;
    [
        ("packages", PACKAGES.to_string()),
        ("locations", LOCATIONS.to_string()),
        ("waiting", ids.waiting.to_string()),
        ("packed", ids.packed.to_string()),
        ("transition", ids.transition.to_string()),
        ("cargo_company", ids.cargo_company.to_string()),
        ("user", ids.user.to_string()),
    ]
    .iter()
    .fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

/// Runs a script with so many clients.
pub(crate) async fn run(
    database: &Database,
    loaded: &Loaded,
    script: &str,
    clients: usize,
    plan: &Plan,
) -> Result<Run, Failure> {
    let file = database.postgres.folder().join("script.sql");
    std::fs::write(&file, script)?;
    let seconds = (plan.warm_up + plan.measured).as_secs();
    let clock = Clock::start(&database.postgres, None);
    let output = Command::new(database.postgres.program("pgbench"))
        .args(["-n", "-M", "prepared", "-P", "1", "-j", "2"])
        .args(["-c", &clients.to_string(), "-T", &seconds.to_string()])
        .args(["-D", "next=-1", "-D", &format!("clients={clients}")])
        .arg("-f")
        .arg(&file)
        .arg(database.url(loaded))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let (said, progress) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(format!("pgbench failed: {}", progress.trim()).into());
    }
    let run = Run { clients, per_second: rate(&progress, plan)?, transactions: transactions(&said)? };
    eprintln!("  pgbench, {clients:>3} clients: {:>6.0}/s; {}", run.per_second, clock.stop(run.transactions));
    Ok(run)
}

/// The mean of the seconds after the warm-up, from lines like `progress: 3.0 s, 4321.0 tps, lat …`.
fn rate(progress: &str, plan: &Plan) -> Result<f64, Failure> {
    let mut rates = Vec::new();
    for line in progress.lines() {
        let Some(rest) = line.strip_prefix("progress: ") else { continue };
        let mut words = rest.split_ascii_whitespace();
        let (at, rate) = (words.next().ok_or("no time")?, words.nth(1).ok_or("no rate")?);
        if at.parse::<f64>()? > plan.warm_up.as_secs_f64() + 0.5 {
            rates.push(rate.parse::<f64>()?);
        }
    }
    if rates.is_empty() {
        return Err("pgbench told no rate".into());
    }
    Ok(rates.iter().sum::<f64>() / f64::from(u32::try_from(rates.len())?))
}

/// From the line `number of transactions actually processed: 12345`.
fn transactions(said: &str) -> Result<u64, Failure> {
    let line = said.lines().find_map(|line| line.strip_prefix("number of transactions actually processed: "));
    let count = line.and_then(|line| line.split('/').next()).ok_or("pgbench told no number of transactions")?;
    Ok(count.trim().parse()?)
}
