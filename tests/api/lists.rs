//! Lists: pages, sorting, filters. Every documented filter works, or is refused.

use std::collections::BTreeSet;

use oms::page::{Filter, Kind};
use serde_json::{Value, json};

use crate::support::{NOT_FOUND, SHOP, STANDARD, Shop, order_json};

const PACKAGES: &str = "/api/v1/oms/packages/";
const SHORT: &str = "/api/v1/oms/packages/short/";
const ORDERS: &str = "/api/v1/oms/orders/";
const LOCATIONS: &str = "/api/v1/oms/stocklocations/";

/// The values of a key in the results of a page.
pub fn column(page: &Value, key: &str) -> Vec<Value> {
    page["results"].as_array().expect("results").iter().map(|row| row[key].clone()).collect()
}

async fn numbers(shop: &Shop, path: &str) -> Vec<String> {
    let page = shop.get(path).await.ok();
    let rows = column(&page, "number");
    assert_eq!(page["count"], rows.len(), "one page: {path}");
    rows.into_iter().map(|number| number.as_str().expect("text").to_owned()).collect()
}

#[tokio::test]
async fn a_page_has_count_next_previous_and_results() {
    let shop = Shop::open().await;
    for _ in 0..25 {
        shop.package().await;
    }
    let url = shop.url();
    let page = shop.get(PACKAGES).await.ok();
    let keys: Vec<_> = page.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["count", "next", "previous", "results"]);
    assert_eq!((&page["count"], column(&page, "id").len()), (&json!(25), 20));
    assert_eq!((&page["next"], &page["previous"]), (&json!(format!("{url}{PACKAGES}?page=2")), &Value::Null));
    assert_eq!(page["results"][0]["number"], "N25P1", "latest first");

    for (query, rows, next, previous) in [
        ("?page=2", 5, None, Some("")),
        ("?limit=10&page=2", 10, Some("?limit=10&page=3"), Some("?limit=10")),
        ("?page_size=10", 10, Some("?page=2&page_size=10"), None),
        // Whatever the client sent comes back, sorted by key, escaped.
        (
            "?sort=-id,%C5%9F%20y&page=2&limit=10&id__gt=0",
            10,
            Some("?id__gt=0&limit=10&page=3&sort=-id%2C%C5%9F+y"),
            Some("?id__gt=0&limit=10&sort=-id%2C%C5%9F+y"),
        ),
        ("?limit=1000", 25, None, None),
        ("?page=last", 5, None, Some("")),
        ("?limit=10&page=last", 5, None, Some("?limit=10&page=2")),
        ("?limit=5&page=last", 5, None, Some("?limit=5&page=4")),
        ("?limit=1000&page=last", 25, None, None),
        ("?limit=0", 20, Some("?limit=0&page=2"), None),
        ("?limit=x", 20, Some("?limit=x&page=2"), None),
        ("?state__enum_value=100&limit=24", 24, Some("?limit=24&page=2&state__enum_value=100"), None),
    ] {
        let page = shop.get(&format!("{PACKAGES}{query}")).await.ok();
        let link = |link: Option<&str>| link.map_or(Value::Null, |link| json!(format!("{url}{PACKAGES}{link}")));
        assert_eq!(column(&page, "id").len(), rows, "{query}");
        assert_eq!((&page["next"], &page["previous"]), (&link(next), &link(previous)), "{query}");
        assert_eq!(page["count"], 25);
    }
    for query in ["?page=3", "?page=0", "?page=-1", "?page=x", "?page=LAST"] {
        assert_eq!(shop.get(&format!("{PACKAGES}{query}")).await.detail(404), "Invalid page.");
    }
    // An empty list has a last page, which is its first; a list in memory has one, too.
    let empty = shop.get(&format!("{ORDERS}?page=last&number=none")).await.ok();
    assert_eq!(empty, json!({ "count": 0, "next": null, "previous": null, "results": [] }));
    let scenarios = shop.get("/api/v1/oms/scenarios/?limit=1&page=last").await.ok();
    assert_eq!((column(&scenarios, "id").len(), &scenarios["next"]), (1, &Value::Null));
    shop.finish().await;
}

#[tokio::test]
async fn following_next_meets_every_row_once() {
    let shop = Shop::open().await;
    for _ in 0..13 {
        shop.package().await;
    }
    for path in [PACKAGES, SHORT, ORDERS] {
        let mut next = json!(format!("{}{path}?limit=5&sort=modified_date", shop.url()));
        let mut seen = Vec::new();
        while let Some(address) = next.as_str() {
            let page = shop.get(address).await.ok();
            seen.extend(column(&page, "id").iter().map(|id| id.as_i64().expect("an id")));
            next = page["next"].clone();
        }
        assert_eq!((seen.len(), seen.iter().collect::<BTreeSet<_>>().len()), (13, 13));
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_list_is_sorted_by_the_fields_named() {
    let shop = Shop::open().await;
    for number in ["B", "A", "C"] {
        shop.order_of(&order_json(number, &[("RED", 1)])).await;
    }
    assert_eq!(numbers(&shop, ORDERS).await, ["C", "A", "B"]);
    assert_eq!(numbers(&shop, &format!("{ORDERS}?sort=id")).await, ["B", "A", "C"]);
    assert_eq!(numbers(&shop, &format!("{ORDERS}?sort=number")).await, ["A", "B", "C"]);
    assert_eq!(numbers(&shop, &format!("{ORDERS}?sort=-date_placed,number")).await, ["A", "B", "C"]);
    assert_eq!(numbers(&shop, &format!("{PACKAGES}?sort=created_date")).await, ["BP1", "AP1", "CP1"]);
    let locations = shop.get(&format!("{LOCATIONS}?sort=-priority")).await.ok();
    assert_eq!(column(&locations, "erp_code"), ["HQ", "GEBZE", "BESIKTAS", "KADIKOY"]);
    assert_eq!(numbers(&shop, &format!("{PACKAGES}?sort=-number")).await, ["CP1", "BP1", "AP1"]);
    assert_eq!(numbers(&shop, &format!("{PACKAGES}?sort=state,date_placed,number")).await, ["AP1", "BP1", "CP1"]);
    // What is unknown is left out, as Django REST framework does; what is known counts.
    for path in [PACKAGES, SHORT, ORDERS, LOCATIONS] {
        let as_ever = column(&shop.get(path).await.ok(), "id");
        assert_eq!(column(&shop.get(&format!("{path}?sort=secret")).await.ok(), "id"), as_ever, "{path}");
        let backwards: Vec<Value> = as_ever.into_iter().rev().collect();
        assert_eq!(column(&shop.get(&format!("{path}?sort=-secret,id")).await.ok(), "id"), backwards, "{path}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn the_short_list_has_keys_for_objects_and_a_count_for_items() {
    let shop = Shop::open().await;
    let order = shop.order(&[("RED", 1), ("BLUE", 2)]).await;
    let package = order.only_package();
    package.run("COMPLETE_PACKING").await.ok();

    let page = shop.get(SHORT).await.ok();

    let full = package.json().await;
    assert_eq!(
        page["results"],
        json!([{
            "id": package.id, "number": "N1P1", "state": "500", "stock_location": full["stock_location"]["id"],
            "stock_location_erp_code": "KADIKOY", "order": order.id(), "order_number": "N1",
            "shipment": full["shipment"]["id"], "packageitem_count": 2,
            "created_date": full["created_date"], "modified_date": full["modified_date"],
        }])
    );
    shop.finish().await;
}

#[tokio::test]
async fn a_list_shows_a_store_what_is_its_own() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 1).await;
    shop.order(&[("RED", 1), ("PINK", 1)]).await;
    for path in [PACKAGES, SHORT] {
        let page = shop.get_as("kadikoy", path).await.ok();
        assert_eq!((&page["count"], column(&page, "number")), (&json!(1), vec![json!("N1P1")]));
    }
    let page = shop.get_as("kadikoy", LOCATIONS).await.ok();
    assert_eq!(column(&page, "erp_code"), ["KADIKOY"]);
    let page = shop.get_as("kadikoy", "/api/v1/oms/stocks/").await.ok();
    assert_eq!(page["count"], 3);
    shop.finish().await;
}

// ── Filters ────────────────────────────────────────────────────────────────────────────────────

/// Two packages that differ in every filter: OLD is packed at KADIKOY, and was placed, created, changed and shipped
/// long ago; NEW waits at GEBZE.
async fn two_packages(shop: &Shop) -> (i64, i64) {
    shop.count("GEBZE", "PINK", 1).await;
    let mut old = order_json("OLD", &[("RED", 1)]);
    old["pk"] = json!(70);
    old["orderitem_set"][0]["pk"] = json!(71);
    old["date_placed"] = json!("2001-01-01T00:00:00Z");
    let mut new = order_json("NEW", &[("PINK", 1)]);
    new["pk"] = json!(80);
    new["orderitem_set"][0]["pk"] = json!(81);
    new["channel"] = json!({ "pk": 2, "name": "phone" });
    new["customer"] = json!({ "first_name": "Mehmet", "last_name": "Kaya" });
    new["delivery_type"] = json!("pickup");
    new["has_gift_box"] = json!("true");
    new["shipping_option_slug"] = json!("express");
    new["status"] = json!("450");
    new["date_placed"] = json!("2030-01-01T00:00:00Z");
    for (order, day, place, store) in [
        (
            &mut old,
            "2001-02-01",
            json!({ "country": { "pk": 1, "code": "tr", "name": "Türkiye" },
            "city": { "pk": 34, "name": "Istanbul" }, "township": { "pk": 5, "name": "Kadıköy" } }),
            Value::Null,
        ),
        (
            &mut new,
            "2030-02-01",
            json!({ "country": { "pk": 2, "code": "gb", "name": "United Kingdom" },
            "city": { "pk": 35, "name": "Leeds" }, "township": "Headingley" }),
            json!({ "erp_code": "BESIKTAS" }),
        ),
    ] {
        order["delivery_range"] = json!({ "lower": format!("{day}T08:00:00Z"), "upper": format!("{day}T12:00:00Z") });
        order["shipping_address"] = place;
        order["retail_store"] = store;
    }
    let (old, new) = (shop.order_of(&old).await.only_package(), shop.order_of(&new).await.only_package());
    old.run("COMPLETE_PACKING").await.ok();
    shop.execute(
        "update packages set created_date = '2001-01-01', modified_date = '2001-01-01' where number = 'OLDP1';
         update shipments set created_date = '2001-01-01';
         update orders set created_date = '2001-01-01', modified_date = '2001-01-01' where number = 'OLD';",
    )
    .await;
    (old.id, new.id)
}

/// Values of a filter: those that match only OLD, then those that match only NEW.
pub type Values = (Vec<String>, Vec<String>);

pub fn values(old: &[&str], new: &[&str]) -> Values {
    let texts = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
    (texts(old), texts(new))
}

/// Each filter with each value returns exactly its row. Each offered filter is tried; each other one is refused.
pub async fn check_filters(
    shop: &Shop,
    path: &str,
    filters: &[Filter],
    rows: [impl Into<Value> + Clone; 2],
    key: &str,
    of: impl Fn(&str) -> Option<Values>,
) {
    for filter in filters {
        let name = filter.name;
        let (first, second) = of(name).unwrap_or_else(|| panic!("{path} offers {name}: add values for it here"));
        for (values, expected) in [(first, &rows[0]), (second, &rows[1])] {
            let expected: Value = expected.clone().into();
            for value in values {
                let page = shop.get(&format!("{path}?{name}={value}")).await.ok();
                assert_eq!(column(&page, key), std::slice::from_ref(&expected), "{path}?{name}={value}");
                assert_eq!(page["count"], 1);
            }
        }
        let empty = shop.get(&format!("{path}?{name}=")).await.ok();
        assert!(column(&empty, key).len() > 1, "an empty {name} is none");
        let wrong = match filter.kind {
            Kind::Integer => "x",
            Kind::Integers => "1,x",
            Kind::DateTime | Kind::Day => "yesterday",
            Kind::Boolean => "perhaps",
            _ => "%00",
        };
        assert_eq!(shop.get(&format!("{path}?{name}={wrong}")).await.wrong(name).len(), 1, "{name}={wrong}");
    }
}

#[tokio::test]
async fn every_filter_of_packages_filters() {
    let shop = Shop::open().await;
    let (old, new) = two_packages(&shop).await;
    let (old, new) = (old.to_string(), new.to_string());
    let (packed, waiting) = (shop.state_id("packed").await.to_string(), shop.state_id("waiting").await.to_string());
    let kadikoy = shop.location_id("KADIKOY").await.to_string();
    let gebze = shop.location_id("GEBZE").await.to_string();
    let orders: Vec<(i64,)> = shop.rows("select id from orders order by id").await;
    let (old_order, new_order) = (orders[0].0.to_string(), orders[1].0.to_string());
    let manual: i64 = shop.value("select id from cargo_companies where slug = $1", "manual").await;
    let manual = manual.to_string();
    shop.execute(
        "with plan as (insert into cancellation_plans (remote_id, plan_type, order_id)
                       select 1, 'cancel', min(id) from orders returning id)
         insert into cancellation_plan_packages (plan_id, package_id, package_item_ids, outcome)
         select plan.id, p.id, '{}', case when p.id = (select min(id) from packages) then 'refused' else 'waiting' end
           from packages p, plan",
    )
    .await;
    let tracking_number: String = shop.value("select tracking_number from shipments where $1", true).await;
    let of = |name: &str| {
        Some(match name {
            "state" | "state__in" => values(&[&packed], &[&waiting]),
            "state__enum_value" => values(&["500"], &["100"]),
            "state__enum_value__in" => values(&["500,600", "500"], &["100,%20200"]),
            "state__enum_value__not" => values(&["100"], &["500"]),
            "order" | "order__in" => values(&[&old_order], &[&new_order]),
            "stock_location" | "stock_location__in" => values(&[&kadikoy], &[&gebze]),
            "stock_location__erp_code" => values(&["KADIKOY"], &["GEBZE"]),
            "stock_location__erp_code__in" => values(&["KADIKOY,HQ"], &["HQ,GEBZE"]),
            "stock_location__stock_location_type" => values(&["store"], &["warehouse"]),
            "number" | "number__in" => values(&["OLDP1"], &["NEWP1"]),
            "order__number" => values(&["OLD", "OL"], &["NEW", "N"]),
            "order__number__in" => values(&["OLD,OL"], &["N,NEW"]),
            "order__omnitron_id" | "order__omnitron_id__in" => values(&["70"], &["80"]),
            "created_date__gt" | "modified_date__gt" => values(&[], &["2001-01-01"]),
            "created_date__gte" | "modified_date__gte" => values(&[], &["2002-01-01", "2002-01-01T00:00:00Z"]),
            "created_date__lt" | "modified_date__lt" => values(&["2001-01-02"], &[]),
            "created_date__lte" | "modified_date__lte" => values(&["2002-01-01", "2001-01-01T00:00:00%2B00:00"], &[]),
            "shipment__created_date__gt" => values(&["2000-12-31"], &[]),
            "shipment__created_date__gte" => values(&["2000-12-31", "2001-01-01T00:00:00Z"], &[]),
            "shipment__created_date__lt" => values(&["2001-01-01T00:00:01Z"], &[]),
            "shipment__created_date__lte" => values(&["2002-01-01"], &[]),
            "shipment__cargo_company" | "shipment__cargo_company__in" => values(&[&manual], &[]),
            "shipment__tracking_number" => values(&[&tracking_number], &[]),
            "product_sku" => values(&["RED"], &["PINK"]),
            "product_sku__in" => values(&["RED,BLUE"], &["BLUE,PINK"]),
            "product_barcode" => values(&["869RED"], &["869PINK"]),
            "packageitem__order_item__omnitron_id" => values(&["71"], &["81"]),
            "packageitem__order_item__omnitron_id__in" => values(&["71,72"], &["82,%2081"]),
            "order__channel" | "order__shipping_address__country" => values(&["1"], &["2"]),
            "order__channel__in" => values(&["1,3"], &["3,2"]),
            "order__customer__first_name" => values(&["ayşe", "Ay"], &["mehmet"]),
            "order__customer__last_name" => values(&["y%C4%B1lmaz", "lma"], &["AYA"]),
            "order__date_placed" => values(&["2001-01-01"], &["2030-01-01"]),
            "order__date_placed__gt" => values(&[], &["2001-01-01T00:00:00Z"]),
            "order__date_placed__gte" => values(&[], &["2029-01-01", "2030-01-01"]),
            "order__date_placed__lt" => values(&["2030-01-01"], &[]),
            "order__date_placed__lte" => values(&["2029-01-01", "2001-01-01"], &[]),
            "order__delivery_type" => values(&["delivery"], &["pickup"]),
            "order__shipping_option_slug__in" => values(&["standard,x"], &["express"]),
            "order__shipping_option_slug__not_in" => values(&["express,x"], &["standard"]),
            "order__delivery_range__lower" => values(&[], &["2001-02-02", "2030-02-01T08:00:00Z"]),
            "order__delivery_range__upper" => values(&["2001-02-01T12:00:00Z", "2030-02-01"], &[]),
            "order__delivery_range__date" => values(&["2001-02-01"], &["2030-02-01"]),
            "delivery_range" => values(&["2001-02-01T09:00:00Z"], &["2030-02-01T12:00:00Z"]),
            "order__has_gift_box" => values(&["false", "0"], &["true", "1"]),
            "is_click_and_collect" => values(&["false", "0"], &["true", "True"]),
            "order__shipping_address__country__name" => values(&["rkiye"], &["united"]),
            "order__shipping_address__country__code" => values(&["tr"], &["gb"]),
            "order__shipping_address__city" => values(&["34"], &["35"]),
            "order__shipping_address__city__name" => values(&["istanbul"], &["Leed"]),
            "order__shipping_address__township" => values(&["5"], &[]),
            "order__shipping_address__township__name" => values(&["Kad"], &["headingley"]),
            "order__retail_store__erp_code" => values(&[], &["BESIKTAS"]),
            "cancellation_failure_status" => values(&["refused"], &["waiting"]),
            "stock_location_or_retail_store__erp_code" => values(&["KADIKOY"], &["GEBZE", "BESIKTAS"]),
            "id" | "id__in" | "pk__in" => values(&[&old], &[&new]),
            "id__gt" => values(&[], &[&old]),
            "id__gte" => values(&[], &[&new]),
            "id__lt" => values(&[&new], &[]),
            "id__lte" => values(&[&old], &[]),
            _ => return None,
        })
    };
    for path in [PACKAGES, SHORT] {
        check_filters(&shop, path, oms::packages::list::LIST.filters, ["OLDP1", "NEWP1"], "number", of).await;
    }
    shop.finish().await;
}

#[tokio::test]
async fn every_filter_of_orders_filters() {
    let shop = Shop::open().await;
    two_packages(&shop).await;
    let orders: Vec<(i64, i64)> = shop.rows("select id, state_id from orders order by id").await;
    let [(old, approved), (new, preparing)] = orders[..] else { panic!("two orders") };
    let [old, new, approved, preparing] = [old, new, approved, preparing].map(|id| id.to_string());
    let of = |name: &str| {
        Some(match name {
            "number" => values(&["OLD"], &["NEW"]),
            "number__in" => values(&["OLD,x"], &["NEW"]),
            "omnitron_id" => values(&["70"], &["80"]),
            "state" => values(&[&approved], &[&preparing]),
            "state__enum_value" => values(&["400"], &["450"]),
            "channel" => values(&["1"], &["2"]),
            "has_gift_box" => values(&["false", "0"], &["true", "1"]),
            "customer__first_name" => values(&["ay"], &["mehmet"]),
            "customer__last_name" => values(&["lma"], &["kaya"]),
            "product_sku" => values(&["RED"], &["PINK"]),
            "date_placed__gte" => values(&[], &["2029-01-01"]),
            "date_placed__lte" => values(&["2029-01-01"], &[]),
            "created_date__gte" | "modified_date__gte" => values(&[], &["2002-01-01"]),
            "created_date__lte" | "modified_date__lte" => values(&["2002-01-01"], &[]),
            "modified_date__gt" => values(&[], &["2001-01-01"]),
            "modified_date__lt" => values(&["2001-01-02"], &[]),
            "id__gt" => values(&[], &[&old]),
            "id__lt" => values(&[&new], &[]),
            "pk__in" => values(&[&old], &[&new]),
            _ => return None,
        })
    };
    check_filters(&shop, ORDERS, oms::orders::list::LIST.filters, ["OLD", "NEW"], "number", of).await;
    shop.finish().await;
}

#[tokio::test]
async fn every_filter_of_locations_filters() {
    let shop = Shop::open().await;
    shop.execute("delete from sender_addresses; delete from stock_locations where erp_code = 'BESIKTAS'; delete from scenarios; delete from stock_locations where erp_code = 'HQ'").await;
    shop.execute("update stock_locations set omnitron_id = case erp_code when 'KADIKOY' then 70 else 71 end").await;
    let (kadikoy, gebze) = (shop.location_id("KADIKOY").await.to_string(), shop.location_id("GEBZE").await.to_string());
    let of = |name: &str| {
        Some(match name {
            "erp_code" => values(&["KADIKOY"], &["GEBZE"]),
            "omnitron_id" => values(&["70"], &["71"]),
            "erp_code__in" => values(&["KADIKOY,x"], &["x,GEBZE"]),
            "name" => values(&["store", "Kad%C4%B1k"], &["gebze"]),
            "stock_location_type" => values(&["store"], &["warehouse"]),
            "id__gt" => values(&[], &[&kadikoy]),
            "id__lt" => values(&[&gebze], &[]),
            "pk__in" => values(&[&kadikoy], &[&gebze]),
            _ => return None,
        })
    };
    for path in [LOCATIONS, "/api/v1/oms/stocklocations/list-simple/"] {
        check_filters(&shop, path, oms::locations::lists::LIST.filters, ["KADIKOY", "GEBZE"], "erp_code", of).await;
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_filter_with_a_slip_is_refused_with_the_nearest_there_is_and_filters_add_up() {
    let shop = Shop::open().await;
    two_packages(&shop).await;
    for path in [PACKAGES, ORDERS] {
        for (slip, message) in [
            ("modifed_date__gte=2026-01-01", "There is no such filter. Did you mean modified_date__gte?"),
            ("creatd_date__lte=2026-01-01", "There is no such filter. Did you mean created_date__lte?"),
            ("Limit=5", "There is no such filter. Did you mean limit?"),
            ("pages=2", "There is no such filter. Did you mean page?"),
        ] {
            let (field, _) = slip.split_once('=').expect("a filter");
            assert_eq!(shop.get(&format!("{path}?{slip}")).await.wrong(field), [message]);
        }
        let messages = shop.get(&format!("{path}?colour=red&limit=1")).await.wrong("colour");
        assert!(messages[0].starts_with("There is no such filter. Choose from "), "{messages:?}");
        // Without a value it filters nothing.
        assert_eq!(shop.get(&format!("{path}?colour=&format=json")).await.ok()["count"], 2);
        assert_eq!(shop.get(&format!("{path}?format=xml")).await.wrong("format").len(), 1);
    }
    assert_eq!(shop.get(&format!("{PACKAGES}?number=OLDP1&state__enum_value=100")).await.ok()["count"], 0);
    // A wildcard is a character like any other.
    assert_eq!(shop.get(&format!("{PACKAGES}?order__number=%25")).await.ok()["count"], 0);
    assert_eq!(shop.get(&format!("{PACKAGES}?order__customer__first_name=_")).await.ok()["count"], 0);
    shop.finish().await;
}

#[tokio::test]
async fn yilmaz_finds_whoever_is_called_so_whatever_the_case_and_the_accents() {
    let shop = Shop::open().await;
    let names = ["YILMAZ", "Işık", "Gürbüz", "Çağlayan", "Hâkim", "Müller", "ΠΑΠΑΔΌΠΟΥΛΟΣ", "Щукин", "王伟", "100%_a"];
    for (n, name) in names.into_iter().enumerate() {
        let mut order = order_json(&format!("N{n}"), &[("RED", 1)]);
        order["customer"] = json!({ "first_name": format!("X{name}"), "last_name": name });
        order["shipping_address"] =
            json!({ "country": { "pk": n, "name": name }, "city": { "pk": n, "name": name }, "township": name });
        shop.order_of(&order).await;
    }
    let found = async |list: &str, filter: &str, part: &str| {
        let part: String = form_urlencoded::byte_serialize(part.as_bytes()).collect();
        let page = shop.get(&format!("{list}?{filter}={part}&sort=id")).await.ok();
        column(&page, if list == ORDERS { "number" } else { "order_number" })
    };
    for (part, expected) in [
        ("yılmaz", 0),
        ("yilmaz", 0),
        ("YİLMAZ", 0),
        ("IŞIK", 1),
        ("ışık", 1),
        ("isi", 1),
        ("gurbuz", 2),
        ("GÜRBÜZ", 2),
        ("rbu\u{308}", 2),
        ("caglayan", 3),
        ("ÇAĞLA", 3),
        ("hakim", 4),
        ("MULLER", 5),
        ("παπαδοπουλος", 6),
        ("щук", 7),
        ("王", 8),
        ("王伟", 8),
        ("%_", 9),
    ] {
        let expected = [json!(format!("N{expected}"))];
        for filter in ["customer__first_name", "customer__last_name"] {
            assert_eq!(found(ORDERS, filter, part).await, expected, "{filter} {part}");
            assert_eq!(found(SHORT, &format!("order__{filter}"), part).await, expected, "{filter} {part}");
        }
        for place in ["country", "city", "township"] {
            let filter = format!("order__shipping_address__{place}__name");
            assert_eq!(found(SHORT, &filter, part).await, expected, "{filter} {part}");
        }
    }
    assert!(found(ORDERS, "customer__last_name", "yılmazz").await.is_empty());
    let page = shop.get(&format!("{LOCATIONS}?name=KADIKOY")).await.ok();
    assert_eq!(column(&page, "erp_code"), ["KADIKOY"], "other lists search alike");
    shop.finish().await;
}

/// The index is of expressions: a filter that says the same otherwise would read the whole table.
#[tokio::test]
async fn a_search_for_a_name_or_a_place_takes_the_index() {
    let shop = Shop::open().await;
    let lists = [oms::orders::list::LIST, oms::packages::list::LIST, oms::transfers::list::LIST];
    let searches = lists.iter().flat_map(|list| list.filters.iter().map(move |filter| (list, filter)));
    let searches = searches.filter(|(_, filter)| filter.kind == Kind::Contains && !filter.name.contains("country"));
    let mut count = 0;
    for (list, filter) in searches {
        let mut connection = shop.pool().acquire().await.expect("a connection");
        let condition = filter.sql.replace("{}", "'Yılmaz'");
        let query =
            format!("set enable_seqscan = off; explain select count(*){} where true and {condition}", list.from);
        let plan: Vec<sqlx::postgres::PgRow> =
            sqlx::raw_sql(sqlx::AssertSqlSafe(query)).fetch_all(&mut *connection).await.expect("a plan");
        let plan: Vec<String> = plan.iter().map(|row| sqlx::Row::get(row, 0)).collect();
        assert!(plan.iter().any(|line| line.contains("Bitmap Index Scan on orders_search_idx")), "{plan:#?}");
        count += 1;
    }
    assert_eq!(count, 8);
    shop.finish().await;
}

/// Midnight in Istanbul is nine in the evening in UTC.
#[tokio::test]
async fn a_day_is_one_of_the_shop_or_of_the_time_zone_that_is_asked_for() {
    let in_utc = Shop::open().await;
    let in_istanbul = Shop::installed(&["time_zone = \"Europe/Istanbul\"\n", STANDARD, SHOP], false).await;
    for (shop, usual) in [(&in_utc, "UTC"), (&in_istanbul, "Europe/Istanbul")] {
        for (number, placed) in [("DAY", "2026-03-01T20:59:59Z"), ("NIGHT", "2026-03-01T21:00:00Z")] {
            let mut order = order_json(number, &[("RED", 1)]);
            order["date_placed"] = json!(placed);
            order["delivery_range"] = json!({ "lower": placed, "upper": placed });
            shop.order_of(&order).await;
        }
        for (filters, in_utc, in_istanbul) in [
            ("order__date_placed=2026-03-01", &["DAY", "NIGHT"][..], &["DAY"][..]),
            ("order__date_placed=2026-03-02", &[], &["NIGHT"]),
            ("order__delivery_range__date=2026-03-01", &["DAY", "NIGHT"], &["DAY"]),
            ("order__delivery_range__date=2026-03-02", &[], &["NIGHT"]),
            ("order__date_placed__gte=2026-03-02", &[], &["NIGHT"]),
            ("order__date_placed__lt=2026-03-02", &["DAY", "NIGHT"], &["DAY"]),
            // A moment with a zone is one, whatever the request says.
            ("order__date_placed__gte=2026-03-02T00:00:00%2B03:00", &["NIGHT"], &["NIGHT"]),
        ] {
            let found = async |zone: &str| {
                let page = shop.get(&format!("{SHORT}?{filters}{zone}&sort=id")).await.ok();
                column(&page, "order_number")
            };
            let of_usual = if usual == "UTC" { in_utc } else { in_istanbul };
            assert_eq!(found("").await, of_usual, "{filters} {usual}");
            assert_eq!(found("&tz=UTC").await, in_utc, "{filters}");
            assert_eq!(found("&tz=Europe/Istanbul").await, in_istanbul, "{filters}");
        }
        // A moment without a zone is of the one that the request names, else UTC.
        for (filter, zone, numbers) in [
            ("gte=2026-03-01T21:00:00", "", &["NIGHT"][..]),
            ("gte=2026-03-01T21:00:00", "&tz=UTC", &["NIGHT"]),
            ("gte=2026-03-02T00:00", "&tz=Europe/Istanbul", &["NIGHT"]),
            ("gte=2026-03-01T21:00", "&tz=Europe/Istanbul", &["DAY", "NIGHT"]),
            ("lt=2026-03-02 00:00:00", "&tz=Europe/Istanbul", &["DAY"]),
        ] {
            let page = shop.get(&format!("{SHORT}?order__date_placed__{filter}{zone}&sort=id")).await.ok();
            assert_eq!(column(&page, "order_number"), numbers, "{filter} {zone}");
        }
        let page = shop.get(&format!("{SHORT}?limit=1&tz=Europe/Istanbul")).await.ok();
        let next = page["next"].as_str().expect("a next page");
        assert!(next.ends_with("tz=Europe%2FIstanbul"), "{next}");
        let messages = shop.get(&format!("{ORDERS}?tz=Istanbul")).await.wrong("tz");
        assert_eq!(
            messages,
            ["There is no time zone Istanbul: write a name of the IANA database, as in `Europe/Istanbul`."]
        );
    }
    in_utc.finish().await;
    in_istanbul.finish().await;
}

#[tokio::test]
async fn whoever_wants_it_as_the_original_has_unknown_filters_ignored() {
    let shop = Shop::with_settings(|settings| settings.unknown_filters = oms::page::UnknownFilters::Ignore).await;
    two_packages(&shop).await;
    for path in [PACKAGES, ORDERS] {
        assert_eq!(shop.get(&format!("{path}?colour=red")).await.ok()["count"], 2);
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_filter_takes_a_moment_as_django_does() {
    let shop = Shop::open().await;
    two_packages(&shop).await;
    // OLD was placed at the beginning of 2001.
    for moment in [
        "2001-01-01",
        "2001-01-01 00:00:00",
        "2001-01-01T00:00",
        "2001-01-01 03:00:00%2B0300",
        "2000-12-31T19:00:00-05",
    ] {
        assert_eq!(numbers(&shop, &format!("{ORDERS}?date_placed__lte={moment}")).await, ["OLD"], "{moment}");
    }
    assert!(numbers(&shop, &format!("{ORDERS}?date_placed__lte=2001-01-01 02:59%2B03")).await.is_empty());
    assert_eq!(numbers(&shop, &format!("{PACKAGES}?order__date_placed=2001-1-1")).await, ["OLDP1"]);
    for nonsense in ["2001-02-30", "01.01.2001", "2001-01-01 25:00", "2001-01-01 00:00 03:00"] {
        let messages = shop.get(&format!("{ORDERS}?date_placed__lte={nonsense}")).await.wrong("date_placed__lte");
        assert_eq!(messages, ["Enter a valid date/time."], "{nonsense}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn the_cargo_companies_are_listed_with_the_ids_commands_take() {
    let shop = Shop::open().await;
    let page = shop.get("/api/v1/oms/cargo-company/").await.ok();
    let first = &page["results"][0];
    assert_eq!(&shop.get(&format!("/api/v1/oms/cargo-company/{}/", first["id"])).await.ok(), first);
    shop.get("/api/v1/oms/cargo-company/999/").await.refused(NOT_FOUND);
    assert_eq!(page["count"], 2);
    assert_eq!(column(&page, "slug"), ["manual", "yurtici"]);
    let keys: Vec<_> = page["results"][0].as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["id", "name", "slug", "integration", "is_active", "created_date", "modified_date"]);
    shop.finish().await;
}
