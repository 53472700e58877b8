//! Lists as files.

use std::io::{Cursor, Read as _};

use serde_json::{Value, json};

use crate::support::{Reply, SHOP, STANDARD, Shop, TRANSFERS, order_json};

const PACKAGES: &str = "/api/v1/oms/packages/";
const SHORT: &str = "/api/v1/oms/packages/short/";
const STOCKS: &str = "/api/v1/oms/stocks/";

/// Header and rows of a CSV file, read as RFC 4180 says.
#[track_caller]
fn csv(reply: &Reply) -> Vec<Vec<String>> {
    assert_eq!((reply.status, reply.header("content-type")), (200, "text/csv; charset=utf-8"), "{}", reply.text());
    assert!(reply.text().ends_with("\r\n"));
    assert_eq!(reply.header("content-length"), reply.body.len().to_string());
    let mut reader = ::csv::ReaderBuilder::new().has_headers(false).from_reader(&reply.body[..]);
    reader.records().map(|row| row.expect("a row").iter().map(str::to_owned).collect()).collect()
}

/// The values of a column.
#[track_caller]
fn column(table: &[Vec<String>], name: &str) -> Vec<String> {
    let index = table[0].iter().position(|header| header == name).unwrap_or_else(|| panic!("{name}: {:?}", table[0]));
    table[1..].iter().map(|row| row[index].clone()).collect()
}

/// The XML of the only sheet of a workbook.
#[track_caller]
fn sheet(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.header("content-type"), "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
    let mut workbook = zip::ZipArchive::new(Cursor::new(&reply.body)).expect("a zip file");
    let mut text = String::new();
    workbook.by_name("xl/worksheets/sheet1.xml").expect("a sheet").read_to_string(&mut text).expect("UTF-8");
    text
}

#[tokio::test]
async fn a_spreadsheet_gets_semicolons_and_the_mark_of_utf_8_where_it_asks_for_them() {
    let shop = Shop::open().await;
    shop.package().await;
    let program = shop.get(&format!("{SHORT}?format=csv&separator=comma")).await;
    assert!(program.text().starts_with("id,number,"), "{}", program.text());
    let spreadsheet = shop.get(&format!("{SHORT}?format=csv&separator=semicolon")).await;
    assert_eq!(spreadsheet.header("content-length"), spreadsheet.body.len().to_string());
    assert!(spreadsheet.text().starts_with("\u{feff}id;number;"), "{}", spreadsheet.text());
    assert_eq!(spreadsheet.text().lines().count(), program.text().lines().count());
    for query in ["format=csv&separator=tab", "format=xlsx&separator=semicolon", "separator=semicolon"] {
        let messages = shop.get(&format!("{SHORT}?{query}")).await.wrong("separator");
        assert_eq!(messages, ["Choose comma or semicolon, for format=csv."], "{query}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_file_holds_the_whole_filtered_list_in_its_order() {
    let shop = Shop::open().await;
    for _ in 0..23 {
        shop.package().await;
    }
    shop.package().await.run("COMPLETE_PACKING").await.ok();
    let reply = shop.get(&format!("{SHORT}?format=csv&state__enum_value=100&sort=id")).await;
    assert_eq!(reply.header("content-disposition"), "attachment; filename=\"packages-short.csv\"");
    let table = csv(&reply);
    let numbers: Vec<String> = (1..=23).map(|number| format!("N{number}P1")).collect();
    assert_eq!(column(&table, "number"), numbers);
    assert_eq!(
        table[0],
        [
            "id",
            "number",
            "state",
            "stock_location",
            "stock_location_erp_code",
            "order",
            "order_number",
            "shipment",
            "packageitem_count",
            "created_date",
            "modified_date"
        ]
    );
    // A page of it where one is asked for.
    for (query, rows) in [("page=2", 4), ("limit=5", 5), ("page_size=10&page=3", 4), ("page=1", 20)] {
        assert_eq!(csv(&shop.get(&format!("{SHORT}?format=csv&{query}")).await).len() - 1, rows, "{query}");
    }
    assert_eq!(shop.get(&format!("{SHORT}?format=csv&page=9")).await.detail(404), "Invalid page.");
    // More than are read at a time.
    shop.put_stock(
        "select 'S' || lpad(n::text, 4, '0'), l.id, n from generate_series(1, 450) n, stock_locations l
          where l.erp_code = 'HQ'",
    )
    .await;
    let table = csv(&shop.get(&format!("{STOCKS}?format=csv&stock_location__erp_code=HQ")).await);
    let quantities: Vec<String> = (1..=450).map(|number: i64| number.to_string()).collect();
    assert_eq!(column(&table, "quantity"), quantities);
    shop.finish().await;
}

#[tokio::test]
async fn objects_are_columns_and_lists_are_values_beside_each_other() {
    let shop = Shop::open().await;
    let order = shop.order(&[("RED", 1), ("BLUE", 2)]).await;
    let package = order.only_package();
    let single = shop.package().await;
    single.run("COMPLETE_PACKING").await.ok();
    let full = package.json().await;
    let table = csv(&shop.get(&format!("{PACKAGES}?format=csv&sort=id")).await);
    for (name, values) in [
        ("state.name", ["Waiting", "Packed"]),
        ("state.enum_value", ["100", "500"]),
        ("stock_location.erp_code", ["KADIKOY", "KADIKOY"]),
        ("packageitem_set.order_item.sku", ["RED; BLUE", "RED"]),
        ("packageitem_set.quantity", ["1; 2", "1"]),
        ("order.customer.first_name", ["Ayşe", "Ayşe"]),
        ("shipment.cargo_company.slug", ["", "manual"]),
        ("created_date", [full["created_date"].as_str().expect("a date"), ""]),
    ] {
        let column = column(&table, name);
        for (value, expected) in column
            .iter()
            .zip(values)
            .filter(|(_, expected)| name == "shipment.cargo_company.slug" || !expected.is_empty())
        {
            assert_eq!(value, expected, "{name}");
        }
    }
    assert!(table[0].iter().all(|name| !name.contains("commands") && name != "shipment"), "{:?}", table[0]);
    assert!(table.iter().all(|row| row.len() == table[0].len()));
    shop.finish().await;
}

#[tokio::test]
async fn nothing_in_a_file_is_a_formula_and_everything_survives() {
    let shop = Shop::open().await;
    let mut order = order_json("=1+1", &[("RED", 1)]);
    order["customer"] = json!({ "first_name": "@SUM(A1)", "last_name": "a \"quoted\",\r\nname", "phone": "+90 216",
                                "balance": "-5.00", "=evil": "\tx", "company": "a;=cmd|' /C calc'!A0",
                                "names": ["x", "+1", "y"] });
    order["notes"] = json!("-2+3+cmd|' /C calc'!A0");
    shop.order_of(&order).await;
    let table = csv(&shop.get("/api/v1/oms/orders/?format=csv").await);
    for (name, value) in [
        ("number", "'=1+1"),
        ("customer.first_name", "'@SUM(A1)"),
        ("customer.last_name", "a \"quoted\",\r\nname"),
        ("customer.phone", "'+90 216"),
        ("customer.balance", "-5.00"),
        ("customer.=evil", "'\tx"),
        ("customer.company", "a;'=cmd|' /C calc'!A0"),
        ("customer.names", "x; '+1; y"),
        ("notes", "'-2+3+cmd|' /C calc'!A0"),
    ] {
        assert_eq!(column(&table, name), [value], "{name}");
    }
    // A workbook says what is text, so nothing has to be changed.
    let sheet = sheet(&shop.get("/api/v1/oms/orders/?format=xlsx").await);
    assert!(sheet.contains("<t>=1+1</t>") && sheet.contains("<t>@SUM(A1)</t>") && !sheet.contains("<f>"), "{sheet}");
    shop.finish().await;
}

#[tokio::test]
async fn a_workbook_has_numbers_as_numbers_and_texts_as_texts() {
    let shop = Shop::open().await;
    let package = shop.order_of(&order_json("007", &[("RED", 1)])).await.only_package();
    for format in ["xlsx", "xls"] {
        let reply = shop.get(&format!("{SHORT}?format={format}")).await;
        assert_eq!(reply.header("content-disposition"), "attachment; filename=\"packages-short.xlsx\"");
        let sheet = sheet(&reply);
        assert!(sheet.contains(&format!("<c r=\"A2\"><v>{}</v></c>", package.id)), "{sheet}");
        assert!(sheet.contains("<c r=\"B2\" t=\"inlineStr\"><is><t>007P1</t></is></c>"), "{sheet}");
        assert_eq!(sheet.matches("<row ").count(), 2, "{sheet}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_list_of_nothing_is_an_empty_file() {
    let shop = Shop::open().await;
    let reply = shop.get(&format!("{PACKAGES}?format=csv")).await;
    assert_eq!((reply.status, reply.text()), (200, ""));
    assert_eq!(sheet(&shop.get(&format!("{PACKAGES}?format=xlsx")).await).matches("<row ").count(), 0);
    shop.finish().await;
}

#[tokio::test]
async fn every_list_can_be_had_as_a_file_by_whom_it_is_shown_to() {
    let shop = Shop::open().await;
    shop.install(&[STANDARD, SHOP, TRANSFERS]).await;
    shop.count("GEBZE", "PINK", 2).await;
    shop.order(&[("RED", 1), ("PINK", 1)]).await;
    let order = shop.fetched(&[("PINK", 1)]).await.json;
    let hook = json!({ "target_url": "https://example.com/", "event_type": "package.created",
                       "retry_countdown_config": { "choice": "fixed", "kwargs": { "seconds": 60 } } });
    shop.post_as("kadikoy", "/whisperer/hooks/", &hook).await.json(201);
    let plan = json!({ "event": { "type": "cancellation_plan.created", "uuid": "0" }, "payload": {
        "pk": 1, "plan_type": "refund", "order": { "pk": 1, "number": order["number"] } } });
    assert!(shop.post("/api/v1/oms/cancellation_plan/", &plan).await.status < 300);
    shop.execute(
        "insert into upstream_problems (reference, reason, payload, next_attempt_date) values ('1', 'it was broken', '{}', now());
         insert into upstream_calls (order_id, kind, package_id, path, payload) values (1, 'status', 1, '/', '{}');
         insert into hook_events (webhook_id, event_position, event_id, event_date, nth, uuid, entity, object_id, sequence,
                                  retry_count, response_http_status)
         values (1, 1, 1, now(), 0, gen_random_uuid(), 'package', 1, 1, 1, 500);
         insert into hook_events (webhook_id, event_position, event_id, event_date, nth, uuid, entity, object_id, sequence)
         values (1, 1, 1, now(), 1, gen_random_uuid(), 'package', 1, 1)",
    )
    .await;
    let ledger = format!("/api/v1/oms/stocklocations/{}/quota-ledger/", shop.location_id("KADIKOY").await);
    let document = oms::server::document();
    let sorted = |item: &Value| {
        let parameters = item["get"]["parameters"].as_array();
        parameters.is_some_and(|parameters| parameters.iter().any(|parameter| parameter["name"] == "sort"))
    };
    // The ledger is another location's; versions have no id of their own; the audit has more than a page; the history of
    // stock is asked for by SKU, and has a test of its own.
    let lists = document["paths"].as_object().expect("paths").iter().filter(|(path, item)| {
        let apart = ["/quota-ledger/", "/versions/", "/audit/", "/stocks/history/"];
        sorted(item) && !apart.iter().any(|end| path.ends_with(end))
    });
    for path in lists.map(|(path, _)| path.replace("{id}", "1")).chain([ledger]) {
        // What the upstream is told is no business of a store's.
        let other = match path.as_str() {
            path if path.contains("/upstream/") => "erp",
            // For admins.
            "/api/v1/auth/users/" => "admin",
            _ => "kadikoy",
        };
        for user in ["admin", other] {
            let page = shop.get_as(user, &path).await.ok();
            let rows: Vec<Value> = page["results"].as_array().expect("results").clone();
            let table = csv(&shop.get_as(user, &format!("{path}?format=csv")).await);
            assert!(!rows.is_empty(), "{path} {user}");
            assert_eq!(table.len() - 1, rows.len(), "{path} {user}");
            let first = if rows[0].get("id").is_some() { "id" } else { "sku" };
            let values: Vec<String> =
                rows.iter().map(|row| row[first].as_str().map_or(row[first].to_string(), str::to_owned)).collect();
            assert_eq!(column(&table, first), values, "{path} {user}");
            let sheet = sheet(&shop.get_as(user, &format!("{path}?format=xlsx")).await);
            assert_eq!(sheet.matches("<row ").count() - 1, rows.len(), "{path} {user}");
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_list_too_long_for_a_file_is_refused_and_says_what_to_do() {
    let shop = Shop::open().await;
    shop.put_stock(
        "select 'S' || n, l.id, 1 from generate_series(1, 50001) n, stock_locations l where l.erp_code = 'HQ'",
    )
    .await;
    let messages = shop.get(&format!("{STOCKS}?format=csv")).await.wrong("format");
    assert!(messages[0].contains("50004 rows") && messages[0].contains("50000 at most"), "{messages:?}");
    // The longest there may be, and a page of it.
    shop.forget_stock("sku = 'S1'").await;
    let mut skus: Vec<String> = (2..=50_001).map(|number| format!("S{number}")).collect();
    skus.sort_unstable();
    let hq = format!("{STOCKS}?stock_location__erp_code=HQ");
    assert!(column(&csv(&shop.get(&format!("{hq}&format=csv")).await), "sku") == skus, "each once, in order");
    assert_eq!(column(&csv(&shop.get(&format!("{hq}&format=csv&limit=3&page=4")).await), "sku"), skus[9..12]);
    let part = csv(&shop.get(&format!("{hq}&format=csv&limit=30000&page=2")).await);
    assert!(column(&part, "sku") == skus[30_000..], "the rest, in order");
    let last = shop.get(&format!("{hq}&limit=100&page=500")).await.ok();
    assert_eq!((&last["count"], &last["results"][99]["sku"]), (&json!(50_000), &json!(skus[49_999])));
    shop.finish().await;
}

#[tokio::test]
async fn a_format_that_is_none_is_refused_and_one_object_is_no_list() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    for format in ["html", "xml", "CSV", "pdf"] {
        let messages = shop.get(&format!("{PACKAGES}?format={format}")).await.wrong("format");
        assert_eq!(messages, [format!("{format} is not offered; use json, csv or xlsx.")]);
    }
    assert_eq!(shop.get(&format!("{PACKAGES}?format=")).await.ok()["count"], 1);
    assert_eq!(shop.get(&format!("{}?format=csv", package.path())).await.wrong("format").len(), 1);
    // What is wrong with a list is said in JSON, whatever the format.
    assert_eq!(shop.get(&format!("{PACKAGES}?format=csv&id__gt=x")).await.wrong("id__gt").len(), 1);
    shop.finish().await;
}

#[tokio::test]
async fn files_at_once_take_turns() {
    let shop = Shop::open().await;
    shop.package().await;
    let path = format!("{PACKAGES}?format=xlsx");
    let replies = crate::support::join((0..40).map(|_| shop.get(&path))).await;
    for reply in replies {
        assert_eq!(sheet(&reply).matches("<row ").count(), 2);
    }
    shop.finish().await;
}
