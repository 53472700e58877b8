//! What is sent with a command on a transfer, and what is wrong with it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{
    super::{
        input::map,
        ops::TransferOp,
        vocabulary::Leg,
        world::{Carried, Transfer},
    },
    Refused,
};

/// `input_parameters`, and what is wrong with them.
pub fn parameters(
    op: &TransferOp,
    id: i64,
    transfer: &Transfer,
    leg: Leg,
    missing: &mut BTreeSet<i64>,
) -> (Map<String, Value>, Option<Refused>) {
    let wrong = |field: &str| Some((400, format!("{{\"error\":{{\"{field}\":[")));
    let flaw = op.input.flaw;
    if flaw == Some(0) {
        return (map([("transfer", json!(id + 1))]), wrong("transfer"));
    }
    match leg.0 {
        "TRANSFER_ORDER_ADVANCED" => {
            let mut input = map([("cargo_company", json!(company(op))), ("tracking_number", json!(number(op)))]);
            match flaw {
                Some(1) => {
                    input.remove("tracking_number");
                    (input, wrong("tracking_number"))
                }
                Some(2) => {
                    input.insert("cargo_company".to_owned(), json!("nobody"));
                    (input, Some((406, "oms_cargo_1".to_owned())))
                }
                _ => (input, None),
            }
        }
        "TRANSFER_ITEM_NOT_FOUND" => match flaw {
            Some(1) => (map([("transfer_items", json!([]))]), wrong("transfer_items")),
            Some(2) => (map([("transfer_items", json!([999_999]))]), wrong("transfer_items")),
            _ if op.input.flag => {
                missing.extend(transfer.items.keys());
                (Map::new(), None)
            }
            _ => {
                let carried: Vec<(&i64, &Carried)> = transfer.items.iter().collect();
                missing.extend(op.input.items.iter().map(|at| carried[at % carried.len()].0));
                let ids: Vec<i64> = missing.iter().map(|item| transfer.items[item].0).collect();
                (map([("transfer_items", json!(ids))]), None)
            }
        },
        _ => (map([("transfer", json!(id))]), None),
    }
}

pub fn company(op: &TransferOp) -> &'static str {
    if op.input.flag { "first" } else { "second" }
}

pub fn number(op: &TransferOp) -> String {
    format!("TT-{}-{}", op.transfer, op.leg)
}
