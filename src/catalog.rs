//! The catalog: data that every request needs and that rarely changes, kept in memory: the workflow, the cargo
//! companies, the locations, the scenarios.
//!
//! The row `installation` has a version. Each change of this data raises it; Postgres notifies every server (LISTEN),
//! and each reads everything again. A change of rights raises it too, for the sessions ([`crate::auth`]), and changes
//! nothing here: then only the version is another. Commands do not depend on the notice: their own transaction reads the version under
//! the installation lock, and an old catalog is refreshed before anything is decided.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Deref,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use chrono_tz::Tz;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    cargo::CargoCompany,
    days,
    db::{Listener, PgConnection, PgPool},
    error::{Error, Result},
    invoicing::{self, Invoicing},
    kinds::Kind,
    locations::{self, Location, LocationCache},
    scenarios::{self, rules::Scenario},
    stock::service,
    workflow::Workflow,
};

/// One version of the data.
#[derive(Debug, Default)]
pub struct Catalog {
    /// The version of the row `installation`.
    pub version: i64,
    /// The version without the changes of rights: with the same number, the content is the same.
    pub content_version: i64,
    /// What it holds.
    pub content: Arc<Content>,
}

impl Deref for Catalog {
    type Target = Content;

    fn deref(&self) -> &Content {
        &self.content
    }
}

/// The data of a [`Catalog`].
#[derive(Debug, Default)]
pub struct Content {
    /// The version that last changed its words (states, transitions, cargo companies).
    pub words_version: i64,
    /// States and transitions.
    pub workflow: Workflow,
    /// Every cargo company, by id.
    pub cargo_companies: Vec<CargoCompany>,
    /// The planning data of every location, by id.
    pub locations: BTreeMap<i64, Arc<Location>>,
    /// Locations as they are answered, with their room.
    pub location_cache: LocationCache,
    /// Locations with a limit (`max_quota`), where room can come free.
    pub limited_locations: BTreeSet<i64>,
    /// Active distribution scenarios, by priority.
    pub scenarios: Vec<Scenario>,
    /// Active transfer scenarios, by priority.
    pub transfer_scenarios: Vec<Scenario>,
    /// The settings of the stock service, if there is one.
    pub inventory: Option<Arc<service::Settings>>,
    /// Where invoices may be asked for.
    pub invoicing: Invoicing,
    /// The time zone of days.
    pub time_zone: Tz,
}

impl Catalog {
    /// Reads it, in the caller's transaction or not.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn load(connection: &mut PgConnection, kinds: &[&'static Kind]) -> Result<Self> {
        Self::load_by(connection, kinds, invoicing::Rules::default()).await
    }

    async fn load_by(
        connection: &mut PgConnection,
        kinds: &[&'static Kind],
        invoice_rules: invoicing::Rules,
    ) -> Result<Self> {
        // The version first: data read after it can only be newer, and is then read again.
        let Stamp { version, content_version } = Stamp::load(connection).await?;
        let (transfer_scenarios, scenarios) =
            scenarios::load_active(connection).await?.into_iter().partition(Scenario::is_for_transfers);
        let words_version = words_version(connection, version).await?;
        let services = Arc::new(invoicing::load(connection).await?);
        let content = Content {
            words_version,
            workflow: Workflow::load(connection, kinds).await?,
            cargo_companies: crate::cargo::load(connection).await?,
            locations: load_locations(connection, version).await?,
            location_cache: LocationCache::default(),
            limited_locations: load_limited_locations(connection).await?,
            scenarios,
            transfer_scenarios,
            inventory: service::load(connection).await?,
            invoicing: Invoicing { services, rules: invoice_rules },
            time_zone: days::time_zone(connection).await?.unwrap_or_default(),
        };
        Ok(Self { version, content_version, content: Arc::new(content) })
    }

    /// Only the words, as stored for a version.
    async fn load_words(connection: &mut PgConnection, kept_version: i64, kinds: &[&'static Kind]) -> Result<Self> {
        let content = Content {
            words_version: kept_version,
            workflow: Workflow::load_kept(connection, kept_version, kinds).await?,
            cargo_companies: crate::cargo::load_kept(connection, kept_version).await?,
            ..Content::default()
        };
        Ok(Self { version: kept_version, content: Arc::new(content), ..Self::default() })
    }
}

impl Content {
    /// The active cargo company of that id or slug.
    #[must_use]
    pub fn cargo_company(&self, name: &str) -> Option<&CargoCompany> {
        let id = name.parse::<i64>().ok();
        self.cargo_companies
            .iter()
            .find(|company| company.is_active && (Some(company.id) == id || company.slug == name))
    }
}

/// Reads the locations as they were in a version of the installation, by id.
///
/// # Errors
/// When the database fails, or has opening hours that this version does not know.
pub async fn load_locations(connection: &mut PgConnection, version: i64) -> Result<BTreeMap<i64, Arc<Location>>> {
    let locations = locations::all_as_of(connection, version).await?;
    Ok(locations.into_iter().map(|(id, location)| (id, Arc::new(location))).collect())
}

async fn load_limited_locations(connection: &mut PgConnection) -> Result<BTreeSet<i64>> {
    let ids = sqlx::query_scalar!("select id from stock_locations where max_quota is not null").fetch_all(connection);
    Ok(ids.await?.into_iter().collect())
}

/// The installation's present version.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    version: i64,
    content_version: i64,
}

impl Stamp {
    async fn load(connection: &mut PgConnection) -> Result<Self> {
        let stamp = sqlx::query_as!(
            Self,
            r#"select version, version - rights_changes as "content_version!" from installation"#
        );
        Ok(stamp.fetch_one(connection).await?)
    }
}

/// The last version, up to this one, that changed words.
async fn words_version(connection: &mut PgConnection, version: i64) -> Result<i64> {
    let kept = sqlx::query_scalar!(
        r#"select coalesce(max(installation_version), 0) as "version!" from installation_words
            where installation_version <= $1"#,
        version
    );
    Ok(kept.fetch_one(connection).await?)
}

/// Most old versions of words kept in memory.
const MOST_OLD_WORDS: usize = 8;

/// The future of a reader of [`CatalogCache::load_with`]. It is boxed: the compiler does not see yet that an async closure is
/// `Send`.
pub type Reading<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The cache of this process: many readers; the catalog is replaced as a whole.
#[derive(Debug)]
pub struct CatalogCache {
    /// The kinds of command that transitions may refer to.
    kinds: &'static [&'static Kind],
    /// The settings for invoices: each catalog has them.
    invoice_rules: invoicing::Rules,
    current: RwLock<Arc<Catalog>>,
    /// The version of `current`, for waiting readers.
    version: watch::Sender<i64>,
    /// Old words, for old events, by the version that introduced them.
    old_words: Mutex<BTreeMap<i64, Arc<Catalog>>>,
}

impl CatalogCache {
    /// An empty one, for transitions of these kinds.
    #[must_use]
    pub fn new(kinds: &'static [&'static Kind]) -> Self {
        Self {
            kinds,
            invoice_rules: invoicing::Rules::default(),
            current: RwLock::default(),
            version: watch::Sender::new(0),
            old_words: Mutex::default(),
        }
    }

    /// The same, for commands that may bring addresses by these rules.
    #[must_use]
    pub fn with_invoice_rules(self, invoice_rules: invoicing::Rules) -> Self {
        Self { invoice_rules, ..self }
    }

    /// Is told of each new version.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<i64> {
        self.version.subscribe()
    }

    /// The cached catalog. Cheap; hold it for one request.
    #[must_use]
    pub fn current(&self) -> Arc<Catalog> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A catalog with the words (workflow, cargo companies) of a version. For an old version it has nothing else.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn words_of(&self, connection: &mut PgConnection, version: i64) -> Result<Arc<Catalog>> {
        let mut current = self.current();
        if version > current.version {
            current = self.refresh(&mut *connection).await?;
        }
        if version >= current.words_version {
            return Ok(current);
        }
        let kept_version = words_version(&mut *connection, version).await?;
        let known = self.old_words.lock().unwrap_or_else(PoisonError::into_inner).get(&kept_version).map(Arc::clone);
        if let Some(past) = known {
            return Ok(past);
        }
        let past = Arc::new(Catalog::load_words(connection, kept_version, self.kinds).await?);
        let mut old_words = self.old_words.lock().unwrap_or_else(PoisonError::into_inner);
        old_words.insert(kept_version, Arc::clone(&past));
        if old_words.len() > MOST_OLD_WORDS {
            old_words.pop_first();
        }
        Ok(past)
    }

    /// The catalog as of the caller's transaction: read again if what is installed has changed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn up_to_date(&self, connection: &mut PgConnection) -> Result<Arc<Catalog>> {
        let catalog = self.current();
        let Stamp { version, content_version } = Stamp::load(connection).await?;
        if version == catalog.version {
            Ok(catalog)
        } else if content_version == catalog.content_version {
            let content = Arc::clone(&catalog.content);
            Ok(self.keep(Catalog { version, content_version, content }))
        } else {
            self.refresh(connection).await
        }
    }

    /// Reads rows by their ids, with the catalog as it is known now. Where they name what was installed a moment ago, the
    /// catalog is read again, and the rows once more with that.
    ///
    /// # Errors
    /// As the reader.
    pub async fn load_with<T>(
        &self,
        connection: &mut PgConnection,
        ids: &[i64],
        reader: impl for<'a> Fn(&'a mut PgConnection, &'a Catalog, &'a [i64]) -> Reading<'a, T>,
    ) -> Result<T> {
        match reader(&mut *connection, &self.current(), ids).await {
            Err(Error::StaleCatalog(_)) => {
                let fresh = self.refresh(&mut *connection).await?;
                reader(connection, &fresh, ids).await
            }
            done => done,
        }
    }

    /// Reads everything again and caches it, unless the cache has a newer version.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn refresh(&self, connection: &mut PgConnection) -> Result<Arc<Catalog>> {
        Ok(self.keep(Catalog::load_by(connection, self.kinds, self.invoice_rules.clone()).await?))
    }

    /// Caches a catalog, unless there is a newer one. The one that is cached.
    fn keep(&self, fresh: Catalog) -> Arc<Catalog> {
        let fresh = Arc::new(fresh);
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.version <= fresh.version {
            *current = Arc::clone(&fresh);
        }
        let current = Arc::clone(&current);
        self.version.send_if_modified(|known| std::mem::replace(known, current.version) != current.version);
        current
    }
}

/// How often the version is checked without a notice (a connection pooler may drop notices).
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Follows the installation until it is stopped: keeps the catalog up to date.
pub async fn follow(pool: PgPool, catalog_cache: Arc<CatalogCache>, stop: CancellationToken) {
    let mut listener = None;
    while !stop.is_cancelled() {
        if listener.is_none() {
            listener = listen(&pool).await;
        }
        let notice = async {
            match &mut listener {
                Some(listener) => listener.hear().await.is_ok(),
                None => std::future::pending().await,
            }
        };
        let heard = tokio::select! {
            () = stop.cancelled() => return,
            heard = notice => Some(heard),
            () = tokio::time::sleep(LOOK_EVERY) => None,
        };
        let lost = match (heard, &mut listener) {
            (Some(heard), _) => !heard,
            (None, Some(listener)) => !listener.is_alive().await,
            (None, None) => false,
        };
        if lost {
            listener = None;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        if let Err(error) = look(&pool, &catalog_cache).await {
            tracing::warn!(%error, "cannot look for a change of the installation");
        }
    }
}

async fn listen(pool: &PgPool) -> Option<Listener> {
    let listening = Listener::listen(pool, "oms_installation").await;
    listening.inspect_err(|error| tracing::debug!(%error, "cannot listen for changes of the installation")).ok()
}

async fn look(pool: &PgPool, catalog_cache: &CatalogCache) -> Result<()> {
    let mut connection = pool.acquire().await?;
    let known = catalog_cache.current().content_version;
    let catalog = catalog_cache.up_to_date(&mut connection).await?;
    if catalog.content_version != known {
        tracing::info!(version = catalog.version, "following a change of the installation");
    }
    Ok(())
}
