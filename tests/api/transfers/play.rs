//! Days in a shop that brings orders together, at random: whatever is done, no unit of goods is lost or counted twice.

use oms::{commands, kinds, verify};
use serde_json::{Value, json};

use super::open;
use crate::support::{Package, Reply, Shop, Transfer};

const SKUS: [&str; 4] = ["RED", "BLUE", "FAR", "NEAR"];
const PLACES: [&str; 4] = ["KADIKOY", "BESIKTAS", "GEBZE", "HQ"];

/// Numbers that look random and are the same for a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).expect("small")).expect("small")
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// Units of each SKU, wherever they are: on a shelf, on their way, or in a package that was closed.
async fn units(shop: &Shop) -> Vec<(String, i64)> {
    shop.rows(
        "select sku, sum(units)::bigint from (
             select sku, quantity as units from stocks
             union all
             select ti.sku, ti.quantity from transfer_items ti join transfers t on t.id = ti.transfer_id
               join states s on s.id = t.state_id and s.enum_value in ('in_transit', 'cancelled_in_transit')
             union all
             select oi.sku, i.quantity from package_items i join states s on s.id = i.state_id
               join order_items oi on oi.id = i.order_item_id
              where s.entity = 'package'
                and s.enum_value in ('450', '500', '600', '610', '640', '660', '700')) u
          group by sku order by sku",
    )
    .await
}

/// A command of those the object itself lists, with parameters that make sense.
fn command(dice: &mut Dice, object: &Value, items: &[i64]) -> Option<Value> {
    let listed = object["commands"].as_array().expect("commands");
    if listed.is_empty() {
        return None;
    }
    let listed = dice.one(listed);
    let command = listed["command"].as_str().expect("text");
    let input = match command {
        "DETECTED_OUT_OF_STOCK_ITEM" | "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED" => {
            json!({ "package_items": [dice.one(items)] })
        }
        "TRANSFER_ITEM_NOT_FOUND" if dice.below(2) == 0 => json!({ "transfer_items": [dice.one(items)] }),
        "TRANSFER_ITEM_NOT_FOUND" => json!({}),
        "ASSIGN_PACKAGE_ITEMS_MANUALLY" => {
            json!({ "assignment_groups": [{ "stock_location": dice.one(&PLACES), "package_items": items }] })
        }
        "UPDATE_PACKAGE_SHIPMENT_STATUS" => json!({ "package": object["id"], "delivered_status": dice.below(2) == 0 }),
        "SHIP_THE_PACKAGE_ADVANCED" | "TRANSFER_ORDER_ADVANCED" => {
            json!({ "tracking_number": "T", "cargo_company": "manual" })
        }
        "REFUSE_PACKAGE" => json!({ "denial_reason": 1 }),
        "PREPARE_PACKAGE" if items.len() > 1 => {
            json!({ "select_items_by_omnitron_id": false, "out_of_stock_items": [dice.one(items)] })
        }
        "PREPARE_PACKAGE" => json!({ "select_items_by_omnitron_id": false }),
        "REPLACE_PRODUCT" | "UPDATE_INVOICE" | "UPDATE_SHIPMENT_INFO" | "UPDATE_SHIPMENT_LABEL" => return None,
        // Any other command is run as its documentation shows it.
        _ => kinds::find(commands::kinds(), command).expect("a kind").example(),
    };
    Some(json!({ "transition": listed["id"], "input_parameters": input }))
}

async fn ids(shop: &Shop, sql: &'static str) -> Vec<i64> {
    shop.rows::<(i64,)>(sql).await.into_iter().map(|(id,)| id).collect()
}

/// One thing somebody does, with what it was.
async fn step(dice: &mut Dice, shop: &Shop) -> Option<(String, Reply)> {
    let packages = ids(shop, "select id from packages order by id desc limit 12").await;
    let transfers = ids(
        shop,
        "select t.id from transfers t join states s on s.id = t.state_id and not s.final order by t.id limit 12",
    )
    .await;
    match dice.below(10) {
        0..=2 => {
            let lines: Vec<(&str, i64)> = (0..=dice.below(3))
                .map(|_| (*dice.one(&SKUS), 1 + i64::try_from(dice.below(3)).expect("small")))
                .collect();
            let order = shop.fetched(&lines).await;
            drop(order);
            None
        }
        3..=6 if !transfers.is_empty() => {
            let transfer = Transfer::new(shop, *dice.one(&transfers));
            let items = transfer.item_ids().await;
            let body = command(dice, &transfer.json().await, &items)?;
            Some((format!("transfer {}: {body}", transfer.id), transfer.post(&body).await))
        }
        _ if !packages.is_empty() => {
            let package = Package::new(shop, *dice.one(&packages));
            let items = package.item_ids().await;
            if items.is_empty() {
                return None;
            }
            let body = command(dice, &package.json().await, &items)?;
            Some((format!("package {}: {body}", package.id), package.post(&body).await))
        }
        _ => None,
    }
}

async fn play(seed: u64) {
    let shop = open().await;
    for place in PLACES {
        for sku in SKUS {
            shop.count(place, sku, 8).await;
        }
    }
    shop.limit("KADIKOY", Some(6)).await;
    let before = units(&shop).await;
    let mut dice = Dice(seed);
    let mut done = Vec::new();
    for _ in 0..220 {
        if let Some((what, reply)) = step(&mut dice, &shop).await {
            done.push(what);
            assert!(matches!(reply.status, 200 | 204 | 406), "seed {seed}, {}: {}", done[done.len() - 1], reply.text());
        }
        let faults = verify::verify_core(shop.pool()).await.expect("verify");
        assert!(faults.is_empty(), "seed {seed}: {faults:#?} after {done:#?}");
        assert_eq!(units(&shop).await, before, "seed {seed}, after {done:#?}");
    }
    let arrived: i64 = shop
        .value(
            "select count(*) from transfers t join states s on s.id = t.state_id where s.enum_value = $1",
            "transferred",
        )
        .await;
    assert!(arrived > 0, "seed {seed} shows something");
    shop.assert_history_adds_up().await;
    assert_eq!(verify::verify(shop.pool()).await.expect("verify"), [""; 0], "seed {seed}");
    shop.finish().await;
}

#[tokio::test]
async fn no_unit_is_lost_or_counted_twice_on_a_random_day() {
    play(0x9e37_79b9_7f4a_7c15).await;
}

#[tokio::test]
async fn no_unit_is_lost_or_counted_twice_on_another_day() {
    play(0xd1b5_4a32_d192_ed03).await;
}

#[tokio::test]
async fn no_unit_is_lost_or_counted_twice_on_a_day_of_its_own() {
    let seed = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), "transfers") | 1;
    play(seed).await;
}
