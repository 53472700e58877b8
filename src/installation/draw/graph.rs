//! The graph: states are nodes, and all transitions between the same two states are one edge.

use crate::installation::read::{Entity, Installation, State, Transition};

/// The states of an entity and the edges between them.
pub(super) struct Graph<'a> {
    /// The states by number; those without a number come last, in the order of the file.
    pub(super) nodes: Vec<&'a State>,
    pub(super) edges: Vec<Edge<'a>>,
}

/// All transitions between the same two states, of one kind of outcome.
pub(super) struct Edge<'a> {
    /// The index of its start node.
    pub(super) from: usize,
    /// The index of its end node.
    pub(super) to: usize,
    /// True if it is the second outcome of its transitions.
    pub(super) is_otherwise: bool,
    pub(super) transitions: Vec<&'a Transition>,
}

impl<'a> Graph<'a> {
    pub(super) fn of(installation: &'a Installation, entity: Entity) -> Self {
        let mut nodes: Vec<&State> = installation.states.iter().filter(|state| state.entity == entity).collect();
        nodes.sort_by_key(|state| state.enum_value.parse::<u32>().unwrap_or(u32::MAX));
        let mut graph = Self { nodes, edges: Vec::new() };
        let transitions = installation.transitions.iter();
        for transition in transitions.filter(|transition| transition.entity == entity) {
            graph.add(transition, &transition.destination, false);
            if let Some(otherwise) = &transition.otherwise {
                graph.add(transition, otherwise, true);
            }
        }
        graph
    }

    /// The installation may be unchecked: transitions with unknown states are left out.
    fn add(&mut self, transition: &'a Transition, to: &str, is_otherwise: bool) {
        let find = |slug: &str| self.nodes.iter().position(|state| state.slug == slug);
        let (Some(from), Some(to)) = (find(&transition.source), find(to)) else {
            return;
        };
        let same = |edge: &&mut Edge<'_>| (edge.from, edge.to, edge.is_otherwise) == (from, to, is_otherwise);
        match self.edges.iter_mut().find(same) {
            Some(edge) => edge.transitions.push(transition),
            None => self.edges.push(Edge { from, to, is_otherwise, transitions: vec![transition] }),
        }
    }

    /// The longest path along ascending nodes, from the state in which planning creates a package: the main column.
    pub(super) fn main_way(&self) -> Vec<usize> {
        let count = self.nodes.len();
        // For each node the number of nodes on the longest path from it, and the next node on that path.
        let mut lengths = vec![1_usize; count];
        let mut nexts = vec![None; count];
        for node in (0..count).rev() {
            let ahead = self.edges.iter().filter(|edge| edge.from == node);
            for edge in ahead.filter(|edge| edge.to > node) {
                if lengths[edge.to] + 1 > lengths[node] {
                    lengths[node] = lengths[edge.to] + 1;
                    nexts[node] = Some(edge.to);
                }
            }
        }
        let planned = (self.nodes.iter()).position(|state| state.slug == "waiting");
        let longest = || (0..count).rev().max_by_key(|node| lengths[*node]);
        std::iter::successors(planned.or_else(longest), |node| nexts[*node]).collect()
    }
}
