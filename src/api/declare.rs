//! What routes declare for the document besides what `utoipa::path` says: the parameters and answers of lists, bodies whose
//! schema is written down.

use serde_json::{Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
        path::{Parameter, ParameterBuilder, ParameterIn},
        request_body::RequestBodyBuilder,
        schema::{ObjectBuilder, Type},
    },
};
use utoipa_axum::router::UtoipaMethodRouter;

use super::form;
use crate::{
    export::{Format, MOST_ROWS},
    page::{Filter, Kind, List, PageOf},
};

/// A route whose GET is a list: what its [`List`] offers becomes its parameters, a page of `T` its answer.
pub(super) fn listed<T: ToSchema, S>(route: UtoipaMethodRouter<S>, list: &List) -> UtoipaMethodRouter<S> {
    let fields = list.sorts.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let sort = format!(
        "Fields to sort by, separated by commas; `-` in front for descending. There are: {fields}. `{}` without it.",
        list.default_sort
    );
    let sort = query("sort", &sort, &json!({ "type": "string" }));
    paged::<T, S>(route, list.filters.iter().map(|filter| parameter(filter, list)).chain([sort]))
}

/// A route whose GET is a page of `T` that is made in memory, with these parameters besides.
pub(super) fn paged<T: ToSchema, S>(
    route: UtoipaMethodRouter<S>,
    parameters: impl IntoIterator<Item = Parameter>,
) -> UtoipaMethodRouter<S> {
    let parameters = parameters.into_iter().chain(page_parameters());
    let (mut schemas, mut paths, router) = with_parameters(route, parameters);
    for operation in paths.paths.values_mut().filter_map(|item| item.get.as_mut()) {
        operation.responses.responses.insert("200".to_owned(), answer::<T>().into());
    }
    schemas.push((PageOf::<T>::name().into(), PageOf::<T>::schema()));
    PageOf::<T>::schemas(&mut schemas);
    (schemas, paths, router)
}

fn answer<T: ToSchema>() -> Response {
    let page = ContentBuilder::new().schema(Some(Ref::from_schema_name(PageOf::<T>::name()))).build();
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let file = || ContentBuilder::new().schema(Some(text())).build();
    let essence = |format: Format| format.media_type().split(';').next().unwrap_or_default().to_owned();
    ResponseBuilder::new()
        .description("A page of the list; with `format`, a file.")
        .content("application/json", page)
        .content(essence(Format::Csv), file())
        .content(essence(Format::Xlsx), file())
        .build()
}

/// What every list has. None has a `default` in its schema: some generated clients then send it always, and with it
/// `next` would carry it, and a file would be one page.
fn page_parameters() -> [Parameter; 5] {
    let limit = format!(
        "Rows on a page, at most 100; in a file at most {MOST_ROWS}. More count as that. 20 without it. `page_size` is the \
         same."
    );
    let format = format!(
        "`csv` or `xlsx`: the list as a file, with a column for each key (`state.name`). The whole list as it is \
         filtered, at most {MOST_ROWS} rows; or one page of it, where `page` or `limit` is given. `xls` is answered with \
         xlsx."
    );
    [
        query(
            "page",
            "Which page, from 1; the first without it. `last` is the last one.",
            &json!({ "type": "integer", "minimum": 1 }),
        ),
        query("limit", &limit, &json!({ "type": "integer", "minimum": 1 })),
        query("format", &format, &json!({ "type": "string", "enum": ["json", "csv", "xlsx", "xls"] })),
        query(
            "separator",
            "What divides the columns of a CSV file: `comma` (without it), or `semicolon`, with the mark of UTF-8 at the \
             beginning, as spreadsheets want it where a comma stands in numbers.",
            &json!({ "type": "string", "enum": ["comma", "semicolon"] }),
        ),
        query(
            "tz",
            "Where days begin: the time zone of filters with a date and without a time, by its name in the IANA database \
             (`Europe/Istanbul`). Without it, that of the installation; UTC if that names none.",
            &json!({ "type": "string" }),
        ),
    ]
}

fn parameter(filter: &Filter, list: &List) -> Parameter {
    let schema = match filter.kind {
        Kind::Integer => json!({ "type": "integer", "format": "int64" }),
        Kind::Integers => json!({ "type": "string", "pattern": r"^\s*-?\d+\s*(,\s*-?\d+\s*)*$" }),
        Kind::DateTime => json!({ "type": "string", "format": "date-time" }),
        Kind::Day => json!({ "type": "string", "format": "date" }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Uuid => json!({ "type": "string", "format": "uuid" }),
        Kind::Text | Kind::Texts | Kind::Prefix | Kind::Contains | Kind::Cursor => json!({ "type": "string" }),
    };
    let parameter = query(filter.name, filter.summary, &schema);
    if list.requires(filter.name) {
        return ParameterBuilder::from(parameter).required(Required::True).example(Some(json!("85123A"))).build();
    }
    parameter
}

/// A route whose GET has these parameters besides.
pub(super) fn with_parameters<S>(
    (schemas, mut paths, router): UtoipaMethodRouter<S>,
    parameters: impl IntoIterator<Item = Parameter>,
) -> UtoipaMethodRouter<S> {
    let parameters: Vec<RefOr<Parameter>> = parameters.into_iter().map(RefOr::T).collect();
    for operation in paths.paths.values_mut().filter_map(|item| item.get.as_mut()) {
        operation.parameters.get_or_insert_default().extend(parameters.iter().cloned());
    }
    (schemas, paths, router)
}

/// A route whose GET answers a stream of events where the client accepts one.
pub(super) fn streamed<S>((schemas, mut paths, router): UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S> {
    for operation in paths.paths.values_mut().filter_map(|item| item.get.as_mut()) {
        if let Some(RefOr::T(answer)) = operation.responses.responses.get_mut("200") {
            let text = ObjectBuilder::new().schema_type(Type::String);
            let stream = ContentBuilder::new().schema(Some(text)).build();
            answer.content.insert("text/event-stream".to_owned(), stream.into());
        }
    }
    (schemas, paths, router)
}

/// A parameter of the query that may be left out.
#[must_use]
pub(super) fn query(name: &str, description: &str, schema: &Value) -> Parameter {
    let schema: Option<RefOr<Schema>> = serde_json::from_value(schema.clone()).ok();
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(description))
        .schema(schema)
        .build()
}

/// A route whose schemas refer to this one too.
pub(super) fn with_schema<T: ToSchema, S>(
    (mut schemas, paths, router): UtoipaMethodRouter<S>,
) -> UtoipaMethodRouter<S> {
    schemas.push((T::name().into(), T::schema()));
    T::schemas(&mut schemas);
    (schemas, paths, router)
}

/// A route whose POST or PUT takes a body with a schema that is written down, and an example of it.
pub(super) fn with_body<S>(
    (schemas, mut paths, router): UtoipaMethodRouter<S>,
    schema: &RefOr<Schema>,
    example: &Value,
) -> UtoipaMethodRouter<S> {
    let operations =
        paths.paths.values_mut().flat_map(|item| [item.post.as_mut(), item.put.as_mut(), item.patch.as_mut()]);
    for operation in operations.flatten() {
        let content = ContentBuilder::new().schema(Some(schema.clone())).example(Some(example.clone())).build();
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
        operation.request_body = Some(body.build().into());
    }
    (schemas, paths, router)
}

/// A route whose POST takes its body as a form, too.
pub(super) fn also_as_form<S>((schemas, mut paths, router): UtoipaMethodRouter<S>) -> UtoipaMethodRouter<S> {
    for operation in paths.paths.values_mut().filter_map(|item| item.post.as_mut()) {
        let Some(RefOr::T(body)) = operation.request_body.as_mut() else { continue };
        let Some(RefOr::T(json)) = body.content.get("application/json") else { continue };
        let schema = json.schema.clone();
        for kind in [form::URL_ENCODED, form::MULTIPART] {
            body.content.insert(kind.to_owned(), ContentBuilder::new().schema(schema.clone()).build().into());
        }
    }
    (schemas, paths, router)
}
