//! Every transition of the standard installation, tried from every state of a package: allowed from its source, with
//! everything that follows; refused from any other, with nothing.

use std::{
    collections::{BTreeSet, HashSet, VecDeque},
    sync::LazyLock,
};

use oms::{
    commands,
    installation::read::Entity,
    kinds::{self, Kind, Plans},
};
use serde_json::{Value, json};

use crate::support::{NOT_ALLOWED, Package, SHOP, STANDARD, Shop, TRANSFERS, read_installation};

/// A package state of the standard installation, with its meaning.
#[derive(Debug)]
struct State {
    slug: String,
    number: i64,
    /// True if a package in it counts against its location's quota.
    occupies: bool,
    /// The effect of its items on the stock of their location.
    holding: Holding,
    /// How a test gets a package there from waiting; none for an order that is fetched.
    way: Option<Vec<Step>>,
}

/// A move on the way to a state.
#[derive(Debug, Clone)]
struct Step {
    row: Row,
    outcome: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holding {
    Reserved,
    Taken,
    Nothing,
}

use Holding::{Nothing, Reserved, Taken};

const FETCHED: &str = "waiting-for-transfer";
/// States of items alone.
const OF_ITEMS: [&str; 2] = ["oms-not-found", "not-restocked"];

/// The effect of items on stock in a state.
fn holding(slug: &str, number: i64) -> Holding {
    match number {
        // What comes by a transfer is held by it, elsewhere.
        _ if slug == FETCHED => Nothing,
        ..450 => Reserved,
        900..1000 | 1100 => Nothing,
        _ => Taken,
    }
}

/// The states that a package can be in.
static STATES: LazyLock<Vec<State>> = LazyLock::new(|| {
    let states = read_installation(&[STANDARD]).states.into_iter();
    let of_packages =
        states.filter(|state| state.entity == Entity::Package && !OF_ITEMS.contains(&state.slug.as_str()));
    let mut states: Vec<State> = of_packages
        .map(|state| {
            let number = state.enum_value.parse().expect("a number");
            State {
                number,
                // A package whose cancellation is still to be decided, and all that somebody has work with.
                occupies: number < 400,
                holding: holding(&state.slug, number),
                way: None,
                slug: state.slug,
            }
        })
        .collect();
    for (slug, way) in ways() {
        if let Some(state) = states.iter_mut().find(|state| state.slug == slug) {
            state.way = Some(way);
        }
    }
    states
});

/// The shortest way from waiting to every state, by transitions that move the package alone; plain moves go first.
fn ways() -> Vec<(String, Vec<Step>)> {
    let mut rows = rows_of(&[STANDARD, &with_ways_into_every_state()]);
    rows.retain(|row| !row.kind().leads_back() && row.kind().plans != Plans::Always && !row.kind().stays);
    rows.sort_by_key(|row| row.command != "PKG_STATE_TRANSITION");
    let mut reached = HashSet::from(["waiting".to_owned()]);
    let mut found: VecDeque<(String, Vec<Step>)> = VecDeque::from([("waiting".to_owned(), Vec::new())]);
    let mut ways = Vec::new();
    while let Some((slug, way)) = found.pop_front() {
        for row in rows.iter().filter(|row| row.source == slug) {
            for outcome in row.outcomes() {
                if reached.insert(outcome.clone()) {
                    let step = Step { row: row.clone(), outcome: outcome.clone() };
                    found.push_back((outcome.clone(), way.iter().cloned().chain([step]).collect()));
                }
            }
        }
        ways.push((slug, way));
    }
    ways
}

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
    let Some(way) = &state.way else {
        assert_eq!(state.slug, FETCHED, "no way leads to it");
        shop.count("GEBZE", "FAR", 1000).await;
        let package = shop.fetched(&[("FAR", 1)]).await.only_package();
        assert_eq!(package.state().await, state.slug);
        return package;
    };
    let package = shop.order(&[("RED", 1), ("BLUE", 2)]).await.only_package();
    for Step { row, outcome } in way {
        let input = input(package, row, outcome).await;
        let reply = package.post(&json!({ "slug": row.slug, "input_parameters": input })).await;
        assert!(matches!(reply.status, 200 | 204), "{}: {}", row.slug, reply.text());
    }
    assert_eq!(package.state().await, state.slug);
    package
}

/// A row of the standard installation.
#[derive(Debug, Clone)]
struct Row {
    command: String,
    slug: String,
    source: String,
    destination: String,
    otherwise: Option<String>,
}

impl Row {
    fn kind(&self) -> &'static Kind {
        kinds::find(commands::kinds(), &self.command).expect("a kind")
    }

    fn outcomes(&self) -> impl Iterator<Item = &String> {
        [Some(&self.destination), self.otherwise.as_ref()].into_iter().flatten()
    }
}

fn rows_of(files: &[&str]) -> Vec<Row> {
    let transitions = read_installation(files).transitions.into_iter();
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

fn rows() -> Vec<Row> {
    rows_of(&[STANDARD])
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

/// The expected package and location after a move that stays at KADIKOY.
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
    if after.has_shipment && has_moved && matches!(destination.number, 600..800 | 950) {
        after.events.push("shipment.status.updated".to_owned());
    }
    if after.has_shipment && has_moved && destination.number == 900 {
        after.events.push("shipment.cancelled".to_owned());
    }
}

/// Tables that a move which stays where it is may write.
const WRITTEN: [&str; 10] = [
    "events",
    "package_items",
    "packages",
    "quota_ledger",
    "reservations",
    "shipments",
    "stock_locations",
    "stocks",
    "transition_logs",
    "waiting_items",
];

/// Tables that a command must write besides.
fn written_besides(kind: &Kind) -> Vec<&'static str> {
    let mut tables = match kind.identifier {
        "REPACK" => vec!["order_plans"],
        "PKG_DEALLOCATE_RESERVATIONS" => vec!["transition_records"],
        "REFUSE_PACKAGE" => vec!["item_exclusions"],
        "PREPARE_PACKAGE" => vec!["order_item_history", "order_items"],
        "REPLACE_PRODUCT" => vec!["order_item_history", "order_items", "transition_records"],
        "UPDATE_INVOICE" => vec!["package_invoices"],
        _ => vec![],
    };
    if kind.parameters.iter().any(|parameter| parameter.recorded.is_some()) {
        tables.push("transition_records");
    }
    tables
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
        _ => row.kind().example(),
    }
}

async fn denial_reason(shop: &Shop) -> i64 {
    shop.value("select id from denial_reasons where title = $1", "Too busy today".to_owned()).await
}

/// A package from which a transition can be run: in its source, and what it needs besides.
async fn ready_for<'s>(shop: &'s Shop, row: &Row) -> Package<'s> {
    if row.kind().leads_back() {
        let package = package_in(shop, state(&row.destination)).await;
        let all = rows();
        let mut there = all.iter().filter(|there| there.source == row.destination && there.destination == row.source);
        let there = there.next().expect("a way there");
        let input = input(package, there, &there.destination).await;
        package.post(&json!({ "slug": there.slug, "input_parameters": input })).await.ok();
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
    let besides = written_besides(row.kind());
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
            for outcome in row.outcomes() {
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
    for state in STATES.iter() {
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

/// The commands in as many shares as there are tests, so that they run side by side.
const SHARES: usize = 9;

async fn check_share(number: usize) {
    for (index, command) in commands::package::commands().enumerate() {
        if index % SHARES == number {
            check_command(command.kind.identifier).await;
        }
    }
}

macro_rules! shares {
    ($($test:ident $number:literal,)*) => {
        $(#[tokio::test]
        async fn $test() {
            check_share($number).await;
        })*
        const _: () = assert!([$($number),*].len() == SHARES);
    };
}

shares! {
    every_transition_is_as_the_contract_has_it_1 0,
    every_transition_is_as_the_contract_has_it_2 1,
    every_transition_is_as_the_contract_has_it_3 2,
    every_transition_is_as_the_contract_has_it_4 3,
    every_transition_is_as_the_contract_has_it_5 4,
    every_transition_is_as_the_contract_has_it_6 5,
    every_transition_is_as_the_contract_has_it_7 6,
    every_transition_is_as_the_contract_has_it_8 7,
    every_transition_is_as_the_contract_has_it_9 8,
}

#[test]
fn every_command_is_in_the_standard_installation_and_so_tested_here() {
    let in_standard: BTreeSet<String> = rows().into_iter().map(|row| row.command).collect();
    assert_eq!(in_standard, commands::package::commands().map(|command| command.kind.identifier.to_owned()).collect());
}

/// The states of the standard installation: slug, number, whether they occupy quota, whether they are final.
#[rustfmt::skip]
const CONTRACT: [(&str, i64, bool, bool); 21] = [
    ("cancellation-waiting", 50, true, false), ("waiting", 100, true, false), ("waiting-remote-action", 110, true, false),
    ("waiting-for-transfer", 120, true, false), ("blocked", 150, true, false), ("preparing", 200, true, false),
    ("ready-for-packaging", 400, false, false), ("waiting-cargo-label", 450, false, false), ("packed", 500, false, false),
    ("shipped", 600, false, false), ("ready-for-pickup", 610, false, false), ("attempted-delivery", 640, false, false),
    ("delivery-failed", 660, false, false), ("delivered", 700, false, true), ("packaging-canceled", 900, false, true),
    ("needs-rescheduling", 910, false, false), ("out-of-stock", 920, false, false), ("oms-not-found", 930, false, true),
    ("packed-for-refund", 1100, false, true), ("returned", 950, false, false), ("not-restocked", 1200, false, true),
];

/// The standard installation has these states; others occupy quota by the rule for numbers.
#[tokio::test]
async fn the_states_are_those_of_the_contract() {
    let shop = Shop::open().await;
    let states: Vec<(String, i64, bool, bool)> =
        shop.rows("select slug, enum_value::bigint, occupies_quota, final from states where entity = 'package'").await;
    for (slug, number, occupies, is_final) in CONTRACT {
        assert!(states.contains(&(slug.to_owned(), number, occupies, is_final)), "{slug}");
    }
    assert!(states.iter().all(|(_, number, occupies, _)| *occupies == (*number < 400)));
    shop.finish().await;
}
