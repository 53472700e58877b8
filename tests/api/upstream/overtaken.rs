//! Nobody acts on what the upstream said before it said something else.

use oms::upstream::UpstreamSettings;
use serde_json::{Value, json};

use super::house::{EAGER, order, order_of};
use crate::support::{Shop, join};

const PUSHED: &str = "/api/v1/oms/orders-webhook/";
const PLANS: &str = "/api/v1/oms/cancellation_plan/";
const PROBLEMS: &str = "/api/v1/oms/upstream/problems/";

/// An order as the upstream has it at this hour of a day.
fn at(mut order: Value, hour: u8, status: &str) -> Value {
    order["modified_date"] = json!(format!("2026-01-01T{hour:02}:00:00Z"));
    order["status"] = json!(status);
    order
}

async fn push(shop: &Shop, order: &Value) -> (u16, Value) {
    let sent = json!({ "event": { "type": "order.updated", "uuid": "u" }, "payload": order });
    let reply = shop.post_as("erp", PUSHED, &sent).await;
    (reply.status, serde_json::from_slice(&reply.body).expect("JSON"))
}

async fn open_problems(shop: &Shop) -> Vec<Value> {
    let page = shop.get(&format!("{PROBLEMS}?is_resolved=false&sort=id")).await.ok();
    page["results"].as_array().expect("problems").clone()
}

/// An order for a cargo company that is not here.
fn strange() -> Value {
    let mut strange = order(1);
    strange["cargo_company"] = json!("pigeons");
    strange
}

async fn install_pigeons(shop: &Shop) {
    shop.execute("insert into cargo_companies (slug, name, integration) values ('pigeons', 'Pigeons', 'manual')").await;
    shop.execute("update installation set version = version + 1").await;
}

#[tokio::test]
async fn a_problem_of_an_order_that_was_cancelled_since_is_over() {
    let shop = Shop::open().await;
    assert_eq!(push(&shop, &at(strange(), 8, "400")).await.0, 400);
    let problem = open_problems(&shop).await[0]["id"].clone();
    for status in ["100", "300", "550"] {
        let (code, left) = push(&shop, &at(strange(), 9, status)).await;
        assert_eq!((code, &left["taken"]), (200, &json!(false)), "{status}");
        assert!(open_problems(&shop).await.is_empty(), "{status}");
    }
    install_pigeons(&shop).await;
    let retried = shop.post(&format!("{PROBLEMS}{problem}/retry/"), &json!({})).await.ok();
    assert!(retried["resolved_date"].is_string());
    assert_eq!(shop.rows::<(i64,)>("select id from orders").await, []);
    shop.finish().await;
}

#[tokio::test]
async fn a_problem_is_about_what_was_said_last() {
    let shop = Shop::open().await;
    let mut broken = order(1);
    broken["orderitem_set"] = json!([]);
    assert_eq!(push(&shop, &at(strange(), 9, "400")).await.0, 400);
    // What comes late changes nothing.
    assert_eq!(push(&shop, &at(broken, 8, "400")).await.0, 400);
    let problems = open_problems(&shop).await;
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0]["reason"], "cargo_company: There is no cargo company pigeons.");
    // Nor is it taken where it could be.
    let (_, late) = push(&shop, &at(order(1), 8, "400")).await;
    assert_eq!((&late["taken"], &late["order_id"]), (&json!(false), &Value::Null), "{late}");
    assert_eq!(late["reason"], "A later message of it was heard; what this one says is not acted on.");
    assert_eq!(push(&shop, &at(order(1), 10, "400")).await.0, 201);
    assert!(open_problems(&shop).await.is_empty());
    shop.finish().await;
}

#[tokio::test]
async fn an_approval_that_comes_after_its_cancellation_is_not_taken() {
    let shop = Shop::open().await;
    assert_eq!(push(&shop, &at(order(1), 9, "100")).await.1["taken"], false);
    assert_eq!(push(&shop, &at(order(1), 8, "400")).await.1["taken"], false);
    assert_eq!(shop.rows::<(i64,)>("select id from orders").await, []);
    // An order of another channel is another one, and what is approved anew is taken.
    let mut other = at(order(1), 8, "400");
    other["channel"] = json!("market");
    assert_eq!(push(&shop, &other).await.0, 201);
    assert_eq!(push(&shop, &at(order(1), 10, "400")).await.0, 201);
    shop.finish().await;
}

#[tokio::test]
async fn of_an_approval_and_its_cancellation_at_once_nothing_is_left_to_pack() {
    let shop = Shop::open().await;
    let both = (1..=20).flat_map(|number| [(number, 8, "400"), (number, 9, "100")]);
    join(both.map(|(number, hour, status)| {
        let shop = &shop;
        async move { push(shop, &at(order(number), hour, status)).await }
    }))
    .await;
    let live =
        "select p.number from packages p join states s on s.id = p.state_id where s.slug <> 'packaging-canceled'";
    assert_eq!(shop.rows::<(String,)>(live).await, []);
    shop.finish().await;
}

#[tokio::test]
async fn a_cancellation_that_was_heard_while_a_server_fell_over_is_acted_on_at_its_start() {
    let shop = Shop::open().await;
    assert_eq!(push(&shop, &at(order(1), 8, "400")).await.0, 201);
    // As if the cancellation had come before the order was here, and its server had ended before it looked.
    let heard = at(order(1), 9, "100");
    let noted = "insert into heard_orders (number, identity, heard_date, payload)
                 select $1->>'number', '1/1', ($1->>'modified_date')::timestamptz, $1";
    sqlx::query(noted).bind(&heard).execute(shop.pool()).await.expect("noted");
    let server = shop.second_following_server(&UpstreamSettings::default(), EAGER).await;
    let live =
        "select p.number from packages p join states s on s.id = p.state_id where s.slug <> 'packaging-canceled'";
    shop.until("it is cancelled", || async { shop.rows::<(String,)>(live).await.is_empty().then_some(()) }).await;
    server.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_cancellation_plan_whose_key_has_another_content_is_refused() {
    let shop = Shop::open().await;
    let order = shop.order_of(&order_of(1, &[("RED", 1), ("BLUE", 3)])).await;
    shop.order_of(&order_of(2, &[("RED", 1)])).await;
    let plan = |order: &str, kind: &str, items: &Value| {
        let mut payload = json!({ "pk": 7, "plan_type": kind, "order": { "number": order } });
        payload["order_items"] = items.clone();
        json!({ "event": { "type": "cancellation_plan.created", "uuid": "u" }, "payload": payload })
    };
    let first = plan("1", "cancel", &json!([{ "order_item": 101 }]));
    shop.post_as("erp", PLANS, &first).await.ok();
    shop.changes_nothing(async {
        for (other, differing) in [
            (plan("1", "cancel", &json!([{ "order_item": 101 }, { "order_item": 102 }])), "order_items"),
            (plan("1", "cancel", &json!([{ "order_item": 102 }])), "order_items"),
            (plan("1", "cancel", &json!([{ "order_item": 102, "quantity": 1 }])), "order_items"),
            (plan("2", "cancel", &json!([{ "order_item": 201 }])), "order"),
            (plan("1", "refund", &json!([{ "order_item": 101 }])), "plan_type"),
        ] {
            assert_eq!(
                shop.post_as("erp", PLANS, &other).await.detail(409),
                format!(
                    "Cancellation plan 7 came before with another {differing}, and stays as it was decided; send what is new \
                     as a plan with a key of its own."
                )
            );
        }
        assert_eq!(shop.post_as("erp", PLANS, &first).await.ok()["decision"], "cancelled");
    })
    .await;
    assert_eq!(order.summary().await.len(), 2);
    shop.finish().await;
}
