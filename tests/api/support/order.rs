//! An order and its packages.

use serde_json::{Value, json};

use super::{Package, Shop};

/// An order as the upstream hands it over.
pub fn order_json(number: &str, lines: &[(&str, i64)]) -> Value {
    let lines: Vec<Value> = lines
        .iter()
        .map(|(sku, quantity)| {
            json!({ "status": "400", "quantity": quantity, "price": "2.55", "price_currency": "try",
                    "tax_rate": "20.00", "product": { "sku": sku, "name": format!("A {sku} thing"),
                                                       "barcode": format!("869{sku}") } })
        })
        .collect();
    json!({
        "number": number, "status": "400", "channel": { "pk": 1, "name": "web" },
        "date_placed": "2024-05-01T10:00:00Z", "currency": "try", "amount": "10.00",
        "payment_option": { "slug": "credit_card" }, "shipping_option_slug": "standard", "delivery_type": "delivery",
        "customer": { "pk": 5, "first_name": "Ayşe", "last_name": "Yılmaz" },
        "shipping_address": { "line": "Bahariye 7", "city": { "name": "Istanbul" },
                              "latitude": "40.98", "longitude": "29.02" },
        "orderitem_set": lines
    })
}

/// An order the shop has taken.
pub struct Order<'s> {
    pub shop: &'s Shop,
    /// As the server answered when it took it.
    pub json: Value,
}

impl<'s> Order<'s> {
    pub fn id(&self) -> i64 {
        self.json["id"].as_i64().expect("an id")
    }

    /// Its packages as planned, in the order of their numbers.
    pub fn packages(&self) -> Vec<Package<'s>> {
        let packages = self.json["packages"].as_array().expect("packages");
        packages.iter().map(|package| Package::new(self.shop, package["id"].as_i64().expect("an id"))).collect()
    }

    #[track_caller]
    pub fn only_package(&self) -> Package<'s> {
        let mut packages = self.packages();
        assert_eq!(packages.len(), 1, "{}", self.json["packages"]);
        packages.remove(0)
    }

    /// Its packages now, as `number state@location: sku×quantity=item state, …`, in the order of their ids.
    pub async fn summary(&self) -> Vec<String> {
        sqlx::query_scalar(
            "select p.number || ' ' || s.slug || '@' || l.erp_code || ':' || coalesce((
                        select string_agg(' ' || oi.sku || '×' || i.quantity || '=' || st.slug, ',' order by i.id)
                          from package_items i join order_items oi on oi.id = i.order_item_id
                          join states st on st.id = i.state_id where i.package_id = p.id), '')
               from packages p join states s on s.id = p.state_id join stock_locations l on l.id = p.stock_location_id
              where p.order_id = $1 order by p.id",
        )
        .bind(self.id())
        .fetch_all(self.shop.pool())
        .await
        .expect("packages")
    }

    /// Its planning record.
    pub async fn execution_plan(&self) -> Value {
        self.shop.get(&format!("/api/v1/oms/orderexecutionplans/{}/", self.id())).await.ok()
    }

    /// Its transfers now, as `number state source->destination: sku×quantity, …`, in the order of their ids.
    pub async fn transfers(&self) -> Vec<String> {
        sqlx::query_scalar(
            "select t.number || ' ' || st.enum_value || ' ' || s.erp_code || '->' || d.erp_code || ':' || (
                        select string_agg(' ' || oi.sku || '×' || ti.quantity, ',' order by ti.id)
                          from transfer_items ti join package_items i on i.id = ti.package_item_id
                          join order_items oi on oi.id = i.order_item_id where ti.transfer_id = t.id)
               from transfers t join packages p on p.id = t.package_id join states st on st.id = t.state_id
               join stock_locations s on s.id = t.source_location_id
               join stock_locations d on d.id = t.destination_location_id
              where p.order_id = $1 order by t.id",
        )
        .bind(self.id())
        .fetch_all(self.shop.pool())
        .await
        .expect("transfers")
    }

    /// Why its latest plan is what it is. Every plan of it comes out the same when it is made again.
    pub async fn trace(&self) -> Value {
        let plan = self.execution_plan().await;
        let attempts = plan["context"]["attempts"].as_array().expect("attempts").clone();
        assert!(attempts.iter().all(|attempt| attempt["reproduced"] == true), "{attempts:#?}");
        attempts.last().expect("a plan").clone()
    }
}
