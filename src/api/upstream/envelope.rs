//! Webhooks of the upstream: who sends them, and an envelope around the payload, signed if there is a secret.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};

use crate::{
    api::extract::{Doors, Managers, Unlimited},
    error::{Error, Refusal},
    openapi::{self, Written},
    reading, signature,
    upstream::Upstream,
    wire,
};

/// The schema of a webhook with such a payload; `types` are its events.
pub(super) fn schema(types: &[&str], payload: &Written) -> RefOr<Schema> {
    openapi::of_value(json!({
        "type": "object", "required": ["event", "payload"], "properties": {
            "event": {
                "type": "object", "additionalProperties": true, "required": ["type"], "properties": {
                    "type": { "type": "string", "description": format!("As {}.", types.join(" or ")) },
                    "uuid": { "type": "string" } } },
            "payload": openapi::reference(payload.name) }
    }))
}

/// A webhook of an event with this payload, as an example.
pub(super) fn example(event_type: &str, payload: &Value) -> Value {
    json!({ "event": { "type": event_type, "uuid": "8f14e45fceea467f9d2b0c6c1a5b7d3e" }, "payload": payload })
}

/// Whoever may send webhooks, by `Authorization: Token <key>` or, for dj-whisperer knows nothing else, by HTTP Basic: the
/// user's name, and one of the user's tokens as the password. (A token, for a password is slow to check, on purpose, and
/// would be so for each webhook.)
pub(super) struct Sender(pub Unlimited<Managers>);

impl FromRequestParts<Doors> for Sender {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, doors: &Doors) -> Result<Self, Error> {
        let Some((name, token)) = basic(&parts.headers)? else {
            return Ok(Self(Unlimited::from_request_parts(parts, doors).await?));
        };
        parts.headers.insert(header::AUTHORIZATION, token);
        let door: Unlimited<Managers> = Unlimited::from_request_parts(parts, doors).await?;
        if door.caller().username == name { Ok(Self(door)) } else { Err(wrong_credentials().into()) }
    }
}

/// The name, and the password as the token that it is; none where the request is not authenticated by HTTP Basic.
fn basic(headers: &HeaderMap) -> Result<Option<(String, HeaderValue)>, Refusal> {
    let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let Some((_, encoded)) = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic")) else {
        return Ok(None);
    };
    let decoded = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let (name, password) = decoded.as_deref().and_then(|text| text.split_once(':')).ok_or_else(wrong_credentials)?;
    let token = HeaderValue::from_str(&format!("Token {password}")).map_err(|_| wrong_credentials())?;
    Ok(Some((reading::name(name).into_owned(), token)))
}

fn wrong_credentials() -> Refusal {
    let detail = "Invalid username/password: the password is a token of that user, as `oms token issue` prints it.";
    Refusal::detail(StatusCode::UNAUTHORIZED, detail)
}

/// A checked webhook.
#[derive(Debug)]
pub(super) struct Webhook {
    /// The payload.
    pub payload: Value,
}

/// Reads and checks a webhook. `prefix` is the beginning of the accepted types.
///
/// # Errors
/// 401 for a wrong signature, 400 for a body without an envelope, 415 for another content type than JSON.
pub(super) fn authenticate(upstream: &Upstream, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
    wire::check_media_type(headers)?;
    if let Some(secret) = &upstream.webhook_secret {
        let given = headers.get(signature::HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !signature::is_valid(secret.reveal(), body, given) {
            let detail = "X-Whisperer-Signature does not fit the body; sign it with the secret that was agreed on.";
            return Err(Refusal::detail(StatusCode::UNAUTHORIZED, detail));
        }
    }
    Ok(())
}

/// The payload of an envelope whose event's type begins so.
///
/// # Errors
/// 400 for another type, or without a payload.
pub(super) fn payload(mut envelope: Value, prefix: &str) -> Result<Webhook, Refusal> {
    if !envelope.is_object() {
        return Err(Refusal::non_field(&reading::no_dictionary(&envelope)));
    }
    let event_type = envelope["event"]["type"].as_str().unwrap_or_default();
    if !event_type.starts_with(prefix) {
        let message = format!("event.type must begin with {prefix}; other webhooks belong to other addresses.");
        return Err(Refusal::field("event", message));
    }
    match envelope["payload"].take() {
        payload @ Value::Object(_) => Ok(Webhook { payload }),
        _ => Err(Refusal::field("payload", "An object is required: what the event is about.")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(body: Value) -> Refusal {
        payload(body, "order.").expect_err("refused")
    }

    #[test]
    fn an_envelope_names_its_event_and_holds_a_payload() {
        let body = json!({ "event": { "type": "order.created", "uuid": "u" }, "payload": { "number": "1" } });
        let webhook = payload(body, "order.").expect("a webhook");
        assert_eq!(webhook.payload, json!({ "number": "1" }));
        for (body, field) in [
            (json!([]), "non_field_errors"),
            (json!({ "payload": {} }), "event"),
            (json!({ "event": { "type": "retail_store.created" }, "payload": {} }), "event"),
            (json!({ "event": { "type": "order.created" } }), "payload"),
            (json!({ "event": { "type": "order.created" }, "payload": [] }), "payload"),
        ] {
            assert!(refusal(body.clone()).error.get(field).is_some(), "{body}");
        }
    }

    #[test]
    fn where_a_secret_is_agreed_on_the_signature_must_fit() {
        let upstream = Upstream { webhook_secret: "s".parse().ok(), ..Upstream::default() };
        let body = json!({ "event": { "type": "order.created" }, "payload": {} });
        let mut headers = HeaderMap::new();
        let text = body.to_string();
        let refused = authenticate(&upstream, &headers, text.as_bytes()).expect_err("no signature");
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
        let signed = signature::sign("s", text.as_bytes()).parse().expect("a header");
        headers.insert(signature::HEADER, signed);
        assert!(authenticate(&upstream, &headers, text.as_bytes()).is_ok());
    }
}
