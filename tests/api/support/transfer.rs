//! A transfer and the commands that move it.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Package, Reply, Shop, shop::send};

/// A transfer by its id.
#[derive(Clone, Copy)]
pub struct Transfer<'s> {
    pub shop: &'s Shop,
    pub id: i64,
}

impl Transfer<'_> {
    pub fn path(&self) -> String {
        format!("/api/v1/oms/transfer_orders/{}/", self.id)
    }

    pub fn command_path(&self) -> String {
        format!("{}command/", self.path())
    }

    /// The transfer JSON.
    pub async fn json(&self) -> Value {
        self.shop.get(&self.path()).await.ok()
    }

    // ── Commands ───────────────────────────────────────────────────────────────────────────────

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

    /// Runs a command by the slug of its transition from the transfer's state; where there is none, of any.
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

    /// On its way and there.
    pub async fn bring(&self) {
        self.run("TRANSFER_DISPATCH").await.ok();
        self.run("TRANSFER_DELIVERED").await.ok();
    }

    /// The slug of a command's transition from the transfer's state; where there is none, of any.
    pub async fn slug(&self, command: &str) -> String {
        sqlx::query_scalar(
            "select n.slug from transitions n join transfers t on t.id = $1
              where n.command = $2 and n.retired_date is null order by n.source_state_id <> t.state_id, n.id limit 1",
        )
        .bind(self.id)
        .bind(command)
        .fetch_one(self.shop.pool())
        .await
        .expect("a transition of the installation")
    }

    // ── What is there ──────────────────────────────────────────────────────────────────────────

    /// Its state's word.
    pub async fn state(&self) -> String {
        self.shop
            .value("select s.enum_value from transfers t join states s on s.id = t.state_id where t.id = $1", self.id)
            .await
    }

    /// Ids of its items, in order.
    pub async fn item_ids(&self) -> Vec<i64> {
        self.column("select id from transfer_items where transfer_id = $1 order by id").await
    }

    /// Its events, in order.
    pub async fn events(&self) -> Vec<String> {
        self.column(
            "select t.type from events e, unnest(e.types) with ordinality as t(type, n)
              where e.entity = 'transfer' and e.object_id = $1 order by e.sequence, t.n",
        )
        .await
    }

    /// `command: source -> destination` of each log row, in order; the creation as `created -> …`.
    pub async fn log(&self) -> Vec<String> {
        self.column(
            "select coalesce(n.command || ': ' || a.slug, 'created') || ' -> ' || b.slug
               from transfer_logs g left join transitions n on n.id = g.transition_id
               left join states a on a.id = g.source_state_id join states b on b.id = g.destination_state_id
              where g.transfer_id = $1 order by g.id",
        )
        .await
    }

    async fn column<T>(&self, sql: &'static str) -> Vec<T>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        sqlx::query_scalar(sql).bind(self.id).fetch_all(self.shop.pool()).await.expect(sql)
    }
}

impl<'s> Package<'s> {
    /// Its transfers, in the order of their numbers.
    pub async fn transfers(&self) -> Vec<Transfer<'s>> {
        let ids: Vec<i64> = sqlx::query_scalar("select id from transfers where package_id = $1 order by id")
            .bind(self.id)
            .fetch_all(self.shop.pool())
            .await
            .expect("transfers");
        ids.into_iter().map(|id| Transfer { shop: self.shop, id }).collect()
    }

    /// Its only transfer.
    pub async fn only_transfer(&self) -> Transfer<'s> {
        let mut transfers = self.transfers().await;
        assert_eq!(transfers.len(), 1);
        transfers.remove(0)
    }
}
