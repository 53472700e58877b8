//! The simulator's state: orders that have arrived or will arrive, its behaviour, and received requests.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{secret::Secret, simulator::Settings, wire::Timestamp};

/// Most requests that are kept.
const MOST_RECEIVED: usize = 20_000;

/// An order that has arrived.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub json: Value,
    pub modified: DateTime<Utc>,
}

/// A received request.
#[derive(Debug, Clone, Serialize)]
pub struct Received {
    /// Counts up from 1.
    pub number: u64,
    /// `GET`, `PATCH`, …
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The query, empty without one.
    pub query: String,
    /// The header, as it came.
    pub authorization: Option<String>,
    /// The body as JSON; null without one.
    pub body: Value,
    /// The status of the answer.
    pub status: u16,
}

/// Its behaviour: see the control API.
#[derive(Debug, Clone, Default)]
pub(super) struct Behaviour {
    /// This many requests are answered with `fail_status`, and do nothing.
    pub fail: u32,
    pub fail_status: u16,
    /// This many requests do their work, and are answered 504.
    pub lose: u32,
    /// Each answer is delayed by this time.
    pub stall: Duration,
    /// Pages hold every order twice, and the last order of the page before once more.
    pub repeat: bool,
    /// Pages are in a wrong order.
    pub reorder: bool,
    /// Paths that begin with one of these are answered 500.
    pub refuse: Vec<String>,
}

#[derive(Debug)]
pub(super) struct World {
    pub username: String,
    pub password: Secret,
    pub token: Secret,
    tokens: u64,
    pub orders: Vec<Stored>,
    to_come: VecDeque<Value>,
    pace: Option<Duration>,
    arrived: u32,
    began: Instant,
    begins: DateTime<Utc>,
    now: DateTime<Utc>,
    pub behaviour: Behaviour,
    pub received: VecDeque<Received>,
    requests: u64,
    pub cancellation_plans: Vec<Value>,
    pub invoices: u64,
    pub mappings: u64,
}

impl World {
    pub(super) fn new(settings: Settings, began: Instant) -> Self {
        let pace = settings.orders_per_minute.map(|rate| Duration::from_secs_f64(60.0 / rate.clamp(0.001, 1e6)));
        let mut world = Self {
            username: settings.username,
            password: settings.password,
            token: settings.token,
            tokens: 0,
            orders: Vec::new(),
            to_come: settings.orders.into(),
            pace,
            arrived: 0,
            began,
            begins: settings.begins,
            now: settings.begins,
            behaviour: Behaviour::default(),
            received: VecDeque::new(),
            requests: 0,
            cancellation_plans: Vec::new(),
            invoices: 0,
            mappings: 0,
        };
        world.move_on(began);
        world
    }

    /// Lets the orders arrive that are due.
    pub(super) fn move_on(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.began);
        let moment = self.begins + TimeDelta::from_std(elapsed).unwrap_or_default();
        self.now = self.now.max(moment);
        loop {
            let is_due = self.pace.is_none_or(|pace| pace * self.arrived <= elapsed);
            if !is_due {
                return;
            }
            let Some(order) = self.to_come.pop_front() else { return };
            self.arrived += 1;
            self.arrive(order);
        }
    }

    /// Adds an order.
    pub(super) fn arrive(&mut self, json: Value) {
        self.orders.push(Stored { json, modified: self.begins });
        self.touch(self.orders.len() - 1);
    }

    /// A date after every earlier one.
    fn tick(&mut self) -> DateTime<Utc> {
        self.now += TimeDelta::microseconds(1);
        self.now
    }

    /// Marks an order as changed now.
    fn touch(&mut self, index: usize) {
        let now = self.tick();
        if let Some(order) = self.orders.get_mut(index) {
            order.modified = now;
            order.json["modified_date"] = json!(Timestamp(now));
        }
    }

    /// Makes a new token; the old one is no longer valid.
    pub(super) fn renew_token(&mut self) -> Secret {
        self.tokens += 1;
        self.token = format!("upstream-token-{}", self.tokens).into();
        self.token.clone()
    }

    pub(super) fn order(&self, pk: i64) -> Option<&Stored> {
        self.orders.iter().find(|order| order.json["pk"].as_i64() == Some(pk))
    }

    /// Sets fields of an order; returns the order.
    pub(super) fn change_order(&mut self, pk: i64, change: &Value) -> Option<Value> {
        let index = self.orders.iter().position(|order| order.json["pk"].as_i64() == Some(pk))?;
        merge(&mut self.orders[index].json, change);
        self.touch(index);
        Some(self.orders[index].json.clone())
    }

    /// Sets fields of an order item; returns the item. The order gets the lowest status of its items.
    pub(super) fn change_item(&mut self, pk: i64, change: &Value) -> Option<Value> {
        let has = |order: &Stored| items(&order.json).any(|item| item["pk"].as_i64() == Some(pk));
        let index = self.orders.iter().position(has)?;
        let order = &mut self.orders[index].json;
        let item = order["orderitem_set"].as_array_mut()?.iter_mut().find(|item| item["pk"].as_i64() == Some(pk))?;
        merge(item, change);
        let changed = item.clone();
        let number = |item: &Value| item["status"].as_str().and_then(|status| status.parse::<i64>().ok());
        let open = items(order).filter_map(number).filter(|status| *status != 100).min();
        order["status"] = json!(open.unwrap_or(100).to_string());
        self.touch(index);
        Some(changed)
    }

    pub(super) fn receive(&mut self, mut received: Received) {
        self.requests += 1;
        received.number = self.requests;
        if self.received.len() >= MOST_RECEIVED {
            self.received.pop_front();
        }
        self.received.push_back(received);
    }
}

pub(super) fn items(order: &Value) -> impl Iterator<Item = &Value> {
    order["orderitem_set"].as_array().into_iter().flatten()
}

fn merge(object: &mut Value, change: &Value) {
    let (Some(object), Some(change)) = (object.as_object_mut(), change.as_object()) else { return };
    for (key, value) in change {
        object.insert(key.clone(), value.clone());
    }
}
