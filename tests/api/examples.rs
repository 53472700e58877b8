//! Every example of the document is sent to a server that has what it names, and is taken.

use std::collections::BTreeSet;

use oms::{
    auth::{self, Role},
    commands::{self, package, transfer},
    kinds::Kind,
};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::{
    support::{Reply, SHOP, STANDARD, Shop, TRANSFERS, send},
    webhooks::{self, HOOKS, receiver::Receiver},
};

/// Operations whose example is refused here: the status, and why it is not taken.
const REFUSED: &[(&str, u16, &str)] =
    &[("pullCancellationReasons", 406, "this server follows no upstream; pulling is tested in `upstream`")];

/// Operations with an example for each command: none is right for every state. They are tried below.
const COMMANDS: [&str; 2] = ["runPackageCommand", "runTransferCommand"];

/// An operation of the document.
pub struct Operation {
    pub name: String,
    pub method: Method,
    path: String,
    pub value: Value,
}

impl Operation {
    /// Those of the document: what reads before what writes, and what deletes last.
    pub fn all(document: &Value) -> Vec<Self> {
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().expect("paths") {
            for (method, operation) in item.as_object().expect("an item") {
                operations.push(Self {
                    name: operation["operationId"].as_str().expect("a name").to_owned(),
                    method: method.to_uppercase().parse().expect("a method"),
                    path: path.clone(),
                    value: operation.clone(),
                });
            }
        }
        let order = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        operations.sort_by_key(|operation| order.iter().position(|method| *method == operation.method));
        operations
    }

    fn parameters(&self) -> &[Value] {
        self.value["parameters"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Its address, with the example of every parameter that is required or has one.
    pub fn address(&self) -> String {
        let mut address = self.path.clone();
        let mut query = Vec::new();
        for parameter in self.parameters() {
            let name = parameter["name"].as_str().expect("a name");
            let example = match &parameter["example"] {
                Value::Null => {
                    assert_ne!(parameter["required"], true, "{}: give {name} an example", self.name);
                    continue;
                }
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            match parameter["in"].as_str() {
                Some("path") => address = address.replace(&format!("{{{name}}}"), &example),
                Some("query") => query.push(format!("{name}={example}")),
                place => panic!("{}: {place:?}", self.name),
            }
        }
        if query.is_empty() { address } else { format!("{address}?{}", query.join("&")) }
    }

    /// The example of its body; none where it takes none.
    pub fn body(&self) -> Option<&Value> {
        let body = self.value.get("requestBody")?;
        let example = body.pointer("/content/application~1json/example");
        Some(example.unwrap_or_else(|| panic!("{}: give its body an example", self.name)))
    }

    async fn send(&self, shop: &Shop) -> Reply {
        let mut request = shop.request(self.method.clone(), &self.address());
        if self.value["security"] != json!([]) {
            request = shop.request_as("admin", self.method.clone(), &self.address());
        }
        match self.body() {
            Some(body) => send(request.json(body)).await,
            None => send(request).await,
        }
    }
}

/// Every object with the id that the examples have, the locations, orders and users that they name.
pub async fn furnish(shop: &Shop, document: &Value) {
    let example = |path: &str, method: &str| {
        document["paths"][path][method]["requestBody"]["content"]["application/json"]["example"].clone()
    };
    // The first one waits; the second has a label and an invoice.
    assert_eq!(shop.package().await.id, 1);
    let packed = shop.package().await;
    packed.run("COMPLETE_PACKING").await.ok();
    let invoice = json!({ "document_type": "xml", "document_content": "PHgvPg==" });
    packed.run_with("UPDATE_INVOICE", &invoice).await.ok();
    shop.install(&[STANDARD, SHOP, TRANSFERS]).await;
    shop.count("GEBZE", "FAR", 1).await;
    shop.fetched(&[("FAR", 1)]).await;
    let leeds = json!({ "erp_code": "W-LEEDS", "name": "Leeds", "stock_location_type": "warehouse" });
    shop.post("/api/v1/oms/stocklocations/", &leeds).await.json(201);
    let order = example("/api/v1/oms/orders/", "post");
    assert_eq!(shop.post("/api/v1/oms/orders/", &order).await.json(201)["number"], order["number"]);
    shop.post("/api/v1/oms/cancellation_plan/", &example("/api/v1/oms/cancellation_plan/", "post")).await.ok();
    let login = example("/api/v1/auth/login/", "post");
    let word = |key: &str| login[key].as_str().expect("a word").to_owned();
    let mut connection = shop.pool().acquire().await.expect("connect");
    auth::create_user(&mut connection, &word("username"), Some(&word("password")), Role::Operator, &[])
        .await
        .expect("a user");
    shop.execute(
        "insert into upstream_problems (reference, reason, payload, next_attempt_date)
         values ('1', 'it was broken', '{}', now());
         insert into upstream_calls (order_id, kind, package_id, path, payload) values (1, 'status', 1, '/', '{}');
         insert into hook_events (webhook_id, event_position, event_id, event_date, nth, uuid, entity, object_id, sequence,
                                  retry_count, response_http_status, next_attempt_date)
         select 1, e.position, e.id, e.created_date, 0, gen_random_uuid(), 'package', 1, 1, 1, 500, now()
           from events e where e.entity = 'package' and e.object_id = 1 and e.sequence = 1;
         update users set password_hash = (select password_hash from users where username = 'ada') where username = 'admin';
         update shipments set label_key = '6a2f41a3-c54c-4e0a-9f5e-7c2b1d3e4f50';
         update package_invoices set document_key = '6a2f41a3-c54c-4e0a-9f5e-7c2b1d3e4f50'",
    )
    .await;
}

#[tokio::test]
async fn the_example_of_every_operation_is_taken() {
    let receiver = Receiver::start().await;
    let shop = Shop::taking_unsigned_links(webhooks::settings()).await;
    let document = oms::server::document();
    let hook = webhooks::hook(&receiver.url, "package.created");
    assert_eq!(shop.post(HOOKS, &hook).await.json(201)["id"], 1);
    furnish(&shop, &document).await;
    let (mut with_body, mut refused) = (0, Vec::new());
    for operation in Operation::all(&document) {
        if COMMANDS.contains(&operation.name.as_str()) {
            continue;
        }
        with_body += usize::from(operation.body().is_some());
        let reply = operation.send(&shop).await;
        let expected = REFUSED.iter().find(|(name, ..)| *name == operation.name).map(|(_, status, _)| *status);
        let is_expected = expected.map_or((200..300).contains(&reply.status), |expected| reply.status == expected);
        // What is in a list is taken too.
        let results: Vec<Value> = serde_json::from_slice(&reply.body).unwrap_or_default();
        let is_taken = |result: &Value| result.get("status_code").is_none_or(|status| status.as_u64() < Some(300));
        if !is_expected || !results.iter().all(is_taken) {
            let said = String::from_utf8_lossy(&reply.body);
            refused.push(format!("{}: {} {}: {said}", operation.name, operation.address(), reply.status));
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
    assert!(with_body > 20, "{with_body}");
    // Keys of documents were set by hand, which the proofs would find.
    shop.abandon().await;
    receiver.stop();
}

/// Fails unless the slug of each example is one that the installation has for its command.
async fn check_slugs(shop: &Shop, examples: &Map<String, Value>) {
    for (command, example) in examples {
        let slug = example["value"]["slug"].as_str().expect("a slug").to_owned();
        let found: Option<String> = sqlx::query_scalar("select command from transitions where slug = $1")
            .bind(&slug)
            .fetch_optional(shop.pool())
            .await
            .expect("a query");
        assert_eq!(found.as_ref(), Some(command), "{slug}");
    }
}

/// The examples of commands on packages or transfers, by their names.
fn examples(document: &Value, path: &str) -> Map<String, Value> {
    let body = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
    body["examples"].as_object().expect("examples").clone()
}

#[tokio::test]
async fn the_example_of_every_command_on_packages_is_taken() {
    let shop = Shop::open().await;
    let examples = examples(&oms::server::document(), "/api/v1/oms/packages/{id}/command/");
    let documented: BTreeSet<&str> = examples.keys().map(String::as_str).collect();
    assert_eq!(documented, package::commands().map(|command| command.kind.identifier).collect());

    check_slugs(&shop, &examples).await;

    // The examples speak of package 1, item 1, cargo company 1 and the location S-LONDON.
    let london = json!({ "erp_code": "S-LONDON", "name": "London", "stock_location_type": "store" });
    shop.post("/api/v1/oms/stocklocations/", &london).await.json(201);
    shop.count("S-LONDON", "RED", 1).await;
    shop.count("KADIKOY", "85123B", 1).await;
    shop.count("S-LONDON", "85123B", 1).await;
    let package = shop.package().await;
    let homeless = shop.order(&[("PINK", 1)]).await.only_package();
    shop.count("GEBZE", "PINK", 1).await;
    let (blocked, collected) = (shop.package().await, shop.package().await);
    blocked.run("BLOCK_THE_PACKAGE").await.ok();
    collected.run("COMPLETE_PACKING_WITHOUT_SHIPMENT").await.ok();
    collected.run("READY_FOR_PICKUP").await.ok();
    assert_eq!((package.id, package.item_ids().await), (1, vec![1]));
    let mut tried = BTreeSet::new();
    for step in ["", "COMPLETE_PACKING", "SHIP_THE_PACKAGE"] {
        if !step.is_empty() {
            package.run(step).await.ok();
        }
        for package in [package, homeless, blocked, collected] {
            for listed in package.json().await["commands"].as_array().expect("commands") {
                let command = listed["command"].as_str().expect("a command");
                let input = &examples[command]["value"]["input_parameters"];
                package.dry_run(command, input).await.ok();
                tried.insert(command.to_owned());
            }
        }
    }
    assert_eq!(tried.iter().map(String::as_str).collect::<BTreeSet<_>>(), documented);
    shop.finish().await;
}

#[tokio::test]
async fn the_example_of_every_command_on_transfers_is_taken() {
    let shop = Shop::installed(&[STANDARD, SHOP, TRANSFERS], false).await;
    let examples = examples(&oms::server::document(), "/api/v1/oms/transfer_orders/{id}/command/");
    let documented: BTreeSet<&str> = examples.keys().map(String::as_str).collect();
    assert_eq!(documented, transfer::commands().map(|command| command.kind.identifier).collect());

    check_slugs(&shop, &examples).await;

    // The examples speak of transfer 1, its item 1 and cargo company 1.
    shop.count("GEBZE", "FAR", 1).await;
    let package = shop.fetched(&[("FAR", 1)]).await.only_package();
    let transfer = package.only_transfer().await;
    assert_eq!((transfer.id, transfer.item_ids().await), (1, vec![1]));
    let mut tried = BTreeSet::new();
    for step in ["", "TRANSFER_DISPATCH", "CANCEL_PACKAGE"] {
        match step {
            "" => {}
            "CANCEL_PACKAGE" => drop(package.run(step).await.ok()),
            _ => drop(transfer.run(step).await.ok()),
        }
        for listed in transfer.json().await["commands"].as_array().expect("commands") {
            let command = listed["command"].as_str().expect("a command");
            transfer.dry_run(command, &examples[command]["value"]["input_parameters"]).await.ok();
            tried.insert(command.to_owned());
        }
    }
    assert_eq!(tried.iter().map(String::as_str).collect::<BTreeSet<_>>(), documented);
    shop.finish().await;
}

#[test]
fn the_example_of_every_command_has_the_parameters_of_its_schema() {
    let document = oms::server::document();
    for kind in commands::kinds() {
        let words = kind.identifier.split('_').map(|word| word[..1].to_owned() + &word[1..].to_lowercase());
        let name = words.chain(["Parameters".to_owned()]).collect::<String>();
        check_parameters(kind, &document["components"]["schemas"][&name]);
    }
}

fn check_parameters(kind: &Kind, schema: &Value) {
    let properties = schema["properties"].as_object().expect("properties");
    let example = kind.example();
    let example = example.as_object().expect("an object");
    for name in schema["required"].as_array().map(Vec::as_slice).unwrap_or_default() {
        assert!(example.contains_key(name.as_str().expect("a name")), "{}", kind.identifier);
    }
    for name in example.keys() {
        assert!(properties.contains_key(name), "{}: {name}", kind.identifier);
    }
}
