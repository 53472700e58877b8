//! `oms simulate`: past orders planned by another scenario.

use serde_json::{Value, json};

use crate::support::{SHOP, STANDARD, Shop, TRANSFERS, order_json};

/// A file with a scenario of one rule.
fn scenario(rule: &str, more: &str) -> String {
    format!(
        "[[scenarios]]\nname = \"Other\"\npriority = 1\ndefault_location = \"HQ\"\n\
         initial_state_when_split = \"waiting\"\n{more}\n[[scenarios.rules]]\nname = \"r\"\n{rule}\n"
    )
}

struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("text").to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).expect("a file");
        path
    }
}

/// The numbers of a line of the report.
fn numbers(report: &str, name: &str) -> Vec<String> {
    let line = report.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}\n{report}"));
    line[name.len()..].split_whitespace().filter(|word| *word != "→").map(str::to_owned).collect()
}

async fn simulate(shop: &Shop, arguments: &[&str]) -> String {
    let days = ["simulate", "--from", "2024-05-01", "--to", "2024-05-01"];
    let all = [&days[..], arguments].concat();
    let (code, report, errors) = shop.changes_nothing(shop.oms(&all)).await;
    assert_eq!((code, errors.as_str()), (0, ""), "{report}");
    report
}

#[tokio::test]
async fn stored_orders_are_planned_again_on_the_stock_of_their_time() {
    let shop = Shop::open().await;
    let files = Files::new();
    shop.count("GEBZE", "RED", 9).await;
    shop.count("GEBZE", "PINK", 1).await;
    shop.limit("GEBZE", Some(0)).await;
    shop.order(&[("RED", 1)]).await;
    shop.order(&[("RED", 1), ("PINK", 1)]).await;
    // The same scenario changes nothing.
    let same = files.write(
        "same.toml",
        &scenario("conditions = [\"SELECT_BY_STOCK\", \"SELECT_BY_QUOTA\"]\norder_by = [\"priority\"]", ""),
    );
    let report = simulate(&shop, &["--scenario", &same]).await;
    assert!(report.starts_with("2 orders, 0 of them would go elsewhere\n"), "{report}");
    assert_eq!(numbers(&report, "packages per order"), ["1.000", "1.000", "0.000"]);

    // What happens later makes no difference to the stock of then.
    for sku in ["RED", "PINK"] {
        shop.count("GEBZE", sku, 0).await;
    }
    shop.limit("GEBZE", Some(50)).await;
    let other =
        files.write("other.toml", &scenario("conditions = [\"SELECT_BY_STOCK\"]", "splitting = { allowed = false }"));
    let html = files.path("report.html");
    let report = simulate(&shop, &["--scenario", &other, "--html", &html]).await;
    assert!(report.starts_with("2 orders, 1 of them would go elsewhere\n"), "{report}");
    assert_eq!(numbers(&report, "items without a place"), ["1", "0", "-1"]);
    assert_eq!(numbers(&report, "packages beyond a quota"), ["0", "1", "+1"]);
    assert_eq!(numbers(&report, "packages  "), ["2", "2", "0"]);
    assert_eq!(numbers(&report, "Kadıköy Store (KADIKOY)"), ["2", "1", "0", "0"]);
    assert_eq!(numbers(&report, "Gebze Warehouse (GEBZE)"), ["0", "1", "0", "1"]);
    let page = std::fs::read_to_string(&html).expect("a report");
    assert!(page.starts_with("<!doctype html>") && page.contains("other.toml") && page.contains("<svg"));
    let report = simulate(&shop, &["--scenario", &other, "--json"]).await;
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!((&report["orders"], &report["orders_elsewhere"]), (&json!(2), &json!(1)));
    assert_eq!(report["totals"]["items_without_a_place"], json!({ "before": 1.0, "after": 0.0 }));
    let gebze = report["locations"].as_array().expect("locations").iter().find(|one| one["erp_code"] == "GEBZE");
    assert_eq!(gebze.expect("GEBZE")["after"], json!({ "packages": 1, "items": 2, "beyond_quota": 1 }));

    // Another day has no orders.
    let (code, report, _) =
        shop.oms(&["simulate", "--from", "2024-05-02", "--to", "2024-06-01", "--scenario", &other]).await;
    assert!(code == 0 && report.starts_with("0 orders, 0 of them"), "{report}");
    shop.finish().await;
}

#[tokio::test]
async fn given_orders_are_planned_on_what_was_last_seen_before_them() {
    let shop = Shop::open().await;
    let files = Files::new();
    let placed = |number: &str, time: &str, lines: &[(&str, i64)]| {
        let mut order = order_json(number, lines);
        order["date_placed"] = json!(format!("2024-05-01T{time}:00Z"));
        order
    };
    // At ten there was RED at Kadıköy alone; at twelve at Gebze too.
    shop.order_of(&placed("1", "10:00", &[("RED", 1)])).await;
    shop.count("GEBZE", "RED", 9).await;
    let stored = placed("2", "12:00", &[("RED", 1)]);
    shop.order_of(&stored).await;
    // Of PINK no plan saw anything: what there is now counts.
    shop.count("BESIKTAS", "PINK", 5).await;
    let mut cancelled = placed("6", "13:00", &[("RED", 1)]);
    cancelled["status"] = json!("100");
    let orders: Vec<Value> = vec![
        placed("3", "11:00", &[("RED", 1)]),
        placed("4", "13:00", &[("RED", 1)]),
        placed("5", "13:00", &[("PINK", 1)]),
        stored,
        cancelled,
    ];
    let lines: Vec<String> = orders.iter().map(Value::to_string).collect();
    let orders = files.write("orders.ndjson", &lines.join("\n"));
    let rule = "conditions = [\"SELECT_BY_STOCK\", { condition = \"SELECT_BY_LOCATION_TYPE\", location_types = [\"warehouse\"] }]";
    let warehouses = files.write("warehouses.toml", &scenario(rule, ""));
    let report = simulate(&shop, &["--scenario", &warehouses, "--orders", &orders]).await;
    assert!(report.starts_with("4 orders, 4 of them would go elsewhere\n"), "{report}");
    assert_eq!(numbers(&report, "Kadıköy Store (KADIKOY)"), ["3", "0", "0", "0"]);
    assert_eq!(numbers(&report, "Gebze Warehouse (GEBZE)"), ["0", "2", "0", "0"]);
    assert_eq!(numbers(&report, "Beşiktaş Store (BESIKTAS)"), ["1", "0", "0", "0"]);
    assert_eq!(numbers(&report, "orders with such items"), ["0", "2", "+2"]);
    shop.finish().await;
}

#[tokio::test]
async fn orders_that_no_scenario_fits_are_told() {
    let shop = Shop::open().await;
    let files = Files::new();
    shop.order(&[("RED", 1)]).await;
    let file = files.write("app.toml", &scenario("conditions = []", "channels = [\"app\"]"));
    let report = simulate(&shop, &["--scenario", &file]).await;
    assert_eq!(numbers(&report, "orders no scenario fits"), ["0", "1", "+1"]);
    shop.finish().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_before_anything_is_done() {
    let shop = Shop::open().await;
    let files = Files::new();
    let sound = files.write("sound.toml", &scenario("conditions = []", ""));
    let wrong = files.write("wrong.toml", &scenario("conditions = [\"SELECT_BY_MOON\"]", ""));
    let nowhere = files.write("nowhere.toml", &scenario("conditions = []", "").replace("HQ", "QH"));
    let empty = files.write("empty.toml", "");
    let orders = files.write("orders.ndjson", "{}\n");
    for (from, to, arguments, part) in [
        (
            "2024-05-01",
            "2024-05-01",
            vec!["--scenario", &wrong],
            "line 9: scenarios.rules.conditions: `SELECT_BY_MOON`",
        ),
        ("2024-05-01", "2024-05-01", vec!["--scenario", &nowhere], "there is no location `QH`"),
        ("2024-05-01", "2024-05-01", vec!["--scenario", &empty], "The file has no active scenario to plan by."),
        ("2024-05-02", "2024-05-01", vec!["--scenario", &sound], "--to 2024-05-01 is before --from 2024-05-02"),
        (
            "2024-05-01",
            "2024-05-01",
            vec!["--scenario", &sound, "--orders", &orders],
            "line 1: number: This field is required.",
        ),
        ("2024-05-01", "2024-05-01", vec!["--scenario", "/nowhere.toml"], "/nowhere.toml"),
    ] {
        let all = [vec!["simulate", "--from", from, "--to", to], arguments].concat();
        let (code, report, errors) = shop.changes_nothing(shop.oms(&all)).await;
        assert_eq!((code, report.as_str()), (1, ""), "{errors}");
        assert!(errors.contains(part), "{errors}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn what_is_fetched_is_fetched_in_a_simulation_too() {
    let shop = Shop::open().await;
    shop.install(&[STANDARD, SHOP, TRANSFERS]).await;
    let files = Files::new();
    shop.count("GEBZE", "FAR", 2).await;
    assert_eq!(shop.fetched(&[("RED", 1), ("FAR", 2)]).await.transfers().await.len(), 1);
    shop.count("GEBZE", "FAR", 0).await;
    let same = files.write("same.toml", TRANSFERS);
    let report = simulate(&shop, &["--scenario", &same]).await;
    assert!(report.starts_with("1 orders, 0 of them would go elsewhere\n"), "{report}");
    // Where the file says nothing of sources, those of now send it.
    let gather = TRANSFERS.split("[[scenarios]]\nname = \"Sources\"").next().expect("the first scenario");
    let report = simulate(&shop, &["--scenario", &files.write("gather.toml", gather)]).await;
    assert!(report.starts_with("1 orders, 0 of them would go elsewhere\n"), "{report}");
    // What no store can send stays where it is, and the rest comes there.
    let stores = r#"{ condition = "SELECT_BY_LOCATION_TYPE", location_types = ["store"] }"#;
    let other = TRANSFERS.replace("conditions = [\"SELECT_BY_STOCK\"]", &format!("conditions = [{stores}]"));
    let report = simulate(&shop, &["--scenario", &files.write("other.toml", &other)]).await;
    assert!(report.starts_with("1 orders, 1 of them would go elsewhere\n"), "{report}");
    assert_eq!(numbers(&report, "Gebze Warehouse (GEBZE)"), ["0", "1", "0", "0"]);
    shop.finish().await;
}
