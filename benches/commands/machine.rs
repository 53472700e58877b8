//! What the benchmark ran on, and what took its processors. Linux tells; elsewhere it says less.

use std::{fmt, fs, time::Instant};

use crate::{Failure, database::Database};

/// One line for the table.
pub(crate) async fn describe(database: &Database) -> Result<String, Failure> {
    let cores = std::thread::available_parallelism()?;
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
        .map_or_else(String::new, |kib| format!(", {} GiB memory", kib.div_ceil(1 << 20)));
    let postgres = database.ask("show server_version").await?;
    let postgres = postgres.split(' ').next().unwrap_or_default().to_owned();
    let disk = file_system(database).map_or_else(String::new, |kind| format!(", data on {kind}"));
    if disk.ends_with("tmpfs") {
        eprintln!("warning: the data is in memory, not on a disk; set CARGO_TARGET_DIR to a folder on one");
    }
    Ok(format!(
        "{cores} cores ({model}){memory}, {}; Postgres {postgres} (fsync on){disk}; Postgres, server and load generator \
         share the machine",
        std::env::consts::OS
    ))
}

fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The kind of file system that holds the data: the mount whose point is the longest beginning of its path.
fn file_system(database: &Database) -> Option<String> {
    let folder = database.folder().canonicalize().ok()?;
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    fields
        .filter(|fields| fields.len() > 2 && folder.starts_with(fields[1]))
        .max_by_key(|fields| fields[1].len())
        .map(|fields| fields[2].to_owned())
}

/// The most memory a process ever had (`VmHWM`).
pub(crate) fn peak_memory_bytes(process_id: u32) -> Option<u64> {
    let text = field(&format!("/proc/{process_id}/status"), "VmHWM")?;
    text.split(' ').next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Of the last minute.
pub(crate) fn load_average() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// What share of the processors somebody took since it was started.
#[derive(Debug)]
pub(crate) struct Clock {
    server: u32,
    started: Instant,
    ticks: Ticks,
}

#[derive(Debug, Clone, Copy)]
struct Ticks {
    client: u64,
    server: u64,
    everybody: u64,
}

impl Clock {
    pub(crate) fn start(server: u32) -> Self {
        Self { server, started: Instant::now(), ticks: Ticks::now(server) }
    }

    /// In percent of one core.
    pub(crate) fn stop(&self) -> impl fmt::Display + use<> {
        let now = Ticks::now(self.server);
        // A tick is a hundredth of a second: so many a second are percent.
        let percent = |now: u64, then: u64| {
            f64::from(u32::try_from(now.saturating_sub(then)).unwrap_or(u32::MAX))
                / self.started.elapsed().as_secs_f64()
        };
        format!(
            "processors: client {:.0} %, server {:.0} %, everything {:.0} %",
            percent(now.client, self.ticks.client),
            percent(now.server, self.ticks.server),
            percent(now.everybody, self.ticks.everybody)
        )
    }
}

impl Ticks {
    fn now(server: u32) -> Self {
        let numbers = |file: &str, skipped: usize, taken: &[usize]| -> u64 {
            let text = fs::read_to_string(file).unwrap_or_default();
            // The name of a process is in parentheses and may have spaces.
            let line = text.lines().next().unwrap_or_default();
            let rest = line.rsplit_once(") ").map_or(line, |(_, rest)| rest);
            let fields: Vec<u64> =
                rest.split_ascii_whitespace().skip(skipped).map(|word| word.parse().unwrap_or(0)).collect();
            taken.iter().filter_map(|index| fields.get(*index)).sum()
        };
        Self {
            // utime and stime.
            client: numbers("/proc/self/stat", 11, &[0, 1]),
            server: numbers(&format!("/proc/{server}/stat"), 11, &[0, 1]),
            // user, nice, system, irq, softirq, steal.
            everybody: numbers("/proc/stat", 1, &[0, 1, 2, 5, 6, 7]),
        }
    }
}
