//! The document at `/openapi.json`: what the routes declare, and what is the same for all of them.

mod commands;

use serde_json::{Map, Value, json};
use utoipa::openapi::OpenApi;

use crate::{
    api::stock,
    openapi::{Written, answers, errors, reference},
    orders, upstream,
};

/// What the document begins with.
const INTRODUCTION: &str = "\
An order management server. Orders come in, are distributed to stock locations as packages, and each package moves through \
a table of states by commands.

**Log in** by `POST /api/v1/auth/login/`, or take a key from `oms token issue`; every call needs the header \
`Authorization: Token <key>`.

**Lists** answer `count`, `next`, `previous` and `results`. With `format=csv` or `format=xlsx` the same address answers the \
list as a file, so a typed client asks for the media type it wants (with openapi-fetch: \
`createClient<paths, \"application/json\">`).

**Commands** are what moves packages and transfers: each shows in `commands` what its state allows now. The ids of states and \
transitions differ from one installation to the next; `enum_value`, `slug` and `command` are made to be relied on.

**OPTIONS** at an address under `/api/` or `/whisperer/` answers what the route is, what it takes, and which fields you may send \
(`#/components/responses/Options`).

**Errors** under `/api/` are `{\"error\": {…}, \"status_code\": N}`; under `/whisperer/` they are what stands under `error`. A \
refusal by a rule (406) has an `error_code` that never changes its meaning.";

/// Areas in the order in which a newcomer reads them.
const TAGS: &[(&str, &str)] = &[
    ("Users", "Log in."),
    ("Orders", "What customers ordered."),
    ("Packages", "What a location packs of an order, and the commands that move it."),
    ("Transfers", "Goods on their way from one location to the one that packs them."),
    ("Stock", "How many units each location has."),
    ("Stock locations", "Stores and warehouses: their data, their capacity and who carries for them."),
    ("Cargo companies", "Who carries packages; labels."),
    ("Reasons", "Why packages are refused and orders are cancelled."),
    ("Events", "What happened, in order, to be followed."),
    ("Webhooks", "Events, delivered to whoever subscribed."),
    ("Scenarios", "By which rules orders are distributed."),
    ("Plans", "Why each package is where it is."),
    ("Upstream", "The system that orders come from, and that hears what becomes of them."),
    ("Operations", "For who looks after the server."),
];

/// Adds to what the routes declare what no single route says: the introduction, authentication, errors, commands.
pub(super) fn complete(declared: &OpenApi) -> Value {
    let declared = serde_json::to_value(declared).unwrap_or_default();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": { "title": "oms", "version": env!("CARGO_PKG_VERSION"), "description": INTRODUCTION,
                  "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" } },
        "servers": [{ "url": "/", "description": "The server that this document comes from." }],
        "security": [{ "token": [] }],
        "tags": TAGS.iter().map(|(name, text)| json!({ "name": name, "description": text })).collect::<Vec<_>>(),
        "paths": declared["paths"],
        "components": {
            "schemas": schemas(&declared["components"]["schemas"]),
            "responses": errors::responses(),
            "securitySchemes": { "token": { "type": "apiKey", "in": "header", "name": "Authorization",
                                            "description": "`Token <key>`, the word included." },
                                 "basic": { "type": "http", "scheme": "basic",
                                            "description": "A user's name, and a token of that user as the password." } }
        }
    });
    commands::add(&mut document);
    require_nothing_of_changes(&mut document);
    name_variants(&mut document);
    for (path, item) in document["paths"].as_object_mut().into_iter().flatten() {
        for operation in item.as_object_mut().into_iter().flat_map(Map::values_mut) {
            errors::add(path, operation);
            if operation["security"] == json!([{}]) {
                // Generators take an empty list for what needs no token.
                operation["security"] = json!([]);
            }
        }
    }
    answers::require_nullable_keys(&mut document);
    document
}

/// A variant with a title is a schema of that name: generators make a type of it.
fn name_variants(document: &mut Value) {
    let mut named = Map::new();
    for (_, schema) in document["components"]["schemas"].as_object_mut().into_iter().flatten() {
        for variant in schema.get_mut("oneOf").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(name) = variant["title"].as_str().map(str::to_owned) {
                named.insert(name.clone(), std::mem::replace(variant, reference(&name)));
            }
        }
    }
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.extend(named);
        schemas.sort_keys();
    }
}

/// A PATCH sends what is to change: no key of its body is required.
fn require_nothing_of_changes(document: &mut Value) {
    const BODY: &str = "/patch/requestBody/content/application~1json/schema/$ref";
    let mut changed = Map::new();
    let schemas = document["components"]["schemas"].take();
    for (_, item) in document["paths"].as_object_mut().into_iter().flatten() {
        let Some(Value::String(reference)) = item.pointer_mut(BODY) else { continue };
        let Some((before, name)) = reference.rsplit_once('/').map(|(before, name)| (before, name.to_owned())) else {
            continue;
        };
        if schemas[&name].get("required").is_some() {
            let changes = format!("{}Change", name.trim_start_matches("New"));
            *reference = format!("{before}/{changes}");
            changed.insert(name, Value::String(changes));
        }
    }
    document["components"]["schemas"] = schemas;
    for (name, changes) in changed {
        let mut schema = document["components"]["schemas"][&name].clone();
        schema.as_object_mut().map(|schema| schema.shift_remove("required"));
        document["components"]["schemas"][changes.as_str().unwrap_or_default()] = schema;
    }
}

/// Those of the routes' own types, and those that are written down; in the order of their names.
fn schemas(declared: &Value) -> Map<String, Value> {
    let mut schemas = declared.as_object().cloned().unwrap_or_default();
    let written = |written: &Written| (written.name.to_owned(), written.value());
    let orders =
        [orders::details::SCHEMAS, orders::input::SCHEMAS, orders::recipient::SCHEMAS, upstream::SCHEMAS].concat();
    schemas.extend(orders.iter().chain([&stock::COUNT, &stock::ADJUSTMENT]).map(written));
    schemas.extend(errors::schemas());
    schemas.sort_keys();
    schemas
}
