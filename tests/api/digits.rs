//! A number is its digits, however many: where a text is wanted, and where anything may stand.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    support::{Shop, order_json, send_loosely},
    webhooks::{self, receiver::Receiver, subscribe},
};

const ORDERS: &str = "/api/v1/oms/orders/";
const LONG: &str = "12345678901234567890123";

/// A JSON number.
fn number(digits: &str) -> Value {
    serde_json::from_str(digits).expect("a number")
}

/// Posts what the document does not describe: a number where it says a text.
async fn post(shop: &Shop, path: &str, body: &Value) -> Value {
    let reply = send_loosely(shop.request_as("admin", Method::POST, path).json(body)).await;
    assert!((200..300).contains(&reply.status), "{}", reply.text());
    serde_json::from_slice(&reply.body).unwrap_or_default()
}

#[tokio::test]
async fn orders_whose_long_numbers_differ_in_the_last_digit_are_two() {
    let shop = Shop::open().await;
    let mut order = order_json("", &[("RED", 1)]);
    let mut ids = Vec::new();
    for digits in ["1000000000000008781491", "1000000000000008781492"] {
        order["number"] = number(digits);
        let taken = post(&shop, ORDERS, &order).await;
        let id = taken["id"].as_i64().expect("an id");
        assert_eq!(shop.get(&format!("{ORDERS}{id}/")).await.ok()["number"], digits);
        ids.push(id);
    }
    assert_ne!(ids[0], ids[1]);
    // As a text it is the same order.
    order["number"] = json!("1000000000000008781491");
    assert_eq!(post(&shop, ORDERS, &order).await["id"], ids[0]);
    shop.finish().await;
}

#[tokio::test]
async fn a_tracking_number_that_is_sent_as_a_number_keeps_its_digits() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let slug = package.slug("SHIP_THE_PACKAGE_ADVANCED").await;
    let company: i64 = shop.value("select min(id) from cargo_companies where $1", true).await;
    let input = json!({ "tracking_number": number("9400111899223100001236"), "cargo_company": company });
    post(&shop, &package.command_path(), &json!({ "slug": slug, "input_parameters": input })).await;
    assert_eq!(package.json().await["shipment"]["tracking_number"], "9400111899223100001236");
    shop.finish().await;
}

#[tokio::test]
async fn what_is_free_is_kept_and_delivered_to_the_digit() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(webhooks::settings()).await;
    subscribe(&shop, &format!("{}/erp", receiver.url), "package.created").await;
    let mut order = order_json("A1", &[("RED", 1)]);
    order["customer"]["loyalty"] = number(LONG);
    order["channel"]["rates"] = json!([number("1.10"), number("-18446744073709551617"), number("0")]);
    order["orderitem_set"][0]["product"]["attributes"] = json!({ "serial": number(LONG) });
    let taken = post(&shop, ORDERS, &order).await;
    let order_path = format!("{ORDERS}{}/", taken["id"]);
    for path in [&order_path, &format!("/api/v1/oms/packages/{}/", taken["packages"][0]["id"])] {
        let text = shop.get(path).await.text().replace(": ", ":").replace(", ", ",");
        for expected in
            [format!(r#""loyalty":{LONG}"#), format!(r#""serial":{LONG}"#), "[1.10,-18446744073709551617,0]".to_owned()]
        {
            assert!(text.contains(&expected), "{expected}: {text}");
        }
    }
    let delivered = receiver.until_taken(1).await.remove(0);
    let delivered = String::from_utf8(delivered.body).expect("UTF-8");
    assert!(delivered.contains(&format!(r#""serial": {LONG}"#)), "{delivered}");
    // The same order sent again is the same.
    assert_eq!(post(&shop, ORDERS, &order).await["id"], taken["id"]);
    shop.finish().await;
    receiver.stop();
}

#[tokio::test]
async fn stock_and_hooks_take_the_digits_of_a_number_as_a_text() {
    let shop = Shop::open().await;
    let count = json!({ "stock_location": "KADIKOY", "sku": number(LONG), "quantity": 7 });
    let counted = send_loosely(shop.request_as("admin", Method::PUT, "/api/v1/oms/stocks/").json(&count)).await;
    assert_eq!(counted.json(200), json!({ "updated": 1 }));
    assert_eq!(shop.stock("KADIKOY", LONG).await.0, 7);
    let mut hook = webhooks::hook("https://example.com/h", "package.created");
    hook["callback"] = number(LONG);
    assert_eq!(post(&shop, webhooks::HOOKS, &hook).await["callback"], LONG);
    shop.finish().await;
}

#[tokio::test]
async fn what_is_no_number_to_a_computer_is_refused() {
    let shop = Shop::open().await;
    let text = order_json("A1", &[("RED", 1)]).to_string();
    for (instead, said) in [
        ("1e400", "number out of range"),
        (r#"{"a":1,"$serde_json::private::Number":"1"}"#, "no key may begin with $serde_json::private::"),
    ] {
        let body = text.replace(r#""pk":5"#, &format!(r#""pk":{instead}"#));
        assert_ne!(body, text);
        let request =
            shop.request_as("admin", Method::POST, ORDERS).header("Content-Type", "application/json").body(body);
        let refused = shop.changes_nothing(send_loosely(request)).await;
        assert!(
            refused.json(400)["error"]["detail"].as_str().is_some_and(|why| why.contains(said)),
            "{}",
            refused.text()
        );
    }
    shop.finish().await;
}
