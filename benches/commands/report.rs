//! The table, and whether the bars are met.

use std::{fmt, time::Duration};

use crate::{
    Scene,
    client::{Phase, milliseconds},
    reference::Run,
};

/// What was measured in one part.
#[derive(Debug, Default)]
pub(crate) struct Part {
    server: Vec<Phase>,
    reference: Vec<Run>,
    memory_bytes: Option<u64>,
}

impl Part {
    pub(crate) fn add_server(&mut self, phase: Phase, memory_bytes: Option<u64>) {
        self.server.push(phase);
        self.memory_bytes = self.memory_bytes.max(memory_bytes);
    }

    pub(crate) fn add_reference(&mut self, run: Run) {
        self.reference.push(run);
    }

    fn best(&self) -> Option<&Run> {
        self.reference.iter().max_by(|a, b| a.per_second.total_cmp(&b.per_second))
    }

    fn at(&self, connections: usize) -> Option<&Phase> {
        self.server.iter().find(|phase| phase.connections == connections)
    }

    fn ratio(&self) -> Option<f64> {
        Some(self.at(BAR_CONNECTIONS)?.per_second / self.best()?.per_second)
    }
}

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Report {
    machine: String,
    parts: Vec<(Scene, Part)>,
}

/// The bars are set for so many connections.
const BAR_CONNECTIONS: usize = 64;
const LONGEST_P99: Duration = Duration::from_millis(30);
const MOST_MEMORY_BYTES: u64 = 200 << 20;

impl Scene {
    fn name(self) -> &'static str {
        match self {
            Self::Spread => "pack, spread over all locations",
            Self::Hot => "pack, all at one location",
            Self::Listing => "read one package and its commands",
        }
    }

    /// How many times the reference.
    fn bar(self) -> f64 {
        match self {
            Self::Spread => 2.0,
            Self::Hot => 5.0,
            Self::Listing => 0.6,
        }
    }
}

impl Report {
    pub(crate) fn new(machine: String) -> Self {
        Self { machine, parts: Vec::new() }
    }

    pub(crate) fn add(&mut self, scene: Scene, part: Part) {
        self.parts.push((scene, part));
    }

    fn bars(&self) -> Vec<(String, String, bool)> {
        let mut bars = Vec::new();
        for (scene, part) in &self.parts {
            if let Some(ratio) = part.ratio() {
                let wanted = format!("{}: at least {} × the reference", scene.name(), scene.bar());
                bars.push((wanted, format!("{ratio:.2} ×"), ratio >= scene.bar()));
            }
        }
        let packed = self.parts.iter().filter(|(scene, _)| *scene != Scene::Listing);
        if let Some(p99) = packed.filter_map(|(_, part)| Some(part.at(BAR_CONNECTIONS)?.p99)).max() {
            let wanted = format!("p99 of commands below {} ms", LONGEST_P99.as_millis());
            bars.push((wanted, format!("{:.1} ms", milliseconds(p99)), p99 < LONGEST_P99));
        }
        if let Some(bytes) = self.parts.iter().filter_map(|(_, part)| part.memory_bytes).max() {
            let wanted = format!("memory of the server below {} MiB", MOST_MEMORY_BYTES >> 20);
            bars.push((wanted, format!("{} MiB", bytes.div_ceil(1 << 20)), bytes < MOST_MEMORY_BYTES));
        }
        bars
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{}.\n", self.machine)?;
        writeln!(f, "| | connections | per second | p50 ms | p99 ms | errors |")?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|")?;
        for (scene, part) in &self.parts {
            for phase in &part.server {
                writeln!(
                    f,
                    "| {} | {} | {:.0} | {:.1} | {:.1} | {} |",
                    scene.name(),
                    phase.connections,
                    phase.per_second,
                    milliseconds(phase.p50),
                    milliseconds(phase.p99),
                    phase.errors
                )?;
            }
            if let Some(run) = part.best() {
                writeln!(f, "| the same by pgbench, without HTTP | {} | {:.0} | | | |", run.clients, run.per_second)?;
            }
        }
        writeln!(f, "\n| bar, at {BAR_CONNECTIONS} connections | measured | |\n|---|---:|---|")?;
        for (wanted, measured, met) in self.bars() {
            writeln!(f, "| {wanted} | {measured} | {} |", if met { "met" } else { "**not met**" })?;
        }
        Ok(())
    }
}
