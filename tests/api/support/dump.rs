//! Every row of every table, to show that nothing happened.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::AssertSqlSafe;

use oms::db::PgPool;

/// The rows as JSON, by table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dump(pub BTreeMap<String, BTreeSet<String>>);

/// Keys are written by a refusal on purpose: the answer is remembered. How far events were read moves by itself.
const NOT_COMPARED: [&str; 4] = ["_sqlx_migrations", "idempotency_keys", "upstream_feed", "webhook_relay"];

impl Dump {
    pub async fn take(pool: &PgPool) -> Self {
        let tables: Vec<String> = sqlx::query_scalar(
            "select relname::text from pg_class
              where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
                and not (relname = any($1))",
        )
        .bind(NOT_COMPARED.map(str::to_owned).to_vec())
        .fetch_all(pool)
        .await
        .expect("tables");
        // When tokens were used last is noted by the way.
        let parts: Vec<String> = tables
            .iter()
            .map(|table| format!("select '{table}', (to_jsonb(t) - 'last_used_date')::text from {table} t"))
            .collect();
        let rows: Vec<(String, String)> =
            sqlx::query_as(AssertSqlSafe(parts.join(" union all "))).fetch_all(pool).await.expect("rows");
        let mut dump: BTreeMap<String, BTreeSet<String>> =
            tables.into_iter().map(|table| (table, BTreeSet::new())).collect();
        for (table, row) in rows {
            dump.entry(table).or_default().insert(row);
        }
        Self(dump)
    }

    /// Fails with the rows that differ.
    #[track_caller]
    pub fn assert_same(&self, after: &Self) {
        for (table, rows) in &self.0 {
            let now = &after.0[table];
            let gone: Vec<_> = rows.difference(now).collect();
            let new: Vec<_> = now.difference(rows).collect();
            assert!(gone.is_empty() && new.is_empty(), "{table} changed\n  before: {gone:#?}\n  after: {new:#?}");
        }
    }
}
