use super::*;
use crate::{
    commands,
    installation::read::{Entity, State},
    kinds::{self, End, Kind, Moves},
};

const STANDARD: (&str, &str) = ("standard.toml", include_str!("../../../installations/standard.toml"));
const DEMO: (&str, &str) = ("demo.toml", include_str!("../../../installations/demo.toml"));

/// Some commands, and further kinds of command.
const COMMANDS: &[&str] = &[
    "COMPLETE_PACKING",
    "CHANNEL_BASED_COMPLETE_PACKING",
    "SHIP_THE_PACKAGE",
    "SHIP_THE_PACKAGE_ADVANCED",
    "DETECTED_OUT_OF_STOCK_ITEM",
    "REPACK",
    "UPDATE_PACKAGE_SHIPMENT_STATUS",
    "PKG_STATE_TRANSITION",
    "ASSIGN_PACKAGE_ITEMS_MANUALLY",
    "CANCEL_PACKAGE",
];

/// The commands on transfers that it is written for.
const TRANSFERS: &[&str] = &[
    "TRANSFER_ORDER_ADVANCED",
    "TRANSFER_DISPATCH",
    "TRANSFER_DELIVERED",
    "TRANSFER_ITEM_NOT_FOUND",
    "TRANSFER_RETURNED",
];

/// The kinds of these names, and others.
fn with(names: &[&[&str]], others: &[&'static Kind]) -> Vec<&'static Kind> {
    let known = names.concat().into_iter().map(|name| kinds::find(commands::kinds(), name).expect("a kind"));
    known.chain(others.iter().copied()).collect()
}

static STAYING: Kind = Kind { identifier: "UPDATE_INVOICE", stays: true, ..Kind::BASE };
static WITH_ALIAS: Kind = Kind { identifier: "READY_FOR_PICKUP", aliases: &["PICKUP_COMMAND"], ..Kind::BASE };
static OF_TRANSFERS: Kind = Kind { identifier: "DISPATCH_TRANSFER", moves: Moves::Transfer(End::Source), ..Kind::BASE };

/// A small sound installation. Line numbers in the tests below count from its first line.
const SOUND: &str = r#"[[states]]
entity = "package"
id = 1
slug = "waiting"
enum_value = "100"
name = "Waiting"

[[states]]
entity = "package"
id = 2
slug = "packed"
enum_value = "500"
name = "Packed"

[[states]]
entity = "package"
slug = "packaging-canceled"
enum_value = "900"
name = "Cancelled"
final = true

[[states]]
entity = "package"
slug = "out-of-stock"
enum_value = "920"
name = "Out of stock"

[[states]]
entity = "package"
slug = "oms-not-found"
enum_value = "930"
name = "OMS not found"
final = true

[[states]]
entity = "order"
slug = "approved"
enum_value = "400"
name = "Approved"

[[transitions]]
entity = "package"
id = 1
command = "COMPLETE_PACKING"
source = "waiting"
destination = "packed"
label = "Pack"

[[transitions]]
entity = "package"
command = "CANCEL_PACKAGE"
source = "packed"
destination = "packaging-canceled"
label = "Cancel"

[[transitions]]
entity = "package"
id = 3
command = "DETECTED_OUT_OF_STOCK_ITEM"
source = "waiting"
destination = "out-of-stock"
otherwise = "packaging-canceled"
label = "Not found"

[[transitions]]
entity = "package"
command = "REPACK"
source = "out-of-stock"
destination = "waiting"
label = "Plan again"

[[transitions]]
entity = "package"
command = 'CANCEL_PACKAGE'
source = 'waiting'
destination = 'packaging-canceled'
label = 'Cancel'

[[cargo_companies]]
slug = "manual"
name = "Own courier"
integration = "manual"

[[denial_reasons]]
title = "Item is damaged"

[[stock_locations]]
erp_code = "369"
name = "Kadikoy Store"
type = "store"
priority = 10
latitude = 40.99
longitude = 29.03
cargo_company = "manual"

[[scenarios]]
name = "Standard"
priority = 1
default_location = "369"
initial_state_when_split = "waiting"

[[scenarios.rules]]
name = "Nearest"
conditions = ["SELECT_BY_STOCK"]
order_by = ["distance"]
"#;

/// What the check says of a text: problems, then warnings, a line each.
fn findings(text: &str, kinds: &[&'static Kind]) -> (Vec<String>, Vec<String>) {
    let installation = Installation::parse(text).expect("it is sound");
    let checked = check(&installation, kinds);
    let told = |problems: &[Problem]| problems.iter().map(ToString::to_string).collect();
    (told(&checked.problems), told(&checked.warnings))
}

/// The sound installation with one text replaced, which must be there exactly once.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(SOUND.matches(from).count(), 1, "{from:?} is in the text once");
    SOUND.replace(from, to)
}

/// Asserts that a text has these problems and no warnings.
#[track_caller]
fn refused(text: &str, problems: &[&str]) {
    assert_eq!(findings(text, &with(&[COMMANDS], &[])), (owned(problems), Vec::new()));
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(ToString::to_string).collect()
}

fn with_entry(entry: &str) -> String {
    format!("{SOUND}\n{entry}")
}

#[test]
fn what_is_sound_passes() {
    refused(SOUND, &[]);
    refused("", &[]);
}

#[test]
fn the_standard_and_the_demo_are_sound() {
    let (_, warnings) = load(&[STANDARD, DEMO], commands::kinds()).expect("it is sound");
    assert_eq!(warnings, []);
}

#[test]
fn the_standard_alone_is_sound() {
    let (installation, warnings) = load(&[STANDARD], commands::kinds()).expect("it is sound");
    assert_eq!(warnings, []);
    assert!(installation.scenarios.is_empty() && installation.stock_locations.is_empty());
}

/// The package states of the standard installation: which occupy quota, which are final.
#[test]
fn the_standard_states_occupy_quota_as_agreed() {
    let installation = Installation::parse(STANDARD.1).expect("it is sound");
    let states = installation.states.iter();
    let packages: Vec<_> = states.filter(|it| it.entity == Entity::Package).collect();
    let numbers = |wanted: fn(&State) -> bool| {
        let states = packages.iter().filter(|state| wanted(state));
        states.map(|state| state.enum_value.as_str()).collect::<Vec<_>>()
    };
    let below_400 = |state: &State| state.enum_value.parse::<i64>().is_ok_and(|number| number < 400);
    assert_eq!(numbers(State::occupies_quota), numbers(below_400));
    assert_eq!(numbers(|state| state.is_final), ["700", "900", "930", "1100", "1200"]);
}

#[test]
fn every_transition_and_name_of_the_standard_is_in_both_languages() {
    let installation = Installation::parse(STANDARD.1).expect("it is sound");
    let states = installation.states.iter().map(|state| &state.translations);
    let transitions = installation.transitions.iter().map(|it| &it.translations);
    assert!(states.chain(transitions).all(|it| it.contains_key("tr-tr")));
}

#[test]
fn an_unknown_command_is_refused() {
    refused(
        &changed("\"COMPLETE_PACKING\"", "\"COMPLETE_PAKING\""),
        &["line 44: transitions.command: there is no command COMPLETE_PAKING — did you mean \
           COMPLETE_PACKING?"],
    );
    refused(
        &changed("\"COMPLETE_PACKING\"", "\"FOLD\""),
        &["line 44: transitions.command: there is no command FOLD — this version has \
           COMPLETE_PACKING, CHANNEL_BASED_COMPLETE_PACKING, SHIP_THE_PACKAGE, \
           SHIP_THE_PACKAGE_ADVANCED, DETECTED_OUT_OF_STOCK_ITEM, REPACK, \
           UPDATE_PACKAGE_SHIPMENT_STATUS, PKG_STATE_TRANSITION, ASSIGN_PACKAGE_ITEMS_MANUALLY, \
           CANCEL_PACKAGE"],
    );
}

#[test]
fn an_alias_is_its_command() {
    let text = changed("\"COMPLETE_PACKING\"", "\"PICKUP_COMMAND\"");
    let kinds = with(&[COMMANDS], &[&WITH_ALIAS]);
    assert_eq!(findings(&text, &kinds), (vec![], vec![]));
    let (installation, _) = load(&[("", &text)], &kinds).expect("it is sound");
    assert_eq!(installation.transitions[0].command, "READY_FOR_PICKUP");
    let slug = "package__ready_for_pickup__waiting__packed";
    assert_eq!(installation.transitions[0].slug(), slug);

    // Both names make one default slug, and so two transitions of one slug.
    let twice = with_entry(
        "[[transitions]]\nentity = 'package'\ncommand = 'READY_FOR_PICKUP'\nsource = 'waiting'\n\
         destination = 'packed'\nlabel = 'Ready'",
    )
    .replace("\"COMPLETE_PACKING\"", "\"PICKUP_COMMAND\"");
    let (problems, _) = findings(&twice, &kinds);
    assert_eq!(problems.len(), 1, "{problems:?}");
}

#[test]
fn an_unknown_state_is_refused() {
    refused(
        &changed("source = \"packed\"", "source = \"paked\""),
        &[
            "line 11: states.slug: `packed` is not final and has no way out — add a \
             `[[transitions]]` entry from it, or write `final = true`",
            "line 52: transitions.source: there is no state `paked` of packages — did you mean \
             `packed`?",
        ],
    );
    refused(
        &changed("otherwise = \"packaging-canceled\"", "otherwise = \"gone\""),
        &["line 62: transitions.otherwise: there is no state `gone` of packages — add a \
           `[[states]]` entry of packages with this slug"],
    );
}

#[test]
fn a_transition_between_entities_is_refused() {
    refused(
        &changed("destination = \"waiting\"", "destination = \"approved\""),
        &["line 69: transitions.destination: `approved` is a state of orders, the transition is \
           of packages — name a state of packages"],
    );
}

#[test]
fn a_command_of_another_entity_is_refused() {
    let text = changed("\"COMPLETE_PACKING\"", "\"DISPATCH_TRANSFER\"");
    let kinds = with(&[COMMANDS], &[&OF_TRANSFERS]);
    let told = "line 42: transitions.entity: DISPATCH_TRANSFER is a command of transfers, the \
                transition is of packages — write `transfer`";
    assert_eq!(findings(&text, &kinds), (owned(&[told]), vec![]));
}

#[test]
fn a_missing_second_outcome_is_refused() {
    refused(
        &changed("otherwise = \"packaging-canceled\"\n", ""),
        &["line 56: transitions.otherwise: DETECTED_OUT_OF_STOCK_ITEM has a second outcome, which \
           has no state — add `otherwise = …` with the state it then leads to"],
    );
}

#[test]
fn a_package_whose_items_go_on_in_others_must_end() {
    refused(
        &changed("otherwise = \"packaging-canceled\"", "otherwise = \"packed\""),
        &["line 62: transitions.otherwise: the package's items go on in others, so it cannot go on \
           in `packed` — write `packaging-canceled`"],
    );
    let by_hand = |destination: &str| {
        with_entry(&format!(
            "[[transitions]]\nentity = 'package'\ncommand = 'ASSIGN_PACKAGE_ITEMS_MANUALLY'\n\
             source = 'waiting'\ndestination = '{destination}'\nlabel = 'By hand'"
        ))
    };
    assert_eq!(findings(&by_hand("packaging-canceled"), &with(&[COMMANDS], &[])).0, owned(&[]));
    let told = findings(&by_hand("out-of-stock"), &with(&[COMMANDS], &[])).0;
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("transitions.destination: the package's items go on in others"), "{told:?}");
}

#[test]
fn a_needless_second_outcome_is_refused() {
    refused(
        &changed("label = \"Pack\"", "label = \"Pack\"\notherwise = \"waiting\""),
        &["line 48: transitions.otherwise: COMPLETE_PACKING has no second outcome — take \
           `otherwise` out"],
    );
}

#[test]
fn a_command_that_stays_must_not_move() {
    let entry = |destination: &str| {
        with_entry(&format!(
            "[[transitions]]\nentity = 'package'\ncommand = 'UPDATE_INVOICE'\n\
             source = 'packed'\ndestination = '{destination}'\nlabel = 'Invoice'"
        ))
    };
    let kinds = with(&[COMMANDS], &[&STAYING]);
    assert_eq!(findings(&entry("packed"), &kinds), (vec![], vec![]));
    let told = "line 111: transitions.destination: UPDATE_INVOICE leaves the state as it is — \
                write `packed`, as its source";
    assert_eq!(findings(&entry("waiting"), &kinds), (owned(&[told]), vec![]));
}

#[test]
fn preparing_leans_on_three_other_transitions() {
    let entry = |command: &str, destination: &str| {
        format!(
            "[[transitions]]\nentity = 'package'\ncommand = '{command}'\n\
             source = 'waiting'\ndestination = '{destination}'\nlabel = 'x'\n"
        )
    };
    let prepare = entry("PREPARE_PACKAGE_COMMAND", "packed");
    let (problems, _) = findings(&with_entry(&prepare), commands::kinds());
    let lacks = |way: &str| {
        format!("line 109: transitions.command: it leans on {way}, which is not there — add a transition of {way}")
    };
    assert_eq!(
        problems,
        [
            lacks("REPLACE_PRODUCT from `waiting` to `waiting`"),
            lacks("PKG_STATE_TRANSITION from `waiting` to `packed`")
        ]
    );
    let company = [prepare, entry("REPLACE_PRODUCT", "waiting"), entry("PKG_STATE_TRANSITION", "packed")].concat();
    assert_eq!(findings(&with_entry(&company), commands::kinds()), (vec![], vec![]));
    let alone =
        with_entry(&company).replace("\"DETECTED_OUT_OF_STOCK_ITEM\"", "\"DETECTED_OUT_OF_STOCK_ITEM_ADVANCED\"");
    assert_eq!(findings(&alone, commands::kinds()).0, [lacks("DETECTED_OUT_OF_STOCK_ITEM from `waiting`")]);
}

#[test]
fn a_state_that_holds_goods_and_cannot_be_cancelled_is_warned_of() {
    let plain = changed("command = 'CANCEL_PACKAGE'", "command = 'PKG_STATE_TRANSITION'");
    let warning = "line 4: states.slug: a package in `waiting` holds goods and cannot be cancelled — add a transition \
                   of CANCEL_PACKAGE from `waiting`";
    assert_eq!(findings(&plain, commands::kinds()), (vec![], owned(&[warning])));
}

#[test]
fn who_cannot_unblock_is_warned() {
    let block = "[[transitions]]\nentity = 'package'\ncommand = 'BLOCK_THE_PACKAGE'\nsource = 'waiting'\n\
                 destination = 'packed'\nlabel = 'x'\n";
    let warning = "line 111: transitions.destination: a package cannot go back from `packed` to `waiting` — add a \
                   transition of UNBLOCK_THE_PACKAGE from `packed` to `waiting`";
    assert_eq!(findings(&with_entry(block), commands::kinds()), (vec![], owned(&[warning])));
    let unblock = "[[transitions]]\nentity = 'package'\ncommand = 'UNBLOCK_THE_PACKAGE'\nsource = 'packed'\n\
                   destination = 'waiting'\nlabel = 'x'\n";
    assert_eq!(findings(&with_entry(&format!("{block}{unblock}")), commands::kinds()), (vec![], vec![]));
}

#[test]
fn defaults_are_for_what_the_command_takes() {
    let with =
        |parameters: &str| changed("label = \"Cancel\"", &format!("label = \"Cancel\"\nparameters = {parameters}"));
    assert_eq!(findings(&with("{ sync_remote_order_status = false }"), commands::kinds()), (vec![], vec![]));
    let bill = "line 55: transitions.parameters: CANCEL_PACKAGE does not take the parameter \
                remote_bill_fulfillment_call — take `remote_bill_fulfillment_call` out";
    assert_eq!(findings(&with("{ remote_bill_fulfillment_call = true }"), commands::kinds()).0, [bill]);
    let pack =
        |call: &str| changed("label = \"Pack\"", &format!("label = \"Pack\"\nparameters.remote_invoice_call = {call}"));
    let call = "{ auth = { request_type = 'token', token = 'x' }, timeouts = {}, remote_url = 'https://x.example' }";
    assert_eq!(findings(&pack(call), commands::kinds()), (vec![], vec![]));
    let broken = "line 48: transitions.parameters: remote_invoice_call is not complete: timeouts is required. — write it \
                  as a request would give it";
    let call = "{ auth = { request_type = 'anonymous' } }";
    assert_eq!(findings(&pack(call), commands::kinds()).0, [broken]);
    let service = |slug: &str| {
        format!(
            "\n[[invoice_services]]\nslug = '{slug}'\nurl = 'https://erp.example'\nauth = {{ type = 'anonymous' }}\n"
        )
    };
    let named = pack("{ service = 'till' }");
    assert_eq!(findings(&(named.clone() + &service("till")), commands::kinds()), (vec![], vec![]));
    let missing = "line 48: transitions.parameters: there is no invoice service `till` — did you mean `tills`?";
    assert_eq!(findings(&(named + &service("tills")), commands::kinds()).0, [missing]);
    let twice = findings(&(pack("{ service = 'till' }") + &service("till") + &service("till")), commands::kinds()).0;
    assert!(twice.len() == 1 && twice[0].contains("another invoice service is called `till`"), "{twice:?}");
}

#[test]
fn nothing_leads_out_of_a_final_state() {
    let entry = |command: &str, destination: &str| {
        with_entry(&format!(
            "[[transitions]]\nentity = 'package'\ncommand = '{command}'\n\
             source = 'packaging-canceled'\ndestination = '{destination}'\nlabel = 'x'"
        ))
    };
    refused(
        &entry("PKG_STATE_TRANSITION", "waiting"),
        &["line 110: transitions.source: `packaging-canceled` is final, nothing leads out of it — \
           start from another state, or take `final` from `packaging-canceled`"],
    );
    // A command that changes no state may run there: an invoice comes after the delivery.
    let kinds = with(&[COMMANDS], &[&STAYING]);
    let invoice = entry("UPDATE_INVOICE", "packaging-canceled");
    assert_eq!(findings(&invoice, &kinds), (vec![], vec![]));
}

#[test]
fn two_transitions_of_one_slug_are_refused() {
    let again = "[[transitions]]\nentity = 'package'\ncommand = 'COMPLETE_PACKING'\n\
                 source = 'waiting'\ndestination = 'packed'\nlabel = 'Pack at night'";
    refused(
        &with_entry(again),
        &["line 107: transitions.slug: two transitions have the slug \
           `package__complete_packing__waiting__packed`, the other is at line 41 — give one of \
           them a `slug` of its own, or take it out"],
    );
    let named = format!("{again}\nslug = 'package__repack__out-of-stock__waiting'");
    refused(
        &with_entry(&named),
        &["line 113: transitions.slug: two transitions have the slug \
           `package__repack__out-of-stock__waiting`, the other is at line 65 — give one of them \
           another slug"],
    );
    refused(&with_entry(&format!("{again}\nslug = 'night'")), &[]);
}

/// Each pair of entries that share what tells entries apart, and what is then said.
#[test]
fn two_entries_of_one_name_are_refused() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "id = 2",
            "id = 1",
            "line 10: states.id: two states have the id `1`, the other is at line 1 — give one of \
             them another id",
        ),
        (
            "id = 3",
            "id = 1",
            "line 58: transitions.id: two transitions have the id `1`, the other is at line 41 — \
             give one of them another id",
        ),
        (
            "enum_value = \"500\"",
            "enum_value = \"100\"",
            "line 12: states.enum_value: two states of one entity have the enum_value `100`, the \
             other is at line 1 — give one of them another enum_value",
        ),
        (
            "[[cargo_companies]]",
            "[[cargo_companies]]\nslug = 'manual'\nname = 'x'\nintegration = 'manual'\n\n[[cargo_companies]]",
            "line 85: cargo_companies.slug: two cargo companies have the slug `manual`, the other \
             is at line 79 — give one of them another slug",
        ),
        (
            "[[denial_reasons]]",
            "[[denial_reasons]]\ntitle = 'Item is damaged'\n\n[[denial_reasons]]",
            "line 88: denial_reasons.title: two denial reasons have the title `Item is damaged`, \
             the other is at line 84 — give one of them another title",
        ),
        (
            "[[scenarios]]",
            "[[stock_locations]]\nerp_code = '369'\nname = 'x'\ntype = 'store'\npriority = 1\n\
             latitude = 0\nlongitude = 0\n\n[[scenarios]]",
            "line 97: stock_locations.erp_code: two locations have the erp_code `369`, the other \
             is at line 87 — give one of them another erp_code",
        ),
    ];
    for (from, to, expected) in cases {
        refused(&changed(from, to), &[*expected]);
    }
    // The same slug is another state where it is another entity's.
    refused(&changed("slug = \"approved\"", "slug = \"waiting\""), &[]);
    refused(
        &with_entry("[[states]]\nentity = 'package'\nslug = 'waiting'\nenum_value = '101'\nname = 'x'"),
        &["line 109: states.slug: two states of one entity have the slug `waiting`, the other is \
           at line 1 — give one of them another slug"],
    );
}

#[test]
fn two_scenarios_of_one_name_are_refused() {
    let (problems, _) = findings(
        &with_entry(
            "[[scenarios]]\nname = 'Standard'\npriority = 2\ndefault_location = '369'\n\
             initial_state_when_split = 'waiting'",
        ),
        &with(&[COMMANDS], &[]),
    );
    assert_eq!(
        problems,
        ["line 108: scenarios.name: two scenarios have the name `Standard`, the other is at line \
          96 — give one of them another name"]
    );
}

#[test]
fn a_dead_end_is_refused() {
    let without = changed(
        "command = \"CANCEL_PACKAGE\"\nsource = \"packed\"",
        "command = \"CANCEL_PACKAGE\"\nsource = \"out-of-stock\"",
    );
    refused(
        &without,
        &["line 11: states.slug: `packed` is not final and has no way out — add a \
           `[[transitions]]` entry from it, or write `final = true`"],
    );
}

#[test]
fn a_loop_to_itself_is_no_way_out() {
    let text = changed(
        "command = \"CANCEL_PACKAGE\"\nsource = \"packed\"\ndestination = \"packaging-canceled\"",
        "command = \"CANCEL_PACKAGE\"\nsource = \"packed\"\ndestination = \"packed\"",
    );
    refused(
        &text,
        &["line 11: states.slug: `packed` is not final and has no way out — add a \
           `[[transitions]]` entry from it, or write `final = true`"],
    );
}

#[test]
fn a_circle_without_an_end_is_a_warning() {
    let circle = changed("destination = \"packaging-canceled\"", "destination = \"waiting\"")
        .replace("otherwise = \"packaging-canceled\"", "otherwise = \"packed\"")
        .replace("destination = 'packaging-canceled'", "destination = 'packed'")
        .replace("DETECTED_OUT_OF_STOCK_ITEM", "UPDATE_PACKAGE_SHIPMENT_STATUS");
    let goes_round = |line: usize, slug: &str| {
        format!(
            "line {line}: states.slug: no way leads from `{slug}` to a final state — add a transition out of the \
             circle it goes in"
        )
    };
    let unreached = |line: usize, slug: &str| {
        format!(
            "line {line}: states.slug: neither planning nor a transition leads to `{slug}` — add a transition to it, \
             take the state out, or write `unused = true`"
        )
    };
    let warnings = [
        goes_round(4, "waiting"),
        goes_round(11, "packed"),
        unreached(17, "packaging-canceled"),
        goes_round(24, "out-of-stock"),
        unreached(30, "oms-not-found"),
    ];
    assert_eq!(findings(&circle, &with(&[COMMANDS], &[])), (vec![], warnings.to_vec()));
}

#[test]
fn orders_need_no_way_in_or_out() {
    // `approved` of SOUND has neither; the same state of a transfer would.
    let of_transfer = changed("entity = \"order\"", "entity = \"transfer\"").replace("\"400\"", "\"in_transit\"");
    let (problems, warnings) = findings(&of_transfer, &with(&[COMMANDS], &[]));
    assert_eq!(
        problems,
        ["line 37: states.slug: `approved` is not final and has no way out — add a \
          `[[transitions]]` entry from it, or write `final = true`"]
    );
    assert_eq!(
        warnings,
        ["line 37: states.slug: neither planning nor a transition leads to `approved` — add a \
          transition to it, take the state out, or write `unused = true`"]
    );
}

#[test]
fn a_final_state_that_occupies_quota_is_refused() {
    refused(
        &changed("name = \"Cancelled\"", "name = \"Cancelled\"\noccupies_quota = true"),
        &["line 20: states.occupies_quota: `packaging-canceled` is final and occupies quota, which \
           would never be given back — write `occupies_quota = false`, or `final = false`"],
    );
    refused(
        &changed("enum_value = \"900\"", "enum_value = \"399\""),
        &["line 15: states.occupies_quota: `packaging-canceled` is final and occupies quota, which \
           would never be given back — write `occupies_quota = false`, or `final = false`"],
    );
}

#[test]
fn quota_of_something_else_than_packages_is_refused() {
    refused(
        &changed("name = \"Approved\"", "name = \"Approved\"\noccupies_quota = true"),
        &["line 40: states.occupies_quota: quota counts packages, `approved` is none of theirs — \
           take `occupies_quota` out"],
    );
}

#[test]
fn states_that_commands_name_must_be_there() {
    refused(
        &changed("slug = \"oms-not-found\"", "slug = \"not-there\"").replace(
            "[[transitions]]\nentity = \"package\"\nid = 1",
            "[[transitions]]\nentity = \"package\"\ncommand = \"PKG_STATE_TRANSITION\"\n\
             source = \"waiting\"\ndestination = \"not-there\"\nlabel = \"x\"\n\n\
             [[transitions]]\nentity = \"package\"\nid = 1",
        ),
        &["line 66: transitions.command: DETECTED_OUT_OF_STOCK_ITEM needs the package state \
           `oms-not-found`, which is not there — add a `[[states]]` entry with `slug = \
           \"oms-not-found\"`"],
    );
}

/// SOUND with a package that is cancelled after it was packed.
fn with_goods_elsewhere() -> String {
    let state =
        "[[states]]\nentity = 'package'\nslug = 'not-restocked'\nenum_value = '1200'\nname = 'Lost'\nfinal = true\n\n";
    let transition = "[[transitions]]\nentity = 'package'\ncommand = 'CANCEL_PACKED_PACKAGE'\nsource = 'packed'\n\
                      destination = 'packaging-canceled'\nlabel = 'Cancel'\n\n";
    format!("{state}{transition}{SOUND}")
}

#[test]
fn goods_that_are_not_back_on_the_shelf_need_a_state_that_holds_them() {
    let kinds = with(&[COMMANDS, &["CANCEL_PACKED_PACKAGE"]], &[]);
    let of = |from: &str, to: &str| findings(&with_goods_elsewhere().replacen(from, to, 1), &kinds);
    assert_eq!(of("x", "x"), (vec![], vec![]));
    for (from, to, problem) in [
        ("'1200'", "'940'", "states.enum_value: goods of items in `not-restocked` would be back on the shelf"),
        (
            "'packaging-canceled'",
            "'waiting'",
            "after CANCEL_PACKED_PACKAGE a package holds nothing and waits for nothing",
        ),
        ("'packaging-canceled'", "'out-of-stock'", "after CANCEL_PACKED_PACKAGE a package holds nothing and waits for"),
        ("slug = 'not-restocked'", "slug = 'gone'", "CANCEL_PACKED_PACKAGE needs the package state `not-restocked`"),
    ] {
        let (problems, _) = of(from, to);
        assert!(problems.len() == 1 && problems[0].contains(problem), "{problems:#?}");
    }
}

#[test]
fn states_that_planning_needs_must_be_there() {
    let scenario = &SOUND[SOUND.find("[[cargo_companies]]").expect("it is there")..];
    let (problems, _) = findings(scenario, &with(&[COMMANDS], &[]));
    assert_eq!(
        problems,
        [
            "line 19: scenarios.name: planning needs the package state `waiting`, which is not \
             there — add a `[[states]]` entry with `slug = \"waiting\"`",
            "line 19: scenarios.name: planning needs the package state `out-of-stock`, which is \
             not there — add a `[[states]]` entry with `slug = \"out-of-stock\"`",
            "line 22: scenarios.initial_state_when_split: there is no state `waiting` of packages \
             — name a package state of this installation",
        ]
    );
    // Without a scenario nothing is planned, and the states may be missing.
    let states_only = "[[denial_reasons]]\ntitle = 'x'";
    refused(states_only, &[]);
}

#[test]
fn packages_are_moved_out_of_a_state_that_is_gone_into_one_that_is_there() {
    let moved = |from: &str, to: &str| format!("{SOUND}\n[[moved]]\nfrom = \"{from}\"\nto = \"{to}\"\n");
    let told = |text: &str| findings(text, &with(&[COMMANDS], &[])).0;
    assert_eq!(told(&moved("parked", "waiting")), [""; 0]);
    let still = told(&moved("packed", "waiting"));
    assert!(still.len() == 1 && still[0].contains("moved.from: `packed` is still a state"), "{still:?}");
    let nowhere = told(&moved("parked", "wating"));
    assert!(nowhere.len() == 1 && nowhere[0].ends_with("did you mean `waiting`?"), "{nowhere:?}");
}

#[test]
fn an_unreached_state_is_a_warning() {
    let text = changed("slug = \"packed\"\nenum_value", "slug = \"parked\"\nenum_value")
        .replace("source = \"packed\"", "source = \"parked\"")
        .replace("destination = \"packed\"", "destination = \"packaging-canceled\"");
    let warning = "line 11: states.slug: neither planning nor a transition leads to `parked` — \
                   add a transition to it, take the state out, or write `unused = true`";
    assert_eq!(findings(&text, &with(&[COMMANDS], &[])), (vec![], owned(&[warning])));
    // Unless it is meant so.
    let meant = text.replace("slug = \"parked\"\nenum_value", "unused = true\nslug = \"parked\"\nenum_value");
    assert_ne!(meant, text);
    assert_eq!(findings(&meant, &with(&[COMMANDS], &[])), (vec![], vec![]));
    // A scenario may lead to it.
    let led = text.replace("when_split = \"waiting\"", "when_split = \"parked\"");
    assert_eq!(findings(&led, &with(&[COMMANDS], &[])), (vec![], vec![]));
}

#[test]
fn an_unknown_cargo_company_is_refused() {
    refused(
        &changed("cargo_company = \"manual\"", "cargo_company = \"manuel\""),
        &["line 94: stock_locations.cargo_company: there is no cargo company `manuel` — did you \
           mean `manual`?"],
    );
    refused(
        &changed("cargo_company = \"manual\"", "cargo_company = \"post\""),
        &["line 94: stock_locations.cargo_company: there is no cargo company `post` — add a \
           `[[cargo_companies]]` entry with this slug"],
    );
    let no_company = "[[cargo_companies]]\nslug = \"manual\"\nname = \"Own courier\"\nintegration = \"manual\"\n";
    refused(
        &changed(no_company, "").replace("cargo_company = \"manual\"\n", ""),
        &["line 83: stock_locations.cargo_company: the installation has no cargo company for this \
           location — add a `[[cargo_companies]]` entry"],
    );
}

#[test]
fn carrier_adaptors_are_refused() {
    refused(
        &changed("integration = \"manual\"", "integration = \"flow\""),
        &["line 82: cargo_companies.integration: carrier adaptors are not part of this version — \
           use `manual`"],
    );
}

#[test]
fn an_unknown_default_location_is_refused() {
    refused(
        &changed("default_location = \"369\"", "default_location = \"396\""),
        &["line 99: scenarios.default_location: there is no location `396` — add a \
           `[[stock_locations]]` entry with this erp_code"],
    );
}

#[test]
fn a_package_cannot_begin_in_a_final_or_unknown_state() {
    refused(
        &changed("when_split = \"waiting\"", "when_split = \"packaging-canceled\""),
        &["line 100: scenarios.initial_state_when_split: `packaging-canceled` is final, a package \
           cannot begin in it — name a state that is not final"],
    );
    refused(
        &changed("when_split = \"waiting\"", "when_split = \"wating\""),
        &["line 100: scenarios.initial_state_when_split: there is no state `wating` of packages — \
           did you mean `waiting`?"],
    );
}

#[test]
fn a_scenario_without_rules_is_a_warning() {
    let rule = &SOUND[SOUND.find("[[scenarios.rules]]").expect("it is there")..];
    let warning = "line 96: scenarios.rules: a scenario without rules finds no place for anything \
                   — add a `[[scenarios.rules]]` entry";
    assert_eq!(findings(&changed(rule, ""), &with(&[COMMANDS], &[])), (vec![], owned(&[warning])));
}

#[test]
fn problems_come_in_the_order_of_files_and_lines() {
    let first = ("b.toml", "[[denial_reasons]]\ntitle = 'x'\n[[denial_reasons]]\ntitle = 'x'");
    let second = (
        "a.toml",
        "[[states]]\nentity = 'package'\nslug = 's'\nenum_value = '1'\nname = 'x'\n\
         [[cargo_companies]]\nslug = 'c'\nname = 'x'\nintegration = 'flow'",
    );
    let problems = load(&[first, second], &with(&[COMMANDS], &[])).expect_err("there are three");
    let places: Vec<_> = problems.iter().map(|it| (it.file.as_str(), it.line)).collect();
    assert_eq!(places, [("b.toml", 4), ("a.toml", 3), ("a.toml", 9)]);
}

// ── Transfers ──────────────────────────────────────────────────────────────────────────────────

/// The sound installation with transfers: a transferable rule, the states and the commands they need.
fn with_transfers() -> String {
    let state = |entity: &str, slug: &str, value: &str, last: bool| {
        format!(
            "[[states]]\nentity = '{entity}'\nslug = '{slug}'\nenum_value = '{value}'\nname = 'x'\nfinal = {last}\n"
        )
    };
    let transition = |entity: &str, command: &str, source: &str, destination: &str| {
        format!(
            "[[transitions]]\nentity = '{entity}'\ncommand = '{command}'\nsource = '{source}'\n\
             destination = '{destination}'\nlabel = 'x'\n"
        )
    };
    let added = [
        "transferable = true\n".to_owned(),
        "[[scenarios]]\nname = 'Sources'\nkind = 'transfer'\npriority = 1\ndefault_location = '369'\n".to_owned(),
        "[[scenarios.rules]]\nname = 'Any'\nconditions = []\n".to_owned(),
        state("package", "waiting-for-transfer", "120", false),
        state("transfer", "waiting", "waiting", false),
        state("transfer", "in_transit", "in_transit", false),
        state("transfer", "transferred", "transferred", true),
        state("transfer", "cancelled", "cancelled", true),
        transition("transfer", "TRANSFER_DISPATCH", "waiting", "in_transit"),
        transition("transfer", "TRANSFER_DELIVERED", "in_transit", "transferred"),
        transition("transfer", "TRANSFER_ITEM_NOT_FOUND", "waiting", "cancelled"),
        transition("package", "CANCEL_PACKAGE", "waiting-for-transfer", "packaging-canceled"),
    ];
    format!("{SOUND}{}", added.concat())
}

/// Asserts that the installation with transfers, changed, has exactly one problem, in these words.
#[track_caller]
fn refused_of_transfers(from: &str, to: &str, problem: &str) {
    let text = with_transfers();
    assert!(text.contains(from), "{from:?} is in the text");
    let (problems, _) = findings(&text.replacen(from, to, 1), &with(&[COMMANDS, TRANSFERS], &[]));
    assert!(problems.len() == 1 && problems[0].contains(problem), "{problems:#?}");
}

#[test]
fn an_installation_with_transfers_is_sound() {
    assert_eq!(findings(&with_transfers(), &with(&[COMMANDS, TRANSFERS], &[])), (vec![], vec![]));
}

#[test]
fn a_transfers_code_is_one_of_its_words() {
    refused_of_transfers(
        "enum_value = 'in_transit'",
        "enum_value = 'lost'",
        "states.enum_value: `lost` is no word of transfers — write one of waiting, ready_to_shipment",
    );
}

#[test]
fn only_transfers_let_a_package_wait_for_them_and_go_on() {
    let by_hand = |source: &str, destination: &str| {
        format!(
            "[[transitions]]\nentity = 'package'\ncommand = 'PKG_STATE_TRANSITION'\nsource = '{source}'\n\
             destination = '{destination}'\nlabel = 'x'\n[[cargo_companies]]"
        )
    };
    refused_of_transfers(
        "[[cargo_companies]]",
        &by_hand("waiting", "waiting-for-transfer"),
        "transitions.destination: a package is in `waiting-for-transfer` because of its transfers alone",
    );
    refused_of_transfers(
        "[[cargo_companies]]",
        &by_hand("waiting-for-transfer", "waiting"),
        "what a package in `waiting-for-transfer` lacks would not be there in `waiting`",
    );
    refused_of_transfers(
        "initial_state_when_split = \"waiting\"",
        "initial_state_when_split = \"waiting-for-transfer\"",
        "scenarios.initial_state_when_split: a package is in `waiting-for-transfer` because of its transfers alone",
    );
}

#[test]
fn a_transfer_ends_by_not_found_and_by_nothing_else() {
    refused_of_transfers(
        "destination = 'in_transit'",
        "destination = 'cancelled'",
        "transitions.destination: TRANSFER_DISPATCH does not end a transfer",
    );
    refused_of_transfers(
        "source = 'waiting'\ndestination = 'cancelled'",
        "source = 'waiting'\ndestination = 'transferred'",
        "transitions.destination: after TRANSFER_ITEM_NOT_FOUND a transfer is over — write `cancelled`",
    );
}

#[test]
fn what_is_cancelled_on_its_way_is_booked_in_at_one_end_or_the_other_and_nothing_else_becomes_of_it() {
    let on_the_way =
        "[[states]]\nentity = 'transfer'\nslug = 'turned'\nenum_value = 'cancelled_in_transit'\nname = 'x'\n";
    let way = |command: &str, source: &str, destination: &str| {
        format!(
            "[[transitions]]\nentity = 'transfer'\ncommand = '{command}'\nsource = '{source}'\n\
             destination = '{destination}'\nlabel = 'x'\n"
        )
    };
    let ways = way("TRANSFER_DELIVERED", "turned", "transferred") + &way("TRANSFER_RETURNED", "turned", "cancelled");
    let sound = format!("{}{on_the_way}{ways}", with_transfers());
    assert_eq!(findings(&sound, &with(&[COMMANDS, TRANSFERS], &[])), (vec![], vec![]));
    for ((command, source, destination), problem) in [
        (("TRANSFER_DISPATCH", "turned", "in_transit"), "has ended, and TRANSFER_DISPATCH is for one that waits"),
        (("TRANSFER_ITEM_NOT_FOUND", "turned", "cancelled"), "and TRANSFER_ITEM_NOT_FOUND is for one that waits"),
        (("TRANSFER_DELIVERED", "in_transit", "turned"), "is in `cancelled_in_transit` because its package has ended"),
        (("TRANSFER_DELIVERED", "turned", "in_transit"), "what arrives is on the shelf of the destination"),
        (("TRANSFER_RETURNED", "in_transit", "cancelled"), "is for transfers whose package has ended"),
        (("TRANSFER_RETURNED", "turned", "transferred"), "after TRANSFER_RETURNED a transfer is over"),
    ] {
        let text = format!("{sound}{}", way(command, source, destination));
        let (problems, _) = findings(&text, &with(&[COMMANDS, TRANSFERS], &[]));
        assert!(problems.iter().any(|told| told.contains(problem)), "{command} {source} {destination}: {problems:#?}");
    }
}

#[test]
fn a_transferable_rule_needs_its_states_and_somebody_to_say_where_from() {
    let no_cancelled = with_transfers()
        .replace("slug = 'cancelled'", "slug = 'given-up'")
        .replace("destination = 'cancelled'", "destination = 'given-up'");
    let (problems, _) = findings(&no_cancelled, &with(&[COMMANDS, TRANSFERS], &[]));
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("transfers need the transfer state `cancelled`, which is not there"), "{problems:?}");
    let text =
        with_transfers().replace("kind = 'transfer'", "kind = 'distribution'\ninitial_state_when_split = 'waiting'");
    let (problems, warnings) = findings(&text, &with(&[COMMANDS, TRANSFERS], &[]));
    assert_eq!(problems, owned(&[]));
    assert!(warnings.len() == 1 && warnings[0].contains("nothing says where to fetch from"), "{warnings:?}");
    refused_of_transfers(
        "name = 'Any'\nconditions = []\n",
        "name = 'Any'\nconditions = []\ntransferable = true\n",
        "a source has what it sends, nothing is fetched for it",
    );
}
