//! Cancellation plans: what may be cancelled is, through the installation's own transitions; the rest is planned anew.

use serde_json::{Value, json};

use super::house::{Upstream, order_of};
use crate::{
    support::{Order, SHOP, STANDARD, Shop},
    units::divide,
};

const PATH: &str = "/api/v1/oms/cancellation_plan/";

fn plan(pk: i64, order: &str, items: Option<&[i64]>) -> Value {
    let mut payload = json!({ "pk": pk, "plan_type": "cancel", "order": { "pk": 1, "number": order, "status": "50" } });
    if let Some(items) = items {
        payload["order_items"] = items.iter().map(|item| json!({ "pk": pk * 10 + item, "order_item": item })).collect();
    }
    json!({ "event": { "type": "cancellation_plan.created", "uuid": "u" }, "payload": payload })
}

async fn decide(shop: &Shop, plan: &Value) -> (String, Value) {
    let decided = shop.post_as("erp", PATH, plan).await.ok();
    (decided["decision"].as_str().expect("a decision").to_owned(), decided["reason"].clone())
}

/// An order of RED and BLUE, whose items the upstream knows as 101 and 102.
async fn two(shop: &Shop) -> Order<'_> {
    shop.order_of(&order_of(1, &[("RED", 1), ("BLUE", 2)])).await
}

#[tokio::test]
async fn one_cancelled_product_cancels_its_package_and_the_rest_gets_a_new_one() {
    let shop = Shop::open().await;
    let order = two(&shop).await;
    let plan = plan(7, "1", Some(&[102]));
    assert_eq!(decide(&shop, &plan).await, ("cancelled".to_owned(), Value::Null));
    assert_eq!(
        order.summary().await,
        [
            "1P1 packaging-canceled@KADIKOY: RED×1=packaging-canceled, BLUE×2=packaging-canceled",
            "1P2 waiting@KADIKOY: RED×1=waiting"
        ]
    );
    assert_eq!((shop.stock("KADIKOY", "RED").await, shop.stock("KADIKOY", "BLUE").await), ((100, 1), (100, 0)));
    let log = order.packages()[0].log().await;
    assert_eq!(log[1], "CANCEL_PACKAGE: waiting -> packaging-canceled@KADIKOY");
    order.trace().await;
    // Sent again, it is answered and nothing happens; the rest of the order is not touched.
    assert_eq!(shop.changes_nothing(decide(&shop, &plan)).await.0, "cancelled");
    let listed = shop.get(&format!("{PATH}?order__number=1")).await.ok();
    assert_eq!((&listed["count"], &listed["results"][0]["remote_id"]), (&json!(1), &json!(7)));
    assert_eq!(listed["results"][0]["packages"], json!([order.packages()[0].id]));
    let found = shop.get("/api/v1/oms/packages/?cancellation_failure_status=cancelled").await.ok();
    assert_eq!(found["results"][0]["number"], "1P1");
    shop.finish().await;
}

/// A plan for some units of one line.
fn plan_of_units(pk: i64, item: i64, quantity: &Value) -> Value {
    let mut plan = plan(pk, "1", None);
    plan["payload"]["order_items"] = json!([{ "order_item": item, "quantity": quantity }]);
    plan
}

/// An order of ten BIG: six at BESIKTAS, four at GEBZE.
async fn six_and_four(shop: &Shop) -> Order<'_> {
    divide(shop).await;
    shop.count("BESIKTAS", "BIG", 6).await;
    shop.count("GEBZE", "BIG", 4).await;
    let order = shop.order_of(&order_of(1, &[("BIG", 10)])).await;
    assert_eq!(order.summary().await, ["1P1 waiting@BESIKTAS: BIG×6=waiting", "1P2 waiting@GEBZE: BIG×4=waiting"]);
    order
}

#[tokio::test]
async fn two_of_five_are_cancelled_and_three_go_on() {
    let shop = Shop::open().await;
    let order = shop.order_of(&order_of(1, &[("RED", 1), ("BLUE", 5)])).await;
    let two = plan_of_units(7, 102, &json!(2));
    assert_eq!(decide(&shop, &two).await, ("cancelled".to_owned(), Value::Null));
    assert_eq!(
        order.summary().await,
        [
            "1P1 packaging-canceled@KADIKOY: RED×1=packaging-canceled, BLUE×5=packaging-canceled",
            "1P2 waiting@KADIKOY: RED×1=waiting, BLUE×3=waiting"
        ]
    );
    assert_eq!(shop.stock("KADIKOY", "BLUE").await, (100, 3));
    let listed = shop.get(&format!("{PATH}?remote_id=7")).await.ok();
    assert_eq!(listed["results"][0]["quantities"], json!([2]));
    // Sent again, nothing more is; asked for by another plan, one more is.
    assert_eq!(shop.changes_nothing(decide(&shop, &two)).await.0, "cancelled");
    assert_eq!(decide(&shop, &plan_of_units(8, 102, &json!("1.0"))).await.0, "cancelled");
    assert_eq!(order.summary().await[2], "1P3 waiting@KADIKOY: RED×1=waiting, BLUE×2=waiting");
    // More than are left: those that are.
    assert_eq!(decide(&shop, &plan_of_units(9, 102, &json!(5))).await.0, "cancelled");
    assert_eq!(order.summary().await[3..], ["1P4 waiting@KADIKOY: RED×1=waiting"]);
    shop.changes_nothing(async {
        for (quantity, message) in [
            (json!(6), "Of item 102 there are 5 units."),
            (json!(0), "A quantity is a whole number from 1 on."),
            (json!(1.5), "A quantity is a whole number from 1 on."),
        ] {
            let refused = shop.post_as("erp", PATH, &plan_of_units(10, 102, &quantity)).await.json(400);
            assert_eq!(refused["error"], json!({ "order_items": [message] }));
        }
    })
    .await;
    shop.finish().await;
}

#[tokio::test]
async fn a_plan_that_names_a_kit_cancels_its_parts_by_as_many_units() {
    let shop = Shop::open().await;
    let mut sent = order_of(1, &[("KIT", 2), ("RED", 4), ("BLUE", 2), ("GREEN", 1)]);
    for part in [1, 2] {
        sent["orderitem_set"][part]["parent"] = json!(101);
    }
    let order = shop.order_of(&sent).await;
    assert_eq!(decide(&shop, &plan_of_units(7, 101, &json!(1))).await, ("cancelled".to_owned(), Value::Null));
    assert_eq!(order.summary().await[1..], ["1P2 waiting@KADIKOY: RED×2=waiting, BLUE×1=waiting, GREEN×1=waiting"]);
    assert_eq!(decide(&shop, &plan(8, "1", Some(&[101]))).await.0, "cancelled");
    assert_eq!(order.summary().await[2..], ["1P3 waiting@KADIKOY: GREEN×1=waiting"]);
    // Half of a kit is none.
    let mut sent = order_of(2, &[("KIT", 2), ("RED", 3)]);
    sent["orderitem_set"][1]["parent"] = json!(201);
    shop.order_of(&sent).await;
    let mut half = plan_of_units(9, 201, &json!(1));
    half["payload"]["order"]["number"] = json!("2");
    half["payload"]["order"]["pk"] = json!(2);
    let refused = shop.changes_nothing(shop.post_as("erp", PATH, &half)).await.json(400);
    let message = "1 of 2 units of kit 201 are no whole number of the 3 units of its part 202.";
    assert_eq!(refused["error"], json!({ "order_items": [message] }));
    shop.finish().await;
}

#[tokio::test]
async fn units_are_cancelled_where_it_is_still_possible() {
    let shop = Shop::open().await;
    let order = six_and_four(&shop).await;
    order.packages()[0].run("COMPLETE_PACKING").await.ok();
    // What is packed is left alone, as long as the rest is enough.
    assert_eq!(decide(&shop, &plan_of_units(1, 101, &json!(3))).await.0, "cancelled");
    let now = order.summary().await;
    assert_eq!(
        now,
        [
            "1P1 packed@BESIKTAS: BIG×6=packed",
            "1P2 packaging-canceled@GEBZE: BIG×4=packaging-canceled",
            "1P3 waiting@GEBZE: BIG×1=waiting"
        ]
    );
    // And if it is not, nothing is cancelled.
    let (decision, reason) = decide(&shop, &plan_of_units(2, 101, &json!(2))).await;
    assert_eq!(decision, "refused");
    assert!(reason.as_str().is_some_and(|reason| reason.contains("is in the state Packed")), "{reason}");
    assert_eq!(order.summary().await, now);
    shop.finish().await;
}

#[tokio::test]
async fn a_plan_of_units_that_a_server_left_half_done_is_finished_and_not_done_twice() {
    let shop = Shop::open().await;
    let order = six_and_four(&shop).await;
    let plan = plan_of_units(1, 101, &json!(7));
    // One package was cancelled for it; then the server was gone. The plan stands there undecided.
    shop.execute(
        "insert into cancellation_plans (remote_id, plan_type, order_id, order_item_ids, quantities)
         select 1, 'cancel', o.id, array_agg(i.id), '{7}' from orders o join order_items i on i.order_id = o.id
          group by o.id",
    )
    .await;
    let first = order.packages()[0];
    first.run_with("CANCEL_PACKAGE", &json!({ "cancellation_reason": "Cancellation plan 1" })).await.ok();
    assert_eq!(decide(&shop, &plan).await.0, "cancelled");
    assert_eq!(order.summary().await[2..], ["1P3 waiting@BESIKTAS: BIG×3=waiting"]);
    shop.finish().await;
}

#[tokio::test]
async fn plans_of_units_at_once_cancel_what_each_says() {
    let shop = Shop::open().await;
    let order = shop.order_of(&order_of(1, &[("BLUE", 20)])).await;
    // Each three times, as a webhook may come.
    let plans: Vec<Value> = (0..12).map(|one| plan_of_units(one % 4, 101, &json!(3))).collect();
    let answers = crate::support::join(plans.iter().map(|plan| decide(&shop, plan))).await;
    assert!(answers.iter().all(|(decision, _)| decision == "cancelled"), "{answers:?}");
    let last = order.summary().await.pop().expect("a package");
    assert!(last.ends_with("BLUE×8=waiting"), "{last}");
    shop.finish().await;
}

#[tokio::test]
async fn a_whole_order_is_cancelled_wherever_its_packages_are_unless_one_is_packed() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "FAR", 5).await;
    let order = shop.order_of(&order_of(1, &[("RED", 1), ("FAR", 1)])).await;
    let [near, far] = order.packages()[..] else { panic!("two packages") };
    near.move_to("preparing").await;
    far.run("COMPLETE_PACKING").await.ok();
    let refusal =
        format!("Package {} is in the state Packed, from which it cannot be cancelled any more.", far.number().await);
    let before = order.summary().await;
    let (decision, reason) = decide(&shop, &plan(1, "1", None)).await;
    assert_eq!(decision, "refused");
    let outcomes: Vec<(i64, String, String)> =
        shop.rows("select package_id, outcome, reason from cancellation_plan_packages order by 1").await;
    assert_eq!(outcomes.iter().map(|one| one.1.as_str()).collect::<Vec<_>>(), ["refused", "refused"]);
    assert!(outcomes.iter().any(|one| one.0 == far.id && one.2 == refusal), "{outcomes:?} {reason}");
    assert_eq!(order.summary().await, before);
    let failed = shop.get("/api/v1/oms/packages/?cancellation_failure_status=refused").await.ok();
    assert_eq!(failed["count"], 2);
    // What is not packed may still go.
    assert_eq!(decide(&shop, &plan(2, "1", Some(&[101]))).await.0, "cancelled");
    assert_eq!((near.state().await, far.state().await), ("packaging-canceled".to_owned(), "packed".to_owned()));
    // And what is gone may be cancelled again.
    assert_eq!(decide(&shop, &plan(3, "1", Some(&[101]))).await.0, "cancelled");
    shop.finish().await;
}

#[tokio::test]
async fn where_the_table_lets_somebody_decide_the_package_waits() {
    let shop = Shop::open().await;
    let ask = r#"
[[transitions]]
entity = "package"
command = "PKG_STATE_TRANSITION"
source = "preparing"
destination = "cancellation-waiting"
label = "Ask to cancel"
"#;
    shop.install(&[STANDARD, SHOP, ask]).await;
    let order = two(&shop).await;
    let package = order.only_package();
    package.move_to("preparing").await;
    assert_eq!(decide(&shop, &plan(1, "1", Some(&[101]))).await.0, "waiting");
    assert_eq!(package.state().await, "cancellation-waiting");
    // Until that is decided, another plan waits with it.
    assert_eq!(decide(&shop, &plan(2, "1", None)).await.0, "waiting");
    let items = json!({ "package_items": [package.item("RED").await] });
    package.run_with("CANCEL_PACKAGE", &items).await.ok();
    assert_eq!(order.summary().await[1], "1P2 waiting@KADIKOY: BLUE×2=waiting");
    shop.finish().await;
}

#[tokio::test]
async fn a_refund_is_recorded_and_moves_nothing() {
    let shop = Shop::open().await;
    let order = two(&shop).await;
    let mut refund = plan(1, "1", None);
    refund["payload"]["plan_type"] = json!("refund");
    assert_eq!(decide(&shop, &refund).await.0, "recorded");
    assert_eq!(order.only_package().state().await, "waiting");
    shop.finish().await;
}

#[tokio::test]
async fn a_plan_for_what_is_not_here_is_refused_and_leaves_nothing() {
    let shop = Shop::open().await;
    two(&shop).await;
    shop.changes_nothing(async {
        let early = shop.post_as("erp", PATH, &plan(1, "99", None)).await;
        assert_eq!(early.detail(404), "There is no order 99 here; send the plan again once there is.");
        let strange = shop.post_as("erp", PATH, &plan(1, "1", Some(&[101, 555]))).await.json(400);
        assert_eq!(strange["error"], json!({ "order_items": ["555 is no item of order 1."] }));
        shop.post_as("kadikoy", PATH, &plan(1, "1", None)).await.json(403);
    })
    .await;
    shop.finish().await;
}

#[tokio::test]
async fn the_same_plan_sent_by_many_at_once_is_decided_once() {
    let shop = Shop::open().await;
    let order = two(&shop).await;
    let plan = plan(1, "1", Some(&[101]));
    let answers = crate::support::join((0..8).map(|_| decide(&shop, &plan))).await;
    assert!(answers.iter().all(|(decision, _)| decision == "cancelled"), "{answers:?}");
    assert_eq!(order.summary().await.len(), 2);
    shop.finish().await;
}

#[tokio::test]
async fn cancellation_reasons_are_pulled_from_the_upstream() {
    const PULL: &str = "/api/v1/oms/cancellation-reasons/pull_from_omnitron/";
    let upstream = Upstream::start(vec![]).await;
    let shop = Shop::open().await;
    assert_eq!(shop.get(PULL).await.json(406)["error"]["error_code"], "oms_upstream_1");
    let server = shop.second_following_server(&upstream.settings(), super::house::EAGER).await;
    shop.execute("insert into cancellation_reasons (subject, cancellation_type, installed) values ('It takes too long', 'cancel', true)").await;
    let pull = format!("{}{PULL}", server.url);
    for _ in 0..2 {
        assert_eq!(shop.get(&pull).await.text(), "");
        let reasons: Vec<(i64, String)> = shop
            .rows("select omnitron_id, subject from cancellation_reasons where omnitron_id is not null order by 1")
            .await;
        let subjects: Vec<&str> = reasons.iter().map(|reason| reason.1.as_str()).collect();
        assert_eq!(subjects, ["I ordered by mistake", "It takes too long", "It is damaged"]);
    }
    upstream.control(&json!({ "refuse": ["/api/v1/cancellation_reasons/"] })).await;
    shop.get(&pull).await.json(503);
    server.stop().await;
    shop.finish().await;
    upstream.stop();
}
