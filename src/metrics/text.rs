//! The two text formats. The metrics are written as `OpenMetrics`, and from that as Prometheus' older text, which is
//! what most tools read: there a counter's name has its `_total` in its type, too, and units and the end are not said.

/// How metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' text format 0.0.4.
    Prometheus,
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
}

/// The media type of `OpenMetrics`.
const OPEN_METRICS: &str = "application/openmetrics-text";

impl Format {
    /// What a client takes, by its header `Accept`: `OpenMetrics` where it is asked for by name, and no less than text.
    #[must_use]
    pub fn of_accept(accept: &str) -> Self {
        let weight = |wanted: &[&str]| {
            let ranges = accept.split(',').filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let name = parts.next()?.to_ascii_lowercase();
                let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
                wanted.contains(&name.as_str()).then_some(weight)
            });
            ranges.fold(0.0, f32::max)
        };
        let open_metrics = weight(&[OPEN_METRICS]);
        if open_metrics > 0.0 && open_metrics >= weight(&["text/plain"]) { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// The media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The text in this format, from `OpenMetrics`.
    pub(super) fn of(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Prometheus => prometheus(&open_metrics),
        }
    }
}

fn prometheus(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // It is written when the type is known, which names it.
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(told) = line.strip_prefix("# HELP ") {
            help = told.split_once(' ').map(|(_, words)| words);
        } else if let Some(told) = line.strip_prefix("# TYPE ") {
            let (name, kind) = told.split_once(' ').unwrap_or((told, "unknown"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some(words) = help.take() {
                text.extend(["# HELP ", name, suffix, " ", words, "\n"]);
            }
            text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with("# ") {
            text.extend([line, "\n"]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_who_asks_for_it_by_name() {
        for accept in ["", "*/*", "text/plain", "text/plain;version=0.0.4", "application/openmetrics-text;q=0"] {
            assert_eq!(Format::of_accept(accept), Format::Prometheus, "{accept}");
        }
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;\
                          q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for accept in [prometheus, "application/openmetrics-text", "text/plain;q=0.5, Application/OpenMetrics-Text"] {
            assert_eq!(Format::of_accept(accept), Format::OpenMetrics, "{accept}");
        }
        let rather_text = "application/openmetrics-text;q=0.3, text/plain;q=0.9";
        assert_eq!(Format::of_accept(rather_text), Format::Prometheus);
    }

    #[test]
    fn the_older_text_names_counters_with_their_ending_and_has_no_units() {
        let open_metrics = "# HELP oms_build The program.\n# TYPE oms_build info\noms_build_info{version=\"1\"} 1\n\
                            # HELP oms_x Some x.\n# TYPE oms_x counter\noms_x_total{a=\"# HELP\"} 3\n\
                            # HELP oms_s_seconds Time.\n# TYPE oms_s_seconds gauge\n# UNIT oms_s_seconds seconds\n\
                            oms_s_seconds 1.5\n# EOF\n";
        let expected = "# HELP oms_build_info The program.\n# TYPE oms_build_info gauge\noms_build_info{version=\"1\"} 1\n\
                        # HELP oms_x_total Some x.\n# TYPE oms_x_total counter\noms_x_total{a=\"# HELP\"} 3\n\
                        # HELP oms_s_seconds Time.\n# TYPE oms_s_seconds gauge\noms_s_seconds 1.5\n";
        assert_eq!(prometheus(open_metrics), expected);
    }
}
