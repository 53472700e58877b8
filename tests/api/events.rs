//! Events: the feed, the payloads, and how long they are kept.

mod feed;
mod retention;
mod story;
mod streams;

use serde_json::Value;

use crate::support::Shop;

/// A reader of the feed: the events read, and its cursor.
struct Reader<'s> {
    shop: &'s Shop,
    user: &'static str,
    /// More parameters.
    query: &'static str,
    cursor: Option<String>,
    events: Vec<Value>,
}

impl<'s> Reader<'s> {
    fn new(shop: &'s Shop) -> Self {
        Self { shop, user: "admin", query: "", cursor: None, events: Vec::new() }
    }

    /// Reads one answer; returns its number of events.
    async fn read(&mut self, wait: u32) -> usize {
        let after = self.cursor.as_ref().map(|cursor| format!("&after={cursor}")).unwrap_or_default();
        let path = format!("/api/v1/oms/events/?wait={wait}{after}{}", self.query);
        let answer = self.shop.get_as(self.user, &path).await.ok();
        self.cursor = Some(answer["cursor"].as_str().expect("a cursor").to_owned());
        let events = answer["results"].as_array().expect("results");
        self.events.extend(events.iter().cloned());
        events.len()
    }

    /// Reads until it has this many.
    async fn read_until(&mut self, count: usize) -> &[Value] {
        while self.events.len() < count {
            assert!(self.read(20).await > 0, "waited in vain for {count} events: {:#?}", self.types());
        }
        assert_eq!(self.events.len(), count, "{:#?}", self.types());
        &self.events
    }

    /// Reads everything that exists now, even if others write to this Postgres.
    async fn read_all(&mut self) -> &[Value] {
        let count: i64 =
            self.shop.value("select coalesce(sum(cardinality(types)), 0)::bigint from events where $1", true).await;
        self.read_until(usize::try_from(count).expect("a count")).await
    }

    /// `entity:id type`, in order.
    fn types(&self) -> Vec<String> {
        let name = |event: &Value| {
            let event_type = event["event"]["type"].as_str().expect("a type");
            format!("{}:{} {event_type}", event["entity"].as_str().expect("an entity"), event["object_id"])
        };
        self.events.iter().map(name).collect()
    }
}
