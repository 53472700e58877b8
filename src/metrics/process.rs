//! The figures of the process, under the names that Prometheus' own clients give them. They are read where they are asked
//! for; what the system does not tell is left out.

use std::{fmt, fs};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Unit,
};
use rustix::process::{Resource, getrlimit};

/// See the module.
#[derive(Debug)]
pub(super) struct Process;

/// What Linux says in `/proc/self`.
struct Figures {
    cpu_seconds: f64,
    start_time_seconds: f64,
    virtual_bytes: i64,
    resident_bytes: i64,
}

impl Figures {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the program is in parentheses and may have any letter; behind it stand numbers.
        let (_, numbers) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = numbers.split_ascii_whitespace().collect();
        // As `man 5 proc` counts them, from 1; the first behind the name is the third.
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = as_float(rustix::param::clock_ticks_per_second());
        let page = i64::try_from(rustix::param::page_size()).ok()?;
        let system = fs::read_to_string("/proc/stat").ok()?;
        let boot = system.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<u64>().ok())?;
        Some(Self {
            cpu_seconds: as_float(field(14)? + field(15)?) / ticks,
            start_time_seconds: as_float(boot) + as_float(field(22)?) / ticks,
            virtual_bytes: i64::try_from(field(23)?).ok()?,
            resident_bytes: i64::try_from(field(24)?).ok()?.saturating_mul(page),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "seconds and ticks are far below 2^53")]
const fn as_float(number: u64) -> f64 {
    number as f64
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut put = |name: &str, help: &str, unit: Option<&Unit>, metric: &dyn Figure| {
            metric.put(&mut encoder, name, help, unit)
        };
        if let Some(figures) = Figures::read() {
            let cpu = ConstCounter::new(figures.cpu_seconds);
            put("process_cpu", "Processor time that was used", Some(&Unit::Seconds), &cpu)?;
            let started = ConstGauge::new(figures.start_time_seconds);
            put("process_start_time", "When the process began, since 1970", Some(&Unit::Seconds), &started)?;
            let resident = ConstGauge::new(figures.resident_bytes);
            put("process_resident_memory", "Memory that is in use", Some(&Unit::Bytes), &resident)?;
            let virtual_bytes = ConstGauge::new(figures.virtual_bytes);
            put("process_virtual_memory", "Memory that is reserved", Some(&Unit::Bytes), &virtual_bytes)?;
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            // The folder itself is open while it is read.
            let open = ConstGauge::new(super::whole(open.count().saturating_sub(1)));
            put("process_open_fds", "File descriptors that are open", None, &open)?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            let most = ConstGauge::new(i64::try_from(most).unwrap_or(i64::MAX));
            put("process_max_fds", "File descriptors that may be open", None, &most)?;
        }
        Ok(())
    }
}

/// A single metric.
trait Figure {
    fn put(&self, encoder: &mut DescriptorEncoder, name: &str, help: &str, unit: Option<&Unit>) -> fmt::Result;
}

impl<M: EncodeMetric> Figure for M {
    fn put(&self, encoder: &mut DescriptorEncoder, name: &str, help: &str, unit: Option<&Unit>) -> fmt::Result {
        self.encode(encoder.encode_descriptor(name, help, unit, self.metric_type())?)
    }
}
