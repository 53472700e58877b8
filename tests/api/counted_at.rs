//! A count that says when it was taken (`counted_at`): what happened since is applied to it.

use serde_json::{Value, json};

use crate::support::Shop;

/// Counts PINK at GEBZE, as of a moment of the database.
async fn count_of(shop: &Shop, quantity: i64, counted_at: &str) -> Value {
    let count = json!({ "stock_location": "GEBZE", "sku": "PINK", "quantity": quantity, "counted_at": counted_at });
    shop.put("/api/v1/oms/stocks/", &count).await.ok()
}

async fn now(shop: &Shop) -> String {
    shop.value("select to_json(clock_timestamp()) #>> '{}' where $1", true).await
}

async fn quantity(shop: &Shop) -> i64 {
    shop.stock("GEBZE", "PINK").await.0
}

/// Why the latest change of stock was made, and what it made of it.
async fn latest(shop: &Shop) -> (String, i64) {
    let history = shop.get("/api/v1/oms/stocks/history/?sku=PINK").await.ok();
    let first = &history["results"][0];
    (first["kind"].as_str().expect("a kind").to_owned(), first["quantity"].as_i64().expect("units"))
}

#[tokio::test]
async fn an_erp_that_repeats_two_after_both_were_packed_does_not_sell_them_twice() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 2).await;
    let morning = now(&shop).await;
    let package = shop.order(&[("PINK", 2)]).await.only_package();
    package.run("COMPLETE_PACKING").await.ok();
    assert_eq!(quantity(&shop).await, 0);
    count_of(&shop, 2, &morning).await;
    assert_eq!(quantity(&shop).await, 0, "both were packed after it was counted");
    assert_eq!(shop.order(&[("PINK", 1)]).await.only_package().place().await, "out-of-stock@HQ");
    // One more was on the shelf in the morning than we knew.
    count_of(&shop, 3, &morning).await;
    assert_eq!(quantity(&shop).await, 1);
    assert_eq!(latest(&shop).await, ("count".to_owned(), 1));
    // Counted now, after the packing: it is what it says.
    count_of(&shop, 2, &now(&shop).await).await;
    assert_eq!(quantity(&shop).await, 2);
    shop.finish().await;
}

#[tokio::test]
async fn what_was_added_and_what_came_back_after_the_count_is_applied_too() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 5).await;
    let before = now(&shop).await;
    let add = json!({ "stock_location": "GEBZE", "sku": "PINK", "delta": 4, "reason": "delivery" });
    shop.post("/api/v1/oms/stocks/adjust/", &add).await.ok();
    count_of(&shop, 5, &before).await;
    assert_eq!(quantity(&shop).await, 9);
    count_of(&shop, 6, &before).await;
    assert_eq!(quantity(&shop).await, 10);
    shop.finish().await;
}

#[tokio::test]
async fn goods_that_come_back_after_the_count_are_applied_only_if_they_are_on_the_shelf() {
    let shop = Shop::open().await;
    for (restock, left) in [(true, 4), (false, 2)] {
        shop.count("GEBZE", "PINK", 4).await;
        let package = shop.order(&[("PINK", 2)]).await.only_package();
        package.run("COMPLETE_PACKING").await.ok();
        let packed = now(&shop).await;
        package.run_with("CANCEL_PACKED_PACKAGE", &json!({ "restock": restock })).await.ok();
        assert_eq!(quantity(&shop).await, left);
        // Two were on the shelf when it was counted.
        count_of(&shop, 2, &packed).await;
        assert_eq!(quantity(&shop).await, left, "restock: {restock}");
        count_of(&shop, 3, &packed).await;
        assert_eq!(quantity(&shop).await, left + 1, "restock: {restock}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_count_that_a_newer_one_has_overtaken_is_no_news_by_any_door() {
    let shop = Shop::open().await;
    let old = now(&shop).await;
    shop.count("GEBZE", "PINK", 1).await;
    let newer = now(&shop).await;
    count_of(&shop, 7, &old).await;
    assert_eq!(quantity(&shop).await, 1);
    // A newer one that changes nothing overtakes as well.
    count_of(&shop, 1, &now(&shop).await).await;
    count_of(&shop, 7, &newer).await;
    assert_eq!(quantity(&shop).await, 1);
    let file = tempfile::NamedTempFile::new().expect("a file");
    let text = format!("ERP_CODE;sku;quantity;Counted_At\nGEBZE;PINK;9;{old}\nBESIKTAS;PINK;3;\n");
    std::fs::write(file.path(), text).expect("written");
    assert_eq!(shop.oms(&["stock", "import", file.path().to_str().expect("UTF-8")]).await.0, 0);
    assert_eq!((quantity(&shop).await, shop.stock("BESIKTAS", "PINK").await.0), (1, 3));
    // Of two in one list, the one that was taken last is it, wherever it stands.
    let both = [(8, now(&shop).await), (6, newer)].map(|(quantity, counted_at)| {
        json!({ "erp_code": "GEBZE", "sku": "PINK", "quantity": quantity, "counted_at": counted_at })
    });
    shop.put("/api/v1/oms/stocks/", &json!(both)).await.ok();
    assert_eq!(quantity(&shop).await, 8);
    shop.finish().await;
}

#[tokio::test]
async fn what_was_not_found_after_the_count_is_not_promised_because_of_it() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 1).await;
    let before = now(&shop).await;
    let package = shop.order(&[("PINK", 1)]).await.only_package();
    let missed = json!({ "package_items": [package.item("PINK").await] });
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &missed).await.ok();
    count_of(&shop, 2, &before).await;
    let row = shop.get("/api/v1/oms/stocks/?sku=PINK&stock_location__erp_code=GEBZE").await.ok()["results"][0].clone();
    assert_eq!((&row["quantity"], &row["missing"], &row["available"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(latest(&shop).await, ("adjustment".to_owned(), 2));
    shop.finish().await;
}

#[tokio::test]
async fn a_moment_that_cannot_be_read_is_refused_and_one_ahead_is_now() {
    let shop = Shop::open().await;
    let count = json!({ "stock_location": "GEBZE", "sku": "PINK", "quantity": 1, "counted_at": "yesterday" });
    shop.changes_nothing(shop.put("/api/v1/oms/stocks/", &count)).await.wrong("counted_at");
    count_of(&shop, 4, "2999-01-01T00:00:00Z").await;
    count_of(&shop, 5, &now(&shop).await).await;
    assert_eq!(quantity(&shop).await, 5);
    shop.finish().await;
}

#[tokio::test]
async fn a_count_below_what_is_reserved_is_listed_and_counted_until_it_is_over() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 5).await;
    let packages = [3, 2].map(|units| [("PINK", units)]);
    let first = shop.order(&packages[0]).await.only_package();
    let second = shop.order(&packages[1]).await.only_package();
    let short = async || {
        let list = shop.get("/api/v1/oms/stocks/?is_short=true").await.ok();
        let rows = list["results"].as_array().expect("a list").clone();
        let others = shop.get("/api/v1/oms/stocks/?is_short=false&sku=PINK").await.ok()["count"].clone();
        (rows.iter().map(|row| row["available"].clone()).collect::<Vec<_>>(), others)
    };
    assert_eq!(short().await, (vec![], json!(1)));
    shop.count("GEBZE", "PINK", 3).await;
    assert_eq!(short().await, (vec![json!(-2)], json!(0)));
    shop.until("the metric has them", || async { (shop.metric("oms_short_stock_units").await == 2).then_some(()) })
        .await;
    second.run("CANCEL_PACKAGE").await.ok();
    assert_eq!(short().await, (vec![], json!(1)));
    first.run("COMPLETE_PACKING").await.ok();
    shop.count("GEBZE", "PINK", 1).await;
    let left: Vec<(String,)> = shop.rows("select sku from short_stocks").await;
    assert!(left.is_empty());
    shop.finish().await;
}

#[tokio::test]
async fn after_a_count_below_what_is_reserved_the_latest_promises_are_planned_again_if_it_is_so_set() {
    let shop = Shop::watching().await;
    shop.count("GEBZE", "PINK", 6).await;
    let mut packages = Vec::new();
    for _ in 0..3 {
        packages.push(shop.order(&[("PINK", 2)]).await.only_package());
    }
    // Somebody works on the latest one: it is theirs.
    packages[2].move_to("preparing").await;
    shop.count("BESIKTAS", "PINK", 2).await;
    shop.count("GEBZE", "PINK", 4).await;
    let elsewhere = async || {
        let successors = packages[1].successors().await;
        match successors.as_slice() {
            [successor] => Some(successor.place().await),
            _ => None,
        }
    };
    assert_eq!(shop.until("it is planned again", elsewhere).await, "waiting@BESIKTAS");
    assert_eq!(packages[0].place().await, "waiting@GEBZE");
    assert_eq!(packages[2].place().await, "preparing@GEBZE");
    assert_eq!(shop.stock("GEBZE", "PINK").await, (4, 4));
    let row = shop.get("/api/v1/oms/stocks/?sku=PINK&stock_location__erp_code=GEBZE").await.ok()["results"][0].clone();
    assert_eq!((&row["missing"], &row["available"]), (&json!(0), &json!(0)), "the count had told of them");
    // An order that nobody else can serve waits, and is served first.
    shop.count("GEBZE", "PINK", 2).await;
    let waits = async || (packages[0].state().await == "out-of-stock").then_some(());
    shop.until("the oldest waits", waits).await;
    shop.finish().await;
}

#[tokio::test]
async fn a_moment_without_a_zone_in_a_file_is_of_the_installations_zone() {
    let shop = Shop::open().await;
    shop.execute("insert into installation_settings (time_zone) values ('Europe/Istanbul')").await;
    shop.count("GEBZE", "PINK", 2).await;
    let local: String = shop
        .value(
            "select to_char(clock_timestamp() at time zone $1, 'YYYY-MM-DD HH24:MI:SS.US')",
            "Europe/Istanbul".to_owned(),
        )
        .await;
    shop.order(&[("PINK", 2)]).await.only_package().run("COMPLETE_PACKING").await.ok();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), format!("erp_code,sku,quantity,counted_at\nGEBZE,PINK,2,{local}\n")).expect("written");
    assert_eq!(shop.oms(&["stock", "import", file.path().to_str().expect("UTF-8")]).await.0, 0);
    assert_eq!(quantity(&shop).await, 0, "both were packed after it was counted");
    shop.finish().await;
}
