//! Adjustments of stock, and the history of a SKU.

use oms::verify::verify;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Reply, SHOP, STANDARD, Shop, TRANSFERS, join, send};

const ADJUST: &str = "/api/v1/oms/stocks/adjust/";
const HISTORY: &str = "/api/v1/oms/stocks/history/";

fn adjustment(erp_code: &str, sku: &str, delta: i64) -> Value {
    json!({ "stock_location": erp_code, "sku": sku, "delta": delta, "reason": "broken" })
}

async fn adjust_keyed(shop: &Shop, user: &str, key: &str, body: &Value) -> Reply {
    send(shop.request_as(user, Method::POST, ADJUST).header("Idempotency-Key", key).json(body)).await
}

/// The rows of a history, the earliest first.
async fn history(shop: &Shop, query: &str) -> Vec<Value> {
    let page = shop.get(&format!("{HISTORY}?sort=created_date&limit=100&{query}")).await.ok();
    page["results"].as_array().expect("results").clone()
}

/// What a row says in short.
fn short(row: &Value) -> (&str, i64, Option<i64>) {
    (row["kind"].as_str().expect("a kind"), row["delta"].as_i64().expect("a delta"), row["quantity"].as_i64())
}

#[tokio::test]
async fn units_are_added_and_taken_with_a_reason() {
    let shop = Shop::open().await;
    let reply = shop.post_as("erp", ADJUST, &adjustment("KADIKOY", "RED", -3)).await.ok();
    let stock = json!({ "stock_location": "KADIKOY", "sku": "RED", "quantity": 97 });
    assert_eq!(reply, json!({ "updated": 1, "stocks": [stock] }));
    // A SKU that was never counted there; and a list, in its order.
    let list =
        json!([adjustment("GEBZE", "NEW", 4), adjustment("BESIKTAS", "NEW", 2), adjustment("KADIKOY", "RED", 1)]);
    let reply = shop.post_as("ops", ADJUST, &list).await.ok();
    let quantities: Vec<&Value> =
        reply["stocks"].as_array().expect("stocks").iter().map(|stock| &stock["quantity"]).collect();
    assert_eq!(quantities, [4, 2, 98]);
    assert_eq!((shop.stock("GEBZE", "NEW").await, shop.stock("KADIKOY", "RED").await), ((4, 0), (98, 0)));
    let rows = history(&shop, "sku=RED&kind=adjustment").await;
    assert_eq!(rows.iter().map(short).collect::<Vec<_>>(), [("adjustment", -3, Some(97)), ("adjustment", 1, Some(98))]);
    let told = ["reason", "door", "actor_kind", "actor"].map(|key| rows[0][key].as_str().unwrap_or_default());
    assert_eq!(told, ["broken", "request", "user", "erp"]);
    shop.assert_history_adds_up().await;
    shop.finish().await;
}

#[tokio::test]
async fn what_is_wrong_with_an_adjustment_is_named_and_nothing_is_adjusted() {
    let shop = Shop::open().await;
    let good = adjustment("GEBZE", "PINK", 5);
    let with = |key: &str, value: Value| {
        let mut wrong = adjustment("KADIKOY", "RED", -1);
        wrong[key] = value;
        wrong
    };
    let mut without = adjustment("KADIKOY", "RED", -1);
    without.as_object_mut().expect("an object").remove("reason");
    for (wrong, field, message) in [
        (with("stock_location", json!("NOWHERE")), "stock_location", "There is no stock location NOWHERE."),
        (with("sku", json!("")), "sku", "This field may not be blank."),
        (with("delta", json!(0)), "delta", "Say how many units are added, or taken: -1."),
        (with("delta", json!("few")), "delta", "A valid integer is required."),
        (with("delta", json!(-101)), "delta", "KADIKOY has 100 of RED, so 101 cannot be taken."),
        (
            with("delta", json!(1_000_000_000_000_i64)),
            "delta",
            "KADIKOY has 100 of RED; there can be 1000000000000 at most.",
        ),
        (with("reason", json!(" ")), "reason", "This field may not be blank."),
        (with("reason", json!("x".repeat(501))), "reason", "Ensure this field has no more than 500 characters."),
        (without, "reason", "This field is required."),
        (json!(5), "non_field_errors", "Invalid data. Expected a dictionary, but got int."),
    ] {
        let reply = shop.changes_nothing(shop.post(ADJUST, &wrong)).await;
        assert_eq!(reply.wrong(field), [message]);
        let reply = shop.changes_nothing(shop.post(ADJUST, &json!([good, wrong]))).await;
        assert_eq!(reply.wrong(field), [format!("Adjustment 2: {message}")]);
    }
    let twice = json!([good, adjustment("KADIKOY", "RED", 1), good]);
    let reply = shop.changes_nothing(shop.post(ADJUST, &twice)).await;
    assert_eq!(reply.wrong("sku"), ["Adjustment 3: PINK at GEBZE is adjustment 1 already; make one of both."]);
    // The rights are those of counts, and so is the scope.
    shop.changes_nothing(shop.post_as("kadikoy", ADJUST, &adjustment("KADIKOY", "RED", 1))).await.json(403);
    shop.finish().await;
}

#[tokio::test]
async fn a_repeat_with_its_key_is_answered_alike_and_adjusts_nothing_again() {
    let shop = Shop::open().await;
    let body = adjustment("KADIKOY", "RED", -10);
    let replies = join((0..6).map(|_| adjust_keyed(&shop, "erp", "broken-1", &body))).await;
    for reply in &replies {
        assert_eq!((reply.status, reply.text()), (200, replies[0].text()));
    }
    assert_eq!(shop.stock("KADIKOY", "RED").await, (90, 0));
    let other = adjust_keyed(&shop, "erp", "broken-1", &adjustment("KADIKOY", "RED", -11)).await;
    assert!(other.detail(422).contains("Idempotency-Key"));
    // What was refused is not kept: it may be possible later.
    let much = adjustment("KADIKOY", "RED", -95);
    assert_eq!(adjust_keyed(&shop, "erp", "broken-2", &much).await.status, 400);
    shop.count("KADIKOY", "RED", 95).await;
    assert_eq!(adjust_keyed(&shop, "erp", "broken-2", &much).await.status, 200);
    assert_eq!(adjust_keyed(&shop, "ops", "broken-2", &adjustment("KADIKOY", "RED", 1)).await.status, 200);
    shop.finish().await;
}

#[tokio::test]
async fn adjustments_and_packs_at_once_are_all_counted() {
    let shop = Shop::open().await;
    let mut packages = Vec::new();
    for _ in 0..8 {
        packages.push(shop.order(&[("RED", 1)]).await.only_package());
    }
    let packing = async { join(packages.iter().map(|package| package.run("COMPLETE_PACKING"))).await };
    let adjusting = async {
        let one = adjustment("KADIKOY", "RED", -2);
        let list =
            json!([adjustment("KADIKOY", "RED", 1), adjustment("GEBZE", "BLUE", 1), adjustment("GEBZE", "A", 1)]);
        join((0..16).map(|n| shop.post(ADJUST, if n % 2 == 0 { &one } else { &list }))).await
    };
    let (packed, adjusted) = tokio::join!(packing, adjusting);
    for reply in packed.iter().chain(&adjusted) {
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    assert_eq!(shop.stock("KADIKOY", "RED").await, (100 - 8 - 16 + 8, 0));
    let rows = history(&shop, "sku=RED").await;
    assert_eq!(rows.iter().map(|row| short(row).1).sum::<i64>(), 84);
    shop.finish().await;
}

#[tokio::test]
async fn of_adjustments_at_once_only_as_many_succeed_as_there_are_units() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 5).await;
    let one = adjustment("GEBZE", "PINK", -1);
    let replies = join((0..9).map(|_| shop.post(ADJUST, &one))).await;
    let count = |status: u16| replies.iter().filter(|reply| reply.status == status).count();
    assert_eq!((count(200), count(400), shop.stock("GEBZE", "PINK").await), (5, 4, (0, 0)));
    shop.assert_history_adds_up().await;
    shop.finish().await;
}

#[tokio::test]
async fn what_waits_for_a_sku_is_planned_when_units_are_added() {
    let shop = Shop::watching().await;
    let package = shop.order(&[("PINK", 2)]).await.only_package();
    assert_eq!(package.place().await, "out-of-stock@HQ");
    shop.post(ADJUST, &adjustment("GEBZE", "PINK", 2)).await.ok();
    let look = || async { (package.place().await == "waiting@GEBZE").then_some(()) };
    shop.until("it is planned", look).await;
    shop.finish().await;
}

#[tokio::test]
async fn a_clerk_who_adds_units_is_asked_for_them_again_and_one_who_takes_some_is_not() {
    let shop = Shop::open().await;
    let package = shop.order(&[("RED", 2)]).await.only_package();
    let items = package.item_ids().await;
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &json!({ "package_items": items })).await.ok();
    let excluded = async || -> i64 { shop.value("select count(*) from item_exclusions where $1", true).await };
    assert_eq!(excluded().await, 1);
    shop.post(ADJUST, &adjustment("KADIKOY", "RED", -1)).await.ok();
    assert_eq!(excluded().await, 1);
    shop.post(ADJUST, &adjustment("KADIKOY", "RED", 1)).await.ok();
    assert_eq!(excluded().await, 0);
    shop.finish().await;
}

#[tokio::test]
async fn the_history_says_who_changed_a_sku_when_why_and_how_many_there_were() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 10).await;
    let package = shop.order(&[("PINK", 3)]).await.only_package();
    package.run("COMPLETE_PACKING").await.ok();
    shop.post_as("ops", ADJUST, &adjustment("GEBZE", "PINK", -2)).await.ok();
    let other = shop.order(&[("PINK", 1)]).await.only_package();
    let items = other.item_ids().await;
    other.run_with("DETECTED_OUT_OF_STOCK_ITEM", &json!({ "package_items": items })).await.ok();
    let (code, said, _) = shop.oms(&["stock", "adjust", "GEBZE", "PINK", "-1", "--reason", "a sample"]).await;
    assert_eq!((code, said.as_str()), (0, "GEBZE has 4 of PINK now\n"));

    let rows = history(&shop, "sku=PINK").await;
    let told: Vec<_> = rows.iter().map(short).collect();
    assert_eq!(
        told,
        [
            ("count", 10, Some(10)),
            ("package", -3, Some(7)),
            ("adjustment", -2, Some(5)),
            ("not_found", 0, Some(5)),
            ("adjustment", -1, Some(4)),
        ]
    );
    let packed = &rows[1];
    assert_eq!(
        (&packed["package"], &packed["erp_code"], &packed["door"], &packed["transition"]["command"]),
        (&json!(package.id), &json!("GEBZE"), &json!("command"), &json!("COMPLETE_PACKING"))
    );
    assert_eq!(packed["actor"], rows[0]["actor"]);
    assert!(packed["request_id"].is_string() && packed["package_number"].is_string());
    assert_eq!((&rows[3]["missing"], &rows[3]["package"]), (&json!(1), &json!(other.id)));
    let last = &rows[4];
    assert_eq!(
        (&last["door"], &last["actor_kind"], &last["reason"]),
        (&json!("command_line"), &json!("command_line"), &json!("a sample"))
    );
    // The latest first, as other lists; and each filter.
    let page = shop.get(&format!("{HISTORY}?sku=PINK")).await.ok();
    assert_eq!((&page["count"], &page["results"][0]["reason"]), (&json!(5), &json!("a sample")));
    let date = rows[2]["created_date"].as_str().expect("a date").replace('+', "%2B");
    let gebze = shop.location_id("GEBZE").await;
    let request = packed["request_id"].as_str().expect("an id").to_owned();
    for (query, count) in [
        (format!("stock_location={gebze}"), 5),
        ("stock_location=1000".to_owned(), 0),
        ("stock_location__erp_code=GEBZE".to_owned(), 5),
        ("stock_location__erp_code=HQ".to_owned(), 0),
        ("kind=count,package".to_owned(), 2),
        ("user=ops".to_owned(), 1),
        (format!("request_id={request}"), 1),
        (format!("created_date__gte={date}"), 3),
        (format!("created_date__lte={date}"), 3),
    ] {
        let page = shop.get(&format!("{HISTORY}?sku=PINK&{query}")).await.ok();
        assert_eq!(page["count"], count, "{query}");
    }
    assert_eq!(shop.get(HISTORY).await.wrong("sku"), ["This field is required."]);
    assert_eq!(shop.get(&format!("{HISTORY}?sku=NOTHING")).await.ok()["count"], 0);
    // A store sees its own shelf.
    assert_eq!(shop.get_as("kadikoy", &format!("{HISTORY}?sku=PINK")).await.ok()["count"], 0);
    assert_eq!(shop.get_as("kadikoy", &format!("{HISTORY}?sku=RED")).await.ok()["count"], 1);
    // As a file.
    let file = shop.get(&format!("{HISTORY}?sku=PINK&format=csv")).await;
    assert_eq!((file.status, file.text().lines().count()), (200, 6), "{}", file.text());
    assert!(file.text().contains("transition.command"), "{}", file.text());
    shop.assert_history_adds_up().await;
    shop.finish().await;
}

#[tokio::test]
async fn the_history_follows_an_item_through_replaced_products_and_new_packages() {
    let shop = Shop::open().await;
    shop.count("KADIKOY", "GREEN", 10).await;
    let package = shop.order(&[("RED", 2), ("BLUE", 1)]).await.only_package();
    let red = package.item("RED").await;
    package
        .run_with("REPLACE_PRODUCT", &json!({ "replacements": [{ "package_item": red, "sku": "GREEN" }] }))
        .await
        .ok();
    package.run("COMPLETE_PACKING").await.ok();
    assert_eq!(shop.stock("KADIKOY", "GREEN").await, (8, 0));
    let told: Vec<_> = history(&shop, "sku=GREEN").await.iter().map(|row| row["delta"].clone()).collect();
    assert_eq!(told, [100, -90, -2]);
    assert_eq!(history(&shop, "sku=RED").await.len(), 1);
    shop.assert_history_adds_up().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_transfer_is_told_at_its_source_and_at_its_destination() {
    let shop = Shop::open().await;
    shop.install(&[STANDARD, SHOP, TRANSFERS]).await;
    shop.count("GEBZE", "FAR", 3).await;
    let package = shop.fetched(&[("FAR", 2)]).await.only_package();
    let transfer = package.only_transfer().await;
    transfer.bring().await;
    package.run("COMPLETE_PACKING").await.ok();
    let rows = history(&shop, "sku=FAR").await;
    let told: Vec<_> = rows.iter().map(|row| (row["erp_code"].as_str().unwrap_or_default(), short(row))).collect();
    let at = package.place().await.split_once('@').expect("a place").1.to_owned();
    assert_eq!(
        told,
        [
            ("GEBZE", ("count", 3, Some(3))),
            ("GEBZE", ("transfer", -2, Some(1))),
            (at.as_str(), ("transfer", 2, Some(2))),
            (at.as_str(), ("package", -2, Some(0))),
        ]
    );
    assert_eq!(
        (&rows[1]["transfer"], &rows[1]["transition"]["command"]),
        (&json!(transfer.id), &json!("TRANSFER_DISPATCH"))
    );
    shop.assert_history_adds_up().await;
    shop.finish().await;
}

#[tokio::test]
async fn the_command_line_adjusts_by_the_rules_of_requests() {
    let shop = Shop::open().await;
    for (arguments, complaint) in [
        (["NOWHERE", "RED", "1"], "There is no stock location NOWHERE."),
        (["KADIKOY", "RED", "0"], "Say how many units are added"),
        (["KADIKOY", "RED", "-101"], "KADIKOY has 100 of RED, so 101 cannot be taken."),
    ] {
        let words = [&["stock", "adjust"][..], &arguments, &["--reason", "broken"]].concat();
        let (code, printed, said) = shop.changes_nothing(shop.oms(&words)).await;
        assert_eq!((code, printed.as_str(), said.lines().count()), (1, "", 1), "{said}");
        assert!(said.contains(complaint), "{said}");
    }
    let (code, ..) = shop.changes_nothing(shop.oms(&["stock", "adjust", "KADIKOY", "RED", "1"])).await;
    assert_eq!(code, 2, "a reason is required");
    let (code, said, _) =
        shop.oms(&["stock", "adjust", "KADIKOY", "RED", "5", "--reason", "found behind the shelf"]).await;
    assert_eq!((code, said.as_str()), (0, "KADIKOY has 105 of RED now\n"));
    shop.finish().await;
}

/// Goods are unpacked, and missing things are found out only then.
const LATE: &str = r#"
[[transitions]]
entity = "package"
command = "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED"
source = "packed"
destination = "packed"
otherwise = "packaging-canceled"
label = "Some products were not packed"

[[transitions]]
entity = "package"
command = "REPLACE_PRODUCT"
source = "packed"
destination = "packed"
label = "Another product was packed"
"#;

#[tokio::test]
async fn the_history_keeps_what_an_item_did_in_packages_that_it_left() {
    let shop = Shop::open().await;
    shop.install(&[STANDARD, LATE, SHOP]).await;
    shop.count("KADIKOY", "BLUE", 10).await;
    shop.count("KADIKOY", "GREEN", 10).await;
    let package = shop.order(&[("RED", 2), ("BLUE", 1)]).await.only_package();
    package.run("COMPLETE_PACKING").await.ok();
    let blue = package.item("BLUE").await;
    let missing = json!({ "package_items": [blue] });
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM_ADVANCED", &missing).await.ok();
    let rows = history(&shop, "sku=BLUE&stock_location__erp_code=KADIKOY&kind=package,not_found").await;
    let told: Vec<_> = rows.iter().map(short).collect();
    assert_eq!(told, [("package", -1, Some(9)), ("package", 1, Some(10)), ("not_found", 0, Some(10))]);
    assert_eq!(rows[1]["package"], package.id);
    // A product that is replaced when it is packed comes back, and the other is taken.
    let red = package.item("RED").await;
    let replaced = json!({ "replacements": [{ "package_item": red, "sku": "GREEN" }] });
    package.run_with("REPLACE_PRODUCT", &replaced).await.ok();
    for (sku, expected) in [("RED", vec![-2, 2]), ("GREEN", vec![-2])] {
        let rows = history(&shop, &format!("sku={sku}&kind=package")).await;
        assert_eq!(rows.iter().map(|row| short(row).1).collect::<Vec<_>>(), expected, "{sku}");
    }
    shop.assert_history_adds_up().await;
    shop.execute("update package_item_departures set transition_log_id = 0").await;
    shop.execute("update order_item_history set transition_log_id = 0").await;
    let faults = verify(shop.pool()).await.expect("verify");
    assert_eq!(
        faults,
        [
            "order item 1: there is no log row 0, by which its product was replaced".to_owned(),
            format!("package item {blue}: log row 0, by which it left, is none of package N1P1"),
            "order N1: the product that line 1 had before is not as it was".to_owned(),
        ]
    );
    shop.abandon().await;
}

/// A generator of small numbers: the same for a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn units(&mut self, bound: u64) -> i64 {
        i64::try_from(self.below(bound)).expect("small")
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[usize::try_from(self.below(of.len() as u64)).expect("small")]
    }
}

#[tokio::test]
async fn on_random_days_every_quantity_is_explained() {
    for seed in 1..=3 {
        let shop = Shop::open().await;
        shop.install(&[STANDARD, LATE, SHOP]).await;
        let mut dice = Dice(seed * 7919);
        let mut packages = Vec::new();
        for _ in 0..80 {
            let sku = *dice.one(&["RED", "BLUE", "PINK"]);
            let erp_code = *dice.one(&["KADIKOY", "GEBZE"]);
            match dice.below(8) {
                0 => shop.count(erp_code, sku, dice.units(12)).await,
                1 | 2 => {
                    let (before, delta) = (shop.stock(erp_code, sku).await.0, dice.units(13) - 6);
                    let reply = shop.post(ADJUST, &adjustment(erp_code, sku, delta)).await;
                    let is_possible = delta != 0 && before + delta >= 0;
                    assert_eq!(reply.status, if is_possible { 200 } else { 400 }, "seed {seed}: {}", reply.text());
                    let after = if is_possible { before + delta } else { before };
                    assert_eq!(shop.stock(erp_code, sku).await.0, after, "seed {seed}");
                }
                3 | 4 => {
                    let order = shop.order(&[(sku, 1 + dice.units(3)), ("RED", 1)]).await;
                    packages.extend(order.packages());
                }
                _ if packages.is_empty() => {}
                5 => {
                    let package = dice.one(&packages);
                    let items = package.item_ids().await;
                    let missing = json!({ "package_items": items.first().into_iter().collect::<Vec<_>>() });
                    package.run_with("DETECTED_OUT_OF_STOCK_ITEM_ADVANCED", &missing).await;
                }
                _ => {
                    let package = dice.one(&packages);
                    let command = *dice.one(&["COMPLETE_PACKING", "SHIP_THE_PACKAGE", "CANCEL_PACKAGE", "REPACK"]);
                    package.run(command).await;
                }
            }
        }
        shop.assert_history_adds_up().await;
        shop.finish().await;
    }
}
