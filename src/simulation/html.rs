//! The report as one HTML page without external files: charts as SVG, and tables.

use std::fmt::Write as _;

use chrono::NaiveDate;

use super::{
    Comparison,
    text::{difference, distance_labels, number, summary},
};

/// Most locations in a chart; the table has all.
const CHARTED_LOCATIONS: usize = 25;

/// The header of the page.
#[derive(Debug, Clone)]
pub struct Title {
    /// The file of scenarios.
    pub scenario: String,
    /// First day.
    pub from: NaiveDate,
    /// Last day.
    pub to: NaiveDate,
}

/// A chart: for each bar a label and two values, before and after.
struct Chart<'a> {
    name: &'a str,
    /// The unit of a bar.
    unit: &'a str,
    bars: Vec<(String, u64, u64)>,
}

const STYLE: &str = "
:root { --ink: #1c2430; --soft: #5b6675; --line: #dfe4ea; --paper: #ffffff; --before: #9aa7b8; --after: #0f766e;
        --good: #0f766e; --bad: #b42318; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6eaf0; --soft: #9aa5b4; --line: #313a47; --paper: #161b22; --before: #66748a; --after: #2dd4bf;
          --good: #2dd4bf; --bad: #f97066; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
       font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; }
p { color: var(--soft); margin: .25rem 0; max-width: 46rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .5rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 600; }
.good { color: var(--good); } .bad { color: var(--bad); }
.scroll { overflow-x: auto; }
.key span { display: inline-flex; align-items: center; gap: .4rem; margin-right: 1.25rem; }
.key i { width: .8rem; height: .8rem; border-radius: 2px; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg .soft { fill: var(--soft); } svg .before { fill: var(--before); } svg .after { fill: var(--after); }
svg line { stroke: var(--line); }
";

/// Writes the page.
#[must_use]
pub fn page(title: &Title, comparison: &Comparison) -> String {
    let mut page = String::new();
    // Writing into a String cannot fail.
    write(&mut page, title, comparison).ok();
    page
}

fn write(page: &mut String, title: &Title, comparison: &Comparison) -> std::fmt::Result {
    let Comparison { before, changed, not_kept, .. } = comparison;
    let scenario = escape(&title.scenario);
    writeln!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\">\n<title>Simulation of {scenario}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<h1>{scenario}</h1>\n<p>{} orders placed from {} to {}; {changed} of them would go elsewhere.</p>",
        before.orders, title.from, title.to
    )?;
    writeln!(
        page,
        "<p>Each order is planned by itself against the stock and quota it was planned with. What the orders before it \
         would have left or taken by the simulated scenario is not carried over.</p>"
    )?;
    if *not_kept > 0 {
        writeln!(page, "<p>{not_kept} orders were planned before facts were kept, and are left out.</p>")?;
    }
    write_summary(page, comparison)?;
    writeln!(
        page,
        "<p class=\"key\"><span><i style=\"background:var(--before)\"></i>as planned</span><span>\
         <i style=\"background:var(--after)\"></i>simulated</span></p>"
    )?;
    for chart in charts(comparison) {
        write_chart(page, &chart)?;
    }
    write_locations(page, comparison)?;
    writeln!(page, "</body>\n</html>")
}

fn write_summary(page: &mut String, comparison: &Comparison) -> std::fmt::Result {
    writeln!(page, "<h2>In all</h2>\n<div class=\"scroll\"><table>")?;
    writeln!(page, "<tr><th></th><th>as planned</th><th>simulated</th><th>difference</th></tr>")?;
    for row in summary(comparison) {
        let change = row.before.zip(row.after).map_or(0.0, |(before, after)| after - before);
        let class = match row.less_is_better {
            Some(less) if change != 0.0 => {
                if (change < 0.0) == less {
                    " class=\"good\""
                } else {
                    " class=\"bad\""
                }
            }
            _ => "",
        };
        writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td{class}>{}</td></tr>",
            row.name,
            number(row.before, row.decimals),
            number(row.after, row.decimals),
            difference(&row)
        )?;
    }
    writeln!(page, "</table></div>")
}

fn charts(comparison: &Comparison) -> Vec<Chart<'static>> {
    let Comparison { before, after, .. } = comparison;
    let sizes: std::collections::BTreeSet<usize> =
        before.by_packages.keys().chain(after.by_packages.keys()).copied().collect();
    let of = |tally: &super::Tally, size: usize| tally.by_packages.get(&size).copied().unwrap_or(0);
    let plural = |size: usize| match size {
        0 => "no package".to_owned(),
        1 => "1 package".to_owned(),
        more => format!("{more} packages"),
    };
    let packages = sizes.into_iter().map(|size| (plural(size), of(before, size), of(after, size)));
    let distances = distance_labels().into_iter().enumerate().map(|(at, label)| {
        let label = if label == "farther" { label } else { format!("to {label}") };
        (label, before.by_distance[at], after.by_distance[at])
    });
    let locations = comparison.locations();
    let charted = |of: fn(&super::LocationTally) -> u64| -> Vec<(String, u64, u64)> {
        let bars = locations.iter().take(CHARTED_LOCATIONS);
        bars.map(|(id, before, after)| (comparison.name(*id), of(before), of(after))).collect()
    };
    let mut beyond = charted(|location| location.beyond_quota);
    beyond.retain(|(_, before, after)| before + after > 0);
    let mut charts = vec![
        Chart { name: "Packages an order", unit: "orders", bars: packages.collect() },
        Chart { name: "Distance to the customer", unit: "packages", bars: distances.collect() },
        Chart { name: "Packages by location", unit: "packages", bars: charted(|location| location.packages) },
    ];
    if !beyond.is_empty() {
        charts.push(Chart { name: "Packages beyond a quota, by location", unit: "packages", bars: beyond });
    }
    charts
}

/// Horizontal bars, two for each label, with their values at the end.
fn write_chart(page: &mut String, chart: &Chart<'_>) -> std::fmt::Result {
    const LABELS: f64 = 230.0;
    const BARS: f64 = 620.0;
    const WIDTH: f64 = 920.0;
    const ROW: f64 = 40.0;
    let rows = super::count(chart.bars.len() as u64);
    let most = chart.bars.iter().map(|(_, before, after)| *before.max(after)).max().unwrap_or(0).max(1);
    let height = rows * ROW + 8.0;
    let name = chart.name;
    writeln!(page, "<h2>{name}</h2>\n<p>{}</p>", chart.unit)?;
    writeln!(page, "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{name}\">")?;
    for (at, (label, before, after)) in chart.bars.iter().enumerate() {
        let top = super::count(at as u64) * ROW + 4.0;
        let shown: String = label.chars().take(34).collect();
        writeln!(
            page,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}<title>{}</title></text>",
            LABELS - 10.0,
            top + 20.0,
            escape(&shown),
            escape(label)
        )?;
        for (class, value, offset) in [("before", *before, 2.0), ("after", *after, 17.0)] {
            let length = BARS * super::count(value) / super::count(most);
            let length = if value > 0 { length.max(1.5) } else { 0.0 };
            writeln!(
                page,
                "<rect class=\"{class}\" x=\"{LABELS}\" y=\"{}\" width=\"{length:.1}\" height=\"13\" rx=\"2\"/>\
                 <text class=\"soft\" x=\"{:.1}\" y=\"{}\">{value}</text>",
                top + offset,
                LABELS + length + 6.0,
                top + offset + 11.0
            )?;
        }
    }
    writeln!(page, "<line x1=\"{LABELS}\" y1=\"0\" x2=\"{LABELS}\" y2=\"{height}\"/></svg>")
}

fn write_locations(page: &mut String, comparison: &Comparison) -> std::fmt::Result {
    writeln!(
        page,
        "<h2>Every location</h2>\n<div class=\"scroll\"><table>\n<tr><th>location</th><th>packages as planned</th>\
         <th>simulated</th><th>items as planned</th><th>simulated</th><th>beyond quota as planned</th>\
         <th>simulated</th></tr>"
    )?;
    for (id, before, after) in comparison.locations() {
        writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            escape(&comparison.name(id)),
            before.packages,
            after.packages,
            before.items,
            after.items,
            before.beyond_quota,
            after.beyond_quota
        )?;
    }
    writeln!(page, "</table></div>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::{LocationTally, Tally};

    #[test]
    fn the_page_fetches_nothing_and_shows_no_markup_of_others() {
        let used = |packages| LocationTally { packages, items: packages, beyond_quota: 1 };
        let tally = |packages| Tally {
            orders: 2,
            packages,
            by_packages: [(1, packages)].into(),
            locations: [(7, used(packages))].into(),
            ..Tally::default()
        };
        let comparison = Comparison {
            before: tally(1),
            after: tally(3),
            changed: 1,
            not_kept: 4,
            names: [(7, ("A&B".to_owned(), "<script>alert(1)</script>".to_owned()))].into(),
        };
        let day = NaiveDate::from_ymd_opt(2026, 1, 31).expect("a day");
        let title = Title { scenario: "\"new\".toml".to_owned(), from: day, to: day };
        let page = page(&title, &comparison);
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt; (A&amp;B)") && !page.contains("<script>"));
        assert!(!page.contains("http") && !page.contains("url(") && !page.contains("src="));
        assert!(page.contains("<td>1</td><td>3</td><td class=\"bad\">+2</td>"), "{page}");
        assert!(page.contains("4 orders were planned before facts were kept"));
        assert_eq!(page.matches("<svg").count(), 4);
    }
}
