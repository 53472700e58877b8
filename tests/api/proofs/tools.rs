//! `oms verify`, `oms doctor` and `oms repair`, as an operator runs them.

use serde_json::Value;

use super::lively;
use crate::support::Shop;

#[tokio::test]
async fn verify_reads_only_and_says_what_it_counted() {
    let shop = Shop::open().await;
    shop.package().await.run("COMPLETE_PACKING").await.ok();
    shop.execute_text(&format!("alter database {} set default_transaction_read_only = on", shop.database_name())).await;
    let (code, printed, said) = shop.oms(&["verify"]).await;
    assert_eq!((code, said.as_str()), (0, ""), "{printed}");
    assert!(printed.starts_with("in order: ") && printed.contains(" 1 packages, 1 items, "), "{printed}");
    let (code, printed, _) = shop.oms(&["verify", "--json"]).await;
    let report: Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!((code, &report["faults"]), (0, &serde_json::json!([])));
    let checks = report["checks"].as_array().expect("checks");
    assert!(checks.len() > 30 && checks.iter().all(|check| check["milliseconds"].is_u64()), "{printed}");
    shop.finish().await;
}

#[tokio::test]
async fn verify_tells_a_fault_with_its_check_and_its_remedy() {
    let shop = Shop::open().await;
    shop.package().await;
    shop.execute("update stock_locations set quota = 9 where erp_code = 'KADIKOY'").await;
    let (code, printed, _) = shop.oms(&["verify", "--json"]).await;
    let report: Value = serde_json::from_str(&printed).expect("JSON");
    let fault = &report["faults"][0];
    assert_eq!((code, &fault["check"], &fault["subject"]), (1, &"quota".into(), &"location KADIKOY".into()));
    assert_eq!(fault["remedy"], "oms repair counters");
    let (_, printed, _) = shop.oms(&["verify"]).await;
    assert!(
        printed.contains("its ledger sums to 1 (oms repair counters)\n") && printed.contains("\n1 fault: "),
        "{printed}"
    );
    shop.abandon().await;
}

#[tokio::test]
async fn counters_are_counted_again_and_the_audit_has_what_they_were() {
    let shop = lively().await;
    shop.execute(
        "update stock_locations set quota = quota + 3 where erp_code = 'KADIKOY';
         update stocks set reserved = reserved + 2 where sku = 'BLUE' and reserved > 0;
         update orders set package_count = 7 where number = 'N1'",
    )
    .await;
    let (code, planned, _) = shop.changes_nothing(shop.oms(&["repair", "counters"])).await;
    assert_eq!(code, 0);
    assert!(planned.contains("order N1: 7 packages -> 1 packages\n"), "{planned}");
    assert!(planned.ends_with("3 to repair; add --run to do it\n"), "{planned}");
    let (code, done, said) = shop.oms(&["repair", "counters", "--run"]).await;
    assert_eq!((code, done.lines().count()), (0, 4), "{done} {said}");
    let changes: Value = shop.value("select changes from audit where kind = $1", "repair").await;
    assert_eq!(changes["order N1"], serde_json::json!({ "from": "7 packages", "to": "1 packages" }));
    assert_eq!(shop.oms(&["repair", "counters", "--run"]).await.1, "nothing to repair\n");
    let (code, printed, _) = shop.oms(&["verify"]).await;
    assert_eq!(code, 0, "{printed}");
    shop.finish().await;
}

#[tokio::test]
async fn sequences_indexes_and_triggers_are_made_again() {
    let shop = lively().await;
    for (harm, what, fault) in [
        ("select setval('packages_id_seq', 1); select setval('event_ids', 2)", "sequences", "sequence packages_id_seq"),
        ("drop index packages_order_id_idx; drop index events_position_idx", "indexes", "index packages_order_id_idx"),
        (
            "update pg_index set indisvalid = false where indexrelid = 'orders_date_placed_idx'::regclass",
            "indexes",
            "index orders_date_placed_idx",
        ),
        (
            "alter table audit disable trigger audit_is_kept; drop trigger location_recorded_again on stock_locations;
             alter table orders disable trigger all",
            "triggers",
            "trigger audit.audit_is_kept",
        ),
    ] {
        shop.execute(harm).await;
        let (code, printed, _) = shop.oms(&["doctor"]).await;
        assert!(code == 1 && printed.contains(fault), "{harm}: {printed}");
        assert!(printed.contains(&format!(" -> oms repair {what}\n")), "{harm}: {printed}");
        // The role of the server owns the tables; a trigger of the system's own is a superuser's.
        let url = shop.database_url("postgres");
        let (code, done, said) = shop.oms_at(&url, &["repair", what, "--run"]).await;
        assert_eq!((code, said.as_str()), (0, ""), "{harm}: {done}");
        let (code, printed, _) = shop.oms(&["verify"]).await;
        assert_eq!(code, 0, "{harm}: {printed}");
    }
    let repairs: i64 = shop.value("select count(*) from audit where kind = $1", "repair").await;
    assert_eq!(repairs, 4);
    shop.finish().await;
}

#[tokio::test]
async fn the_doctor_says_what_is_wrong_and_what_to_do() {
    let shop = Shop::open().await;
    let (code, printed, said) = shop.changes_nothing(shop.oms(&["doctor"])).await;
    assert_eq!((code, said.as_str()), (0, ""), "{printed}");
    assert!(printed.lines().all(|line| line.starts_with("ok ")) && printed.lines().count() > 7, "{printed}");
    for (harm, line) in [
        ("update home set place = 'elsewhere'", "WRONG  home          a copy: its home is elsewhere, and this is "),
        (
            "update scenarios set is_active = false",
            "WRONG  installation  no scenario is active: every order is refused -> ",
        ),
        (
            "update upstream_cursor set failures = 3, last_error = 'no route'",
            "WRONG  upstream      3 polls failed, the last: no route -> ",
        ),
        (
            "insert into webhooks (user_id, event_type, target_url, retry_countdown_config, paused_date)
             select min(id), 'package.created', 'https://erp.example/', '{}', now() from users",
            "WRONG  webhooks      1 of 1 subscriptions are paused -> oms webhooks list",
        ),
        (
            "create unique index one_city on stock_locations (name)",
            "WRONG  schema        index one_city: no migration made it: ",
        ),
    ] {
        shop.execute(harm).await;
        let (code, printed, _) = shop.oms(&["doctor"]).await;
        assert!(code == 1 && printed.lines().any(|told| told.starts_with(line)), "{harm}: {printed}");
    }
    let (code, printed, _) = shop.oms(&["doctor", "--json"]).await;
    let findings: Value = serde_json::from_str(&printed).expect("JSON");
    let wrong = findings.as_array().expect("findings").iter().filter(|finding| finding["is_well"] == false);
    assert_eq!((code, wrong.filter(|finding| finding["remedy"].is_string()).count()), (1, 5), "{printed}");
    shop.abandon().await;
}

#[tokio::test]
async fn the_doctor_looks_at_a_database_that_other_commands_refuse() {
    let shop = Shop::open().await;
    shop.execute("insert into _sqlx_migrations select 9999, description, now(), success, checksum, 0 from _sqlx_migrations limit 1")
        .await;
    let (code, printed, _) = shop.oms(&["doctor"]).await;
    assert!(code == 1 && printed.contains("migration 9999 is of a newer oms -> run the newer oms"), "{printed}");
    shop.execute("delete from _sqlx_migrations where version in (9999, 31)").await;
    let (code, printed, _) = shop.oms(&["doctor"]).await;
    assert!(code == 1 && printed.contains("some are not applied -> oms migrate\n"), "{printed}");
    shop.abandon().await;
}
