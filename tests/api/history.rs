//! Transition logs: every move of a package or a transfer, with user, time and reason.

use oms::{history::PackageMove, page::ListRow as _};
use serde_json::{Value, json};

use crate::{
    lists::{check_filters, column, values},
    support::{NOT_FOUND, SHOP, STANDARD, Shop, TRANSFERS, on_this_machine},
};

fn of_package(id: i64) -> String {
    format!("/api/v1/oms/packages/{id}/transition-logs/")
}

/// The rows of a log, oldest first, without ids and dates: each was caused by a request.
async fn log(shop: &Shop, path: &str) -> Vec<Value> {
    let page = shop.get(&format!("{path}?sort=id")).await.ok();
    let mut rows = page["results"].as_array().expect("results").clone();
    assert_eq!(page["count"], rows.len());
    for row in &mut rows {
        let row = row.as_object_mut().expect("an object");
        assert!(row["id"].is_i64() && row["created_date"].as_str().is_some_and(|date| date.ends_with('Z')));
        assert!(row["request_id"].is_string());
        row.retain(|key, _| !["id", "created_date", "request_id"].contains(&key.as_str()));
    }
    rows
}

/// What the log says of a state.
async fn state(shop: &Shop, slug: &str) -> Value {
    let sql = "select json_build_object('id', id, 'name', name, 'enum_value', enum_value) from states where slug = $1
                 and entity = 'package'";
    shop.value(sql, slug.to_owned()).await
}

/// What the log says of a transition.
async fn transition(shop: &Shop, slug: &str) -> Value {
    let sql = "select json_build_object('id', id, 'slug', slug, 'label', label, 'command', command)
                 from transitions where slug = $1";
    shop.value(sql, slug.to_owned()).await
}

#[tokio::test]
async fn a_packages_log_tells_who_moved_it_where_and_why() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "RED", 5).await;
    let package = shop.package().await;
    let refuse = "package__refuse_package__waiting__needs-rescheduling";
    let reason: i64 = shop.value("select id from denial_reasons where title = $1", "Item is damaged".to_owned()).await;
    let body = json!({ "slug": refuse, "input_parameters": { "denial_reason": reason } });
    package.post_as("kadikoy", &body).await.ok();
    package.run("REPACK").await.ok();
    package.run_with("CANCEL_PACKAGE", &json!({ "cancellation_reason": "changed my mind" })).await.ok();

    let at =
        |location: &Value| json!({ "id": location["id"], "erp_code": location["erp_code"], "name": location["name"] });
    let gebze = at(&package.json().await["stock_location"]);
    let kadikoy = json!({ "id": shop.location_id("KADIKOY").await, "erp_code": "KADIKOY", "name": "Kadıköy Store" });
    let (waiting, again) = (state(&shop, "waiting").await, state(&shop, "needs-rescheduling").await);
    let repack = transition(&shop, "package__repack__needs-rescheduling__waiting").await;
    let cancel = transition(&shop, &package_cancel(&shop).await).await;
    let row = |user: &str, by: &Value, from: &Value, to: &Value, location: &Value| {
        json!({ "user": user, "transition": by, "source_state": from, "destination_state": to,
                "stock_location": location, "cancellation_reason": null, "denial_reason": null, "parameters": {},
                "replacements": [], "reservations": null })
    };
    let mut refused = row("kadikoy", &transition(&shop, refuse).await, &waiting, &again, &kadikoy);
    refused["denial_reason"] = json!({ "id": reason, "title": "Item is damaged" });
    let mut cancelled = row("admin", &cancel, &waiting, &state(&shop, "packaging-canceled").await, &gebze);
    cancelled["cancellation_reason"] = json!("changed my mind");
    assert_eq!(
        log(&shop, &of_package(package.id)).await,
        [
            row("admin", &Value::Null, &Value::Null, &waiting, &kadikoy),
            refused,
            row("admin", &repack, &again, &waiting, &gebze),
            cancelled,
        ]
    );
    // Latest first, page by page.
    let page = shop.get(&format!("{}?limit=1", of_package(package.id))).await.ok();
    assert_eq!((&page["count"], &page["results"][0]["cancellation_reason"]), (&json!(4), &json!("changed my mind")));
    assert_eq!(page["next"], format!("{}{}?limit=1&page=2", shop.url(), of_package(package.id)));
    shop.finish().await;
}

async fn package_cancel(shop: &Shop) -> String {
    let sql = "select n.slug from transitions n join states s on s.id = n.source_state_id
                where n.command = 'CANCEL_PACKAGE' and s.slug = $1";
    shop.value(sql, "waiting".to_owned()).await
}

#[tokio::test]
async fn what_a_command_recorded_is_shown_but_for_its_secrets() {
    let shop = Shop::allowing(on_this_machine()).await;
    let package = shop.package().await;
    let item = package.item_ids().await[0];
    package
        .run_with("REPLACE_PRODUCT", &json!({ "replacements": [{ "package_item": item, "sku": "BLUE" }] }))
        .await
        .ok();
    let call = json!({ "auth": { "request_type": "token", "token": "sesame" }, "timeouts": {},
                       "remote_url": "https://erp.example/invoices" });
    let input = json!({ "sync_remote_order_status": false, "remote_invoice_call": call });
    package.run_with("COMPLETE_PACKING", &input).await.ok();
    let rows = log(&shop, &of_package(package.id)).await;
    assert_eq!(rows[1]["replacements"], json!([{ "package_item": item, "from": "RED", "to": "BLUE" }]));
    assert_eq!(rows[2]["parameters"], json!({ "sync_remote_order_status": false }));
    for path in [of_package(package.id), format!("{}?format=csv", of_package(package.id))] {
        let reply = shop.get(&path).await;
        assert_eq!(reply.status, 200);
        assert!(!reply.text().contains("sesame") && !reply.text().contains("erp.example"), "{}", reply.text());
    }
    let freed = shop.package().await;
    freed.run("PKG_DEALLOCATE_RESERVATIONS").await.ok();
    assert_eq!(log(&shop, &of_package(freed.id)).await[1]["reservations"], "released");
    shop.finish().await;
}

#[tokio::test]
async fn a_transfers_log_tells_its_own_moves_and_the_package_that_ended_it() {
    let shop = Shop::open().await;
    shop.install(&[STANDARD, SHOP, TRANSFERS]).await;
    shop.count("GEBZE", "FAR", 5).await;
    let package = shop.fetched(&[("FAR", 1)]).await.only_package();
    let transfer = package.only_transfer().await;
    let path = format!("{}transition-logs/", transfer.path());
    transfer.run("TRANSFER_DISPATCH").await.ok();
    package.run("CANCEL_PACKAGE").await.ok();
    let rows = log(&shop, &path).await;
    let told: Vec<(Value, Value, Value)> = rows
        .iter()
        .map(|row| {
            let [by, from, to] =
                [("transition", "command"), ("source_state", "enum_value"), ("destination_state", "enum_value")]
                    .map(|(key, inner)| row[key].get(inner).cloned().unwrap_or_default());
            assert_eq!((row["user"].as_str(), row.as_object().map(serde_json::Map::len)), (Some("admin"), Some(4)));
            (by, from, to)
        })
        .collect();
    let line = |by: &str, from: &str, to: &str| (json!(by), json!(from), json!(to));
    assert_eq!(
        told,
        [
            (Value::Null, Value::Null, json!("waiting")),
            line("TRANSFER_DISPATCH", "waiting", "in_transit"),
            line("CANCEL_PACKAGE", "in_transit", "cancelled_in_transit"),
        ]
    );
    // Either end sees it; nobody else.
    assert_eq!(shop.get_as("kadikoy", &path).await.ok()["count"], 3);
    shop.execute(
        "update transfers set destination_location_id = (select id from stock_locations where erp_code = 'HQ')",
    )
    .await;
    shop.get_as("kadikoy", &path).await.refused(NOT_FOUND);
    shop.abandon().await;
}

#[tokio::test]
async fn a_log_is_shown_to_whom_its_package_is() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 1).await;
    let (own, other) = (shop.package().await, shop.order(&[("PINK", 1)]).await.only_package());
    assert_eq!(shop.get_as("kadikoy", &of_package(own.id)).await.ok()["count"], 1);
    shop.get_as("kadikoy", &of_package(other.id)).await.refused(NOT_FOUND);
    for id in ["999999", "x", "0"] {
        for entity in ["packages", "transfer_orders"] {
            shop.get(&format!("/api/v1/oms/{entity}/{id}/transition-logs/")).await.refused(NOT_FOUND);
        }
    }
    assert_eq!(shop.get(&format!("{}?sort=user", of_package(own.id))).await.ok()["count"], 1);
    shop.finish().await;
}

#[tokio::test]
async fn every_filter_of_a_log_filters() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let block = package.slug("BLOCK_THE_PACKAGE").await;
    let pack = package.slug("COMPLETE_PACKING").await;
    shop.execute("delete from transition_logs; insert into users (username, role) values ('night', 'operator')").await;
    for (slug, user, day) in [(&block, "night", "2001-01-01"), (&pack, "kadikoy", "2030-01-01")] {
        sqlx::query(
            "insert into transition_logs (package_id, transition_id, source_state_id, destination_state_id,
                                          stock_location_id, user_id, created_date, request_id)
             select p.id, n.id, n.source_state_id, n.destination_state_id, p.stock_location_id, u.id, $3::timestamptz,
                    'of-' || $2
               from packages p, transitions n, users u where n.slug = $1 and u.username = $2",
        )
        .bind(slug)
        .bind(user)
        .bind(format!("{day}T00:00:00Z"))
        .execute(shop.pool())
        .await
        .expect("a row");
    }
    let page = shop.get(&format!("{}?sort=id", of_package(package.id))).await.ok();
    let rows = column(&page, "id");
    let ids: Vec<String> = column(&page, "transition").iter().map(|transition| transition["id"].to_string()).collect();
    let of = |name: &str| {
        Some(match name {
            "transition" => values(&[&ids[0]], &[&ids[1]]),
            "command" => values(&["BLOCK_THE_PACKAGE"], &["COMPLETE_PACKING"]),
            "user" => values(&["night"], &["kadikoy"]),
            "request_id" => values(&["of-night"], &["of-kadikoy"]),
            "created_date__gte" => values(&[], &["2002-01-01"]),
            "created_date__lte" => values(&["2002-01-01"], &[]),
            _ => return None,
        })
    };
    let rows = [rows[0].clone(), rows[1].clone()];
    check_filters(&shop, &of_package(package.id), PackageMove::LIST.filters, rows, "id", of).await;
    shop.abandon().await;
}
