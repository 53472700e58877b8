//! Opens the data: a Postgres of the user, or the private one.

use std::{str::FromStr, sync::Arc};

use tokio_util::sync::CancellationToken;

use crate::{
    config::DataSettings,
    db::{self, PgPool, Servers},
    embedded::{Cluster, ClusterSettings},
    error::{Error, Result},
    events,
    home::{self, Standing, Whereabouts},
    outbound::Gate,
    tasks::Tasks,
};

/// The database's name in a private Postgres.
const DATABASE: &str = "oms";

/// Opened data: a pool, and the private Postgres if there is one.
pub(super) struct Data {
    pub pool: PgPool,
    cluster: Option<Cluster>,
    /// Cancelled when it is closed.
    closing: CancellationToken,
    whereabouts: Whereabouts,
}

impl Data {
    /// Opens the data and migrates it.
    pub(super) async fn open_and_migrate(settings: &DataSettings) -> Result<Self> {
        Self::connect(settings, User::Tool).await?.migrated(true).await
    }

    /// Opens the data for a server, whose statements have a limit: a private Postgres is made if there is none. It is
    /// migrated, or refused if it is not current.
    pub(super) async fn open_for_server(settings: &DataSettings, migrate: bool) -> Result<Self> {
        Self::connect(settings, User::Server).await?.migrated(migrate).await
    }

    /// The same for a demo, which refuses a database with tables of somebody else before it adds its own.
    pub(super) async fn open_for_demo(settings: &DataSettings) -> Result<Self> {
        let data = Self::connect(settings, User::Server).await?;
        if data.holds_strangers().await? {
            data.close().await?;
            return Err(Error::Fault(
                "this database has tables that are not of oms; start the demo on an empty database, or without DATABASE_URL"
                    .to_owned(),
            ));
        }
        data.migrated(true).await
    }

    async fn holds_strangers(&self) -> Result<bool> {
        let mut connection = self.pool.acquire().await?;
        let is_empty = db::schema(&mut connection).await? == db::Schema::Empty;
        let tables = sqlx::query_scalar!(
            r#"select exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
                               where n.nspname = current_schema() and c.relkind in ('r', 'p', 'v', 'm', 'f')
                                 and c.relname <> '_sqlx_migrations') as "tables!""#
        );
        Ok(is_empty && tables.fetch_one(&mut *connection).await?)
    }

    async fn migrated(self, migrate: bool) -> Result<Self> {
        let done = if migrate { db::migrate(&self.pool).await } else { self.require_current().await };
        match done {
            Ok(()) => Ok(self),
            Err(error) => {
                // The reason is the last that is said.
                self.close().await.ok();
                Err(error)
            }
        }
    }

    async fn require_current(&self) -> Result<()> {
        match db::schema(&mut *self.pool.acquire().await?).await? {
            db::Schema::Current => Ok(()),
            db::Schema::Newer(version) => Err(db::made_by_newer(version)),
            db::Schema::Empty | db::Schema::Older => {
                Err(Error::Fault("the database's schema is not current; run: oms migrate".to_owned()))
            }
        }
    }

    /// Opens the data. Refuses a schema that is not current.
    pub(super) async fn open(settings: &DataSettings) -> Result<Self> {
        let data = Self::connect(settings, User::Tool).await?.migrated(false).await?;
        events::retention::prepare(&mut *data.pool.acquire().await?).await?;
        Ok(data)
    }

    /// Opens the data to read it and nothing else, as on a standby. Refuses a schema that is not current.
    pub(super) async fn open_to_read(settings: &DataSettings) -> Result<Self> {
        Self::connect(settings, User::Tool).await?.migrated(false).await
    }

    /// Opens the data as it is, whatever its schema.
    pub(super) async fn open_as_it_is(settings: &DataSettings) -> Result<Self> {
        Self::connect(settings, User::Tool).await
    }

    async fn connect(settings: &DataSettings, user: User) -> Result<Self> {
        if let Some(url) = &settings.database_url {
            let servers = Servers::from_str(url.reveal()).map_err(|error| {
                Error::Fault(format!(
                    "DATABASE_URL is no address of Postgres: {error}; write postgres://user:password@host:5432/database, or \
                     leave it away for a Postgres of oms' own"
                ))
            })?;
            let place = servers.to_string();
            let pool = user.connect(servers, settings.database_connections).await.map_err(|error| match error {
                Error::Database(error) => Error::Fault(format!(
                    "cannot use the Postgres of DATABASE_URL at {place}: {}; {}",
                    db::text(&error),
                    remedy(&error)
                )),
                other => other,
            })?;
            if matches!(user, User::Server) && db::is_superuser(&pool).await? {
                tracing::warn!(
                    "the role of DATABASE_URL is a superuser: whoever makes this server run a statement of their own can run \
                     programs on the database's machine; let it connect as a role that only owns its database (README)"
                );
            }
            let (closing, whereabouts) = (CancellationToken::new(), settings.whereabouts());
            return Ok(Self { pool, cluster: None, closing, whereabouts });
        }
        let data_dir = settings.data_dir_or_default().join("postgres");
        // A first start that was cut off leaves a folder without data. One that may not be looked into says so below.
        if matches!(user, User::Tool) && matches!(data_dir.join("data").try_exists(), Ok(false)) {
            let folder = std::path::absolute(settings.data_dir_or_default()).unwrap_or_else(|_| data_dir.clone());
            return Err(Error::Fault(format!(
                "there is no data in {}; run this where the server runs, or say where it is by --data-dir, OMS_DATA_DIR or \
                 DATABASE_URL (oms serve and oms demo make new data)",
                folder.display()
            )));
        }
        let cluster = Cluster::start(&ClusterSettings::for_server(data_dir))
            .await
            .map_err(|error| Error::Fault(with_sources(&error)))?;
        cluster.ensure_database(DATABASE).await.map_err(|error| Error::Fault(with_sources(&error)))?;
        let servers = Servers::from(cluster.connect_options(DATABASE)).that_come_back();
        let pool = user.connect(servers, settings.database_connections).await?;
        let closing = CancellationToken::new();
        if matches!(user, User::Server) {
            let (keeper, closed) = (Arc::new(cluster.keeper()), closing.clone());
            Tasks::default().keep("private Postgres", &closing, move || Arc::clone(&keeper).keep(closed.clone()));
        }
        Ok(Self { pool, cluster: Some(cluster), closing, whereabouts: settings.whereabouts() })
    }

    /// Whether a tool may ask others: not on a copy.
    pub(super) async fn gate(&self) -> Result<Gate> {
        let gate = Gate::open();
        gate.set(home::look(&mut *self.pool.acquire().await?, &self.whereabouts).await? == Standing::AtHome);
        Ok(gate)
    }

    /// Closes the pool and, if no other process uses it, stops the private Postgres.
    pub(super) async fn close(self) -> Result<()> {
        self.closing.cancel();
        self.pool.close().await;
        if let Some(cluster) = self.cluster {
            cluster.stop().await.map_err(|error| Error::Fault(with_sources(&error)))?;
        }
        Ok(())
    }
}

/// What a pool is for.
#[derive(Clone, Copy)]
enum User {
    Tool,
    Server,
}

impl User {
    async fn connect(self, servers: impl Into<Servers>, connections: u32) -> Result<PgPool> {
        match self {
            Self::Tool => db::connect(servers, connections).await,
            Self::Server => db::connect_server(servers, connections).await,
        }
    }
}

/// What to do when Postgres cannot be used.
fn remedy(error: &sqlx::Error) -> &'static str {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    match (error, &*code) {
        (_, "28P01") => "correct the user or the password in DATABASE_URL",
        (_, "28000") => "correct the user in DATABASE_URL, or let it in (pg_hba.conf)",
        (_, "3D000") => "correct the database in DATABASE_URL, or create it (createdb)",
        (_, "53300") => {
            "let Postgres take more connections (max_connections, or the limit of the role or the database), or open fewer \
             (OMS_DATABASE_CONNECTIONS)"
        }
        (_, "57P03") => "wait until it has started",
        (sqlx::Error::Tls(_), _) => "see sslmode and sslrootcert in DATABASE_URL",
        (sqlx::Error::Protocol(_), _) => "correct host and port in DATABASE_URL",
        _ => "is it running, and the address right?",
    }
}

/// An error and its causes in one line.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
