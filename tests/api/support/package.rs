//! A package and the commands that move it.

use std::ops::Deref;

use serde_json::json;

use super::{Shop, moved::Moved};

/// A package by its id.
#[derive(Clone, Copy)]
pub struct Package<'s>(Moved<'s>);

impl<'s> Deref for Package<'s> {
    type Target = Moved<'s>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'s> Package<'s> {
    pub fn new(shop: &'s Shop, id: i64) -> Self {
        Self(Moved::package(shop, id))
    }

    /// The plain move to a state.
    pub async fn move_to(&self, state: &str) {
        let source = self.state().await;
        let slug = format!("package__pkg_state_transition__{source}__{state}");
        self.post(&json!({ "slug": slug })).await.ok();
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
}
