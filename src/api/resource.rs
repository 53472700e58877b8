//! Lists and single objects: a route is declared by the type that is answered. What such a route must do (who may read,
//! which page, what the caller sees, the refusal of what is not there) is done here, once.

use std::{future::Future, marker::PhantomData};

use axum::{Json, http::HeaderMap, response::Response, routing};
use serde::Serialize;
use sqlx::postgres::PgRow;
use utoipa::{
    PartialSchema as _, ToSchema,
    openapi::{
        ContentBuilder, HttpMethod, PathItem, Paths, Ref, Required, ResponseBuilder,
        path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn},
    },
};
use utoipa_axum::router::UtoipaMethodRouter;

use super::{
    declare,
    extract::{Doors, Id, Limited, Roles},
};
use crate::{
    app::App,
    auth::Caller,
    db::PgConnection,
    error::{Refusal, Result},
    links::Addresses,
    page::{List, ListRow, Page, VISIBLE_TO_NONE, base_url},
    role::Role,
    scope::{Scope, Visible},
};

/// What a list answers, object by object.
pub(super) trait Resource: Serialize + ToSchema + Send + Sized + 'static {
    /// Its list.
    const LIST: List;
    /// The roles that may read it, besides admins; empty: all.
    const ROLES: &'static [Role] = &[];

    /// The rows that a caller sees.
    fn visible(caller: &Caller) -> Visible {
        Visible::from(&caller.scope)
    }

    /// The objects of some rows, in their order.
    fn load(
        app: &App,
        connection: &mut PgConnection,
        rows: &[PgRow],
        viewer: &Viewer,
    ) -> impl Future<Output = Result<Vec<Self>>> + Send;
}

/// For whom objects are read.
pub(super) struct Viewer {
    /// The locations that the reader sees.
    pub scope: Scope,
    /// The addresses, as the client calls this server.
    pub addresses: Addresses,
}

impl<T: ListRow> Resource for T {
    const LIST: List = T::LIST;
    const ROLES: &'static [Role] = T::ROLES;

    async fn load(_: &App, _: &mut PgConnection, rows: &[PgRow], _: &Viewer) -> Result<Vec<Self>> {
        Ok(rows.iter().map(T::from_row).collect::<sqlx::Result<_>>()?)
    }
}

/// An object that needs no more than its row, if the caller may see it.
///
/// # Errors
/// As [`row`].
pub(super) async fn find<T: ListRow>(connection: &mut PgConnection, caller: &Caller, id: i64) -> Result<T> {
    Ok(T::from_row(&row::<T>(connection, caller, id).await?)?)
}

/// The row of an object, if the caller may see it.
///
/// # Errors
/// 404 where there is none, or the caller may not see it; 403 by the caller's role.
pub(super) async fn row<T: Resource>(connection: &mut PgConnection, caller: &Caller, id: i64) -> Result<PgRow> {
    require::<T>(caller)?;
    let row = T::LIST.find(connection, id, &T::visible(caller)).await?;
    Ok(row.ok_or_else(Refusal::not_found)?)
}

/// Refuses a role that may not read, and a limited caller where only others may.
fn require<T: Resource>(caller: &Caller) -> Result<(), Refusal> {
    if !T::ROLES.is_empty() {
        caller.require(T::ROLES)?;
    }
    let is_hidden = T::LIST.visible == VISIBLE_TO_NONE && caller.scope.is_limited();
    if is_hidden { Err(Refusal::forbidden()) } else { Ok(()) }
}

/// The answer of a list.
pub(super) async fn answer<T: Resource>(app: &App, page: Page, scope: Scope, visible: &Visible) -> Result<Response> {
    let viewer = Viewer { scope, addresses: app.addresses(page.base_url()) };
    let mut listing = T::LIST.open(&app.pool, page, visible).await?;
    while let Some((connection, rows)) = listing.batch() {
        let views = T::load(app, connection, &rows, &viewer).await?;
        listing.add(views).await?;
    }
    listing.respond().await
}

/// Those who may read a resource.
struct Readers<T>(PhantomData<fn() -> T>);

impl<T: Resource> Roles for Readers<T> {
    const ROLES: Option<&'static [Role]> = Some(T::ROLES);

    fn check(caller: &Caller) -> Result<(), Refusal> {
        require::<T>(caller)
    }
}

async fn get_list<T: Resource>(door: Limited<Readers<T>>, page: Page) -> Result<Response> {
    let caller = door.caller();
    answer::<T>(&door.app, page, door.scope, &T::visible(&caller)).await
}

async fn get_list_below<Owner: Resource, T: Resource>(
    door: Limited<Readers<Owner>>,
    Id(id): Id,
    page: Page,
) -> Result<Response> {
    row::<Owner>(&mut *door.app.pool.acquire().await?, &door.caller(), id).await?;
    let visible = Visible::below(id, &door.scope);
    answer::<T>(&door.app, page, door.scope, &visible).await
}

async fn get_one<T: Resource>(door: Limited<Readers<T>>, Id(id): Id, headers: HeaderMap) -> Result<Json<T>> {
    let mut connection = door.app.pool.acquire().await?;
    let row = row::<T>(&mut connection, &door.caller(), id).await?;
    let viewer = Viewer { scope: door.scope, addresses: door.app.addresses(&base_url(&headers)) };
    let found = T::load(&door.app, &mut connection, std::slice::from_ref(&row), &viewer).await?.pop();
    Ok(Json(found.ok_or_else(Refusal::not_found)?))
}

/// How the document names a route that reads.
pub(super) struct Read {
    /// Its path.
    pub path: &'static str,
    /// The group of routes that it is in.
    pub tag: &'static str,
    /// The name of the operation.
    pub operation: &'static str,
    /// Its title, and below an empty line what else there is to say.
    pub text: &'static str,
}

/// A list of `T`: its parameters and its answer are those of [`Resource::LIST`].
pub(super) fn list<T: Resource>(read: &Read) -> UtoipaMethodRouter<Doors> {
    let route = route(read, None, routing::get(get_list::<T>));
    declare::listed::<T, _>(route, &T::LIST)
}

/// A list of what one `Owner` has: [`List::visible`] is a condition on the owner's id.
pub(super) fn list_below<Owner: Resource, T: Resource>(read: &Read, of: &str) -> UtoipaMethodRouter<Doors> {
    let route = route(read, Some(id_parameter(of)), routing::get(get_list_below::<Owner, T>));
    declare::listed::<T, _>(route, &T::LIST)
}

/// One `T` by its id. `of` is a noun: `the package`.
pub(super) fn detail<T: Resource>(read: &Read, of: &str) -> UtoipaMethodRouter<Doors> {
    let (schemas, mut paths, router) = route(read, Some(id_parameter(of)), routing::get(get_one::<T>));
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(T::name()))).build();
    let response = ResponseBuilder::new().description(capitalized(of)).content("application/json", content).build();
    for operation in paths.paths.values_mut().filter_map(|item| item.get.as_mut()) {
        operation.responses.responses.insert("200".to_owned(), response.clone().into());
    }
    declare::with_schema::<T, _>((schemas, paths, router))
}

fn route(read: &Read, parameter: Option<Parameter>, router: routing::MethodRouter<Doors>) -> UtoipaMethodRouter<Doors> {
    let (title, description) =
        read.text.split_once("\n\n").map_or((read.text, None), |(title, more)| (title, Some(more)));
    let operation = OperationBuilder::new()
        .tag(read.tag)
        .operation_id(Some(read.operation))
        .summary(Some(title))
        .description(description)
        .parameters(parameter.map(|parameter| [parameter]));
    let mut paths = Paths::new();
    paths.paths.insert(read.path.to_owned(), PathItem::new(HttpMethod::Get, operation));
    (Vec::new(), paths, router)
}

fn id_parameter(of: &str) -> Parameter {
    ParameterBuilder::new()
        .name("id")
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(format!("{}'s id.", capitalized(of))))
        .schema(Some(i64::schema()))
        .example(Some(1.into()))
        .build()
}

fn capitalized(noun: &str) -> String {
    let mut letters = noun.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
