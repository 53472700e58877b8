//! Pushes as dj-whisperer does: an envelope, its type in a header, and a signature if there is a secret.

use http::{Method, header};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    outbound, signature,
    simulator::{PUSH_EVERY, Simulator, Target},
};

/// Pushes one webhook; returns the answer.
pub(super) async fn push(simulator: &Simulator, to: &Target, event_type: &str, payload: &Value) -> Value {
    let uuid = Uuid::new_v4().simple().to_string();
    let body = json!({ "event": { "type": event_type, "uuid": uuid }, "payload": payload }).to_string();
    let url = to.url.parse().map_err(|error| format!("the address is none: {error}"));
    let request = url.and_then(|url| simulator.http.request(Method::POST, url));
    let mut request = match request {
        Ok(request) => request.header(header::CONTENT_TYPE, "application/json").header("X-Whisperer-Event", event_type),
        Err(why) => return json!({ "status": null, "body": why }),
    };
    if let Some(secret) = &to.secret {
        request = request.header(signature::HEADER, signature::sign(secret.reveal(), body.as_bytes()));
    }
    if let Some(token) = &to.token {
        request = request.header(header::AUTHORIZATION, format!("Token {}", token.reveal()));
    }
    match request.body(body).send().await {
        Ok(response) => {
            let status = response.status().as_u16();
            let body = response.text().await.unwrap_or_default();
            json!({ "status": status, "body": serde_json::from_str(&body).unwrap_or(Value::String(body)) })
        }
        Err(error) => json!({ "status": null, "body": outbound::no_answer(&error) }),
    }
}

/// Pushes each order as it arrives, repeatedly until it is taken.
pub(super) async fn follow(simulator: Simulator, to: Target, stop: CancellationToken) {
    let mut pushed = 0;
    let mut looks = tokio::time::interval(PUSH_EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
        }
        loop {
            let order = simulator.world().orders.get(pushed).map(|order| order.json.clone());
            let Some(order) = order else { break };
            let answer = push(&simulator, &to, "order.created", &order).await;
            if !answer["status"].as_u64().is_some_and(|status| (200..300).contains(&status)) {
                let (answer, number) = (answer.to_string(), order["number"].to_string());
                tracing::warn!(answer, number, "an order that was pushed was not taken");
                break;
            }
            pushed += 1;
        }
    }
}
