//! A task in the background that dies is started again, and goes on where it was.

use std::collections::BTreeSet;

use crate::{
    support::{Package, Shop},
    upstream::house::{EAGER, Upstream, orders, until_taken},
    webhooks::{receiver::Receiver, subscribe},
};

/// Lets a task die, and waits until it is started again.
async fn kill(shop: &Shop, name: &str) {
    let sample = format!("oms_task_restarts_total{{task=\"{name}\"}}");
    let before = shop.metric(&sample).await;
    // Again and again: it may still be in the pause after its last death.
    shop.until(&format!("{name} is started again"), || async {
        shop.tasks().kill(name);
        (shop.metric(&sample).await > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn every_task_that_dies_is_started_again_and_does_its_work() {
    let upstream = Upstream::start(orders(1..3)).await;
    let shop = Shop::busy(&upstream.settings(), EAGER).await;
    let receiver = Receiver::start().await;
    subscribe(&shop, &receiver.url, "package.status.packed").await;
    until_taken(&shop, 1..3).await;
    let waits = shop.order(&[("PINK", 1)]).await.only_package();
    let names: BTreeSet<&str> = shop.tasks().names().into_iter().collect();
    assert_eq!(names.len(), 17, "{names:?}");
    // One after the other and twice: who dies a second time was alive again.
    for name in names.iter().chain(&names) {
        kill(&shop, name).await;
    }
    // A reader and a writer of commands, a reader of packages:
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let shown = shop.get(&format!("/api/v1/oms/packages/{}/", package.id)).await.ok();
    assert_eq!(shown["state"]["name"], "Packed");
    // events, their deliveries and the results of these:
    receiver.until("it was told", |received| received.iter().any(|one| one.object_id() == package.id)).await;
    shop.until("it is written down", || async {
        (shop.value::<i64, _>("select count(*) from hook_events where delivered and $1", true).await == 1).then_some(())
    })
    .await;
    // the orders, which follow:
    shop.until("its order is told", || async {
        let state =
            "select s.enum_value from packages p join orders o on o.id = p.order_id join states s on s.id = o.state_id
                      where p.id = $1";
        (shop.value::<String, _>(state, package.id).await == "450").then_some(())
    })
    .await;
    // the upstream, in both directions:
    upstream.bring(orders(3..5)).await;
    shop.until("its orders", || async {
        (shop.value::<i64, _>("select count(*) from orders where number = any($1)", &["3", "4"][..]).await == 2)
            .then_some(())
    })
    .await;
    let its = "select min(p.id) from packages p join orders o on o.id = p.order_id where o.number = $1";
    Package::new(&shop, shop.value(its, "1").await).run("COMPLETE_PACKING").await.ok();
    shop.until("it is told", || async { (upstream.count("/api/v1/order_items/101/", 200) > 0).then_some(()) }).await;
    // what waits for a place:
    shop.count("GEBZE", "PINK", 1).await;
    shop.until("it has a place", || async { (waits.place().await == "waiting@GEBZE").then_some(()) }).await;
    // and the installation.
    shop.execute("update installation set version = version + 1").await;
    shop.package().await.run("COMPLETE_PACKING").await.ok();
    shop.finish().await;
    upstream.stop();
}
