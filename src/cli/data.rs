//! Opens the data: a Postgres of the user, or the private one.

use std::str::FromStr;

use sqlx::{PgPool, postgres::PgConnectOptions};

use crate::{
    config::DataSettings,
    db,
    embedded::{Cluster, ClusterSettings},
    error::{Error, Result},
    events,
};

/// The database's name in a private Postgres.
const DATABASE: &str = "oms";

/// Opened data: a pool, and the private Postgres if there is one.
pub(super) struct Data {
    pub pool: PgPool,
    cluster: Option<Cluster>,
}

impl Data {
    /// Opens the data and migrates it.
    pub(super) async fn open_and_migrate(settings: &DataSettings) -> Result<Self> {
        let data = Self::connect(settings, User::Tool).await?;
        db::migrate(&data.pool).await?;
        Ok(data)
    }

    /// The same for a server, whose statements have a limit.
    pub(super) async fn open_for_server(settings: &DataSettings) -> Result<Self> {
        let data = Self::connect(settings, User::Server).await?;
        db::migrate(&data.pool).await?;
        Ok(data)
    }

    /// Opens the data. Refuses a schema that is not current.
    pub(super) async fn open(settings: &DataSettings) -> Result<Self> {
        let data = Self::connect(settings, User::Tool).await?;
        let mut connection = data.pool.acquire().await?;
        if !db::is_current(&mut connection).await? {
            return Err(Error::Fault("the database's schema is not current; run: oms migrate".to_owned()));
        }
        events::retention::prepare(&mut connection).await?;
        drop(connection);
        Ok(data)
    }

    async fn connect(settings: &DataSettings, user: User) -> Result<Self> {
        if let Some(url) = &settings.database_url {
            let options = PgConnectOptions::from_str(url.reveal())
                .map_err(|error| Error::Fault(format!("DATABASE_URL is no Postgres address: {error}")))?;
            let pool = user.connect(options, settings.database_connections).await.map_err(|error| {
                Error::Fault(format!(
                    "cannot reach the Postgres of DATABASE_URL: {error}; is it running, and the address right?"
                ))
            })?;
            if matches!(user, User::Server) && db::is_superuser(&pool).await? {
                tracing::warn!(
                    "the role of DATABASE_URL is a superuser: whoever makes this server run a statement of their own can run \
                     programs on the database's machine; let it connect as a role that only owns its database (README)"
                );
            }
            return Ok(Self { pool, cluster: None });
        }
        let data_dir = settings.data_dir_or_default().join("postgres");
        let cluster = Cluster::start(&ClusterSettings::for_server(data_dir))
            .await
            .map_err(|error| Error::Fault(with_sources(&error)))?;
        cluster.ensure_database(DATABASE).await.map_err(|error| Error::Fault(with_sources(&error)))?;
        let pool = user.connect(cluster.connect_options(DATABASE), settings.database_connections).await?;
        Ok(Self { pool, cluster: Some(cluster) })
    }

    /// Closes the pool and, if no other process uses it, stops the private Postgres.
    pub(super) async fn close(self) -> Result<()> {
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
    async fn connect(self, options: PgConnectOptions, connections: u32) -> Result<PgPool> {
        match self {
            Self::Tool => db::connect(options, connections).await,
            Self::Server => db::connect_server(options, connections).await,
        }
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
