//! `OPTIONS`: what a route is, and what may be sent to it, as Django REST framework tells it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Reply, Shop, send};

async fn options(shop: &Shop, user: &str, path: &str) -> Reply {
    send(shop.request_as(user, Method::OPTIONS, path)).await
}

#[tokio::test]
async fn every_route_says_what_it_is_and_what_it_takes_and_does_nothing() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let document = oms::server::document();
    let mut told = 0;
    for (pattern, item) in document["paths"].as_object().expect("paths") {
        if !pattern.starts_with("/api/") && !pattern.starts_with("/whisperer/") || pattern.contains("{key}") {
            continue;
        }
        let path = pattern.replace("{id}", &package.id.to_string());
        let reply = shop.changes_nothing(options(&shop, "admin", &path)).await;
        let answer = reply.json(200);
        let first = ["get", "post", "put", "patch", "delete"].iter().find_map(|method| item.get(method)).expect("one");
        assert_eq!(answer["name"], first["summary"], "{pattern}");
        assert!(!answer["renders"].as_array().expect("a list").is_empty(), "{pattern}");
        let allowed: Vec<&str> = reply.header("allow").split(", ").collect();
        let (mut takes, mut fields) = (Vec::new(), Vec::new());
        for method in ["get", "post", "put", "patch", "delete"] {
            let operation = item.get(method);
            assert_eq!(allowed.contains(&method.to_uppercase().as_str()), operation.is_some(), "{pattern} {method}");
            let Some(content) = operation.and_then(|operation| operation["requestBody"]["content"].as_object()) else {
                continue;
            };
            takes.extend(content.keys().map(String::as_str));
            if ["post", "put"].contains(&method) {
                fields.extend(answer["actions"][method.to_uppercase()].as_object().map(serde_json::Map::len));
            }
        }
        takes.dedup();
        for media_type in &takes {
            assert!(answer["parses"].as_array().expect("a list").iter().any(|one| one == media_type), "{pattern}");
        }
        assert_eq!(answer["parses"] == json!([]), takes.is_empty(), "{pattern}");
        assert!(fields.iter().all(|count| *count > 0), "{pattern}");
        told += fields.len();
    }
    assert!(told > 20, "{told} kinds of bodies are told");
    shop.finish().await;
}

#[tokio::test]
async fn the_fields_are_those_that_the_caller_may_send() {
    let shop = Shop::open().await;
    let locations = "/api/v1/oms/stocklocations/";
    let told = options(&shop, "erp", locations).await;
    assert_eq!(told.header("allow"), "GET, POST, HEAD, OPTIONS");
    let told = told.ok();
    assert_eq!(told["renders"][0], "application/json");
    let erp_code = &told["actions"]["POST"]["erp_code"];
    assert_eq!(
        (&erp_code["type"], &erp_code["required"], &erp_code["label"]),
        (&json!("string"), &json!(true), &json!("Erp code"))
    );
    let hook = options(&shop, "kadikoy", "/whisperer/hooks/").await.ok()["actions"]["POST"].clone();
    assert_eq!(hook["target_url"]["max_length"], 255);
    assert_eq!(hook["retry_countdown_config"]["required"], true);
    // A clerk reads locations, and adds none; of users there is nothing for a clerk.
    let told = options(&shop, "kadikoy", locations).await.ok();
    assert_eq!(told.get("actions"), None);
    for user in ["kadikoy", "erp", "ops"] {
        assert_eq!(options(&shop, user, "/api/v1/auth/users/").await.status, 403, "{user}");
    }
    for (path, status) in [(locations, 401), ("/whisperer/hooks/", 401), ("/api/v1/auth/login/", 200)] {
        let reply = send(shop.request(Method::OPTIONS, path)).await;
        assert_eq!(reply.status, status, "{path}");
    }
    let login: Value = send(shop.request(Method::OPTIONS, "/api/v1/auth/login/")).await.ok();
    assert_eq!(login["actions"]["POST"]["password"]["type"], "string");
    assert!(login["parses"].as_array().is_some_and(|types| types.len() > 1), "forms, too: {login}");
    shop.finish().await;
}
