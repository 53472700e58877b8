//! What commands move: packages and transfers alike.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Reply, Shop, shop::send};

/// A package or a transfer by its id; [`super::Package`] and [`super::Transfer`] say which.
#[derive(Clone, Copy)]
pub struct Moved<'s> {
    pub shop: &'s Shop,
    pub id: i64,
    /// `package` or `transfer`.
    entity: &'static str,
    /// Where they are listed.
    list: &'static str,
}

impl<'s> Moved<'s> {
    pub fn package(shop: &'s Shop, id: i64) -> Self {
        Self { shop, id, entity: "package", list: "packages" }
    }

    pub fn transfer(shop: &'s Shop, id: i64) -> Self {
        Self { shop, id, entity: "transfer", list: "transfer_orders" }
    }

    pub fn path(&self) -> String {
        format!("/api/v1/oms/{}/{}/", self.list, self.id)
    }

    pub fn command_path(&self) -> String {
        format!("{}command/", self.path())
    }

    /// Its JSON.
    pub async fn json(&self) -> Value {
        self.shop.get(&self.path()).await.ok()
    }

    /// Posts a body to its command path.
    pub async fn post(&self, body: &Value) -> Reply {
        self.shop.post(&self.command_path(), body).await
    }

    pub async fn post_as(&self, user: &str, body: &Value) -> Reply {
        self.shop.post_as(user, &self.command_path(), body).await
    }

    /// Runs a command without parameters.
    pub async fn run(&self, command: &str) -> Reply {
        self.run_with(command, &json!({})).await
    }

    /// Runs a command by the slug of its transition from the object's state; where there is none, of any.
    pub async fn run_with(&self, command: &str, input: &Value) -> Reply {
        let slug = self.slug(command).await;
        self.post(&json!({ "slug": slug, "input_parameters": input })).await
    }

    /// The same with a key, by a user.
    pub async fn run_keyed(&self, user: &str, key: &str, body: &Value) -> Reply {
        let request = self.shop.request_as(user, Method::POST, &self.command_path());
        send(request.header("Idempotency-Key", key).json(body)).await
    }

    /// The same by another server.
    pub async fn run_keyed_at(&self, server: &str, user: &str, key: &str, body: &Value) -> Reply {
        let url = format!("{server}{}", self.command_path());
        send(self.shop.request_as(user, Method::POST, &url).header("Idempotency-Key", key).json(body)).await
    }

    /// What a dry run of it answers.
    pub async fn dry_run(&self, command: &str, input: &Value) -> Reply {
        let slug = self.slug(command).await;
        let path = format!("{}?dry_run=true", self.command_path());
        self.shop.post(&path, &json!({ "slug": slug, "input_parameters": input })).await
    }

    /// The slug of a command's transition from the object's state; where there is none, of any.
    pub async fn slug(&self, command: &str) -> String {
        sqlx::query_scalar(
            "select n.slug from transitions n
              where n.entity = $3 and n.command = $2 and n.retired_date is null
              order by n.source_state_id <> case $3 when 'package' then (select state_id from packages where id = $1)
                                                    else (select state_id from transfers where id = $1) end,
                       n.id
              limit 1",
        )
        .bind(self.id)
        .bind(command)
        .bind(self.entity)
        .fetch_one(self.shop.pool())
        .await
        .expect("a transition of the installation")
    }

    /// Its events, in order.
    pub async fn events(&self) -> Vec<String> {
        sqlx::query_scalar(
            "select t.type from events e, unnest(e.types) with ordinality as t(type, n)
              where e.entity = $2 and e.object_id = $1 order by e.sequence, t.n",
        )
        .bind(self.id)
        .bind(self.entity)
        .fetch_all(self.shop.pool())
        .await
        .expect("events")
    }

    /// The only column of a query with its id as parameter.
    pub async fn column<T>(&self, sql: &'static str) -> Vec<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(sql).bind(self.id).fetch_all(self.shop.pool()).await.expect(sql)
    }
}
