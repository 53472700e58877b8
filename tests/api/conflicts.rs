//! Orders that look like others: the same number with another channel or key, and the same order with other contents.

use serde_json::{Value, json};

use crate::{
    support::{Order, Package, SHOP, STANDARD, Shop, TRANSFERS, join, order_json, send},
    upstream::house::{EAGER, Upstream},
};

const ORDERS: &str = "/api/v1/oms/orders/";
const PUSHED: &str = "/api/v1/oms/orders-webhook/";
const PLANS: &str = "/api/v1/oms/cancellation_plan/";

/// An order of a channel, by a customer of that name.
fn order_of(number: &str, channel: &Value, first_name: &str) -> Value {
    let mut order = order_json(number, &[("RED", 1)]);
    order["channel"] = channel.clone();
    order["customer"] = json!({ "pk": 1, "first_name": first_name, "email": format!("{first_name}@example.com") });
    order
}

fn web() -> Value {
    json!({ "pk": 1, "name": "web" })
}

fn marketplace() -> Value {
    json!({ "pk": 2, "name": "marketplace" })
}

fn pushed(order: &Value) -> Value {
    json!({ "event": { "type": "order.created", "uuid": "u" }, "payload": order })
}

/// The customers of the orders of a number, by package number.
async fn customers(shop: &Shop, number: &str) -> Vec<(String, String)> {
    let orders = shop.get(&format!("{ORDERS}?number={number}&sort=id")).await.ok();
    let one = |order: &Value| {
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        (text(&order["packages"][0]["number"]), text(&order["customer"]["first_name"]))
    };
    orders["results"].as_array().expect("orders").iter().map(one).collect()
}

fn as_text(customers: &[(String, String)]) -> Vec<(&str, &str)> {
    customers.iter().map(|(number, name)| (number.as_str(), name.as_str())).collect()
}

#[tokio::test]
async fn an_order_of_another_channel_is_another_order_by_every_door() {
    let upstream = Upstream::start(vec![]).await;
    let shop = Shop::open().await;
    shop.order_of(&order_of("77", &web(), "Anna")).await;
    // One by one, and the second time it is known.
    let second = order_of("77", &marketplace(), "Berta");
    for status in [201, 200] {
        let answer = shop.post(ORDERS, &second).await.json(status);
        assert_eq!(
            (&answer["customer"]["first_name"], &answer["packages"][0]["number"]),
            (&json!("Berta"), &json!("77P1-2"))
        );
    }
    // In a list, and in a dry run of it.
    let list =
        json!([order_of("77", &json!(3), "Cora"), order_of("77", &json!(3), "Cora"), order_of("77", &web(), "Anna")]);
    let dry = shop.changes_nothing(shop.post(&format!("{ORDERS}?dry_run=true"), &list)).await.ok();
    let taken = shop.post(ORDERS, &list).await.ok();
    for results in [dry, taken] {
        let statuses: Vec<&Value> =
            results.as_array().expect("results").iter().map(|one| &one["status_code"]).collect();
        assert_eq!(statuses, [201, 200, 200]);
    }
    // Pushed, read from the upstream's list, and from a file.
    let answer = shop.post_as("erp", PUSHED, &pushed(&order_of("77", &json!("shop window"), "Dora"))).await.json(201);
    assert_eq!(answer["taken"], true);
    upstream.bring(vec![order_of("77", &json!({ "name": "telephone" }), "Emma"), order_of("77", &web(), "Anna")]).await;
    let server = shop.second_following_server(&upstream.settings(), EAGER).await;
    shop.until("the fifth", || async { (customers(&shop, "77").await.len() == 5).then_some(()) }).await;
    server.stop().await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    let lines = [order_of("77", &json!(null), "Frida"), second].map(|order| order.to_string()).join("\n");
    std::fs::write(file.path(), lines).expect("written");
    let (code, printed, _) = shop.oms(&["orders", "import", file.path().to_str().expect("UTF-8")]).await;
    assert_eq!((code, printed.as_str()), (0, "2 lines read: 1 orders taken, 1 known already, 0 lines refused\n"));
    assert_eq!(
        as_text(&customers(&shop, "77").await),
        [
            ("77P1", "Anna"),
            ("77P1-2", "Berta"),
            ("77P1-3", "Cora"),
            ("77P1-4", "Dora"),
            ("77P1-5", "Emma"),
            ("77P1-6", "Frida")
        ]
    );
    assert_eq!(shop.get("/api/v1/oms/upstream/problems/").await.ok()["count"], 0);
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn an_order_with_another_key_is_another_order_and_without_one_it_must_not_be_ambiguous() {
    let shop = Shop::open().await;
    let keyed = |pk: i64, name: &str| {
        let mut order = order_of("5", &web(), name);
        order["pk"] = json!(pk);
        order
    };
    shop.order_of(&keyed(10, "Anna")).await;
    // A message without a key means the only one there is.
    let same = shop.changes_nothing(shop.post(ORDERS, &order_of("5", &web(), "Anna"))).await;
    assert_eq!(same.json(200)["omnitron_id"], 10);
    assert_eq!(shop.order_of(&keyed(11, "Berta")).await.json["packages"][0]["number"], "5P1-2");
    assert_eq!(shop.changes_nothing(shop.post(ORDERS, &keyed(11, "Berta"))).await.json(200)["omnitron_id"], 11);
    let unclear = order_of("5", &web(), "Anna");
    let message = "There are 2 orders 5 of this channel; say which by its key: 10, 11.";
    shop.changes_nothing(async {
        assert_eq!(shop.post(ORDERS, &unclear).await.wrong("pk"), [message]);
        assert_eq!(shop.post(&format!("{ORDERS}?dry_run=true"), &unclear).await.wrong("pk"), [message]);
    })
    .await;
    assert_eq!(shop.post_as("erp", PUSHED, &pushed(&unclear)).await.wrong("pk"), [message]);
    shop.finish().await;
}

#[tokio::test]
async fn packages_and_transfers_of_the_second_order_of_a_number_have_numbers_of_their_own() {
    let shop = Shop::installed(&[STANDARD, SHOP, TRANSFERS], false).await;
    shop.count("GEBZE", "FAR", 9).await;
    // What looks like the second order of 9 is none.
    let lookalike = shop.order_of(&order_of("9P1-2", &web(), "Zoe")).await;
    let gathered = |name: &str, pk: i64| {
        let mut order = order_json("9", &[("RED", 1), ("FAR", 1)]);
        order["channel"] = json!({ "pk": 3, "name": "gather" });
        order["pk"] = json!(pk);
        order["customer"]["first_name"] = json!(name);
        order
    };
    let first = shop.order_of(&gathered("Anna", 1)).await;
    let second = shop.order_of(&gathered("Berta", 2)).await;
    assert_eq!(lookalike.json["packages"][0]["number"], "9P1-2P1");
    assert!(first.transfers().await[0].starts_with("9P1T1 "), "{:?}", first.transfers().await);
    assert!(second.transfers().await[0].starts_with("9P1-2T1 "), "{:?}", second.transfers().await);
    // What follows is numbered on, and the counters are made again from the numbers.
    let package = lookalike.only_package();
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &json!({ "package_items": [package.item("RED").await] })).await.ok();
    let third = shop.order_of(&order_of("9", &web(), "Cora")).await.only_package();
    third.run_with("DETECTED_OUT_OF_STOCK_ITEM", &json!({ "package_items": [third.item("RED").await] })).await.ok();
    shop.execute("update orders set package_count = 0 where occurrence = 3").await;
    assert_eq!(shop.oms(&["repair", "counters", "--run"]).await.0, 0);
    shop.finish().await;
}

#[tokio::test]
async fn a_number_alone_that_means_several_orders_is_refused_and_names_their_channels() {
    let shop = Shop::open().await;
    let mine = shop.order_of(&order_of("7", &web(), "Anna")).await;
    let other = shop.order_of(&order_of("7", &marketplace(), "Berta")).await;
    let plan = |pk: i64, order: &Value| {
        let payload = json!({ "pk": pk, "plan_type": "cancel", "order": order });
        json!({ "event": { "type": "cancellation_plan.created", "uuid": "u" }, "payload": payload })
    };
    let message = "There are 2 orders 7; say also which channel. Their channels: 1 (web); 2 (marketplace).";
    shop.changes_nothing(async {
        for unclear in [json!("7"), json!({ "number": "7" })] {
            assert_eq!(shop.post_as("erp", PLANS, &plan(1, &unclear)).await.wrong("order"), [message]);
        }
        let unclear = shop.get("/api/v1/oms/order-stock-info/?order_number=7").await;
        assert_eq!(unclear.wrong("order_number"), [message]);
        let nowhere = json!({ "number": "7", "channel": 9 });
        assert_eq!(shop.post_as("erp", PLANS, &plan(1, &nowhere)).await.status, 404);
    })
    .await;
    for channel in ["2", "marketplace"] {
        let path = format!("/api/v1/oms/order-stock-info/?order_number=7&channel={channel}");
        let told = shop.get(&path).await.ok();
        assert_eq!(told["results"][0]["order_item"]["pk"], other.json["orderitem_set"][0]["id"], "{told}");
    }
    let decided = shop.post_as("erp", PLANS, &plan(1, &json!({ "number": "7", "channel": marketplace() }))).await.ok();
    assert_eq!((&decided["decision"], &decided["order"]), (&json!("cancelled"), &json!(other.id())));
    assert_eq!(other.only_package().state().await, "packaging-canceled");
    assert_eq!(mine.only_package().state().await, "waiting");
    // Lists by number have both.
    for path in ["orders/?number=7", "packages/?order__number=7", "orderexecutionplans/?order__number=7"] {
        assert_eq!(shop.get(&format!("/api/v1/oms/{path}")).await.ok()["count"], 2, "{path}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn who_sees_one_of_two_orders_is_told_of_that_one_alone() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "FAR", 9).await;
    shop.order_of(&order_of("7", &web(), "Anna")).await;
    let mut elsewhere = order_of("7", &marketplace(), "Berta");
    elsewhere["orderitem_set"][0]["product"]["sku"] = json!("FAR");
    shop.order_of(&elsewhere).await;
    let told = shop.get_as("kadikoy", "/api/v1/oms/order-stock-info/?order_number=7").await.ok();
    assert_eq!(told["results"][0]["order_item"]["sku"], "RED");
    shop.finish().await;
}

#[tokio::test]
async fn orders_of_one_number_from_many_channels_at_once_are_all_taken_each_once() {
    let shop = Shop::open().await;
    let second = shop.second_server().await;
    let send = |n: i64| {
        let url = if n % 2 == 0 { shop.url() } else { &second.url };
        // Each of sixteen channels sends it four times.
        let order = order_of("1", &json!({ "pk": n % 16 }), &format!("Customer {}", n % 16));
        let path = format!("{url}{ORDERS}");
        let shop = &shop;
        async move { shop.post(&path, &order).await }
    };
    let replies = join((0..64).map(send)).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 201).count(), 16);
    for (n, reply) in replies.iter().enumerate() {
        let answer = reply.json(if reply.status == 201 { 201 } else { 200 });
        assert_eq!(answer["customer"]["first_name"], format!("Customer {}", n % 16));
    }
    let mut numbers: Vec<String> = customers(&shop, "1").await.into_iter().map(|(number, _)| number).collect();
    numbers.sort();
    let mut expected: Vec<String> = (2..=16).map(|n| format!("1P1-{n}")).chain(["1P1".to_owned()]).collect();
    expected.sort();
    assert_eq!(numbers, expected);
    assert_eq!(shop.stock("KADIKOY", "RED").await, (100, 16));
    second.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn two_orders_of_one_identity_in_the_database_are_found() {
    let shop = Shop::open().await;
    let first: Order<'_> = shop.order_of(&order_of("1", &web(), "Anna")).await;
    let second = shop.order_of(&order_of("1", &marketplace(), "Berta")).await;
    assert!(first.id() < second.id());
    shop.execute("update orders set channel_id = 1 where occurrence = 2").await;
    let (code, printed, _) = shop.oms(&["verify"]).await;
    let found = format!("order 1: it is here twice, as {} and as {}", first.id(), second.id());
    assert_eq!(code, 1);
    assert!(printed.contains(&found), "{printed}");
    shop.abandon().await;
}

// ── The same order again, otherwise ────────────────────────────────────────────────────────────

/// An order of two lines with keys, at an address.
fn two_lines(number: &str) -> Value {
    let mut order = order_json(number, &[("RED", 3), ("BLUE", 2)]);
    order["pk"] = json!(number.parse::<i64>().expect("a number"));
    for (line, pk) in [(0, 701), (1, 702)] {
        order["orderitem_set"][line]["pk"] = json!(pk);
    }
    order["shipping_address"]["phone_number"] = json!("+905321112233");
    order
}

async fn push(shop: &Shop, order: &Value) -> Value {
    shop.post_as("erp", PUSHED, &pushed(order)).await.json(200)
}

/// The problems: reference, kind, whether settled, and what they say.
async fn problems(shop: &Shop) -> Vec<(String, String, bool, String)> {
    shop.rows("select reference, kind, resolved_date is not null, reason from upstream_problems order by id").await
}

/// What the events of a package told of its address, with their types.
async fn lines_told(shop: &Shop, package: i64) -> Vec<(String, String)> {
    let path = format!("/api/v1/oms/events/?entity=package&object_id={package}&limit=200");
    let events = shop.get(&path).await.ok();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let told =
        |event: &Value| (text(&event["event"]["type"]), text(&event["payload"]["order"]["shipping_address"]["line"]));
    events["results"].as_array().expect("events").iter().map(told).collect()
}

#[tokio::test]
async fn a_changed_address_is_taken_over_while_nothing_is_packed_and_told() {
    let shop = Shop::open().await;
    let order = shop.order_of(&two_lines("7")).await;
    let package = order.only_package();
    let mut moved = two_lines("7");
    moved["shipping_address"]["line"] = json!("Moda 12");
    moved["customer"]["first_name"] = json!("Zeynep");
    let answer = push(&shop, &moved).await;
    assert_eq!((&answer["taken"], &answer["order_id"]), (&json!(false), &json!(order.id())));
    assert_eq!(
        answer["differs"],
        json!([{ "field": "customer", "line": null, "line_field": null, "done": true, "reason": null },
               { "field": "shipping_address", "line": null, "line_field": null, "done": true, "reason": null }])
    );
    let stored = shop.get(&format!("{ORDERS}{}/", order.id())).await.ok();
    assert_eq!((&stored["shipping_address"], &stored["customer"]), (&moved["shipping_address"], &moved["customer"]));
    assert_eq!(shop.get(&format!("{ORDERS}?customer__first_name=zeyn")).await.ok()["count"], 1);
    // Each event tells what was so then.
    let told = lines_told(&shop, package.id).await;
    let told: Vec<(&str, &str)> = told.iter().map(|(kind, line)| (kind.as_str(), line.as_str())).collect();
    assert_eq!(told, [("package.created", "Bahariye 7"), ("package.order.updated", "Moda 12")]);
    // Who did it, and that it is settled.
    let audit = shop.get("/api/v1/oms/audit/?kind=order").await.ok();
    assert_eq!((&audit["count"], &audit["results"][0]["actor"]), (&json!(1), &json!("erp")));
    assert_eq!(audit["results"][0]["changes"]["shipping_address"]["to"]["line"], "Moda 12");
    let sentence = "It was sent again with another customer, shipping_address; it is changed.";
    assert_eq!(problems(&shop).await, [("7".to_owned(), "differs".to_owned(), true, sentence.to_owned())]);
    // Once more it is a repeat.
    let again = shop.changes_nothing(push(&shop, &moved)).await;
    assert_eq!((&again["taken"], &again["differs"]), (&json!(true), &json!([])));
    // It is packed with the address that it has then.
    package.run("COMPLETE_PACKING").await.ok();
    assert_eq!(lines_told(&shop, package.id).await.last().expect("an event").1, "Moda 12");
    order.trace().await;
    shop.finish().await;
}

#[tokio::test]
async fn what_is_packed_keeps_its_address_and_the_problem_says_why() {
    let shop = Shop::open().await;
    let order = shop.order_of(&two_lines("7")).await;
    order.only_package().run("COMPLETE_PACKING").await.ok();
    let before = shop.get(&format!("{ORDERS}{}/", order.id())).await.ok();
    let mut moved = two_lines("7");
    moved["shipping_address"]["line"] = json!("Moda 12");
    let reason = "Package 7P1 is in the state Packed: to whom and where it goes is not changed any more.";
    for _ in 0..2 {
        let answer = push(&shop, &moved).await;
        assert_eq!(answer["taken"], false);
        assert_eq!((&answer["differs"][0]["done"], &answer["differs"][0]["reason"]), (&json!(false), &json!(reason)));
    }
    // The same by POST, which shows the order beside what differs.
    let answer = shop.post(ORDERS, &moved).await.json(200);
    assert_eq!((&answer["taken"], &answer["differs"][0]["field"]), (&json!(false), &json!("shipping_address")));
    assert_eq!(answer["shipping_address"]["line"], "Bahariye 7");
    assert_eq!(shop.get(&format!("{ORDERS}{}/", order.id())).await.ok(), before);
    let listed = shop.get("/api/v1/oms/upstream/problems/?is_resolved=false&kind=differs").await.ok();
    assert_eq!((&listed["count"], &listed["results"][0]["attempts"]), (&json!(1), &json!(3)));
    assert_eq!(listed["results"][0]["reason"], format!("It was sent again with another shipping_address: {reason}"));
    assert_eq!(
        (&listed["results"][0]["order"], &listed["results"][0]["next_attempt_date"]),
        (&json!(order.id()), &Value::Null)
    );
    // Until it is sent as it is here.
    assert_eq!(push(&shop, &two_lines("7")).await["taken"], true);
    assert_eq!(shop.get("/api/v1/oms/upstream/problems/?is_resolved=false").await.ok()["count"], 0);
    shop.finish().await;
}

#[tokio::test]
async fn an_order_that_is_sent_again_cancelled_is_cancelled_while_nothing_is_packed() {
    let upstream = Upstream::start(vec![]).await;
    let shop = Shop::open().await;
    let cancelled = |number: &str| {
        let mut order = two_lines(number);
        order["status"] = json!("100");
        order
    };
    let [pushed_one, posted, polled, packed] = [
        shop.order_of(&two_lines("1")).await,
        shop.order_of(&two_lines("2")).await,
        shop.order_of(&two_lines("3")).await,
        shop.order_of(&two_lines("4")).await,
    ];
    packed.only_package().run("COMPLETE_PACKING").await.ok();
    let answer = push(&shop, &cancelled("1")).await;
    assert_eq!((&answer["taken"], &answer["differs"][0]["field"]), (&json!(false), &json!("status")));
    assert_eq!(answer["differs"][0]["done"], true);
    assert_eq!(pushed_one.only_package().log().await[1], "CANCEL_PACKAGE: waiting -> packaging-canceled@KADIKOY");
    assert_eq!(push(&shop, &cancelled("1")).await["taken"], true);
    assert_eq!(shop.post(ORDERS, &cancelled("2")).await.json(200)["packages"][0]["state"]["enum_value"], "900");
    assert_eq!(posted.only_package().state().await, "packaging-canceled");
    upstream.bring(vec![cancelled("3"), cancelled("4")]).await;
    let server = shop.second_following_server(&upstream.settings(), EAGER).await;
    shop.until("the problem", || async { (problems(&shop).await.len() == 4).then_some(()) }).await;
    server.stop().await;
    assert_eq!(polled.only_package().state().await, "packaging-canceled");
    assert_eq!(packed.only_package().state().await, "packed");
    let reason = "It was sent again with another status: Package 4P1 is in the state Packed, from which it cannot be \
                  cancelled any more.";
    let of_the_packed = problems(&shop).await.into_iter().find(|problem| problem.0 == "4");
    assert_eq!(of_the_packed, Some(("4".to_owned(), "differs".to_owned(), false, reason.to_owned())));
    assert_eq!(shop.stock("KADIKOY", "RED").await, (97, 0));
    shop.finish().await;
    upstream.stop();
}

#[tokio::test]
async fn a_line_that_is_sent_again_cancelled_leaves_its_package() {
    let shop = Shop::open().await;
    let order = shop.order_of(&two_lines("7")).await;
    let mut less = two_lines("7");
    less["orderitem_set"][1]["status"] = json!("100");
    let answer = push(&shop, &less).await;
    assert_eq!(
        answer["differs"],
        json!([{ "field": "orderitem_set", "line": 2, "line_field": "status", "done": true, "reason": null }])
    );
    assert_eq!(
        order.summary().await,
        [
            "7P1 packaging-canceled@KADIKOY: RED×3=packaging-canceled, BLUE×2=packaging-canceled",
            "7P2 waiting@KADIKOY: RED×3=waiting"
        ]
    );
    assert_eq!(push(&shop, &less).await["taken"], true);
    shop.finish().await;
}

#[tokio::test]
async fn what_was_cancelled_and_is_wanted_again_is_told_each_time() {
    let shop = Shop::open().await;
    let with = |number: &str, change: fn(&mut Value)| {
        let mut order = two_lines(number);
        change(&mut order);
        order
    };
    let of_order: fn(&mut Value) = |order| order["status"] = json!("100");
    let of_line: fn(&mut Value) = |order| order["orderitem_set"][1]["status"] = json!("100");
    let of_units: fn(&mut Value) = |order| order["orderitem_set"][0]["quantity"] = json!(1);
    let of_the_last_line = json!({ "field": "orderitem_set", "line": 2, "line_field": "status" });
    for (number, less, differs) in [
        ("7", of_order, json!({ "field": "status", "line": null, "line_field": null })),
        ("8", of_line, of_the_last_line),
        ("9", of_units, json!({ "field": "orderitem_set", "line": 1, "line_field": "quantity" })),
    ] {
        shop.order_of(&two_lines(number)).await;
        assert_eq!(push(&shop, &with(number, less)).await["differs"][0]["done"], true, "{number}");
        assert_eq!(push(&shop, &with(number, less)).await["taken"], true, "{number}");
        let mut told = differs;
        told["done"] = json!(false);
        told["reason"] = json!("What was cancelled stays cancelled; order it anew.");
        for _ in 0..2 {
            let answer = push(&shop, &two_lines(number)).await;
            assert_eq!((&answer["taken"], &answer["differs"]), (&json!(false), &json!([told])), "{number}");
        }
        // Until it is wanted as it is here.
        let open = "/api/v1/oms/upstream/problems/?is_resolved=false";
        assert_eq!(shop.get(open).await.ok()["count"], 1, "{number}");
        assert_eq!(push(&shop, &with(number, less)).await["taken"], true, "{number}");
        assert_eq!(shop.get(open).await.ok()["count"], 0, "{number}");
    }
    // A plan is heard as well; what a clerk cancels need not be known upstream.
    let order = shop.order_of(&two_lines("10")).await;
    order.only_package().run("CANCEL_PACKAGE").await.ok();
    assert_eq!(push(&shop, &two_lines("10")).await["taken"], true);
    shop.order_of(&two_lines("11")).await;
    let plan = json!({ "pk": 5, "plan_type": "cancel", "order": { "number": "11", "status": "50" },
                       "order_items": [{ "pk": 702, "quantity": 1 }] });
    let plan = json!({ "event": { "type": "cancellation_plan.created" }, "payload": plan });
    shop.post_as("erp", PLANS, &plan).await.json(200);
    let answer = push(&shop, &two_lines("11")).await;
    assert_eq!((&answer["differs"][0]["line"], &answer["differs"][0]["line_field"]), (&json!(2), &json!("quantity")));
    shop.finish().await;
}

#[tokio::test]
async fn a_line_that_is_approved_later_is_planned_then() {
    let shop = Shop::open().await;
    let mut early = two_lines("7");
    early["orderitem_set"][1]["status"] = json!("50");
    let order = shop.order_of(&early).await;
    assert_eq!(order.summary().await, ["7P1 waiting@KADIKOY: RED×3=waiting"]);
    assert_eq!(push(&shop, &early).await["taken"], true);
    // Twice at once it is planned once.
    let approved = two_lines("7");
    let (one, other) = tokio::join!(push(&shop, &approved), push(&shop, &approved));
    for answer in [&one, &other] {
        let is_done = answer["differs"].as_array().expect("a list").iter().all(|differs| differs["done"] == true);
        assert!(is_done, "{answer}");
    }
    let both = ["7P1 waiting@KADIKOY: RED×3=waiting", "7P2 waiting@KADIKOY: BLUE×2=waiting"];
    assert_eq!(order.summary().await, both);
    assert_eq!(push(&shop, &approved).await["taken"], true);
    // An order of which nothing was packed, too; but not what was sent elsewhere.
    for (number, status, is_planned) in [("8", "100", true), ("9", "550", false)] {
        let mut before = two_lines(number);
        before["status"] = json!(status);
        let order = shop.order_of(&before).await;
        let answer = shop.post(ORDERS, &two_lines(number)).await.json(200);
        assert_eq!(answer["differs"][0]["done"], is_planned, "{answer}");
        assert_eq!(order.summary().await.len(), usize::from(is_planned));
    }
    assert_eq!(shop.get(&format!("{ORDERS}?number=8")).await.ok()["results"][0]["state"]["enum_value"], "400");
    shop.finish().await;
}

#[tokio::test]
async fn a_line_that_was_sent_elsewhere_is_told_while_it_is_here() {
    let shop = Shop::open().await;
    let order = shop.order_of(&two_lines("7")).await;
    let mut sent = two_lines("7");
    sent["orderitem_set"][1]["status"] = json!("550");
    let answer = push(&shop, &sent).await;
    let reason = "It is not sent from here yet; whoever knows that it was sent elsewhere cancels it here.";
    assert_eq!(
        answer["differs"],
        json!([{ "field": "orderitem_set", "line": 2, "line_field": "status", "done": false, "reason": reason }])
    );
    let package = order.only_package();
    package.run("COMPLETE_PACKING").await.ok();
    package.run("SHIP_THE_PACKAGE").await.ok();
    assert_eq!(push(&shop, &sent).await["taken"], true);
    shop.finish().await;
}

#[tokio::test]
async fn fewer_units_are_cancelled_until_they_are_packed() {
    let shop = Shop::open().await;
    let order = shop.order_of(&two_lines("7")).await;
    let with = |units: i64| {
        let mut order = two_lines("7");
        order["orderitem_set"][0]["quantity"] = json!(units);
        order
    };
    for (units, at) in [(2, 1), (1, 2)] {
        let answer = push(&shop, &with(units)).await;
        let differs = &answer["differs"][0];
        assert_eq!((&answer["taken"], &differs["line_field"]), (&json!(false), &json!("quantity")), "{answer}");
        assert_eq!((&differs["done"], &differs["reason"]), (&json!(true), &Value::Null), "{answer}");
        let live = &order.summary().await[at];
        assert!(live.ends_with(&format!("waiting@KADIKOY: RED×{units}=waiting, BLUE×2=waiting")), "{live}");
        // Sent once more, it is as it is here.
        assert_eq!(shop.changes_nothing(push(&shop, &with(units))).await["taken"], true);
    }
    // What was cancelled is not ordered anew by an old message that says so.
    let again = push(&shop, &with(3)).await;
    assert_eq!((&again["taken"], &again["differs"][0]["done"]), (&json!(false), &json!(false)));
    let last = "select max(id) from packages where order_id = $1";
    Package::new(&shop, shop.value(last, order.id()).await).run("COMPLETE_PACKING").await.ok();
    let mut none = with(1);
    none["orderitem_set"][1]["quantity"] = json!(1);
    let answer = push(&shop, &none).await;
    let reason = answer["differs"][0]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason.ends_with("is in the state Packed, from which it cannot be cancelled any more."), "{answer}");
    let settled: Vec<bool> = problems(&shop).await.into_iter().map(|problem| problem.2).collect();
    assert_eq!(settled, [true, true, false], "the last is of both");
    shop.finish().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_told_with_its_reason_and_changes_nothing_else() {
    let shop = Shop::open().await;
    let order = shop.order_of(&two_lines("7")).await;
    let before = shop.get(&format!("{ORDERS}{}/", order.id())).await.ok();
    for (at, value, field, line_field) in [
        ("/orderitem_set/0/quantity", json!(4), "orderitem_set", json!("quantity")),
        ("/orderitem_set/0/product/sku", json!("GREEN"), "orderitem_set", json!("product")),
        ("/orderitem_set/0/price", json!("2.56"), "orderitem_set", json!("price")),
        ("/amount", json!("11.00"), "amount", Value::Null),
        ("/date_placed", json!("2024-05-02T10:00:00Z"), "date_placed", Value::Null),
        ("/delivery_type", json!("express"), "delivery_type", Value::Null),
    ] {
        let mut other = two_lines("7");
        *other.pointer_mut(at).expect("a field") = value;
        let answer = push(&shop, &other).await;
        let differs = &answer["differs"];
        assert_eq!(answer["taken"], false, "{at}: {answer}");
        assert_eq!(differs.as_array().map(Vec::len), Some(1), "{at}: {answer}");
        assert_eq!((&differs[0]["field"], &differs[0]["line_field"]), (&json!(field), &line_field), "{at}");
        assert!(differs[0]["reason"].is_string() && differs[0]["done"] == false, "{at}: {answer}");
        assert_eq!(shop.get(&format!("{ORDERS}{}/", order.id())).await.ok(), before, "{at}");
    }
    assert_eq!(problems(&shop).await.len(), 1, "one problem an order");
    // What is only written otherwise is no difference.
    let mut same = two_lines("7");
    same["amount"] = json!(10);
    same["orderitem_set"][0]["price"] = json!("2.5500");
    same["shipping_address"]["latitude"] = json!(40.98);
    same["shipping_address"]["modified_date"] = json!("2026-01-01T00:00:00Z");
    same["billing_address"] = json!({});
    same["status"] = json!("450");
    assert_eq!(push(&shop, &same).await["taken"], true);
    shop.finish().await;
}

#[tokio::test]
async fn a_message_that_was_overtaken_by_a_later_one_is_no_news() {
    let shop = Shop::open().await;
    let at = |line: &str, date: &str| {
        let mut order = two_lines("7");
        order["shipping_address"]["line"] = json!(line);
        order["modified_date"] = json!(date);
        order
    };
    let order = shop.order_of(&at("First", "2026-01-01T10:00:00Z")).await;
    assert_eq!(push(&shop, &at("Third", "2026-01-01T12:00:00Z")).await["differs"][0]["done"], true);
    let late = at("Second", "2026-01-01T11:00:00Z");
    assert_eq!(shop.changes_nothing(push(&shop, &late)).await["taken"], true);
    assert_eq!(shop.get(&format!("{ORDERS}{}/", order.id())).await.ok()["shipping_address"]["line"], "Third");
    shop.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_messages_at_once_the_latest_has_the_last_word() {
    let shop = Shop::open().await;
    for round in 0..6 {
        let number = format!("7{round}");
        let at = |hour: usize| {
            let mut order = two_lines(&number);
            order["shipping_address"]["line"] = json!(format!("Road {hour}"));
            order["modified_date"] = json!(format!("2026-01-01T{hour:02}:00:00Z"));
            order
        };
        let order = shop.order_of(&at(10)).await;
        let messages: Vec<Value> = [17, 13, 19, 12, 16, 11, 18, 14, 15].map(at).to_vec();
        join(messages.iter().map(|message| push(&shop, message))).await;
        let address = shop.get(&format!("{ORDERS}{}/", order.id())).await.ok()["shipping_address"]["line"].clone();
        assert_eq!(address, "Road 19");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_message_that_was_heard_when_a_server_fell_over_is_settled_by_the_next_poll() {
    let upstream = Upstream::start(Vec::new()).await;
    let shop = Shop::open().await;
    let order = shop.order_of(&two_lines("7")).await;
    let mut moved = two_lines("7");
    moved["shipping_address"]["line"] = json!("Moda 12");
    moved["amount"] = json!("11.00");
    upstream.bring(vec![moved]).await;
    let date = upstream.listed().await[0]["modified_date"].as_str().expect("a date").to_owned();
    // Its date was noted, and then the server was gone.
    shop.execute_text(&format!("update orders set heard_date = '{date}'")).await;
    let server = shop.second_following_server(&upstream.settings(), EAGER).await;
    let path = format!("{ORDERS}{}/", order.id());
    shop.until("it is moved", || async {
        (shop.get(&path).await.ok()["shipping_address"]["line"] == "Moda 12").then_some(())
    })
    .await;
    shop.until("the rest is a problem", || async { (problems(&shop).await.len() == 1).then_some(()) }).await;
    // What was settled is not settled again by each poll.
    let asked = || upstream.received().iter().filter(|one| one.path == "/api/i1/orders/").count();
    let before = asked();
    shop.until("it asks on", || async { (asked() > before + 3).then_some(()) }).await;
    let attempts: Vec<(i32,)> = shop.rows("select attempts from upstream_problems").await;
    assert_eq!(attempts, [(1,)]);
    server.stop().await;
    upstream.stop();
    shop.finish().await;
}

#[tokio::test]
async fn an_import_says_which_orders_differ() {
    let shop = Shop::open().await;
    let order = shop.order_of(&two_lines("7")).await;
    let mut other = two_lines("7");
    other["shipping_address"]["line"] = json!("Moda 12");
    other["amount"] = json!("11.00");
    let mut cancelled = two_lines("7");
    cancelled["status"] = json!("100");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("{other}\n{cancelled}\n")).expect("written");
    let (code, printed, said) = shop.oms(&["orders", "import", file.path().to_str().expect("UTF-8")]).await;
    assert_eq!(
        (code, printed.as_str()),
        (0, "2 lines read: 0 orders taken, 2 known already (2 of them differ), 0 lines refused\n")
    );
    let first = "line 1: It was sent again with another amount, shipping_address: An order stays as it came in this.";
    assert!(said.contains(first) && said.contains("line 2: It was sent again with another status"), "{said}");
    assert_eq!(order.only_package().state().await, "waiting");
    shop.finish().await;
}

#[tokio::test]
async fn an_address_is_changed_by_hand_until_something_is_packed() {
    let shop = Shop::open().await;
    let order = shop.order_of(&two_lines("7")).await;
    let path = format!("{ORDERS}{}/", order.id());
    let moved = json!({ "shipping_address": { "line": "Moda 12", "first_name": "Zeynep" },
                        "billing_address": { "line": "Kadife 3" }, "customer": { "email": "z@example.com" } });
    let answer = shop.patch(&path, &moved).await.ok();
    assert_eq!(
        (&answer["shipping_address"]["line"], &answer["shipping_address"]["phone_number"]),
        (&json!("Moda 12"), &json!("+905321112233"))
    );
    assert_eq!(answer["shipping_address"].get("latitude"), None, "the coordinates were of the other place");
    assert_eq!(
        (&answer["billing_address"]["line"], &answer["customer"]["email"]),
        (&json!("Kadife 3"), &json!("z@example.com"))
    );
    let audit = shop.get("/api/v1/oms/audit/?kind=order").await.ok();
    assert_eq!((&audit["results"][0]["actor"], &audit["results"][0]["object"]), (&json!("admin"), &json!("7")));
    assert_eq!(
        audit["results"][0]["changes"]["billing_address"],
        json!({ "from": null, "to": { "line": "Kadife 3" } })
    );
    let packages = shop.get(&format!("/api/v1/oms/packages/?order={}", order.id())).await.ok();
    assert_eq!(packages["results"][0]["order"]["customer"]["email"], "z@example.com");
    shop.changes_nothing(async {
        assert_eq!(shop.patch(&path, &moved).await.ok()["shipping_address"], answer["shipping_address"]);
        assert_eq!(
            shop.patch(&path, &json!({ "number": "8" })).await.wrong("number"),
            ["Only these can be changed: customer, shipping_address, billing_address."]
        );
        for wrong in [json!({}), json!([]), json!({ "customer": 5 }), json!({ "customer": {} })] {
            assert_eq!(shop.patch(&path, &wrong).await.status, 400, "{wrong}");
        }
        assert_eq!(shop.patch(&format!("{ORDERS}999999/"), &moved).await.status, 404);
        let by_store = shop.request_as("kadikoy", reqwest::Method::PATCH, &path).json(&moved);
        assert_eq!(send(by_store).await.status, 403);
    })
    .await;
    order.only_package().run("COMPLETE_PACKING").await.ok();
    let late = json!({ "shipping_address": { "line": "Too late" } });
    let refused = shop.changes_nothing(shop.patch(&path, &late)).await.json(406);
    assert_eq!(refused["error"]["error_code"], "oms_order_1");
    shop.finish().await;
}

#[tokio::test]
async fn a_plan_of_before_a_changed_address_is_made_again_with_the_old_one() {
    let shop = Shop::open().await;
    let order = shop.order(&[("PINK", 1)]).await;
    let path = format!("{ORDERS}{}/", order.id());
    // The only place that has it was near, and is far from the new address.
    let far = json!({ "shipping_address": { "latitude": "36.80", "longitude": "34.60" } });
    shop.patch(&path, &far).await.ok();
    shop.count("KADIKOY", "PINK", 1).await;
    order.only_package().run("REPACK").await.ok();
    let record = order.execution_plan().await;
    let attempts = record["context"]["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.len(), 2);
    assert!(attempts.iter().all(|attempt| attempt["reproduced"] == true), "{record}");
    let distance = |attempt: &Value| attempt["rules"][0]["candidates"][0]["distance_km"].clone();
    assert_ne!(distance(&attempts[0]), distance(&attempts[1]), "{record}");
    shop.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_is_changed_before_a_package_is_packed_or_not_at_all() {
    let shop = Shop::open().await;
    let second = shop.second_server().await;
    let (mut changed, mut late) = (0, 0);
    for round in 0..24 {
        let order = shop.order(&[("RED", 1)]).await;
        let package = order.only_package();
        let path = format!("{}{ORDERS}{}/", second.url, order.id());
        let moved = json!({ "shipping_address": { "line": "Moda 12" } });
        let body = json!({ "slug": package.slug("COMPLETE_PACKING").await });
        let patch = async {
            for _ in 0..round % 4 {
                tokio::task::yield_now().await;
            }
            shop.patch(&path, &moved).await
        };
        let (packed, patched) = tokio::join!(package.post(&body), patch);
        packed.ok();
        let stored = shop.get(&format!("{ORDERS}{}/", order.id())).await.ok();
        let told = lines_told(&shop, package.id).await;
        let (_, line) = told.last().expect("an event");
        assert!(told.iter().any(|(kind, at)| kind == "package.status.packed" && at == line), "{told:?}");
        assert_eq!(stored["shipping_address"]["line"].as_str(), Some(line.as_str()), "{told:?}");
        if patched.status == 200 {
            changed += 1;
            assert_eq!(line, "Moda 12");
            assert!(told.iter().any(|(kind, _)| kind == "package.order.updated"), "{told:?}");
        } else {
            late += 1;
            assert_eq!(patched.json(406)["error"]["error_code"], "oms_order_1");
            assert_eq!(line, "Bahariye 7");
        }
    }
    assert_eq!(changed + late, 24);
    second.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_channel_is_the_same_by_its_name_alone_and_by_its_key_alone() {
    let shop = Shop::open().await;
    let id = async |channel: Value, number: &str, status: u16| {
        shop.post(ORDERS, &order_of(number, &channel, "Anna")).await.json(status)["id"].clone()
    };
    // By key and name, then by the name alone, however it is written, or by the key alone.
    let known = id(web(), "1", 201).await;
    for channel in
        [json!("web"), json!("Web "), json!({ "name": "\u{200b}WEB" }), json!(1), json!("1"), json!({ "pk": "1" })]
    {
        assert_eq!(id(channel.clone(), "1", 200).await, known, "{channel}");
    }
    // The other way round; the name that the key has is known from other orders.
    let by_name = id(json!("web"), "2", 201).await;
    for channel in [web(), json!(1)] {
        assert_eq!(id(channel.clone(), "2", 200).await, by_name, "{channel}");
    }
    let by_key = id(json!(1), "3", 201).await;
    assert_eq!(id(json!("web"), "3", 200).await, by_key);
    // Others are others.
    for channel in [json!("shop"), json!(2), json!(null)] {
        let number = "1";
        assert_ne!(id(channel.clone(), number, 201).await, known, "{channel}");
    }
    // A key whose name nobody said may be any.
    assert_ne!(id(json!(9), "4", 201).await, id(json!("web"), "4", 201).await);
    shop.finish().await;
}

#[tokio::test]
async fn a_cancellation_plan_and_a_file_know_the_channel_by_its_name() {
    let shop = Shop::open().await;
    let taken = shop.post(ORDERS, &order_of("1", &web(), "Anna")).await.json(201);
    let path = std::env::temp_dir().join(format!("{}.jsonl", shop.database_name()));
    std::fs::write(&path, order_of("1", &json!("Web"), "Anna").to_string()).expect("a file");
    let (code, printed, said) = shop.oms(&["orders", "import", path.to_str().expect("a path")]).await;
    std::fs::remove_file(&path).expect("the file");
    assert_eq!(code, 0, "{printed}{said}");
    let orders: i64 = shop.value("select count(*) from orders where $1", true).await;
    assert_eq!(orders, 1);
    let plan = json!({ "pk": 7, "plan_type": "cancel", "order": { "number": "1\u{200b}", "channel": "WEB " } });
    let event = json!({ "event": { "type": "cancellation_plan.created", "uuid": "u" }, "payload": plan });
    let answer = shop.post(PLANS, &event).await;
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    let package = shop.get(&format!("/api/v1/oms/packages/{}/", taken["packages"][0]["id"])).await.ok();
    assert_ne!(package["state"]["slug"], "waiting");
    shop.finish().await;
}

#[tokio::test]
async fn a_key_with_another_number_is_the_same_order_changed() {
    let shop = Shop::open().await;
    let mut order = order_of("OLD", &web(), "Anna");
    order["pk"] = json!(77);
    let taken = shop.post(ORDERS, &order).await.json(201);
    order["number"] = json!("NEW");
    let again = shop.post(ORDERS, &order).await.json(200);
    assert_eq!((&again["id"], &again["number"]), (&taken["id"], &json!("OLD")));
    assert_eq!((&again["differs"][0]["field"], &again["differs"][0]["done"]), (&json!("number"), &json!(false)));
    // In another channel, or without one, the key is another order's.
    for channel in [marketplace(), json!(null)] {
        order["channel"] = channel;
        assert_ne!(shop.post(ORDERS, &order).await.json(201)["id"], taken["id"]);
    }
    shop.finish().await;
}

#[tokio::test]
async fn one_order_by_two_doors_at_once_is_taken_once() {
    let shop = Shop::open().await;
    let mut named = order_of("0", &web(), "Anna");
    shop.post(ORDERS, &named).await.json(201);
    for number in 1..8 {
        named["number"] = json!(number.to_string());
        named["pk"] = json!(100 + number);
        // By name, by key, and by another number of one key.
        let messages: Vec<Value> = [json!("Web "), web(), json!(1), web()]
            .into_iter()
            .zip(0..)
            .map(|(channel, at)| {
                let mut order = named.clone();
                order["channel"] = channel;
                if at == 3 {
                    order["number"] = json!(format!("{number} changed"));
                }
                order
            })
            .collect();
        let replies = join(messages.iter().map(|order| async {
            if order["channel"] == "Web " {
                shop.post(PUSHED, &pushed(order)).await
            } else {
                shop.post(ORDERS, order).await
            }
        }))
        .await;
        assert!(replies.iter().all(|reply| [200, 201].contains(&reply.status)), "{}", replies[0].text());
        let created = replies.iter().filter(|reply| reply.status == 201).count();
        assert_eq!(created, 1);
    }
    let orders: i64 = shop.value("select count(*) from orders where $1", true).await;
    assert_eq!(orders, 8);
    shop.finish().await;
}
