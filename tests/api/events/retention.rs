//! How long events are kept: partitions created ahead and dropped, and cursors of dropped events.

use oms::events::retention;

use super::Reader;
use crate::support::{Shop, join};

/// Makes all present events ten weeks old.
async fn age(shop: &Shop) {
    shop.execute("update events set created_date = created_date - interval '70 days'").await;
    shop.execute("update packages set created_date = created_date - interval '70 days'").await;
    shop.execute("update stock_locations set created_date = created_date - interval '70 days'").await;
}

#[tokio::test]
async fn old_events_go_and_whoever_comes_late_is_told() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let mut reader = Reader { query: "&limit=1", ..Reader::new(&shop) };
    reader.read(20).await;
    let early = reader.cursor.clone().expect("a cursor");
    age(&shop).await;
    assert_eq!(retention::drop_old(shop.pool(), 84).await.expect("looked"), 0);
    // The first partition ends with the week in which the database was made.
    assert_eq!(retention::drop_old(shop.pool(), 0).await.expect("dropped"), 1);
    assert_eq!(retention::drop_old(shop.pool(), 0).await.expect("nothing left"), 0);
    package.run("COMPLETE_PACKING").await.ok();
    let gone = shop.get(&format!("/api/v1/oms/events/?after={early}")).await.json(410);
    assert!(gone["error"]["detail"].as_str().is_some_and(|text| text.contains("after=now")), "{gone}");
    // Without a cursor it begins with what is left, numbered on.
    let mut anew = Reader::new(&shop);
    let events = anew.read_until(3).await;
    assert_eq!(events[0]["sequence"], 2);
    // `finish` proves that the rest is as it should be.
    shop.finish().await;
}

#[tokio::test]
async fn partitions_are_there_for_two_months_and_made_once() {
    let shop = Shop::open().await;
    let count = async || -> i64 {
        shop.value("select count(*) from pg_inherits where inhparent = 'events'::regclass and $1", true).await
    };
    let before = count().await;
    assert!(before >= 9, "{before}");
    let mut connection = shop.pool().acquire().await.expect("a connection");
    retention::prepare(&mut connection).await.expect("prepared");
    drop(connection);
    assert_eq!(count().await, before);
    shop.execute("select create_event_partitions(now() + interval '20 weeks')").await;
    assert!(count().await > before);
    shop.finish().await;
}

#[tokio::test]
async fn a_restored_database_goes_on_behind_what_was_told() {
    let shop = Shop::open().await;
    let mut packages = Vec::new();
    for _ in 0..6 {
        packages.push(shop.package().await);
    }
    let old = Reader::new(&shop).read_all().await.len();
    // Elsewhere, transactions were counted much further, by another server.
    shop.execute("update events set position = position + (1::bigint << 60)").await;
    shop.execute("update event_epoch set started = started - interval '1 day'").await;
    join(packages.iter().map(async |package| package.run("COMPLETE_PACKING").await.ok())).await;
    let mut reader = Reader::new(&shop);
    reader.read_all().await;
    for package in &packages {
        let sequences: Vec<&serde_json::Value> = reader.events[old..]
            .iter()
            .filter(|event| event["entity"] == "package" && event["object_id"] == package.id)
            .map(|event| &event["sequence"])
            .collect();
        assert_eq!(sequences, [2, 3, 4]);
    }
    shop.finish().await;
}

#[tokio::test]
async fn verify_names_an_object_whose_positions_fall() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    shop.execute("update events set position = position + 1000 where entity = 'package' and sequence = 1").await;
    let number: String = shop.value("select number from packages where id = $1", package.id).await;
    let faults = oms::verify::verify_core(shop.pool()).await.expect("verified");
    assert_eq!(faults, [format!("package {number}: a later event of it is told before an earlier one")]);
    shop.execute("update events set position = position - 1000 where entity = 'package' and sequence = 1").await;
    shop.finish().await;
}
