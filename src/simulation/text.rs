//! The report as text for a terminal.

use std::fmt::Write as _;

use super::{Comparison, DISTANCES};

/// Most locations in the list; the HTML report has all.
const SHOWN_LOCATIONS: usize = 20;

/// A row of the summary: its name, the value before, the value after.
pub(super) struct OutcomeRow {
    pub name: &'static str,
    pub before: Option<f64>,
    pub after: Option<f64>,
    pub decimals: usize,
    /// True if less is better; none if neither is.
    pub less_is_better: Option<bool>,
}

/// The summary, which both reports show.
pub(super) fn summary(comparison: &Comparison) -> Vec<OutcomeRow> {
    let Comparison { before, after, .. } = comparison;
    let row =
        |name, before, after, decimals, less_is_better| OutcomeRow { name, before, after, decimals, less_is_better };
    let counts = |name, before: u64, after: u64, less_is_better| {
        row(name, Some(super::count(before)), Some(super::count(after)), 0, less_is_better)
    };
    vec![
        counts("packages", before.packages, after.packages, Some(true)),
        row("packages per order", before.packages_per_order(), after.packages_per_order(), 3, Some(true)),
        row("kilometres per package", before.kilometres_per_package(), after.kilometres_per_package(), 1, Some(true)),
        counts("packages beyond a quota", before.beyond_quota(), after.beyond_quota(), Some(true)),
        counts("items without a place", before.unplaced_items, after.unplaced_items, Some(true)),
        counts("orders with such items", before.unplaced_orders, after.unplaced_orders, Some(true)),
        counts("orders no scenario fits", before.without_scenario, after.without_scenario, Some(true)),
        counts("locations used", before.locations.len() as u64, after.locations.len() as u64, None),
    ]
}

pub(super) fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
}

pub(super) fn difference(row: &OutcomeRow) -> String {
    let difference = row.before.zip(row.after).map(|(before, after)| after - before);
    let sign = if difference.is_some_and(|difference| difference > 0.0) { "+" } else { "" };
    let text = number(difference, row.decimals);
    // Avoids "-0.00".
    if text.trim_start_matches('-').chars().all(|letter| letter == '0' || letter == '.') && text.len() > 1 {
        return number(Some(0.0), row.decimals);
    }
    format!("{sign}{text}")
}

/// The labels of the distance classes.
pub(super) fn distance_labels() -> Vec<String> {
    let mut labels: Vec<String> = DISTANCES.iter().map(|most| format!("{most} km")).collect();
    labels.push("farther".to_owned());
    labels
}

/// Writes the report.
#[must_use]
pub fn report(comparison: &Comparison) -> String {
    let mut text = String::new();
    // Writing into a String cannot fail.
    write(&mut text, comparison).ok();
    text
}

fn write(text: &mut String, comparison: &Comparison) -> std::fmt::Result {
    let Comparison { before, after, changed, not_kept, .. } = comparison;
    writeln!(text, "{} orders, {changed} of them would go elsewhere", before.orders)?;
    if *not_kept > 0 {
        writeln!(text, "{not_kept} orders were planned before facts were kept, and are left out")?;
    }
    writeln!(text, "\n{:28}{:>12}{:>12}{:>12}", "", "as planned", "simulated", "difference")?;
    for row in summary(comparison) {
        let (before, after) = (number(row.before, row.decimals), number(row.after, row.decimals));
        writeln!(text, "{:28}{before:>12}{after:>12}{:>12}", row.name, difference(&row))?;
    }
    writeln!(text, "\n{:28}{:>12}{:>12}", "orders by packages", "as planned", "simulated")?;
    let sizes: std::collections::BTreeSet<usize> =
        before.by_packages.keys().chain(after.by_packages.keys()).copied().collect();
    for size in sizes {
        let of = |tally: &super::Tally| tally.by_packages.get(&size).copied().unwrap_or(0);
        writeln!(text, "{size:<28}{:>12}{:>12}", of(before), of(after))?;
    }
    writeln!(text, "\n{:28}{:>12}{:>12}", "packages by distance, up to", "as planned", "simulated")?;
    for (at, label) in distance_labels().into_iter().enumerate() {
        writeln!(text, "{label:28}{:>12}{:>12}", before.by_distance[at], after.by_distance[at])?;
    }
    writeln!(text, "\n{:28}{:>12}{:>12}{:>14}", "packages by location", "as planned", "simulated", "beyond quota")?;
    let locations = comparison.locations();
    for (id, before, after) in locations.iter().take(SHOWN_LOCATIONS) {
        let name: String = comparison.name(*id).chars().take(27).collect();
        let beyond = format!("{} → {}", before.beyond_quota, after.beyond_quota);
        writeln!(text, "{name:28}{:>12}{:>12}{beyond:>14}", before.packages, after.packages)?;
    }
    if locations.len() > SHOWN_LOCATIONS {
        writeln!(text, "and {} more; --html lists them all", locations.len() - SHOWN_LOCATIONS)?;
    }
    Ok(())
}
