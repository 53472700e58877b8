//! The secrets of a subscription: how they are shown, and when a mask that is sent keeps one.
//!
//! Secret are `secret_key`, the values of `additional_headers`, the password of `config.auth`, and everything under a key
//! of `config` that this server does not know. A mask keeps what is stored, and so does a field that is left out; both only
//! as long as nothing goes to another address. Else somebody who may change a subscription, but was not given its secrets,
//! could have them sent to a server of their own.

use serde_json::{Map, Value, json};
use url::Url;

use crate::secret::{MASK, Secret};

/// What is said of a mask where nothing is stored that it could stand for.
pub(super) const STANDS_FOR_NOTHING: &str = "This is what stands for a secret in answers; send the secret itself.";
/// What is said of a secret that would go to another address than it was meant for.
pub(super) const GOES_ELSEWHERE: &str =
    "The address changes, and a secret is not handed on to another by itself: send it again.";

/// Keys of `config.auth` that are shown.
const SHOWN: [&str; 7] =
    ["auth_type", "url", "username", "username_field", "password_field", "token_key", "header_format"];

/// The secrets of a stored subscription, and where they go.
#[derive(Debug)]
pub struct Kept {
    /// Where events go.
    pub target_url: String,
    /// Signs each body.
    pub secret_key: Option<Secret>,
    /// Name and value of each header.
    pub additional_headers: Secret<Value>,
    /// The login, and keys of the client.
    pub config: Secret<Value>,
}

impl Kept {
    /// True if events go to another address from now on.
    pub(super) fn is_elsewhere(&self, target_url: &str) -> bool {
        !is_same(&self.target_url, target_url)
    }

    /// True if the login that is sent goes where the stored one goes. A basic login goes to the receiver, a token's to its
    /// own address; what it answers goes to the receiver.
    pub(super) fn logs_in_at(&self, auth: &Map<String, Value>) -> bool {
        let stored = &self.config.reveal()["auth"];
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        auth.get("auth_type") == stored.get("auth_type")
            && (stored["auth_type"] == "basic" || is_same(&text(stored.get("url")), &text(auth.get("url"))))
    }

    /// The stored value of a header, whatever the case of its name.
    pub(super) fn header(&self, name: &str) -> Option<&Value> {
        let headers = self.additional_headers.reveal().as_object()?;
        headers
            .get(name)
            .or_else(|| headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
    }

    /// Whether there is a secret in a field.
    pub(super) fn has(&self, field: &str) -> bool {
        let is_filled = |value: &Value| value.as_object().is_some_and(|object| !object.is_empty());
        match field {
            "secret_key" => self.secret_key.as_ref().is_some_and(|secret| !secret.reveal().is_empty()),
            "additional_headers" => is_filled(self.additional_headers.reveal()),
            _ => is_filled(self.config.reveal()),
        }
    }
}

/// Whether two addresses are the same, however they are written.
fn is_same(one: &str, other: &str) -> bool {
    match (one.parse::<Url>(), other.parse::<Url>()) {
        (Ok(mut one), Ok(mut other)) => {
            // It is not sent.
            one.set_fragment(None);
            other.set_fragment(None);
            one == other
        }
        _ => one == other,
    }
}

/// `secret_key` as it is shown.
pub(super) fn key(secret: &Secret) -> String {
    if secret.reveal().is_empty() { String::new() } else { MASK.to_owned() }
}

/// `additional_headers` as they are shown: their names.
pub(super) fn headers(headers: &Value) -> Value {
    masked(headers, |_, _| None)
}

/// `config` as it is shown: how to log in, but the password; of all else the keys.
pub(super) fn config(config: &Value) -> Value {
    masked(config, |key, value| match value {
        Value::Null => Some(Value::Null),
        Value::Object(auth) if key == "auth" => Some(shown_auth(auth)),
        _ => None,
    })
}

fn shown_auth(auth: &Map<String, Value>) -> Value {
    let shown = auth.iter().filter_map(|(key, value)| match key.as_str() {
        "password" => Some((key.clone(), json!(MASK))),
        known if SHOWN.contains(&known) => Some((key.clone(), value.clone())),
        _ => None,
    });
    Value::Object(shown.collect())
}

fn masked(value: &Value, shown: impl Fn(&str, &Value) -> Option<Value>) -> Value {
    let object = value.as_object().into_iter().flatten();
    Value::Object(object.map(|(key, value)| (key.clone(), shown(key, value).unwrap_or_else(|| json!(MASK)))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_to_be_harmless_is_shown() {
        let stored = json!({
            "auth": { "auth_type": "token", "url": "https://a.example/", "username": "oms", "password": "p", "token": "t",
                      "token_key": "key" },
            "api_key": "k", "nested": { "password": "n" }, "list": ["l"], "number": 7, "flag": true, "none": null,
        });
        let shown = json!({
            "auth": { "auth_type": "token", "url": "https://a.example/", "username": "oms", "password": MASK,
                      "token_key": "key" },
            "api_key": MASK, "nested": MASK, "list": MASK, "number": MASK, "flag": MASK, "none": null,
        });
        assert_eq!(config(&stored), shown);
        assert_eq!(config(&json!({ "auth": "p" })), json!({ "auth": MASK }));
        assert_eq!(headers(&json!({ "Authorization": "Token t" })), json!({ "Authorization": MASK }));
    }

    #[test]
    fn the_same_address_may_be_written_otherwise_and_any_other_is_another() {
        assert!(is_same("https://a.example", "HTTPS://A.example:443/#x"));
        for other in [
            "http://a.example/",
            "https://b.example/",
            "https://a.example:8443/",
            "https://a.example/b",
            "https://a.example/?b",
        ] {
            assert!(!is_same("https://a.example/", other), "{other}");
        }
    }
}
