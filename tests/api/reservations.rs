//! Packages that gave up their reservations: what they hold until they are packed, and the check of it.

use oms::verify::verify;

use crate::support::Shop;

#[tokio::test]
async fn released_reservations_are_free_for_others_and_packing_takes_the_goods_without_one() {
    let shop = Shop::open().await;
    let package = shop.order(&[("RED", 3)]).await.only_package();
    assert_eq!(shop.stock("KADIKOY", "RED").await, (100, 3));

    package.run("PKG_DEALLOCATE_RESERVATIONS").await.ok();

    assert_eq!(package.place().await, "preparing@KADIKOY");
    assert_eq!(package.items().await, [("RED".to_owned(), "preparing".to_owned())]);
    assert!(package.reservations().await.is_empty());
    assert_eq!((shop.stock("KADIKOY", "RED").await, shop.quota("KADIKOY").await), ((100, 0), 1));
    assert_eq!(package.events().await, ["package.created", "package.status.transitioned"]);

    package.run("COMPLETE_PACKING").await.ok();
    assert_eq!((shop.stock("KADIKOY", "RED").await, shop.quota("KADIKOY").await), ((97, 0), 0));
    shop.finish().await;
}

#[tokio::test]
async fn it_goes_on_without_wherever_it_waits_and_cancelling_gives_nothing_back_twice() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("PKG_DEALLOCATE_RESERVATIONS").await.ok();
    package.move_to("ready-for-packaging").await;
    package.run("BLOCK_THE_PACKAGE").await.ok();
    assert!(package.reservations().await.is_empty());
    package.run("CANCEL_PACKAGE").await.ok();
    assert_eq!(shop.stock("KADIKOY", "RED").await, (100, 0));
    shop.finish().await;
}

#[tokio::test]
async fn planned_again_it_holds_reservations_again() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("PKG_DEALLOCATE_RESERVATIONS").await.ok();
    let reason = serde_json::json!({ "denial_reason": shop.value::<i64, _>("select min(id) from denial_reasons where id > $1", 0_i64).await });
    package.run_with("REFUSE_PACKAGE", &reason).await.ok();
    assert_eq!(shop.stock("KADIKOY", "RED").await, (100, 0));
    shop.count("BESIKTAS", "RED", 4).await;
    package.run("REPACK").await.ok();
    assert_eq!(package.place().await, "waiting@BESIKTAS");
    assert_eq!(package.reservations().await, ["BESIKTAS RED×1"]);
    assert_eq!(shop.stock("BESIKTAS", "RED").await, (4, 1));
    shop.finish().await;
}

#[tokio::test]
async fn packing_more_than_was_counted_never_leaves_less_than_nothing() {
    let shop = Shop::open().await;
    let package = shop.order(&[("RED", 3)]).await.only_package();
    package.run("PKG_DEALLOCATE_RESERVATIONS").await.ok();
    shop.count("KADIKOY", "RED", 1).await;
    package.run("COMPLETE_PACKING").await.ok();
    assert_eq!(shop.stock("KADIKOY", "RED").await, (0, 0));
    shop.finish().await;
}

#[tokio::test]
async fn the_proof_tells_a_reservation_that_was_given_up_from_one_that_was_lost() {
    let shop = Shop::open().await;
    let (released, lost) = (shop.package().await, shop.package().await);
    released.run("PKG_DEALLOCATE_RESERVATIONS").await.ok();
    lost.move_to("preparing").await;
    assert_eq!(verify(shop.pool()).await.expect("verify"), Vec::<String>::new());

    shop.execute("delete from reservations").await;
    shop.execute("update stocks set reserved = 0").await;
    let item = lost.item("RED").await;
    assert_eq!(
        verify(shop.pool()).await.expect("verify"),
        [format!("package item {item} of {}: waits without a reservation", lost.number().await)]
    );

    shop.execute("delete from transition_records").await;
    assert_eq!(verify(shop.pool()).await.expect("verify").len(), 2);
    shop.abandon().await;
}

#[tokio::test]
async fn the_proof_finds_a_reservation_of_a_package_that_gave_its_own_up() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("PKG_DEALLOCATE_RESERVATIONS").await.ok();
    sqlx::query(
        "insert into reservations (package_item_id, stock_location_id, sku, quantity)
         select i.id, p.stock_location_id, 'RED', 1 from package_items i join packages p on p.id = i.package_id",
    )
    .execute(shop.pool())
    .await
    .expect("a reservation");
    shop.execute("update stocks set reserved = 1 where sku = 'RED'").await;
    let faults = verify(shop.pool()).await.expect("verify");
    assert!(faults[0].ends_with("has a reservation that is not its own"), "{faults:#?}");
    shop.abandon().await;
}
