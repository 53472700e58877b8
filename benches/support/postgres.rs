//! A private Postgres, durable as in production, in a folder that goes with it.

use std::path::{Path, PathBuf};

use oms::embedded::{Cluster, ClusterSettings};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use crate::Failure;

/// A private Postgres in a folder that goes with it.
#[derive(Debug)]
pub(crate) struct Postgres {
    cluster: Cluster,
    folder: tempfile::TempDir,
}

impl Postgres {
    /// Starts it, durable as in production, where there is a disk: in the target folder, or else where temporary files
    /// go.
    ///
    /// `programs`: what has to come with it, for example `pgbench`.
    pub(crate) async fn start(settings: &[String], programs: &[&str]) -> Result<Self, Failure> {
        let extra: Option<Vec<_>> =
            settings.iter().map(|text| text.split_once('=').map(|(a, b)| (a.to_owned(), b.to_owned()))).collect();
        let extra = extra.ok_or("--postgres wants name=value")?;
        let mut why = None;
        for parent in [PathBuf::from(env!("CARGO_TARGET_TMPDIR")), std::env::temp_dir()] {
            let folder = tempfile::Builder::new().prefix("oms-bench-").tempdir_in(parent)?;
            let mut settings = ClusterSettings::for_server(folder.path().join("postgres"));
            settings.extra.extend(extra.iter().cloned());
            match Cluster::start(&settings).await {
                Ok(cluster) => {
                    let postgres = Self { cluster, folder };
                    return match programs.iter().map(|name| postgres.program(name)).find(|program| !program.exists()) {
                        None => Ok(postgres),
                        Some(missing) => {
                            postgres.stop().await?;
                            let missing = missing.display();
                            Err(format!(
                                "there is no {missing}; install it (Debian: apt-get install postgresql-contrib)"
                            )
                            .into())
                        }
                    };
                }
                Err(error) => why = Some(error),
            }
        }
        Err(why.map_or_else(|| "no folder".into(), Into::into))
    }

    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.cluster.stop().await?;
        self.folder.close()?;
        Ok(())
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.cluster.bin_dir().join(name)
    }

    /// Of the postmaster.
    pub(crate) fn process_id(&self) -> Option<u32> {
        let file = self.folder.path().join("postgres/data/postmaster.pid");
        std::fs::read_to_string(file).ok()?.lines().next()?.parse().ok()
    }

    /// The address of one of its databases, for a server: as its owner.
    pub(crate) fn url(&self, database: &str) -> String {
        self.cluster.url(database)
    }

    /// How to prepare one of its databases: as the superuser.
    pub(crate) fn options(&self, database: &str) -> PgConnectOptions {
        self.cluster.superuser_options(database)
    }

    /// Makes an empty database, unless it is there; all that is in it then belongs to its owner.
    pub(crate) async fn ensure_database(&self, name: &str) -> Result<(), Failure> {
        Ok(self.cluster.ensure_database(name).await?)
    }

    /// One value as text, from the server itself.
    pub(crate) async fn ask(&self, query: &'static str) -> Result<String, Failure> {
        let mut connection = PgConnection::connect_with(&self.options("postgres")).await?;
        Ok(sqlx::query_scalar(query).fetch_one(&mut connection).await?)
    }
}
