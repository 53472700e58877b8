//! The common parameters: which ones a command accepts, their defaults, and their records.
//!
//! A transition may have its own defaults; a request overrides them. Values that differ from the documented defaults
//! are recorded with the move, for the report to the upstream.

use serde_json::{Map, Value, json};

use crate::{
    commands::{changes::Record, input::Input},
    error::Refusal,
    invoicing::{self, Invoicing},
    kinds::{
        Kind, Parameter, Recorded,
        common::{COMMON, invoice_call},
    },
    secret::Secret,
    spelling::nearest,
};

/// The key of the invoice service; the others are flags.
const INVOICE_CALL: &str = "remote_invoice_call";

/// Checks `package` against the URL, and the types of the common parameters, and that the command accepts them.
///
/// # Errors
/// 400 named by the key.
pub fn check(
    input: Input<'_>,
    package_id: i64,
    accepted: &[&'static str],
    invoicing: &Invoicing,
) -> Result<(), Refusal> {
    if input.optional("package").is_some() && input.integer("package")? != package_id {
        return Err(Refusal::field("package", "This is not the package of the URL."));
    }
    for parameter in COMMON {
        let Some(value) = input.optional(parameter.name) else { continue };
        if !accepted.contains(&parameter.name) {
            return Err(Refusal::field(parameter.name, "This command does not take this parameter. Leave it out."));
        }
        if parameter.name == INVOICE_CALL {
            let checked = invoice_call(value).and_then(|call| invoicing.check(&call));
            checked.map_err(|message| Refusal::field(INVOICE_CALL, message))?;
        } else {
            input.boolean(parameter.name)?;
        }
    }
    Ok(())
}

/// Refuses what a command does not know: it would do less, or more, than the client thinks. `own`: the object that may be
/// named again.
///
/// # Errors
/// 400 named by the keys.
pub fn refuse_unknown(input: Input<'_>, kind: &Kind, own: &'static str) -> Result<(), Refusal> {
    let parameters = kind.parameters.iter().map(|parameter| parameter.name);
    let known: Vec<&'static str> = parameters.chain(kind.common.iter().copied()).chain([own]).collect();
    // Common ones that it does not take have a message of their own.
    let is_known = |key: &str| known.contains(&key) || COMMON.iter().any(|parameter| parameter.name == key);
    let unknown: Vec<&String> = input.0.keys().filter(|key| !is_known(key)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(Refusal::fields(unknown.into_iter().map(|key| {
        let message = match nearest(key, known.iter().copied()) {
            Some(near) => format!("This command has no such parameter. Did you mean {near}?"),
            None => "This command has no such parameter. Leave it out.".to_owned(),
        };
        (key.clone(), vec![message])
    })))
}

/// The common parameters to record, after [`check`].
pub fn record(input: Input<'_>, defaults: &Map<String, Value>, accepted: &[&'static str], record: &mut Record) {
    let defaults = Input(defaults);
    for name in accepted {
        let sources = [(input, false), (defaults, true)];
        let Some((source, is_installed)) = sources.into_iter().find(|(source, _)| source.optional(name).is_some())
        else {
            continue;
        };
        if *name == INVOICE_CALL {
            let call = source.optional(name).and_then(|call| invoice_call(call).ok());
            record.invoice_call = call.map(|mut call| {
                if is_installed {
                    invoicing::mark_installed(&mut call);
                }
                Secret::new(call)
            });
        } else if let Ok(flag) = source.boolean(name)
            && flag != is_on_by_default(name)
        {
            record.parameters.insert((*name).to_owned(), json!(flag));
        }
    }
}

/// Reads the command's own parameters that are recorded, by name.
///
/// # Errors
/// 400 named by the key.
pub fn read_recorded(input: Input<'_>, parameters: &[Parameter]) -> Result<Map<String, Value>, Refusal> {
    let mut recorded = Map::new();
    for parameter in parameters {
        let Some(how) = parameter.recorded else { continue };
        if !parameter.required && input.optional(parameter.name).is_none() {
            continue;
        }
        let value = match how {
            Recorded::Text { most_characters } => json!(input.short_string(parameter.name, most_characters)?),
            Recorded::Integer => json!(input.integer(parameter.name)?),
        };
        recorded.insert(parameter.name.to_owned(), value);
    }
    Ok(recorded)
}

/// The default of a flag, as the Akinon OMS documents it.
fn is_on_by_default(name: &str) -> bool {
    name == "sync_remote_order_status"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::common::{PACKING, SYNC};

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    fn recorded(input: &Value, defaults: &Value, accepted: &[&'static str]) -> Record {
        let mut record = Record::default();
        super::record(Input(&object(input)), &object(defaults), accepted, &mut record);
        record
    }

    #[test]
    fn only_what_differs_from_the_documented_defaults_is_recorded() {
        let plain = json!({"sync_remote_order_status": true, "remote_bill_fulfillment_call": false});
        assert_eq!(recorded(&plain, &json!({}), PACKING), Record::default());
        assert_eq!(recorded(&json!({}), &json!({}), PACKING), Record::default());
        let off = recorded(&json!({"sync_remote_order_status": "false"}), &json!({}), SYNC);
        assert_eq!(Value::Object(off.parameters), json!({"sync_remote_order_status": false}));
    }

    #[test]
    fn a_transition_has_defaults_and_a_request_overrules_them() {
        let defaults = json!({"sync_remote_order_status": false, "remote_bill_fulfillment_call": true});
        let both = recorded(&json!({}), &defaults, PACKING).parameters;
        assert_eq!(Value::Object(both), defaults);
        let one = recorded(&json!({"sync_remote_order_status": true}), &defaults, PACKING).parameters;
        assert_eq!(Value::Object(one), json!({"remote_bill_fulfillment_call": true}));
    }

    #[test]
    fn a_parameter_that_the_command_does_not_take_is_refused_by_name() {
        let input = object(&json!({"remote_bill_fulfillment_call": true}));
        let refusal = check(Input(&input), 1, SYNC, &Invoicing::default()).expect_err("refused");
        assert_eq!(
            refusal.error,
            json!({"remote_bill_fulfillment_call": ["This command does not take this parameter. Leave it out."]})
        );
        assert_eq!(check(Input(&input), 1, PACKING, &Invoicing::default()), Ok(()));
    }

    #[test]
    fn an_address_is_the_installations_or_it_is_asked_whether_it_may_be_called() {
        let call = json!({"remote_invoice_call": {"auth": {"request_type": "anonymous"}, "timeouts": {},
                                                  "remote_url": "https://erp.example", "from_installation": true}});
        let refusal = check(Input(&object(&call)), 1, PACKING, &Invoicing::default()).expect_err("refused");
        assert!(refusal.to_string().starts_with("remote_invoice_call: remote_url: This server calls no address"));
        let marked =
            |record: Record| record.invoice_call.expect("recorded").reveal().get("from_installation").is_some();
        assert!(!marked(recorded(&call, &json!({}), PACKING)), "a request cannot say that it is the installation");
        assert!(marked(recorded(&json!({}), &call, PACKING)));
    }
}
