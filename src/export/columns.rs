//! Splits a JSON row into cells of named columns.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

/// Most columns. Products and addresses come from the upstream with any keys. Values beyond go into one column,
/// [`OTHER`], with their names.
const MOST_COLUMNS: usize = 1000;
/// The name of that column.
const OTHER: &str = "other";
/// Separates the values of a list.
const SEPARATOR: &str = "; ";
/// The key that is left out.
const LEFT_OUT: &str = "commands";

/// A row: its values by column, each a text, a number or a boolean.
pub(super) type Cells = BTreeMap<usize, Value>;

/// The columns found so far.
#[derive(Debug, Default)]
pub(super) struct Columns {
    indexes: HashMap<String, usize>,
    /// By index: the name, and true if there was a value.
    columns: Vec<(String, bool)>,
}

impl Columns {
    /// Splits a row.
    pub(super) fn row(&mut self, row: &Value) -> Cells {
        let mut cells = Cells::new();
        let mut beyond = Vec::new();
        self.collect(&mut String::new(), row, &mut cells, &mut beyond);
        if !beyond.is_empty() {
            let index = self.add(OTHER);
            self.columns[index].1 = true;
            cells.insert(index, Value::from(beyond.join(SEPARATOR)));
        }
        cells
    }

    fn collect(&mut self, name: &mut String, value: &Value, cells: &mut Cells, beyond: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object.iter().filter(|(key, _)| *key != LEFT_OUT) {
                    let length = name.len();
                    if length > 0 {
                        name.push('.');
                    }
                    name.push_str(key);
                    self.collect(name, value, cells, beyond);
                    name.truncate(length);
                }
            }
            Value::Array(list) if list.is_empty() => {
                self.index(name);
            }
            Value::Array(list) => self.collect_list(name, list, cells, beyond),
            Value::Null => {
                self.index(name);
            }
            scalar => match self.index(name) {
                Some(index) => {
                    self.columns[index].1 = true;
                    cells.insert(index, scalar.clone());
                }
                None => beyond.push(format!("{name}: {}", text(scalar))),
            },
        }
    }

    /// Each column gets the values of the entries in order, and an empty value for an entry without one.
    fn collect_list(&mut self, name: &mut String, list: &[Value], cells: &mut Cells, beyond: &mut Vec<String>) {
        if let [only] = list {
            return self.collect(name, only, cells, beyond);
        }
        let mut columns: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (position, value) in list.iter().enumerate() {
            let mut entry = Cells::new();
            self.collect(name, value, &mut entry, beyond);
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

    /// The index of a column; none if there are too many.
    fn index(&mut self, name: &str) -> Option<usize> {
        match self.indexes.get(name) {
            Some(index) => Some(*index),
            None if self.columns.len() < MOST_COLUMNS => Some(self.add(name)),
            None => None,
        }
    }

    fn add(&mut self, name: &str) -> usize {
        if let Some(index) = self.indexes.get(name) {
            return *index;
        }
        self.columns.push((name.to_owned(), false));
        self.indexes.insert(name.to_owned(), self.columns.len() - 1);
        self.columns.len() - 1
    }

    /// The columns of the file, from left to right: the keys of an object side by side, in the order found. An object
    /// that is null in one row and present in another has only the columns of its keys.
    pub(super) fn layout(&self) -> Vec<(usize, &str)> {
        let mut root = Node::default();
        for (index, (name, _)) in self.columns.iter().enumerate() {
            root.insert(name.split('.'), index);
        }
        let mut order = Vec::with_capacity(self.columns.len());
        root.walk(&mut order, &|index| self.columns[index].1);
        order.into_iter().map(|index| (index, self.columns[index].0.as_str())).collect()
    }
}

/// Columns as a tree by the parts of their names.
#[derive(Default)]
struct Node<'a> {
    index: Option<usize>,
    children: Vec<(&'a str, Self)>,
}

impl<'a> Node<'a> {
    fn insert(&mut self, mut parts: impl Iterator<Item = &'a str>, index: usize) {
        let Some(part) = parts.next() else {
            self.index = Some(index);
            return;
        };
        let place = self.children.iter().position(|(name, _)| *name == part).unwrap_or_else(|| {
            self.children.push((part, Self::default()));
            self.children.len() - 1
        });
        self.children[place].1.insert(parts, index);
    }

    fn walk(&self, order: &mut Vec<usize>, has_values: &impl Fn(usize) -> bool) {
        order.extend(self.index.filter(|index| self.children.is_empty() || has_values(*index)));
        for (_, child) in &self.children {
            child.walk(order, has_values);
        }
    }
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
        let header = layout.iter().map(|(_, name)| (*name).to_owned()).collect();
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
}
