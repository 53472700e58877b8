//! The ledger of stock: every change of a quantity has a row, or is told by a log.

use oms::{catalog::Catalog, commands, verify::verify, workflow::Holding};

use crate::support::Shop;

/// The rows of a SKU: kind, before and after, units that were missing.
async fn rows(shop: &Shop, sku: &str) -> Vec<(String, i64, i64, Option<i64>)> {
    sqlx::query_as("select kind, quantity_before, quantity_after, missing from stock_ledger where sku = $1 order by id")
        .bind(sku)
        .fetch_all(shop.pool())
        .await
        .expect("the ledger")
}

fn row(kind: &str, before: i64, after: i64) -> (String, i64, i64, Option<i64>) {
    (kind.to_owned(), before, after, None)
}

#[tokio::test]
async fn a_count_is_a_row_and_a_pack_is_none() {
    let shop = Shop::open().await;
    assert_eq!(rows(&shop, "PINK").await, []);
    shop.count("GEBZE", "PINK", 10).await;
    // As many as there were before: nothing changed.
    shop.count("GEBZE", "PINK", 10).await;
    let package = shop.order(&[("PINK", 3)]).await.only_package();
    package.run("COMPLETE_PACKING").await.ok();
    shop.count("GEBZE", "PINK", 5).await;
    assert_eq!(rows(&shop, "PINK").await, [row("count", 0, 10), row("count", 7, 5)]);
    shop.assert_history_adds_up().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_change_that_nobody_explains_is_refused() {
    let shop = Shop::open().await;
    for (sql, constraint) in [
        ("update stocks set quantity = quantity + 100 where sku = 'RED'", "stocks_quantity_is_explained"),
        ("update stocks set recorded = recorded + 1 where sku = 'RED'", "stocks_quantity_is_explained"),
        ("update stocks set moved = 1 where sku = 'RED'", "stocks_quantity_is_explained"),
        (
            "insert into stocks (sku, stock_location_id, quantity) select 'NEW', id, 1 from stock_locations limit 1",
            "stocks_quantity_is_explained",
        ),
    ] {
        let refused = sqlx::query(sql).execute(shop.pool()).await.expect_err(sql);
        let named = refused.as_database_error().and_then(|error| error.constraint().map(str::to_owned));
        assert_eq!(named.as_deref(), Some(constraint), "{sql}");
    }
    for sql in ["update stock_ledger set quantity_after = 1", "delete from stock_ledger"] {
        let refused = sqlx::query(sql).execute(shop.pool()).await.expect_err(sql).to_string();
        assert!(refused.contains("oms stock adjust"), "{refused}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn verify_makes_every_quantity_again_from_ledger_and_logs() {
    for (edit, fault) in [
        (
            "update stocks set quantity = quantity + 100, recorded = recorded + 100 where sku = 'RED'",
            "stock of RED at KADIKOY: quantity is 197, its ledger and logs make 97",
        ),
        (
            "update stocks set recorded = recorded + 1, moved = moved - 1 where sku = 'RED'",
            "stock of RED at KADIKOY: it says that 101 are recorded and -4 moved, its ledger sums to 100, its logs to -3",
        ),
        ("delete from package_items", "stock of RED at KADIKOY: quantity is 97, its ledger and logs make 100"),
        (
            "update package_items set quantity = 1",
            "stock of RED at KADIKOY: quantity is 97, its ledger and logs make 99",
        ),
        (
            "delete from stocks where sku = 'RED'",
            "stock of RED at KADIKOY: it is gone, and its ledger and logs make 97",
        ),
        (
            "delete from stock_ledger where sku = 'RED'",
            "stock of RED at KADIKOY: quantity is 97, its ledger and logs make -3",
        ),
        (
            "update stock_ledger set quantity_after = 90 where sku = 'RED'",
            "stock of RED at KADIKOY: quantity is 97, its ledger and logs make 87",
        ),
    ] {
        let shop = Shop::open().await;
        let package = shop.order(&[("RED", 3)]).await.only_package();
        package.run("COMPLETE_PACKING").await.ok();
        assert_eq!(verify(shop.pool()).await.expect("verify"), Vec::<String>::new());
        shop.execute_text(&format!("begin; set local session_replication_role = replica; {edit}; commit")).await;
        let faults = verify(shop.pool()).await.expect("verify");
        assert!(faults.iter().any(|it| it == fault), "{edit}: {faults:#?}");
        shop.abandon().await;
    }
}

#[tokio::test]
async fn what_was_packed_beyond_the_count_is_a_surplus() {
    let shop = Shop::open().await;
    let package = shop.order(&[("RED", 5)]).await.only_package();
    shop.count("KADIKOY", "RED", 3).await;
    package.run("COMPLETE_PACKING").await.ok();
    assert_eq!(shop.stock("KADIKOY", "RED").await, (0, 0));
    assert_eq!(rows(&shop, "RED").await, [row("count", 0, 100), row("count", 100, 3), row("surplus", 3, 5)]);
    shop.assert_history_adds_up().await;
    shop.finish().await;
}

#[tokio::test]
async fn what_a_clerk_did_not_find_is_a_row_that_changes_nothing() {
    let shop = Shop::open().await;
    let package = shop.order(&[("RED", 2)]).await.only_package();
    let items = package.item_ids().await;
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &serde_json::json!({ "package_items": items })).await.ok();
    assert_eq!(shop.stock("KADIKOY", "RED").await, (100, 0));
    assert_eq!(rows(&shop, "RED").await, [row("count", 0, 100), ("not_found".to_owned(), 100, 100, Some(2))]);
    shop.assert_history_adds_up().await;
    shop.finish().await;
}

#[tokio::test]
async fn the_database_and_the_server_agree_on_what_leaves_a_shelf() {
    let shop = Shop::open().await;
    let mut connection = shop.pool().acquire().await.expect("a connection");
    let catalog = Catalog::load(&mut connection, commands::kinds()).await.expect("a catalog");
    let taken: Vec<i64> =
        sqlx::query_scalar("select id from states where takes_goods(entity, slug, enum_value) order by 1")
            .fetch_all(&mut *connection)
            .await
            .expect("states");
    let mut expected: Vec<i64> =
        catalog.workflow.states().filter(|state| state.holding == Holding::Taken).map(|state| state.id).collect();
    expected.sort_unstable();
    assert!(expected.len() > 5);
    assert_eq!(taken, expected);
    drop(connection);
    shop.finish().await;
}
