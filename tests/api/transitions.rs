//! Every transition of the standard installation, tried from every state of a package: allowed from its source, with
//! everything that follows; refused from any other, with nothing.

use std::collections::BTreeSet;

use oms::installation::read::Entity;
use serde_json::{Value, json};

use crate::support::{NOT_ALLOWED, Package, SHOP, STANDARD, Shop, TRANSFERS, read_installation};

/// A package state of the standard installation.
struct State {
    slug: &'static str,
    number: u32,
    /// Whether a package in it counts against its location's quota.
    occupies: bool,
    /// What its items do to the stock of their location.
    holding: Holding,
    /// How a test gets a package there: commands after the order, `>state` for a plain move, `FETCH` for an order that
    /// is fetched.
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
    // What comes by a transfer is held by it, elsewhere.
    State { slug: "waiting-for-transfer", number: 120, occupies: true, holding: Nothing, way: &["FETCH"] },
    State { slug: "blocked", number: 150, occupies: true, holding: Reserved, way: &["BLOCK_THE_PACKAGE"] },
    State { slug: "preparing", number: 200, occupies: true, holding: Reserved, way: &[">preparing"] },
    State { slug: "ready-for-packaging", number: 400, occupies: false, holding: Reserved, way: &[">preparing", ">ready-for-packaging"] },
    State { slug: "waiting-cargo-label", number: 450, occupies: false, holding: Taken, way: &[">waiting-cargo-label"] },
    State { slug: "packed", number: 500, occupies: false, holding: Taken, way: &["COMPLETE_PACKING"] },
    State { slug: "shipped", number: 600, occupies: false, holding: Taken, way: &["COMPLETE_PACKING", "SHIP_THE_PACKAGE"] },
    State { slug: "ready-for-pickup", number: 610, occupies: false, holding: Taken, way: &["COMPLETE_PACKING", "READY_FOR_PICKUP"] },
    State { slug: "attempted-delivery", number: 640, occupies: false, holding: Taken, way: &["COMPLETE_PACKING", "SHIP_THE_PACKAGE", "FAILED"] },
    State { slug: "delivery-failed", number: 660, occupies: false, holding: Taken, way: &["COMPLETE_PACKING", "SHIP_THE_PACKAGE", "FAILED", "FAILED"] },
    State { slug: "delivered", number: 700, occupies: false, holding: Taken, way: &["COMPLETE_PACKING", "SHIP_THE_PACKAGE", "DELIVERED"] },
    State { slug: "packaging-canceled", number: 900, occupies: false, holding: Nothing, way: &["CANCEL_PACKAGE"] },
    State { slug: "needs-rescheduling", number: 910, occupies: false, holding: Nothing, way: &[">needs-rescheduling"] },
    State { slug: "out-of-stock", number: 920, occupies: false, holding: Nothing, way: &[">out-of-stock"] },
    State { slug: "packed-for-refund", number: 1100, occupies: false, holding: Nothing, way: &["PACKAGE_PACKED_FOR_REFUND"] },
];

fn state(slug: &str) -> &'static State {
    STATES.iter().find(|state| state.slug == slug).expect("a state of the table")
}

/// Plain moves into the states that no transition of the standard installation leads to yet, so that a package gets
/// into each of them legally.
fn with_ways_into_every_state() -> String {
    let extra = [
        ("waiting", "cancellation-waiting"),
        ("waiting", "waiting-remote-action"),
        ("waiting", "waiting-cargo-label"),
        ("waiting", "needs-rescheduling"),
        ("waiting", "out-of-stock"),
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
    if state.way == ["FETCH"] {
        shop.count("GEBZE", "FAR", 1000).await;
        let package = shop.fetched(&[("FAR", 1)]).await.only_package();
        assert_eq!(package.state().await, state.slug);
        return package;
    }
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
    let transitions = read_installation(&[STANDARD]).transitions.into_iter();
    let of_packages = transitions.filter(|transition| transition.entity == Entity::Package);
    let rows = of_packages.map(|transition| Row {
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
    green: (i64, i64),
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
        green: shop.stock("KADIKOY", "GREEN").await,
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
    let then = if row.command == "PKG_DEALLOCATE_RESERVATIONS" { Nothing } else { destination.holding };
    for (stock, units) in [(&mut after.red, 1), (&mut after.blue, 2)] {
        let holds = |is, holding| if is == holding { units } else { 0 };
        stock.0 -= holds(then, Taken) - holds(source.holding, Taken);
        stock.1 += holds(then, Reserved) - holds(source.holding, Reserved);
    }
    let held: &[&str] = if then == Reserved { &["KADIKOY RED×1", "KADIKOY BLUE×2"] } else { &[] };
    after.reservations = held.iter().map(|held| (*held).to_owned()).collect();
    if row.command == "REPLACE_PRODUCT" {
        after.blue.1 -= 2;
        after.green.1 += 2;
        "KADIKOY GREEN×2".clone_into(&mut after.reservations[1]);
    }
    after.log.push(format!("{}: {} -> {outcome}@KADIKOY", row.command, row.source));
    expect_events(&mut after, row, destination);
    after
}

fn expect_events(after: &mut Picture, row: &Row, destination: &State) {
    let command = row.command.as_str();
    let has_moved = destination.slug != row.source;
    if has_moved {
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
    if command == "REFUSE_PACKAGE" {
        after.events.push("package.refused".to_owned());
    }
    let had_shipment = after.has_shipment;
    after.has_shipment |= matches!(command, "COMPLETE_PACKING" | "SHIP_THE_PACKAGE_ADVANCED");
    if after.has_shipment && !had_shipment {
        after.events.push("shipment.created".to_owned());
    }
    if matches!(command, "SHIP_THE_PACKAGE_ADVANCED" | "UPDATE_SHIPMENT_INFO") {
        after.events.push("package.shipment.awb_number".to_owned());
    }
    if after.has_shipment && has_moved && (600..800).contains(&destination.number) {
        after.events.push("shipment.status.updated".to_owned());
    }
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

/// Tables that a command must write besides.
fn written_besides(command: &str) -> &'static [&'static str] {
    match command {
        "REPACK" => &["order_plans"],
        "CANCEL_PACKAGE" | "PKG_DEALLOCATE_RESERVATIONS" => &["transition_records"],
        "REFUSE_PACKAGE" => &["item_exclusions", "transition_records"],
        "PREPARE_PACKAGE" => &["order_item_history", "order_items"],
        "REPLACE_PRODUCT" => &["order_item_history", "order_items", "transition_records"],
        "UPDATE_INVOICE" => &["package_invoices"],
        _ => &[],
    }
}

/// Parameters with which the command succeeds and leads to an outcome.
async fn input(package: Package<'_>, row: &Row, outcome: &str) -> Value {
    let item = async || package.item("BLUE").await;
    match row.command.as_str() {
        "SHIP_THE_PACKAGE_ADVANCED" => json!({ "tracking_number": "T1", "cargo_company": "manual" }),
        "UPDATE_PACKAGE_SHIPMENT_STATUS" => {
            json!({ "package": package.id, "delivered_status": outcome == row.destination })
        }
        "CANCEL_PACKAGE" => json!({ "cancellation_reason": "late" }),
        "REFUSE_PACKAGE" => json!({ "denial_reason": denial_reason(package.shop).await }),
        "PREPARE_PACKAGE" => json!({ "select_items_by_omnitron_id": false,
                                     "barcodes": [{ "package_item": item().await, "barcode": "8690001" }] }),
        "REPLACE_PRODUCT" => json!({ "replacements": [{ "package_item": item().await, "sku": "GREEN" }] }),
        "UPDATE_INVOICE" => json!({ "invoice_number": "A1" }),
        "UPDATE_SHIPMENT_INFO" => json!({ "tracking_number": "T2" }),
        "UPDATE_SHIPMENT_LABEL" => json!({ "package_items": [] }),
        _ => json!({}),
    }
}

async fn denial_reason(shop: &Shop) -> i64 {
    shop.value("select id from denial_reasons where title = $1", "Too busy today".to_owned()).await
}

/// A package from which a transition can be run: in its source, and what it needs besides.
async fn ready_for<'s>(shop: &'s Shop, row: &Row) -> Package<'s> {
    if row.command == "UNBLOCK_THE_PACKAGE" {
        let package = package_in(shop, state(&row.destination)).await;
        package.run("BLOCK_THE_PACKAGE").await.ok();
        return package;
    }
    let package = package_in(shop, state(&row.source)).await;
    if row.command == "UPDATE_SHIPMENT_LABEL" {
        // A package of which the carrier was told, but has not given its label.
        sqlx::query(
            "insert into shipments (package_id, cargo_company_id, tracking_number)
             select $1, min(id), 'T0' from cargo_companies on conflict do nothing",
        )
        .bind(package.id)
        .execute(shop.pool())
        .await
        .expect("a shipment");
    }
    package
}

/// One move, with everything that follows from it.
async fn check_move(shop: &Shop, row: &Row, outcome: &str) {
    let package = ready_for(shop, row).await;
    let bystander = ready_for(shop, row).await;
    let (before, others) = (picture(package).await, bystander.json().await["packageitem_set"].clone());
    let input = input(package, row, outcome).await;
    let tables = shop.dump().await;

    let reply = package.post(&json!({ "slug": row.slug, "input_parameters": input })).await;

    match row.command.as_str() {
        "UPDATE_PACKAGE_SHIPMENT_STATUS"
        | "UPDATE_SHIPMENT_LABEL"
        | "SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION" => reply.done(),
        _ => drop(reply.ok()),
    }
    assert_eq!(picture(package).await, expected(before, row, outcome), "{} to {outcome}", row.slug);
    assert_eq!(bystander.json().await["packageitem_set"], others);
    let besides = written_besides(&row.command);
    for (table, rows) in shop.dump().await.0 {
        let is_same = rows == tables.0[&table];
        let is_ended = row.source == "waiting-for-transfer" && table.starts_with("transfer");
        assert!(
            WRITTEN.contains(&table.as_str())
                || is_same != (is_ended && table != "transfer_items" || besides.contains(&table.as_str())),
            "{}: {table}",
            row.slug
        );
    }
}

/// Allowed from its source, to each of its outcomes.
async fn check_allowed(shop: &Shop, row: &Row) {
    match row.command.as_str() {
        "DETECTED_OUT_OF_STOCK_ITEM" => check_out_of_stock(shop, row).await,
        "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED" => check_some_out_of_stock(shop, row).await,
        "ASSIGN_PACKAGE_ITEMS_MANUALLY" => check_manual(shop, row).await,
        _ => {
            for outcome in [Some(&row.destination), row.otherwise.as_ref()].into_iter().flatten() {
                check_move(shop, row, outcome).await;
            }
        }
    }
}

/// Some items: they alone leave, and the rest stays. All of them: `otherwise`.
async fn check_some_out_of_stock(shop: &Shop, row: &Row) {
    shop.count("GEBZE", "BLUE", 9).await;
    let package = package_in(shop, state(&row.source)).await;
    let (blue, reservations) = (package.item("BLUE").await, package.reservations().await);

    package.post(&json!({ "slug": row.slug, "input_parameters": { "package_items": [blue] } })).await.ok();

    assert_eq!(package.place().await, format!("{}@KADIKOY", row.destination));
    assert_eq!(package.items().await, [("RED".to_owned(), row.destination.clone())]);
    assert_eq!(package.reservations().await, reservations[..1]);
    assert_eq!(package.ledger().await, ["KADIKOY +1"]);
    let successors = package.successors().await;
    assert_eq!(successors.len(), 1);
    assert_eq!(successors[0].place().await, "waiting@GEBZE");
    assert_eq!(successors[0].item_ids().await, [blue]);
    assert_eq!(successors[0].reservations().await, ["GEBZE BLUE×2"]);

    let package = package_in(shop, state(&row.source)).await;
    let input = json!({ "package_items": package.item_ids().await });
    package.post(&json!({ "slug": row.slug, "input_parameters": input })).await.ok();
    assert_eq!(package.place().await, format!("{}@KADIKOY", row.otherwise.as_ref().expect("two outcomes")));
    assert_eq!(package.ledger().await, ["KADIKOY +1", "KADIKOY -1"]);
    let mut successors = Vec::new();
    for successor in package.successors().await {
        successors.push((successor.place().await, successor.items().await[0].0.clone()));
    }
    let wanted = [("waiting@GEBZE", "BLUE"), ("out-of-stock@HQ", "RED")];
    assert_eq!(successors, wanted.map(|(place, sku)| (place.to_owned(), sku.to_owned())));
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
    shop.install(&[STANDARD, &with_ways_into_every_state(), SHOP, TRANSFERS]).await;
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
    block_the_package "BLOCK_THE_PACKAGE",
    cancel_package "CANCEL_PACKAGE",
    channel_based_complete_packing "CHANNEL_BASED_COMPLETE_PACKING",
    complete_packing "COMPLETE_PACKING",
    complete_packing_without_shipment "COMPLETE_PACKING_WITHOUT_SHIPMENT",
    detected_out_of_stock_item "DETECTED_OUT_OF_STOCK_ITEM",
    detected_out_of_stock_item_advanced "DETECTED_OUT_OF_STOCK_ITEM_ADVANCED",
    package_packed_for_refund "PACKAGE_PACKED_FOR_REFUND",
    pkg_deallocate_reservations "PKG_DEALLOCATE_RESERVATIONS",
    pkg_state_transition "PKG_STATE_TRANSITION",
    prepare_package "PREPARE_PACKAGE",
    ready_for_pickup "READY_FOR_PICKUP",
    refuse_package "REFUSE_PACKAGE",
    repack "REPACK",
    replace_product "REPLACE_PRODUCT",
    self_service_package_delivery "SELF_SERVICE_PACKAGE_DELIVERY",
    ship_the_package "SHIP_THE_PACKAGE",
    ship_the_package_advanced "SHIP_THE_PACKAGE_ADVANCED",
    ship_the_package_basic "SHIP_THE_PACKAGE_BASIC",
    ship_the_package_without_shipment_integration "SHIP_THE_PACKAGE_WITHOUT_SHIPMENT_INTEGRATION",
    unblock_the_package "UNBLOCK_THE_PACKAGE",
    update_invoice "UPDATE_INVOICE",
    update_package_shipment_status "UPDATE_PACKAGE_SHIPMENT_STATUS",
    update_shipment_info "UPDATE_SHIPMENT_INFO",
    update_shipment_label "UPDATE_SHIPMENT_LABEL",
}

#[test]
fn every_command_of_the_standard_installation_is_tested_here() {
    let commands: BTreeSet<String> = rows().into_iter().map(|row| row.command).collect();
    assert_eq!(commands, TESTED.iter().map(|command| (*command).to_owned()).collect());
    let registered: BTreeSet<&str> = oms::commands::commands().map(|command| command.kind.identifier).collect();
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
