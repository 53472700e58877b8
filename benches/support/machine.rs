//! What the benchmark ran on, and what took its processors. Linux tells; elsewhere it says less.

use std::fs;

use super::Postgres;
use crate::Failure;

/// One line for the table.
pub(crate) async fn describe(postgres: &Postgres) -> Result<String, Failure> {
    let cores = std::thread::available_parallelism()?;
    let model = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let memory = field("/proc/meminfo", "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
        .map_or_else(String::new, |kib| format!(", {} GiB memory", kib.div_ceil(1 << 20)));
    let version = postgres.ask("show server_version").await?;
    let version = version.split(' ').next().unwrap_or_default().to_owned();
    let disk = file_system(postgres).map_or_else(String::new, |kind| format!(", data on {kind}"));
    if disk.ends_with("tmpfs") {
        eprintln!("warning: the data is in memory, not on a disk; set CARGO_TARGET_DIR to a folder on one");
    }
    Ok(format!(
        "{cores} cores ({model}){memory}, {}; Postgres {version} (fsync on){disk}; Postgres, server and load generator \
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
fn file_system(postgres: &Postgres) -> Option<String> {
    let folder = postgres.folder().canonicalize().ok()?;
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

/// What processor time was taken since it was started: whatever else the machine does, this is what a command costs.
#[derive(Debug)]
pub(crate) struct Clock {
    postmaster: u32,
    server: Option<u32>,
    began: Ticks,
}

/// In hundredths of a second, as Linux counts for programs.
#[derive(Debug, Clone, Copy, Default)]
struct Ticks {
    ours: u64,
    server: u64,
    postgres: u64,
}

impl Clock {
    pub(crate) fn start(postgres: &Postgres, server: Option<u32>) -> Self {
        let mut clock = Self { postmaster: postgres.process_id().unwrap_or_default(), server, began: Ticks::default() };
        clock.began = clock.now();
        clock
    }

    /// For so many commands.
    pub(crate) fn stop(&self, commands: u64) -> String {
        let now = self.now();
        let each = |now: u64, then: u64| now.saturating_sub(then) * 10_000 / commands.max(1);
        let server = self.server.map(|_| format!("server {}, ", each(now.server, self.began.server)));
        format!(
            "processor µs each: Postgres {}, {}load generator {}; load average {}",
            each(now.postgres, self.began.postgres),
            server.unwrap_or_default(),
            each(now.ours, self.began.ours),
            fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next().unwrap_or_default()
        )
    }

    fn now(&self) -> Ticks {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.postmaster)).unwrap_or_default();
        let children: u64 = children.split_ascii_whitespace().filter_map(|id| id.parse().ok()).map(ticks).sum();
        Ticks {
            ours: ticks(std::process::id()),
            server: self.server.map_or(0, ticks),
            postgres: children + ticks(self.postmaster),
        }
    }
}

/// Of a process and of its children that have ended: utime, stime, cutime, cstime.
fn ticks(process_id: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process_id}/stat")).unwrap_or_default();
    // The second field, the name, is in parentheses and may have spaces.
    let fields = text.rsplit_once(") ").map_or("", |(_, rest)| rest).split_ascii_whitespace();
    fields.skip(11).take(4).filter_map(|word| word.parse::<u64>().ok()).sum()
}
