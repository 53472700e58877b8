//! What `oms verify` proves: the schema, and that no edit by hand goes unnoticed.

mod edits;
mod random;
mod tools;

use std::{env, fs, path::Path};

use oms::{
    db::PgConnection,
    verify::{self, Report, schema},
};
use serde_json::json;

use crate::support::{SHOP, STANDARD, Shop, TRANSFERS, order_json};

/// Faults of a transaction that has changed something.
async fn prove(connection: &mut PgConnection) -> Report {
    verify::prove_on(connection, &mut |_| {}).await.expect("verify")
}

/// A shop in which something of everything has happened. Every table has a row.
async fn lively() -> Shop {
    let shop = Shop::open().await;
    shop.install(&[STANDARD, SHOP, TRANSFERS]).await;
    shop.count("GEBZE", "FAR", 10).await;
    shop.count("BESIKTAS", "NEAR", 10).await;
    // Waiting, packed, shipped, cancelled, without reservations, planned again, with another product, with an invoice.
    shop.order(&[("RED", 2), ("BLUE", 1)]).await;
    shop.package().await.run("COMPLETE_PACKING").await.ok();
    let shipped = shop.order(&[("RED", 1), ("GREEN", 3)]).await.only_package();
    shipped.run("COMPLETE_PACKING").await.ok();
    shipped.run("SHIP_THE_PACKAGE").await.ok();
    shop.package().await.run("CANCEL_PACKAGE").await.ok();
    shop.package().await.run("PKG_DEALLOCATE_RESERVATIONS").await.ok();
    let item = shop.order(&[("RED", 1), ("GREEN", 1)]).await.only_package();
    let missing = json!({ "package_items": [item.item("RED").await] });
    item.run_with("DETECTED_OUT_OF_STOCK_ITEM", &missing).await.ok();
    let replaced = shop.package().await;
    let blue = json!({ "replacements": [{ "package_item": replaced.item("RED").await, "sku": "BLUE" }] });
    replaced.run_with("REPLACE_PRODUCT", &blue).await.ok();
    let billed = shop.package().await;
    billed.run("COMPLETE_PACKING").await.ok();
    let invoice = json!({ "invoice_number": "A1", "invoice_date": "2026-01-31" });
    billed.run_with("UPDATE_INVOICE", &invoice).await.ok();
    billed.run("SHIP_THE_PACKAGE").await.ok();
    // Waiting for a transfer, and brought by one.
    shop.fetched(&[("FAR", 1), ("RED", 1)]).await;
    shop.fetched(&[("NEAR", 1)]).await.only_package().only_transfer().await.bring().await;
    // Of which some units are elsewhere, and some are cancelled.
    let divided = shop.order(&[("RED", 5)]).await.only_package();
    let item = divided.item("RED").await;
    let part = json!({ "package_items": [{ "id": item, "quantity": 2 }] });
    divided.run_with("DETECTED_OUT_OF_STOCK_ITEM_ADVANCED", &part).await.ok();
    divided.run_with("CANCEL_PACKAGE", &part).await.ok();
    // With an idempotency key.
    let keyed = shop.package().await;
    let block = json!({ "slug": keyed.slug("BLOCK_THE_PACKAGE").await });
    keyed.run_keyed("admin", "once", &block).await.ok();
    // Counted below what is reserved.
    shop.count("GEBZE", "SHORT", 2).await;
    shop.order(&[("SHORT", 2)]).await;
    shop.count("GEBZE", "SHORT", 1).await;
    // An order of two lines of which one is over; and one of everything that has no simple way in.
    let mut ended = order_json("ENDED", &[("RED", 1), ("BLUE", 1)]);
    ended["orderitem_set"][1]["status"] = json!("100");
    let ended = shop.order_of(&ended).await;
    // A kit with its part, and a service.
    let mut kit = order_json("KIT", &[("KIT", 1), ("RED", 1), ("SETUP", 1)]);
    kit["orderitem_set"][0]["pk"] = json!(1);
    kit["orderitem_set"][1]["parent"] = json!(1);
    kit["orderitem_set"][2]["requires_shipping"] = json!(false);
    shop.order_of(&kit).await;
    // With another address than it came with.
    let moved = json!({ "shipping_address": { "line": "Moda 12" } });
    shop.patch(&format!("/api/v1/oms/orders/{}/", ended.id()), &moved).await.ok();
    shop.execute(OTHERS).await;
    // Somebody hears of stock.
    shop.until("changes of stock are noted", || async {
        shop.value::<bool, _>("select is_on and is_compared and $1 from stock_feed", true).await.then_some(())
    })
    .await;
    shop.count("GEBZE", "FAR", 7).await;
    shop.until("it is told", || async {
        (shop.value::<i64, _>("select count(*) from stock_told where sku = $1", "FAR").await == 1).then_some(())
    })
    .await;
    shop.execute("update webhooks set is_active = false where event_type = 'stock.changed'").await;
    shop.until("they are noted no more", || async {
        shop.value::<bool, _>("select is_on or not $1 from stock_feed", true).await.eq(&false).then_some(())
    })
    .await;
    shop.execute("insert into stock_changes (sku, stock_location_id) select sku, stock_location_id from stock_told")
        .await;
    shop
}

/// Rows as the server writes them, of what only an upstream, a receiver or a service brings about.
const OTHERS: &str = "
    insert into cancellation_plans (remote_id, plan_type, order_id, order_item_ids, decision, decided_date)
    select 7, 'cancel', o.id, array[i.id], 'cancelled', now()
      from orders o join order_items i on i.order_id = o.id where o.number = 'N4';
    insert into cancellation_plan_packages (plan_id, package_id, package_item_ids, outcome)
    select c.id, p.id, array[i.id], 'cancelled'
      from cancellation_plans c join packages p on p.order_id = c.order_id join package_items i on i.package_id = p.id;
    insert into upstream_calls (order_id, kind, package_id, order_item_id, path, payload, attempts, answered_status, done_date)
    select p.order_id, 'status', p.id, i.order_item_id, 'api/v1/order_items/1/', '{\"status\": \"450\"}', 1, 200, now()
      from packages p join package_items i on i.package_id = p.id where p.number = 'N2P1';
    insert into upstream_problems (reference, reason, payload, next_attempt_date) values ('X1', 'no lines', '{}', now());
    insert into heard_orders (number, identity, heard_date, payload) values ('X2', '', now(), '{}');
    insert into upstream_stores select id, now() from stock_locations where erp_code = 'HQ';
    insert into webhooks (user_id, event_type, target_url, retry_countdown_config)
    select min(id), 'package.created', 'https://erp.example/', '{}' from users;
    insert into webhooks (user_id, event_type, target_url, retry_countdown_config)
    select min(id), 'stock.changed', 'https://erp.example/', '{}' from users;
    insert into hook_events (webhook_id, event_position, event_id, event_date, nth, uuid, entity, object_id, sequence)
    select w.id, e.position, e.id, e.created_date, 0, gen_random_uuid(), e.entity, e.object_id, e.sequence
      from webhooks w, events e where w.event_type = 'package.created' and e.entity = 'package' and e.sequence = 1 limit 1;
    insert into inventory_engine (settings) values ('{}');
    insert into installation_settings (time_zone) values ('Europe/Istanbul');
    insert into invoice_services values ('books', '{}');
    insert into cargo_company_conditions (cargo_company_id) select min(id) from cargo_companies;
    insert into sender_addresses (stock_location_id, cargo_company_id, origin_id, installed)
    select (select id from stock_locations where erp_code = 'HQ'), min(id), 'S1', false from cargo_companies
        on conflict do nothing;
    insert into cancellation_reasons (subject, cancellation_type, installed) values ('Too late', 'cancel', false)
        on conflict do nothing;
    insert into replanning_wakes (skus) values ('{RED}')";

#[tokio::test]
async fn a_column_that_is_added_to_a_sealed_table_is_sealed_with_it() {
    let shop = lively().await;
    shop.execute(
        "alter table order_plans add column weight integer not null default 1; select seal_rows('order_plans', '{}')",
    )
    .await;
    shop.package().await;
    let of_seals = async || {
        let faults = verify::verify(shop.pool()).await.expect("verify");
        faults.into_iter().filter(|fault| fault.contains("as it was made")).count()
    };
    assert_eq!(of_seals().await, 0);
    shop.execute("update order_plans set weight = 2").await;
    assert!(of_seals().await > 10);
    shop.abandon().await;
}

#[tokio::test]
async fn schema_tsv_is_what_the_migrations_make() {
    let shop = Shop::open().await;
    let found = schema::read(&mut shop.pool().acquire().await.expect("a connection")).await.expect("a schema");
    if env::var_os("OMS_WRITE_SCHEMA").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/verify/schema.tsv");
        fs::write(file, schema::to_text(&found)).expect("schema.tsv written");
    } else {
        let differs =
            "src/verify/schema.tsv is of other migrations: OMS_WRITE_SCHEMA=1 cargo test --test api schema_tsv";
        assert!(schema::to_text(&found) == schema::to_text(&schema::made()), "{differs}");
    }
    shop.finish().await;
}
