//! Lists of commands: each command runs as if it came alone.

use std::{collections::BTreeMap, time::Duration};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{NOT_ALLOWED, NOT_FOUND, Package, Reply, Shop, join, send};

const PATH: &str = "/api/v1/oms/packages/commands/";
const PACK: &str = "package__complete_packing__waiting__packed";
const SHIP: &str = "package__ship_the_package__packed__shipped";

async fn packages(shop: &Shop, count: usize) -> Vec<Package<'_>> {
    let mut packages = Vec::new();
    for _ in 0..count {
        packages.push(shop.package().await);
    }
    packages
}

fn command(package: &Package<'_>, slug: &str) -> Value {
    json!({ "package": package.id, "slug": slug })
}

/// The statuses of the results, in order.
fn statuses(results: &Value) -> Vec<i64> {
    let results = results.as_array().expect("a list");
    results.iter().map(|result| result["status_code"].as_i64().expect("a status")).collect()
}

async fn keyed(shop: &Shop, user: &str, key: &str, list: &Value) -> Reply {
    send(shop.request_as(user, Method::POST, PATH).header("Idempotency-Key", key).json(list)).await
}

#[tokio::test]
async fn every_command_has_the_answer_it_would_have_alone_in_the_order_of_the_list() {
    let shop = Shop::open().await;
    let packages = packages(&shop, 3).await;
    let transition = packages[1].json().await["commands"][1]["id"].clone();
    let alone = packages[0].run("COMPLETE_PACKING").await.ok();

    let results = shop
        .post(
            PATH,
            &json!([
                command(&packages[2], PACK),
                command(&packages[0], PACK),
                { "package": packages[1].id.to_string(), "transition": transition },
                { "package": 999_999, "slug": PACK },
                { "package": packages[0].id, "slug": SHIP, "input_parameters": null },
                { "package": packages[0].id, "slug": "package__update_package_shipment_status__shipped__delivered",
                  "input_parameters": { "package": packages[0].id, "delivered_status": true } },
            ]),
        )
        .await
        .ok();

    let mut packed = alone.clone();
    packed["package_id"] = json!(packages[2].id);
    packed["package_number"] = json!(packages[2].number().await);
    let refused = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert_eq!(results[0], json!({ "status_code": 200, "body": packed }));
    assert_eq!(results[1], refused(NOT_ALLOWED));
    assert_eq!((&results[2]["status_code"], &results[2]["body"]["package_id"]), (&json!(200), &json!(packages[1].id)));
    assert_eq!(results[3], refused(NOT_FOUND));
    assert_eq!(results[4]["body"]["package_id"], packages[0].id);
    assert_eq!(results[5], json!({ "status_code": 204, "body": null }));
    for (package, state) in packages.iter().zip(["delivered", "packed", "packed"]) {
        assert_eq!(package.state().await, state);
    }
    shop.finish().await;
}

#[tokio::test]
async fn commands_for_one_package_run_in_the_order_of_the_list() {
    let shop = Shop::open().await;
    let packages = packages(&shop, 40).await;
    let slugs = [PACK, SHIP, "package__update_package_shipment_status__shipped__delivered"];
    let list: Vec<Value> = slugs
        .iter()
        .flat_map(|slug| {
            packages.iter().map(move |package| {
                json!({ "package": package.id, "slug": slug, "input_parameters":
                    if slug.contains("status") { json!({ "package": package.id, "delivered_status": true }) }
                    else { json!({}) } })
            })
        })
        .collect();
    let results = shop.post(PATH, &json!(list)).await.ok();
    assert_eq!(statuses(&results), [[200; 40], [200; 40], [204; 40]].concat());
    for package in &packages {
        assert_eq!((package.state().await, package.log().await.len()), ("delivered".to_owned(), 4));
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_command_that_is_wrong_or_refused_harms_no_other() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let other = shop.package().await;
    let list = json!([
        "pack",
        {},
        { "package": "x", "slug": PACK },
        { "package": package.id },
        { "package": package.id, "slug": 5 },
        { "package": package.id, "slug": PACK, "input_parameters": [] },
        { "package": package.id, "slug": PACK, "idempotency_key": "" },
        { "package": package.id, "slug": PACK, "input_parameters": { "package": other.id } },
        { "package": package.id, "slug": SHIP },
        { "package": other.id, "slug": "package__refuse__to__exist" },
    ]);
    let results = shop.changes_nothing(shop.post(PATH, &list)).await.ok();
    let errors: Vec<String> = results
        .as_array()
        .expect("a list")
        .iter()
        .map(|result| {
            let keys: Vec<_> = result.as_object().expect("an object").keys().collect();
            assert_eq!(keys, ["error", "status_code"]);
            format!(
                "{} {}",
                result["status_code"],
                result["error"].as_object().expect("an error").keys().next().expect("a key")
            )
        })
        .collect();
    assert_eq!(
        errors,
        [
            "400 detail",
            "400 package",
            "400 package",
            "400 non_field_errors",
            "400 slug",
            "400 input_parameters",
            "400 idempotency_key",
            "400 package",
            "406 non_field_errors",
            "406 non_field_errors",
        ]
    );
    let mut list = list;
    list.as_array_mut().expect("a list").insert(4, command(&package, PACK));
    assert_eq!(shop.post(PATH, &list).await.ok()[4]["status_code"], 200);
    assert_eq!((package.state().await.as_str(), other.state().await.as_str()), ("shipped", "waiting"));
    shop.finish().await;
}

#[tokio::test]
async fn a_list_that_is_none_or_too_long_is_refused_whole() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    for body in [json!({}), json!(null), json!("x"), command(&package, PACK)] {
        let reply = shop.changes_nothing(shop.post(PATH, &body)).await.json(400);
        assert!(reply["error"]["non_field_errors"].as_str().is_some_and(|text| text.starts_with("Expected a list")));
    }
    let mut list = vec![json!({}); 999];
    list.push(command(&package, PACK));
    list.push(json!({}));
    let reply = shop.changes_nothing(shop.post(PATH, &json!(list))).await.json(400);
    assert_eq!(reply["error"]["non_field_errors"], "At most 1000 commands a request.");
    list.pop();
    let results = shop.post(PATH, &json!(list)).await.ok();
    assert_eq!((results.as_array().map(Vec::len), &results[999]["status_code"]), (Some(1000), &json!(200)));
    assert_eq!(shop.post(PATH, &json!([])).await.ok(), json!([]));
    shop.finish().await;
}

#[tokio::test]
async fn a_store_runs_commands_on_its_own_packages_alone() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 1).await;
    let (own, foreign) = (shop.package().await, shop.order(&[("PINK", 1)]).await.only_package());
    let list = json!([command(&foreign, PACK), command(&own, PACK)]);
    assert_eq!(statuses(&shop.post_as("kadikoy", PATH, &list).await.ok()), [404, 200]);
    assert_eq!(foreign.state().await, "waiting");
    shop.finish().await;
}

#[tokio::test]
async fn commands_that_plan_run_in_a_list_too() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "RED", 5).await;
    let packages = packages(&shop, 6).await;
    let mut list = Vec::new();
    for package in &packages {
        let input = json!({ "package_items": package.item_ids().await });
        let slug = package.slug("DETECTED_OUT_OF_STOCK_ITEM").await;
        list.push(json!({ "package": package.id, "slug": slug, "input_parameters": input }));
        // Cancelled by then, or out of stock.
        list.push(command(package, PACK));
    }
    let results = shop.post(PATH, &json!(list)).await.ok();
    assert_eq!(statuses(&results), [200, 406].repeat(6));
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for package in &packages {
        *places.entry(package.place().await).or_default() += 1;
    }
    let expected = [("out-of-stock@HQ".to_owned(), 1), ("packaging-canceled@KADIKOY".to_owned(), 5)];
    assert_eq!(places, BTreeMap::from(expected));
    shop.finish().await;
}

#[tokio::test]
async fn a_dry_run_says_what_each_would_do_and_writes_nothing() {
    let shop = Shop::open().await;
    let packages = packages(&shop, 3).await;
    let mut list: Vec<Value> = packages.iter().map(|package| command(package, PACK)).collect();
    list.push(command(&packages[0], SHIP));
    let request = shop.request_as("erp", Method::POST, &format!("{PATH}?dry_run=true")).header("Idempotency-Key", "k");
    let results = shop.changes_nothing(send(request.json(&list))).await.ok();
    assert_eq!(statuses(&results), [200, 200, 200, 406]);
    let alone = packages[0].dry_run("COMPLETE_PACKING", &json!({})).await.ok();
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&results[0]["body"]), keys(&alone));
    // The key is unused.
    assert_eq!(statuses(&keyed(&shop, "erp", "k", &json!(list)).await.ok()), [200; 4]);
    shop.finish().await;
}

#[tokio::test]
async fn a_list_sent_again_gets_the_same_bytes_and_runs_nothing() {
    let shop = Shop::open().await;
    let packages = packages(&shop, 3).await;
    let list = json!([
        command(&packages[0], PACK),
        command(&packages[0], SHIP),
        command(&packages[1], SHIP),
        command(&packages[2], PACK)
    ]);
    let first = keyed(&shop, "erp", "k", &list).await;
    assert_eq!(statuses(&first.ok()), [200, 200, 406, 200]);
    let again = shop.changes_nothing(keyed(&shop, "erp", "k", &list)).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    // Another list, or another request, cannot have the key; another user can.
    let longer = json!([command(&packages[0], PACK), command(&packages[1], PACK)]);
    for reply in [
        shop.changes_nothing(keyed(&shop, "erp", "k", &longer)).await,
        shop.changes_nothing(packages[1].run_keyed("erp", "k", &json!({ "slug": PACK }))).await,
    ] {
        assert!(reply.detail(422).contains("Idempotency-Key"));
    }
    assert_eq!(statuses(&keyed(&shop, "ops", "k", &longer).await.ok()), [406, 200]);
    shop.finish().await;
}

#[tokio::test]
async fn a_list_that_was_broken_off_is_finished_by_sending_it_again() {
    let shop = Shop::open().await;
    let packages = packages(&shop, 4).await;
    let slugs = [PACK, SHIP];
    let list = slugs.iter().flat_map(|slug| packages.iter().map(|package| command(package, slug)));
    let list = json!(list.collect::<Vec<_>>());
    let impatient = shop.second_server_with(Duration::from_millis(300)).await;
    // Somebody holds a package, so the server gives the request up while commands are under way and others have not
    // begun.
    let mut holding = shop.pool().begin().await.expect("a transaction");
    sqlx::query("select from packages where id = $1 for update")
        .bind(packages[1].id)
        .execute(&mut *holding)
        .await
        .expect("a lock");
    let request = shop.request_as("erp", Method::POST, &format!("{}{PATH}", impatient.url));
    let reply = send(request.header("Idempotency-Key", "k").json(&list)).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(packages[1].state().await, "waiting");
    holding.rollback().await.expect("a rollback");

    let again = keyed(&shop, "erp", "k", &list).await;

    assert_eq!(statuses(&again.ok()), [200; 8]);
    for package in &packages {
        assert_eq!((package.state().await, package.log().await.len()), ("shipped".to_owned(), 3));
    }
    let third = shop.changes_nothing(keyed(&shop, "erp", "k", &list)).await;
    assert_eq!(third.body, again.body);
    impatient.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_key_of_its_own_goes_before_the_one_of_the_list() {
    let shop = Shop::open().await;
    let packages = packages(&shop, 2).await;
    let mut packing = command(&packages[0], PACK);
    packing["idempotency_key"] = json!("own");
    let first = shop.post_as("erp", PATH, &json!([packing])).await.ok();
    assert_eq!(statuses(&first), [200]);
    // The same command in another list, at another place, with the keys in another order.
    let again = json!([command(&packages[1], PACK),
        { "idempotency_key": "own", "input_parameters": {}, "slug": PACK, "package": packages[0].id }]);
    let again = keyed(&shop, "erp", "list", &again).await.ok();
    assert_eq!((&again[0]["status_code"], &again[1]), (&json!(200), &first[0]));
    let mut other = command(&packages[1], SHIP);
    other["idempotency_key"] = json!("own");
    let reused = shop.changes_nothing(shop.post_as("erp", PATH, &json!([other]))).await.ok();
    assert_eq!(statuses(&reused), [422]);
    shop.finish().await;
}

#[tokio::test]
async fn the_same_list_many_times_at_once_runs_once() {
    let shop = Shop::open().await;
    let packages = packages(&shop, 30).await;
    let list = json!(packages.iter().map(|package| command(package, PACK)).collect::<Vec<_>>());
    let replies = join((0..6).map(|_| keyed(&shop, "erp", "k", &list))).await;
    for reply in &replies {
        assert_eq!(statuses(&reply.ok()), [200; 30]);
        assert_eq!(reply.body, replies[0].body);
    }
    for package in &packages {
        assert_eq!(package.log().await.len(), 2);
    }
    // Without a key each command runs for one of those who send it, and is refused to the rest.
    let list = json!(packages.iter().map(|package| command(package, SHIP)).collect::<Vec<_>>());
    let replies = join((0..6).map(|_| shop.post(PATH, &list))).await;
    let mut done = 0;
    for reply in replies {
        done += statuses(&reply.ok()).into_iter().filter(|status| *status == 200).count();
    }
    assert_eq!(done, 30);
    shop.finish().await;
}
