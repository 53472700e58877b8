use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

const STANDARD: &str = include_str!("../../../installations/standard.toml");

fn draw(text: &str) -> String {
    svg(&Installation::parse(text).expect("it is sound"))
}

/// Asserts that every element is closed in the right order and no `<` or `&` is stray.
fn assert_well_formed(svg: &str) {
    let mut open = Vec::new();
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        assert_no_stray_ampersand(&rest[..start]);
        let end = start + rest[start..].find('>').expect("every tag ends");
        let tag = &rest[start + 1..end];
        assert!(!tag.contains('<'), "stray < before {tag}");
        assert_eq!(tag.matches('"').count() % 2, 0, "attributes are quoted: {tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> closes what is open");
        } else if !tag.ends_with('/') {
            open.push(tag.split_whitespace().next().expect("a tag has a name"));
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "not closed: {open:?}");
}

fn assert_no_stray_ampersand(text: &str) {
    for (index, _) in text.match_indices('&') {
        let entity = &text[index..];
        let known = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
        assert!(known.iter().any(|it| entity.starts_with(it)), "{entity}");
    }
}

#[test]
fn the_standard_is_drawn_whole_and_always_the_same() {
    let svg = draw(STANDARD);
    assert_eq!(svg, draw(STANDARD));
    assert_well_formed(&svg);
    let installation = Installation::parse(STANDARD).expect("it is sound");
    let moved = |state: &&super::super::read::State| state.entity.is_moved_by_commands();
    let states = installation.states.iter().filter(moved);
    assert_eq!(svg.matches("class=\"state\"").count(), states.clone().count());
    for state in states {
        // A transfer's code is its slug, and said once.
        let is_package = state.entity == Entity::Package;
        let line = if is_package { format!("{} · {}", state.enum_value, state.slug) } else { state.slug.clone() };
        assert!(svg.contains(&line), "{line}");
    }
    for transition in &installation.transitions {
        let tooltip = format!("{} ({})</title>", transition.command, transition.slug());
        assert!(svg.contains(&tooltip), "{tooltip}");
    }
    assert_eq!(svg.matches("(otherwise)").count(), 5);
    assert!(svg.contains("Package workflow") && svg.contains("Transfer workflow"));
}

#[test]
fn transfers_are_drawn_once_something_moves_them() {
    let states = "[[states]]\nentity = 'transfer'\nslug = 'waiting'\nenum_value = 'waiting'\n\
                  name = 'Waiting'\n[[states]]\nentity = 'transfer'\nslug = 'in_transit'\n\
                  enum_value = 'in_transit'\nname = 'In transit'\n";
    assert!(!draw(states).contains("class=\"state\""));
    let moved = format!(
        "{states}[[transitions]]\nentity = 'transfer'\ncommand = 'X'\nsource = 'waiting'\n\
         destination = 'in_transit'\nlabel = 'Dispatch'"
    );
    assert!(draw(&moved).contains("Transfer workflow"));
    assert_well_formed(&draw(&moved));
}

#[test]
fn texts_are_escaped_and_an_empty_installation_is_a_picture() {
    assert_well_formed(&draw(""));
    let svg = draw("[[states]]\nentity = 'package'\nslug = '<&>'\nenum_value = '1'\nname = \"</text>'\\\"&\"");
    assert_well_formed(&svg);
    assert!(svg.contains("&lt;/text&gt;&#39;&quot;&amp;"));
}

/// Random workflows: states, and (from, to, second outcome) of their transitions.
fn workflows() -> impl Strategy<Value = (usize, Vec<(usize, usize, usize)>)> {
    (1..14_usize).prop_flat_map(|states| {
        let transition = (0..states, 0..states, 0..states * 2);
        (Just(states), prop::collection::vec(transition, 0..40))
    })
}

fn installation_of(states: usize, transitions: &[(usize, usize, usize)]) -> Installation {
    use std::fmt::Write as _;
    let mut text = String::new();
    for state in 0..states {
        let _ = write!(
            text,
            "[[states]]\nentity = 'package'\nslug = 's{state}'\nenum_value = '{}'\nname = 'S'\n",
            state * 7 % 5 * 100 + state
        );
    }
    for (index, (from, to, otherwise)) in transitions.iter().enumerate() {
        let _ = write!(
            text,
            "[[transitions]]\nentity = 'package'\ncommand = 'X'\nsource = 's{from}'\n\
             destination = 's{to}'\nlabel = 'label {index}'\n"
        );
        if *otherwise < states {
            let _ = writeln!(text, "otherwise = 's{otherwise}'");
        }
    }
    Installation::parse(&text).expect("it is sound")
}

/// A straight piece of a line: its two ends, each (x, y).
type Piece = ((i32, i32), (i32, i32));

fn pieces(line: layout::Line) -> Vec<Piece> {
    match line {
        layout::Line::Down { x, from, to } => vec![((x, from), (x, to))],
        layout::Line::Lane { from, lane, to } => {
            vec![(from, (lane, from.1)), ((lane, from.1), (lane, to.1)), ((lane, to.1), to)]
        }
    }
}

fn passes_through(piece: Piece, frame: layout::Frame) -> bool {
    let ((x1, y1), (x2, y2)) = piece;
    x1.max(x2) > frame.left
        && x1.min(x2) < frame.left + frame.width
        && y1.max(y2) > frame.top
        && y1.min(y2) < frame.top + frame.height
}

proptest! {
    /// Whatever the workflow: a line for every edge, no line through a box, no box on another,
    /// and no two lines that run along each other unless they lead to the same state.
    #[test]
    fn any_workflow_is_drawn_clearly((states, transitions) in workflows()) {
        let installation = installation_of(states, &transitions);
        let graph = Graph::of(&installation, Entity::Package);
        let layout = Layout::of(&graph);
        assert_well_formed(&svg(&installation));

        let drawn: HashSet<usize> = layout.lines.iter().map(|(edge, _)| *edge).collect();
        prop_assert_eq!(drawn.len(), graph.edges.len());
        for (index, one) in layout.boxes.iter().enumerate() {
            for other in &layout.boxes[index + 1..] {
                let corners = ((other.left, other.top), (other.left + other.width, other.top + other.height));
                prop_assert!(!passes_through(corners, *one));
            }
        }
        let mut horizontals: Vec<(usize, Piece)> = Vec::new();
        for (edge, line) in &layout.lines {
            for piece in pieces(*line) {
                prop_assert!(layout.boxes.iter().all(|frame| !passes_through(piece, *frame)));
                if piece.0.1 == piece.1.1 {
                    horizontals.push((graph.edges[*edge].to, piece));
                }
            }
        }
        for (index, (to, one)) in horizontals.iter().enumerate() {
            for (other_to, other) in &horizontals[index + 1..] {
                let apart = one.0.1 != other.0.1
                    || one.0.0.max(one.1.0) < other.0.0.min(other.1.0)
                    || other.0.0.max(other.1.0) < one.0.0.min(one.1.0);
                prop_assert!(apart || to == other_to);
            }
        }
    }
}
