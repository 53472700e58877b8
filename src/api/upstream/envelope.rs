//! Webhooks of the upstream: an envelope around the payload, signed if there is a secret.

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use utoipa::openapi::{RefOr, Schema};

use crate::{
    error::Refusal,
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
