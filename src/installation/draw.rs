//! The workflow as a picture: an SVG of the states and the transitions between them.
//!
//! The main column has the longest path of a package, from the state in which planning creates it; the other states are
//! in the side column. Transitions run in channels left of, between and right of the columns, where there is no box, so
//! no line crosses a box or a label. Lines into one state share a lane and an arrowhead, solid and dashed ones apart.

mod channel;
mod columns;
mod graph;
mod layout;
mod paint;
mod ports;
mod text;

use super::read::{Entity, Installation};
use graph::Graph;
use layout::Layout;
use paint::Picture;

/// Draws the workflow: the states of packages, and those of transfers if there are transitions for them. The same
/// installation gives the same picture.
#[must_use]
pub fn svg(installation: &Installation) -> String {
    let mut picture = Picture::new();
    for (entity, heading) in [(Entity::Package, "Package workflow"), (Entity::Transfer, "Transfer workflow")] {
        let graph = Graph::of(installation, entity);
        let is_moved = !graph.edges.is_empty();
        if is_moved || (entity == Entity::Package && !graph.nodes.is_empty()) {
            picture.add(heading, &graph, &Layout::of(&graph));
        }
    }
    picture.finish()
}

#[cfg(test)]
mod tests;
