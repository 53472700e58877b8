//! The common parameters: which a command takes, what they default to, and what of them is recorded.
//!
//! A transition may give defaults of its own; a request overrules them. What differs from the documented defaults in the
//! end is recorded with the move, for whoever reports it to the upstream.

use serde_json::{Map, Value, json};

use super::{Input, Record, input::COMMON};
use crate::error::Refusal;

/// The key of the invoice service; the others are flags.
const INVOICE_CALL: &str = "remote_invoice_call";

/// Checks `package` against the URL, and the common parameters: their types, and that the command takes them.
///
/// # Errors
/// 400 named by the key.
pub fn check(input: Input<'_>, package_id: i64, accepted: &[&str]) -> Result<(), Refusal> {
    if input.optional("package").is_some() && input.integer("package")? != package_id {
        return Err(Refusal::field("package", "This is not the package of the URL."));
    }
    for parameter in COMMON {
        let Some(value) = input.optional(parameter.name) else { continue };
        if !accepted.contains(&parameter.name) {
            return Err(Refusal::field(parameter.name, "This command does not take this parameter. Leave it out."));
        }
        if parameter.name == INVOICE_CALL {
            invoice_call(value).map_err(|message| Refusal::field(INVOICE_CALL, message))?;
        } else {
            input.boolean(parameter.name)?;
        }
    }
    Ok(())
}

/// What is to be recorded of the common parameters a command takes, after [`check`].
pub fn record(input: Input<'_>, defaults: &Map<String, Value>, accepted: &[&str], record: &mut Record) {
    let defaults = Input(defaults);
    for name in accepted {
        let Some(source) = [input, defaults].into_iter().find(|source| source.optional(name).is_some()) else {
            continue;
        };
        if *name == INVOICE_CALL {
            record.invoice_call = source.optional(name).and_then(|call| invoice_call(call).ok());
        } else if let Ok(flag) = source.boolean(name)
            && flag != is_on_by_default(name)
        {
            record.parameters.insert((*name).to_owned(), json!(flag));
        }
    }
}

/// What a flag means where nobody says (reference 3.1).
fn is_on_by_default(name: &str) -> bool {
    name == "sync_remote_order_status"
}

/// `remote_invoice_call` as the reference (3.1) has it, complete with its defaults; keys it does not know are left out.
///
/// # Errors
/// A sentence that names the key and never repeats its value, which may be a secret.
pub fn invoice_call(value: &Value) -> Result<Value, String> {
    let call = value.as_object().ok_or("Expected an object.")?;
    let auth = call.get("auth").ok_or("auth is required.")?;
    let auth = auth.as_object().ok_or("auth must be an object.")?;
    let timeouts = call.get("timeouts").ok_or("timeouts is required.")?;
    let timeouts = timeouts.as_object().ok_or("timeouts must be an object.")?;
    let url = call.get("remote_url").ok_or("remote_url is required.")?;
    let url = url.as_str().filter(|url| is_http(url)).ok_or("remote_url must be an http or https address.")?;
    let mut complete = json!({
        "auth": self::auth(auth)?,
        "timeouts": { "read": seconds(timeouts, "read", 10.0)?, "connect": seconds(timeouts, "connect", 60.0)? },
        "remote_url": url,
    });
    for name in ["generate_invoice_number", "generate_invoice_url"] {
        match call.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::Bool(flag)) => complete[name] = json!(flag),
            Some(_) => return Err(format!("{name} must be true or false.")),
        }
    }
    Ok(complete)
}

fn auth(auth: &Map<String, Value>) -> Result<Value, String> {
    let text = |name: &str| {
        let text = auth.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        text.ok_or_else(|| format!("auth.{name} is required: a string."))
    };
    match auth.get("request_type").and_then(Value::as_str) {
        Some("anonymous") => Ok(json!({ "request_type": "anonymous" })),
        Some("basic_auth") => {
            Ok(json!({ "request_type": "basic_auth", "username": text("username")?, "password": text("password")? }))
        }
        Some("token") => {
            let prefix = match auth.get("token_prefix") {
                None | Some(Value::Null) => "Bearer",
                Some(Value::String(prefix)) => prefix,
                Some(_) => return Err("auth.token_prefix must be a string.".to_owned()),
            };
            Ok(json!({ "request_type": "token", "token": text("token")?, "token_prefix": prefix }))
        }
        _ => Err("auth.request_type must be anonymous, basic_auth or token.".to_owned()),
    }
}

fn seconds(timeouts: &Map<String, Value>, name: &str, default: f64) -> Result<f64, String> {
    match timeouts.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value
            .as_f64()
            .filter(|seconds| *seconds > 0.0)
            .ok_or_else(|| format!("timeouts.{name} must be a positive number of seconds.")),
    }
}

fn is_http(url: &str) -> bool {
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::input::{PACKING, SYNC};

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    fn recorded(input: &Value, defaults: &Value, accepted: &[&str]) -> Record {
        let mut record = Record::default();
        super::record(Input(&object(input)), &object(defaults), accepted, &mut record);
        record
    }

    #[test]
    fn an_invoice_call_must_say_where_and_how() {
        let token = json!({"auth": {"request_type": "token", "token": "x"}, "timeouts": {"read": 3},
                           "remote_url": "https://erp.example/invoice", "generate_invoice_url": true, "more": 1});
        let complete = json!({"auth": {"request_type": "token", "token": "x", "token_prefix": "Bearer"},
                              "timeouts": {"read": 3.0, "connect": 60.0},
                              "remote_url": "https://erp.example/invoice", "generate_invoice_url": true});
        assert_eq!(invoice_call(&token), Ok(complete));
        let anonymous = json!({"request_type": "anonymous"});
        for (broken, message) in [
            (json!(1), "Expected an object."),
            (json!({"timeouts": {}, "remote_url": "https://x"}), "auth is required."),
            (json!({"auth": {}, "timeouts": {}, "remote_url": "https://x"}), "auth.request_type must be"),
            (
                json!({"auth": {"request_type": "token"}, "timeouts": {}, "remote_url": "https://x"}),
                "auth.token is required: a string.",
            ),
            (
                json!({"auth": {"request_type": "basic_auth", "username": "u"}, "timeouts": {}, "remote_url": "https://x"}),
                "auth.password is required: a string.",
            ),
            (json!({"auth": anonymous, "remote_url": "https://x"}), "timeouts is required."),
            (json!({"auth": anonymous, "timeouts": {"read": -1}, "remote_url": "https://x"}), "timeouts.read must be"),
            (json!({"auth": anonymous, "timeouts": {}}), "remote_url is required."),
            (json!({"auth": anonymous, "timeouts": {}, "remote_url": "ftp://x"}), "remote_url must be an http"),
            (
                json!({"auth": anonymous, "timeouts": {}, "remote_url": "http://x", "generate_invoice_number": "yes"}),
                "generate_invoice_number must be true or false.",
            ),
        ] {
            let refused = invoice_call(&broken).expect_err("refused");
            assert!(refused.starts_with(message), "{broken}: {refused}");
        }
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
        let refusal = check(Input(&input), 1, SYNC).expect_err("refused");
        assert_eq!(
            refusal.error,
            json!({"remote_bill_fulfillment_call": ["This command does not take this parameter. Leave it out."]})
        );
        assert_eq!(check(Input(&input), 1, PACKING), Ok(()));
    }
}
