//! All lines of an order in cells of `WooCommerce`'s exports: `id:1|name:Mug|sku:M1|quantity:2|total:9.98;id:2|…`, a cell a
//! line, or JSON.

use serde_json::Value;

/// The keys by which a part begins; anything else belongs to the text before it.
const KEYS: [&str; 18] = [
    "id",
    "name",
    "product_id",
    "sku",
    "quantity",
    "qty",
    "subtotal",
    "sub_total",
    "subtotal_tax",
    "sub_total_tax",
    "total",
    "total_tax",
    "tax",
    "price",
    "refunded",
    "refunded_qty",
    "meta",
    "tax_data",
];

/// A line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LineItem {
    /// The SKU.
    pub sku: String,
    /// The name of the product.
    pub name: String,
    /// The units.
    pub quantity: String,
    /// Of these, what was given back.
    pub refunded: String,
    /// Of one unit.
    pub price: String,
}

/// The lines in a cell.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn read(cell: &str) -> Result<Vec<LineItem>, String> {
    if cell.starts_with('[') {
        return of_json(cell).ok_or_else(|| "its line_items are no list of lines in JSON".to_owned());
    }
    let mut items: Vec<Vec<(String, String)>> = Vec::new();
    let mut is_new = true;
    for piece in cell.split_inclusive([';', '|']) {
        let (text, end) = match piece.strip_suffix([';', '|']) {
            Some(text) => (text, piece.ends_with(';')),
            None => (piece, false),
        };
        let known = text.split_once(':').filter(|(key, _)| KEYS.contains(&key.trim().to_ascii_lowercase().as_str()));
        // A name may have a semicolon: another line begins by its id or its name.
        let begins = known.is_some_and(|(key, _)| ["id", "name"].contains(&key.trim()));
        if is_new && (begins || items.is_empty()) {
            items.push(Vec::new());
        }
        let Some(item) = items.last_mut() else { continue };
        match known {
            Some((key, value)) => item.push((key.trim().to_ascii_lowercase(), value.trim().to_owned())),
            None => {
                if let Some((_, value)) = item.last_mut() {
                    value.push_str(if is_new { ";" } else { "|" });
                    value.push_str(text);
                }
            }
        }
        is_new = end;
    }
    let items: Vec<LineItem> = items.iter().map(|parts| item(|key| found(parts, key))).collect();
    if items.iter().any(|item| item.quantity.is_empty()) {
        return Err("its line_items have a line without `quantity:`".to_owned());
    }
    Ok(items)
}

fn found(parts: &[(String, String)], key: &str) -> String {
    parts.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone()).unwrap_or_default()
}

fn item(get: impl Fn(&str) -> String) -> LineItem {
    let first = |keys: &[&str]| keys.iter().map(|key| get(key)).find(|text| !text.is_empty()).unwrap_or_default();
    LineItem {
        sku: get("sku"),
        name: get("name"),
        quantity: first(&["quantity", "qty"]),
        refunded: get("refunded_qty"),
        price: get("price"),
    }
}

fn of_json(cell: &str) -> Option<Vec<LineItem>> {
    let list: Vec<Value> = serde_json::from_str(cell).ok()?;
    list.iter()
        .map(|value| {
            let object = value.as_object()?;
            Some(item(|key| match object.get(key) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                _ => String::new(),
            }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_the_exports_write_them() {
        let line = |sku: &str, name: &str, quantity: &str| LineItem {
            sku: sku.to_owned(),
            name: name.to_owned(),
            quantity: quantity.to_owned(),
            ..LineItem::default()
        };
        let two = [line("M1", "Mug", "2"), line("P1", "Plate", "1")];
        for cell in [
            "id:1|name:Mug|product_id:7|sku:M1|quantity:2|subtotal:9.98|total:9.98|meta:;id:2|name:Plate|sku:P1|quantity:1",
            "name:Mug|sku:M1|quantity:2;name:Plate|sku:P1|quantity:1;",
            r#"[{"name": "Mug", "sku": "M1", "quantity": 2}, {"name": "Plate", "sku": "P1", "quantity": "1"}]"#,
        ] {
            assert_eq!(read(cell).expect("lines"), two, "{cell}");
        }
        let odd = "id:1|name:Mug; big|blue: new|sku:M1|quantity:2|refunded_qty:1";
        let item = LineItem { refunded: "1".to_owned(), ..line("M1", "Mug; big|blue: new", "2") };
        assert_eq!(read(odd).expect("a line"), [item]);
        assert!(read("Mug × 2").is_err() && read("[1]").is_err());
    }
}
