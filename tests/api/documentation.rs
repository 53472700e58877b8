//! `/openapi.json` and `/docs/`, compared with the server.

use std::collections::BTreeSet;

use oms::{commands, error::RULES, page::Kind};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{SHOP, STANDARD, Shop, TRANSFERS, send};

/// Every route there is. A new one is added here, and by its handler to the document.
const ROUTES: &[&str] = &[
    "DELETE /api/v1/oms/scenarios/{id}/",
    "DELETE /api/v1/oms/stocklocations-senderaddress/{id}/",
    "DELETE /whisperer/hooks/{id}/",
    "GET /api/v1/oms/cancellation-reasons/",
    "GET /api/v1/oms/cancellation-reasons/{id}/",
    "GET /api/v1/oms/cargo-company-conditions/",
    "GET /api/v1/oms/cargo-company-conditions/{id}/",
    "GET /api/v1/oms/cargo-company/",
    "GET /api/v1/oms/events/",
    "GET /api/v1/oms/invoices/{key}/",
    "GET /api/v1/oms/cancellation_plan/",
    "GET /api/v1/oms/cancellation-reasons/pull_from_omnitron/",
    "GET /api/v1/oms/upstream/",
    "GET /api/v1/oms/upstream/calls/",
    "GET /api/v1/oms/upstream/problems/",
    "GET /api/v1/oms/upstream/problems/{id}/",
    "POST /api/v1/oms/cancellation_plan/",
    "POST /api/v1/oms/orders-webhook/",
    "POST /api/v1/oms/stocklocations-webhook/",
    "POST /api/v1/oms/upstream/problems/{id}/retry/",
    "GET /api/v1/oms/order-stock-info/",
    "GET /api/v1/oms/orderexecutionplans/",
    "GET /api/v1/oms/orderexecutionplans/{id}/",
    "GET /api/v1/oms/orders/",
    "GET /api/v1/oms/orders/{id}/",
    "GET /api/v1/oms/package-denial-reason/",
    "GET /api/v1/oms/package-denial-reason/list-simple/",
    "GET /api/v1/oms/packages/",
    "GET /api/v1/oms/packages/package-items/",
    "GET /api/v1/oms/packages/package-items/{id}/",
    "GET /api/v1/oms/packages/package_denial_reason/",
    "GET /api/v1/oms/packages/package_denial_reason/{id}/",
    "GET /api/v1/oms/packages/short/",
    "GET /api/v1/oms/packages/{id}/",
    "GET /api/v1/oms/packages/{id}/transition-logs/",
    "GET /api/v1/oms/scenarios/",
    "GET /api/v1/oms/scenarios/{id}/",
    "GET /api/v1/oms/scenarios/{id}/versions/",
    "GET /api/v1/oms/shipping-labels/{key}/",
    "GET /api/v1/oms/stocklocations-senderaddress/",
    "GET /api/v1/oms/stocklocations-senderaddress/{id}/",
    "GET /api/v1/oms/stocklocations/",
    "GET /api/v1/oms/stocklocations/list-simple/",
    "GET /api/v1/oms/stocklocations/{id}/",
    "GET /api/v1/oms/stocklocations/{id}/quota-ledger/",
    "GET /api/v1/oms/stocks/",
    "GET /api/v1/oms/transfer_orders/",
    "GET /api/v1/oms/transfer_orders/short/",
    "GET /api/v1/oms/transfer_orders/transfer-items/",
    "GET /api/v1/oms/transfer_orders/transfer-items/{id}/",
    "GET /api/v1/oms/transfer_orders/{id}/",
    "GET /api/v1/oms/transfer_orders/{id}/transition-logs/",
    "GET /healthz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /readyz",
    "GET /whisperer/hook_events/",
    "GET /whisperer/hook_events/{id}/",
    "GET /whisperer/hooks/",
    "GET /whisperer/hooks/registry/",
    "GET /whisperer/hooks/{id}/",
    "GET /whisperer/hooks/{id}/status/",
    "PATCH /api/v1/oms/scenarios/{id}/",
    "PATCH /api/v1/oms/stocklocations-senderaddress/{id}/",
    "PATCH /api/v1/oms/stocklocations/{id}/",
    "PATCH /whisperer/hooks/{id}/",
    "POST /api/i1/auth/login/",
    "POST /api/v1/auth/login/",
    "POST /api/v1/oms/orders/",
    "POST /api/v1/oms/packages/commands/",
    "POST /api/v1/oms/packages/package_denial_reason/",
    "POST /api/v1/oms/packages/{id}/command/",
    "POST /api/v1/oms/scenarios/",
    "POST /api/v1/oms/stocklocations-senderaddress/",
    "POST /api/v1/oms/transfer_orders/{id}/command/",
    "POST /whisperer/hook_events/{id}/retry/",
    "POST /whisperer/hooks/",
    "POST /whisperer/hooks/{id}/replay/",
    "POST /whisperer/hooks/{id}/resume/",
    "PUT /whisperer/hooks/{id}/",
];
const PUT_SCENARIO: &str = "PUT /api/v1/oms/scenarios/{id}/";
const PUT_STOCK: &str = "PUT /api/v1/oms/stocks/";
const POST_LOCATION: &str = "POST /api/v1/oms/stocklocations/";

async fn document(shop: &Shop) -> Value {
    // Anybody may read it.
    send(shop.request(Method::GET, "/openapi.json")).await.ok()
}

/// (METHOD, path) of every operation.
fn operations(document: &Value) -> BTreeSet<(String, String)> {
    let paths = document["paths"].as_object().expect("paths");
    let methods = |(path, item): (&String, &Value)| -> Vec<(String, String)> {
        item.as_object().expect("an item").keys().map(|method| (method.to_uppercase(), path.clone())).collect()
    };
    paths.iter().flat_map(methods).collect()
}

#[tokio::test]
async fn the_document_lists_exactly_the_routes() {
    let shop = Shop::open().await;
    let document = document(&shop).await;
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let listed: BTreeSet<String> =
        operations(&document).into_iter().map(|(method, path)| format!("{method} {path}")).collect();
    let routes = ROUTES.iter().copied().chain([PUT_SCENARIO, PUT_STOCK, POST_LOCATION]).map(str::to_owned).collect();
    assert_eq!(listed, routes);
    shop.finish().await;
}

#[tokio::test]
async fn every_documented_operation_is_served_and_every_other_method_is_405() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let invoice = json!({ "document_type": "xml", "document_content": "PHgvPg==" });
    package.run_with("UPDATE_INVOICE", &invoice).await.ok();
    let shown = package.json().await;
    let key = |name: &str| {
        let address = shown[name].as_str().expect("an address");
        address.trim_end_matches('/').rsplit('/').next().expect("a key").to_owned()
    };
    let (label, invoice) = (key("shipping_label"), key("invoice_document"));
    shop.install(&[STANDARD, SHOP, TRANSFERS]).await;
    shop.count("GEBZE", "FAR", 1).await;
    shop.fetched(&[("FAR", 1)]).await;
    let hook = json!({ "target_url": "https://example.com/", "event_type": "package.created",
                       "retry_countdown_config": { "choice": "fixed", "kwargs": { "seconds": 60 } } });
    assert_eq!(shop.post("/whisperer/hooks/", &hook).await.json(201)["id"], 1);
    shop.execute(
        "insert into upstream_problems (reference, reason, payload, next_attempt_date, resolved_date)
         values ('1', 'it was broken', '{}', now(), now());
         insert into hook_events (webhook_id, event_position, event_id, event_date, nth, uuid, entity, object_id, sequence,
                                  retry_count, response_http_status)
         values (1, 1, 1, now(), 0, gen_random_uuid(), 'package', 1, 1, 1, 500)",
    )
    .await;
    let document = document(&shop).await;
    let operations = operations(&document);
    let paths: BTreeSet<&String> = operations.iter().map(|(_, path)| path).collect();
    for path in paths {
        let key = if path.contains("invoices") { &invoice } else { &label };
        let address = path.replace("{id}", "1").replace("{key}", key);
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            // An empty body tells a route that takes one from no route, and changes nothing; DELETE takes none.
            let deletes = method == Method::DELETE && operations.contains(&(method.to_string(), path.clone()));
            let address = if deletes { path.replace("{id}", "999999") } else { address.clone() };
            let request = shop.request_as("admin", method.clone(), &address);
            let reply = shop.changes_nothing(send(request)).await;
            let is_bare = path.starts_with("/whisperer/");
            if deletes && is_bare {
                assert_eq!(reply.text(), r#"{"detail":"Not found."}"#, "{method} {path}");
            } else if deletes {
                assert_eq!(reply.detail(404), "Not found.", "{method} {path}");
            } else if operations.contains(&(method.to_string(), path.clone())) {
                assert!(![404, 405, 500].contains(&reply.status), "{method} {path}: {}", reply.status);
            } else if is_bare {
                assert_eq!(reply.json(405), json!({ "detail": format!("Method \"{method}\" not allowed.") }), "{path}");
            } else {
                assert_eq!(reply.detail(405), format!("Method \"{method}\" not allowed."), "{method} {path}");
            }
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn every_documented_operation_under_the_api_but_labels_and_invoices_needs_a_token() {
    let shop = Shop::open().await;
    let document = document(&shop).await;
    for (method, path) in operations(&document) {
        let operation = &document["paths"][&path][method.to_lowercase()];
        let open = operation["security"] == json!([{}]);
        let api = ["/api/v1/oms/", "/whisperer/"].iter().any(|area| path.starts_with(area)) && !path.contains("{key}");
        assert_eq!(open, !api, "{method} {path}");
        let address = path.replace("{id}", "1").replace("{key}", "1");
        let reply = send(shop.request(method.parse().expect("a method"), &address)).await;
        assert_eq!(reply.status == 401, api, "{method} {path}: {}", reply.status);
    }
    shop.finish().await;
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere() {
    let shop = Shop::open().await;
    let document = document(&shop).await;
    let mut open = vec![&document];
    let mut references = 0;
    while let Some(value) = open.pop() {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
            references += 1;
        }
        match value {
            Value::Array(list) => open.extend(list),
            Value::Object(object) => open.extend(object.values()),
            _ => {}
        }
    }
    assert!(references > 0);
    shop.finish().await;
}

#[tokio::test]
async fn every_code_of_a_refusal_is_listed() {
    let shop = Shop::open().await;
    let document = document(&shop).await;
    let refusals = &document["paths"]["/api/v1/oms/packages/{id}/command/"]["post"]["responses"]["406"];
    let examples = refusals["content"]["application/json"]["examples"].as_object().expect("examples");
    let listed: BTreeSet<&str> = examples.keys().map(String::as_str).collect();
    let codes = RULES.iter().map(|rule| rule.code).chain(["commands_100_1", "commands_100_5"]).collect();
    assert_eq!(listed, codes);
    for (code, example) in examples {
        assert_eq!(&example["value"]["error"]["error_code"], code);
        assert_eq!(example["value"]["status_code"], 406);
    }
    shop.finish().await;
}

#[tokio::test]
async fn every_filter_that_is_offered_is_documented_and_no_other() {
    let shop = Shop::open().await;
    let document = document(&shop).await;
    for (path, filters) in oms::openapi::LISTS {
        let parameters = document["paths"][path]["get"]["parameters"].as_array().expect("parameters");
        let names: BTreeSet<&str> = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "query")
            .map(|parameter| parameter["name"].as_str().expect("a name"))
            .collect();
        let content = document["paths"][path]["get"]["responses"]["200"]["content"].as_object().expect("content");
        assert_eq!(content.len(), 3, "{path}: JSON and two files");
        let offered = filters.iter().filter(|filter| filter.kind != Kind::NotOffered).map(|filter| filter.name);
        assert_eq!(names, offered.chain(["page", "limit", "sort", "format"]).collect(), "{path}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn the_example_of_every_command_is_taken() {
    let shop = Shop::open().await;
    let document = document(&shop).await;
    let operation = &document["paths"]["/api/v1/oms/packages/{id}/command/"]["post"];
    let examples = operation["requestBody"]["content"]["application/json"]["examples"].as_object().expect("examples");
    let documented: BTreeSet<&str> = examples.keys().map(String::as_str).collect();
    assert_eq!(documented, commands::package::commands().map(|command| command.kind.identifier).collect());

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

    for command in operation["x-commands"].as_array().expect("schemas") {
        let properties = command["input_parameters"]["properties"].as_object().expect("properties");
        for name in command["input_parameters"]["required"].as_array().expect("a list") {
            assert!(properties.contains_key(name.as_str().expect("a name")), "{command}");
            assert!(command["example"].get(name.as_str().expect("a name")).is_some(), "{command}");
        }
        for name in command["example"].as_object().expect("an object").keys() {
            assert!(properties.contains_key(name), "{command}");
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn the_other_examples_are_taken_too() {
    let shop = Shop::open().await;
    let document = document(&shop).await;
    let order =
        &document["paths"]["/api/v1/oms/orders/"]["post"]["requestBody"]["content"]["application/json"]["example"];
    assert_eq!(shop.post("/api/v1/oms/orders/", order).await.json(201)["number"], order["number"]);
    shop.finish().await;
}

#[tokio::test]
async fn the_examples_of_a_package_and_an_order_have_their_keys() {
    let shop = Shop::open().await;
    let document = document(&shop).await;
    let order = shop.order(&[("RED", 1)]).await;
    let package = order.only_package().json().await;
    for (name, object) in [("Package", &package), ("Order", &order.json)] {
        let example = document["components"]["schemas"][name]["example"].as_object().expect("an example");
        for key in example.keys() {
            assert!(object.get(key).is_some(), "{name} {key}");
        }
    }
    let example = &document["components"]["schemas"]["Package"]["example"];
    let command = &example["commands"][0];
    let keys: Vec<_> = command.as_object().expect("an object").keys().collect();
    assert_eq!(keys, package["commands"][0].as_object().expect("an object").keys().collect::<Vec<_>>());
    shop.finish().await;
}

#[tokio::test]
async fn the_pages_to_read_it_are_served_from_the_binary_alone() {
    let shop = Shop::open().await;
    let page = send(shop.request(Method::GET, "/docs/")).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"));
    let mut assets = 0;
    for part in page.text().split(['"', '\'']).filter(|part| is_asset(part)) {
        assert!(!part.starts_with("http") && !part.starts_with("//"), "{part} is fetched from elsewhere");
        let asset = send(shop.request(Method::GET, &format!("/docs/{}", part.trim_start_matches("./")))).await;
        assert!(asset.status == 200 && !asset.body.is_empty(), "{part}: {}", asset.status);
        assets += 1;
    }
    assert!(assets >= 3, "{}", page.text());
    let start = send(shop.request(Method::GET, "/docs/swagger-initializer.js")).await;
    assert!(start.text().contains("/openapi.json"));
    // Without its slash one gets there too.
    let short = send(shop.request(Method::GET, "/docs")).await;
    assert!((300..400).contains(&short.status) && short.header("location").ends_with("/docs/"), "{short:?}");
    let welcome = send(shop.request(Method::GET, "/")).await;
    assert!(welcome.status == 200 && welcome.header("content-type").starts_with("text/html"));
    shop.finish().await;
}

fn is_asset(address: &str) -> bool {
    let extension = std::path::Path::new(address).extension();
    extension.is_some_and(|extension| extension == "js" || extension == "css")
}
