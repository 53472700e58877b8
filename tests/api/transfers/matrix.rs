//! Every transition of transfers, tried from every state of one: allowed from its source, refused from any other with
//! nothing.

use std::collections::BTreeMap;

use oms::installation::read::Entity;
use serde_json::{Value, json};

use super::open;
use crate::support::{
    NOT_ALLOWED, Shop, Transfer,
    standard::{Row, Step, assert_every_kind_has_a_row, kind, plain_input, rows_of, standard, ways},
};

fn input(row: &Row) -> Value {
    match row.command.as_str() {
        "TRANSFER_ORDER_ADVANCED" => json!({ "tracking_number": "T", "cargo_company": 1 }),
        command => plain_input(kind(command)),
    }
}

async fn transfer_in<'s>(shop: &'s Shop, state: &str, ways: &BTreeMap<String, Vec<Step>>) -> Transfer<'s> {
    let package = shop.fetched(&[("FAR", 1)]).await.only_package();
    let transfer = package.only_transfer().await;
    // To this one leads no command of its own: its package ends while it is on its way.
    let ends_on_the_way = state == "cancelled_in_transit";
    for (row, _) in &ways[if ends_on_the_way { "in_transit" } else { state }] {
        transfer.post(&json!({ "slug": row.slug, "input_parameters": input(row) })).await.ok();
    }
    if ends_on_the_way {
        package.run("CANCEL_PACKAGE").await.ok();
    }
    transfer
}

#[tokio::test]
async fn every_transition_is_allowed_from_its_source_and_refused_elsewhere() {
    let shop = open().await;
    shop.count("GEBZE", "FAR", 1000).await;
    let rows = rows_of(standard(), Entity::Transfer);
    assert_every_kind_has_a_row(&rows, "transfer");
    let ways = ways(&rows, "waiting");
    for state in standard().states.iter().filter(|state| state.entity == Entity::Transfer) {
        let state = state.slug.as_str();
        let transfer = transfer_in(&shop, state, &ways).await;
        assert_eq!(transfer.state().await, state);
        for row in &rows {
            let body = json!({ "slug": row.slug, "input_parameters": input(row) });
            if row.source == state {
                let transfer = transfer_in(&shop, state, &ways).await;
                let reply = transfer.post(&body).await.ok();
                assert_eq!(reply["state"], row.destination.as_str());
                let keys: Vec<_> = reply.as_object().expect("an object").keys().collect();
                assert_eq!(keys, ["transfer_id", "transfer_number", "state"]);
                let log = transfer.log().await;
                let step = format!("{}: {state} -> {}", row.command, row.destination);
                assert_eq!(log.last(), Some(&step));
                assert_eq!(transfer.state().await, row.destination);
            } else {
                shop.changes_nothing(transfer.post(&body)).await.refused(NOT_ALLOWED);
            }
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn the_states_are_those_of_the_contract_in_both_languages() {
    let shop = open().await;
    let states: Vec<(String, String, bool, bool)> = shop
        .rows(
            "select enum_value, name, final, translations ? 'tr-tr' from states where entity = 'transfer' order by id",
        )
        .await;
    let expected = [
        ("waiting", "Waiting for transfer", false),
        ("ready_to_shipment", "Ready for shipment", false),
        ("in_transit", "In transit", false),
        ("transferred", "Transferred", true),
        ("cancelled", "Cancelled", true),
        ("cancelled_in_transit", "Cancelled in transit", false),
    ];
    assert_eq!(states, expected.map(|(word, name, last)| (word.to_owned(), name.to_owned(), last, true)));
    shop.finish().await;
}
