//! From coordinates to SVG.

use std::fmt::Write as _;

use super::graph::{Edge, Graph};
use super::layout::{Frame, Layout, Line};
use super::text::{escape, label, shorten, slug_line};
use crate::installation::read::{State, Transition};

const MARGIN: i32 = 28;
const HEADING_HEIGHT: i32 = 44;
const LEGEND_HEIGHT: i32 = 96;
const MIN_PICTURE_WIDTH: i32 = 720;

/// The distance between several labels.
const LABEL_ROW: i32 = 14;
const CORNER: i32 = 6;
const HEAD: i32 = 8;

/// Colours that are dark enough on white. The end states of lines take them in turn.
const COLOURS: [&str; 8] = ["#1b6485", "#a3293d", "#3c7a22", "#6f45a0", "#a8560f", "#2b489c", "#66660f", "#952573"];

const STYLE: &str = "text{font-family:Helvetica,Arial,'Liberation Sans','DejaVu Sans',sans-serif;\
    font-size:11px;fill:#222}\
    .heading{font-size:18px;font-weight:bold}.name{font-size:13px;font-weight:bold}\
    .slug{fill:#444}.note{font-size:10px;font-style:italic;fill:#444}\
    .line path{fill:none;stroke-width:1.5}.line:hover path{stroke-width:3.5}\
    .line:hover text{font-weight:bold}";

/// A picture that grows downwards, graph by graph.
pub(super) struct Picture {
    body: String,
    width: i32,
    height: i32,
}

impl Picture {
    pub(super) fn new() -> Self {
        Self { body: String::new(), width: MIN_PICTURE_WIDTH, height: MARGIN }
    }

    /// Adds a graph with a heading below the others.
    pub(super) fn add(&mut self, heading: &str, graph: &Graph<'_>, layout: &Layout) {
        self.push(format_args!(
            "<text class=\"heading\" x=\"{MARGIN}\" y=\"{}\">{}</text>\n",
            self.height + 14,
            escape(heading)
        ));
        self.height += HEADING_HEIGHT;
        let (left, top) = (MARGIN, self.height);
        self.push(format_args!("<g transform=\"translate({left} {top})\">\n"));
        for (edge, line) in &layout.lines {
            self.body.push_str(&draw_line(&graph.edges[*edge], *line));
        }
        for (state, frame) in graph.nodes.iter().zip(&layout.boxes) {
            self.body.push_str(&draw_box(state, *frame));
        }
        self.push(format_args!("</g>\n"));
        self.height += layout.height + MARGIN;
        self.width = self.width.max(layout.width + 2 * MARGIN);
    }

    /// The whole document, with the legend at its foot.
    pub(super) fn finish(mut self) -> String {
        let legend = legend(self.height + 8);
        self.body.push_str(&legend);
        let (width, height) = (self.width, self.height + LEGEND_HEIGHT);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\">\n<title>Workflow</title>\n\
             <style>{STYLE}</style>\n\
             <defs><pattern id=\"hatch\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" \
             patternTransform=\"rotate(45)\"><rect width=\"5\" height=\"5\" fill=\"#fff\"/>\
             <rect width=\"2.2\" height=\"5\" fill=\"#b7791f\"/></pattern></defs>\n\
             <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n{}</svg>\n",
            self.body
        )
    }

    fn push(&mut self, piece: std::fmt::Arguments<'_>) {
        // Writing into a String cannot fail.
        let _ = self.body.write_fmt(piece);
    }
}

fn draw_box(state: &State, frame: Frame) -> String {
    let Frame { left, top, width, height } = frame;
    let notes: Vec<&str> =
        [state.occupies_quota().then_some("counts against quota"), state.is_final.then_some("final")]
            .into_iter()
            .flatten()
            .collect();

    let mut drawing = String::from("<g class=\"state\">");
    drawing.push_str(&empty_box(frame, state.occupies_quota(), state.is_final));
    let center = left + width / 2;
    let first = top + height / 2 + if notes.is_empty() { -3 } else { -10 };
    let lines = [("name", shorten(&state.name)), ("slug", slug_line(state)), ("note", notes.join(", "))];
    for ((class, text), baseline) in lines.into_iter().zip((first..).step_by(16)) {
        if !text.is_empty() {
            let _ = write!(
                drawing,
                "<text class=\"{class}\" x=\"{center}\" y=\"{baseline}\" \
                 text-anchor=\"middle\">{}</text>",
                escape(&text)
            );
        }
    }
    drawing.push_str("</g>\n");
    drawing
}

/// The frame of a state: hatched at its edge if it occupies quota, double if it is final.
fn empty_box(frame: Frame, occupies_quota: bool, is_final: bool) -> String {
    let rect = |inset: i32, fill: &str, stroke: &str| {
        format!(
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" fill=\"{fill}\" \
             stroke=\"{stroke}\" stroke-width=\"1.5\"/>",
            frame.left + inset,
            frame.top + inset,
            frame.width - 2 * inset,
            frame.height - 2 * inset,
            6 - inset / 2,
        )
    };
    let mut drawing = if occupies_quota {
        rect(0, "url(#hatch)", "#222") + &rect(5, "#fff8e6", "none")
    } else {
        rect(0, "#f6f8fa", "#222")
    };
    if is_final {
        drawing += &rect(4, "none", "#222");
    }
    drawing
}

fn draw_line(edge: &Edge<'_>, line: Line) -> String {
    let colour = COLOURS[edge.to % COLOURS.len()];
    let (path, head, label_at) = match line {
        Line::Down { x, from, to } => {
            let path = format!("M{x} {from}V{}", to - HEAD);
            let rows = i32::try_from(edge.transitions.len()).unwrap_or(1);
            let last = i32::midpoint(from, to) + (rows - 1) * LABEL_ROW / 2;
            (path, down_head(x, to), (x + 8, last, "start"))
        }
        Line::Lane { from, lane, to } => {
            let outward = (lane - from.0).signum();
            let anchor = if outward > 0 { "start" } else { "end" };
            let at = (from.0 + 8 * outward, from.1 - 4, anchor);
            let head = side_head(to, (to.0 - lane).signum());
            (lane_path(from, lane, to), head, at)
        }
    };
    let dashes = if edge.is_otherwise { " stroke-dasharray=\"5 4\"" } else { "" };
    let mut drawing = format!(
        "<g class=\"line\"><path d=\"{path}\" stroke=\"{colour}\"{dashes}/>\
         <polygon points=\"{head}\" fill=\"{colour}\"/>"
    );
    for (transition, rows_below) in edge.transitions.iter().rev().zip(0..) {
        let (x, last, anchor) = label_at;
        let _ = write!(
            drawing,
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"{anchor}\" style=\"fill:{colour}\">\
             <title>{}</title>{}</text>",
            last - rows_below * LABEL_ROW,
            escape(&tooltip(transition)),
            escape(&label(transition, edge.is_otherwise))
        );
    }
    drawing.push_str("</g>\n");
    drawing
}

fn tooltip(transition: &Transition) -> String {
    format!("{}: {} ({})", transition.label, transition.command, transition.slug())
}

/// From the box, around a corner into the lane, around the next corner into the other box.
fn lane_path(from: (i32, i32), lane: i32, to: (i32, i32)) -> String {
    let (out, into) = ((lane - from.0).signum(), (to.0 - lane).signum());
    let down = (to.1 - from.1).signum();
    let corner = CORNER.min((to.1 - from.1).abs() / 2);
    format!(
        "M{} {}H{}Q{lane} {} {lane} {}V{}Q{lane} {} {} {}H{}",
        from.0,
        from.1,
        lane - out * corner,
        from.1,
        from.1 + down * corner,
        to.1 - down * corner,
        to.1,
        lane + into * corner,
        to.1,
        to.0 - into * HEAD,
    )
}

fn side_head((x, y): (i32, i32), direction: i32) -> String {
    let back = x - direction * HEAD;
    format!("{x},{y} {back},{} {back},{}", y - 4, y + 4)
}

fn down_head(x: i32, y: i32) -> String {
    let back = y - HEAD;
    format!("{x},{y} {},{back} {},{back}", x - 4, x + 4)
}

fn legend(top: i32) -> String {
    let mut drawing = format!("<g class=\"legend\" transform=\"translate({MARGIN} {top})\">");
    let entries = [(true, false, "counts against its location's quota"), (false, true, "final: nothing leaves it")];
    for ((occupies_quota, is_final, meaning), left) in entries.into_iter().zip((0..).step_by(320)) {
        let frame = Frame { left, top: 0, width: 46, height: 26 };
        drawing += &empty_box(frame, occupies_quota, is_final);
        let _ = write!(drawing, "<text x=\"{}\" y=\"17\">{meaning}</text>", left + 56);
    }
    let lines = [
        ("", "transition, by its label; hover for its command"),
        (" stroke-dasharray=\"5 4\"", "the same transition's other outcome"),
    ];
    for ((dashes, meaning), left) in lines.into_iter().zip((0..).step_by(320)) {
        let _ = write!(
            drawing,
            "<g class=\"line\"><path d=\"M{left} 50H{}\" stroke=\"#222\"{dashes}/>\
             <polygon points=\"{}\" fill=\"#222\"/></g><text x=\"{}\" y=\"54\">{meaning}</text>",
            left + 38,
            side_head((left + 46, 50), 1),
            left + 56
        );
    }
    drawing.push_str("</g>\n");
    drawing
}
