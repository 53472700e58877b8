//! The simulator's own API: `POST /_control/` sets its behaviour, `GET /_received/` lists the received requests.

use std::time::Duration;

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{RawQuery, Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::simulator::{Received, Simulator, Target, push};

/// Largest request body.
const LARGEST_BODY: usize = 16 * 1024 * 1024;

pub(super) fn routes() -> Router<Simulator> {
    Router::new().route("/_control/", post(control)).route("/_received/", get(received))
}

/// The settings. Only fields that are sent change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Control {
    fail: Option<u32>,
    fail_status: Option<u16>,
    lose: Option<u32>,
    stall_ms: Option<u64>,
    repeat: Option<bool>,
    reorder: Option<bool>,
    refuse: Option<Vec<String>>,
    expire_token: Option<bool>,
    #[serde(default)]
    orders: Vec<Value>,
    push: Option<Push>,
}

/// A webhook to push now.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Push {
    to: Target,
    #[serde(rename = "type")]
    event_type: String,
    payload: Option<Value>,
    /// Numbers of its own orders, each pushed as a payload.
    #[serde(default)]
    orders: Vec<String>,
}

async fn control(State(simulator): State<Simulator>, body: Bytes) -> Response {
    let control: Control = match serde_json::from_slice(&body) {
        Ok(control) => control,
        Err(error) => return (StatusCode::BAD_REQUEST, Json(json!({ "detail": error.to_string() }))).into_response(),
    };
    let payloads = set(&simulator, &control);
    let mut pushed = Vec::new();
    if let Some(push) = &control.push {
        for payload in payloads {
            pushed.push(push::push(&simulator, &push.to, &push.event_type, &payload).await);
        }
    }
    Json(json!({ "pushed": pushed })).into_response()
}

/// Applies the settings; returns the payloads to push.
fn set(simulator: &Simulator, control: &Control) -> Vec<Value> {
    let mut world = simulator.world();
    for order in &control.orders {
        world.arrive(order.clone());
    }
    if control.expire_token == Some(true) {
        world.renew_token();
    }
    let behaviour = &mut world.behaviour;
    behaviour.fail = control.fail.unwrap_or(behaviour.fail);
    behaviour.fail_status = control.fail_status.unwrap_or(behaviour.fail_status);
    behaviour.lose = control.lose.unwrap_or(behaviour.lose);
    behaviour.stall = control.stall_ms.map_or(behaviour.stall, Duration::from_millis);
    behaviour.repeat = control.repeat.unwrap_or(behaviour.repeat);
    behaviour.reorder = control.reorder.unwrap_or(behaviour.reorder);
    if let Some(refuse) = &control.refuse {
        behaviour.refuse.clone_from(refuse);
    }
    let Some(push) = &control.push else { return Vec::new() };
    let mut payloads: Vec<Value> = push.payload.iter().cloned().collect();
    if push.event_type.starts_with("cancellation_plan.") {
        world.cancellation_plans.extend(push.payload.clone());
    }
    for number in &push.orders {
        let order = world.orders.iter().find(|order| order.json["number"] == number.as_str());
        payloads.extend(order.map(|order| order.json.clone()));
    }
    payloads
}

/// `?after=N`: the requests after number N.
async fn received(State(simulator): State<Simulator>, RawQuery(query): RawQuery) -> Json<Value> {
    let query = query.unwrap_or_default();
    let after = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "after");
    let after: u64 = after.and_then(|(_, value)| value.parse().ok()).unwrap_or_default();
    let received: Vec<Received> = simulator.received().into_iter().filter(|one| one.number > after).collect();
    Json(json!({ "count": received.len(), "results": received }))
}

/// How a request is answered, before it reaches its route.
enum PlannedResponse {
    Fail(u16),
    Unauthorized,
    Serve { lose: bool },
}

/// Lets a request fail, wait or pass, as set, and records it.
pub(super) async fn behaviour(State(simulator): State<Simulator>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let path = parts.uri.path().to_owned();
    let authorization =
        parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (planned, stall) = planned_response(&simulator, &path, authorization.as_deref());
    let mut received = Received {
        number: 0,
        method: parts.method.to_string(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization,
        body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        status: 0,
        path,
    };
    if !stall.is_zero() {
        tokio::time::sleep(stall).await;
    }
    let response = match planned {
        PlannedResponse::Fail(status) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
        }
        PlannedResponse::Unauthorized => {
            (StatusCode::UNAUTHORIZED, Json(json!({ "detail": "Invalid token.", "code": "error" }))).into_response()
        }
        PlannedResponse::Serve { lose } => {
            let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
            if lose { StatusCode::GATEWAY_TIMEOUT.into_response() } else { response }
        }
    };
    received.status = response.status().as_u16();
    simulator.world().receive(received);
    response
}

fn planned_response(simulator: &Simulator, path: &str, authorization: Option<&str>) -> (PlannedResponse, Duration) {
    let mut world = simulator.world();
    let is_open = path.ends_with("/auth/login/") || path == "/invoice/";
    let is_known = is_open || authorization == Some(format!("Token {}", world.token.reveal()).as_str());
    let behaviour = &mut world.behaviour;
    let stall = behaviour.stall;
    let planned = if behaviour.fail > 0 {
        behaviour.fail -= 1;
        PlannedResponse::Fail(if behaviour.fail_status == 0 { 500 } else { behaviour.fail_status })
    } else if behaviour.refuse.iter().any(|refused| path.starts_with(refused.as_str())) {
        PlannedResponse::Fail(500)
    } else if !is_known {
        PlannedResponse::Unauthorized
    } else {
        let lose = behaviour.lose > 0;
        behaviour.lose -= u32::from(lose);
        PlannedResponse::Serve { lose }
    };
    (planned, stall)
}
