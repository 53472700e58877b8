//! `OPTIONS` of a route, as Django REST framework answers it: what the route is, what it renders and parses, and the fields of
//! what may be sent, to whoever may send it. (What a browser asks before a page of another site is answered before: `cors`.)
//!
//! Everything is taken from the document. Who may do what is asked of the route itself: the request knocks at its doors, by each
//! of its methods, and no handler runs. That needs routes of their own, since the method has been looked at when a layer of a
//! router runs.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    body::Body,
    extract::{ConnectInfo, Request},
    http::{HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
    routing,
};
use serde_json::{Map, Value, json};
use tower::ServiceExt as _;

use crate::api::extract::{Doors, Knock};

/// The methods of routes, in the order in which they are named.
const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
/// Objects in objects are described so deep.
const DEEPEST: usize = 4;

/// What is told of each route.
#[derive(Debug)]
pub(super) struct Options {
    routes: Vec<Arc<Route>>,
}

#[derive(Debug)]
struct Route {
    /// `/a/{id}/`.
    pattern: String,
    methods: Vec<Method>,
    /// Without `actions`.
    told: Value,
    /// The fields of what POST and PUT take.
    actions: Vec<(Method, Value)>,
    allow: HeaderValue,
}

impl Options {
    /// Of the routes of the API in a document.
    pub(super) fn of(document: &Value) -> Self {
        let paths = document["paths"].as_object().into_iter().flatten();
        let api = paths.filter(|(path, _)| path.starts_with("/api/") || path.starts_with("/whisperer/"));
        Self { routes: api.map(|(path, item)| Arc::new(Route::of(document, path, item))).collect() }
    }

    /// Answers at each of the routes that are behind these doors.
    pub(super) fn answering(&self, doors: &Router) -> Router<Doors> {
        self.routes.iter().fold(Router::new(), |router, route| {
            let (route, doors) = (Arc::clone(route), doors.clone());
            let pattern = route.pattern.clone();
            let answer = move |request: Request| {
                let (route, doors) = (Arc::clone(&route), doors.clone());
                async move { route.answer(&doors, request).await }
            };
            router.route(&pattern, routing::options(answer))
        })
    }
}

impl Route {
    /// The answer to whoever may do something there; else the refusal.
    async fn answer(&self, doors: &Router, request: Request) -> Response {
        let (parts, _) = request.into_parts();
        let (mut open, mut refused) = (Vec::new(), None);
        for method in &self.methods {
            let Ok(response) = doors.clone().oneshot(knock(&parts, method)).await;
            if response.status() == StatusCode::NO_CONTENT {
                open.push(method);
            } else {
                refused.get_or_insert(response);
            }
        }
        if let (true, Some(refused)) = (open.is_empty(), refused) {
            return refused;
        }
        let mut told = self.told.clone();
        let actions = self.actions.iter().filter(|(method, _)| open.contains(&method));
        let actions: Map<_, _> = actions.map(|(method, fields)| (method.to_string(), fields.clone())).collect();
        if !actions.is_empty() {
            told["actions"] = Value::Object(actions);
        }
        ([(header::ALLOW, self.allow.clone())], Json(told)).into_response()
    }
}

/// A request that only asks whether it would come in.
fn knock(parts: &Parts, method: &Method) -> Request {
    let mut knocking = Request::new(Body::empty());
    *knocking.method_mut() = method.clone();
    *knocking.uri_mut() = parts.uri.clone();
    *knocking.headers_mut() = parts.headers.clone();
    // No more of the extensions: the parameters of the path are there already, and would be there twice.
    if let Some(peer) = parts.extensions.get::<ConnectInfo<SocketAddr>>() {
        knocking.extensions_mut().insert(*peer);
    }
    knocking.extensions_mut().insert(Knock);
    knocking
}

impl Route {
    fn of(document: &Value, path: &str, item: &Value) -> Self {
        let operation = |method: &Method| item.get(method.as_str().to_lowercase());
        let methods: Vec<Method> = METHODS.into_iter().filter(|method| operation(method).is_some()).collect();
        let operations = || methods.iter().filter_map(operation);
        let first = operations().next().unwrap_or(&Value::Null);
        let mut renders = Vec::new();
        for response in operations().filter_map(|operation| operation["responses"].as_object()).flatten() {
            if response.0.starts_with('2') {
                add_types(&mut renders, &response.1["content"]);
            }
        }
        let mut parses = Vec::new();
        operations().for_each(|operation| add_types(&mut parses, &operation["requestBody"]["content"]));
        let told = json!({
            "name": first["summary"],
            "description": first["description"].as_str().unwrap_or_default(),
            "renders": if renders.is_empty() { vec!["application/json"] } else { renders },
            "parses": parses
        });
        let changing = methods.iter().filter(|method| [Method::POST, Method::PUT].contains(method));
        let actions = changing.filter_map(|method| {
            let schema = &operation(method)?["requestBody"]["content"]["application/json"]["schema"];
            Some((method.clone(), Value::Object(fields(document, schema, 0)?)))
        });
        let names = methods.iter().map(Method::as_str);
        let head = methods.contains(&Method::GET).then_some("HEAD");
        let allow = names.chain(head).chain(["OPTIONS"]).collect::<Vec<_>>().join(", ");
        Self {
            pattern: path.to_owned(),
            actions: actions.collect(),
            told,
            // Names of methods are a header.
            allow: HeaderValue::from_str(&allow).unwrap_or_else(|_| HeaderValue::from_static("OPTIONS")),
            methods,
        }
    }
}

/// Adds the media types of a body.
fn add_types<'a>(types: &mut Vec<&'a str>, content: &'a Value) {
    for name in content.as_object().into_iter().flatten().map(|(name, _)| name.as_str()) {
        if !types.contains(&name) {
            types.push(name);
        }
    }
}

/// A schema, where there is a reference to one.
fn resolved<'a>(document: &'a Value, mut schema: &'a Value) -> &'a Value {
    while let Some(found) = schema["$ref"].as_str().and_then(|reference| document.pointer(&reference[1..])) {
        schema = found;
    }
    schema
}

/// The fields of an object, or of the objects of a list; none where any object will do. Of several that there may be, what is
/// required of one is not required.
fn fields(document: &Value, schema: &Value, depth: usize) -> Option<Map<String, Value>> {
    let schema = resolved(document, schema);
    if let Some(properties) = schema["properties"].as_object() {
        let required = schema["required"].as_array();
        let is_required = |name: &str| required.is_some_and(|names| names.iter().any(|required| required == name));
        let described = properties
            .iter()
            .map(|(name, property)| (name.clone(), field(document, name, property, is_required(name), depth)));
        return Some(described.collect());
    }
    if !schema["items"].is_null() {
        return fields(document, &schema["items"], depth);
    }
    let mut merged: Option<Map<String, Value>> = None;
    for key in ["allOf", "oneOf", "anyOf"] {
        for part in schema[key].as_array().into_iter().flatten() {
            for (name, mut described) in fields(document, part, depth).into_iter().flatten() {
                if key != "allOf" {
                    described["required"] = Value::Bool(false);
                }
                merged.get_or_insert_default().entry(name).or_insert(described);
            }
        }
    }
    merged
}

/// A field, in the words of Django REST framework.
fn field(document: &Value, name: &str, property: &Value, is_required: bool, depth: usize) -> Value {
    let mut described = json!({
        "type": "field",
        "required": is_required,
        "read_only": property["readOnly"] == true,
        "label": label(name)
    });
    if let Some(text) = property["description"].as_str() {
        described["help_text"] = text.into();
    }
    describe(document, &mut described, property, depth);
    described
}

/// `stock_location`: Stock location.
fn label(name: &str) -> String {
    let words = name.replace('_', " ");
    let mut letters = words.trim().chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What kind of value a field has, and its limits.
fn describe(document: &Value, described: &mut Value, schema: &Value, depth: usize) {
    let schema = resolved(document, schema);
    let nullable = ["oneOf", "anyOf"].iter().find_map(|key| schema[*key].as_array());
    if let Some(parts) = nullable {
        let parts: Vec<&Value> = parts.iter().filter(|part| part["type"] != "null").collect();
        if let [part] = parts[..] {
            describe(document, described, part, depth);
        }
        return;
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").and_then(Value::as_str),
        kind => kind.as_str(),
    };
    let kind = match (kind, schema["format"].as_str()) {
        _ if schema["enum"].is_array() => "choice",
        (Some("boolean"), _) => "boolean",
        (Some("integer"), _) => "integer",
        (Some("number"), _) => "float",
        (Some("string"), Some("date-time")) => "datetime",
        (Some("string"), Some("date")) => "date",
        (Some("string"), Some("uri")) => "url",
        (Some("string"), _) => "string",
        (Some("array"), _) => "list",
        (Some("object"), _) => "nested object",
        _ => "field",
    };
    described["type"] = kind.into();
    let limits =
        [("maxLength", "max_length"), ("minLength", "min_length"), ("minimum", "min_value"), ("maximum", "max_value")];
    for (ours, theirs) in limits {
        if schema[ours].is_number() {
            described[theirs] = schema[ours].clone();
        }
    }
    if let Some(words) = schema["enum"].as_array() {
        let choices = words.iter().map(|word| {
            let shown = word.as_str().map_or_else(|| word.to_string(), str::to_owned);
            json!({ "value": word, "display_name": shown })
        });
        described["choices"] = choices.collect();
    }
    if depth == DEEPEST {
        return;
    }
    if kind == "list" {
        let mut child = json!({ "type": "field", "required": true, "read_only": false });
        describe(document, &mut child, &schema["items"], depth + 1);
        described["child"] = child;
    } else if kind == "nested object"
        && let Some(children) = fields(document, schema, depth + 1)
    {
        described["children"] = Value::Object(children);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_described_in_the_words_of_django_rest_framework() {
        let document = json!({ "components": { "schemas": {
            "Place": { "type": "object", "required": ["erp_code"], "properties": {
                "erp_code": { "type": "string", "maxLength": 64, "description": "As the ERP has it." },
                "kind": { "type": "string", "enum": ["store", "warehouse"] },
                "max_quota": { "type": ["integer", "null"], "minimum": 0 },
                "hours": { "type": "array", "items": { "type": "string", "format": "date" } },
                "parent": { "oneOf": [{ "type": "null" }, { "$ref": "#/components/schemas/Parent" }] } } },
            "Parent": { "type": "object", "properties": { "is_open": { "type": "boolean", "readOnly": true } } } } } });
        let place = json!({ "$ref": "#/components/schemas/Place" });
        let expected = json!({
            "erp_code": { "type": "string", "required": true, "read_only": false, "label": "Erp code",
                          "help_text": "As the ERP has it.", "max_length": 64 },
            "kind": { "type": "choice", "required": false, "read_only": false, "label": "Kind",
                      "choices": [{ "value": "store", "display_name": "store" },
                                  { "value": "warehouse", "display_name": "warehouse" }] },
            "max_quota": { "type": "integer", "required": false, "read_only": false, "label": "Max quota", "min_value": 0 },
            "hours": { "type": "list", "required": false, "read_only": false, "label": "Hours",
                       "child": { "type": "date", "required": true, "read_only": false } },
            "parent": { "type": "nested object", "required": false, "read_only": false, "label": "Parent",
                        "children": { "is_open": { "type": "boolean", "required": false, "read_only": true,
                                                   "label": "Is open" } } },
        });
        let list = json!({ "type": "array", "items": place });
        let either = json!({ "oneOf": [place, list] });
        assert_eq!(fields(&document, &place, 0).map(Value::Object), Some(expected.clone()));
        assert_eq!(fields(&document, &list, 0).map(Value::Object), Some(expected));
        let merged = fields(&document, &either, 0).expect("fields");
        assert_eq!((merged.len(), &merged["erp_code"]["required"]), (5, &json!(false)));
        assert_eq!(fields(&document, &json!({ "type": "object" }), 0), None);
    }

    #[test]
    fn a_route_is_of_the_api_and_names_its_methods() {
        let operation = json!({ "summary": "It", "responses": { "204": {} } });
        let options = Options::of(&json!({ "paths": {
            "/api/a/{id}/": { "get": operation, "delete": operation }, "/healthz": { "get": operation } } }));
        let [route] = &options.routes[..] else { panic!("{options:?}") };
        assert_eq!(
            (route.pattern.as_str(), &route.allow),
            ("/api/a/{id}/", &HeaderValue::from_static("GET, DELETE, HEAD, OPTIONS"))
        );
        let told = json!({ "name": "It", "description": "", "renders": ["application/json"], "parses": [] });
        assert_eq!(route.told, told);
    }
}
