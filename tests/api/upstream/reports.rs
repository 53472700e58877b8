//! What the upstream hears: in order per order, nothing lost, nothing that was not to be told.

use serde_json::{Value, json};

use super::house::{EAGER, Upstream, numbers, order_of, orders, until_taken};
use crate::support::{Package, SHOP, STANDARD, Shop};

/// The statuses it took of an order item, in order; a repeat counts once.
fn statuses(upstream: &Upstream, item: i64) -> Vec<String> {
    let path = format!("/api/v1/order_items/{item}/");
    let took = upstream.received().into_iter().filter(|one| one.method == "PATCH" && one.path == path);
    let mut told: Vec<String> = took
        .filter(|one| one.status == 200)
        .map(|one| one.body["status"].as_str().expect("a status").to_owned())
        .collect();
    told.dedup();
    told
}

/// Waits until everything is told that is to be.
async fn until_told(shop: &Shop) {
    shop.until("everything is told", || async {
        let open: Vec<(i64,)> = shop
            .rows(
                "select (select count(*) from upstream_calls where done_date is null)
                        + (select count(*) from events e, upstream_feed f
                            where e.types && '{package.status.transitioned}' and (e.position, e.id) > (f.position, f.id))
                        + (select count(*) from transition_records where invoice_call is not null)",
            )
            .await;
        (open[0].0 == 0).then_some(())
    })
    .await;
}

async fn package_of(shop: &Shop, number: i64) -> Package<'_> {
    let sql = "select min(p.id) from packages p join orders o on o.id = p.order_id where o.number = $1";
    Package::new(shop, shop.value(sql, number.to_string()).await)
}

async fn order_status(shop: &Shop, number: i64) -> String {
    let sql = "select s.enum_value from orders o join states s on s.id = o.state_id where o.number = $1";
    shop.value(sql, number.to_string()).await
}

async fn pack_ship_and_deliver(package: Package<'_>) {
    package.run("COMPLETE_PACKING").await.ok();
    package.run("SHIP_THE_PACKAGE").await.ok();
    let delivered = json!({ "package": package.id, "delivered_status": true });
    package.run_with("UPDATE_PACKAGE_SHIPMENT_STATUS", &delivered).await.done();
}

#[tokio::test]
async fn a_kit_has_the_least_status_of_its_parts_and_a_gift_card_does_not_hold_the_order_up() {
    let mut sent = order_of(1, &[("KIT", 1), ("RED", 1), ("FAR", 1), ("CARD", 1)]);
    for part in [1, 2] {
        sent["orderitem_set"][part]["parent"] = json!(101);
    }
    sent["orderitem_set"][3]["product"]["product_type"] = json!("gift_card");
    let upstream = Upstream::start(vec![]).await;
    let shop = upstream.shop().await;
    shop.count("GEBZE", "FAR", 1).await;
    upstream.bring(vec![sent]).await;
    until_taken(&shop, 1..2).await;
    let packages: Vec<(i64,)> = shop.rows("select id from packages order by id").await;
    let [near, far] = packages[..] else { panic!("two packages") };
    pack_ship_and_deliver(Package::new(&shop, near.0)).await;
    until_told(&shop).await;
    assert_eq!((statuses(&upstream, 101), order_status(&shop, 1).await), (Vec::<String>::new(), "400".to_owned()));
    pack_ship_and_deliver(Package::new(&shop, far.0)).await;
    until_told(&shop).await;
    let told = statuses(&upstream, 101);
    assert_eq!(told.last().map(String::as_str), Some("550"), "{told:?}");
    assert!(told.is_sorted(), "{told:?}");
    assert_eq!((statuses(&upstream, 104), order_status(&shop, 1).await), (Vec::<String>::new(), "550".to_owned()));
    let faults = oms::verify::verify(shop.pool()).await.expect("verify");
    assert_eq!(faults, Vec::<String>::new());
    shop.finish().await;
}

#[tokio::test]
async fn each_step_of_a_package_is_told_and_its_stock_released_once() {
    let upstream = Upstream::start(vec![order_of(1, &[("RED", 1), ("BLUE", 2)])]).await;
    let shop = upstream.shop().await;
    until_taken(&shop, 1..2).await;
    let package = package_of(&shop, 1).await;
    pack_ship_and_deliver(package).await;
    until_told(&shop).await;
    for item in [101, 102] {
        assert_eq!(statuses(&upstream, item), ["450", "500", "550"]);
        assert_eq!(upstream.count(&format!("/api/i1/order_items/{item}/create_mapping/"), 201), 1);
    }
    let tracking_number = package.json().await["shipment"]["tracking_number"].clone();
    let shipped = upstream.received().into_iter().find(|one| one.body["status"] == "500").expect("told");
    assert_eq!(shipped.body["tracking_number"], tracking_number);
    assert_eq!(order_status(&shop, 1).await, "550");
    let calls = shop.get("/api/v1/oms/upstream/calls/?order__number=1&is_done=true&kind=status").await.ok();
    assert_eq!((&calls["count"], &calls["results"][0]["answered_status"]), (&json!(6), &json!(200)));
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn what_a_command_or_its_transition_keeps_to_itself_is_not_told() {
    let upstream = Upstream::start(orders(1..3)).await;
    let shop = upstream.shop().await;
    until_taken(&shop, 1..3).await;
    let quiet = json!({ "sync_remote_order_status": false });
    let first = package_of(&shop, 1).await;
    first.run_with("COMPLETE_PACKING", &quiet).await.ok();
    first.run("SHIP_THE_PACKAGE").await.ok();
    let silent = STANDARD.replacen(
        "command = \"SHIP_THE_PACKAGE\"",
        "command = \"SHIP_THE_PACKAGE\"\nparameters = { sync_remote_order_status = false }",
        1,
    );
    shop.install(&[&silent, SHOP]).await;
    let second = package_of(&shop, 2).await;
    pack_ship_and_deliver(second).await;
    until_told(&shop).await;
    assert_eq!(
        (statuses(&upstream, 101), statuses(&upstream, 201)),
        (vec!["500".into()], vec!["450".into(), "550".into()])
    );
    assert_eq!(upstream.count("/api/i1/order_items/101/create_mapping/", 201), 0);
    assert_eq!((order_status(&shop, 1).await, order_status(&shop, 2).await), ("500".to_owned(), "550".to_owned()));
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn an_order_whose_calls_fail_holds_up_no_other() {
    let upstream = Upstream::start(orders(1..9)).await;
    let shop = upstream.shop().await;
    until_taken(&shop, 1..9).await;
    upstream.control(&json!({ "refuse": ["/api/v1/order_items/101/"] })).await;
    for number in 1..9 {
        pack_ship_and_deliver(package_of(&shop, number).await).await;
    }
    shop.until("the others are told", || async {
        (2..9).all(|number| statuses(&upstream, number * 100 + 1) == ["450", "500", "550"]).then_some(())
    })
    .await;
    assert!(statuses(&upstream, 101).is_empty());
    let open = shop.get("/api/v1/oms/upstream/calls/?is_done=false&order__number=1&sort=id").await.ok();
    assert_eq!(open["results"][0]["last_error"], "it answered 500 Internal Server Error");
    // The calls behind the one that fails were not even tried.
    assert!(open["results"].as_array().expect("calls").iter().skip(1).all(|call| call["attempts"] == 0), "{open:#}");
    upstream.control(&json!({ "refuse": [] })).await;
    until_told(&shop).await;
    assert_eq!(statuses(&upstream, 101), ["450", "500", "550"]);
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn whatever_the_upstream_does_every_order_is_told_in_order() {
    let upstream = Upstream::start(orders(1..31)).await;
    let shop = upstream.shop().await;
    until_taken(&shop, 1..31).await;
    let moods = [
        json!({ "fail": 15 }),
        json!({ "lose": 10 }),
        json!({ "expire_token": true, "fail": 3, "fail_status": 503 }),
        json!({ "stall_ms": 1500 }),
        json!({ "stall_ms": 0, "fail": 5, "fail_status": 429 }),
    ];
    for (at, mood) in moods.iter().enumerate() {
        upstream.control(mood).await;
        let first = i64::try_from(at).expect("few") * 6 + 1;
        for number in first..first + 6 {
            pack_ship_and_deliver(package_of(&shop, number).await).await;
        }
        if mood["stall_ms"] == 1500 {
            shop.until("it gives up waiting", || async {
                let late: i64 = shop
                    .value(
                        "select count(*) from upstream_calls where last_error = $1",
                        "it did not answer in time".to_owned(),
                    )
                    .await;
                (late > 0).then_some(())
            })
            .await;
        }
    }
    until_told(&shop).await;
    for number in 1..31 {
        assert_eq!(statuses(&upstream, number * 100 + 1), ["450", "500", "550"], "order {number}");
    }
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn what_one_server_leaves_another_tells_and_several_share() {
    let upstream = Upstream::start(orders(1..41)).await;
    let shop = Shop::open().await;
    let settings = upstream.settings();
    let first = shop.second_following_server(&settings, EAGER).await;
    until_taken(&shop, 1..41).await;
    upstream.control(&json!({ "stall_ms": 30 })).await;
    let mut servers = vec![first];
    for number in 1..41 {
        pack_ship_and_deliver(package_of(&shop, number).await).await;
        match number {
            10 | 30 => servers.remove(0).stop().await,
            20 => {
                for _ in 0..3 {
                    servers.push(shop.second_following_server(&settings, EAGER).await);
                }
            }
            _ => {}
        }
    }
    upstream.control(&json!({ "stall_ms": 0 })).await;
    until_told(&shop).await;
    for number in 1..41 {
        assert_eq!(statuses(&upstream, number * 100 + 1), ["450", "500", "550"], "order {number}");
        assert_eq!(upstream.count(&format!("/api/i1/order_items/{}/create_mapping/", number * 100 + 1), 201), 1);
    }
    for server in servers {
        server.stop().await;
    }
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn nothing_is_lost_or_taken_twice_when_servers_are_killed() {
    let upstream = Upstream::start(orders(1..81)).await;
    let shop = Shop::open().await;
    let settings = [
        ("OMS_UPSTREAM_URL", upstream.url.as_str()),
        ("OMS_UPSTREAM_USERNAME", "oms"),
        ("OMS_UPSTREAM_PASSWORD", "secret"),
        ("OMS_UPSTREAM_POLL_SECONDS", "1"),
        ("OMS_REPLAN", "false"),
    ];
    for round in 1..5 {
        let mut server = shop.serve_apart(&settings);
        let enough = round * 20;
        shop.until("orders", || async { (numbers(&shop).await.len() >= enough).then_some(()) }).await;
        let first = i64::try_from(enough).expect("few") - 19;
        for number in first..first + 20 {
            pack_ship_and_deliver(package_of(&shop, number).await).await;
        }
        shop.until("some are told", || async { (!statuses(&upstream, first * 100 + 1).is_empty()).then_some(()) })
            .await;
        server.kill().await.expect("killed");
        // What it held is free after a while.
        shop.execute("update upstream_calls set leased_until = now(); update upstream_cursor set leased_until = now()")
            .await;
    }
    let server = shop.second_following_server(&upstream.settings(), EAGER).await;
    until_taken(&shop, 1..81).await;
    until_told(&shop).await;
    for number in 1..81 {
        assert_eq!(statuses(&upstream, number * 100 + 1), ["450", "500", "550"], "order {number}");
    }
    server.stop().await;
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn only_what_is_cancelled_is_told_as_cancelled() {
    let upstream = Upstream::start(vec![order_of(1, &[("RED", 1), ("BLUE", 1)])]).await;
    let shop = upstream.shop().await;
    until_taken(&shop, 1..2).await;
    let plan = json!({ "event": { "type": "cancellation_plan.created", "uuid": "u" }, "payload": {
        "pk": 9, "plan_type": "cancel", "order": { "number": "1" }, "order_items": [102] } });
    shop.post_as("erp", "/api/v1/oms/cancellation_plan/", &plan).await.ok();
    until_told(&shop).await;
    assert_eq!((statuses(&upstream, 101), statuses(&upstream, 102)), (vec![], vec!["100".to_owned()]));
    let rest: i64 = shop.value("select max(id) from packages where $1", true).await;
    pack_ship_and_deliver(Package::new(&shop, rest)).await;
    until_told(&shop).await;
    assert_eq!(statuses(&upstream, 101), ["450", "500", "550"]);
    assert_eq!((statuses(&upstream, 102), order_status(&shop, 1).await), (vec!["100".to_owned()], "550".to_owned()));
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn a_parcel_that_came_back_is_told_as_cancelled_when_its_order_is_given_up() {
    let upstream = Upstream::start(orders(1..5)).await;
    let shop = upstream.shop().await;
    until_taken(&shop, 1..5).await;
    for (number, restocks) in [(1, true), (2, false), (3, true), (4, false)] {
        let package = package_of(&shop, number).await;
        let input = json!({ "restock": restocks });
        package.run("COMPLETE_PACKING").await.ok();
        if number < 3 {
            package.run_with("CANCEL_PACKED_PACKAGE", &input).await.ok();
        } else {
            package.run("SHIP_THE_PACKAGE").await.ok();
            package.run_with("RETURN_PACKAGE", &input).await.ok();
        }
    }
    until_told(&shop).await;
    let told = || [101, 201, 301, 401].map(|item| statuses(&upstream, item));
    assert_eq!(told(), [["450", "100"], ["450", "100"], ["450", "500"], ["450", "500"]]);
    for number in [3, 4] {
        package_of(&shop, number).await.run("CANCEL_PACKAGE").await.ok();
    }
    until_told(&shop).await;
    assert_eq!(told()[2..], [["450", "500", "100"], ["450", "500", "100"]]);
    for number in 1..5 {
        assert_eq!(order_status(&shop, number).await, "100");
    }
    shop.finish().await;
    upstream.stop();
}

fn invoice_call(upstream: &Upstream, auth: &Value) -> Value {
    json!({ "remote_invoice_call": {
        "auth": auth, "timeouts": { "read": 1, "connect": 1 }, "remote_url": format!("{}/invoice/", upstream.url),
        "generate_invoice_number": true, "generate_invoice_url": true } })
}

#[tokio::test]
async fn invoices_are_made_by_a_merchants_service_whose_password_is_forgotten_then() {
    let upstream = Upstream::start(orders(1..3)).await;
    let shop = upstream.shop().await;
    until_taken(&shop, 1..3).await;
    upstream.control(&json!({ "fail": 2 })).await;
    let (first, second) = (package_of(&shop, 1).await, package_of(&shop, 2).await);
    let basic = json!({ "request_type": "basic_auth", "username": "till", "password": "geheim" });
    first.run_with("COMPLETE_PACKING", &invoice_call(&upstream, &basic)).await.ok();
    second.run("COMPLETE_PACKING").await.ok();
    let token = json!({ "request_type": "token", "token": "streng-geheim", "token_prefix": "Key" });
    second.run_with("UPDATE_INVOICE", &invoice_call(&upstream, &token)).await.ok();
    until_told(&shop).await;
    let asked: Vec<_> =
        upstream.received().into_iter().filter(|one| one.path == "/invoice/" && one.status == 200).collect();
    assert_eq!(asked.len(), 2, "{asked:#?}");
    let of = |number: &str| asked.iter().find(|one| one.body["order"]["number"] == number).expect("asked");
    assert_eq!(of("1").authorization.as_deref(), Some("Basic dGlsbDpnZWhlaW0="));
    assert_eq!(of("2").authorization.as_deref(), Some("Key streng-geheim"));
    assert_eq!(of("1").body["items"][0]["sku"], "RED");
    for package in [first, second] {
        let shown = package.json().await;
        assert!(shown["invoice_number"].as_str().is_some_and(|number| number.starts_with("INV-")), "{shown}");
        let document = shown["invoice_document"].as_str().expect("an address");
        assert!(document.starts_with(&format!("{}/invoices/INV-", upstream.url)), "{document}");
    }
    // The package goes on with it, and no word of the secrets is left.
    first.run("SHIP_THE_PACKAGE").await.ok();
    let secrets: i64 = shop
        .value(
            "select count(*) from (select to_jsonb(r)::text t from transition_records r union all
                 select to_jsonb(c)::text from upstream_calls c) x where t like $1",
            "%geheim%".to_owned(),
        )
        .await;
    assert_eq!(secrets, 0);
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn a_bill_is_asked_for_once_a_package_is_packed() {
    let upstream = Upstream::start(orders(1..2)).await;
    let shop = upstream.shop().await;
    until_taken(&shop, 1..2).await;
    let package = package_of(&shop, 1).await;
    package.run_with("COMPLETE_PACKING", &json!({ "remote_bill_fulfillment_call": true })).await.ok();
    package.run("SHIP_THE_PACKAGE").await.ok();
    until_told(&shop).await;
    let path = "/api/i1/orders/1/bill_fulfillment/";
    let bills: Vec<Value> =
        upstream.received().into_iter().filter(|one| one.path == path).map(|one| one.body).collect();
    assert_eq!(bills, [json!({ "package_number": "1P1", "order_items": [101] })]);
    shop.finish().await;
    upstream.stop();
}
