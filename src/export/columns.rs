//! Splits a JSON row into cells of named columns.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

/// Most columns. Products and addresses come from the upstream with any keys. Values beyond go into one column,
/// [`OTHER`], with their names.
const MOST_COLUMNS: usize = 1000;
/// Most keys on the way to them: one may lead to no value.
const MOST_NODES: usize = 10 * MOST_COLUMNS;
/// The name of that column.
const OTHER: &str = "other";
/// Separates the values of a list.
const SEPARATOR: &str = "; ";
/// The key that is left out.
const LEFT_OUT: &str = "commands";

/// A row: its values by column, each a text, a number or a boolean.
pub(super) type Cells = BTreeMap<usize, Value>;

/// The columns found so far, as a tree: a node for each key on the way to a value. Its depth is that of the rows; what
/// is in a key (dots, say) makes it no deeper.
#[derive(Debug)]
pub(super) struct Columns {
    /// The first is the row itself.
    nodes: Vec<Node>,
    /// By index: the node, and true if there was a value.
    columns: Vec<(usize, bool)>,
}

/// A key in the rows.
#[derive(Debug, Default)]
struct Node {
    key: String,
    parent: usize,
    /// The nodes below, in the order found.
    children: Vec<usize>,
    by_key: HashMap<String, usize>,
    /// The column of the values at this key.
    column: Option<usize>,
}

/// The node of the row itself.
const ROOT: usize = 0;

impl Default for Columns {
    fn default() -> Self {
        Self { nodes: vec![Node::default()], columns: Vec::new() }
    }
}

impl Columns {
    /// Splits a row.
    pub(super) fn row(&mut self, row: &Value) -> Cells {
        let mut cells = Cells::new();
        let mut beyond = Vec::new();
        self.collect(Place::Node(ROOT), row, &mut cells, &mut beyond);
        if !beyond.is_empty() {
            let node = self.child(ROOT, OTHER);
            let index = self.add(node);
            self.columns[index].1 = true;
            cells.insert(index, Value::from(beyond.join(SEPARATOR)));
        }
        cells
    }

    fn collect(&mut self, place: Place, value: &Value, cells: &mut Cells, beyond: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object.iter().filter(|(key, _)| *key != LEFT_OUT) {
                    let below = self.below(&place, key);
                    self.collect(below, value, cells, beyond);
                }
            }
            Value::Array(list) if list.is_empty() => {
                self.index(&place);
            }
            Value::Array(list) => self.collect_list(place, list, cells, beyond),
            Value::Null => {
                self.index(&place);
            }
            scalar => match self.index(&place) {
                Some(index) => {
                    self.columns[index].1 = true;
                    cells.insert(index, scalar.clone());
                }
                None => beyond.push(format!("{}: {}", self.name(&place), text(scalar))),
            },
        }
    }

    /// Each column gets the values of the entries in order, and an empty value for an entry without one.
    fn collect_list(&mut self, place: Place, list: &[Value], cells: &mut Cells, beyond: &mut Vec<String>) {
        if let [only] = list {
            return self.collect(place, only, cells, beyond);
        }
        let mut columns: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (position, value) in list.iter().enumerate() {
            let mut entry = Cells::new();
            self.collect(place.clone(), value, &mut entry, beyond);
            for (index, value) in entry {
                let texts = columns.entry(index).or_default();
                texts.resize(position, String::new());
                texts.push(text(&value));
            }
        }
        for (index, mut texts) in columns {
            texts.resize(list.len(), String::new());
            cells.insert(index, Value::from(texts.join(SEPARATOR)));
        }
    }

    fn is_full(&self) -> bool {
        self.columns.len() >= MOST_COLUMNS || self.nodes.len() >= MOST_NODES
    }

    /// The place of a key below another. A key that is new once there are too many columns gets no node.
    fn below(&mut self, place: &Place, key: &str) -> Place {
        match place {
            Place::Node(node) if !self.is_full() || self.nodes[*node].by_key.contains_key(key) => {
                Place::Node(self.child(*node, key))
            }
            place => Place::Beyond(join(&self.name(place), key)),
        }
    }

    fn child(&mut self, parent: usize, key: &str) -> usize {
        if let Some(node) = self.nodes[parent].by_key.get(key) {
            return *node;
        }
        let node = self.nodes.len();
        self.nodes.push(Node { key: key.to_owned(), parent, ..Node::default() });
        self.nodes[parent].children.push(node);
        self.nodes[parent].by_key.insert(key.to_owned(), node);
        node
    }

    /// The name of a place: its keys, joined by dots.
    fn name(&self, place: &Place) -> String {
        let mut node = match place {
            Place::Node(node) => *node,
            Place::Beyond(name) => return name.clone(),
        };
        let mut keys = Vec::new();
        while node != ROOT {
            keys.push(self.nodes[node].key.as_str());
            node = self.nodes[node].parent;
        }
        keys.reverse();
        keys.join(".")
    }

    /// The index of a column; none if there are too many.
    fn index(&mut self, place: &Place) -> Option<usize> {
        match place {
            Place::Node(node) if self.nodes[*node].column.is_some() || !self.is_full() => Some(self.add(*node)),
            _ => None,
        }
    }

    fn add(&mut self, node: usize) -> usize {
        if let Some(index) = self.nodes[node].column {
            return index;
        }
        self.columns.push((node, false));
        let index = self.columns.len() - 1;
        self.nodes[node].column = Some(index);
        index
    }

    /// The columns of the file, from left to right: the keys of an object side by side, in the order found. An object
    /// that is null in one row and present in another has only the columns of its keys.
    pub(super) fn layout(&self) -> Vec<(usize, String)> {
        let mut order = Vec::with_capacity(self.columns.len());
        let mut waiting = vec![ROOT];
        while let Some(number) = waiting.pop() {
            let node = &self.nodes[number];
            if let Some(index) = node.column.filter(|index| node.children.is_empty() || self.columns[*index].1) {
                order.push((index, self.name(&Place::Node(number))));
            }
            waiting.extend(node.children.iter().rev());
        }
        order
    }
}

/// Where a value is in a row.
#[derive(Debug, Clone)]
enum Place {
    Node(usize),
    /// There are too many columns: only its name is known.
    Beyond(String),
}

fn join(name: &str, key: &str) -> String {
    if name.is_empty() { key.to_owned() } else { format!("{name}.{key}") }
}

/// A scalar as text.
pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Header and rows as texts.
    fn table(rows: &[Value]) -> Vec<Vec<String>> {
        let mut columns = Columns::default();
        let cells: Vec<Cells> = rows.iter().map(|row| columns.row(row)).collect();
        let layout = columns.layout();
        let header = layout.iter().map(|(_, name)| name.clone()).collect();
        let line =
            |cells: &Cells| layout.iter().map(|(index, _)| cells.get(index).map_or(String::new(), text)).collect();
        std::iter::once(header).chain(cells.iter().map(line)).collect()
    }

    #[test]
    fn objects_become_columns_named_by_their_path_and_stay_together() {
        let rows = [
            json!({ "id": 1, "shipment": null, "state": { "name": "Waiting", "commands": [1] }, "commands": [] }),
            json!({ "id": 2, "shipment": { "id": 7, "company": { "slug": "manual" } }, "state": { "name": "Packed" } }),
        ];
        assert_eq!(
            table(&rows),
            [
                vec!["id", "shipment.id", "shipment.company.slug", "state.name"],
                vec!["1", "", "", "Waiting"],
                vec!["2", "7", "manual", "Packed"],
            ]
        );
    }

    #[test]
    fn a_list_gives_each_column_its_values_in_order() {
        let rows = [
            json!({ "items": [{ "sku": "A", "n": 1 }, { "n": 2 }, { "sku": "C" }], "ids": [] }),
            json!({ "items": [{ "sku": "D", "n": 3 }], "ids": [4, 5] }),
        ];
        assert_eq!(
            table(&rows),
            [vec!["items.sku", "items.n", "ids"], vec!["A; ; C", "1; 2; ", ""], vec!["D", "3", "4; 5"]]
        );
    }

    #[test]
    fn what_is_always_null_keeps_its_column() {
        assert_eq!(table(&[json!({ "a": null, "b": [] })]), [vec!["a", "b"], vec!["", ""]]);
    }

    #[test]
    fn columns_have_an_end_and_nothing_is_lost_beyond_it() {
        let many: serde_json::Map<String, Value> =
            (0..MOST_COLUMNS + 2).map(|index| (format!("k{index}"), json!(index))).collect();
        let table = table(&[Value::Object(many)]);
        assert_eq!(table[0].len(), MOST_COLUMNS + 1);
        assert_eq!(table[0].last().map(String::as_str), Some("other"));
        assert_eq!(table[1].last().map(String::as_str), Some("k1000: 1000; k1001: 1001"));
    }

    #[test]
    fn no_key_makes_the_columns_deep_and_keys_with_dots_stay_apart() {
        let dots = ".".repeat(1_000_000);
        let rows = [json!({ dots.clone(): 1, "a.b": 2, "a": { "b": 3 }, "": 4, "..": { "": 5 } })];
        assert_eq!(table(&rows), [vec![dots.as_str(), "a.b", "a.b", "", "..."], vec!["1", "2", "3", "4", "5"]]);
    }

    #[test]
    fn a_row_of_any_depth_that_can_be_read_becomes_a_line() {
        let deep = format!("{}1{}", r#"{"k":"#.repeat(126), "}".repeat(126));
        let row: Value = serde_json::from_str(&deep).expect("as deep as JSON is read");
        assert_eq!(table(&[row])[1], ["1"]);
    }
}
