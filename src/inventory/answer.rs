//! The answer of a stock service.
//!
//! The Akinon OMS documents no shape for it in public, so it is the shape of `PUT /api/v1/oms/stocks/`: a list, bare or
//! under `results`, of `{"sku", "stock_location" or "erp_code", "quantity"}`. An answer about one SKU may leave `sku`
//! out. A quantity is a number or a text (`"5.00"`); it is rounded down, and a negative one is 0.

use serde_json::Value;

use crate::stock::MOST_UNITS;

/// A row of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub sku: String,
    /// The location's code in the ERP.
    pub erp_code: String,
    pub quantity: i64,
}

/// Reads an answer to a request for SKUs. Rows of other SKUs are ignored.
///
/// # Errors
/// The reason, for the log.
pub(super) fn lines(body: &[u8], asked: &[String]) -> Result<Vec<Line>, String> {
    let answer: Value = serde_json::from_slice(body).map_err(|error| format!("it answered no JSON ({error})"))?;
    let rows = answer.as_array().or_else(|| answer.get("results")?.as_array());
    let rows = rows.ok_or("it answered neither a list nor an object with a list as `results`")?;
    if answer.get("next").is_some_and(|next| !next.is_null()) {
        return Err("it answered in pages; let it answer a request at once".to_owned());
    }
    let mut lines = Vec::with_capacity(rows.len());
    for (index, row) in rows.iter().enumerate() {
        let line = read_row(row, asked).map_err(|why| format!("row {} of its answer {why}", index + 1))?;
        lines.extend(line.filter(|line| asked.contains(&line.sku)));
    }
    Ok(lines)
}

fn read_row(row: &Value, asked: &[String]) -> Result<Option<Line>, String> {
    let sku = match (text(row, "sku"), asked) {
        (Some(sku), _) => sku,
        (None, [only]) => only.clone(),
        (None, _) => return Err("has no `sku`".to_owned()),
    };
    let erp_code = text(row, "stock_location").or_else(|| text(row, "erp_code"));
    let erp_code = erp_code.ok_or("has neither `stock_location` nor `erp_code`")?;
    let quantity = row.get("quantity").and_then(units).ok_or("has no number as `quantity`")?;
    Ok(Some(Line { sku, erp_code, quantity }))
}

/// A text, or a number as text.
fn text(row: &Value, key: &str) -> Option<String> {
    match row.get(key)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty() && !text.contains('\0')),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn units(value: &Value) -> Option<i64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let number = number.filter(|number| number.is_finite())?.floor();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let most = MOST_UNITS as f64;
    #[expect(clippy::cast_possible_truncation, reason = "a whole number within bounds")]
    let units = number.clamp(0.0, most) as i64;
    Some(units)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn skus(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn lines_of(answer: &Value, asked: &[&str]) -> Result<Vec<(String, String, i64)>, String> {
        let lines = lines(answer.to_string().as_bytes(), &skus(asked))?;
        Ok(lines.into_iter().map(|line| (line.sku, line.erp_code, line.quantity)).collect())
    }

    #[test]
    fn rows_are_read_bare_and_under_results_by_either_name_of_the_location() {
        let rows = json!([{ "sku": "A", "stock_location": "369", "quantity": 5 },
                          { "sku": "A", "erp_code": 12, "quantity": "7.00" },
                          { "sku": "other", "erp_code": "12", "quantity": 1 }]);
        let expected = Ok(vec![("A".to_owned(), "369".to_owned(), 5), ("A".to_owned(), "12".to_owned(), 7)]);
        assert_eq!(lines_of(&rows, &["A", "B"]), expected);
        assert_eq!(lines_of(&json!({ "count": 3, "next": null, "results": rows }), &["A", "B"]), expected);
    }

    #[test]
    fn one_sku_need_not_be_named_in_its_answer_but_of_two_each_row_says_which() {
        let rows = json!([{ "erp_code": "369", "quantity": 1 }]);
        assert_eq!(lines_of(&rows, &["A"]), Ok(vec![("A".to_owned(), "369".to_owned(), 1)]));
        assert_eq!(lines_of(&rows, &["A", "B"]), Err("row 1 of its answer has no `sku`".to_owned()));
    }

    #[test]
    fn part_of_a_unit_is_none_and_so_is_less_than_none() {
        for (quantity, units) in
            [(json!(2.9), 2), (json!("0.5"), 0), (json!(-3), 0), (json!("-5.00"), 0), (json!(1e30), MOST_UNITS)]
        {
            let row = json!([{ "sku": "A", "erp_code": "1", "quantity": quantity }]);
            assert_eq!(lines_of(&row, &["A"]), Ok(vec![("A".to_owned(), "1".to_owned(), units)]), "{quantity}");
        }
    }

    #[test]
    fn what_is_no_such_list_is_refused_with_the_reason() {
        for (answer, reason) in [
            (json!({ "detail": "busy" }), "neither a list"),
            (json!({ "results": [], "next": "https://…?page=2" }), "in pages"),
            (json!([{ "sku": "A", "quantity": 1 }]), "neither `stock_location` nor `erp_code`"),
            (json!([{ "sku": "A", "erp_code": "1", "quantity": "many" }]), "no number"),
            (json!([{ "sku": "A", "erp_code": "1" }]), "no number"),
            (json!([7]), "neither `stock_location` nor `erp_code`"),
        ] {
            let why = lines_of(&answer, &["A"]).expect_err("refused");
            assert!(why.contains(reason), "{why}");
        }
        assert!(lines(b"<html>", &skus(&["A"])).expect_err("refused").contains("no JSON"));
    }
}
