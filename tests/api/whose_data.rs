//! Whose data a command works on: it makes none where there is none, and spoils none that is another's.

use std::process::Stdio;

use tempfile::tempdir;

use crate::support::Shop;

/// Runs the program without a database, with this folder for its data.
async fn oms_in(folder: &std::path::Path, arguments: &[&str]) -> (i32, String) {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_oms"))
        .args(arguments)
        .env_remove("DATABASE_URL")
        .env("OMS_DATA_DIR", folder)
        .env("RUST_LOG", "off")
        .stdin(Stdio::null())
        .output()
        .await
        .expect("oms runs");
    (output.status.code().expect("an exit code"), String::from_utf8(output.stderr).expect("UTF-8"))
}

/// The name and the address of another database beside that of a shop.
pub async fn beside(shop: &Shop, what: &str) -> (String, String) {
    let name: String = shop.value("select current_database()::text where $1", true).await;
    let other = format!("{name}_{what}");
    let url = shop.database_url("oms").replacen(&format!("/{name}?"), &format!("/{other}?"), 1);
    (other, url)
}

#[tokio::test]
async fn only_a_server_makes_new_data_and_the_others_say_where_they_looked() {
    let folder = tempdir().expect("a folder");
    let nowhere = folder.path().join("nowhere");
    for arguments in [
        &["user", "add", "erp"][..],
        &["verify"],
        &["migrate"],
        &["installation", "list"],
        &["install", concat!(env!("CARGO_MANIFEST_DIR"), "/installations/standard.toml")],
    ] {
        let (code, said) = oms_in(&nowhere, arguments).await;
        assert_eq!((code, said.lines().count()), (1, 1), "{said}");
        assert!(said.contains(&format!("there is no data in {}; ", nowhere.display())), "{said}");
        assert!(!nowhere.exists(), "{arguments:?}");
    }
    // What a first start leaves that was cut off is no data.
    let postgres = nowhere.join("postgres");
    std::fs::create_dir_all(&postgres).expect("a folder");
    let (code, said) = oms_in(&nowhere, &["user", "list"]).await;
    assert!(code == 1 && said.contains("there is no data in "), "{said}");
    assert_eq!(std::fs::read_dir(&postgres).expect("a folder").count(), 0);
}

#[tokio::test]
async fn the_demo_refuses_every_database_that_holds_other_data() {
    let shops = [Shop::open().await, Shop::bare().await];
    for shop in shops {
        let (code, _, said) = shop.changes_nothing(shop.oms(&["demo", "--listen", "127.0.0.1:0"])).await;
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("this database is not the demo's"), "{said}");
        // What runs where is said first, and no password.
        let first = said.lines().next().unwrap_or_default();
        assert!(first.starts_with(concat!("oms ", env!("CARGO_PKG_VERSION"), " (commit ")), "{first}");
        assert!(first.contains("; data: ") && first.contains("DATABASE_URL=********"), "{first}");
        assert!(first.contains("OMS_LISTEN=127.0.0.1:0") && !first.contains("postgres://"), "{first}");
        shop.finish().await;
    }
    let shop = Shop::open().await;
    let (strange, strange_url) = beside(&shop, "strange").await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("create database {strange} owner oms")))
        .execute(shop.pool())
        .await
        .expect("made");
    let pool = sqlx::PgPool::connect(&strange_url).await.expect("connect");
    sqlx::raw_sql("create table ledger (n int)").execute(&pool).await.expect("made");
    let (code, _, said) = shop.oms(&["--database-url", &strange_url, "demo", "--listen", "127.0.0.1:0"]).await;
    assert_eq!(code, 1);
    assert!(said.contains("tables that are not of oms"), "{said}");
    let tables: i64 = sqlx::query_scalar("select count(*) from pg_tables where schemaname = 'public'")
        .fetch_one(&pool)
        .await
        .expect("counted");
    assert_eq!(tables, 1);
    pool.close().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("drop database {strange}"))).execute(shop.pool()).await.expect("dropped");
    shop.finish().await;
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_named_by_every_command() {
    let shop = Shop::open().await;
    shop.execute(
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
         values (99990001, 'of later', true, '', 0)",
    )
    .await;
    for arguments in [
        &["verify"][..],
        &["migrate"],
        &["user", "list"],
        &["installation", "list"],
        &["serve", "--listen", "127.0.0.1:0"],
        &["serve", "--no-migrate", "--listen", "127.0.0.1:0"],
    ] {
        let (code, printed, said) = shop.changes_nothing(shop.oms(arguments)).await;
        assert_eq!((code, printed.as_str()), (1, ""), "{arguments:?} {said}");
        assert!(said.lines().last().is_some_and(|line| line.contains("made by a newer oms")), "{said}");
    }
    shop.abandon().await;
}

#[tokio::test]
async fn a_server_that_may_not_migrate_ends_where_it_would_have_to() {
    let shop = Shop::open().await;
    shop.execute("update _sqlx_migrations set version = -version where version = 1").await;
    let arguments = ["serve", "--no-migrate", "--listen", "127.0.0.1:0"];
    let (code, _, said) = shop.changes_nothing(shop.oms(&arguments)).await;
    assert_eq!((code, said.as_str()), (1, "oms: the database's schema is not current; run: oms migrate\n"));
    shop.abandon().await;
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused_before_the_first_table() {
    let shop = Shop::open().await;
    let (latin, latin_url) = beside(&shop, "latin").await;
    let create = format!("create database {latin} owner oms encoding 'LATIN1' locale 'C' template template0");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(shop.pool()).await.expect("made");
    let (code, _, said) = shop.oms(&["--database-url", &latin_url, "migrate"]).await;
    assert_eq!(code, 1);
    assert!(said.contains("encoded in LATIN1, not in UTF8; make another: create database"), "{said}");
    let pool = sqlx::PgPool::connect(&latin_url).await.expect("connect");
    let tables: i64 = sqlx::query_scalar("select count(*) from pg_tables where schemaname = 'public'")
        .fetch_one(&pool)
        .await
        .expect("counted");
    assert_eq!(tables, 0);
    pool.close().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("drop database {latin}"))).execute(shop.pool()).await.expect("dropped");
    shop.finish().await;
}
