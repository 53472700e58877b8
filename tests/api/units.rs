//! A unit is the smallest unit: lines are divided among locations, items among packages.

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Order, Package, SHOP, STANDARD, Shop, TRANSFERS, order_json};

const MISSING: &str = "DETECTED_OUT_OF_STOCK_ITEM";
const MISSING_ADVANCED: &str = "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED";

/// A shop whose scenarios divide lines, without stock of BIG.
async fn open() -> Shop {
    let shop = Shop::open().await;
    divide(&shop).await;
    shop
}

/// Lets scenarios divide lines.
pub async fn divide(shop: &Shop) {
    let scenarios = shop.get("/api/v1/oms/scenarios/?kind=distribution").await.ok();
    for scenario in scenarios["results"].as_array().expect("scenarios") {
        let change = json!({ "splitting": { "lines": true } });
        shop.patch(&format!("/api/v1/oms/scenarios/{}/", scenario["id"]), &change).await.ok();
    }
}

/// An order of five BIG, its package at KADIKOY, which has them, and the package's item.
async fn five(shop: &Shop) -> (Order<'_>, Package<'_>, i64) {
    shop.count("KADIKOY", "BIG", 5).await;
    let order = shop.order(&[("BIG", 5)]).await;
    let package = order.only_package();
    let item = package.item("BIG").await;
    (order, package, item)
}

/// Packages without their numbers.
async fn places(order: &Order<'_>) -> Vec<String> {
    let summary = order.summary().await;
    summary.iter().map(|line| line.split_once(' ').expect("a number").1.to_owned()).collect()
}

#[tokio::test]
async fn a_line_of_ten_with_six_in_one_place_and_four_in_another_is_packed_in_two() {
    let shop = open().await;
    shop.count("BESIKTAS", "BIG", 6).await;
    shop.count("GEBZE", "BIG", 4).await;
    let order = shop.order(&[("BIG", 10)]).await;
    assert_eq!(places(&order).await, ["waiting@BESIKTAS: BIG×6=waiting", "waiting@GEBZE: BIG×4=waiting"]);
    assert_eq!((shop.stock("BESIKTAS", "BIG").await, shop.stock("GEBZE", "BIG").await), ((6, 6), (4, 4)));
    let [first, second] = order.packages().try_into().ok().expect("two packages");
    // What was ordered, and what each has of it.
    let item = shop.get(&format!("/api/v1/oms/packages/{}/", first.id)).await.ok()["packageitem_set"][0].clone();
    assert_eq!((&item["quantity"], &item["order_item"]["quantity"]), (&json!(6), &json!(10)));
    let plan = order.execution_plan().await;
    let items: Vec<Value> = plan["orderexecutionplanitem_set"]
        .as_array()
        .expect("items")
        .iter()
        .map(|item| item["quantity"].clone())
        .collect();
    assert_eq!(items, [6, 4]);
    let trace = order.trace().await;
    assert_eq!(trace["reproduced"], true);
    assert_eq!(trace["parcels"][0]["parts"], json!({ item["order_item"]["id"].to_string(): 6 }));
    assert_eq!((&trace["rules"][0]["placed"], &trace["rules"][0]["exact"]), (&json!(1), &json!(true)));
    for package in [first, second] {
        package.run("COMPLETE_PACKING").await.ok();
    }
    assert_eq!((shop.stock("BESIKTAS", "BIG").await, shop.stock("GEBZE", "BIG").await), ((0, 0), (0, 0)));
    shop.assert_history_adds_up().await;
    shop.finish().await;
}

#[tokio::test]
async fn where_a_scenario_does_not_say_so_no_line_is_divided() {
    let shop = Shop::open().await;
    shop.count("BESIKTAS", "BIG", 6).await;
    shop.count("GEBZE", "BIG", 4).await;
    let order = shop.order(&[("BIG", 10)]).await;
    assert_eq!(places(&order).await, ["out-of-stock@HQ: BIG×10=out-of-stock"]);
    shop.finish().await;
}

#[tokio::test]
async fn what_is_nowhere_waits_and_gets_its_place_as_it_comes() {
    let shop = open().await;
    shop.count("BESIKTAS", "BIG", 6).await;
    let order = shop.order(&[("BIG", 10), ("RED", 1)]).await;
    assert_eq!(
        places(&order).await,
        ["waiting@KADIKOY: RED×1=waiting", "waiting@BESIKTAS: BIG×6=waiting", "out-of-stock@HQ: BIG×4=out-of-stock"]
    );
    let trace = order.trace().await;
    assert_eq!(trace["rules"][0]["placed_in_part"], 1);
    assert_eq!(trace["unplaced_parts"].as_object().map(serde_json::Map::len), Some(1));
    shop.count("GEBZE", "BIG", 3).await;
    let waiting = &order.packages()[2];
    waiting.run("REPACK").await.ok();
    assert_eq!(places(&order).await[2..], ["waiting@GEBZE: BIG×3=waiting", "out-of-stock@HQ: BIG×1=out-of-stock"]);
    assert_eq!(shop.stock("GEBZE", "BIG").await, (3, 3));
    shop.assert_history_adds_up().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_clerk_who_finds_three_of_five_keeps_them() {
    for (command, own) in [
        (MISSING_ADVANCED, "waiting@KADIKOY: BIG×3=waiting"),
        // All of it is planned again: the three are still there.
        (MISSING, "packaging-canceled@KADIKOY: BIG×5=packaging-canceled"),
    ] {
        let shop = open().await;
        let (order, package, item) = five(&shop).await;
        shop.count("GEBZE", "BIG", 2).await;
        package.run_with(command, &json!({ "package_items": [{ "id": item, "quantity": 2 }] })).await.ok();
        let mut expected = vec![own.to_owned()];
        if command == MISSING {
            expected.push("waiting@KADIKOY: BIG×3=waiting".to_owned());
        }
        expected.push("waiting@GEBZE: BIG×2=waiting".to_owned());
        assert_eq!(places(&order).await, expected);
        assert_eq!((shop.stock("KADIKOY", "BIG").await, shop.stock("GEBZE", "BIG").await), ((5, 3), (2, 2)));
        // The units that were not found are in the history of the SKU.
        let history = shop.get("/api/v1/oms/stocks/history/?sku=BIG").await.ok();
        let missing: Vec<&Value> =
            history["results"].as_array().expect("rows").iter().filter(|row| row["kind"] == "not_found").collect();
        assert_eq!(missing.iter().map(|row| &row["missing"]).collect::<Vec<_>>(), [2]);
        shop.assert_history_adds_up().await;
        shop.finish().await;
    }
}

#[tokio::test]
async fn two_of_five_are_cancelled_and_three_go_on() {
    let shop = open().await;
    let (order, package, item) = five(&shop).await;
    package.run_with("CANCEL_PACKAGE", &json!({ "package_items": [{ "id": item, "quantity": 2 }] })).await.ok();
    assert_eq!(
        places(&order).await,
        ["packaging-canceled@KADIKOY: BIG×5=packaging-canceled", "waiting@KADIKOY: BIG×3=waiting"]
    );
    assert_eq!(shop.stock("KADIKOY", "BIG").await, (5, 3));
    shop.finish().await;
}

#[tokio::test]
async fn an_operator_sends_three_here_and_two_there() {
    let shop = open().await;
    let (order, package, item) = five(&shop).await;
    shop.count("GEBZE", "BIG", 3).await;
    let groups = |here: i64, there: i64| {
        json!({ "assignment_groups": [
            { "stock_location": "GEBZE", "package_items": [{ "id": item, "quantity": here }] },
            { "stock_location": "KADIKOY", "package_items": [{ "id": item, "quantity": there }] }] })
    };
    let command = "ASSIGN_PACKAGE_ITEMS_MANUALLY";
    let wrong = shop.changes_nothing(package.run_with(command, &groups(3, 1))).await.wrong("assignment_groups");
    assert_eq!(wrong, [format!("Item {item} has 5 units, and 4 are in groups; every unit must be in exactly one.")]);
    // Units that are named twice in a group are one item of its package.
    let mut twice = groups(2, 2);
    let one_more = json!({ "id": item, "quantity": 1 });
    twice["assignment_groups"][0]["package_items"].as_array_mut().expect("a list").push(one_more);
    package.run_with(command, &twice).await.ok();
    assert_eq!(places(&order).await[1..], ["waiting@GEBZE: BIG×3=waiting", "waiting@KADIKOY: BIG×2=waiting"]);
    shop.finish().await;
}

#[tokio::test]
async fn a_store_prepares_what_it_has_of_an_item() {
    let shop = open().await;
    let (order, package, item) = five(&shop).await;
    shop.count("GEBZE", "BIG", 3).await;
    let input = json!({ "select_items_by_omnitron_id": false, "out_of_stock_items": [{ "id": item, "quantity": 4 }] });
    package.run_with("PREPARE_PACKAGE", &input).await.ok();
    assert_eq!(
        places(&order).await,
        ["preparing@KADIKOY: BIG×1=preparing", "waiting@GEBZE: BIG×3=waiting", "out-of-stock@HQ: BIG×1=out-of-stock"]
    );
    shop.assert_history_adds_up().await;
    shop.finish().await;
}

#[tokio::test]
async fn units_that_there_are_not_are_refused() {
    let shop = open().await;
    let (_, package, item) = five(&shop).await;
    for (items, message) in [
        (json!([{ "id": item, "quantity": 6 }]), format!("Item {item} has 5 units, not 6.")),
        (
            json!([{ "id": item, "quantity": 0 }]),
            "quantity: Ensure this value is greater than or equal to 1.".to_owned(),
        ),
        (json!([{ "id": item, "quantity": 1 }, item]), format!("Item {item} is named twice.")),
        (json!([{ "id": item, "quantity": 1 }, { "id": item, "quantity": 1 }]), format!("Item {item} is named twice.")),
        (
            json!([{ "id": item, "units": 1 }]),
            "units: There is no such key; an item has an id and a quantity.".to_owned(),
        ),
        (json!([{ "quantity": 1 }]), "id: This field is required.".to_owned()),
        (json!([{ "id": 999_999, "quantity": 1 }]), "Item 999999 does not belong to this package.".to_owned()),
    ] {
        let input = json!({ "package_items": items });
        let wrong = shop.changes_nothing(package.run_with(MISSING_ADVANCED, &input)).await.wrong("package_items");
        assert_eq!(wrong, [message]);
    }
    // All units of an item are the item.
    package.run_with(MISSING_ADVANCED, &json!({ "package_items": [{ "id": item, "quantity": 5 }] })).await.ok();
    assert_eq!(package.state().await, "packaging-canceled");
    shop.finish().await;
}

#[tokio::test]
async fn an_old_event_tells_the_item_that_it_was() {
    let shop = open().await;
    shop.count("KADIKOY", "BIG", 5).await;
    let order = shop.order(&[("BIG", 5)]).await;
    let package = order.only_package();
    let told = async || {
        let feed = shop.get(&format!("/api/v1/oms/events/?entity=package&object_id={}", package.id)).await.ok();
        let events = feed["results"].as_array().expect("events").clone();
        events.iter().map(|event| event["payload"]["packageitem_set"].clone()).collect::<Vec<Value>>()
    };
    let before = told().await;
    let item = package.item("BIG").await;
    package.run_with(MISSING_ADVANCED, &json!({ "package_items": [{ "id": item, "quantity": 2 }] })).await.ok();
    package.move_to("preparing").await;
    let after = told().await;
    assert_eq!(before[..], after[..before.len()]);
    let quantities: Vec<&Value> = after.iter().map(|items| &items[0]["quantity"]).collect();
    assert_eq!((quantities.first(), quantities.last()), (Some(&&json!(5)), Some(&&json!(3))));
    shop.finish().await;
}

#[tokio::test]
async fn units_are_brought_together_from_wherever_they_are() {
    let shop = Shop::installed(&[STANDARD, SHOP, TRANSFERS], false).await;
    divide(&shop).await;
    shop.count("KADIKOY", "BIG", 2).await;
    shop.count("BESIKTAS", "BIG", 5).await;
    shop.count("GEBZE", "BIG", 3).await;
    let order = shop.fetched(&[("BIG", 9)]).await;
    let package = order.only_package();
    let number = package.number().await;
    assert_eq!(
        places(&order).await,
        ["waiting-for-transfer@KADIKOY: BIG×2=waiting, BIG×5=waiting-for-transfer, BIG×2=waiting-for-transfer"]
    );
    assert_eq!(
        order.transfers().await,
        [format!("{number}T1 waiting BESIKTAS->KADIKOY: BIG×5"), format!("{number}T2 waiting GEBZE->KADIKOY: BIG×2")]
    );
    assert_eq!(package.reservations().await, ["KADIKOY BIG×2", "BESIKTAS BIG×5", "GEBZE BIG×2"]);
    assert_eq!(order.trace().await["reproduced"], true);
    // Three of five are found; one of the others is in Gebze, and the last nowhere.
    let [first, second] = package.transfers().await.try_into().ok().expect("two transfers");
    let transfer_item = first.item_ids().await[0];
    let missing = json!({ "transfer_items": [{ "id": transfer_item, "quantity": 2 }] });
    first.run_with("TRANSFER_ITEM_NOT_FOUND", &missing).await.ok();
    assert_eq!(
        order.transfers().await[2..],
        [format!("{number}T3 waiting BESIKTAS->KADIKOY: BIG×3"), format!("{number}T4 waiting GEBZE->KADIKOY: BIG×1")]
    );
    let [third, fourth] = package.transfers().await[2..].to_vec().try_into().ok().expect("two more");
    for transfer in [second, third, fourth] {
        transfer.bring().await;
    }
    assert_eq!(package.state().await, "waiting");
    let successors = package.successors().await;
    assert_eq!(successors.len(), 1);
    assert_eq!(successors[0].place().await, "out-of-stock@HQ");
    package.run("COMPLETE_PACKING").await.ok();
    assert_eq!(shop.stock("KADIKOY", "BIG").await, (0, 0));
    shop.assert_history_adds_up().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_line_of_very_many_units_is_planned_at_once() {
    let shop = open().await;
    shop.count("KADIKOY", "BIG", 100_000).await;
    shop.count("GEBZE", "BIG", 50_000).await;
    let order = shop.order(&[("BIG", 132_136)]).await;
    assert_eq!(places(&order).await, ["waiting@KADIKOY: BIG×100000=waiting", "waiting@GEBZE: BIG×32136=waiting"]);
    shop.finish().await;
}

#[tokio::test]
async fn a_parameter_that_a_command_does_not_know_is_refused_with_the_nearest() {
    let shop = Shop::installed(&[STANDARD, SHOP, TRANSFERS], false).await;
    let package = shop.package().await;
    let input = json!({ "package_item": [1], "nonsense": 1 });
    let reply = shop.changes_nothing(package.run_with(MISSING, &input)).await;
    let error = reply.json(400)["error"].clone();
    assert_eq!(
        error,
        json!({ "package_item": ["This command has no such parameter. Did you mean package_items?"],
                "nonsense": ["This command has no such parameter. Leave it out."] })
    );
    // Pack and Ship as they are documented: without parameters, and with items that Ship does not look at.
    package.run_with("COMPLETE_PACKING", &json!({ "package": package.id })).await.ok();
    package.run_with("SHIP_THE_PACKAGE", &json!({ "package_items": [1, 2, 3] })).await.ok();
    shop.count("GEBZE", "FAR", 1).await;
    let transfer = shop.fetched(&[("RED", 1), ("FAR", 1)]).await.only_package().only_transfer().await;
    let reply =
        shop.changes_nothing(transfer.run_with("TRANSFER_ITEM_NOT_FOUND", &json!({ "transfer_item": [1] }))).await;
    let message = "This command has no such parameter. Did you mean transfer_items?";
    assert_eq!(reply.wrong("transfer_item"), [message]);
    shop.finish().await;
}

#[tokio::test]
async fn a_dry_run_tells_which_units_would_go_where() {
    let shop = open().await;
    let (_, package, item) = five(&shop).await;
    shop.count("GEBZE", "BIG", 1).await;
    let input = json!({ "package_items": [{ "id": item, "quantity": 2 }] });
    let effects = shop.changes_nothing(package.dry_run(MISSING_ADVANCED, &input)).await.ok()["effects"].clone();
    assert_eq!(effects["items"][0]["quantity"], json!({ "from": 5, "to": 3 }));
    let quantities: Vec<&Value> =
        effects["successors"].as_array().expect("successors").iter().map(|new| &new["quantities"]).collect();
    assert_eq!(quantities, [&json!([1]), &json!([1])]);
    shop.finish().await;
}

#[tokio::test]
async fn no_unit_is_promised_twice_when_many_orders_divide_the_last_ones() {
    let shop = open().await;
    for (erp_code, units) in [("KADIKOY", 37), ("BESIKTAS", 31), ("GEBZE", 22)] {
        shop.count(erp_code, "BIG", units).await;
    }
    let orders: Vec<Value> = (0..24).map(|number| order_json(&format!("RACE{number}"), &[("BIG", 5)])).collect();
    let sent = orders.iter().map(|order| shop.post("/api/v1/oms/orders/", order));
    for reply in join_all(sent).await {
        reply.json(201);
    }
    let units: Vec<(String, i64)> = shop
        .rows(
            "select s.slug, sum(i.quantity)::bigint from package_items i join packages p on p.id = i.package_id
               join states s on s.id = p.state_id group by 1 order by 1",
        )
        .await;
    assert_eq!(units, [("out-of-stock".to_owned(), 30), ("waiting".to_owned(), 90)]);
    shop.finish().await;
}

#[tokio::test]
async fn a_line_in_several_packages_has_one_product() {
    let shop = open().await;
    shop.count("BESIKTAS", "BIG", 6).await;
    shop.count("GEBZE", "BIG", 4).await;
    let order = shop.order(&[("BIG", 10)]).await;
    shop.count("BESIKTAS", "OTHER", 10).await;
    let package = &order.packages()[0];
    let item = package.item("BIG").await;
    let input = json!({ "replacements": [{ "package_item": item, "sku": "OTHER" }] });
    let wrong = shop.changes_nothing(package.run_with("REPLACE_PRODUCT", &input)).await.wrong("replacements");
    assert_eq!(wrong, [format!("Item {item} is a part of its line, and other items are too: a line has one product.")]);
    // Once the others are cancelled, it is the line.
    order.packages()[1].run("CANCEL_PACKAGE").await.ok();
    package.run_with("REPLACE_PRODUCT", &input).await.ok();
    shop.finish().await;
}

#[tokio::test]
async fn what_was_not_found_is_not_brought_together_where_it_was_not_found() {
    let shop = Shop::installed(&[STANDARD, SHOP, TRANSFERS], false).await;
    divide(&shop).await;
    shop.count("KADIKOY", "BIG", 5).await;
    let order = shop.fetched(&[("BIG", 5)]).await;
    for elsewhere in ["BESIKTAS", "GEBZE", "HQ"] {
        shop.limit(elsewhere, Some(0)).await;
    }
    let package = order.only_package();
    let item = package.item("BIG").await;
    package.run_with(MISSING, &json!({ "package_items": [{ "id": item, "quantity": 2 }] })).await.ok();
    assert_eq!(places(&order).await, ["out-of-stock@HQ: BIG×2=out-of-stock", "waiting@KADIKOY: BIG×3=waiting"]);
    assert_eq!(order.trace().await["reproduced"], true);
    shop.finish().await;
}

#[tokio::test]
async fn a_transfer_brings_what_an_earlier_rule_left_and_no_more() {
    let shop = Shop::installed(&[STANDARD, SHOP, TRANSFERS], false).await;
    divide(&shop).await;
    let scenarios = shop.get("/api/v1/oms/scenarios/?name=Gather").await.ok();
    let rules = json!([
        { "name": "First what is in stores", "conditions": ["SELECT_BY_STOCK", { "condition": "SELECT_BY_LOCATION_TYPE", "location_types": ["store"] }], "order_by": ["priority"] },
        { "name": "Then together", "conditions": ["SELECT_BY_QUOTA"], "order_by": ["priority"], "transferable": true }]);
    let id = scenarios["results"]
        .as_array()
        .expect("scenarios")
        .iter()
        .find(|scenario| scenario["name"] == "Gather")
        .expect("it")["id"]
        .clone();
    shop.patch(&format!("/api/v1/oms/scenarios/{id}/"), &json!({ "rules": rules })).await.ok();
    shop.count("KADIKOY", "BIG", 3).await;
    shop.count("GEBZE", "BIG", 20).await;
    let order = shop.fetched(&[("BIG", 10)]).await;
    let package = order.only_package();
    let number = package.number().await;
    assert_eq!(places(&order).await, ["waiting-for-transfer@KADIKOY: BIG×3=waiting, BIG×7=waiting-for-transfer"]);
    assert_eq!(order.transfers().await, [format!("{number}T1 waiting GEBZE->KADIKOY: BIG×7")]);
    assert_eq!(order.trace().await["reproduced"], true);
    shop.finish().await;
}

#[tokio::test]
async fn the_key_of_a_line_means_all_items_of_it_in_the_package() {
    let shop = Shop::installed(&[STANDARD, SHOP, TRANSFERS], false).await;
    divide(&shop).await;
    shop.count("KADIKOY", "BIG", 3).await;
    shop.count("GEBZE", "BIG", 2).await;
    let mut order = order_json("KEYED", &[("BIG", 5), ("RED", 1)]);
    order["channel"] = json!({ "pk": 3, "name": "gather" });
    order["orderitem_set"][0]["pk"] = json!(7001);
    let order = shop.order_of(&order).await;
    let package = order.only_package();
    package.only_transfer().await.bring().await;
    assert_eq!(places(&order).await, ["waiting@KADIKOY: BIG×3=waiting, RED×1=waiting, BIG×2=waiting"]);
    let input = |quantity: i64| json!({ "select_items_by_omnitron_id": true, "out_of_stock_items": [{ "id": 7001, "quantity": quantity }] });
    let wrong = shop.changes_nothing(package.run_with("PREPARE_PACKAGE", &input(6))).await.wrong("out_of_stock_items");
    assert_eq!(wrong, ["Item 7001 has 5 units, not 6."]);
    package.run_with("PREPARE_PACKAGE", &input(4)).await.ok();
    assert_eq!(
        places(&order).await,
        [
            "preparing@KADIKOY: RED×1=preparing, BIG×1=preparing",
            "out-of-stock@HQ: BIG×3=out-of-stock, BIG×1=out-of-stock"
        ]
    );
    shop.assert_history_adds_up().await;
    shop.finish().await;
}
