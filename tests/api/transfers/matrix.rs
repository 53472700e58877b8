//! Every transition of transfers, tried from every state of one: allowed from its source, refused from any other with
//! nothing.

use std::collections::BTreeSet;

use oms::installation::read::Entity;
use serde_json::json;

use super::open;
use crate::support::{NOT_ALLOWED, STANDARD, Shop, Transfer, read_installation};

/// The states of a transfer, and how a test gets a transfer there.
const STATES: [(&str, &[&str]); 5] = [
    ("waiting", &[]),
    ("ready_to_shipment", &["TRANSFER_ORDER_ADVANCED"]),
    ("in_transit", &["TRANSFER_ORDER_ADVANCED", "TRANSFER_DISPATCH"]),
    ("transferred", &["TRANSFER_DISPATCH", "TRANSFER_DELIVERED"]),
    ("cancelled", &["TRANSFER_ITEM_NOT_FOUND"]),
];

async fn transfer_in<'s>(shop: &'s Shop, way: &[&str]) -> Transfer<'s> {
    let transfer = shop.fetched(&[("FAR", 1)]).await.only_package().only_transfer().await;
    for step in way {
        transfer.run_with(step, &json!({ "tracking_number": "T", "cargo_company": 1 })).await.ok();
    }
    transfer
}

#[tokio::test]
async fn every_transition_is_allowed_from_its_source_and_refused_elsewhere() {
    let shop = open().await;
    shop.count("GEBZE", "FAR", 1000).await;
    let all = read_installation(&[STANDARD]).transitions;
    let transitions: Vec<_> = all.into_iter().filter(|transition| transition.entity == Entity::Transfer).collect();
    assert_eq!(transitions.len(), 5);
    for (state, way) in STATES {
        let transfer = transfer_in(&shop, way).await;
        assert_eq!(transfer.state().await, state);
        for transition in &transitions {
            let body = json!({ "slug": transition.slug(),
                               "input_parameters": { "tracking_number": "T", "cargo_company": 1 } });
            if transition.source == state {
                let transfer = transfer_in(&shop, way).await;
                let reply = transfer.post(&body).await.ok();
                assert_eq!(reply["state"], transition.destination.as_str());
                let keys: Vec<_> = reply.as_object().expect("an object").keys().collect();
                assert_eq!(keys, ["transfer_id", "transfer_number", "state"]);
                let log = transfer.log().await;
                let step = format!("{}: {state} -> {}", transition.command, transition.destination);
                assert_eq!(log.last(), Some(&step));
                assert_eq!(transfer.state().await, transition.destination);
            } else {
                shop.changes_nothing(transfer.post(&body)).await.refused(NOT_ALLOWED);
            }
        }
    }
    let commands: BTreeSet<&str> = transitions.iter().map(|transition| transition.command.as_str()).collect();
    assert_eq!(commands, oms::commands::transfer::commands().map(|command| command.kind.identifier).collect());
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
    ];
    assert_eq!(states, expected.map(|(word, name, last)| (word.to_owned(), name.to_owned(), last, true)));
    shop.finish().await;
}
