//! Users, their tokens and what they may see.

use oms::{
    auth::{self, NewToken, Role},
    db::PgConnection,
};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Shop, send};

const LOGIN: [&str; 2] = ["/api/v1/auth/login/", "/api/i1/auth/login/"];

async fn add(shop: &Shop, name: &str, password: Option<&str>) {
    let mut connection = shop.pool().acquire().await.expect("connect");
    auth::create_user(&mut connection, name, password, Role::Integrator, &[]).await.expect("a user");
}

/// A token of `ayse`.
async fn issue(connection: &mut PgConnection) -> String {
    auth::issue_token(connection, "ayse", &NewToken::default()).await.expect("a token").key
}

async fn login(shop: &Shop, path: &str, body: &Value) -> crate::support::Reply {
    send(shop.request(Method::POST, path).json(body)).await
}

/// The status a token gets on a list.
async fn status(shop: &Shop, key: &str) -> u16 {
    let request = shop.request(Method::GET, "/api/v1/oms/packages/");
    send(request.header("Authorization", format!("Token {key}"))).await.status
}

#[tokio::test]
async fn a_name_and_its_password_give_a_key_at_both_paths() {
    let shop = Shop::open().await;
    add(&shop, "ayse", Some("gizli bir parola")).await;
    let mut keys = Vec::new();
    for path in LOGIN {
        let answer = login(&shop, path, &json!({ "username": "ayse", "password": "gizli bir parola" })).await.ok();
        let object = answer.as_object().expect("an object");
        assert_eq!(object.keys().collect::<Vec<_>>(), ["key"]);
        let key = object["key"].as_str().expect("a key").to_owned();
        assert!(key.len() == 40 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
        assert_eq!(status(&shop, &key).await, 200);
        keys.push(key);
    }
    assert_ne!(keys[0], keys[1]);
    // Only hashes are stored, of passwords and of keys.
    let stored = format!("{:?}", shop.dump().await);
    assert!(!stored.contains("gizli bir parola") && !stored.contains(&keys[0]));
    shop.finish().await;
}

#[tokio::test]
async fn what_does_not_fit_is_refused_in_the_same_words_whoever_it_is() {
    let shop = Shop::open().await;
    add(&shop, "ayse", Some("gizli bir parola")).await;
    add(&shop, "gone", Some("gizli bir parola")).await;
    add(&shop, "machine", None).await;
    auth::set_active(&mut shop.pool().acquire().await.expect("connect"), "gone", false).await.expect("disabled");
    for (username, password) in [
        ("ayse", "wrong"),
        ("ayse", "Gizli bir parola"),
        ("nobody", "gizli bir parola"),
        ("gone", "gizli bir parola"),
        ("machine", "gizli bir parola"),
    ] {
        let body = json!({ "username": username, "password": password });
        let reply = shop.changes_nothing(login(&shop, LOGIN[0], &body)).await;
        reply.refused(
            r#"{"error":{"non_field_errors":"Unable to log in with provided credentials."},"status_code":400}"#,
        );
    }
    for (body, field) in [
        (json!({ "password": "x" }), "username"),
        (json!({ "username": "ayse" }), "password"),
        (json!({ "username": "", "password": "x" }), "username"),
        (json!({ "username": "ayse", "password": "" }), "password"),
        (json!({ "username": true, "password": "x" }), "username"),
        (json!({ "username": "ayse\u{0}", "password": "x" }), "username"),
    ] {
        assert_eq!(shop.changes_nothing(login(&shop, LOGIN[1], &body)).await.wrong(field).len(), 1);
    }
    let request = shop.request(Method::POST, LOGIN[0]).header("Content-Type", "application/json").body("nonsense");
    assert!(send(request).await.detail(400).starts_with("JSON parse error - "));
    shop.finish().await;
}

#[tokio::test]
async fn a_token_taken_back_is_refused_by_a_running_server() {
    let shop = Shop::open().await;
    add(&shop, "ayse", None).await;
    let mut connection = shop.pool().acquire().await.expect("connect");
    let keys = [issue(&mut connection).await, issue(&mut connection).await];
    for key in &keys {
        assert_eq!(status(&shop, key).await, 200);
    }
    assert_eq!(auth::revoke_tokens(&mut connection, "ayse").await.expect("revoked"), 2);
    for key in &keys {
        shop.until("the token is refused", async || (status(&shop, key).await == 401).then_some(())).await;
    }
    // Others come in as before, and a new token does too.
    shop.get_as("erp", "/api/v1/oms/packages/").await.ok();
    let fresh = issue(&mut connection).await;
    assert_eq!(status(&shop, &fresh).await, 200);
    drop(connection);
    shop.finish().await;
}

#[tokio::test]
async fn a_user_who_is_disabled_is_refused_until_enabled_again() {
    let shop = Shop::open().await;
    add(&shop, "ayse", None).await;
    let mut connection = shop.pool().acquire().await.expect("connect");
    let key = issue(&mut connection).await;
    for (active, expected) in [(true, 200), (false, 401), (true, 200)] {
        auth::set_active(&mut connection, "ayse", active).await.expect("set");
        shop.until("it takes effect", async || (status(&shop, &key).await == expected).then_some(())).await;
    }
    auth::set_active(&mut connection, "ayse", false).await.expect("set");
    assert!(auth::issue_token(&mut connection, "ayse", &NewToken::default()).await.is_err());
    drop(connection);
    shop.finish().await;
}

#[tokio::test]
async fn a_request_writes_nothing_about_its_token() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    for user in ["admin", "erp", "ops", "kadikoy"] {
        shop.changes_nothing(shop.get_as(user, &package.path())).await.ok();
        shop.changes_nothing(shop.get_as(user, "/api/v1/oms/packages/")).await.ok();
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_store_works_at_its_own_locations() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let body = json!({ "slug": package.slug("COMPLETE_PACKING").await });
    package.post_as("kadikoy", &body).await.ok();
    assert_eq!(package.state().await, "packed");
    shop.finish().await;
}

#[tokio::test]
async fn what_each_role_may_do_besides_commands() {
    let shop = Shop::open().await;
    let count = json!({ "stock_location": "KADIKOY", "sku": "RED", "quantity": 9 });
    let location = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("KADIKOY").await);
    for (number, (user, may)) in
        [("admin", true), ("erp", true), ("ops", true), ("kadikoy", false)].into_iter().enumerate()
    {
        let order = crate::support::order_json(&format!("of {user}"), &[("RED", 1)]);
        let place = json!({ "erp_code": format!("L{number}"), "name": "New", "stock_location_type": "store" });
        for (method, path, body, status) in [
            (Method::POST, "/api/v1/oms/orders/", order, 201),
            (Method::PUT, "/api/v1/oms/stocks/", count.clone(), 200),
            (Method::POST, "/api/v1/oms/stocklocations/", place, 201),
            (Method::PATCH, &location, json!({ "priority": 10 }), 200),
        ] {
            let reply = send(shop.request_as(user, method, path).json(&body)).await;
            assert_eq!(reply.status, if may { status } else { 403 }, "{user} {path}");
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn who_did_it_is_in_the_log() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let body = json!({ "slug": package.slug("COMPLETE_PACKING").await });
    package.post_as("kadikoy", &body).await.ok();
    let users: Vec<(String,)> =
        shop.rows("select u.username from transition_logs t join users u on u.id = t.user_id order by t.id").await;
    assert_eq!(users, [("admin".to_owned(),), ("kadikoy".to_owned(),)]);
    shop.finish().await;
}
