//! `/openapi.json` and `/docs/`, compared with the server.

use std::collections::BTreeSet;

use oms::error::RULES;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{SHOP, STANDARD, Shop, TRANSFERS, send};

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

#[test]
fn every_operation_is_named_once_and_stands_under_a_tag_that_is_explained() {
    let document = oms::server::document();
    assert_eq!(document["openapi"], "3.1.0");
    let tags: BTreeSet<&str> =
        document["tags"].as_array().expect("tags").iter().filter_map(|tag| tag["name"].as_str()).collect();
    let mut names = BTreeSet::new();
    for (method, path) in operations(&document) {
        let operation = &document["paths"][&path][method.to_lowercase()];
        let name = operation["operationId"].as_str().expect("a name");
        assert!(names.insert(name.to_owned()), "{name}");
        assert!(tags.contains(operation["tags"][0].as_str().expect("a tag")), "{name}");
        assert!(operation["summary"].is_string(), "{name}");
    }
}

#[tokio::test]
async fn every_documented_operation_is_served_and_every_other_method_is_405() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let invoice = json!({ "document_type": "xml", "document_content": "PHgvPg==" });
    package.run_with("UPDATE_INVOICE", &invoice).await.ok();
    let shown = package.json().await;
    // With the query that signs it.
    let key = |name: &str| {
        let address = shown[name].as_str().expect("an address");
        address.rsplit_once("/oms/").and_then(|(_, rest)| rest.split_once('/')).expect("a key").1.to_owned()
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
         insert into upstream_calls (order_id, kind, package_id, path, payload, done_date)
         values (1, 'status', 1, '/', '{}', now());
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
        let address = path.replace("{id}", "1").replace("{key}/", key);
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
async fn every_documented_operation_under_the_api_but_the_login_labels_and_invoices_needs_a_token() {
    let shop = Shop::open().await;
    let document = document(&shop).await;
    for (method, path) in operations(&document) {
        let operation = &document["paths"][&path][method.to_lowercase()];
        let open = operation["security"] == json!([]);
        let is_login = path.ends_with("/auth/login/");
        let api = ["/api/", "/whisperer/"].iter().any(|area| path.starts_with(area));
        let api = api && !is_login && !path.contains("{key}");
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

#[test]
fn every_parameter_has_a_sentence_of_its_own_and_every_list_its_page() {
    let document = oms::server::document();
    let mut lists = 0;
    for (method, path) in operations(&document) {
        let operation = &document["paths"][&path][method.to_lowercase()];
        let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut names = BTreeSet::new();
        for parameter in parameters {
            let name = parameter["name"].as_str().expect("a name");
            assert!(names.insert(name), "{method} {path}: {name} twice");
            let sentence = parameter["description"].as_str().expect("a sentence");
            assert!(sentence.len() > 5 && sentence.ends_with('.'), "{method} {path}: {name}: {sentence}");
            // Some generated clients send what has a default with every request.
            assert!(parameter["schema"].get("default").is_none(), "{method} {path}: {name}");
        }
        if names.contains("page") {
            lists += 1;
            assert!(names.contains("limit") && names.contains("format"), "{path}");
            let content = operation["responses"]["200"]["content"].as_object().expect("content");
            assert_eq!(content.len(), 3, "{path}: JSON and two files");
        }
    }
    assert!(lists > 20, "{lists}");
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
