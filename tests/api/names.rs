//! Names that people read as the same are the same, at every door.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Shop, order_json, send_loosely};

const ORDERS: &str = "/api/v1/oms/orders/";
const STOCKS: &str = "/api/v1/oms/stocks/";
const LOCATIONS: &str = "/api/v1/oms/stocklocations/";

/// One name, as systems write it.
const WRITTEN: [&str; 5] =
    ["ÇAY 1", "C\u{327}AY 1", "\u{feff}ÇAY\u{a0}1\u{200b}", " \u{2066}ÇA\u{ad}Y 1\u{2069} ", "ÇAY 1\u{200e}\t"];

fn query(path: &str, name: &str, values: &[&str]) -> String {
    let pairs = values.iter().map(|value| (name, *value));
    format!("{path}?{}", form_urlencoded(pairs))
}

fn form_urlencoded<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let url = reqwest::Url::parse_with_params("http://localhost/", pairs).expect("a query");
    url.query().expect("a query").to_owned()
}

async fn numbers(shop: &Shop, path: &str) -> Vec<String> {
    let list = shop.get(path).await.ok();
    let number = |order: &Value| order["number"].as_str().expect("a number").to_owned();
    list["results"].as_array().expect("a list").iter().map(number).collect()
}

#[tokio::test]
async fn goods_meet_their_stock_however_their_name_is_written() {
    let shop = Shop::open().await;
    for (counted, number) in WRITTEN.iter().zip(1..) {
        shop.count("KADIKOY", counted, 10 * number).await;
        for ordered in WRITTEN {
            let package = shop.order(&[(ordered, 1)]).await.only_package();
            assert_eq!(package.json().await["stock_location"]["erp_code"], "KADIKOY", "{ordered:?} of {counted:?}");
        }
    }
    let skus: Vec<(String,)> = shop.rows("select sku from stocks where sku like 'Ç%' or sku like 'C%1%'").await;
    assert_eq!(skus, [("ÇAY 1".to_owned(),)]);
    shop.finish().await;
}

#[tokio::test]
async fn an_erp_counts_and_adjusts_by_names_as_people_read_them() {
    let shop = Shop::open().await;
    for code in WRITTEN {
        let count = json!({ "stock_location": "\u{200b}KADIKOY\u{a0}", "sku": code, "quantity": 7 });
        assert_eq!(shop.put(STOCKS, &count).await.ok(), json!({ "updated": 1 }));
        let adjusted = json!({ "erp_code": "KADIKOY\u{feff}", "sku": code, "delta": 1, "reason": "Found" });
        assert_eq!(shop.post(&format!("{STOCKS}adjust/"), &adjusted).await.ok()["updated"], 1);
        assert_eq!(shop.stock("KADIKOY", "ÇAY 1").await.0, 8, "{code:?}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn what_was_counted_from_a_file_is_found_by_an_order() {
    let shop = Shop::open().await;
    let file = "erp_code,sku,quantity\nKADIKOY\u{200b},C\u{327}AY 1\u{200b},4\n";
    let path = std::env::temp_dir().join(format!("{}.csv", shop.database_name()));
    std::fs::write(&path, file).expect("a file");
    let (code, _, said) = shop.oms(&["stock", "import", path.to_str().expect("a path")]).await;
    std::fs::remove_file(&path).expect("the file");
    assert_eq!(code, 0, "{said}");
    let package = shop.order(&[("ÇAY 1", 1)]).await.only_package();
    assert_eq!(package.json().await["stock_location"]["erp_code"], "KADIKOY");
    shop.finish().await;
}

#[tokio::test]
async fn an_order_sent_with_blanks_and_marks_around_its_number_is_the_same() {
    let shop = Shop::open().await;
    let mut order = order_json("\u{feff}S\u{327}-1\u{200b}", &[("RED", 1)]);
    let taken = shop.post(ORDERS, &order).await.json(201);
    assert_eq!(taken["number"], "Ş-1");
    order["number"] = json!(" Ş-1\u{a0}");
    assert_eq!(shop.post(ORDERS, &order).await.json(200)["id"], taken["id"]);
    for number in ["Ş-1", " Ş-1 ", "S\u{327}-1", "Ş-1\u{200b}"] {
        for path in [
            query(ORDERS, "number", &[number]),
            query(ORDERS, "number__in", &[number]),
            query("/api/v1/oms/packages/", "order__number", &[number]),
            query("/api/v1/oms/packages/", "order__number__in", &[number]),
        ] {
            assert_eq!(shop.get(&path).await.ok()["count"], 1, "{path}");
        }
        let path = query("/api/v1/oms/order-stock-info/", "order_number", &[number]);
        assert!(shop.get(&path).await.ok()["count"].as_i64() > Some(0), "{path}");
    }
    // Capital letters are others.
    assert_eq!(shop.get(&query(ORDERS, "number", &["ş-1"])).await.ok()["count"], 0);
    shop.finish().await;
}

#[tokio::test]
async fn a_name_with_a_comma_is_found_by_repeating_the_parameter() {
    let shop = Shop::open().await;
    for (number, sku) in [("1,5", "A,1"), ("1", "A"), ("5", "1"), ("7", "B")] {
        shop.count("KADIKOY", sku, 5).await;
        shop.order_of(&order_json(number, &[(sku, 1)])).await;
    }
    let of_skus = |skus: &'static [&'static str]| query("/api/v1/oms/packages/", "product_sku__in", skus);
    let count = async |path: String| shop.get(&path).await.ok()["count"].clone();
    assert_eq!(count(of_skus(&["A,1"])).await, 2);
    assert_eq!(count(of_skus(&["A,1", ""])).await, 1);
    assert_eq!(count(of_skus(&["A,1", "B"])).await, 2);
    assert_eq!(count(of_skus(&["A", "B", "A,1", "1"])).await, 4);
    assert_eq!(numbers(&shop, &query(ORDERS, "number__in", &["1,5", ""])).await, ["1,5"]);
    assert_eq!(numbers(&shop, &query(ORDERS, "number__in", &["1,5", "7\u{200b}"])).await, ["7", "1,5"]);
    // Ids of both.
    let ids: Vec<(i64,)> = shop.rows("select id from orders order by id").await;
    let ids: Vec<String> = ids.iter().map(|(id,)| id.to_string()).collect();
    let path = query(ORDERS, "pk__in", &[&format!("{},{}", ids[0], ids[1]), &ids[3]]);
    assert_eq!(shop.get(&path).await.ok()["count"], 3);
    shop.finish().await;
}

#[tokio::test]
async fn a_barcode_is_found_as_it_is_scanned_and_what_is_only_shown_stays_as_it_came() {
    let shop = Shop::open().await;
    let mut order = order_json("1", &[("RED", 1)]);
    order["orderitem_set"][0]["product"]["barcode"] = json!("\u{200b}869 1\u{a0}");
    order["orderitem_set"][0]["product"]["name"] = json!("C\u{327}ay \u{200d}seti");
    order["notes"] = json!("\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467} c\u{327}");
    order["shipping_address"]["line"] = json!("Yol\u{200b} 1");
    let taken = shop.post(ORDERS, &order).await.json(201);
    for barcode in ["869 1", "869\u{a0}1\u{200b}"] {
        let path = query("/api/v1/oms/packages/", "product_barcode", &[barcode]);
        assert_eq!(shop.get(&path).await.ok()["count"], 1, "{barcode:?}");
    }
    let shown = shop.get(&format!("{ORDERS}{}/", taken["id"])).await.ok();
    assert_eq!(
        (&shown["notes"], &shown["shipping_address"]["line"]),
        (&order["notes"], &order["shipping_address"]["line"])
    );
    let name: String = shop.value("select product->>'name' from order_items where $1", true).await;
    assert_eq!(json!(name), order["orderitem_set"][0]["product"]["name"]);
    shop.finish().await;
}

#[tokio::test]
async fn a_location_and_a_city_are_known_however_they_are_written() {
    let shop = Shop::open().await;
    let location = json!({ "erp_code": " C\u{327}ANKAYA\u{200b}", "name": "Çankaya", "stock_location_type": "store",
                           "address": { "city": "C\u{327}ankırı\u{200b}" }, "tags": ["C\u{327}ok\u{a0}hızlı"] });
    let made = shop.post(LOCATIONS, &location).await.json(201);
    assert_eq!((&made["erp_code"], &made["tags"]), (&json!("ÇANKAYA"), &json!(["Çok hızlı"])));
    let again = json!({ "erp_code": "ÇANKAYA\u{feff}", "name": "Another", "stock_location_type": "store" });
    let refused = shop.changes_nothing(shop.post(LOCATIONS, &again)).await;
    assert_eq!(refused.status, 400, "{}", refused.text());
    assert_eq!(shop.get(&query(LOCATIONS, "erp_code", &["C\u{327}ANKAYA"])).await.ok()["count"], 1);
    shop.count("ÇANKAYA", "RED", 3).await;
    shop.finish().await;
}

#[tokio::test]
async fn a_user_logs_in_by_the_name_that_people_read() {
    let shop = Shop::open().await;
    let user = json!({ "username": "Go\u{308}kc\u{327}e\u{200b}", "password": "a long word of 7 letters", "role": "operator" });
    assert_eq!(shop.post("/api/v1/auth/users/", &user).await.json(201)["username"], "Gökçe");
    let login = json!({ "username": " Gökçe\u{a0}", "password": "a long word of 7 letters" });
    assert!(shop.post("/api/v1/auth/login/", &login).await.ok()["key"].is_string());
    let (code, _, said) = shop.oms(&["token", "issue", "Go\u{308}kc\u{327}e"]).await;
    assert_eq!(code, 0, "{said}");
    shop.finish().await;
}

#[tokio::test]
async fn a_tracking_number_is_found_as_it_is_printed() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let slug = package.slug("SHIP_THE_PACKAGE_ADVANCED").await;
    let company: i64 = shop.value("select min(id) from cargo_companies where $1", true).await;
    let input = json!({ "tracking_number": "\u{200e}1Z\u{a0}999\u{200b}", "cargo_company": company });
    let command = json!({ "slug": slug, "input_parameters": input });
    let reply = send_loosely(shop.request_as("admin", Method::POST, &package.command_path()).json(&command)).await;
    assert!((200..300).contains(&reply.status), "{}", reply.text());
    assert_eq!(package.json().await["shipment"]["tracking_number"], "1Z 999");
    shop.finish().await;
}

#[tokio::test]
async fn a_number_with_an_exponent_is_no_name() {
    let shop = Shop::open().await;
    let number: Value = serde_json::from_str("8.69E+12").expect("a number");
    for (method, path, body) in [
        (Method::PUT, STOCKS, json!({ "stock_location": "KADIKOY", "sku": number, "quantity": 7 })),
        (Method::POST, ORDERS, {
            let mut order = order_json("1", &[("RED", 1)]);
            order["number"] = number.clone();
            order
        }),
        (Method::POST, ORDERS, {
            let mut order = order_json("1", &[("RED", 1)]);
            order["orderitem_set"][0]["product"]["barcode"] = number.clone();
            order
        }),
    ] {
        let request = shop.request_as("admin", method, path).json(&body);
        let refused = shop.changes_nothing(send_loosely(request)).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
    }
    shop.finish().await;
}

#[tokio::test]
async fn coordinates_of_nowhere_are_unknown_and_a_decimal_comma_is_read() {
    let shop = Shop::open().await;
    let path = format!("{LOCATIONS}{}/", shop.location_id("KADIKOY").await);
    let patched = async |latitude: Value, longitude: Value| {
        let change = json!({ "latitude": latitude, "longitude": longitude });
        send_loosely(shop.request_as("admin", Method::PATCH, &path).json(&change)).await
    };
    let found = patched(json!("39,93"), json!("32,86")).await.json(200);
    assert_eq!(
        (&found["address"]["latitude"], &found["address"]["longitude"]),
        (&json!("39.93000000"), &json!("32.86000000"))
    );
    for zero in [json!(0), json!("0,0"), json!("0.000000")] {
        let found = patched(zero.clone(), zero).await.json(200);
        assert_eq!((&found["address"]["latitude"], &found["address"]["longitude"]), (&json!(null), &json!(null)));
    }
    assert_eq!(patched(json!("39,93,1"), json!(1)).await.status, 400);
    for (latitude, longitude, kept) in [
        (json!("39,93"), json!("32,86"), Some(("39.93", "32.86"))),
        (json!("0"), json!(0), None),
        (json!(0), json!(9.5), Some(("0", "9.5"))),
    ] {
        let mut order = order_json(&latitude.to_string(), &[("RED", 1)]);
        order["number"] = json!(format!("{latitude} {longitude}"));
        order["shipping_address"]["latitude"] = latitude;
        order["shipping_address"]["longitude"] = longitude;
        let reply = send_loosely(shop.request_as("admin", Method::POST, ORDERS).json(&order)).await;
        let id = reply.json(201)["id"].as_i64().expect("an id");
        let row: (Option<String>, Option<String>) =
            sqlx::query_as("select trim_scale(latitude)::text, trim_scale(longitude)::text from orders where id = $1")
                .bind(id)
                .fetch_one(shop.pool())
                .await
                .expect("a row");
        let kept = kept.map(|(north, east)| (Some(north.to_owned()), Some(east.to_owned()))).unwrap_or_default();
        assert_eq!(row, kept);
    }
    shop.finish().await;
}

#[tokio::test]
async fn of_a_line_without_a_unit_there_is_nothing_to_pack() {
    let shop = Shop::open().await;
    let order = shop.post(ORDERS, &order_json("1", &[("RED", 2), ("BLUE", 0)])).await.json(201);
    assert_eq!(order["packages"].as_array().expect("packages").len(), 1);
    let package = shop.get(&format!("/api/v1/oms/packages/{}/", order["packages"][0]["id"])).await.ok();
    let items = package["packageitem_set"].as_array().expect("items");
    assert_eq!(items.len(), 1);
    // It is known again, and nothing differs.
    let again = shop.post(ORDERS, &order_json("1", &[("RED", 2), ("BLUE", 0)])).await.json(200);
    assert_eq!(again["differs"], Value::Null);
    // Where every line is like that, the order is taken, and has no package.
    let empty = shop.post(ORDERS, &order_json("2", &[("RED", 0)])).await.json(201);
    assert_eq!(empty["packages"], json!([]));
    shop.finish().await;
}

#[tokio::test]
async fn an_entry_of_a_list_that_cannot_be_read_costs_itself() {
    let shop = Shop::open().await;
    let [first, second, third] = ["1", "2", "3"].map(|number| order_json(number, &[("RED", 1)]).to_string());
    let broken = second.replace("\"Bahariye 7\"", "NaN");
    let half = third.replace("Bahariye 7", "Bahariye \\ud83d");
    let list = format!("[{first}, {broken} ,{half}]");
    let send_text = async |method: Method, path: &str, text: String| {
        let request = shop.request_as("admin", method, path).header("Content-Type", "application/json").body(text);
        send_loosely(request).await
    };
    let answer = send_text(Method::POST, ORDERS, list).await.json(200);
    let statuses: Vec<i64> =
        answer.as_array().expect("a list").iter().map(|one| one["status_code"].as_i64().expect("a status")).collect();
    assert_eq!(statuses, [201, 400, 201]);
    let why = answer[1]["error"]["detail"].as_str().expect("why");
    assert!(why.starts_with("JSON parse error - ") && why.contains("at byte"), "{why}");
    assert_eq!(answer[2]["order"]["shipping_address"]["line"], "Bahariye \u{fffd}");
    let counts = r#"[{"stock_location":"KADIKOY","sku":"RED","quantity":1},{"stock_location":"KADIKOY","sku":"RED","quantity":1e999}]"#;
    let refused = shop.changes_nothing(send_text(Method::PUT, STOCKS, counts.to_owned())).await.json(400);
    let why = refused["error"]["detail"].as_str().expect("why");
    assert!(why.starts_with("JSON parse error - Count 2: number out of range"), "{why}");
    shop.finish().await;
}

#[tokio::test]
async fn the_doctor_names_what_an_older_version_stored_otherwise() {
    let shop = Shop::open().await;
    let (_, printed, _) = shop.oms(&["doctor"]).await;
    assert!(printed.contains("each is stored as it is compared"), "{printed}");
    let id = shop.location_id("KADIKOY").await;
    shop.put_stock(&format!("select 'C\u{327}AY', {id}, 5")).await;
    let (code, printed, _) = shop.oms(&["doctor"]).await;
    assert_ne!(code, 0);
    assert!(
        printed.contains("1 are stored as an older version took them") && printed.contains("C\\u{327}AY"),
        "{printed}"
    );
    shop.abandon().await;
}
