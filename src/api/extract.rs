//! The parts of a request that many handlers take: each is read once, with its refusal. First of them, who may come in.
//!
//! A handler cannot do without that decision. The state of the routes is [`Doors`], which gives the [`App`] (the database,
//! the engines) to nobody but the extractors [`Limited`], [`Unlimited`], [`Linked`] and [`Public`]. A handler that takes
//! none of them can read and change nothing; one that takes the [`App`] itself does not compile:
//!
//! ```compile_fail
//! # use axum::{Router, extract::State, routing::get};
//! # use oms::{api::extract::Doors, app::App};
//! async fn undecided(State(app): State<App>) {}
//! let router: Router<Doors> = Router::new().route("/", get(undecided));
//! ```
//!
//! ```
//! # use axum::{Router, routing::get};
//! # use oms::api::extract::{Doors, Limited};
//! async fn decided(Limited { app, scope, .. }: Limited) {}
//! let router: Router<Doors> = Router::new().route("/", get(decided));
//! ```
//!
//! A list is read with a [`Visible`](crate::scope::Visible), and only a scope makes one that has every row.

mod link;

use std::{
    convert::Infallible,
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    ops::{Deref, DerefMut},
    sync::Arc,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Path},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

pub use link::Linked;

use super::body::Sender;
use crate::{
    app::App,
    audit::{self, Actor},
    auth::{self, Caller},
    db::{PgConnection, Transaction},
    error::{Error, Refusal, Result},
    page::Page,
    role::Role,
    scope::Scope,
};

/// The state of the routes: see the module.
#[derive(Clone)]
pub struct Doors(App);

impl Doors {
    /// The doors of a server.
    #[must_use]
    pub const fn new(app: App) -> Self {
        Self(app)
    }
}

/// Any user, and the locations that the user sees: whatever the handler reads or changes is at one of them.
///
/// `R`: the roles that may come in.
pub struct Limited<R = Everyone> {
    /// The server.
    pub app: App,
    /// The locations that the user sees.
    pub scope: Scope,
    /// The user's id, for logs and records.
    pub user_id: i64,
    caller: Arc<Caller>,
    roles: PhantomData<R>,
}

/// A user who sees every location: the handler reads or changes what belongs to none, or to all. Others get 403.
///
/// `R`: the roles that may come in.
pub struct Unlimited<R = Everyone> {
    /// The server.
    pub app: App,
    /// Every location.
    pub scope: Scope,
    /// The user's id, for logs and records.
    pub user_id: i64,
    caller: Arc<Caller>,
    roles: PhantomData<R>,
}

/// Marks a request that only asks whether it would come in (`OPTIONS`): whoever is let in is told so, with 204, and no handler
/// runs.
#[derive(Debug, Clone, Copy)]
pub struct Knock;

/// Lets somebody in who does not only knock.
fn enter<T>(parts: &Parts, door: T) -> Result<T> {
    if parts.extensions.get::<Knock>().is_none() {
        return Ok(door);
    }
    Err(Refusal::new(StatusCode::NO_CONTENT, Value::Null).into())
}

/// Anybody, without a token: a login, the health of the server.
pub struct Public {
    /// The server.
    pub app: App,
}

/// Roles that may come in; admins always may.
pub trait Roles: Send + Sync + 'static {
    /// The roles; none: every role.
    const ROLES: Option<&'static [Role]>;

    /// Refuses a caller of another role.
    ///
    /// # Errors
    /// 403.
    fn check(caller: &Caller) -> Result<(), Refusal> {
        Self::ROLES.map_or(Ok(()), |roles| caller.require(roles))
    }
}

/// Every role.
#[derive(Debug)]
pub enum Everyone {}

/// Roles that manage the data of locations: integrators and operators.
#[derive(Debug)]
pub enum Managers {}

/// Operators.
#[derive(Debug)]
pub enum Operators {}

/// Nobody but admins.
#[derive(Debug)]
pub enum Admins {}

impl Roles for Everyone {
    const ROLES: Option<&'static [Role]> = None;
}

impl Roles for Managers {
    const ROLES: Option<&'static [Role]> = Some(&[Role::Integrator, Role::Operator]);
}

impl Roles for Operators {
    const ROLES: Option<&'static [Role]> = Some(&[Role::Operator]);
}

impl Roles for Admins {
    const ROLES: Option<&'static [Role]> = Some(&[]);
}

impl<R> Limited<R> {
    /// Begins a transaction whose changes are the user's: see [`audit`].
    pub(super) async fn begin(&self) -> Result<Change> {
        Change::begin(&self.app, &self.caller).await
    }

    /// The user, for records of changes that are made elsewhere.
    pub(super) fn actor(&self) -> Actor {
        Actor::from(&*self.caller)
    }

    /// Refuses other roles, where the object is looked for first: an invisible one is 404 for every role.
    pub(super) fn require<Needed: Roles>(&self) -> Result<(), Refusal> {
        Needed::check(&self.caller)
    }

    /// The user, for commands: each decides itself who may run it where.
    pub(super) fn caller(&self) -> Arc<Caller> {
        Arc::clone(&self.caller)
    }
}

impl<R> Unlimited<R> {
    /// Begins a transaction whose changes are the user's: see [`audit`].
    pub(super) async fn begin(&self) -> Result<Change> {
        Change::begin(&self.app, &self.caller).await
    }

    /// The user, for the audit of changes that are made elsewhere.
    pub(super) fn actor(&self) -> Actor {
        Actor::from(&*self.caller)
    }

    /// The user, for commands: each decides itself who may run it where.
    pub(super) fn caller(&self) -> Arc<Caller> {
        Arc::clone(&self.caller)
    }
}

impl<R: Roles> FromRequestParts<Doors> for Limited<R> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, Doors(app): &Doors) -> Result<Self> {
        let caller = caller::<R>(parts, app).await?;
        let (scope, user_id) = (caller.scope.clone(), caller.user_id);
        enter(parts, Self { app: app.clone(), scope, user_id, caller, roles: PhantomData })
    }
}

impl<R: Roles> FromRequestParts<Doors> for Unlimited<R> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, Doors(app): &Doors) -> Result<Self> {
        let caller = caller::<R>(parts, app).await?;
        if caller.scope.is_limited() {
            return Err(Refusal::forbidden().into());
        }
        let (scope, user_id) = (caller.scope.clone(), caller.user_id);
        enter(parts, Self { app: app.clone(), scope, user_id, caller, roles: PhantomData })
    }
}

impl FromRequestParts<Doors> for Public {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, Doors(app): &Doors) -> Result<Self> {
        enter(parts, Self { app: app.clone() })
    }
}

/// A transaction whose changes are a user's.
pub(super) struct Change {
    transaction: Transaction<'static>,
    app: App,
}

impl Change {
    /// Begins one. The user is looked at once more: what is changed stays, so it is not left to what was cached some seconds
    /// ago.
    async fn begin(app: &App, caller: &Caller) -> Result<Self> {
        let mut transaction = audit::begin(&app.pool, &Actor::from(caller)).await?;
        auth::require_unchanged(&mut transaction, caller).await?;
        Ok(Self { transaction, app: app.clone() })
    }

    /// Commits. Rights that were taken away and what else was changed count on this server when this returns; others hear of
    /// it.
    ///
    /// # Errors
    /// When it is not committed.
    pub(super) async fn commit(self) -> Result<()> {
        self.transaction.commit().await?;
        self.app.catch_up().await;
        Ok(())
    }
}

impl Deref for Change {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.transaction
    }
}

impl DerefMut for Change {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}

/// The user of the token, with one of the roles.
async fn caller<R: Roles>(parts: &mut Parts, app: &App) -> Result<Arc<Caller>> {
    let caller = app.caller(&parts.headers).await?;
    R::check(&caller)?;
    parts.extensions.insert(Sender::User(caller.user_id));
    Ok(caller)
}

/// The `{id}` of an address. 404 for a text that is no id.
#[derive(Debug, Clone, Copy)]
pub struct Id(pub i64);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        named(parts, state).await.map(Self)
    }
}

/// The `{key}` of an address. 404 for a text that is no UUID.
#[derive(Debug, Clone, Copy)]
pub struct Key(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        named(parts, state).await.map(Self)
    }
}

/// The only parameter of a path.
async fn named<T: DeserializeOwned + Send, S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<T, Refusal> {
    let found = Path::from_request_parts(parts, state).await;
    found.map(|Path(value)| value).map_err(|_| Refusal::not_found())
}

/// The page that a list is asked for, with its filters: 404 and 400 as [`Page::parse`] refuses.
impl FromRequestParts<Doors> for Page {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, Doors(app): &Doors) -> Result<Self, Refusal> {
        let page = Self::parse(&parts.uri, &parts.headers)?.with_unknown_filters(app.unknown_filters);
        Ok(page.with_time_zone(app.catalog_cache.current().time_zone))
    }
}

/// The address of the client: that of the connection, or what the trusted proxies say it is. (The claims of others are
/// taken away before, and of several addresses one is left: `server/forwarded.rs`.)
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

impl FromRequestParts<Doors> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Doors) -> Result<Self, Infallible> {
        let connected = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let connected = connected.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip());
        let said = parts.headers.get("x-forwarded-for").and_then(|said| said.to_str().ok()?.parse().ok());
        let client: IpAddr = said.unwrap_or_else(|| connected.to_canonical());
        if parts.extensions.get::<Sender>().is_none() {
            parts.extensions.insert(Sender::Peer(client));
        }
        Ok(Self(client))
    }
}
