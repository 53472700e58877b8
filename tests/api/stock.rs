//! Counting stock.

use oms::{
    audit::Actor,
    stock::import::{Summary, import},
};
use serde_json::{Value, json};

use crate::support::Shop;

const STOCKS: &str = "/api/v1/oms/stocks/";

/// Who imports.
fn clerk() -> Actor {
    Actor::CommandLine("clerk".to_owned())
}

#[tokio::test]
async fn a_count_sets_what_is_on_the_shelf_and_leaves_what_is_held() {
    let shop = Shop::open().await;
    shop.order(&[("RED", 3)]).await;
    shop.count("KADIKOY", "RED", 10).await;

    let page = shop.get(&format!("{STOCKS}?sku=RED&stock_location__erp_code=KADIKOY")).await.ok();

    let mut row = page["results"][0].as_object().expect("a row").clone();
    assert!(row.remove("modified_date").is_some());
    let location = shop.location_id("KADIKOY").await;
    assert_eq!(
        Value::Object(row),
        json!({ "stock_location": location, "erp_code": "KADIKOY", "sku": "RED", "quantity": 10, "reserved": 3, "missing": 0,
                "available": 7 })
    );
    // Fewer than are held: nothing is available, and nothing breaks.
    shop.count("KADIKOY", "RED", 1).await;
    assert_eq!(shop.stock("KADIKOY", "RED").await, (1, 3));
    assert_eq!(shop.package().await.place().await, "out-of-stock@HQ");
    shop.finish().await;
}

#[tokio::test]
async fn many_counts_are_set_at_once_or_not_at_all() {
    let shop = Shop::open().await;
    let count = |erp_code: &str, sku: &str, quantity: Value| json!({ "stock_location": erp_code, "sku": sku, "quantity": quantity });
    let list = json!([count("GEBZE", "A", json!(1)), count("GEBZE", "A", json!(2)), count("HQ", "B", json!("3"))]);
    assert_eq!(shop.put(STOCKS, &list).await.ok(), json!({ "updated": 3 }));
    assert_eq!((shop.stock("GEBZE", "A").await, shop.stock("HQ", "B").await), ((2, 0), (3, 0)));

    let too_long = "X".repeat(256);
    for (wrong, field, message) in [
        (count("NOWHERE", "A", json!(1)), "stock_location", "There is no stock location NOWHERE."),
        (json!({ "sku": "A", "quantity": 1 }), "erp_code", "This field is required."),
        (count("GEBZE", "", json!(1)), "sku", "This field may not be blank."),
        (count("GEBZE", "A\0", json!(1)), "sku", "Null characters are not allowed."),
        (count("GEBZE", &too_long, json!(1)), "sku", "Ensure this field has no more than 255 characters."),
        (count("GEBZE", "A", json!("many")), "quantity", "A valid number is required."),
        (
            count("GEBZE", "A", json!(1_000_000_000_001_i64)),
            "quantity",
            "Ensure this value is less than or equal to 1000000000000.",
        ),
        (count("GEBZE", "A", json!(null)), "quantity", "This field may not be null."),
        (json!({ "stock_location": "GEBZE", "sku": "A" }), "quantity", "This field is required."),
        (json!(5), "non_field_errors", "Invalid data. Expected a dictionary, but got int."),
    ] {
        let reply = shop.changes_nothing(shop.put(STOCKS, &wrong)).await;
        assert_eq!(reply.wrong(field), [message]);
        let list = json!([count("GEBZE", "A", json!(9)), wrong]);
        let reply = shop.changes_nothing(shop.put(STOCKS, &list)).await;
        assert_eq!(reply.wrong(field), [format!("Count 2: {message}")]);
    }
    // Everything that is wrong with a count is named.
    let reply = shop.put(STOCKS, &json!({ "stock_location": "NOWHERE", "sku": null, "quantity": "many" })).await;
    let wrong = reply.json(400)["error"].as_object().map(|error| error.keys().cloned().collect::<Vec<_>>());
    assert_eq!(wrong.unwrap_or_default(), ["stock_location", "sku", "quantity"]);
    shop.finish().await;
}

#[tokio::test]
async fn an_erp_writes_whole_numbers_as_it_likes_and_an_oversold_sku_costs_no_other_count() {
    let shop = Shop::open().await;
    let written = [
        ("A", json!(2.0), 2),
        ("B", json!("2.0000"), 2),
        ("C", json!(" 7 "), 7),
        ("D", json!("-3.00"), 0),
        ("E", json!(-1), 0),
        ("F", json!(2.9), 2),
    ];
    let counts: Vec<Value> = written
        .iter()
        .map(|(sku, quantity, _)| json!({ "stock_location": "GEBZE", "sku": sku, "quantity": quantity }))
        .collect();
    assert_eq!(shop.put(STOCKS, &json!(counts)).await.ok(), json!({ "updated": 6 }));
    let mut file = "erp_code,sku,quantity\n".to_owned();
    for (sku, quantity, _) in &written {
        let text = quantity.as_str().map_or_else(|| quantity.to_string(), str::to_owned);
        file.extend(["HQ,", sku, ",", &text, "\n"]);
    }
    let summary = import(shop.pool(), clerk(), file.as_bytes(), |line, why| panic!("{line}: {why}")).await;
    assert_eq!(summary.expect("imported"), Summary { read: 6, set: 6, unchanged: 0, refused: 0 });
    for (sku, _, units) in written {
        assert_eq!((shop.stock("GEBZE", sku).await, shop.stock("HQ", sku).await), ((units, 0), (units, 0)), "{sku}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_file_of_counts_is_taken_and_a_bad_line_is_reported_with_its_number() {
    let shop = Shop::open().await;
    let text = "sku,erp_code,quantity\nA,GEBZE,5\nB,NOWHERE,5\nC,GEBZE,many\n\"D, red\",GEBZE,7\nE,GEBZE\nF,GEBZE,0\n";
    let mut refused = Vec::new();
    let summary = import(shop.pool(), clerk(), text.as_bytes(), |line, _| refused.push(line)).await.expect("import");
    assert_eq!((summary, refused), (Summary { read: 6, set: 3, unchanged: 0, refused: 3 }, vec![3, 4, 6]));
    assert_eq!((shop.stock("GEBZE", "A").await, shop.stock("GEBZE", "D, red").await), ((5, 0), (7, 0)));
    let by: Vec<(String, String)> =
        shop.rows("select door, actor from stock_ledger where sku = 'A' or sku = 'D, red'").await;
    assert_eq!(by, vec![("import".to_owned(), "clerk".to_owned()); 2]);
    let before = shop.dump().await.0["stock_locations"].clone();
    import(shop.pool(), clerk(), text.as_bytes(), |_, _| {}).await.expect("import");
    assert_eq!(shop.dump().await.0["stock_locations"], before);
    assert_eq!(shop.stock("GEBZE", "A").await, (5, 0));
    shop.finish().await;
}

#[tokio::test]
async fn a_location_that_was_made_a_moment_ago_can_be_counted_at() {
    let shop = Shop::open().await;
    for number in 0..20 {
        let erp_code = format!("NEW{number}");
        let location = json!({ "erp_code": erp_code, "name": "New", "stock_location_type": "store" });
        shop.post("/api/v1/oms/stocklocations/", &location).await.json(201);
        shop.count(&erp_code, "PINK", 1).await;
        assert_eq!(shop.order(&[("PINK", 1)]).await.only_package().place().await, format!("waiting@{erp_code}"));
    }
    shop.finish().await;
}

#[tokio::test]
async fn nothing_holds_stock_without_a_package() {
    let shop = Shop::open().await;
    // The database has no place for it: a reservation is an item's of a package.
    let held = sqlx::query(
        "insert into reservations (package_item_id, stock_location_id, sku, quantity)
         select 4711, id, 'RED', 1 from stock_locations where erp_code = 'KADIKOY'",
    );
    let refused = held.execute(shop.pool()).await.expect_err("there is no such item");
    let constraint = refused.as_database_error().and_then(|error| error.constraint().map(str::to_owned));
    assert_eq!(constraint.as_deref(), Some("reservations_package_item_id_fkey"));

    // An order that comes to nothing leaves nothing behind, and one that ends gives everything back.
    shop.execute("update scenarios set channels = '{nobody}'; update installation set version = version + 1").await;
    let order = crate::support::order_json("LOST", &[("RED", 3)]);
    shop.changes_nothing(shop.post("/api/v1/oms/orders/", &order)).await.refused_by("oms_planning_3");
    shop.execute("update scenarios set channels = '{}'; update installation set version = version + 1").await;
    let package = shop.order(&[("RED", 3)]).await.only_package();
    assert_eq!(shop.stock("KADIKOY", "RED").await, (100, 3));
    package.run("CANCEL_PACKAGE").await.ok();
    assert_eq!(shop.stock("KADIKOY", "RED").await, (100, 0));

    // Units that are held for nothing would be seen.
    shop.execute("update stocks set reserved = reserved + 1 where sku = 'RED'").await;
    let faults = oms::verify::verify(shop.pool()).await.expect("verify");
    assert!(faults.iter().any(|fault| fault.contains("RED")), "{faults:?}");
    shop.abandon().await;
}

#[tokio::test]
async fn a_count_that_the_database_cannot_keep_is_named_and_costs_no_other_of_a_file() {
    let shop = Shop::open().await;
    // Nothing that a reader lets in is known to be one: a rule of this shop's own database plays it.
    shop.execute("alter table stocks add constraint stocks_house_rule check (sku not like 'BAD%')").await;
    let count = |sku: &str| json!({ "stock_location": "GEBZE", "sku": sku, "quantity": 1 });
    let list: Vec<Value> = ["A", "B", "BAD1", "C", "BAD2"].map(count).into();
    let reply = shop.changes_nothing(shop.put(STOCKS, &json!(list))).await;
    let why = "It has a value that the database cannot keep; the log of the server says which.";
    assert_eq!(reply.wrong("non_field_errors"), [format!("Count 3: {why}")]);
    assert_eq!(shop.changes_nothing(shop.put(STOCKS, &count("BAD"))).await.wrong("non_field_errors"), [why]);

    let long = "X".repeat(4_000);
    let text =
        format!("erp_code,sku,quantity\nGEBZE,A,5\nGEBZE,BAD1,5\nGEBZE,{long},5\nGEBZE,B,6\nGEBZE,BAD2,7\nGEBZE,C,8\n");
    let mut refused = Vec::new();
    let imported =
        import(shop.pool(), clerk(), text.as_bytes(), |line, why| refused.push((line, why.to_owned()))).await;
    assert_eq!(imported.expect("imported"), Summary { read: 6, set: 3, unchanged: 0, refused: 3 });
    let lines: Vec<u64> = refused.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [4, 3, 6]);
    assert_eq!(refused[0].1, "sku: Ensure this field has no more than 255 characters.");
    assert!(refused[1].1.contains("stocks_house_rule"), "{refused:?}");
    assert_eq!((shop.stock("GEBZE", "A").await.0, shop.stock("GEBZE", "C").await.0), (5, 8));
    shop.execute("alter table stocks drop constraint stocks_house_rule").await;
    shop.finish().await;
}

#[tokio::test]
async fn a_count_that_changes_nothing_writes_nothing() {
    let shop = Shop::open().await;
    let counts = |counted_at: &str| {
        let rows = (0..20).map(|number| format!("GEBZE,N{number},{number},{counted_at}"));
        format!("erp_code,sku,quantity,counted_at\n{}\n", rows.collect::<Vec<_>>().join("\n"))
    };
    // What Postgres keeps of a row that was written or locked.
    let written = async || -> Vec<(String, String)> {
        shop.rows("select sku || ctid::text, xmin::text || ' ' || xmax::text from stocks order by 1").await
    };
    let mut taken = 20;
    for text in [counts(""), counts("2026-03-01 10:00")] {
        let first = import(shop.pool(), clerk(), text.as_bytes(), |line, why| panic!("{line}: {why}")).await;
        assert_eq!(first.expect("imported"), Summary { read: 20, set: taken, unchanged: 20 - taken, refused: 0 });
        let before = written().await;
        let again = import(shop.pool(), clerk(), text.as_bytes(), |line, why| panic!("{line}: {why}")).await;
        assert_eq!(again.expect("imported"), Summary { read: 20, set: 0, unchanged: 20, refused: 0 });
        let counts: Vec<Value> = (0..20)
            .map(|number| json!({ "erp_code": "GEBZE", "sku": format!("N{number}"), "quantity": number }))
            .collect();
        assert_eq!(shop.put(STOCKS, &json!(counts)).await.ok(), json!({ "updated": 20 }));
        assert_eq!(written().await, before);
        // A newer moment is news: the second file has one.
        shop.execute("update stocks set counted_at = '2026-01-01' where sku like 'N%'").await;
        taken = 0;
    }
    // Of a list the last count holds, also where it says what is known.
    let list = json!([{ "erp_code": "GEBZE", "sku": "N5", "quantity": 9 }, { "erp_code": "GEBZE", "sku": "N5", "quantity": 5 }]);
    shop.put(STOCKS, &list).await.ok();
    assert_eq!(shop.stock("GEBZE", "N5").await.0, 5);
    shop.finish().await;
}
