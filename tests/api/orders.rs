//! Taking orders, over HTTP and from a file.

use std::io::Cursor;

use oms::{
    catalog::CatalogCache,
    commands,
    placing::import::{Progress, Summary, import},
};
use serde_json::{Value, json};

use crate::support::{Shop, join, order_json};

const ORDERS: &str = "/api/v1/oms/orders/";

#[tokio::test]
async fn a_new_order_is_answered_with_its_packages_and_a_known_one_as_before() {
    let shop = Shop::open().await;
    let order = order_json("536365", &[("RED", 2), ("BLUE", 1)]);

    let first = shop.post(ORDERS, &order).await;

    let answer = first.json(201);
    assert_eq!((&answer["number"], &answer["state"]["enum_value"]), (&json!("536365"), &json!("400")));
    assert_eq!(answer["packages"][0]["number"], "536365P1");
    assert_eq!(answer["orderitem_set"].as_array().map(Vec::len), Some(2));
    let again = shop.changes_nothing(shop.post(ORDERS, &order)).await;
    assert_eq!(again.status, 200);
    assert_eq!(again.text(), first.text());
    // It is known by its number and channel, whatever else it says; what differs is told.
    let other = shop.post(ORDERS, &order_json("536365", &[("GREEN", 9)])).await.json(200);
    assert_eq!((&other["id"], &other["packages"]), (&answer["id"], &answer["packages"]));
    assert_eq!((&other["taken"], &other["differs"][0]["field"]), (&json!(false), &json!("orderitem_set")));
    assert_eq!(shop.get(&format!("{ORDERS}{}/", answer["id"])).await.text(), first.text());
    shop.finish().await;
}

#[tokio::test]
async fn a_list_of_orders_gets_a_result_each_in_order_each_with_its_status() {
    let shop = Shop::open().await;
    shop.order_of(&order_json("known", &[("RED", 1)])).await;
    let list = json!([
        order_json("new", &[("RED", 1)]),
        { "number": "bad" },
        order_json("known", &[("RED", 1)]),
        order_json("new", &[("RED", 1)]),
        5,
    ]);

    let results = shop.post(ORDERS, &list).await.ok();

    let results = results.as_array().expect("a list");
    let statuses: Vec<&Value> = results.iter().map(|result| &result["status_code"]).collect();
    assert_eq!(statuses, [201, 400, 200, 200, 400]);
    for (index, number) in [(0, "new"), (2, "known"), (3, "new")] {
        assert_eq!(results[index]["order"]["number"], number);
        assert_eq!(results[index]["order"]["packages"].as_array().map(Vec::len), Some(1));
    }
    assert_eq!(results[1]["error"]["date_placed"], json!(["This field is required."]));
    assert_eq!(shop.get(ORDERS).await.ok()["count"], 2);
    assert_eq!(shop.post(ORDERS, &json!([])).await.ok(), json!([]));
    shop.finish().await;
}

#[tokio::test]
async fn a_gift_says_so_in_its_order_in_its_package_and_in_what_is_told() {
    let shop = Shop::open().await;
    let number = "9".repeat(128);
    let mut gift = order_json(&number, &[("RED", 1)]);
    for (key, value) in [
        ("has_gift_box", json!("yes")),
        ("gift_box_note", json!("Happy birthday, Ayşe")),
        ("shipping_amount", json!(29.9)),
        ("extra_field", json!({ "campaign": [1, null, "x"], "note": "" })),
    ] {
        gift[key] = value;
    }
    let gift = shop.order_of(&gift).await;
    let plain = shop.order(&[("RED", 1)]).await;

    let package = gift.only_package();
    package.run("COMPLETE_PACKING").await.ok();
    let shown = shop.get(&format!("/api/v1/oms/packages/{}/", package.id)).await.ok();
    let path = format!("/api/v1/oms/events/?entity=package&object_id={}&limit=200", package.id);
    let told = shop.get(&path).await.ok()["results"].clone();
    let told: Vec<&Value> = told.as_array().expect("events").iter().map(|event| &event["payload"]["order"]).collect();
    for has in told.into_iter().chain([&gift.json, &shown["order"]]) {
        assert_eq!((&has["number"], &has["has_gift_box"]), (&json!(number), &json!(true)));
        assert_eq!((&has["gift_box_note"], &has["shipping_amount"]), (&json!("Happy birthday, Ayşe"), &json!("29.90")));
        assert_eq!(has["extra_field"], json!({ "campaign": [1, null, "x"], "note": "" }));
    }
    let nothing = [&plain.json["gift_box_note"], &plain.json["shipping_amount"], &plain.json["extra_field"]];
    assert_eq!((&plain.json["has_gift_box"], nothing), (&json!(false), [&Value::Null; 3]));
    shop.finish().await;
}

#[tokio::test]
async fn a_line_that_is_a_part_of_another_says_so_wherever_it_is_shown() {
    let shop = Shop::open().await;
    let mut order = order_json("1", &[("RED", 1), ("BLUE", 1), ("GREEN", 1)]);
    order["orderitem_set"][0]["pk"] = json!(701);
    order["orderitem_set"][1]["parent"] = json!({ "pk": "701", "sku": "SET" });
    order["orderitem_set"][1]["extra_field"] = json!({ "engraving": ["A", null, 1.5] });
    order["orderitem_set"][2]["parent"] = json!(701);
    let order = shop.order_of(&order).await;
    let package = order.only_package();
    package.run("COMPLETE_PACKING").await.ok();
    let events = format!("/api/v1/oms/events/?entity=package&object_id={}&limit=200", package.id);
    let shown = shop.get(&format!("/api/v1/oms/packages/{}/", package.id)).await.ok();
    let mut told = vec![order.json["orderitem_set"].clone(), shown["packageitem_set"].clone()];
    let events = shop.get(&events).await.ok();
    told.extend(
        events["results"].as_array().expect("events").iter().map(|one| one["payload"]["packageitem_set"].clone()),
    );
    told.push(shop.get("/api/v1/oms/packages/package-items/?sort=id").await.ok()["results"].clone());
    assert!(told.len() > 3);
    assert_eq!(told[0].as_array().map(Vec::len), Some(3));
    for lines in told {
        let lines = lines.as_array().expect("lines").iter();
        let lines: Vec<&Value> =
            lines.map(|line| if line["order_item"].is_null() { line } else { &line["order_item"] }).collect();
        // The kit is a line of the order, and in no package.
        let parts = &lines[lines.len() - 2..];
        let parents: Vec<&Value> = parts.iter().map(|line| &line["parent"]).collect();
        assert_eq!(parents, [&json!(701), &json!(701)]);
        assert_eq!(parts[1]["extra_field"], Value::Null);
        assert_eq!(parts[0]["extra_field"].to_string(), r#"{"engraving":["A",null,1.5]}"#);
    }
    let mut wrong = order_json("2", &[("RED", 1)]);
    wrong["orderitem_set"][0]["parent"] = json!("the first");
    let refused = shop.changes_nothing(shop.post(ORDERS, &wrong)).await;
    assert_eq!(refused.wrong("orderitem_set"), ["Item 1: parent: A valid integer is required."]);
    shop.finish().await;
}

#[tokio::test]
async fn what_is_no_gift_as_it_says_is_refused_and_a_changed_gift_is_told() {
    let shop = Shop::open().await;
    let mut order = order_json("1", &[("RED", 1)]);
    order["has_gift_box"] = json!("perhaps");
    order["shipping_amount"] = json!("free");
    let refused = shop.changes_nothing(shop.post(ORDERS, &order)).await;
    let wrong =
        json!({ "has_gift_box": ["Must be a valid boolean."], "shipping_amount": ["A valid number is required."] });
    assert_eq!(refused.json(400)["error"], wrong);
    order["has_gift_box"] = Value::Null;
    order["shipping_amount"] = json!("10");
    order["extra_field"] = json!({ "seen": 1 });
    shop.order_of(&order).await;
    order["shipping_amount"] = json!(10.0);
    order["extra_field"] = json!({ "seen": 2 });
    assert_eq!(shop.post(ORDERS, &order).await.json(200)["taken"], Value::Null);
    order["has_gift_box"] = json!(true);
    let again = shop.post(ORDERS, &order).await.json(200);
    assert_eq!((&again["taken"], &again["differs"][0]["field"]), (&json!(false), &json!("has_gift_box")));
    assert_eq!((&again["differs"][0]["done"], &again["has_gift_box"]), (&json!(false), &json!(false)));
    shop.finish().await;
}

#[tokio::test]
async fn the_same_order_sent_many_times_at_once_is_taken_once() {
    let shop = Shop::open().await;
    let order = order_json("same", &[("RED", 1)]);
    let replies = join((0..8).map(|_| shop.post(ORDERS, &order))).await;
    let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 201]);
    assert!(replies.iter().all(|reply| reply.text() == replies[0].text()));
    assert_eq!((shop.quota("KADIKOY").await, shop.stock("KADIKOY", "RED").await), (1, (100, 1)));
    shop.finish().await;
}

#[tokio::test]
async fn an_order_that_is_wrong_names_every_field() {
    let shop = Shop::open().await;
    let reply = shop.changes_nothing(shop.post(ORDERS, &json!({ "amount": "1,5", "orderitem_set": [] }))).await;
    assert_eq!(
        reply.json(400),
        json!({ "error": {
                    "number": ["This field is required."],
                    "date_placed": ["This field is required."],
                    "amount": ["A valid number is required."],
                    "orderitem_set": ["Between 1 and 2000 order items are required."] },
                "status_code": 400 })
    );
    for (field, value) in [
        ("status", json!("77")),
        ("cargo_company", json!("nobody")),
        ("date_placed", json!("yesterday")),
        ("number", json!("9".repeat(129))),
    ] {
        let mut order = order_json("wrong", &[("RED", 1)]);
        order[field] = value;
        let reply = shop.changes_nothing(shop.post(ORDERS, &order)).await;
        assert_eq!(reply.wrong(field).len(), 1, "{field}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_value_that_no_column_holds_is_refused_with_its_field_by_every_door() {
    let shop = Shop::open().await;
    for (field, value, message) in [
        ("tax_rate", json!(12345), "Ensure that there are no more than 4 digits before the decimal point."),
        ("price", json!(999_999_999_999.999_f64), "Ensure that there are no more than 14 digits in total."),
        ("price", json!("12.34567"), "Ensure that there are no more than 4 decimal places."),
        ("discount_amount", json!(1e300), "Ensure that there are no more than 12 digits before the decimal point."),
        ("pk", json!(1e30), "A valid integer is required."),
    ] {
        let mut order = order_json("poisoned", &[("RED", 1)]);
        order["orderitem_set"][0][field] = value;
        let expected = format!("Item 1: {field}: {message}");
        shop.changes_nothing(async {
            assert_eq!(shop.post(ORDERS, &order).await.wrong("orderitem_set"), [expected.as_str()]);
            let rehearsed = shop.post(&format!("{ORDERS}?dry_run=true"), &order).await;
            assert_eq!(rehearsed.wrong("orderitem_set"), [expected.as_str()]);
            let results = shop.post(ORDERS, &json!([order])).await.ok();
            assert_eq!(results[0]["error"]["orderitem_set"], json!([expected]));
            let (summary, report) = import_text(&shop, format!("\n{order}\n").as_bytes()).await;
            assert_eq!(
                summary,
                Summary { taken: 0, known: 0, refused: 1, differing: 0, left_out: 0, read: 1, rows: 0 }
            );
            assert_eq!(report.refused, [(2, format!("orderitem_set: {expected}"))]);
        })
        .await;
        // What is pushed waits among the problems until it is mended.
        let pushed = json!({ "event": { "type": "order.created" }, "payload": order });
        let reply = shop.post("/api/v1/oms/orders-webhook/", &pushed).await;
        assert_eq!(reply.status, 400, "{}", reply.text());
        let reason: String = shop.value("select reason from upstream_problems where reference = $1", "poisoned").await;
        assert!(reason.contains(&expected), "{reason}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn an_order_says_when_it_was_placed_as_django_takes_it() {
    let shop = Shop::open().await;
    for (number, written) in [
        ("a", "2026-01-02 00:00:00"),
        ("b", "2026-01-02T00:00"),
        ("c", "2026-01-02T03:00:00.000000+0300"),
        ("d", "2026-01-02"),
    ] {
        let mut order = order_json(number, &[("RED", 1)]);
        order["date_placed"] = json!(written);
        assert_eq!(shop.post(ORDERS, &order).await.json(201)["date_placed"], "2026-01-02T00:00:00Z", "{written}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn money_is_kept_as_it_was_sent_and_never_rounded() {
    let shop = Shop::open().await;
    for (number, currency, price, kept) in [
        ("noise", "try", json!(19.990_000_000_000_002_f64), "19.99"),
        ("net", "try", json!("12.3456"), "12.3456"),
        ("dinar", "KWD", json!("1.234"), "1.234"),
        ("dinars", "kwd", json!(7), "7.000"),
        ("whole", "try", json!(7), "7.00"),
    ] {
        let mut order = order_json(number, &[("RED", 1)]);
        order["currency"] = json!(currency);
        order["amount"] = price.clone();
        order["orderitem_set"][0]["price_currency"] = json!(null);
        order["orderitem_set"][0]["price"] = price;
        order["orderitem_set"][0]["tax_rate"] = json!(8.875);
        let taken = shop.post(ORDERS, &order).await.json(201);
        assert_eq!(taken["amount"], kept, "{number}");
        assert_eq!(taken["orderitem_set"][0]["price"], kept, "{number}");
        assert_eq!(taken["orderitem_set"][0]["tax_rate"], "8.875", "{number}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn only_lines_that_are_approved_and_not_on_their_way_are_packed() {
    let shop = Shop::open().await;
    for (status, is_packed) in [
        ("100", false),
        ("600", false),
        ("500", false),
        ("510", false),
        ("550", false),
        ("50", false),
        ("300", false),
        ("425", false),
        ("450", true),
    ] {
        let number = format!("part-{status}");
        let mut order = order_json(&number, &[("RED", 1), ("BLUE", 1)]);
        order["orderitem_set"][1]["status"] = json!(status);
        let packed = if is_packed { "RED×1=waiting, BLUE×1=waiting" } else { "RED×1=waiting" };
        let taken = shop.order_of(&order).await;
        assert_eq!(taken.summary().await, [format!("{number}P1 waiting@KADIKOY: {packed}")]);
    }
    for status in ["100", "500", "550", "600"] {
        let mut order = order_json(&format!("none-{status}"), &[("RED", 1)]);
        order["status"] = json!(status);
        assert!(shop.order_of(&order).await.packages().is_empty(), "{status}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn an_order_that_is_not_approved_yet_is_refused_until_it_is() {
    let shop = Shop::open().await;
    let mut order = order_json("early", &[("RED", 1)]);
    for status in ["50", "200", "300", "350"] {
        order["status"] = json!(status);
        let message =
            format!("An order is taken when it is approved (400), and this one has {status}; send it again then.");
        for path in [ORDERS.to_owned(), format!("{ORDERS}?dry_run=true")] {
            let answer = shop.changes_nothing(shop.post(&path, &order)).await.json(400);
            assert_eq!(answer["error"], json!({ "status": [message] }), "{path}");
        }
    }
    order["status"] = json!("400");
    let taken = shop.order_of(&order).await;
    // One that is here goes on, whatever is decided about it meanwhile.
    order["status"] = json!("50");
    assert_eq!(shop.post(ORDERS, &order).await.json(200)["id"], taken.id());
    shop.finish().await;
}

#[tokio::test]
async fn the_carrier_an_order_asks_for_carries_its_packages() {
    let shop = Shop::open().await;
    let mut order = order_json("carried", &[("RED", 1)]);
    order["cargo_company"] = json!("yurtici");
    let package = shop.order_of(&order).await.only_package();
    package.run("COMPLETE_PACKING").await.ok();
    assert_eq!(package.json().await["shipment"]["cargo_company"]["slug"], "yurtici");
    shop.finish().await;
}

#[tokio::test]
async fn a_store_sees_the_orders_it_packs_and_of_them_its_packages() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "PINK", 5).await;
    let split = shop.order(&[("RED", 1), ("PINK", 1)]).await;
    let elsewhere = shop.order(&[("PINK", 1)]).await;

    let list = shop.get_as("kadikoy", ORDERS).await.ok();

    assert_eq!(list["count"], 1);
    assert_eq!(list["results"][0]["id"], split.id());
    assert_eq!(list["results"][0]["packages"].as_array().map(Vec::len), Some(1));
    assert_eq!(shop.get_as("kadikoy", &format!("{ORDERS}{}/", elsewhere.id())).await.status, 404);
    shop.finish().await;
}

// ── From a file ────────────────────────────────────────────────────────────────────────────────

/// Collects the reports.
#[derive(Default)]
struct Report {
    refused: Vec<(u64, String)>,
    bytes: u64,
}

impl Progress for Report {
    fn advance(&mut self, bytes: u64, _: Summary) {
        self.bytes += bytes;
    }

    fn refused(&mut self, line: u64, why: &str) {
        self.refused.push((line, why.to_owned()));
    }

    fn left_out(&mut self, line: u64, why: &str) {
        panic!("JSON says what it says: line {line}: {why}");
    }

    fn differs(&mut self, line: u64, what: &str) {
        self.refused(line, what);
    }
}

async fn import_text(shop: &Shop, text: &[u8]) -> (Summary, Report) {
    let catalog_cache = CatalogCache::new(commands::kinds());
    catalog_cache.refresh(&mut shop.pool().acquire().await.expect("connect")).await.expect("refresh");
    let mut report = Report::default();
    let summary = import(shop.pool(), &catalog_cache, &oms::outbound::Gate::open(), Cursor::new(text), &mut report)
        .await
        .expect("import");
    (summary, report)
}

#[tokio::test]
async fn a_file_of_orders_is_taken_and_a_bad_line_is_reported_with_its_number() {
    let shop = Shop::open().await;
    let lines = [
        format!("\u{feff}{}", order_json("1", &[("RED", 1)])),
        "{ nonsense".to_owned(),
        String::new(),
        order_json("2", &[("BLUE", 1)]).to_string(),
        json!({ "number": "3" }).to_string(),
        "\u{0}\u{1}".to_owned(),
        format!("  {}\r", order_json("1", &[("RED", 1)])),
        order_json("4", &[("RED", 1)]).to_string(),
    ];
    // The last line has no end.
    let text = lines.join("\n");

    let (summary, report) = import_text(&shop, text.as_bytes()).await;

    assert_eq!(summary, Summary { taken: 3, known: 1, refused: 3, differing: 0, left_out: 0, read: 7, rows: 0 });
    let numbers: Vec<u64> = report.refused.iter().map(|(line, _)| *line).collect();
    assert_eq!(numbers, [2, 5, 6]);
    assert!(report.refused[1].1.contains("date_placed"), "{:?}", report.refused[1]);
    assert_eq!(report.bytes, text.len() as u64);
    let again = shop.changes_nothing(import_text(&shop, text.as_bytes())).await.0;
    assert_eq!(again, Summary { taken: 0, known: 4, refused: 3, differing: 0, left_out: 0, read: 7, rows: 0 });
    shop.finish().await;
}

#[tokio::test]
async fn an_order_that_the_database_cannot_keep_costs_its_line_and_not_the_rest_of_the_file() {
    let shop = Shop::open().await;
    shop.execute("alter table orders add constraint unforeseen check (notes <> 'poison')").await;
    let mut poisoned = order_json("2", &[("RED", 1)]);
    poisoned["notes"] = json!("poison");
    let (first, last) = (order_json("1", &[("RED", 1)]), order_json("3", &[("RED", 1)]));

    let (summary, report) = import_text(&shop, format!("{first}\n{poisoned}\n{last}\n").as_bytes()).await;

    assert_eq!(summary, Summary { taken: 2, known: 0, refused: 1, differing: 0, left_out: 0, read: 3, rows: 0 });
    assert_eq!(report.refused[0].0, 2);
    let results = shop.post(ORDERS, &json!([poisoned, first, last])).await.ok();
    let statuses: Vec<&Value> = results.as_array().expect("a list").iter().map(|one| &one["status_code"]).collect();
    assert_eq!(statuses, [400, 200, 200]);
    shop.execute("alter table orders drop constraint unforeseen").await;
    shop.finish().await;
}

#[tokio::test]
async fn a_huge_line_is_reported_and_does_not_stop_the_rest() {
    let shop = Shop::open().await;
    let mut text = format!("{}\n", order_json("1", &[("RED", 1)])).into_bytes();
    text.extend(std::iter::repeat_n(b'x', 40 * 1024 * 1024));
    text.extend(format!("\n{}\n", order_json("2", &[("RED", 1)])).into_bytes());
    let (summary, report) = import_text(&shop, &text).await;
    assert_eq!(summary, Summary { taken: 2, known: 0, refused: 1, differing: 0, left_out: 0, read: 3, rows: 0 });
    assert_eq!(report.refused.len(), 1);
    assert_eq!(report.refused[0].0, 2);
    assert_eq!(report.bytes, text.len() as u64);
    shop.finish().await;
}

#[tokio::test]
async fn a_name_or_a_city_as_long_as_a_book_is_refused_by_its_key() {
    let shop = Shop::open().await;
    let long = "x".repeat(1025);
    for (part, key) in [("customer", "first_name"), ("shipping_address", "line"), ("billing_address", "district")] {
        let mut order = order_json("LONG", &[("RED", 1)]);
        order[part][key] = json!(long);
        let wrong = shop.changes_nothing(shop.post("/api/v1/oms/orders/", &order)).await.wrong(part);
        assert!(wrong[0].starts_with(&format!("{key}: ")) && wrong[0].contains("1024 characters"), "{wrong:?}");
        order[part][key] = json!(long[1..]);
        order["number"] = json!(format!("LONG-{key}"));
        shop.order_of(&order).await;
    }
    let mut order = order_json("CITY", &[("RED", 1)]);
    order["shipping_address"]["city"] = json!({ "name": long });
    assert!(shop.post("/api/v1/oms/orders/", &order).await.wrong("shipping_address")[0].contains("1024"));
    shop.finish().await;
}

#[tokio::test]
async fn two_lines_of_an_order_with_one_key_are_refused_for_whoever_names_it_means_one() {
    let shop = Shop::open().await;
    let mut order = order_json("TWICE", &[("RED", 1), ("BLUE", 1)]);
    for line in order["orderitem_set"].as_array_mut().expect("lines") {
        line["pk"] = json!(7001);
    }
    let wrong = shop.changes_nothing(shop.post("/api/v1/oms/orders/", &order)).await.wrong("orderitem_set");
    assert_eq!(wrong, ["Item 2: pk: Item 1 has this key already."]);
    shop.finish().await;
}
