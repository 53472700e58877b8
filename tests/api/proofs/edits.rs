//! Edits by hand, each on the same shop, each found.

use super::{lively, prove};

/// What is done to the database, the check that finds it, and what it tells.
const EDITS: &[(&str, &str, &str)] = &[
    // ---- packages and what is in them
    (
        "delete from package_items where package_id = (select id from packages where number = 'N3P1') and id = (select max(id) from package_items where package_id = (select id from packages where number = 'N3P1'))",
        "order-lines",
        "order N3: line 2 (GREEN): 3 units are ordered, and no package has them",
    ),
    (
        "delete from reservations where package_item_id = 1; delete from package_items where id = 1; update stocks set reserved = reserved - 2 where sku = 'RED'",
        "order-lines",
        "order N1: line 1 (RED): 2 units are ordered, and no package has them",
    ),
    (
        "alter table package_replacements disable trigger all; delete from transition_logs where package_id = 1; delete from quota_ledger where package_id = 1; delete from reservations where package_item_id in (1, 2); delete from package_items where package_id = 1; delete from events where entity = 'package' and object_id = 1; delete from order_plans where package_id = 1; delete from packages where id = 1; alter table package_replacements enable trigger all",
        "package-numbers",
        "order N1: it counts 1 packages, and has 0",
    ),
    (
        "update order_items set quantity = quantity + 1 where id = 1",
        "order-lines",
        "order N1: line 1 (RED): 3 units are ordered, and its packages have 2",
    ),
    (
        "update package_items set quantity = quantity + 1 where id = 1",
        "order-lines",
        "order N1: line 1 (RED): 2 units are ordered, and its packages have 3",
    ),
    (
        "update package_items set order_item_id = 2 where id = 1",
        "order-lines",
        "order N1: line 2 (BLUE): 1 units are ordered, and its packages have 3",
    ),
    (
        "delete from shipments where package_id = (select id from packages where number = 'N3P1')",
        "package-told",
        "package N3P1: its shipment is gone",
    ),
    (
        "update shipments set tracking_number = 'X' where package_id = (select id from packages where number = 'N2P1')",
        "package-told",
        "package N2P1: its shipment",
    ),
    (
        "update packages set state_id = (select id from states where slug = 'packed') where number = 'N1P1'",
        "logs",
        "package N1P1: its state or place is not where its log ends",
    ),
    (
        "update packages set stock_location_id = (select id from stock_locations where erp_code = 'HQ') where number = 'N1P1'",
        "logs",
        "package N1P1: its state or place is not where its log ends",
    ),
    (
        "update package_items set state_id = (select id from states where slug = 'packed') where id = 1",
        "package-told",
        "package N1P1: its items are not those last told",
    ),
    (
        "update packages set invoice_number = 'B2' where invoice_number = 'A1'",
        "package-told",
        "its invoice is not the one last told",
    ),
    (
        "update packages set version = 0 where number = 'N3P1'",
        "log-dates",
        "package N3P1: its version is 0, and its log has 3 rows",
    ),
    (
        "update packages set created_date = created_date - interval '1 day' where number = 'N3P1'",
        "log-dates",
        "package N3P1: it was not created when its log begins",
    ),
    (
        "delete from package_replacements",
        "replacements",
        "it did not come with its order, and took over no other package",
    ),
    // ---- orders
    (
        "update orders set state_id = (select id from states where entity = 'order' and enum_value = '550') where number = 'N1'",
        "statuses",
        "order N1: it has a status that its lines have not: ",
    ),
    (
        "update order_items set state_id = (select id from states where entity = 'order' and enum_value = '550') where id = 1",
        "statuses",
        "order N1: line 1 (RED) has a status that nothing reports: ",
    ),
    (
        "update orders set package_count = 7 where number = 'N1'",
        "package-numbers",
        "order N1: it counts 7 packages, and has 1",
    ),
    (
        "update orders set occurrence = 2 where number = 'N1'",
        "order-identities",
        "order N1: there is number 2 of it, and none before",
    ),
    (
        "update orders set revision = 2 where number = 'N1'",
        "order-history",
        "order N1: it was changed 2 times, and 0 are kept",
    ),
    ("update orders set customer_last_name = 'Other' where number = 'N1'", "seals", "order N1: it is not as it came"),
    ("update orders set details = '{}' where number = 'N1'", "seals", "order N1: it is not as it came"),
    ("update order_items set price = 1 where id = 1", "seals", "order N1: line 1 (RED) is not as it came"),
    ("update order_items set product = '{}' where id = 1", "seals", "order N1: line 1 (RED) is not as it came"),
    // ---- quota and stock
    ("update stock_locations set quota = quota + 1 where erp_code = 'KADIKOY'", "quota", "location KADIKOY: quota is "),
    ("delete from quota_ledger where package_id = 1", "quota-ledger", "package N1P1: its ledger at KADIKOY sums to 0"),
    (
        "update stocks set reserved = reserved + 1 where sku = 'BLUE'",
        "reserved",
        "stock of BLUE at KADIKOY: reserved is ",
    ),
    (
        "delete from reservations where package_item_id = 1; update stocks set reserved = reserved - 2 where sku = 'RED'",
        "reservations",
        "package item 1 of N1P1: waits without a reservation",
    ),
    // ---- logs, events, plans
    (
        "delete from transition_logs where id = (select max(id) from transition_logs where package_id = (select id from packages where number = 'N3P1'))",
        "logs",
        "package N3P1: its state or place is not where its log ends",
    ),
    ("update transition_logs set user_id = null where package_id = 1", "seals", "package N1P1: log row "),
    (
        "update transition_logs set created_date = created_date + interval '1 hour' where package_id = 1",
        "log-dates",
        "package N1P1: ",
    ),
    (
        "update transition_records set parameters = '{\"a\": 1}', replacements = null",
        "seals",
        "what is recorded of log row ",
    ),
    (
        "update transfers set state_id = (select id from states where entity = 'transfer' and enum_value = 'transferred')",
        "logs",
        "its state or place is not where its log ends",
    ),
    (
        "update transfers set destination_location_id = (select id from stock_locations where erp_code = 'HQ')",
        "transfer-told",
        "its places are not those last told",
    ),
    (
        "update events set facts = '{}' where entity = 'package' and object_id = 1",
        "seals",
        "package N1P1: event 1 is not as it happened",
    ),
    (
        "delete from events where entity = 'package' and object_id = 1",
        "events",
        "package N1P1: it counts 1 events, has 0",
    ),
    ("delete from order_plans", "plans", "order N1: it has packages, and no plan"),
    ("update order_plans set facts = '{}', trace = '{}' where order_id = 1", "seals", "is not as it was made"),
    // ---- what could not go on
    (
        "update transitions set retired_date = now() where source_state_id = (select state_id from packages where number = 'N1P1')",
        "ways-out",
        "package N1P1: no transition leads out of its state waiting",
    ),
    (
        "insert into upstream_problems (reference, reason, payload, next_attempt_date) values ('X2', 'no lines', '{\"modified_date\": \"2020-01-01T00:00:00Z\"}', now())",
        "problems",
        "of order X2: it is open, and a later message was heard",
    ),
    ("update scenario_versions set definition = '{}'", "seals", "version 1 is not as it was written"),
    (
        "alter table order_plans disable trigger all; alter table scenario_versions disable trigger all; delete from scenario_versions",
        "scenario-versions",
        "it has no versions",
    ),
    ("update scenarios set rules = '[]'", "scenario-versions", "it is not as its latest version"),
    ("update installation set version = 0", "versions", "an event: it names version "),
    // ---- what no row says
    ("select setval('packages_id_seq', 1)", "sequences", "sequence packages_id_seq: its last number is 1, and "),
    ("select setval('event_ids', 1)", "sequences", "sequence event_ids: its last number is 1, and "),
    (
        "alter table transition_logs drop constraint transition_logs_legal_move",
        "schema",
        "constraint transition_logs.transition_logs_legal_move: it is missing",
    ),
    (
        "drop trigger audited on users; drop trigger audit_is_kept on audit",
        "schema",
        "trigger users.audited: it is missing",
    ),
    ("alter table users disable trigger audited", "schema", "trigger users.audited: it is: "),
    ("alter table orders disable trigger all", "schema", "(not enforced); it should be: "),
    ("drop index packages_order_id_idx", "schema", "index packages_order_id_idx: it is missing"),
    (
        "alter table stocks drop constraint stocks_quantity_check",
        "schema",
        "constraint stocks.stocks_quantity_check: it is missing",
    ),
    (
        "alter table stocks alter column reserved drop not null",
        "schema",
        "column stocks.reserved: it is: bigint default 0; it should be: bigint not null default 0",
    ),
    (
        "create or replace function event_horizon() returns bigint language sql stable as 'select 0::bigint'",
        "schema",
        "function event_horizon(): it is: ",
    ),
    ("alter sequence packages_id_seq increment by 2", "schema", "sequence packages_id_seq: it is: "),
];

#[tokio::test]
async fn every_edit_by_hand_is_found() {
    let shop = lively().await;
    let mut connection = shop.pool().acquire().await.expect("a connection");
    let mut transaction = connection.begin().await.expect("begun");
    assert_eq!(prove(&mut transaction).await.faults, [], "before any edit");
    transaction.rollback().await.expect("rolled back");
    let mut missed = Vec::new();
    for (edit, check, told) in EDITS {
        let mut transaction = connection.begin().await.expect("begun");
        sqlx::raw_sql(*edit).execute(&mut *transaction).await.expect(edit);
        let report = prove(&mut transaction).await;
        transaction.rollback().await.expect("rolled back");
        let lines: Vec<String> = report.faults.iter().map(|fault| format!("{}: {fault}", fault.check)).collect();
        if !report.faults.iter().any(|fault| fault.check == *check && fault.to_string().contains(told)) {
            missed.push(format!("{edit}\n    {check}: {told}\n    told: {lines:#?}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    drop(connection);
    // Sequences do not go back with a transaction.
    shop.abandon().await;
}
