//! The server's role: it owns its database, and is no superuser.

use super::*;

const TO_PROGRAM: &str = "copy (select 1) to program 'true'";

async fn refusal(connection: &mut PgConnection, statement: &'static str) -> String {
    let error = sqlx::raw_sql(statement).execute(connection).await.expect_err(statement);
    error.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned)).expect("a code")
}

#[tokio::test]
async fn the_role_of_a_server_owns_its_database_and_reaches_nothing_else() {
    let folder = temporary_folder();
    let cluster = Cluster::start(&settings(folder.path())).await.unwrap();
    cluster.ensure_database("shop").await.unwrap();
    cluster.ensure_database("other \"one\"").await.unwrap();
    let mut connection = cluster.connect_options("shop").connect().await.unwrap();
    let is_superuser: bool = sqlx::query_scalar(
        "select rolsuper or rolcreatedb or rolcreaterole or rolreplication or rolbypassrls
                              from pg_roles where rolname = current_user",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert!(!is_superuser);
    for statement in [
        TO_PROGRAM,
        "copy (select 1) to '/tmp/oms-should-not-be'",
        "select pg_read_file('/etc/passwd')",
        "set role postgres",
        "alter role oms superuser",
        "create role another",
        "alter system set work_mem = '8MB'",
        "create extension file_fdw",
    ] {
        assert_eq!(refusal(&mut connection, statement).await, "42501", "{statement}");
    }
    sqlx::raw_sql("create table t (n int); alter table t add m int; create schema s")
        .execute(&mut connection)
        .await
        .unwrap();
    connection.close().await.unwrap();
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);
}

/// As the version before left it: everything belongs to the superuser and, as root, the folder to Postgres' user.
#[tokio::test]
async fn a_cluster_of_the_version_before_is_given_to_the_role_and_its_folder_to_root() {
    let folder = temporary_folder();
    let settings = settings(folder.path().join("postgres"));
    let cluster = Cluster::start(&settings).await.unwrap();
    let mut superuser = cluster.superuser_options("postgres").connect().await.unwrap();
    sqlx::raw_sql("create database oms").execute(&mut superuser).await.unwrap();
    superuser.close().await.unwrap();
    let mut superuser = cluster.superuser_options("oms").connect().await.unwrap();
    sqlx::raw_sql(
        "create table orders (id bigint generated always as identity, n serial, at int) partition by range (at);
         create table orders_1 partition of orders for values from (0) to (9);
         insert into orders (at) values (7);
         create unlogged table fleeting (v text);
         create view seen as select * from orders;
         create sequence numbers;
         create function answer() returns int language sql as 'select 42';
         create procedure nothing() language sql as 'select 1';
         create index on orders (at)",
    )
    .execute(&mut superuser)
    .await
    .unwrap();
    superuser.close().await.unwrap();
    let account = cluster.home.account.uid;
    let is_root = cluster.home.account.switch_to.is_some();
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);
    if is_root {
        std::os::unix::fs::chown(&settings.data_dir, Some(account), None).unwrap();
    }

    let cluster = Cluster::start(&settings).await.unwrap();
    for _ in 0..2 {
        cluster.ensure_database("oms").await.unwrap();
    }
    let mut owner = cluster.connect_options("oms").connect().await.unwrap();
    let kept: i32 = sqlx::query_scalar("select at from seen").fetch_one(&mut owner).await.unwrap();
    assert_eq!(kept, 7);
    sqlx::raw_sql(
        "alter table orders add more text; insert into orders (at) values (8); drop view seen; drop sequence numbers;
         create or replace function answer() returns int language sql as 'select 43'; drop procedure nothing();
         alter table fleeting add n int; create table new (n int); drop table orders_1",
    )
    .execute(&mut owner)
    .await
    .unwrap();
    assert_eq!(refusal(&mut owner, TO_PROGRAM).await, "42501");
    owner.close().await.unwrap();
    if is_root {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = fs::metadata(&settings.data_dir).unwrap();
        assert_eq!((metadata.uid(), metadata.mode() & 0o7777), (0, 0o755));
    }
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);
}
