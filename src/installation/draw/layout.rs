//! From the graph to coordinates: the boxes of the states and the path of each line.

use super::channel::{self, End};
use super::columns::{Columns, GRID};
use super::graph::Graph;
use super::ports::{self, Bundle, CHANNELS, Channel, Port};
use super::text::{box_text_width, label, text_width};

/// The distance of two lanes in a channel.
const LANE: i32 = 14;

/// The space between a label and the lanes, for an arrowhead.
const LABEL_MARGIN: i32 = 18;

/// The height of a box without lines: three lines of text.
const MIN_HEIGHT: i32 = 4 * GRID;

const MIN_WIDTH: i32 = 150;

/// All coordinates. The picture begins at 0, 0.
pub(super) struct Layout {
    /// The box of each node.
    pub(super) boxes: Vec<Frame>,
    /// The line of each edge, by the edge's index.
    pub(super) lines: Vec<(usize, Line)>,
    pub(super) width: i32,
    pub(super) height: i32,
}

/// A rectangle.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) width: i32,
    pub(super) height: i32,
}

/// The path of an edge. Its labels are at its beginning.
#[derive(Clone, Copy)]
pub(super) enum Line {
    /// Straight down, to the next box of the main column.
    Down { x: i32, from: i32, to: i32 },
    /// Out of a box, along a lane, into a box. Points are (x, y).
    Lane { from: (i32, i32), lane: i32, to: (i32, i32) },
}

impl Layout {
    pub(super) fn of(graph: &Graph<'_>) -> Self {
        let mut columns = Columns::divide(graph);
        let downs = ports::down_edges(graph, &columns);
        let bundles = ports::bundle(graph, &columns, &downs);
        let mut ports = ports::ports(graph, &bundles);

        for node in 0..graph.nodes.len() {
            let rows = CHANNELS.map(|channel| ports::rows_at(&ports, &bundles, node, channel));
            let most = rows.into_iter().max().unwrap_or(0);
            columns.heights[node] = MIN_HEIGHT.max((most + 1) * GRID);
        }
        columns.place(graph, |node| {
            let down = downs.iter().find(|edge| graph.edges[**edge].from == node);
            down.map_or(0, |edge| ports::label_rows(graph, *edge))
        });
        for node in 0..graph.nodes.len() {
            for channel in CHANNELS {
                ports::stack_ports(graph, &columns, &bundles, &mut ports, (node, channel));
            }
        }
        Survey { graph, columns: &columns, downs: &downs, bundles: &bundles, ports: &ports }.layout()
    }
}

/// Everything that is known once the heights are set; only the widths are left.
struct Survey<'a> {
    graph: &'a Graph<'a>,
    columns: &'a Columns,
    downs: &'a [usize],
    bundles: &'a [Bundle],
    ports: &'a [Port],
}

impl Survey<'_> {
    fn layout(&self) -> Layout {
        let widths = [true, false].map(|is_main| self.column_width(is_main));
        let mut lanes = vec![0; self.bundles.len()];
        let mut x = 0;
        let mut lefts = [0; 2];
        for (channel, column) in CHANNELS.into_iter().zip(0..) {
            x = self.spread_lanes(channel, x, &mut lanes);
            if column < 2 && (column == 0 || !self.columns.side.is_empty()) {
                lefts[column] = x;
                x += widths[column];
            }
        }
        let boxes: Vec<Frame> = (0..self.graph.nodes.len())
            .map(|node| {
                let column = usize::from(!self.columns.is_main(node));
                Frame {
                    left: lefts[column],
                    top: self.columns.tops[node],
                    width: widths[column],
                    height: self.columns.heights[node],
                }
            })
            .collect();
        Layout {
            lines: (0..self.graph.edges.len())
                .filter_map(|edge| Some((edge, self.line(edge, &boxes, &lanes)?)))
                .collect(),
            boxes,
            width: x,
            height: self.columns.bottom(),
        }
    }

    fn column_width(&self, is_main: bool) -> i32 {
        let nodes = self.graph.nodes.iter().enumerate();
        let widths =
            nodes.filter(|(node, _)| self.columns.is_main(*node) == is_main).map(|(_, state)| box_text_width(state));
        widths.max().unwrap_or(0).max(MIN_WIDTH)
    }

    /// Gives each bundle of a channel that begins at `x` its lane. Returns the end of the channel.
    fn spread_lanes(&self, channel: Channel, x: i32, lanes: &mut [i32]) -> i32 {
        let here: Vec<usize> =
            (0..self.bundles.len()).filter(|bundle| self.bundles[*bundle].channel == channel).collect();
        let ends: Vec<Vec<End>> = here
            .iter()
            .map(|bundle| {
                let ports = self.ports.iter().filter(|port| port.bundle == *bundle);
                ports.map(|port| End { y: port.y, is_right: channel.is_left_of(self.columns, port.node) }).collect()
            })
            .collect();
        let mut lane = x + self.label_zone(channel, false);
        for index in channel::order(&ends) {
            lanes[here[index]] = lane;
            lane += LANE;
        }
        lane + self.label_zone(channel, true)
    }

    /// The width of the labels on one side of a channel.
    fn label_zone(&self, channel: Channel, is_right: bool) -> i32 {
        let leaving = self.ports.iter().filter(|port| {
            self.bundles[port.bundle].channel == channel && channel.is_left_of(self.columns, port.node) == is_right
        });
        let widest = leaving.map(|port| port.edge.map_or(0, |edge| self.label_width(edge))).max();
        // Labels beside a line that goes down are half above the channel between the columns.
        let beside_downs = self.downs.iter().map(|edge| {
            let overhang = self.label_width(*edge) - self.column_width(true) / 2;
            overhang.max(0)
        });
        let holds_downs = channel == Channel::Middle && !is_right;
        let beside_downs = beside_downs.max().filter(|_| holds_downs);
        widest.max(beside_downs).map_or(0, |width| width + LABEL_MARGIN)
    }

    fn label_width(&self, edge: usize) -> i32 {
        let edge = &self.graph.edges[edge];
        let labels = edge.transitions.iter();
        labels.map(|transition| text_width(&label(transition, edge.is_otherwise))).max().unwrap_or(0)
    }

    fn line(&self, edge: usize, boxes: &[Frame], lanes: &[i32]) -> Option<Line> {
        let (from, to) = (self.graph.edges[edge].from, self.graph.edges[edge].to);
        if self.downs.contains(&edge) {
            return Some(Line::Down {
                x: boxes[from].left + boxes[from].width / 2,
                from: boxes[from].top + boxes[from].height,
                to: boxes[to].top,
            });
        }
        let out = self.ports.iter().find(|port| port.edge == Some(edge))?;
        let arrives = |port: &&Port| port.bundle == out.bundle && port.edge.is_none();
        let into = self.ports.iter().find(arrives)?;
        let point = |port: &Port| {
            let frame = boxes[port.node];
            let channel = self.bundles[port.bundle].channel;
            if channel.is_left_of(self.columns, port.node) {
                (frame.left, port.y)
            } else {
                (frame.left + frame.width, port.y)
            }
        };
        Some(Line::Lane { from: point(out), lane: lanes[out.bundle], to: point(into) })
    }
}
