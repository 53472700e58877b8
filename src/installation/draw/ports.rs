//! The channel of each line, and the heights at which it leaves and enters a box.

use super::columns::{Columns, GRID, mean};
use super::graph::Graph;

/// The space left of the main column, between the columns, or right of the side column.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    Left,
    Middle,
    Right,
}

pub(super) const CHANNELS: [Channel; 3] = [Channel::Left, Channel::Middle, Channel::Right];

impl Channel {
    pub(super) fn between(columns: &Columns, from: usize, to: usize) -> Self {
        match (columns.is_main(from), columns.is_main(to)) {
            (true, true) => Self::Left,
            (false, false) => Self::Right,
            (true, false) | (false, true) => Self::Middle,
        }
    }

    /// True if a node of this channel is on the right of its lanes.
    pub(super) fn is_left_of(self, columns: &Columns, node: usize) -> bool {
        match self {
            Self::Left => true,
            Self::Middle => !columns.is_main(node),
            Self::Right => false,
        }
    }
}

/// All lines into one node through one channel, solid or dashed. They share a lane and a head.
pub(super) struct Bundle {
    pub(super) channel: Channel,
    pub(super) to: usize,
    pub(super) edges: Vec<usize>,
}

/// A point on the side of a box where a line leaves (with its labels) or arrives.
pub(super) struct Port {
    pub(super) node: usize,
    pub(super) bundle: usize,
    /// The edge that leaves here; none if the bundle arrives.
    pub(super) edge: Option<usize>,
    /// The rows of labels, at least one for the line itself.
    pub(super) rows: i32,
    pub(super) y: i32,
}

/// The edges that go straight down: one for each neighbouring pair of the main column.
pub(super) fn down_edges(graph: &Graph<'_>, columns: &Columns) -> Vec<usize> {
    let mut downs: Vec<usize> = Vec::new();
    for (index, edge) in graph.edges.iter().enumerate() {
        let same_pair = |other: &usize| graph.edges[*other].from == edge.from;
        if columns.is_next(edge.from, edge.to) && !downs.iter().any(same_pair) {
            downs.push(index);
        }
    }
    downs
}

pub(super) fn bundle(graph: &Graph<'_>, columns: &Columns, downs: &[usize]) -> Vec<Bundle> {
    let mut bundles: Vec<Bundle> = Vec::new();
    for (index, edge) in graph.edges.iter().enumerate() {
        if downs.contains(&index) {
            continue;
        }
        let channel = Channel::between(columns, edge.from, edge.to);
        let same = |bundle: &&mut Bundle| {
            bundle.channel == channel
                && bundle.to == edge.to
                && (bundle.edges.iter()).all(|other| graph.edges[*other].is_otherwise == edge.is_otherwise)
        };
        match bundles.iter_mut().find(same) {
            Some(bundle) => bundle.edges.push(index),
            None => bundles.push(Bundle { channel, to: edge.to, edges: vec![index] }),
        }
    }
    bundles
}

pub(super) fn ports(graph: &Graph<'_>, bundles: &[Bundle]) -> Vec<Port> {
    let mut ports = Vec::new();
    for (index, bundle) in bundles.iter().enumerate() {
        let port = |node, edge, rows| Port { node, bundle: index, edge, rows, y: 0 };
        ports.push(port(bundle.to, None, 1));
        for edge in &bundle.edges {
            let rows = label_rows(graph, *edge);
            ports.push(port(graph.edges[*edge].from, Some(*edge), rows));
        }
    }
    ports
}

pub(super) fn label_rows(graph: &Graph<'_>, edge: usize) -> i32 {
    i32::try_from(graph.edges[edge].transitions.len()).unwrap_or(i32::MAX / GRID)
}

pub(super) fn rows_at(ports: &[Port], bundles: &[Bundle], node: usize, channel: Channel) -> i32 {
    let here = |port: &&Port| port.node == node && bundles[port.bundle].channel == channel;
    ports.iter().filter(here).map(|port| port.rows).sum()
}

/// Sorts the ports on one side of a box by the other ends of their lines, and gives each its height.
pub(super) fn stack_ports(
    graph: &Graph<'_>,
    columns: &Columns,
    bundles: &[Bundle],
    ports: &mut [Port],
    (node, channel): (usize, Channel),
) {
    let rows = rows_at(ports, bundles, node, channel);
    let mut here: Vec<&mut Port> =
        ports.iter_mut().filter(|port| port.node == node && bundles[port.bundle].channel == channel).collect();
    here.sort_by_key(|port| {
        let bundle = &bundles[port.bundle];
        if port.edge.is_some() {
            return columns.center(bundle.to);
        }
        let sources = bundle.edges.iter().map(|edge| graph.edges[*edge].from);
        mean(sources.map(|source| columns.center(source))).unwrap_or(0)
    });
    let rows_above = (columns.heights[node] / GRID - rows) / 2;
    let mut y = columns.tops[node] + rows_above * GRID - GRID / 4;
    for port in here {
        y += port.rows * GRID;
        port.y = y;
    }
}
