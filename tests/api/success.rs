//! What a command answers when it succeeds.

use serde_json::json;

use crate::support::Shop;

#[tokio::test]
async fn packing_a_package_answers_the_five_keys() {
    let shop = Shop::open().await;
    let package = shop.order(&[("RED", 1)]).await.only_package();

    let reply = package.run("COMPLETE_PACKING").await;

    let location = shop.location_id("KADIKOY").await;
    let expected = format!(
        r#"{{"package_id":{},"package_number":"N1P1","package_stock_location_id":{location},"package_stock_location_name":"Kadıköy Store","is_same_location":true}}"#,
        package.id
    );
    assert_eq!(reply.text(), expected);
    assert_eq!(reply.ok()["package_id"], json!(package.id));
    assert_eq!(package.place().await, "packed@KADIKOY");
    shop.finish().await;
}
