//! Plays operations over HTTP, and compares each answer and the world with the model.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Debug,
};

use oms::verify::{verify, verify_core};
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    installing::edited,
    model::{Expected, Model, Request},
    ops::{Command, Op, sku},
    planner::Line,
    spec::{Spec, erp},
    vocabulary::answers_nothing,
    world::World,
};
use crate::support::{Reply, Shop, send, send_loosely, standard::kind};

/// Everything of the standard installation, to begin with none. Without triggers: what is audited is not truncated.
const CLEAR: &str = "begin; set local session_replication_role = replica;
                     truncate stocks, stock_ledger, stock_locations, states, transitions, transition_moves,
                              cargo_companies, denial_reasons, scenarios, scenario_versions cascade;
                     commit";
const STORE_USER: &str = "insert into user_stock_locations (user_id, stock_location_id)
     select u.id, l.id from users u, stock_locations l where u.username = 'kadikoy' and l.erp_code = 'L0'";
/// How often the core of the server's own `verify` runs, besides all of it at the end.
const PROOF_EVERY: usize = 8;

pub struct Player<'s> {
    pub shop: &'s Shop,
    pub model: Model,
    location_ids: BTreeMap<String, i64>,
    pub played: usize,
    last_order: Option<(String, Vec<u8>)>,
}

/// Plays a whole case.
pub async fn play(shop: &Shop, spec: Spec, ops: &[Op]) {
    let mut player = Player::begin(shop, spec).await;
    for op in ops {
        player.step(op).await;
        player.played += 1;
        if player.played.is_multiple_of(PROOF_EVERY) {
            player.prove().await;
        }
    }
    let faults = verify(shop.pool()).await.expect("verify");
    assert!(faults.is_empty(), "{faults:#?}");
}

impl<'s> Player<'s> {
    async fn begin(shop: &'s Shop, spec: Spec) -> Self {
        shop.execute(CLEAR).await;
        let world = World::default();
        let model = Model {
            spec,
            world,
            ids: BTreeMap::new(),
            steps: BTreeSet::new(),
            denial_reason: 0,
            orders: BTreeMap::new(),
        };
        let mut player = Self { shop, model, location_ids: BTreeMap::new(), played: 0, last_order: None };
        assert!(player.install(player.model.spec.clone()).await, "an installation of a new shop is never refused");
        shop.execute(STORE_USER).await;
        player.model.denial_reason = shop.value("select id from denial_reasons where title = $1", "Busy").await;
        let rows: Vec<(String, i64)> = shop.rows("select erp_code, id from stock_locations").await;
        player.location_ids = rows.into_iter().collect();
        // From now on the server knows the locations, and who sees which.
        let count = json!([{ "stock_location": "L0", "sku": sku(0), "quantity": 0 }]);
        shop.execute("update installation set version = version + 1").await;
        shop.until("the server follows", || async {
            (shop.put("/api/v1/oms/stocks/", &count).await.status == 200).then_some(())
        })
        .await;
        player.model.world = World::read(shop.pool()).await;
        player
    }

    async fn step(&mut self, op: &Op) {
        match op {
            Op::Order { lines, is_web, longitude } => self.order(lines, *is_web, *longitude).await,
            Op::SameOrder => self.same_order(op).await,
            Op::Count { place, sku: which, quantity } => {
                let (at, sku) = (erp(place % self.model.spec.places.len()), sku(*which));
                let count = json!({ "stock_location": at, "sku": sku, "quantity": quantity });
                assert_eq!(self.shop.put("/api/v1/oms/stocks/", &count).await.status, 200);
                let world = &mut self.model.world;
                let stock = world.stocks.entry(format!("{sku}@{at}")).or_default();
                let is_news = stock.quantity != *quantity;
                stock.quantity = *quantity;
                let items = world.packages.values().flat_map(|package| package.items.values());
                let counted: BTreeSet<String> =
                    items.filter(|item| item.sku == sku).map(|item| format!("{}@{at}", item.line)).collect();
                world.excluded.retain(|pair| !is_news || !counted.contains(pair));
                world.stocks.retain(|_, stock| *stock != super::world::Stock::default());
                self.compare(op).await;
            }
            Op::Limit { place, max_quota } => {
                let at = erp(place % self.model.spec.places.len());
                let path = format!("/api/v1/oms/stocklocations/{}/", self.location_ids[&at]);
                let location = self.shop.patch(&path, &json!({ "max_quota": max_quota })).await.ok();
                let quota = self.model.world.locations[&at].quota;
                assert_eq!(location["available_quota"], json!(max_quota.map(|most| most - quota)));
                self.model.world.locations.get_mut(&at).expect("a location").max_quota = *max_quota;
                self.compare(op).await;
            }
            Op::Words { place, text } => {
                let place = place % self.model.spec.places.len();
                self.model.spec.places[place].name = format!("{text}M");
                self.words(self.location_ids[&erp(place)], text).await;
                self.compare(op).await;
            }
            Op::Command(command) => self.command(command).await,
            Op::Transfer(op) => self.transfer_op(op).await,
            Op::Install(edits) => {
                let spec = edited(&self.model.spec, edits);
                self.install(spec).await;
                self.compare(op).await;
            }
        }
    }

    /// Whatever text REST takes is exported, and read again. It is kept without the blanks around it.
    async fn words(&self, location_id: i64, text: &str) {
        let name = format!("{text}M");
        let address = json!({ "line": text, "city": { "name": text }, "postcode": "", "building": text });
        let change = json!({ "name": name, "daytime_phone": text, "evening_phone": text, "fax_number": text,
                             "email": text, "address": address, "tags": [name, name, " t "] });
        let path = format!("/api/v1/oms/stocklocations/{location_id}/");
        let reply = self.shop.patch(&path, &change).await;
        // Tags are words of scenarios, and stand in one line.
        let is_in_a_line = !name.trim().contains(char::is_control);
        assert_eq!(reply.status, if is_in_a_line { 200 } else { 400 }, "{}", reply.text());
        if !is_in_a_line {
            let mut change = change;
            change.as_object_mut().expect("an object").remove("tags");
            self.shop.patch(&path, &change).await.ok();
        }
        let location = self.shop.get(&path).await.ok();
        assert_eq!((&location["name"], &location["daytime_phone"]), (&json!(name.trim()), &json!(text.trim())));
        if is_in_a_line {
            assert_eq!(location["tags"], json!([name.trim(), "t"]));
        }
        let title = json!({ "title": format!("{text}R{}", self.played), "remote_id": text });
        self.shop.post("/api/v1/oms/packages/package_denial_reason/", &title).await.json(201);
        self.export_and_compare(text).await;
    }

    async fn order(&mut self, lines: &[(usize, i64)], is_web: bool, longitude: Option<i32>) {
        let number = format!("O{}", self.played);
        let items: Vec<Value> = lines
            .iter()
            .map(|(which, quantity)| json!({ "quantity": quantity, "product": { "sku": sku(*which) } }))
            .collect();
        let address = longitude.map(|longitude| json!({ "latitude": "0", "longitude": longitude.to_string() }));
        let order = json!({
            "number": number, "status": "400", "date_placed": "2024-05-01T10:00:00Z",
            "channel": { "pk": 1, "name": if is_web { "web" } else { "shop" } },
            "shipping_address": address, "orderitem_set": items
        });
        let before = self.shop.dump().await;
        let reply = self.shop.post("/api/v1/oms/orders/", &order).await;
        if self.model.spec.scenario(is_web).is_none() {
            reply.refused_by("oms_planning_3");
            before.assert_same(&self.shop.dump().await);
            return;
        }
        assert_eq!(reply.status, 201, "{}", reply.text());
        let rows: Vec<(i64, String, i64)> = sqlx::query_as(
            "select i.id, i.sku, i.quantity from order_items i join orders o on o.id = i.order_id
              where o.number = $1 order by i.position",
        )
        .bind(&number)
        .fetch_all(self.shop.pool())
        .await
        .expect("lines");
        let wanted: Vec<_> = lines.iter().map(|(which, quantity)| (sku(*which), *quantity)).collect();
        assert_eq!(rows.iter().map(|(_, sku, quantity)| (sku.clone(), *quantity)).collect::<Vec<_>>(), wanted);
        let lines = rows.into_iter().map(|(id, sku, quantity)| Line { id, sku, quantity }).collect();
        let observed = World::read(self.shop.pool()).await;
        self.model.order(&number, is_web, longitude, lines, &observed);
        self.same(&observed, &("order", &order));
        self.model.world.missing = observed.missing;
        self.last_order = Some((number, reply.body));
    }

    /// An order is known by its number and its channel: sent again with what cannot be changed, it is told so, and nothing is.
    async fn same_order(&mut self, op: &Op) {
        let Some((number, answer)) = self.last_order.clone() else { return };
        let order = json!({ "number": number, "status": "400", "date_placed": "2020-01-01T00:00:00Z", "channel": 1,
                            "orderitem_set": [{ "quantity": 99_999, "product": { "sku": "OTHER" } }] });
        let reply = self.shop.post("/api/v1/oms/orders/", &order).await;
        assert_eq!(reply.status, 200);
        let differs = reply.ok()["differs"].as_array().expect("what differs").clone();
        assert!(differs.iter().any(|one| one["field"] == "date_placed"), "{}", reply.text());
        assert!(differs.iter().all(|one| one["done"] == false), "{}", reply.text());
        self.compare(op).await;
        // Its packages may have moved and products been replaced meanwhile; how much was ordered is as it was.
        let was: Value = serde_json::from_slice(&answer).expect("JSON");
        let ordered = |order: &Value| -> Vec<(Value, Value)> {
            let lines = order["orderitem_set"].as_array().expect("lines").iter();
            lines.map(|line| (line["id"].clone(), line["quantity"].clone())).collect()
        };
        assert_eq!(ordered(&reply.ok()), ordered(&was));
    }

    async fn command(&mut self, command: &Command) {
        let Some((request, expected)) = self.model.expect(command) else { return };
        let key = command.twice.then(|| format!("key-{}", self.played));
        let before = match expected {
            Expected::Done(_) if !command.dry_run => None,
            _ => Some(self.shop.dump().await),
        };
        let reply = self.send(command, &request, key.as_deref()).await;
        match &expected {
            Expected::Refused(status, part) => {
                assert_eq!(reply.status, *status, "{request:?} {expected:?}: {}", reply.text());
                assert!(reply.text().contains(part), "{request:?} {expected:?}: {}", reply.text());
                let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
                assert_eq!(body["status_code"], *status);
            }
            Expected::Done(_) if command.dry_run => {
                let body = reply.ok();
                let keys: Vec<&String> = body.as_object().expect("an object").keys().collect();
                assert_eq!(keys, ["status_code", "reply", "effects"]);
            }
            Expected::Done(transition) => {
                let observed = World::read(self.shop.pool()).await;
                let id = request.package;
                let (world, place) = self.model.command(id, transition, command, &observed);
                self.check_answer(&request, &reply, transition.command, &place);
                self.model.world = world;
                self.same(&observed, &(command, &request));
                self.model.world.missing = observed.missing;
                self.check_shown(id).await;
            }
        }
        if let Some(before) = before {
            before.assert_same(&self.shop.dump().await);
        }
        if let Some(key) = key {
            let again = self.shop.changes_nothing(self.send(command, &request, Some(&key))).await;
            assert_eq!((again.status, again.text()), (reply.status, reply.text()), "a repeat gets the same answer");
        }
    }

    async fn send(&self, command: &Command, request: &Request, key: Option<&str>) -> Reply {
        let query = if command.dry_run { "?dry_run=true" } else { "" };
        let path = format!("/api/v1/oms/packages/{}/command/{query}", request.package);
        let mut builder = self.shop.request_as(command.user, Method::POST, &path).json(&request.body);
        if let Some(key) = key {
            builder = builder.header("Idempotency-Key", key);
        }
        // What is ignored may be anything, and is documented as it should be.
        let is_loose = request.body["input_parameters"]["package_items"].is_string();
        if is_loose { send_loosely(builder).await } else { send(builder).await }
    }

    /// To the byte.
    fn check_answer(&self, request: &Request, reply: &Reply, command: &str, place: &str) {
        if answers_nothing(command) {
            reply.done();
            return;
        }
        let package = &self.model.world.packages[&request.package];
        let answer = json!({
            "package_id": request.package,
            "package_number": package.number,
            "package_stock_location_id": self.location_ids[place],
            "package_stock_location_name": self.model.spec.place(place).name(),
            "is_same_location": package.at == place,
        });
        assert_eq!((reply.status, reply.text()), (200, answer.to_string().as_str()), "{request:?}");
    }

    /// The package's own JSON shows its state and the commands the table allows from there.
    async fn check_shown(&self, id: i64) {
        let package = &self.model.world.packages[&id];
        let state = self.model.spec.state(&package.state);
        let mut allowed: Vec<(i64, String)> = self
            .model
            .spec
            .transitions
            .iter()
            .filter(|transition| transition.source == state.slug)
            .filter(|transition| {
                !kind(transition.command).leads_back() || transition.destination == package.state_before()
            })
            .map(|transition| (self.model.ids[&transition.slug()], transition.slug()))
            .collect();
        allowed.sort_unstable();
        let number = state.number.to_string();
        self.shop
            .until("the package shows what it is", || async {
                let shown = self.shop.get(&format!("/api/v1/oms/packages/{id}/")).await.ok();
                let commands: Vec<(i64, String)> = shown["commands"]
                    .as_array()?
                    .iter()
                    .map(|command| (command["id"].as_i64().unwrap_or(0), command["slug"].as_str().unwrap_or("").into()))
                    .collect();
                (shown["state"]["enum_value"] == number && commands == allowed).then_some(())
            })
            .await;
    }

    async fn compare(&mut self, what: &impl Debug) {
        let observed = World::read(self.shop.pool()).await;
        self.same(&observed, what);
        self.model.world.missing = observed.missing;
    }

    pub fn same(&self, observed: &World, what: &impl Debug) {
        let model = &self.model.world;
        for (id, package) in &model.packages {
            assert_eq!(observed.packages.get(id), Some(package), "package after {what:?} (left: server)");
        }
        for (id, transfer) in &model.transfers {
            assert_eq!(observed.transfers.get(id), Some(transfer), "transfer after {what:?} (left: server)");
        }
        assert_eq!(observed.locations, model.locations, "locations after {what:?} (left: server)");
        assert_eq!(observed.stocks, model.stocks, "stock after {what:?} (left: server)");
        assert_eq!(observed, model, "after {what:?} (left: server)");
        observed.check(&self.model.steps);
    }

    async fn prove(&self) {
        let faults = verify_core(self.shop.pool()).await.expect("verify");
        assert!(faults.is_empty(), "{faults:#?}");
    }
}
