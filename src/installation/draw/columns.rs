//! The positions of the boxes: two columns, each from top to bottom.

use super::graph::Graph;

/// The grid of all positions, so that lines of one side never run into each other.
pub(super) const GRID: i32 = 18;

/// The side column is half a grid lower than the main one, so that a line from one never runs along a line from the
/// other.
const SIDE_OFFSET: i32 = GRID / 2;

/// The distance between two boxes of a column.
const GAP: i32 = 2 * GRID;

/// The nodes of the two columns, each in order from the top.
pub(super) struct Columns {
    pub(super) main: Vec<usize>,
    pub(super) side: Vec<usize>,
    /// The top of each node's box.
    pub(super) tops: Vec<i32>,
    /// The height of each node's box.
    pub(super) heights: Vec<i32>,
}

impl Columns {
    /// Divides the nodes; `set_heights` and `place` complete the rest.
    pub(super) fn divide(graph: &Graph<'_>) -> Self {
        let main = graph.main_way();
        let side = (0..graph.nodes.len()).filter(|node| !main.contains(node)).collect();
        Self { main, side, tops: vec![0; graph.nodes.len()], heights: vec![0; graph.nodes.len()] }
    }

    pub(super) fn is_main(&self, node: usize) -> bool {
        self.main.contains(&node)
    }

    /// True if a node is directly below another in the main column.
    pub(super) fn is_next(&self, from: usize, to: usize) -> bool {
        self.main.windows(2).any(|pair| *pair == [from, to])
    }

    pub(super) fn center(&self, node: usize) -> i32 {
        self.tops[node] + self.heights[node] / 2
    }

    pub(super) fn bottom(&self) -> i32 {
        let bottoms = self.tops.iter().zip(&self.heights);
        bottoms.map(|(top, height)| top + height).max().unwrap_or(0)
    }

    /// Places the main column from the top, with room for `rows_below` rows of labels under each node, and the side
    /// column beside its neighbours.
    pub(super) fn place(&mut self, graph: &Graph<'_>, rows_below: impl Fn(usize) -> i32) {
        let mut top = 0;
        for node in &self.main {
            self.tops[*node] = top;
            top += self.heights[*node] + GAP + GRID * rows_below(*node);
        }
        let wishes = self.wishes(graph);
        self.side.sort_by_key(|node| (wishes[*node].unwrap_or(i32::MAX), *node));
        self.place_side(&wishes);
    }

    /// The best height for the center of each node of the side column: the mean of its neighbours in the main column,
    /// or else of the best heights of its neighbours.
    fn wishes(&self, graph: &Graph<'_>) -> Vec<Option<i32>> {
        let mut wishes: Vec<Option<i32>> =
            (0..graph.nodes.len()).map(|node| self.is_main(node).then(|| self.center(node))).collect();
        // Twice, for neighbours of neighbours of the main column.
        for _ in 0..2 {
            let known = wishes.clone();
            for node in &self.side {
                let neighbours = graph.edges.iter().filter_map(|edge| match *node {
                    it if it == edge.from => known[edge.to],
                    it if it == edge.to => known[edge.from],
                    _ => None,
                });
                if known[*node].is_none() {
                    wishes[*node] = mean(neighbours);
                }
            }
        }
        wishes
    }

    /// Gives each box of the side column its best height if that is free. Boxes that would overlap form a block around
    /// the mean of their best heights; blocks that would overlap form a larger one.
    fn place_side(&mut self, wishes: &[Option<i32>]) {
        struct Block {
            nodes: Vec<usize>,
            wanted_tops: Vec<i32>,
            height: i32,
        }
        let top_of = |block: &Block| mean(block.wanted_tops.iter().copied()).unwrap_or(0).max(0);
        let mut blocks: Vec<Block> = Vec::new();
        for node in &self.side {
            let height = self.heights[*node] + GAP;
            let end = blocks.last().map_or(0, |block| top_of(block) + block.height);
            let wanted_top = wishes[*node].map_or(end, |center| center - height / 2);
            let mut block = Block { nodes: vec![*node], wanted_tops: vec![wanted_top], height };
            while let Some(mut above) = blocks.pop_if(|above| top_of(above) + above.height > top_of(&block)) {
                let tops = block.wanted_tops.iter().map(|top| top - above.height);
                above.wanted_tops.extend(tops);
                above.nodes.append(&mut block.nodes);
                above.height += block.height;
                block = above;
            }
            blocks.push(block);
        }
        let mut free = SIDE_OFFSET;
        for block in blocks {
            let on_grid = top_of(&block) / GRID * GRID + SIDE_OFFSET;
            let mut top = on_grid.max(free);
            for node in block.nodes {
                self.tops[node] = top;
                top += self.heights[node] + GAP;
            }
            free = top;
        }
    }
}

/// The mean of some heights; none for no heights.
pub(super) fn mean(values: impl Iterator<Item = i32>) -> Option<i32> {
    let (sum, count) = values.fold((0_i32, 0_i32), |(sum, count), value| (sum.saturating_add(value), count + 1));
    (count > 0).then(|| sum / count)
}
