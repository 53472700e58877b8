//! A cancellation plan of the upstream, read and checked.
//!
//! The public pages of the Akinon OMS show its beginning (`pk`, `order`, `plan_type`), but not how it lists the order's
//! lines. They are looked up under the names that the upstream's models suggest. A plan without lines is about the
//! whole order.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    error::Refusal,
    openapi::Written,
    orders::identity::{Channel, Named},
    reading::{self, Reader, no_dictionary, values},
};

/// Possible keys of the lines.
const LINES: [&str; 4] =
    ["cancellationplanorderitem_set", "cancellation_plan_order_items", "order_items", "orderitem_set"];

const NO_LINE: &str = "Keys of order items are required, at least one; leave it out for the whole order.";

/// A plan as it is sent: what [`Plan::read`] reads; the upstream sends more.
pub(crate) const PLAN: Written = Written {
    name: "UpstreamCancellationPlan",
    schema: r##"{"type": "object", "additionalProperties": true, "description": "A cancellation plan, as the upstream has it.",
        "required": ["pk", "plan_type", "order"], "properties": {
        "pk": {"type": "integer", "description": "The upstream's own key."},
        "plan_type": {"type": "string", "enum": ["cancel", "refund"]},
        "order": {"description": "The order's number, or an object with it.", "oneOf": [{"type": ["string", "integer"]},
                  {"type": "object", "additionalProperties": true, "required": ["number"], "properties": {
                   "number": {"type": ["string", "integer"]},
                   "channel": {"oneOf": [{"type": "null"}, {"$ref": "#/components/schemas/Channel"}], "description": "Which of several orders of this number."},
                   "pk": {"type": ["integer", "string", "null"], "description": "The upstream's own key of the order, where the channel has several of this number."}}}]},
        "order_items": {"type": "array", "minItems": 1,
                        "description": "The upstream's keys of the lines, or objects with them; left out: the whole order.",
                        "items": {"oneOf": [{"type": "integer"}, {"type": "object", "additionalProperties": true, "properties": {
                         "order_item": {"description": "The upstream's key of the line, or an object with it as `pk`."},
                         "pk": {"description": "The same, where there is no `order_item`."},
                         "quantity": {"type": ["integer", "string", "null"], "minimum": 1, "description": "How many units of it are cancelled; left out: all."}}}]}}}}"##,
};

/// Cancelled before shipping, or sent back after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlanType {
    Cancel,
    Refund,
}

impl PlanType {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Refund => "refund",
        }
    }
}

/// A checked plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub pk: i64,
    pub kind: PlanType,
    pub order: Named,
    /// The lines; none: the whole order.
    pub order_items: Option<Vec<PlanLine>>,
}

/// A line of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlanLine {
    /// The upstream's key of it.
    pub key: i64,
    /// Its units that are cancelled; none: all.
    pub quantity: Option<i64>,
}

impl Plan {
    /// Reads the payload of `cancellation_plan.created`.
    pub(super) fn of_payload(payload: &Value) -> Result<Self, Refusal> {
        let Value::Object(object) = payload else { return Err(Refusal::non_field(&no_dictionary(payload))) };
        let plan = reading::request(object, Self::read)?;
        plan.ok_or_else(|| Refusal::non_field("No plan was sent."))
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        reader.require(&["pk", "plan_type", "order"]);
        let pk = reader.integer("pk", i64::MIN..=i64::MAX);
        let kind = reader.word("plan_type", &[("cancel", PlanType::Cancel), ("refund", PlanType::Refund)]);
        let order = reader.value("order");
        let named = order.and_then(named);
        if order.is_some() && named.is_none() {
            reader.wrong("order", "The order's number is required: {\"number\": \"…\"}.");
        }
        let lists = LINES.map(|name| Some((name, reader.value(name)?.as_array()?)));
        let order_items = lists.into_iter().flatten().next().map(|(name, list)| {
            lines(list).unwrap_or_else(|wrong| {
                reader.wrong(name, wrong);
                Vec::new()
            })
        });
        Some(Self { pk: pk?, kind: kind?, order: named?, order_items })
    }
}

/// The order: its number, or an object with it, which may name the channel and the upstream's key too.
fn named(order: &Value) -> Option<Named> {
    let number = [&order["number"], order].into_iter().find_map(values::name).filter(|number| !number.is_empty())?;
    let channel = Channel::of(&order["channel"]);
    let is_said = channel != Channel::default();
    Some(Named { number, channel: is_said.then_some(channel), omnitron_id: values::integer(&order["pk"]) })
}

/// The lines of a plan, each once; why they are none.
fn lines(list: &[Value]) -> Result<Vec<PlanLine>, &'static str> {
    let lines: Vec<PlanLine> = list.iter().map(line).collect::<Result<_, _>>()?;
    let mut keys = BTreeSet::new();
    if lines.is_empty() {
        return Err(NO_LINE);
    }
    if lines.iter().any(|line| !keys.insert(line.key)) {
        return Err("Name each order item once.");
    }
    Ok(lines)
}

/// A line: the key of an order item, or an object with the key.
fn line(value: &Value) -> Result<PlanLine, &'static str> {
    let keys = [value, &value["order_item"], &value["order_item"]["pk"], &value["pk"]];
    let key = keys.into_iter().find_map(values::integer).ok_or(NO_LINE)?;
    let quantity = match &value["quantity"] {
        Value::Null => None,
        sent => {
            Some(values::integer(sent).filter(|units| *units > 0).ok_or("A quantity is a whole number from 1 on.")?)
        }
    };
    Ok(PlanLine { key, quantity })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plan_names_its_order_and_its_lines() {
        let plan = json!({ "pk": 7, "plan_type": "cancel", "order": { "pk": 3, "number": "R1", "channel": 7 } });
        let read = Plan::of_payload(&plan).expect("a plan");
        assert_eq!((read.pk, read.kind, read.order.number.as_str()), (7, PlanType::Cancel, "R1"));
        assert_eq!((read.order.channel, read.order.omnitron_id), (Some(Channel { id: Some(7), name: None }), Some(3)));
        assert_eq!(read.order_items, None);
        for lines in [
            json!({ "order_items": [1, 2] }),
            json!({ "order_items": [{ "pk": 1 }, { "pk": 2 }] }),
            json!({ "cancellationplanorderitem_set": [{ "pk": 8, "order_item": 1 }, { "order_item": { "pk": 2 } }] }),
        ] {
            let mut plan = plan.clone();
            plan.as_object_mut().expect("an object").extend(lines.as_object().expect("an object").clone());
            let lines = Plan::of_payload(&plan).expect("a plan").order_items.expect("lines");
            assert_eq!(lines, [1, 2].map(|key| PlanLine { key, quantity: None }), "{plan}");
        }
    }

    #[test]
    fn a_line_is_named_once_and_some_units_of_it_by_their_number() {
        let line = |key, quantity| PlanLine { key, quantity };
        let sent = json!([1, { "pk": 2, "quantity": null }, { "order_item": "3", "quantity": "2.0" }]);
        assert_eq!(lines(sent.as_array().expect("a list")), Ok(vec![line(1, None), line(2, None), line(3, Some(2))]));
        for wrong in [
            json!([]),
            json!([null]),
            json!([{ "quantity": 1 }]),
            json!([1, { "pk": 1, "quantity": 1 }]),
            json!([{ "pk": 1, "quantity": 0 }]),
            json!([{ "pk": 1, "quantity": -1 }]),
            json!([{ "pk": 1, "quantity": 1.5 }]),
            json!([{ "pk": 1, "quantity": [] }]),
        ] {
            assert!(lines(wrong.as_array().expect("a list")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let refusal = Plan::of_payload(&json!({ "plan_type": "maybe", "order_items": [] })).expect_err("refused");
        let fields: Vec<&String> = refusal.error.as_object().expect("fields").keys().collect();
        assert_eq!(fields, ["pk", "order", "plan_type", "order_items"]);
    }
}
