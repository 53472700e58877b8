//! What is sent with a command, and what is wrong with it.

use serde_json::{Map, Value, json};

use super::{
    model::{Expected, Expected::Refused, Model},
    ops::Command,
    spec::Transition,
    world::Package,
};
use crate::support::standard::{kind, plain_input};

impl Model {
    /// `input_parameters`, and what is wrong with them.
    pub fn input(
        &self,
        command: &Command,
        id: i64,
        package: &Package,
        transition: &Transition,
    ) -> (Map<String, Value>, Option<Expected>) {
        let flaw = command.input.flaw;
        let wrong = |field: &str| Some(Refused(400, format!("{{\"error\":{{\"{field}\":[")));
        if flaw == Some(0) {
            return (map([("package", json!(id + 1))]), wrong("package"));
        }
        if flaw == Some(1) {
            return (map([("sync_remote_order_status", json!("perhaps"))]), wrong("sync_remote_order_status"));
        }
        match transition.command {
            "SHIP_THE_PACKAGE_ADVANCED" => match flaw {
                Some(2) => (map([("cargo_company", json!("first"))]), wrong("tracking_number")),
                Some(3) => (map([("tracking_number", json!("T"))]), wrong("cargo_company")),
                Some(4) => {
                    let input = map([("tracking_number", json!("T")), ("cargo_company", json!("nobody"))]);
                    (input, Some(Refused(406, "oms_cargo_1".to_owned())))
                }
                _ => (
                    map([("tracking_number", json!(tracking(command))), ("cargo_company", json!(carrier(command)))]),
                    None,
                ),
            },
            "DETECTED_OUT_OF_STOCK_ITEM" | "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED" => match flaw {
                Some(2) => (map([("package_items", json!([]))]), wrong("package_items")),
                Some(3) => (map([("package_items", json!([999_999]))]), wrong("package_items")),
                Some(4) => (Map::new(), wrong("package_items")),
                _ => (map([("package_items", json!(Self::some_items(command, package)))]), None),
            },
            "UPDATE_PACKAGE_SHIPMENT_STATUS" => match flaw {
                Some(2) => (map([("package", json!(id))]), wrong("delivered_status")),
                Some(3) => (map([("delivered_status", json!(true))]), wrong("package")),
                _ => (map([("package", json!(id)), ("delivered_status", json!(command.input.flag))]), None),
            },
            "ASSIGN_PACKAGE_ITEMS_MANUALLY" => {
                let mut groups: Vec<Value> = self
                    .groups(command, package)
                    .into_iter()
                    .map(|(at, items)| json!({ "stock_location": at, "package_items": items }))
                    .collect();
                let wrong = match flaw {
                    Some(2) => {
                        groups.push(groups[0].clone());
                        wrong("assignment_groups")
                    }
                    Some(3) => {
                        groups.remove(0);
                        wrong("assignment_groups")
                    }
                    Some(4) => {
                        groups[0]["stock_location"] = json!("nowhere");
                        wrong("assignment_groups")
                    }
                    _ => None,
                };
                (map([("assignment_groups", json!(groups))]), wrong)
            }
            "REFUSE_PACKAGE" => match flaw {
                Some(2) => (Map::new(), wrong("denial_reason")),
                Some(3) => (map([("denial_reason", json!(999_999))]), wrong("denial_reason")),
                _ => (map([("denial_reason", json!(self.denial_reason))]), None),
            },
            "PREPARE_PACKAGE" => Self::preparation(command, package, flaw, wrong),
            "REPLACE_PRODUCT" => match flaw {
                Some(2) => (map([("replacements", json!([]))]), wrong("replacements")),
                Some(3) => {
                    (map([("replacements", json!([{ "package_item": 999_999, "sku": "X" }]))]), wrong("replacements"))
                }
                _ => (map([("replacements", replacements_json(command, package))]), None),
            },
            "UPDATE_INVOICE" if flaw == Some(2) => (Map::new(), wrong("invoice_number")),
            "UPDATE_INVOICE" => (map([("invoice_number", json!(tracking(command)))]), None),
            "UPDATE_SHIPMENT_INFO" => match flaw {
                Some(2) => (Map::new(), wrong("tracking_number")),
                Some(3) => (map([("query_number", json!(" "))]), wrong("query_number")),
                _ => {
                    let (number, carrier) = (json!(tracking(command)), json!(carrier(command)));
                    (map([("tracking_number", number), ("cargo_company", carrier)]), None)
                }
            },
            "UPDATE_SHIPMENT_LABEL" if flaw == Some(2) => (Map::new(), wrong("package_items")),
            "UPDATE_SHIPMENT_LABEL" => (map([("package_items", json!([]))]), None),
            "CANCEL_PACKED_PACKAGE" | "RETURN_PACKAGE" if flaw == Some(2) => (Map::new(), wrong("restock")),
            "CANCEL_PACKED_PACKAGE" | "RETURN_PACKAGE" => (map([("restock", json!(command.input.flag))]), None),
            "CANCEL_PACKAGE" if flaw == Some(2) => {
                (map([("cancellation_reason", json!([]))]), wrong("cancellation_reason"))
            }
            "SHIP_THE_PACKAGE" => (map([("package_items", json!("whatever"))]), None),
            // A command that nothing more is known of: its documented example, or that without a parameter it needs.
            name => {
                let mut input = plain_input(kind(name)).as_object().cloned().expect("an object");
                match kind(name).parameters.iter().find(|parameter| parameter.required && flaw == Some(2)) {
                    Some(parameter) => {
                        input.remove(parameter.name);
                        (input, wrong(parameter.name))
                    }
                    None => (input, None),
                }
            }
        }
    }

    /// `input_parameters` of a preparation.
    fn preparation(
        command: &Command,
        package: &Package,
        flaw: Option<usize>,
        wrong: impl Fn(&str) -> Option<Expected>,
    ) -> (Map<String, Value>, Option<Expected>) {
        let mut input = map([
            ("select_items_by_omnitron_id", json!(false)),
            ("out_of_stock_items", json!(Self::missing(command, package))),
            ("replacements", replacements_json(command, package)),
        ]);
        match flaw {
            Some(2) => {
                input.remove("select_items_by_omnitron_id");
                (input, wrong("select_items_by_omnitron_id"))
            }
            Some(3) => {
                let all: Vec<&i64> = package.items.keys().collect();
                input.insert("out_of_stock_items".to_owned(), json!(all));
                (input, wrong("out_of_stock_items"))
            }
            Some(4) => {
                input.insert("barcodes".to_owned(), json!([{ "package_item": 999_999, "barcode": "8" }]));
                (input, wrong("barcodes"))
            }
            _ => (input, None),
        }
    }
}

fn replacements_json(command: &Command, package: &Package) -> Value {
    let replacements = Model::replacements(command, package).into_iter();
    replacements.map(|(id, sku)| json!({ "package_item": id, "sku": sku })).collect()
}

pub fn map<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

pub fn tracking(command: &Command) -> String {
    format!("TN-{}-{}", command.package, command.transition)
}

pub fn carrier(command: &Command) -> &'static str {
    if command.input.flag { "first" } else { "second" }
}
