//! Stock locations: reading and changing them.

use serde_json::{Value, json};

use crate::support::{SHOP, STANDARD, Shop};

const LOCATIONS: &str = "/api/v1/oms/stocklocations/";
const SERVICES: [&str; 5] = [
    "is_fulfillment_center",
    "is_pickup_location",
    "is_delivery_location",
    "is_return_available",
    "is_fast_delivery_available",
];

/// A location in the list for reports.
async fn simple(shop: &Shop, erp_code: &str) -> Value {
    let page = shop.get(&format!("{LOCATIONS}list-simple/?erp_code={erp_code}")).await.ok();
    page["results"][0].clone()
}

#[tokio::test]
async fn what_a_location_is_for_is_set_and_shown_wherever_it_is() {
    let shop = Shop::open().await;
    let input = json!({
        "erp_code": "NEW", "name": "New", "stock_location_type": "store", "fax_number": "+90 1", "daytime_phone": "+90 2",
        "evening_phone": "+90 3", "is_pickup_location": true, "is_fast_delivery_available": true
    });
    let made = shop.post(LOCATIONS, &input).await.json(201);
    let path = format!("{LOCATIONS}{}/", made["id"]);
    for shown in [&made, &shop.get(&path).await.ok(), &simple(&shop, "NEW").await] {
        assert_eq!(SERVICES.map(|key| shown[key].clone()), [true, true, false, false, true].map(Value::Bool));
        let numbers = ["fax_number", "daytime_phone", "evening_phone"].map(|key| shown[key].clone());
        assert_eq!(numbers, ["+90 1", "+90 2", "+90 3"].map(Value::from));
    }
    let change = json!({ "is_fulfillment_center": false, "is_delivery_location": true, "is_return_available": true,
                         "evening_phone": null });
    let changed = shop.patch(&path, &change).await.ok();
    assert_eq!(SERVICES.map(|key| changed[key].clone()), [false, true, true, true, true].map(Value::Bool));
    assert_eq!((&changed["fax_number"], &changed["evening_phone"]), (&json!("+90 1"), &Value::Null));
    // A package says it of its location too.
    let nested = shop.package().await.json().await["stock_location"].clone();
    assert_eq!(SERVICES.map(|key| nested[key].clone()), [true, false, false, false, false].map(Value::Bool));
    shop.finish().await;
}

#[tokio::test]
async fn the_keys_stand_where_the_documentation_has_them() {
    let shop = Shop::open().await;
    let keys = |object: &Value| -> Vec<String> { object.as_object().expect("an object").keys().cloned().collect() };
    let simple = keys(&simple(&shop, "HQ").await);
    assert_eq!(
        simple[..14],
        [
            "id",
            "created_date",
            "modified_date",
            "omnitron_id",
            "name",
            "stock_location_type",
            "fax_number",
            "erp_code",
            "is_fulfillment_center",
            "is_pickup_location",
            "is_delivery_location",
            "is_fast_delivery_available",
            "is_return_available",
            "is_active"
        ]
    );
    let nested = keys(&shop.package().await.json().await["stock_location"]);
    let first = nested.iter().position(|key| key == SERVICES[0]).expect("it is there");
    assert_eq!(nested[first..first + 5], SERVICES);
    shop.finish().await;
}

#[tokio::test]
async fn what_is_of_the_wrong_kind_is_named_and_changes_nothing() {
    let shop = Shop::open().await;
    let path = format!("{LOCATIONS}{}/", shop.location_id("HQ").await);
    let mut wrong: Vec<(&str, Value, &str)> =
        SERVICES.map(|key| (key, json!("perhaps"), "Must be a valid boolean.")).to_vec();
    for key in ["fax_number", "daytime_phone", "evening_phone", "email"] {
        wrong.push((key, json!("a\u{0}b"), "Null characters are not allowed."));
        wrong.push((key, json!([5]), "Not a valid string."));
    }
    wrong.extend([
        ("is_active", Value::Null, "This field may not be null."),
        ("priority", json!("first"), "A valid integer is required."),
        ("max_quota", json!("many"), "A valid integer is required. Send null for no limit."),
        ("latitude", json!("NaN"), "A number of degrees between -90 and 90 is required."),
        ("address", json!("Leeds"), "Expected a dictionary, but got str."),
        ("address", json!({ "city": { "name": "\u{0}" } }), "Null characters are not allowed."),
        ("cargo_company", json!("manual"), "Incorrect type. Expected pk value, received str."),
        ("tags", json!("fridge"), "A list of texts is required."),
        ("tags", json!([7]), "A list of texts is required."),
        ("conf", json!([]), "Expected a dictionary, but got list."),
    ]);
    for (key, value, message) in wrong {
        let reply = shop.changes_nothing(shop.patch(&path, &json!({ key: value }))).await;
        assert_eq!(reply.wrong(key), [message], "{key}");
    }
    // All of it at once.
    let both = shop.patch(&path, &json!({ "is_active": "x", "max_quota": -1 })).await.json(400);
    assert_eq!(both["error"].as_object().map(serde_json::Map::len), Some(2));
    shop.finish().await;
}

#[tokio::test]
async fn an_installation_says_it_too_and_what_it_leaves_out_is_as_by_default() {
    let shop = Shop::open().await;
    let said = SHOP.replacen(
        "erp_code = \"GEBZE\"",
        "erp_code = \"GEBZE\"\nfax_number = \"+90 1\"\nevening_phone = \"+90 3\"\nis_fulfillment_center = false\n\
         is_pickup_location = true\nis_delivery_location = true\nis_return_available = true\n\
         is_fast_delivery_available = true",
        1,
    );
    assert_ne!(said, SHOP);
    shop.install(&[STANDARD, &said]).await;
    let location = simple(&shop, "GEBZE").await;
    assert_eq!(SERVICES.map(|key| location[key].clone()), [false, true, true, true, true].map(Value::Bool));
    assert_eq!((&location["fax_number"], &location["evening_phone"]), (&json!("+90 1"), &json!("+90 3")));
    // Again it changes nothing, not even the date; left out it is gone.
    shop.install(&[STANDARD, &said]).await;
    assert_eq!(simple(&shop, "GEBZE").await, location);
    shop.install(&[STANDARD, SHOP]).await;
    let location = simple(&shop, "GEBZE").await;
    assert_eq!(SERVICES.map(|key| location[key].clone()), [true, false, false, false, false].map(Value::Bool));
    assert_eq!((&location["fax_number"], &location["evening_phone"]), (&Value::Null, &Value::Null));
    shop.finish().await;
}

/// Changes one column after the other, and asks whether there is a new version, an event, and a wake for what waits.
const CHANGE_EVERY_COLUMN: &str = r#"
    do $$
    declare
        subject bigint := (select id from stock_locations where erp_code = 'HQ');
        attribute record;
        change text;
        is_news boolean;
        events_before bigint;
        wakes_before bigint;
    begin
        for attribute in
            select column_name as name, data_type as kind from information_schema.columns
             where table_schema = 'public' and table_name = 'stock_locations'
               and column_name not in ('id', 'event_sequence', 'created_date', 'modified_date')
        loop
            change := case
                when attribute.name = 'stock_location_type'
                    then 'case stock_location_type when ''store'' then ''warehouse'' else ''store'' end'
                when attribute.name = 'cargo_company_id'
                    then '(select max(c.id) from cargo_companies c where c.id is distinct from cargo_company_id)'
                when attribute.kind = 'text' then format('coalesce(%I, '''') || ''x''', attribute.name)
                when attribute.kind in ('integer', 'bigint') then format('coalesce(%I, 0) + 1', attribute.name)
                when attribute.kind = 'boolean' then format('not %I', attribute.name)
                else format('%I || ''{"x": 1}''', attribute.name)
            end;
            select count(*) into events_before from events where entity = 'stock_location' and object_id = subject;
            select count(*) into wakes_before from replanning_wakes where stock_location_id = subject;
            update installation set version = version + 1;
            execute format('update stock_locations set %I = %s where id = %s', attribute.name, change, subject);
            is_news := attribute.name <> 'quota';
            if ((select count(*) from events where entity = 'stock_location' and object_id = subject) > events_before)
                   is distinct from is_news
               or ((select count(*) from replanning_wakes where stock_location_id = subject) > wakes_before)
                   is distinct from is_news
               or exists (select from stock_location_versions v join installation i on i.version = v.installation_version
                           where v.stock_location_id = subject) is distinct from is_news
            then
                raise exception 'a change of % is not what it is to be: news, % ', attribute.name, is_news;
            end if;
        end loop;
        raise exception 'all is well';
    end
    $$"#;

#[tokio::test]
async fn a_change_of_any_column_but_the_quota_is_news() {
    let shop = Shop::open().await;
    // All of it in one transaction, which comes to nothing.
    let error = sqlx::raw_sql(CHANGE_EVERY_COLUMN).execute(shop.pool()).await.expect_err("it ends with an error");
    assert!(error.to_string().contains("all is well"), "{error}");
    shop.finish().await;
}

#[tokio::test]
async fn a_package_shows_its_location_as_it_is_now_also_where_no_version_tells_of_the_change() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let path = format!("/api/v1/oms/packages/{}/", package.id);
    let before = shop.get(&path).await.ok()["stock_location"].clone();
    assert_eq!(before["quota"], 1);
    shop.execute("update stock_locations set name = 'By hand' where erp_code = 'KADIKOY'").await;
    let mut expected = shop.get("/api/v1/oms/stocklocations/?erp_code=KADIKOY").await.ok()["results"][0].clone();
    let location = shop.get(&path).await.ok()["stock_location"].clone();
    assert_eq!((&location["name"], &location), (&json!("By hand"), &expected));
    // What changes with every package is read each time.
    shop.package().await;
    expected["quota"] = json!(2);
    assert_eq!(shop.get(&path).await.ok()["stock_location"], expected);
    shop.finish().await;
}

#[tokio::test]
async fn a_slip_in_a_key_is_refused_and_what_was_answered_can_be_sent_back() {
    let shop = Shop::open().await;
    let hook = json!({ "event_type": "package.created", "target_url": "https://example.com/", "retry_countdown_config": { "choice": "fixed", "kwargs": { "seconds": 0 } } });
    shop.post("/whisperer/hooks/", &hook).await.json(201);
    let sender = json!({ "stock_location": 1, "cargo_company": 1, "origin_id": "O-1" });
    shop.post("/api/v1/oms/stocklocations-senderaddress/", &sender).await.json(201);
    for (list, slip, key) in [
        ("/api/v1/oms/stocklocations/", "priorty", "priority"),
        ("/api/v1/oms/stocklocations/", "max_quotas", "max_quota"),
        ("/api/v1/oms/stocklocations-senderaddress/", "orgin_id", "origin_id"),
        ("/api/v1/auth/users/", "pasword", "password"),
        ("/whisperer/hooks/", "target_ulr", "target_url"),
    ] {
        let page = shop.get(list).await.ok();
        let shown = page["results"]
            .as_array()
            .and_then(|rows| rows.get(1).or(rows.first()))
            .unwrap_or_else(|| panic!("{list}: {page}"));
        let path = format!("{list}{}/", shown["id"]);
        let reply = shop.changes_nothing(shop.patch(&path, &json!({ slip: 1 }))).await;
        let told = format!("\"{slip}\":[\"There is no such key; did you mean {key}?\"]");
        assert!(reply.status == 400 && reply.text().contains(&told), "{list}: {}", reply.text());
        // What is only answered is passed over, as by Django REST framework.
        let reply = shop.patch(&path, shown).await;
        assert_eq!(reply.status, 200, "{list}: {}", reply.text());
    }
    shop.finish().await;
}
