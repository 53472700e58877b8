//! The common parameters: they control the report to the upstream, for every command.

use serde_json::{Map, Value, json};
use url::Url;

use super::Parameter;

/// The schema of a list of items that a command names, each by its id or as units of it; with keys of the list before it.
macro_rules! items_schema {
    ($keys:literal) => {
        concat!(
            "{",
            $keys,
            r#","items":{"oneOf":[{"type":"integer"},{"type":"object","additionalProperties":false,"required":["id"],"properties":{"id":{"type":"integer"},"quantity":{"type":["integer","null"],"minimum":1}}}]}}"#
        )
    };
}
pub(crate) use items_schema;

/// The common parameters. Each kind lists those that it accepts.
pub static COMMON: &[Parameter] = &[
    Parameter {
        name: "sync_remote_order_status",
        schema: r#"{"type":"boolean","default":true}"#,
        summary: "Whether the upstream is told of the new status.",
        ..Parameter::OPTIONAL
    },
    Parameter {
        name: "remote_bill_fulfillment_call",
        schema: r#"{"type":"boolean","default":false}"#,
        summary: "Whether the upstream's bill fulfilment is called.",
        ..Parameter::OPTIONAL
    },
    Parameter {
        name: "remote_invoice_call",
        schema: r#"{"oneOf":[{"type":"object","required":["auth","timeouts","remote_url"],"properties":{"auth":{"type":"object","required":["request_type"],"properties":{"request_type":{"enum":["anonymous","basic_auth","token"]},"username":{"type":"string"},"password":{"type":"string"},"token":{"type":"string"},"token_prefix":{"type":"string","default":"Bearer"}}},"timeouts":{"type":"object","properties":{"read":{"type":"number","default":10},"connect":{"type":"number","default":60}}},"remote_url":{"type":"string","format":"uri","description":"Only what the setting OMS_INVOICE_URLS allows."},"generate_invoice_number":{"type":"boolean"},"generate_invoice_url":{"type":"boolean"}}},{"type":"object","required":["service"],"properties":{"service":{"type":"string","description":"An invoice service of the installation."},"generate_invoice_number":{"type":"boolean"},"generate_invoice_url":{"type":"boolean"}}}]}"#,
        summary: "Where an invoice is asked for: a service of the installation, or an address with a login.",
        ..Parameter::OPTIONAL
    },
];

/// Names of the common parameters that packing commands accept.
pub const PACKING: &[&str] = &["sync_remote_order_status", "remote_bill_fulfillment_call", "remote_invoice_call"];
/// Names of the common parameters that plain moves accept.
pub const SYNC: &[&str] = &["sync_remote_order_status"];
/// Names of the common parameters of an invoice.
pub const INVOICE: &[&str] = &["remote_invoice_call"];
/// Names of the common parameters of an advanced ship.
pub const SYNC_AND_INVOICE: &[&str] = &["sync_remote_order_status", "remote_invoice_call"];

/// Longest address, and longest text of a login, in bytes.
const LONGEST_TEXT: usize = 2048;

/// `remote_invoice_call` as the Akinon OMS documents it, completed with its defaults, or `{"service"}`; unknown keys are
/// left out.
///
/// # Errors
/// A sentence that names the key, but never its value, which may be a secret.
pub fn invoice_call(value: &Value) -> Result<Value, String> {
    let call = value.as_object().ok_or("Expected an object.")?;
    let given = |name: &str| call.get(name).filter(|value| !value.is_null());
    let mut complete = match given("service") {
        Some(service) => {
            let slug = service.as_str().filter(|slug| !slug.trim().is_empty());
            let slug = slug.ok_or("service must be the slug of an invoice service.")?;
            if let Some(other) = ["remote_url", "auth", "timeouts"].into_iter().find(|name| given(name).is_some()) {
                return Err(format!("Give service or {other}, not both."));
            }
            json!({ "service": slug.trim() })
        }
        None => address(call)?,
    };
    for name in ["generate_invoice_number", "generate_invoice_url"] {
        match given(name) {
            None => {}
            Some(Value::Bool(flag)) => complete[name] = json!(flag),
            Some(_) => return Err(format!("{name} must be true or false.")),
        }
    }
    Ok(complete)
}

/// An address with a login and timeouts.
fn address(call: &Map<String, Value>) -> Result<Value, String> {
    let auth = call.get("auth").ok_or("auth is required.")?;
    let auth = auth.as_object().ok_or("auth must be an object.")?;
    let timeouts = call.get("timeouts").ok_or("timeouts is required.")?;
    let timeouts = timeouts.as_object().ok_or("timeouts must be an object.")?;
    let url = call.get("remote_url").ok_or("remote_url is required.")?;
    let url = url.as_str().filter(|url| is_http(url)).ok_or("remote_url must be an http or https address.")?;
    Ok(json!({
        "auth": self::auth(auth)?,
        "timeouts": { "read": seconds(timeouts, "read", 10.0)?, "connect": seconds(timeouts, "connect", 60.0)? },
        "remote_url": url,
    }))
}

fn auth(auth: &Map<String, Value>) -> Result<Value, String> {
    let text = |name: &str| {
        let text = auth.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| format!("auth.{name} is required: a string."))?;
        if text.len() > LONGEST_TEXT || text.contains(char::is_control) {
            return Err(format!("auth.{name} is no word of a login: at most {LONGEST_TEXT} bytes on one line."));
        }
        Ok(text)
    };
    match auth.get("request_type").and_then(Value::as_str) {
        Some("anonymous") => Ok(json!({ "request_type": "anonymous" })),
        Some("basic_auth") => {
            Ok(json!({ "request_type": "basic_auth", "username": text("username")?, "password": text("password")? }))
        }
        Some("token") => {
            let prefix = match auth.get("token_prefix") {
                None | Some(Value::Null) => "Bearer",
                Some(Value::String(prefix)) if prefix.len() <= LONGEST_TEXT && !prefix.contains(char::is_control) => {
                    prefix
                }
                Some(_) => return Err("auth.token_prefix must be a short string.".to_owned()),
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
    let parsed = if url.len() > LONGEST_TEXT { None } else { url.parse::<Url>().ok() };
    parsed.is_some_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invoice_call_must_say_where_and_how() {
        let token = json!({"auth": {"request_type": "token", "token": "x"}, "timeouts": {"read": 3},
                           "remote_url": "https://erp.example/invoice", "generate_invoice_url": true, "more": 1});
        let complete = json!({"auth": {"request_type": "token", "token": "x", "token_prefix": "Bearer"},
                              "timeouts": {"read": 3.0, "connect": 60.0},
                              "remote_url": "https://erp.example/invoice", "generate_invoice_url": true});
        assert_eq!(invoice_call(&token), Ok(complete));
        let named = json!({"service": "till", "generate_invoice_number": true, "from_installation": true});
        assert_eq!(invoice_call(&named), Ok(json!({"service": "till", "generate_invoice_number": true})));
        let anonymous = json!({"request_type": "anonymous"});
        for (broken, message) in [
            (json!(1), "Expected an object."),
            (json!({"service": 1}), "service must be the slug"),
            (json!({"service": "till", "remote_url": "https://x"}), "Give service or remote_url"),
            (json!({"service": "till", "auth": anonymous}), "Give service or auth"),
            (
                json!({"auth": {"request_type": "token", "token": "a\r\nHost: b"}, "timeouts": {}, "remote_url": "https://x"}),
                "auth.token is no word of a login",
            ),
            (json!({"auth": anonymous, "timeouts": {}, "remote_url": "https://"}), "remote_url must be an http"),
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
}
