//! The answers of successful requests.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Shop, send};

#[tokio::test]
async fn a_package_command_answers_the_five_keys() {
    let shop = Shop::open().await;
    let package = shop.order(&[("RED", 1)]).await.only_package();

    let reply = package.run("COMPLETE_PACKING").await;

    let location = shop.location_id("KADIKOY").await;
    let expected = format!(
        r#"{{"package_id":{},"package_number":"N1P1","package_stock_location_id":{location},"package_stock_location_name":"Kadıköy Store","is_same_location":true}}"#,
        package.id
    );
    assert_eq!(reply.text(), expected);
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/json"));
    assert_eq!(package.place().await, "packed@KADIKOY");
    shop.finish().await;
}

#[tokio::test]
async fn a_transition_can_be_named_by_its_id_alone_by_digits_or_by_its_slug_alone() {
    let shop = Shop::open().await;
    for name in ["id", "digits", "slug", "both"] {
        let package = shop.package().await;
        let commands = package.json().await["commands"].clone();
        let pack = commands.as_array().expect("a list").iter().find(|command| command["command"] == "COMPLETE_PACKING");
        let pack = pack.expect("listed");
        let body = match name {
            "id" => json!({ "transition": pack["id"] }),
            "digits" => json!({ "transition": pack["id"].to_string() }),
            "slug" => json!({ "slug": pack["slug"] }),
            _ => json!({ "transition": pack["id"], "slug": pack["slug"], "input_parameters": {} }),
        };
        package.post(&body).await.ok();
        assert_eq!(package.state().await, "packed");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_delivery_result_answers_204_and_no_body() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    package.run("SHIP_THE_PACKAGE").await.ok();
    let input = json!({ "package": package.id, "delivered_status": false });
    for state in ["attempted-delivery", "delivery-failed", "delivery-failed"] {
        package.run_with("UPDATE_PACKAGE_SHIPMENT_STATUS", &input).await.done();
        assert_eq!(package.state().await, state);
    }
    package
        .run_with("UPDATE_PACKAGE_SHIPMENT_STATUS", &json!({ "package": package.id, "delivered_status": true }))
        .await
        .done();
    assert_eq!(package.state().await, "delivered");
    shop.finish().await;
}

#[tokio::test]
async fn a_package_planned_again_elsewhere_answers_where_its_items_are_packed_now() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 5).await;
    let package = shop.package().await;
    let number = package.number().await;
    let input = json!({ "package_items": package.item_ids().await });

    let answer = package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &input).await.ok();

    assert_eq!(
        answer,
        json!({ "package_id": package.id, "package_number": number,
                "package_stock_location_id": shop.location_id("BESIKTAS").await,
                "package_stock_location_name": "Beşiktaş Store", "is_same_location": false })
    );
    let successors: Vec<i64> = package.successors().await.iter().map(|successor| successor.id).collect();
    assert_eq!(package.json().await["replaced_by"], json!(successors));
    assert_eq!(successors.len(), 1);
    shop.finish().await;
}

#[tokio::test]
async fn of_several_locations_the_answer_names_the_one_with_most_items_then_the_first_by_priority() {
    let shop = Shop::open().await;
    for (besiktas, gebze, expected) in [
        (vec!["A"], vec!["B", "C"], "GEBZE"),
        (vec!["A", "B"], vec!["C"], "BESIKTAS"),
        (vec!["A", "B"], vec!["C", "D"], "BESIKTAS"),
    ] {
        for sku in ["A", "B", "C", "D"] {
            shop.count("KADIKOY", sku, 9).await;
            shop.count("BESIKTAS", sku, if besiktas.contains(&sku) { 9 } else { 0 }).await;
            shop.count("GEBZE", sku, if gebze.contains(&sku) { 9 } else { 0 }).await;
        }
        let lines: Vec<(&str, i64)> = besiktas.iter().chain(&gebze).map(|sku| (*sku, 1)).collect();
        let package = shop.order(&lines).await.only_package();
        assert_eq!(package.place().await, "waiting@KADIKOY");
        let input = json!({ "package_items": package.item_ids().await });

        let answer = package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &input).await.ok();

        assert_eq!(answer["package_stock_location_id"], json!(shop.location_id(expected).await));
        assert_eq!(answer["is_same_location"], json!(false));
        assert_eq!(package.successors().await.len(), 2);
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_path_without_its_slash_is_sent_on_with_method_body_and_query() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    for (method, path) in [
        (Method::GET, "/api/v1/oms/packages?state=1&page=2".to_owned()),
        (Method::GET, "/api/v1/oms/packages/short".to_owned()),
        (Method::GET, format!("/api/v1/oms/packages/{}", package.id)),
        (Method::POST, format!("/api/v1/oms/packages/{}/command?dry_run=true", package.id)),
        (Method::POST, "/api/v1/oms/orders".to_owned()),
        (Method::POST, "/api/v1/auth/login".to_owned()),
    ] {
        let reply = send(shop.request_as("admin", method, &path)).await;
        let (before, query) =
            path.split_once('?').map_or((path.as_str(), String::new()), |(path, query)| (path, format!("?{query}")));
        assert_eq!((reply.status, reply.header("location")), (308, format!("{before}/{query}").as_str()));
    }

    // A client that follows it ends where it would have with the slash.
    let following = crate::support::client().build().expect("a client");
    let url = format!("{}/api/v1/oms/packages/{}/command", shop.url(), package.id);
    let answer: Value = following
        .post(url)
        .header("Authorization", format!("Token {}", Shop::token("admin")))
        .json(&json!({ "slug": package.slug("COMPLETE_PACKING").await }))
        .send()
        .await
        .expect("an answer")
        .json()
        .await
        .expect("JSON");
    assert_eq!(answer["package_id"], json!(package.id));
    assert_eq!(package.state().await, "packed");
    shop.finish().await;
}
