use super::*;
use crate::scenarios::rules::{Condition, OrderBy};
use crate::{cargo::Integration, locations::LocationType};

const STANDARD: &str = include_str!("../../../installations/standard.toml");
const DEMO: &str = include_str!("../../../installations/demo.toml");

/// What reading a text complains about, a line each.
fn complaints(text: &str) -> Vec<String> {
    match Installation::parse(text) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn read(text: &str) -> Installation {
    Installation::parse(text).expect("it is sound")
}

/// The example of the format's own description, with every optional key.
const WHOLE: &str = r#"
[[states]]
entity = "package"
id = 33
slug = "waiting"
enum_value = "100"
name = "Waiting"
translations = { "tr-tr" = "Bekliyor" }
occupies_quota = true
final = false

[[transitions]]
id = 333
entity = "package"
command = "COMPLETE_PACKING"
source = "waiting"
destination = "packed"
otherwise = "blocked"
slug = "pack-it"
label = "Pack"
translations = { "tr-tr" = "Paketle" }
ui_visibility = ["oms_web", "instore", "third_party"]
roles = ["store", "operator", "admin"]

[transitions.parameters]
sync_remote_order_status = false
remote_bill_fulfillment_call = true
remote_invoice_call = { remote_url = "https://i.example", timeouts = { read = 10 }, tries = [1, 2.5] }

[[stock_locations]]
erp_code = "369"
name = "Kadikoy Store"
type = "store"
priority = 10
max_quota = 1_000
latitude = 40.99
longitude = 29
cargo_company = "manual"
address = { line = "Moda 1", postcode = "34710", city = "Istanbul", country = "Türkiye" }
phone = "+90 216 000 0000"
email = "kadikoy@example.com"
is_active = false

[[cargo_companies]]
slug = "manual"
name = "Own courier"
integration = "manual"

[[denial_reasons]]
title = "Item is damaged"

[[scenarios]]
name = "Standard"
description = "Everything"
priority = 1
is_active = false
channels = ["web"]
shipping = ["standard"]
payments = ["credit_card"]
default_location = "369"
initial_state_when_split = "waiting"
[[scenarios.rules]]
name = "Nearest store with room"
conditions = ["SELECT_BY_STOCK", "SELECT_BY_QUOTA"]
order_by = ["distance", "priority", "available_quota"]
"#;

#[test]
fn reads_every_key() {
    let installation = read(WHOLE);
    let state = &installation.states[0];
    assert_eq!((state.entity, state.id), (Entity::Package, Some(33)));
    assert_eq!((state.slug.as_str(), state.enum_value.as_str()), ("waiting", "100"));
    assert_eq!((state.name.as_str(), state.translations["tr-tr"].as_str()), ("Waiting", "Bekliyor"));
    assert_eq!((state.occupies_quota, state.is_final), (Some(true), false));

    let transition = &installation.transitions[0];
    assert_eq!(transition.id, Some(333));
    assert_eq!(transition.command, "COMPLETE_PACKING");
    assert_eq!(transition.outcomes().collect::<Vec<_>>(), ["packed", "blocked"]);
    assert_eq!(transition.slug(), "pack-it");
    assert_eq!(transition.label, "Pack");
    assert_eq!(transition.ui_visibility, Interface::ALL);
    assert_eq!(transition.roles, Some(vec![Role::Store, Role::Operator, Role::Admin]));
    assert_eq!(
        serde_json::to_value(&transition.parameters).expect("JSON"),
        serde_json::json!({
            "sync_remote_order_status": false,
            "remote_bill_fulfillment_call": true,
            "remote_invoice_call": {
                "remote_url": "https://i.example", "timeouts": { "read": 10 }, "tries": [1, 2.5]
            }
        })
    );

    let entry = &installation.stock_locations[0];
    let location = &entry.record;
    assert_eq!(location.stock_location_type, LocationType::Store);
    assert_eq!((location.priority, location.max_quota), (10, Some(1000)));
    assert_eq!(location.coordinates(), Some((40.99, 29.0)));
    assert_eq!(location.city(), Some("Istanbul"));
    assert_eq!(location.daytime_phone.as_deref(), Some("+90 216 000 0000"));
    assert_eq!(location.email.as_deref(), Some("kadikoy@example.com"));
    assert!(!location.is_active);
    let company = installation.cargo_company_of(entry).expect("a carrier");
    assert_eq!((company.slug.as_str(), company.integration), ("manual", Integration::Manual));
    assert_eq!(installation.denial_reasons[0].record.title, "Item is damaged");

    let scenario = &installation.scenarios[0].definition;
    assert_eq!((scenario.priority, scenario.is_active), (1, false));
    assert_eq!(scenario.description.as_deref(), Some("Everything"));
    assert_eq!(scenario.channels, ["web"]);
    assert_eq!(scenario.shipping, ["standard"]);
    assert_eq!(scenario.payments, ["credit_card"]);
    let rule = &scenario.rules[0];
    assert_eq!(rule.conditions, [Condition::SelectByStock, Condition::SelectByQuota]);
    let order = [OrderBy::Distance, OrderBy::Priority, OrderBy::AvailableQuota];
    assert_eq!(rule.order_by, order);
}

#[test]
fn keeps_the_line_of_every_entry_and_key() {
    let installation = read(WHOLE);
    let at = &installation.transitions[0].at;
    assert_eq!((at.line, at.line_of("command"), at.line_of("nothing")), (12, 15, 12));
    let at = &installation.scenarios[0].at;
    assert_eq!((at.line, at.line_of("rules[0]"), at.line_of("rules[0].order_by")), (52, 62, 65));
    assert_eq!(at.section, "scenarios");
}

#[test]
fn fills_in_what_is_left_out() {
    let installation = read(
        r#"
        [[transitions]]
        entity = "package"
        command = "REPACK"
        source = "out-of-stock"
        destination = "waiting"
        label = "Plan again"
        [[stock_locations]]
        erp_code = "1"
        name = "One"
        type = "warehouse"
        priority = 1
        latitude = 0
        longitude = 0.0
        "#,
    );
    let transition = &installation.transitions[0];
    assert_eq!(transition.ui_visibility, Interface::ALL);
    assert_eq!((&transition.roles, &transition.otherwise), (&None, &None));
    assert_eq!(transition.parameters, CommonParameters::default());
    let entry = &installation.stock_locations[0];
    assert_eq!((entry.record.max_quota, entry.record.is_active), (None, true));
    assert_eq!(installation.cargo_company_of(entry), None);
}

#[test]
fn derives_the_slug_in_lower_case_and_keeps_other_alphabets() {
    let transition = |source: &str, destination: &str| {
        let text = format!(
            "[[transitions]]\nentity = 'package'\ncommand = 'PKG_STATE_TRANSITION'\nlabel = 'x'\n\
             source = '{source}'\ndestination = '{destination}'"
        );
        read(&text).transitions[0].slug()
    };
    assert_eq!(
        transition("uzaktan-eylem-bekleniyor", "hazırlanıyor"),
        "package__pkg_state_transition__uzaktan-eylem-bekleniyor__hazırlanıyor"
    );
    assert_eq!(
        transition("Waiting", "packaging-canceled"),
        "package__pkg_state_transition__waiting__packaging-canceled"
    );
}

#[test]
fn quota_is_occupied_by_numbers_below_400_unless_the_file_says_otherwise() {
    let occupies = |entity: &str, slug: &str, value: &str, says: &str| {
        let text =
            format!("[[states]]\nentity = '{entity}'\nslug = '{slug}'\nenum_value = '{value}'\nname = 'x'\n{says}");
        read(&text).states[0].occupies_quota()
    };
    assert!(occupies("package", "preparing", "399", ""));
    assert!(occupies("package", "somehow-waiting", "50", ""));
    assert!(!occupies("package", "ready-for-packaging", "400", ""));
    assert!(!occupies("package", "in_transit", "in_transit", ""));
    assert!(occupies("package", "cancellation-waiting", "cancellation", ""));
    assert!(!occupies("package", "preparing", "200", "occupies_quota = false"));
    assert!(occupies("package", "packed", "500", "occupies_quota = true"));
    assert!(!occupies("order", "canceled", "100", ""));
    assert!(!occupies("transfer", "waiting", "waiting", ""));
}

#[test]
fn files_are_one_installation_and_problems_name_theirs() {
    let files = [("standard.toml", STANDARD), ("demo.toml", DEMO)];
    let installation = Installation::parse_files(&files).expect("both are sound");
    let names: Vec<&str> = installation.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["standard.toml", "demo.toml"]);
    assert_eq!(installation.stock_locations.len(), 6);
    assert_eq!(installation.stock_locations[0].at.to_string(), "demo.toml, line 13");

    let broken = [("a.toml", "x = 1"), ("b.toml", "\n[[denial_reasons]]"), ("c.toml", "")];
    let problems = Installation::parse_files(&broken).expect_err("two are not");
    let told: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "a.toml, line 1: x: there is no such key — write one of states, transitions, \
             stock_locations, cargo_companies, denial_reasons, cargo_company_conditions, \
             sender_addresses, cancellation_reasons, scenarios, inventory, invoice_services, moved, time_zone",
            "b.toml, line 2: denial_reasons.title: is missing — add `title = …`",
        ]
    );
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_nearest_one() {
    let text = WHOLE.replace("label = \"Pack\"", "lable = \"Pack\"");
    assert_eq!(
        complaints(&text),
        [
            "line 12: transitions.label: is missing — add `label = …`",
            "line 20: transitions.lable: there is no such key — did you mean `label`? (one of \
             entity, id, command, source, destination, otherwise, slug, label, translations, \
             ui_visibility, roles, parameters)",
        ]
    );
}

#[test]
fn unknown_keys_of_inner_tables_and_of_the_file_are_refused() {
    let text = WHOLE
        .replace("sync_remote_order_status = false", "sync_remote = false")
        .replace("city = ", "town = ")
        .replace("[[denial_reasons]]", "[[denial_reason]]");
    assert_eq!(
        complaints(&text),
        [
            "line 26: transitions.parameters.sync_remote: there is no such key — write one of \
             sync_remote_order_status, remote_bill_fulfillment_call, remote_invoice_call",
            "line 39: stock_locations.address.town: there is no such key — write one of line, \
             postcode, township, city, country",
            "line 49: denial_reason: there is no such key — did you mean `denial_reasons`? (one \
             of states, transitions, stock_locations, cargo_companies, denial_reasons, \
             cargo_company_conditions, sender_addresses, cancellation_reasons, scenarios, inventory, invoice_services, moved, time_zone)",
        ]
    );
}

#[test]
fn texts_are_read_as_requests_read_them_without_blanks_around_and_with_line_breaks_where_both_write() {
    let text = WHOLE
        .replace("name = \"Waiting\"", "name = \" Waiting \\n\"")
        .replace("title = \"Item is damaged\"", "title = \"\"\"\nItem is\ndamaged\n\"\"\"");
    let installation = read(&text);
    assert_eq!(installation.states[0].name, "Waiting");
    assert_eq!(installation.denial_reasons[0].record.title, "Item is\ndamaged");
}

/// Each defect on its own: what is written instead of what, and what is then said.
const DEFECTS: &[(&str, &str, &str)] = &[
    ("id = 33\n", "id = 0\n", "line 4: states.id: 0 is out of range — write a number from 1 to 2147483647"),
    (
        "id = 333",
        "id = 0x1_0000_0000",
        "line 13: transitions.id: 0x100000000 is out of range — write a number from 1 to 2147483647",
    ),
    ("id = 33\n", "id = \"33\"\n", "line 4: states.id: must be a whole number, not a text — write it without quotes"),
    (
        "enum_value = \"100\"",
        "enum_value = 100",
        "line 6: states.enum_value: must be a text, not a whole number — write it in quotes",
    ),
    ("name = \"Waiting\"", "name = \"  \"", "line 7: states.name: is empty — write a text, or leave the key out"),
    (
        "name = \"Waiting\"",
        "name = \"Wait\\ning\"",
        "line 7: states.name: has a line break in it — write it on one line",
    ),
    (
        "slug = \"waiting\"",
        "slug = \"just waiting\"",
        "line 5: states.slug: `just waiting` has a blank in it — write `just-waiting`",
    ),
    (
        "\"tr-tr\" = \"Bekliyor\"",
        "\"tr-TR\" = \"Bekliyor\"",
        "line 8: states.translations.tr-TR: is no language code — write it like `tr-tr`, in lower case",
    ),
    (
        "\"tr-tr\" = \"Bekliyor\"",
        "\"tr-tr\" = \"\"",
        "line 8: states.translations.tr-tr: is empty — write a text, or leave the key out",
    ),
    (
        "{ \"tr-tr\" = \"Bekliyor\" }",
        "\"Bekliyor\"",
        "line 8: states.translations: must be a table, not a text — write `{ \"tr-tr\" = \"…\" }`",
    ),
    (
        "final = false",
        "final = \"no\"",
        "line 10: states.final: must be true or false, not a text — write it without quotes",
    ),
    (
        "\nentity = \"package\"\nid",
        "\nentity = \"parcel\"\nid",
        "line 3: states.entity: `parcel` is not one of its words — write one of package, transfer, order",
    ),
    (
        "\"instore\", ",
        "\"in_store\", ",
        "line 22: transitions.ui_visibility: `in_store` is not one of its words — did you mean `instore`? (one of oms_web, instore, third_party)",
    ),
    (
        "\"instore\", ",
        "\"oms_web\", ",
        "line 22: transitions.ui_visibility: `oms_web` stands in it twice — name it once",
    ),
    (
        "[\"store\", \"operator\", \"admin\"]",
        "\"store\"",
        "line 23: transitions.roles: must be a list, not a text — write it in brackets: `[\"…\"]`",
    ),
    (
        "\"operator\", \"admin\"",
        "\"boss\"",
        "line 23: transitions.roles: `boss` is not one of its words — write one of integrator, store, operator, admin",
    ),
    (
        "sync_remote_order_status = false",
        "sync_remote_order_status = 0",
        "line 26: transitions.parameters.sync_remote_order_status: must be true or false, not a whole number — write it without quotes",
    ),
    (
        "type = \"store\"",
        "type = \"shop\"",
        "line 33: stock_locations.type: `shop` is not one of its words — write one of store, warehouse",
    ),
    (
        "priority = 10",
        "priority = 2_147_483_648",
        "line 34: stock_locations.priority: 2147483648 is out of range — write a number from -2147483648 to 2147483647",
    ),
    (
        "max_quota = 1_000",
        "max_quota = -1",
        "line 35: stock_locations.max_quota: -1 is out of range — write a number from 0 to 9223372036854775807",
    ),
    (
        "latitude = 40.99",
        "latitude = 90.01",
        "line 36: stock_locations.latitude: is no place on earth — write degrees from -90 to 90",
    ),
    (
        "longitude = 29",
        "longitude = nan",
        "line 37: stock_locations.longitude: is no place on earth — write degrees from -180 to 180",
    ),
    (
        "longitude = 29",
        "longitude = \"29\"",
        "line 37: stock_locations.longitude: must be a number, not a text — write it without quotes",
    ),
    (
        "integration = \"manual\"",
        "integration = \"post\"",
        "line 47: cargo_companies.integration: `post` is not one of its words — write one of manual, flow",
    ),
    (
        "[[denial_reasons]]\n",
        "[denial_reasons]\n",
        "line 49: denial_reasons: must be a list of tables, not a table — write each entry under its own `[[denial_reasons]]`",
    ),
    (
        "[\"web\"]",
        "[\"web\", 1]",
        "line 57: scenarios.channels: must be a text, not a whole number — write it in quotes",
    ),
    (
        "SELECT_BY_QUOTA",
        "SELECT_BY_QOTA",
        "line 64: scenarios.rules.conditions: `SELECT_BY_QOTA` is not one of its words — did you mean `SELECT_BY_QUOTA`? (one of SELECT_BY_STOCK, SELECT_BY_QUOTA, SELECT_BY_LOCATION_TYPE, SELECT_BY_TAG, SELECT_BY_SAME_CITY, SELECT_BY_SAME_COUNTRY, SELECT_BY_DISTANCE, SELECT_BY_OPENING_HOURS, SELECT_BY_NOT_REFUSED, SELECT_BY_PRODUCT_LOCATIONS, SELECT_BY_MAX_WEIGHT)",
    ),
    (
        "\"distance\"",
        "\"weather\"",
        "line 65: scenarios.rules.order_by: `weather` is not one of its words — write one of priority, distance, available_quota, available_quota_share, items_covered, open_packages",
    ),
];

#[test]
fn refuses_each_defect_of_shape() {
    for (from, to, expected) in DEFECTS {
        assert_eq!(WHOLE.matches(from).count().min(1), 1, "{from} is in the text");
        assert_eq!(complaints(&WHOLE.replacen(from, to, 1)), [*expected]);
    }
}

#[test]
fn a_text_that_is_too_long_is_refused() {
    let long = format!("[[denial_reasons]]\ntitle = \"{}\"", "x".repeat(501));
    let told = "line 2: denial_reasons.title: is longer than 500 characters — shorten it";
    assert_eq!(complaints(&long), [told]);
}

#[test]
fn several_defects_are_told_at_once_in_the_order_of_their_lines() {
    let text = "[[stock_locations]]\nerp_code = 1\npriority = 'x'\n[[states]]\nslug = ''\n";
    let lines: Vec<usize> =
        Installation::parse(text).expect_err("nothing is right in it").iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 1, 2, 3, 4, 4, 4, 5]);
}

#[test]
fn broken_toml_is_told_with_its_line() {
    let told = complaints("[[states]]\nslug = \"waiting\nname = \"Waiting\"\n");
    assert_eq!(told[0], "line 2: invalid basic string, expected `\"` — correct the TOML");
    let told = complaints("[[states]]\nslug = 'a'\nslug = 'b'\n");
    assert_eq!(told, ["line 3: duplicate key — correct the TOML"]);
}

mod no_text_breaks_the_reader {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Any damage is told or harmless; nothing panics.
        #[test]
        fn damaged(start in 0..WHOLE.len(), length in 0..40_usize, put in "[\\[\\]{}=\"'a-z0-9\n.]{0,6}") {
            let mut text: Vec<char> = WHOLE.chars().collect();
            let start = start.min(text.len());
            let end = (start + length).min(text.len());
            text.splice(start..end, put.chars());
            let text: String = text.into_iter().collect();
            if let Err(problems) = Installation::parse(&text) {
                let lines = text.lines().count() + 1;
                prop_assert!(!problems.is_empty());
                prop_assert!(problems.iter().all(|problem| (1..=lines).contains(&problem.line)));
            }
        }
    }
}
