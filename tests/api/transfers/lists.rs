//! Lists of transfers and of their items: pages, sorting, filters.

use oms::page::{Filter, Kind};
use serde_json::{Value, json};

use super::open;
use crate::support::{Shop, Transfer, order_json};

const LIST: &str = "/api/v1/oms/transfer_orders/";
const SHORT: &str = "/api/v1/oms/transfer_orders/short/";
const ITEMS: &str = "/api/v1/oms/transfer_orders/transfer-items/";

fn column(page: &Value, key: &str) -> Vec<Value> {
    page["results"].as_array().expect("results").iter().map(|row| row[key].clone()).collect()
}

/// Two transfers that differ in everything one can filter by: OLDP1T1 from GEBZE to KADIKOY is in transit, NEWP1T1 from
/// BESIKTAS to HQ waits.
async fn two(shop: &Shop) -> (Transfer<'_>, Transfer<'_>) {
    let mut old = order_json("OLD", &[("FAR", 2)]);
    old["channel"] = json!({ "pk": 3, "name": "gather" });
    old["date_placed"] = json!("2001-01-01T10:00:00Z");
    old["orderitem_set"][0]["product"]["pk"] = json!(71);
    old["retail_store"] = json!({ "erp_code": "HQ" });
    let mut new = order_json("NEW", &[("NEAR", 5)]);
    new["channel"] = json!({ "pk": 4, "name": "gather" });
    new["date_placed"] = json!("2030-01-01T10:00:00Z");
    new["orderitem_set"][0]["product"]["pk"] = json!(81);
    new["customer"] = json!({ "first_name": "Mehmet", "last_name": "Kaya" });
    new["retail_store"] = json!({ "erp_code": "KADIKOY" });
    let old = shop.order_of(&old).await.only_package();
    for full in ["KADIKOY", "GEBZE", "BESIKTAS"] {
        shop.limit(full, Some(0)).await;
    }
    let new = shop.order_of(&new).await.only_package();
    let (old_transfer, new_transfer) = (old.only_transfer().await, new.only_transfer().await);
    old_transfer.run("TRANSFER_DISPATCH").await.ok();
    shop.execute(
        r#"update transfers set created_date = '2001-01-01' where number = 'OLDP1T1';
           update stock_locations set address = '{"city": "Ankara", "country": "Turkey", "township": "Çankaya"}' where erp_code = 'HQ';
           update stock_locations
              set address = '{"city": {"pk": 34, "name": "Istanbul"}, "country": {"code": "tr", "name": "Türkiye"},
                              "township": {"pk": 5, "name": "Kadıköy"}}' where erp_code = 'KADIKOY';
           insert into shipments (package_id, cargo_company_id, tracking_number)
           select p.id, c.id, 'AWB-' || p.number from packages p join cargo_companies c
               on c.slug = case p.number when 'OLDP1' then 'manual' else 'yurtici' end"#,
    )
    .await;
    (old_transfer, new_transfer)
}

/// Values of a filter: one that leaves the first row alone, one that leaves the second; empty where there is none.
type Values = (String, String);

async fn check(
    shop: &Shop,
    path: &str,
    filters: &[Filter],
    rows: [&Value; 2],
    key: &str,
    of: impl Fn(&str) -> Option<Values>,
) {
    for filter in filters {
        let name = filter.name;
        let (first, second) = of(name).unwrap_or_else(|| panic!("{path} offers {name}: add values for it here"));
        assert!(!(first.is_empty() && second.is_empty()));
        for (value, expected) in [(first, rows[0]), (second, rows[1])] {
            if !value.is_empty() {
                let page = shop.get(&format!("{path}?{name}={value}")).await.ok();
                assert_eq!(column(&page, key), std::slice::from_ref(expected), "{path}?{name}={value}");
                assert_eq!(page["count"], 1);
            }
        }
        let wrong = match filter.kind {
            Kind::Integer => "x",
            Kind::Integers => "1,x",
            Kind::DateTime | Kind::Day => "yesterday",
            _ => "%00",
        };
        assert_eq!(shop.get(&format!("{path}?{name}={wrong}")).await.wrong(name).len(), 1, "{name}={wrong}");
    }
}

#[tokio::test]
async fn every_filter_of_transfers_filters() {
    let shop = open().await;
    let (old, new) = two(&shop).await;
    let (old_json, new_json) = (old.json().await, new.json().await);
    let text = |value: &Value| value.to_string();
    let both = |key: &str, inner: &str| (text(&old_json[key][inner]), text(&new_json[key][inner]));
    let words = |first: &str, second: &str| (first.to_owned(), second.to_owned());
    let manual: i64 = shop.value("select id from cargo_companies where slug = $1", "manual").await;
    let of = |name: &str| {
        Some(match name {
            "state" => both("state", "id"),
            "state__enum_value" => words("in_transit", "waiting"),
            "number" => words("OLDP1T1", "NEWP1T1"),
            "order" => both("order", "id"),
            "order__number" => words("OL", "NEW"),
            "package" => both("package", "id"),
            "package_number" => words("OLDP1", "NEWP1"),
            "product_sku" => words("FAR", "NEAR"),
            "product_barcode" => words("869FAR", "869NEAR"),
            "source__erp_code" => words("GEBZE", "BESIKTAS"),
            "destination__erp_code" => words("KADIKOY", "HQ"),
            "erp_code" => words("GEBZE", "HQ"),
            "retail_store__erp_code" => words("HQ", "KADIKOY"),
            "order__customer__first_name" => words("ay", "mehmet"),
            "order__customer__last_name" => words("lma", "KAYA"),
            "order__date_placed" => words("2001-01-01", "2030-01-01"),
            "order__date_placed__gte" => words("", "2029-01-01"),
            "order__date_placed__lte" => words("2029-01-01", ""),
            "created_date__gte" => words("", "2002-01-01"),
            "created_date__lte" => words("2002-01-01", ""),
            "id__gt" => words("", &old.id.to_string()),
            "id__gte" => words("", &new.id.to_string()),
            "id__lt" => words(&new.id.to_string(), ""),
            "id__lte" => words(&old.id.to_string(), ""),
            "pk__in" => (old.id.to_string(), format!("{},0", new.id)),
            "order__channel" => words("3", "4"),
            "package__shipment__cargo_company" => (manual.to_string(), String::new()),
            "package__shipment__awb_number" => words("AWB-OLDP1", "AWB-NEWP1"),
            "destination__country" => words("T%C3%BCrkiye", "Turkey"),
            "destination__city" => words("Istanbul", "Ankara"),
            "destination__township" => words("Kad%C4%B1k%C3%B6y", "%C3%87ankaya"),
            _ => return None,
        })
    };
    let rows = [&json!("OLDP1T1"), &json!("NEWP1T1")];
    for path in [LIST, SHORT] {
        check(&shop, path, oms::transfers::list::LIST.filters, rows, "number", of).await;
    }
    // Either end.
    for end in ["KADIKOY", "BESIKTAS"] {
        assert_eq!(shop.get(&format!("{LIST}?erp_code={end}")).await.ok()["count"], 1);
    }
    shop.execute("delete from shipments").await;
    shop.finish().await;
}

#[tokio::test]
async fn every_filter_of_items_filters() {
    let shop = open().await;
    let (old, new) = two(&shop).await;
    let of = |name: &str| {
        let words = |first: &str, second: &str| Some((first.to_owned(), second.to_owned()));
        match name {
            "transfer_order" => Some((old.id.to_string(), new.id.to_string())),
            "product" => words("71", "81"),
            "product_sku" => words("FAR", "NEAR"),
            "quantity" => words("2", "5"),
            "quantity__gt" => words("", "2"),
            "quantity__gte" => words("", "3"),
            "quantity__lt" => words("5", ""),
            "quantity__lte" => words("4", ""),
            _ => None,
        }
    };
    check(&shop, ITEMS, oms::transfers::list::ITEMS.filters, [&json!("FAR"), &json!("NEAR")], "sku", of).await;
    let page = shop.get(ITEMS).await.ok();
    assert_eq!(column(&page, "sku"), ["NEAR", "FAR"], "latest first");
    assert_eq!(column(&shop.get(&format!("{ITEMS}?sort=id")).await.ok(), "sku"), ["FAR", "NEAR"]);
    let item = &page["results"][0];
    let keys: Vec<_> = item.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        [
            "id",
            "transfer_order",
            "package_item",
            "order_item",
            "product",
            "sku",
            "quantity",
            "created_date",
            "modified_date"
        ]
    );
    assert_eq!(&shop.get(&format!("{ITEMS}{}/", item["id"])).await.ok(), item);
    for unknown in ["999999", "x"] {
        shop.get(&format!("{ITEMS}{unknown}/")).await.refused(crate::support::NOT_FOUND);
    }
    shop.execute("delete from shipments").await;
    shop.finish().await;
}

#[tokio::test]
async fn a_transfer_has_the_documented_keys_and_ours_behind() {
    let shop = open().await;
    let order = shop.fetched(&[("RED", 1), ("FAR", 2)]).await;
    let package = order.only_package();
    let transfer = package.only_transfer().await;
    let shown = transfer.json().await;
    let keys: Vec<_> = shown.as_object().expect("an object").keys().collect();
    assert_eq!(
        keys,
        [
            "id",
            "number",
            "state",
            "order",
            "package",
            "source",
            "destination",
            "created_date",
            "modified_date",
            "extra_information",
            "commands",
            "shipment",
            "transferitem_set"
        ]
    );
    let number = package.number().await;
    assert_eq!((&shown["id"], &shown["number"]), (&json!(transfer.id), &json!(format!("{number}T1"))));
    assert_eq!(
        (&shown["state"]["enum_class"], &shown["state"]["enum_value"], &shown["state"]["content_type"]),
        (&json!("TransferStatus"), &json!("waiting"), &json!(27))
    );
    assert_eq!(shown["state"]["name"], "Waiting for transfer");
    assert_eq!((&shown["order"]["id"], &shown["package"]["id"]), (&json!(order.id()), &json!(package.id)));
    assert_eq!(shown["package"]["state"]["enum_value"], "120");
    assert_eq!((&shown["source"]["erp_code"], &shown["destination"]["erp_code"]), (&json!("GEBZE"), &json!("KADIKOY")));
    assert_eq!(shown["extra_information"], json!({}));
    let item = &shown["transferitem_set"][0];
    assert_eq!((&item["package_item"], &item["quantity"]), (&json!(package.item("FAR").await), &json!(2)));
    assert_eq!(item["product"]["sku"], "FAR");

    let page = shop.get(LIST).await.ok();
    assert_eq!(page["results"], json!([shown]));
    let short = shop.get(SHORT).await.ok();
    assert_eq!(
        short["results"],
        json!([{
            "id": transfer.id, "number": format!("{number}T1"), "state": "waiting", "order": order.id(),
            "order_number": shown["order"]["number"], "package": package.id, "package_number": number,
            "source": shop.location_id("GEBZE").await, "source_erp_code": "GEBZE",
            "destination": shop.location_id("KADIKOY").await, "destination_erp_code": "KADIKOY",
            "transferitem_count": 1, "created_date": shown["created_date"], "modified_date": shown["modified_date"],
        }])
    );
    for path in ["999999/", "x/"] {
        shop.get(&format!("{LIST}{path}")).await.refused(crate::support::NOT_FOUND);
    }
    assert_eq!(shop.get(&format!("{LIST}{}", transfer.id)).await.status, 308);
    shop.finish().await;
}

#[tokio::test]
async fn pages_and_sorting_are_as_everywhere() {
    let shop = open().await;
    for _ in 0..5 {
        shop.fetched(&[("FAR", 1)]).await;
    }
    for path in [LIST, SHORT, ITEMS] {
        let page = shop.get(&format!("{path}?limit=2&page=2")).await.ok();
        assert_eq!((&page["count"], column(&page, "id").len()), (&json!(5), 2));
        assert_eq!(page["next"], format!("{}{path}?limit=2&page=3", shop.url()));
        assert_eq!(page["previous"], format!("{}{path}?limit=2", shop.url()));
        let ids = |page: &Value| column(page, "id").iter().map(|id| id.as_i64().expect("an id")).collect::<Vec<_>>();
        for sort in ["id", "created_date", "modified_date", "order_id"] {
            let rising = ids(&shop.get(&format!("{path}?sort={sort}")).await.ok());
            let falling = ids(&shop.get(&format!("{path}?sort=-{sort}")).await.ok());
            assert!(rising.is_sorted() && falling.is_sorted_by(|a, b| a > b), "{sort}");
        }
        assert_eq!(ids(&shop.get(&format!("{path}?sort=secret")).await.ok()), ids(&shop.get(path).await.ok()));
        assert_eq!(shop.get(&format!("{path}?page=9")).await.detail(404), "Invalid page.");
    }
    shop.finish().await;
}
