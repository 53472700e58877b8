//! Every transition of the standard installation, tried from every state of a package: allowed from its source, with
//! everything that follows; refused from any other, with nothing.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{NOT_ALLOWED, Package, Reply, SHOP, STANDARD, Shop, read_installation};

/// A package state of the contract's table.
struct State {
    slug: &'static str,
    number: u32,
    /// Whether a package in it counts against its location's quota.
    occupies: bool,
    /// What its items do to the stock of their location.
    holding: Holding,
    /// How a test gets a package there: commands after the order, `>state` for a plain move.
    way: &'static [&'static str],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holding {
    Reserved,
    Taken,
    Nothing,
}

use Holding::{Nothing, Reserved, Taken};

#[rustfmt::skip]
const STATES: [State; 18] = [
    State { slug: "cancellation-waiting", number: 50, occupies: true, holding: Reserved, way: &[">cancellation-waiting"] },
    State { slug: "waiting", number: 100, occupies: true, holding: Reserved, way: &[] },
    State { slug: "waiting-remote-action", number: 110, occupies: true, holding: Reserved, way: &[">waiting-remote-action"] },
    State { slug: "waiting-for-transfer", number: 120, occupies: true, holding: Reserved, way: &[">waiting-for-transfer"] },
    State { slug: "blocked", number: 150, occupies: true, holding: Reserved, way: &[">blocked"] },
    State { slug: "preparing", number: 200, occupies: true, holding: Reserved, way: &[">preparing"] },
    State { slug: "ready-for-packaging", number: 400, occupies: false, holding: Reserved, way: &[">preparing", ">ready-for-packaging"] },
    State { slug: "waiting-cargo-label", number: 450, occupies: false, holding: Taken, way: &[">waiting-cargo-label"] },
    State { slug: "packed", number: 500, occupies: false, holding: Taken, way: &["COMPLETE_PACKING"] },
    State { slug: "shipped", number: 600, occupies: false, holding: Taken, way: &["COMPLETE_PACKING", "SHIP_THE_PACKAGE"] },
    State { slug: "ready-for-pickup", number: 610, occupies: false, holding: Taken, way: &["COMPLETE_PACKING", ">ready-for-pickup"] },
    State { slug: "attempted-delivery", number: 640, occupies: false, holding: Taken, way: &["COMPLETE_PACKING", "SHIP_THE_PACKAGE", "FAILED"] },
    State { slug: "delivery-failed", number: 660, occupies: false, holding: Taken, way: &["COMPLETE_PACKING", "SHIP_THE_PACKAGE", "FAILED", "FAILED"] },
    State { slug: "delivered", number: 700, occupies: false, holding: Taken, way: &["COMPLETE_PACKING", "SHIP_THE_PACKAGE", "DELIVERED"] },
    State { slug: "packaging-canceled", number: 900, occupies: false, holding: Nothing, way: &["CANCEL_PACKAGE"] },
    State { slug: "needs-rescheduling", number: 910, occupies: false, holding: Nothing, way: &[">needs-rescheduling"] },
    State { slug: "out-of-stock", number: 920, occupies: false, holding: Nothing, way: &[">out-of-stock"] },
    State { slug: "packed-for-refund", number: 1100, occupies: false, holding: Taken, way: &["COMPLETE_PACKING", ">packed-for-refund"] },
];

fn state(slug: &str) -> &'static State {
    STATES.iter().find(|state| state.slug == slug).expect("a state of the contract")
}

/// Plain moves into the states that no transition of the standard installation leads to yet, so that a package gets
/// into each of them legally.
fn with_ways_into_every_state() -> String {
    let extra = [
        ("waiting", "cancellation-waiting"),
        ("waiting", "waiting-remote-action"),
        ("waiting", "waiting-for-transfer"),
        ("waiting", "blocked"),
        ("waiting", "waiting-cargo-label"),
        ("waiting", "needs-rescheduling"),
        ("waiting", "out-of-stock"),
        ("packed", "packed-for-refund"),
    ];
    extra
        .iter()
        .map(|(source, destination)| {
            format!(
                "[[transitions]]\nentity = \"package\"\ncommand = \"PKG_STATE_TRANSITION\"\nsource = \"{source}\"\n\
                 destination = \"{destination}\"\nlabel = \"For a test\"\nslug = \"to-{destination}\"\n"
            )
        })
        .collect::<Vec<_>>()
        .concat()
}

/// An order's package of one RED and two BLUE at KADIKOY, brought into a state.
async fn package_in<'s>(shop: &'s Shop, state: &State) -> Package<'s> {
    let package = shop.order(&[("RED", 1), ("BLUE", 2)]).await.only_package();
    for step in state.way {
        let delivered = |delivered: bool| json!({ "package": package.id, "delivered_status": delivered });
        match *step {
            "FAILED" => package.run_with("UPDATE_PACKAGE_SHIPMENT_STATUS", &delivered(false)).await.done(),
            "DELIVERED" => package.run_with("UPDATE_PACKAGE_SHIPMENT_STATUS", &delivered(true)).await.done(),
            step => match step.strip_prefix('>') {
                Some(destination) => go(package, destination).await,
                None => drop(package.run(step).await.ok()),
            },
        }
    }
    assert_eq!(package.state().await, state.slug);
    package
}

async fn go(package: Package<'_>, destination: &str) {
    let slug: String = sqlx::query_scalar(
        "select t.slug from transitions t join packages p on p.id = $1 and p.state_id = t.source_state_id
           join states d on d.id = t.destination_state_id and d.slug = $2 where t.command = 'PKG_STATE_TRANSITION'",
    )
    .bind(package.id)
    .bind(destination)
    .fetch_one(package.shop.pool())
    .await
    .expect("a plain move");
    package.post(&json!({ "slug": slug })).await.ok();
}

/// A row of the standard installation.
struct Row {
    command: String,
    slug: String,
    source: String,
    destination: String,
    otherwise: Option<String>,
}

fn rows() -> Vec<Row> {
    let rows = read_installation(&[STANDARD]).transitions.into_iter().map(|transition| Row {
        slug: transition.slug(),
        command: transition.command,
        source: transition.source,
        destination: transition.destination,
        otherwise: transition.otherwise,
    });
    rows.collect()
}

/// Everything a package and its location look like from outside.
#[derive(Debug, PartialEq)]
struct Picture {
    place: String,
    item_states: BTreeSet<String>,
    quota: i64,
    red: (i64, i64),
    blue: (i64, i64),
    reservations: Vec<String>,
    log: Vec<String>,
    ledger: Vec<String>,
    events: Vec<String>,
    has_shipment: bool,
}

async fn picture(package: Package<'_>) -> Picture {
    let shop = package.shop;
    Picture {
        place: package.place().await,
        item_states: package.items().await.into_iter().map(|(_, state)| state).collect(),
        quota: shop.quota("KADIKOY").await,
        red: shop.stock("KADIKOY", "RED").await,
        blue: shop.stock("KADIKOY", "BLUE").await,
        reservations: package.reservations().await,
        log: package.log().await,
        ledger: package.ledger().await,
        events: package.events().await,
        has_shipment: shop.value("select exists (select from shipments where package_id = $1)", package.id).await,
    }
}

/// What it must look like after a move that stays at KADIKOY, by the contract.
fn expected(before: Picture, row: &Row, outcome: &str) -> Picture {
    let (source, destination) = (state(&row.source), state(outcome));
    let mut after = before;
    after.place = format!("{outcome}@KADIKOY");
    after.item_states = BTreeSet::from([outcome.to_owned()]);
    let delta = i64::from(destination.occupies) - i64::from(source.occupies);
    after.quota += delta;
    if delta != 0 {
        after.ledger.push(format!("KADIKOY {delta:+}"));
    }
    for (stock, units) in [(&mut after.red, 1), (&mut after.blue, 2)] {
        let holds = |state: &State, holding| if state.holding == holding { units } else { 0 };
        stock.0 -= holds(destination, Taken) - holds(source, Taken);
        stock.1 += holds(destination, Reserved) - holds(source, Reserved);
    }
    let held: &[&str] = if destination.holding == Reserved { &["KADIKOY RED×1", "KADIKOY BLUE×2"] } else { &[] };
    after.reservations = held.iter().map(|held| (*held).to_owned()).collect();
    after.log.push(format!("{}: {} -> {outcome}@KADIKOY", row.command, row.source));
    if outcome != row.source {
        after.events.push("package.status.transitioned".to_owned());
        let own = match destination.number {
            500 => Some("packed"),
            600 => Some("shipped"),
            900 => Some("cancelled"),
            1100 => Some("packed_for_refund"),
            _ => None,
        };
        after.events.extend(own.map(|own| format!("package.status.{own}")));
    }
    let ships = matches!(row.command.as_str(), "COMPLETE_PACKING" | "SHIP_THE_PACKAGE_ADVANCED");
    if ships && !after.has_shipment {
        after.has_shipment = true;
        after.events.push("shipment.created".to_owned());
    }
    after
}

/// Tables that a move which stays where it is may write.
const WRITTEN: [&str; 9] = [
    "events",
    "package_items",
    "packages",
    "quota_ledger",
    "reservations",
    "shipments",
    "stock_locations",
    "stocks",
    "transition_logs",
];

/// One move, with everything that follows from it.
async fn check_move(shop: &Shop, row: &Row, outcome: &str, input: impl Fn(i64) -> Value) -> Reply {
    let package = package_in(shop, state(&row.source)).await;
    let bystander = package_in(shop, state(&row.source)).await;
    let (before, others) = (picture(package).await, bystander.json().await["packageitem_set"].clone());
    let tables = shop.dump().await;

    let reply = package.post(&json!({ "slug": row.slug, "input_parameters": input(package.id) })).await;

    assert!(reply.status < 300, "{}: {}", row.slug, reply.text());
    assert_eq!(picture(package).await, expected(before, row, outcome), "{} to {outcome}", row.slug);
    assert_eq!(bystander.json().await["packageitem_set"], others);
    for (table, rows) in shop.dump().await.0 {
        let may = WRITTEN.contains(&table.as_str()) || (row.command == "REPACK" && table == "order_plans");
        assert!(may || rows == tables.0[&table], "{} wrote {table}", row.slug);
    }
    reply
}

/// Allowed from its source, to each of its outcomes.
async fn check_allowed(shop: &Shop, row: &Row) {
    match row.command.as_str() {
        "SHIP_THE_PACKAGE_ADVANCED" => {
            let input = |_| json!({ "tracking_number": "T1", "cargo_company": "manual" });
            assert_eq!(check_move(shop, row, &row.destination, input).await.status, 200);
        }
        "UPDATE_PACKAGE_SHIPMENT_STATUS" => {
            let otherwise = row.otherwise.as_ref().expect("two outcomes");
            for (delivered, outcome) in [(true, &row.destination), (false, otherwise)] {
                let input = |id| json!({ "package": id, "delivered_status": delivered });
                check_move(shop, row, outcome, input).await.done();
            }
        }
        "DETECTED_OUT_OF_STOCK_ITEM" => check_out_of_stock(shop, row).await,
        "ASSIGN_PACKAGE_ITEMS_MANUALLY" => check_manual(shop, row).await,
        _ => assert_eq!(check_move(shop, row, &row.destination, |_| json!({})).await.status, 200),
    }
}

/// Nothing anywhere else: the destination, at the default location. Enough elsewhere: `otherwise`.
async fn check_out_of_stock(shop: &Shop, row: &Row) {
    for (elsewhere, place) in [
        (0, format!("{}@HQ", row.destination)),
        (9, format!("{}@KADIKOY", row.otherwise.as_ref().expect("two outcomes"))),
    ] {
        shop.count("GEBZE", "RED", elsewhere).await;
        shop.count("GEBZE", "BLUE", elsewhere).await;
        let package = package_in(shop, state(&row.source)).await;
        let input = json!({ "package_items": package.item_ids().await });

        package.post(&json!({ "slug": row.slug, "input_parameters": input })).await.ok();

        assert_eq!(package.place().await, place);
        let log = package.log().await;
        assert_eq!(log.last(), Some(&format!("{}: {} -> {place}", row.command, row.source)));
        assert_eq!(package.ledger().await, ["KADIKOY +1", "KADIKOY -1"]);
        let mut successors = Vec::new();
        for successor in package.successors().await {
            successors.push(successor.place().await);
        }
        let expected: &[&str] = if elsewhere == 0 { &[] } else { &["waiting@GEBZE"] };
        assert_eq!(successors, expected);
    }
}

async fn check_manual(shop: &Shop, row: &Row) {
    let package = package_in(shop, state(&row.source)).await;
    let groups = json!([{ "stock_location": "KADIKOY", "package_items": package.item_ids().await }]);
    let input = json!({ "assignment_groups": groups });

    package.post(&json!({ "slug": row.slug, "input_parameters": input })).await.ok();

    assert_eq!(package.place().await, format!("{}@KADIKOY", row.destination));
    assert_eq!(package.ledger().await, ["KADIKOY +1", "KADIKOY -1"]);
    let successors = package.successors().await;
    assert_eq!(successors.len(), 1);
    assert_eq!(successors[0].place().await, "waiting@KADIKOY");
    assert_eq!(successors[0].ledger().await, ["KADIKOY +1"]);
}

/// Every transition of a command: allowed from its source, refused from every other state.
async fn check_command(command: &str) {
    let shop = Shop::open().await;
    shop.install(&[STANDARD, &with_ways_into_every_state(), SHOP]).await;
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.command == command).collect();
    assert!(!rows.is_empty());
    for state in &STATES {
        let package = package_in(&shop, state).await;
        let before = shop.dump().await;
        for row in rows.iter().filter(|row| row.source != state.slug) {
            package.post(&json!({ "slug": row.slug })).await.refused(NOT_ALLOWED);
        }
        before.assert_same(&shop.dump().await);
        for row in rows.iter().filter(|row| row.source == state.slug) {
            check_allowed(&shop, row).await;
        }
    }
    shop.finish().await;
}

macro_rules! commands {
    ($($test:ident $command:literal,)*) => {
        const TESTED: &[&str] = &[$($command),*];
        $(#[tokio::test]
        async fn $test() {
            check_command($command).await;
        })*
    };
}

commands! {
    assign_package_items_manually "ASSIGN_PACKAGE_ITEMS_MANUALLY",
    cancel_package "CANCEL_PACKAGE",
    channel_based_complete_packing "CHANNEL_BASED_COMPLETE_PACKING",
    complete_packing "COMPLETE_PACKING",
    detected_out_of_stock_item "DETECTED_OUT_OF_STOCK_ITEM",
    pkg_state_transition "PKG_STATE_TRANSITION",
    repack "REPACK",
    ship_the_package "SHIP_THE_PACKAGE",
    ship_the_package_advanced "SHIP_THE_PACKAGE_ADVANCED",
    update_package_shipment_status "UPDATE_PACKAGE_SHIPMENT_STATUS",
}

#[test]
fn every_command_of_the_standard_installation_is_tested_here() {
    let commands: BTreeSet<String> = rows().into_iter().map(|row| row.command).collect();
    assert_eq!(commands, TESTED.iter().map(|command| (*command).to_owned()).collect());
    let registered: BTreeSet<&str> = oms::commands::COMMANDS.iter().map(|command| command.identifier()).collect();
    assert_eq!(registered, TESTED.iter().copied().collect());
}

/// The contract's table of states, with names in both languages; items have one state more.
#[tokio::test]
async fn the_states_are_those_of_the_contract() {
    let shop = Shop::open().await;
    let states: Vec<(String, String, bool, bool)> = shop
        .rows("select slug, enum_value, occupies_quota, final from states where entity = 'package' order by enum_value::int")
        .await;
    let is_final =
        |slug: &str| ["delivered", "packaging-canceled", "packed-for-refund", "oms-not-found"].contains(&slug);
    let mut wanted: Vec<(String, String, bool, bool)> = STATES
        .iter()
        .map(|state| (state.slug.to_owned(), state.number.to_string(), state.occupies, is_final(state.slug)))
        .collect();
    wanted.insert(17, ("oms-not-found".to_owned(), "930".to_owned(), false, true));
    assert_eq!(states, wanted);
    shop.finish().await;
}
