//! A user who is limited to some locations sees and changes nothing of others, by no route.

mod faults;
mod walk;

use oms::auth::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Package, Reply, SHOP, STANDARD, Shop, TRANSFERS, Transfer, add_user, order_json, send};

/// A shop, and users who are limited to KADIKOY. Everything in it is elsewhere, and has these words in it.
pub struct House {
    pub shop: Shop,
    /// (role, token), one of each role.
    pub users: Vec<(Role, String)>,
}

/// Words of what is elsewhere: a customer, a street, a product, an order, a location.
pub const SECRETS: [&str; 5] = ["Zühtü", "Sır Sokak", "HIDDEN", "S-1", "Gebze Warehouse"];

/// The number of the order that is elsewhere.
pub const NUMBER: &str = "S-1";

/// An order of a product that only GEBZE has.
pub fn elsewhere(number: &str) -> Value {
    let mut order = order_json(number, &[("HIDDEN", 1)]);
    order["customer"] = json!({ "pk": 9, "first_name": "Zühtü", "last_name": "Zor" });
    order["shipping_address"]["line"] = json!("Sır Sokak 9");
    order
}

impl House {
    pub async fn open() -> Self {
        let shop = Shop::open().await;
        shop.install(&[STANDARD, SHOP, TRANSFERS]).await;
        let mut users = Vec::new();
        for role in [Role::Admin, Role::Operator, Role::Integrator, Role::Store] {
            let token = add_user(shop.pool(), &format!("limited {role}"), role, &["KADIKOY".to_owned()]).await;
            users.push((role, token));
        }
        shop.count("GEBZE", "HIDDEN", 22).await;
        Self { shop, users }
    }

    pub fn token(&self, role: Role) -> &str {
        let (_, token) = self.users.iter().find(|(of, _)| *of == role).expect("a user of each role");
        token
    }

    pub async fn send_as(&self, role: Role, method: Method, path: &str, body: &Value) -> Reply {
        let request = self.shop.request(method, path).header("Authorization", format!("Token {}", self.token(role)));
        send(if body.is_null() { request } else { request.json(body) }).await
    }

    pub async fn get_as(&self, role: Role, path: &str) -> Reply {
        self.send_as(role, Method::GET, path, &Value::Null).await
    }

    pub async fn post_as(&self, role: Role, path: &str, body: &Value) -> Reply {
        self.send_as(role, Method::POST, path, body).await
    }

    /// A package at GEBZE.
    pub async fn package(&self) -> Package<'_> {
        let package = self.shop.order_of(&elsewhere(NUMBER)).await.only_package();
        assert_eq!(package.place().await, "waiting@GEBZE");
        package
    }

    /// A transfer from GEBZE to BESIKTAS.
    pub async fn transfer(&self) -> Transfer<'_> {
        self.shop.limit("KADIKOY", Some(0)).await;
        let mut order = elsewhere("S-12");
        order["channel"] = json!({ "pk": 3, "name": "gather" });
        let package = self.shop.order_of(&order).await.only_package();
        self.shop.limit("KADIKOY", None).await;
        assert_eq!(package.place().await, "waiting-for-transfer@BESIKTAS");
        package.only_transfer().await
    }
}
