//! The load, and the copy of it that each phase gets.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU32, Ordering},
};

use oms::{
    audit::{self, Actor},
    auth::{self, NewToken, Role},
    commands,
    db::{self, PgPool},
    installation::{apply, check},
    verify::verify,
};
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};

use crate::{Failure, LOCATIONS, PACKAGES, support::Postgres};

/// A private Postgres and how many databases it has had.
#[derive(Debug)]
pub(crate) struct Database {
    pub postgres: Postgres,
    databases: AtomicU32,
}

impl From<Database> for Postgres {
    fn from(database: Database) -> Self {
        database.postgres
    }
}

/// A database of it.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub name: String,
    pub ids: Ids,
    maintenance: sqlx::postgres::PgConnectOptions,
    options: sqlx::postgres::PgConnectOptions,
}

/// What requests and the reference have to name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ids {
    pub waiting: i64,
    pub packed: i64,
    pub transition: i64,
    pub slug: String,
    pub cargo_company: i64,
    pub user: i64,
    pub token: String,
}

impl Database {
    /// Starts it.
    pub(crate) async fn start(settings: &[String]) -> Result<Self, Failure> {
        let postgres = Postgres::start(settings, &["pgbench"]).await?;
        Ok(Self { postgres, databases: AtomicU32::new(0) })
    }

    pub(crate) fn url(&self, database: &Loaded) -> String {
        self.postgres.url(&database.name)
    }

    fn named(&self, kind: &str, ids: Ids) -> Loaded {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("{kind}_{number}");
        let options = self.postgres.options(&name);
        Loaded { name, ids, maintenance: self.postgres.options("postgres"), options }
    }

    /// A database with every package waiting, at the location that an SQL expression of its number `n` says.
    pub(crate) async fn load(&self, location: &str) -> Result<Loaded, Failure> {
        let mut loaded = self.named("loaded", Ids::default());
        self.postgres.ensure_database(&loaded.name).await?;
        let pool = db::connect(loaded.options.clone(), 10).await?;
        db::migrate(&pool).await?;
        install(&pool).await?;
        let mut transaction = audit::begin(&pool, &Actor::command_line()).await?;
        auth::create_user(&mut transaction, "bench", None, Role::Integrator, &[]).await?;
        let token = auth::issue_token(&mut transaction, "bench", &NewToken::default()).await?.key;
        transaction.commit().await?;
        let mut connection = pool.acquire().await?;
        let sql = include_str!("load.sql").replace("{packages}", &PACKAGES.to_string()).replace("{location}", location);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await?;
        sqlx::raw_sql("vacuum (analyze)").execute(&mut *connection).await?;
        sqlx::raw_sql("checkpoint").execute(&mut *connection).await?;
        loaded.ids = read_ids(&mut connection, token).await?;
        drop(connection);
        require_no_faults(&pool).await?;
        pool.close().await;
        self.postgres.ensure_database(&loaded.name).await?;
        Ok(loaded)
    }

    /// A copy of a loaded database, on disk when this returns.
    pub(crate) async fn copy(&self, template: &Loaded) -> Result<Loaded, Failure> {
        let copy = self.named("copy", template.ids.clone());
        let mut connection = PgConnection::connect_with(&copy.maintenance).await?;
        let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::integer")
            .fetch_one(&mut connection)
            .await?;
        // Since 15, and before it the only way: files are copied and a checkpoint is made, so nothing is left to write.
        let strategy = if version >= 150_000 { "strategy file_copy" } else { "" };
        let sql = format!("create database {} template {} {strategy}", copy.name, template.name);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        connection.close().await?;
        self.postgres.ensure_database(&copy.name).await?;
        copy.warm().await?;
        Ok(copy)
    }
}

impl Loaded {
    /// Reads everything into Postgres' memory, as far as it fits: what waits to be packed is recent, and a server that
    /// has run for a while has it there. `pg_prewarm` comes with Postgres; without it phases only begin slower.
    async fn warm(&self) -> Result<(), Failure> {
        let mut connection = PgConnection::connect_with(&self.options).await?;
        let there = sqlx::raw_sql("create extension if not exists pg_prewarm").execute(&mut connection).await.is_ok();
        if there {
            let all = "select sum(pg_prewarm(c.oid)) from pg_class c join pg_namespace n on n.oid = c.relnamespace
                        where n.nspname = 'public' and c.relkind in ('r', 'i', 't')";
            sqlx::raw_sql(all).execute(&mut connection).await?;
        }
        connection.close().await?;
        Ok(())
    }

    /// Proves that what was written is in order, removes it, and returns how many packages were packed.
    pub(crate) async fn finish(self) -> Result<u64, Failure> {
        let pool = db::connect(self.options.clone(), 10).await?;
        require_no_faults(&pool).await?;
        let packed: i64 = sqlx::query_scalar("select count(*) from packages where state_id = $1")
            .bind(self.ids.packed)
            .fetch_one(&pool)
            .await?;
        pool.close().await;
        self.remove().await?;
        Ok(u64::try_from(packed)?)
    }

    pub(crate) async fn remove(self) -> Result<(), Failure> {
        let mut connection = PgConnection::connect_with(&self.maintenance).await?;
        let sql = format!("drop database {} with (force)", self.name);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        connection.close().await?;
        Ok(())
    }
}

async fn require_no_faults(pool: &PgPool) -> Result<(), Failure> {
    let faults = Box::pin(verify(pool)).await?;
    match faults.first() {
        None => Ok(()),
        Some(first) => Err(format!("oms verify found {} faults; the first: {first}", faults.len()).into()),
    }
}

/// The standard workflow.
pub(crate) const STANDARD: &str = include_str!("../../installations/standard.toml");

/// Locations and one scenario.
pub(crate) fn places() -> Result<String, Failure> {
    let mut places = String::new();
    for number in 1..=LOCATIONS {
        write!(
            places,
            "[[stock_locations]]\nerp_code = \"L{number}\"\nname = \"Store {number}\"\ntype = \"store\"\n\
             priority = {number}\nlatitude = 51.5\nlongitude = 0.1\n\
             address = {{ line = \"1 High Street\", city = \"London\", country = \"United Kingdom\" }}\n"
        )?;
    }
    places.push_str(
        "[[scenarios]]\nname = \"Standard\"\npriority = 1\nchannels = []\nshipping = []\npayments = []\n\
         default_location = \"L1\"\ninitial_state_when_split = \"waiting\"\n\
         [[scenarios.rules]]\nname = \"Anywhere\"\nconditions = [\"SELECT_BY_STOCK\"]\norder_by = [\"priority\"]\n",
    );
    Ok(places)
}

async fn install(pool: &PgPool) -> Result<(), Failure> {
    let files = [("standard.toml", STANDARD), ("places.toml", &places()?)];
    let (installation, _) = check::load(&files, commands::kinds())
        .map_err(|problems| problems.first().map_or_else(String::new, ToString::to_string))?;
    apply::apply(pool, &installation).await?;
    Ok(())
}

async fn read_ids(connection: &mut db::PgConnection, token: String) -> Result<Ids, Failure> {
    let row = sqlx::query(
        "select w.id, p.id, t.id, t.slug, (select min(id) from cargo_companies where is_active),
                (select id from users where username = 'bench')
           from transitions t
           join states w on w.id = t.source_state_id and w.slug = 'waiting'
           join states p on p.id = t.destination_state_id and p.slug = 'packed'
          where t.entity = 'package' and t.command = 'COMPLETE_PACKING'",
    )
    .fetch_one(connection)
    .await?;
    Ok(Ids {
        waiting: row.try_get(0)?,
        packed: row.try_get(1)?,
        transition: row.try_get(2)?,
        slug: row.try_get(3)?,
        cargo_company: row.try_get(4)?,
        user: row.try_get(5)?,
        token,
    })
}
