//! The answer of a stock service.
//!
//! The Akinon OMS documents no shape for it in public, so it is the shape of `PUT /api/v1/oms/stocks/`: a list, bare or
//! under `results`, of `{"sku", "stock_location" or "erp_code", "quantity"}`. An answer about one SKU may leave `sku`
//! out, and a row may say when it was counted (`counted_at`). A quantity is read as in every count: a number or a text (`"5.00"`), rounded down, and a negative one is 0.
//!
//! A row that cannot be read costs nothing but itself. What an answer does not name has no stock, but the place that such a
//! row speaks of is named: its count stays as it is.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{reading::values, stock::MOST_UNITS, wire::pieces};

/// A row of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub sku: String,
    /// The location's code in the ERP.
    pub erp_code: String,
    pub quantity: i64,
    /// When it was counted, if the row says so.
    pub counted_at: Option<DateTime<Utc>>,
}

/// What an answer says of what was asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub lines: Vec<Line>,
    /// SKUs with a row that cannot be read: of where the answer does not name them, nothing is known.
    pub in_doubt: BTreeSet<String>,
    /// Why rows could not be read, for the log.
    pub unread: Vec<String>,
}

/// Reads an answer to a request for SKUs. Rows of other SKUs are ignored.
///
/// # Errors
/// The reason, for the log: it is no such list, or none of its rows can be read.
pub(super) fn read(body: &[u8], asked: &[String]) -> Result<Answer, String> {
    let answer: Value = serde_json::from_slice(&pieces::with_whole_letters(body))
        .map_err(|error| format!("it answered no JSON ({error})"))?;
    let rows = answer.as_array().or_else(|| answer.get("results")?.as_array());
    let rows = rows.ok_or("it answered neither a list nor an object with a list as `results`")?;
    if answer.get("next").is_some_and(|next| !next.is_null()) {
        return Err("it answered in pages; let it answer a request at once".to_owned());
    }
    let mut read = Answer::default();
    for (row, number) in rows.iter().zip(1..) {
        let sku = match (text(row, "sku"), asked) {
            (None, [only]) => Some(only.clone()),
            (sku, _) => sku,
        };
        if sku.as_ref().is_some_and(|sku| !asked.contains(sku)) {
            continue;
        }
        match read_row(row, sku.clone()) {
            Ok(line) => read.lines.push(line),
            Err(why) => {
                read.unread.push(format!("row {number} of its answer {why}"));
                // Without a SKU it may be of any of them.
                read.in_doubt.extend(sku.map_or_else(|| asked.to_vec(), |sku| vec![sku]));
            }
        }
    }
    match read.unread.first() {
        Some(why) if read.lines.is_empty() => Err(why.clone()),
        _ => Ok(read),
    }
}

fn read_row(row: &Value, sku: Option<String>) -> Result<Line, String> {
    let sku = sku.ok_or("has no `sku`")?;
    let erp_code = text(row, "stock_location").or_else(|| text(row, "erp_code"));
    let erp_code = erp_code.ok_or("has neither `stock_location` nor `erp_code`")?;
    let quantity = row.get("quantity").and_then(values::units).ok_or("has no number as `quantity`")?;
    if quantity > MOST_UNITS {
        return Err(format!("has more than {MOST_UNITS} as `quantity`"));
    }
    let counted_at = match row.get("counted_at").filter(|value| !value.is_null()) {
        None => None,
        Some(value) => {
            let moment = value.as_str().and_then(values::date_time);
            Some(moment.ok_or("has no moment as `counted_at`")?)
        }
    };
    Ok(Line { sku, erp_code, quantity, counted_at })
}

/// A text, or a number as text.
fn text(row: &Value, key: &str) -> Option<String> {
    values::name(row.get(key)?).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn skus(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn lines_of(answer: &Value, asked: &[&str]) -> Result<Vec<(String, String, i64)>, String> {
        let answer = read(answer.to_string().as_bytes(), &skus(asked))?;
        Ok(answer.lines.into_iter().map(|line| (line.sku, line.erp_code, line.quantity)).collect())
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
            [(json!(2.9), 2), (json!("0.5"), 0), (json!(-3), 0), (json!("-5.00"), 0), (json!("2.0000"), 2)]
        {
            let row = json!([{ "sku": "A", "erp_code": "1", "quantity": quantity }]);
            assert_eq!(lines_of(&row, &["A"]), Ok(vec![("A".to_owned(), "1".to_owned(), units)]), "{quantity}");
        }
    }

    #[test]
    fn a_row_that_cannot_be_read_costs_itself_and_its_sku_stays_in_doubt() {
        let good = json!({ "sku": "A", "erp_code": "1", "quantity": 5 });
        for (bad, doubted) in [
            (json!({ "sku": "B", "erp_code": "1", "quantity": "many" }), vec!["B"]),
            (json!({ "sku": "B", "erp_code": "1", "quantity": 1e30 }), vec!["B"]),
            (json!({ "sku": "B", "erp_code": "1", "quantity": 1, "counted_at": "soon" }), vec!["B"]),
            (json!({ "sku": "B", "quantity": 1 }), vec!["B"]),
            (json!({ "erp_code": "1", "quantity": 1 }), vec!["A", "B"]),
            (json!({ "sku": "other", "quantity": null }), vec![]),
        ] {
            let answer = json!([bad, good]).to_string();
            let answer = read(answer.as_bytes(), &skus(&["A", "B"])).expect("read");
            assert_eq!(
                answer.lines,
                [Line { sku: "A".to_owned(), erp_code: "1".to_owned(), quantity: 5, counted_at: None }]
            );
            assert_eq!(answer.in_doubt.iter().collect::<Vec<_>>(), doubted, "{bad}");
            assert_eq!(answer.unread.is_empty(), doubted.is_empty(), "{bad}");
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
        assert!(read(b"<html>", &skus(&["A"])).expect_err("refused").contains("no JSON"));
    }
}
