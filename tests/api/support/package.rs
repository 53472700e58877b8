//! A package and the commands that move it.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Reply, Shop, shop::send};

/// A package by its id.
#[derive(Clone, Copy)]
pub struct Package<'s> {
    pub shop: &'s Shop,
    pub id: i64,
}

impl<'s> Package<'s> {
    pub fn new(shop: &'s Shop, id: i64) -> Self {
        Self { shop, id }
    }

    pub fn path(&self) -> String {
        format!("/api/v1/oms/packages/{}/", self.id)
    }

    pub fn command_path(&self) -> String {
        format!("{}command/", self.path())
    }

    /// The package JSON.
    pub async fn json(&self) -> Value {
        self.shop.get(&self.path()).await.ok()
    }

    // ── Commands ───────────────────────────────────────────────────────────────────────────────

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

    /// Runs a command by the slug of its transition from the package's state; where there is none, of any.
    pub async fn run_with(&self, command: &str, input: &Value) -> Reply {
        let slug = self.slug(command).await;
        self.post(&json!({ "slug": slug, "input_parameters": input })).await
    }

    /// The same with a key, by a user.
    pub async fn run_keyed(&self, user: &str, key: &str, body: &Value) -> Reply {
        let request = self.shop.request_as(user, Method::POST, &self.command_path());
        send(request.header("Idempotency-Key", key).json(body)).await
    }

    /// What a dry run of it answers.
    pub async fn dry_run(&self, command: &str, input: &Value) -> Reply {
        let slug = self.slug(command).await;
        let path = format!("{}?dry_run=true", self.command_path());
        self.shop.post(&path, &json!({ "slug": slug, "input_parameters": input })).await
    }

    /// The plain move to a state.
    pub async fn move_to(&self, state: &str) {
        let source = self.state().await;
        let slug = format!("package__pkg_state_transition__{source}__{state}");
        self.post(&json!({ "slug": slug })).await.ok();
    }

    /// The slug of a command's transition from the package's state; where there is none, of any.
    pub async fn slug(&self, command: &str) -> String {
        sqlx::query_scalar(
            "select t.slug from transitions t join packages p on p.id = $1
              where t.command = $2 and t.retired_date is null order by t.source_state_id <> p.state_id, t.id limit 1",
        )
        .bind(self.id)
        .bind(command)
        .fetch_one(self.shop.pool())
        .await
        .expect("a transition of the installation")
    }

    // ── What is there ──────────────────────────────────────────────────────────────────────────

    /// Its state's slug.
    pub async fn state(&self) -> String {
        self.shop
            .value("select s.slug from packages p join states s on s.id = p.state_id where p.id = $1", self.id)
            .await
    }

    /// `state@location`.
    pub async fn place(&self) -> String {
        self.shop
            .value(
                "select s.slug || '@' || l.erp_code from packages p join states s on s.id = p.state_id
                   join stock_locations l on l.id = p.stock_location_id where p.id = $1",
                self.id,
            )
            .await
    }

    pub async fn number(&self) -> String {
        self.shop.value("select number from packages where id = $1", self.id).await
    }

    /// Ids of its items, in order.
    pub async fn item_ids(&self) -> Vec<i64> {
        self.column("select id from package_items where package_id = $1 order by id").await
    }

    /// The id of its item of a SKU.
    pub async fn item(&self, sku: &str) -> i64 {
        sqlx::query_scalar(
            "select i.id from package_items i join order_items oi on oi.id = i.order_item_id
              where i.package_id = $1 and oi.sku = $2",
        )
        .bind(self.id)
        .bind(sku)
        .fetch_one(self.shop.pool())
        .await
        .expect("one such item")
    }

    /// (sku, state) of its items, in order.
    pub async fn items(&self) -> Vec<(String, String)> {
        sqlx::query_as(
            "select oi.sku, s.slug from package_items i join order_items oi on oi.id = i.order_item_id
               join states s on s.id = i.state_id where i.package_id = $1 order by i.id",
        )
        .bind(self.id)
        .fetch_all(self.shop.pool())
        .await
        .expect("items")
    }

    /// Its events, in order.
    pub async fn events(&self) -> Vec<String> {
        self.column(
            "select t.type from events e, unnest(e.types) with ordinality as t(type, n)
              where e.entity = 'package' and e.object_id = $1 order by e.sequence, t.n",
        )
        .await
    }

    /// `command: source -> destination@location` of each log row, in order; the creation as `created -> …`.
    pub async fn log(&self) -> Vec<String> {
        self.column(
            "select coalesce(t.command || ': ' || a.slug, 'created') || ' -> ' || b.slug || '@' || l.erp_code
               from transition_logs g left join transitions t on t.id = g.transition_id
               left join states a on a.id = g.source_state_id join states b on b.id = g.destination_state_id
               join stock_locations l on l.id = g.stock_location_id where g.package_id = $1 order by g.id",
        )
        .await
    }

    /// `location +1`, `location -1`, in order.
    pub async fn ledger(&self) -> Vec<String> {
        self.column(
            "select l.erp_code || case when q.delta > 0 then ' +1' else ' -1' end from quota_ledger q
               join stock_locations l on l.id = q.stock_location_id where q.package_id = $1 order by q.id",
        )
        .await
    }

    /// `location sku×quantity` of its reservations, by item.
    pub async fn reservations(&self) -> Vec<String> {
        self.column(
            "select l.erp_code || ' ' || r.sku || '×' || r.quantity from reservations r
               join package_items i on i.id = r.package_item_id
               join stock_locations l on l.id = r.stock_location_id where i.package_id = $1 order by i.id",
        )
        .await
    }

    /// The packages that took its items over.
    pub async fn successors(&self) -> Vec<Package<'s>> {
        let ids = self
            .column("select successor_id from package_replacements where package_id = $1 order by successor_id")
            .await;
        ids.into_iter().map(|id| Package::new(self.shop, id)).collect()
    }

    async fn column<T>(&self, sql: &'static str) -> Vec<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(sql).bind(self.id).fetch_all(self.shop.pool()).await.expect(sql)
    }
}
