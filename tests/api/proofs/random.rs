//! Random edits of every column of every table: each is found, refused by the database, recorded in the audit, or of a column
//! that proves nothing.
//!
//! The same edits every time, one a column. `OMS_EDITS=10` makes ten of each, `OMS_EDITS_SEED=7` others.

use std::{
    collections::BTreeSet,
    env,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

use oms::db::PgConnection;
use sqlx::AssertSqlSafe;

use super::{lively, prove};

const SEED: u64 = 2024;

/// Tables and columns (`*`: every one) that prove nothing: an edit of them may go unnoticed. Each with its reason.
const UNPROVEN: &[(&str, &str, &str)] = &[
    ("*", "only_row", "there is one row"),
    // What people set is in the audit with who set it; its dates are shown, and nothing follows from them.
    ("states", "created_date, modified_date", DATE),
    ("transitions", "created_date, modified_date", DATE),
    ("cargo_companies", "created_date, modified_date", DATE),
    ("cargo_company_conditions", "created_date, modified_date", DATE),
    ("denial_reasons", "created_date, modified_date", DATE),
    ("cancellation_reasons", "created_date, modified_date", DATE),
    ("sender_addresses", "created_date, modified_date", DATE),
    ("scenarios", "created_date, modified_date", DATE),
    ("webhooks", "created_date, modified_date", DATE),
    ("users", "created_date", DATE),
    ("tokens", "created_date", DATE),
    ("stock_locations", "created_date, modified_date", DATE),
    ("reservations", "created_date", DATE),
    ("package_invoices", "created_date, modified_date", DATE),
    ("orders", "modified_date", DATE),
    ("orders", "heard_date", NOTE),
    ("heard_orders", "*", "what the upstream said of orders that are not here: nothing here says it too"),
    ("order_items", "wanted_quantity", "what its sender last wanted of it: only what is sent next is compared with it"),
    ("order_items", "modified_date", DATE),
    ("transfer_items", "modified_date", DATE),
    ("stocks", "modified_date", DATE),
    ("short_stocks", "*", "a note of counts: it is looked at together with the stock"),
    ("stocks", "counted_at", "a count that changes nothing moves it, and leaves nothing else"),
    ("link_key", "created_date", DATE),
    ("quota_recounts", "created_date", DATE),
    ("installation", "applied_date", DATE),
    ("tokens", "key_hash", "the digest of a secret that is nowhere: a wrong one lets nobody in"),
    ("tokens", "last_used_date", NOTE),
    ("installation", "version, rights_changes", "may always grow: servers read again what they keep in memory"),
    ("link_key", "*", "a random secret: another one ends the addresses that were given out"),
    ("webhooks", "paused_date, pause_reason, failing_since, last_delivered_date, last_delivered_event_date", NOTE),
    ("home", "*", "recorded in the audit"),
    ("packages", "remote_id", "nothing writes it"),
    ("packages", "invoice_number", "an invoice service answers without a move of the package"),
    ("package_invoices", "*", "a document is replaced by whoever sends a new one"),
    ("item_exclusions", "*", "ends with the next count of stock"),
    ("idempotency_keys", "*", "the answer to a repeated request, for some days"),
    ("transition_moves", "*", "moves besides the main one of a transition; those in use cannot go, for logs name them"),
    ("packages", "version, modified_date", "of a package with an invoice: a service that answers raises them"),
    ("quota_ledger", "id", "an order of rows that nothing depends on"),
    ("quota_ledger", "installation_version", "any version that there has been may have been the cause"),
    ("package_items", "created_date", DATE),
    ("shipments", "id", "nothing names it"),
    ("reservations", "*", "compared as far as it holds anything"),
    ("order_items", "product, sku", "of a product that was replaced, the earlier one is proven"),
    // Queues, cursors and notes of work: they say what is still to be done, and are wrong at worst for one more attempt.
    ("hook_events", "*", QUEUE),
    (
        "upstream_calls",
        "attempts, next_attempt_date, leased_until, answered_status, answer, last_error, done_date",
        QUEUE,
    ),
    ("upstream_calls", "first_attempt_date, given_up_date, ended_by", QUEUE),
    ("upstream_problems", "*", QUEUE),
    ("upstream_cursor", "*", QUEUE),
    ("upstream_feed", "*", QUEUE),
    ("upstream_stores", "*", QUEUE),
    ("stock_changes", "*", QUEUE),
    ("stock_feed", "*", QUEUE),
    ("stock_told", "created_date, told_date", DATE),
    ("webhook_relay", "*", QUEUE),
    ("replanning_wakes", "*", QUEUE),
    ("replanning_sweep", "*", QUEUE),
    ("event_clock", "*", "may grow: readers are told that older events are gone, and read on"),
    ("event_epoch", "*", "made anew by the next connection where it does not fit"),
    ("cancellation_plans", "reason, decided_date", NOTE),
    ("transition_records", "invoice_call", "blanked when the call is over"),
];
const DATE: &str = "a date that is shown, and from which nothing follows";
const NOTE: &str = "a note that the server makes and replaces";
const QUEUE: &str = "work that is still to be done: wrong at worst for one more attempt, or one later";

/// Tables that a lively shop has no rows of.
const EMPTY: [&str; 2] = ["quota_recounts", "_sqlx_migrations"];

/// What became of an edit.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    /// There is no such row.
    Impossible,
    Refused,
    Found,
    Audited,
    Unnoticed,
}

struct Column {
    table: String,
    name: String,
    kind: String,
    is_nullable: bool,
}

#[tokio::test]
async fn a_random_edit_of_any_column_is_found_or_the_column_proves_nothing() {
    let number = |name: &str, default: u64| env::var(name).map_or(default, |text| text.parse().expect("a number"));
    let (rounds, seed) = (number("OMS_EDITS", 1), number("OMS_EDITS_SEED", SEED));
    let shop = lively().await;
    let mut connection = shop.pool().acquire().await.expect("a connection");
    let columns = columns(&mut connection).await;
    stays_true(&mut connection, &columns).await;
    let (mut unnoticed, mut found) = (Vec::new(), 0);
    for (at, column) in columns.iter().enumerate() {
        for round in 0..rounds {
            let chance = chance(seed, round, at);
            let edit = edit(column, chance);
            match fate(&mut connection, &edit).await {
                Fate::Unnoticed if !is_unproven(column) => unnoticed.push(edit),
                Fate::Found => found += 1,
                _ => {}
            }
        }
    }
    assert!(unnoticed.is_empty(), "OMS_EDITS_SEED={seed}\n{}", unnoticed.join("\n"));
    assert!(found > columns.len() / 4, "only {found} of {} edits were found", columns.len());
    drop(connection);
    shop.finish().await;
}

/// Every column of every table, as the catalog has them now.
async fn columns(connection: &mut PgConnection) -> Vec<Column> {
    let rows: Vec<(String, String, String, bool)> = sqlx::query_as(
        "select c.relname::text, a.attname::text, format_type(a.atttypid, null), not a.attnotnull
           from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
          where c.relnamespace = current_schema()::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            and c.relname <> '_sqlx_migrations'
          order by 1, a.attnum",
    )
    .fetch_all(connection)
    .await
    .expect("columns");
    let column = |(table, name, kind, is_nullable)| Column { table, name, kind, is_nullable };
    rows.into_iter().map(column).collect()
}

/// Every table has a row to edit, and the list names what there is.
async fn stays_true(connection: &mut PgConnection, columns: &[Column]) {
    let tables: BTreeSet<&str> = columns.iter().map(|column| column.table.as_str()).collect();
    for table in tables.iter().filter(|table| !EMPTY.contains(table)) {
        let count = sqlx::query_scalar::<_, i64>(AssertSqlSafe(format!("select count(*) from {table}")));
        let count = count.fetch_one(&mut *connection).await.expect("a count");
        assert!(count > 0, "no edit can be made of {table}: let something of it happen in `lively`");
    }
    for (table, names, _) in UNPROVEN.iter().filter(|(table, ..)| *table != "*") {
        for name in names.split(", ").filter(|name| *name != "*") {
            let is_there = columns.iter().any(|column| column.table == *table && column.name == name);
            assert!(is_there, "UNPROVEN names {table}.{name}, which is not there");
        }
        assert!(tables.contains(table), "UNPROVEN names {table}, which is not there");
    }
}

fn is_unproven(column: &Column) -> bool {
    UNPROVEN.iter().any(|(table, names, _)| {
        (*table == "*" || *table == column.table) && names.split(", ").any(|name| name == "*" || name == column.name)
    })
}

fn chance(seed: u64, round: u64, at: usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    (seed, round, at).hash(&mut hasher);
    hasher.finish()
}

/// An edit of one row: a value of another row, none, or one like it.
fn edit(column: &Column, chance: u64) -> String {
    let Column { table, name, kind, is_nullable } = column;
    let n = chance % 97 + 1;
    let value = match chance / 97 % 4 {
        0 => format!("(select o.{name} from {table} o where o.{name}::text is distinct from t.{name}::text limit 1)"),
        1 if *is_nullable => "null".to_owned(),
        _ => match kind.as_str() {
            "bigint" | "integer" | "smallint" | "numeric" => format!("coalesce({name}, 0) + {n}"),
            "text" => format!("coalesce({name}, '') || 'x'"),
            "boolean" => format!("not coalesce({name}, false)"),
            "timestamp with time zone" => format!("coalesce({name}, now()) + interval '{n} minutes'"),
            "date" => format!("coalesce({name}, current_date) + {n}"),
            "jsonb" | "json" => format!("json_build_object('edited', {name}, 'by', {n})::{kind}"),
            "uuid" => "gen_random_uuid()".to_owned(),
            "bytea" => format!("sha256(coalesce({name}, ''))"),
            "text[]" => format!("array_append(coalesce({name}, '{{}}'), 'x')"),
            "bigint[]" => format!("array_append(coalesce({name}, '{{}}'), {n}::bigint)"),
            "timestamp with time zone[]" => format!("array_append(coalesce({name}, '{{}}'), now())"),
            other => panic!("say here how a {other} is edited"),
        },
    };
    format!(
        "update {table} t set {name} = {value} \
          where (tableoid, ctid) = (select tableoid, ctid from {table} where {name} is not null or {n} % 2 = 0 \
                                     order by md5(ctid::text || '{n}') limit 1) \
            and ({value})::text is distinct from {name}::text"
    )
}

/// Makes an edit in a transaction that is taken back, and looks whether it is seen.
async fn fate(connection: &mut PgConnection, edit: &str) -> Fate {
    let mut transaction = connection.begin().await.expect("begun");
    let audited = "select count(*) from audit";
    let before: i64 = sqlx::query_scalar(audited).fetch_one(&mut *transaction).await.expect("a count");
    let fate = match sqlx::query(AssertSqlSafe(edit.to_owned())).execute(&mut *transaction).await {
        Err(error) => {
            assert!(error.as_database_error().is_some(), "{edit}: {error}");
            let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
            // A statement that is wrong is no edit: constraints are 23, what a trigger raises P0001.
            assert!(code.starts_with("23") || ["P0001", "428C9", "22003"].contains(&&*code), "{edit}: {error}");
            Fate::Refused
        }
        Ok(done) if done.rows_affected() == 0 => Fate::Impossible,
        Ok(_) => {
            let after: i64 = sqlx::query_scalar(audited).fetch_one(&mut *transaction).await.expect("a count");
            if after > before {
                Fate::Audited
            } else if prove(&mut transaction).await.faults.is_empty() {
                Fate::Unnoticed
            } else {
                Fate::Found
            }
        }
    };
    transaction.rollback().await.expect("rolled back");
    fate
}
