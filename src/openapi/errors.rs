//! How the document describes errors: their bodies, and which of them every operation can answer.

use serde_json::{Map, Value, json};
use utoipa::{
    ToResponse,
    openapi::{Ref, RefOr, Response},
};

use super::reference;
use crate::error::{RULES, Refusal};

/// Codes of refusals that no [`Rule`](crate::error::Rule) stands for: the table of transitions does not allow it.
fn refusals_of_the_table() -> [(&'static str, &'static str, Refusal); 2] {
    [
        (
            "commands_100_1",
            "The transition is unknown, or does not start at the object's state.",
            Refusal::not_allowed(),
        ),
        ("commands_100_5", "`transition` and `slug` name different transitions.", Refusal::slug_mismatch()),
    ]
}

/// The schemas of errors, by name.
#[must_use]
pub fn schemas() -> Map<String, Value> {
    let codes: Vec<&str> =
        refusals_of_the_table().iter().map(|(code, ..)| *code).chain(RULES.iter().map(|rule| rule.code)).collect();
    let detail = json!({ "type": "object", "required": ["detail"], "properties": { "detail": { "type": "string" } } });
    let fault = json!({
        "type": "object", "required": ["detail", "request_id"], "properties": {
            "detail": { "type": "string" },
            "request_id": { "type": "string", "description": "Finds the request in the server's log." } }
    });
    let messages = json!({ "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] });
    let mut schemas = Map::new();
    let mut add = |name: &str, description: &str, mut schema: Value| {
        schema["description"] = json!(description);
        schemas.insert(name.to_owned(), schema);
    };
    add(
        "ErrorCode",
        "Which rule refused. A code is never given to another rule.",
        json!({ "type": "string", "enum": codes }),
    );
    add("Detail", "Why the request was not carried out.", detail);
    add("Fault", "Our fault, or not now.", fault);
    add(
        "Messages",
        "What is wrong, by field. `detail` and `non_field_errors`: no single field is to blame.",
        json!({ "type": "object", "additionalProperties": messages }),
    );
    add(
        "RuleRefusal",
        "Why a rule refused, in a sentence for people and by a code for programs.",
        json!({ "type": "object", "required": ["non_field_errors", "error_code"], "properties": {
            "non_field_errors": { "type": "string" }, "error_code": reference("ErrorCode") } }),
    );
    for (name, error) in [
        ("DetailError", "Detail"),
        ("ValidationError", "Messages"),
        ("RuleError", "RuleRefusal"),
        ("ServerError", "Fault"),
    ] {
        add(
            name,
            "An error: `error` says what is wrong, `status_code` repeats the HTTP status.",
            json!({ "type": "object", "required": ["error", "status_code"],
                    "properties": { "error": reference(error), "status_code": { "type": "integer" } } }),
        );
    }
    add(
        "HookRefusal",
        "Why the request was refused, by a code and in English.",
        json!({ "type": "object", "required": ["code", "en"], "properties": {
            "code": { "type": "string", "enum": ["event_100_3", "event_100_6", "webhook_100_2"] },
            "en": { "type": "string" } } }),
    );
    add_options(&mut add);
    let nested = json!({ "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } },
                                   { "$ref": "#/components/schemas/HookMessages" }] });
    add(
        "HookMessages",
        "What is wrong, by field; of a field that is an object, by its own fields.",
        json!({ "type": "object", "additionalProperties": nested }),
    );
    schemas
}

/// The answer to OPTIONS.
fn add_options(add: &mut impl FnMut(&str, &str, Value)) {
    add(
        "RouteOptions",
        "What a route is: the answer to OPTIONS, as Django REST framework gives it.",
        json!({ "type": "object", "required": ["name", "description", "renders", "parses"], "properties": {
            "name": { "type": "string" },
            "description": { "type": "string" },
            "renders": { "type": "array", "items": { "type": "string" }, "description": "Media types of its answers." },
            "parses": { "type": "array", "items": { "type": "string" }, "description": "Media types that it takes." },
            "actions": { "type": "object",
                         "additionalProperties": { "type": "object", "additionalProperties": reference("RouteField") },
                         "description": "By POST and PUT, as far as the caller may send them: the fields that they take, each \
                                         with its type, its limits, and whether it is required." } } }),
    );
    add(
        "RouteField",
        "A field of what a route takes.",
        json!({ "type": "object", "required": ["type", "required", "read_only"], "properties": {
            "type": { "type": "string", "description": "`string`, `integer`, `choice`, `list`, `nested object` and the like." },
            "required": { "type": "boolean" },
            "read_only": { "type": "boolean" },
            "label": { "type": "string" },
            "help_text": { "type": "string" },
            "max_length": { "type": "integer" },
            "min_length": { "type": "integer" },
            "min_value": { "type": "number" },
            "max_value": { "type": "number" },
            "choices": { "type": "array", "items": { "type": "object", "required": ["value", "display_name"], "properties": {
                "value": { "type": ["string", "integer", "null"] }, "display_name": { "type": "string" } } } },
            "child": reference("RouteField"),
            "children": { "type": "object", "additionalProperties": reference("RouteField") } } }),
    );
}

/// An error that operations can answer: its name among the responses, status, schema under `/api/` and under
/// `/whisperer/`, and what it says.
struct Shared(&'static str, u16, &'static str, &'static str, &'static str);

const SHARED: &[Shared] = &[
    Shared("BadRequest", 400, "ValidationError", "HookMessages", "A field or parameter is missing or wrong."),
    Shared("Unauthorized", 401, "DetailError", "Detail", "There is no token, or it is not valid."),
    Shared("Forbidden", 403, "DetailError", "Detail", "The token is valid, the right is missing."),
    Shared("NotFound", 404, "DetailError", "Detail", "There is no such object or page, or the caller may not see it."),
    Shared("MethodNotAllowed", 405, "DetailError", "Detail", "The path has no such method."),
    Shared("BodyTooSlow", 408, "DetailError", "Detail", "The body did not come in time."),
    Shared("BodyTooLarge", 413, "DetailError", "Detail", "The body is too large."),
    Shared("UnsupportedMediaType", 415, "DetailError", "Detail", "The body is not JSON."),
    Shared(
        "TooManyRequests",
        429,
        "DetailError",
        "Detail",
        "Too many requests; try again after `Retry-After` seconds.",
    ),
    Shared("InternalServerError", 500, "ServerError", "Fault", "Our fault; `request_id` finds the request in the log."),
    Shared(
        "ServiceUnavailable",
        503,
        "ServerError",
        "Fault",
        "Overloaded, or the database is away; try again after `Retry-After` seconds.",
    ),
];

/// A response that operations share and only some have, for those to name.
#[derive(Debug, Clone, Copy)]
pub struct TooManyRequests;

impl ToResponse<'static> for TooManyRequests {
    fn response() -> (&'static str, RefOr<Response>) {
        const NAME: &str = "TooManyRequests";
        (NAME, Ref::from_response_name(NAME).into())
    }
}

/// The responses that operations share, by name: `NotFound`, and `HookNotFound` for what is not in the envelope.
#[must_use]
pub fn responses() -> Map<String, Value> {
    let mut responses = Map::new();
    responses.insert(
        "Options".to_owned(),
        json!({ "description": "What the route is.", "content": { "application/json": { "schema": reference("RouteOptions") } } }),
    );
    for Shared(name, status, enveloped, bare, description) in SHARED {
        for (name, schema) in [((*name).to_owned(), enveloped), (format!("Hook{name}"), bare)] {
            let mut response = json!({ "description": description, "content": { "application/json": { "schema": reference(schema) } } });
            add_headers(&status.to_string(), &mut response);
            responses.insert(name, response);
        }
    }
    responses
}

/// Adds the headers that errors of a status have.
fn add_headers(status: &str, response: &mut Value) {
    let (name, schema) = match status {
        "401" => ("WWW-Authenticate", json!({ "type": "string", "const": "Token" })),
        "429" | "503" => ("Retry-After", json!({ "type": "integer", "description": "Seconds." })),
        _ => return,
    };
    response["headers"] = json!({ name: { "schema": schema } });
}

/// Adds to an operation the errors that any route can answer, where it does not describe them itself. An error that only
/// some routes answer, they name: `(status = 429, response = TooManyRequests)`.
pub fn add(path: &str, operation: &mut Value) {
    let is_bare = path.starts_with("/whisperer/");
    let is_open = operation["security"] == json!([{}]);
    let has_body = operation.get("requestBody").is_some();
    let has_input = has_body || operation["parameters"].as_array().is_some_and(|list| !list.is_empty());
    let is_api = is_bare || path.starts_with("/api/");
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    for Shared(name, status, ..) in SHARED {
        let applies = match status {
            400 => has_input && !is_open,
            401 | 403 => !is_open,
            404 => is_api && (!is_open || !has_body),
            408 | 413 | 415 => has_body,
            405 | 500 => true,
            // Only of those that name it.
            429 => false,
            _ => is_api,
        };
        if applies && !responses.contains_key(&status.to_string()) {
            let prefix = if is_bare { "Hook" } else { "" };
            responses.insert(status.to_string(), json!({ "$ref": format!("#/components/responses/{prefix}{name}") }));
        }
    }
    for (status, response) in responses.iter_mut().filter(|(status, _)| status.as_str() >= "400") {
        describe(status, is_bare, response);
    }
    responses.sort_keys();
}

/// Gives an error that a route names the body that errors of its status have; a body of the route's own may come too.
fn describe(status: &str, is_bare: bool, response: &mut Value) {
    let error = match (status, is_bare) {
        ("406", true) => "HookRefusal",
        ("406", false) => "RuleError",
        ("400", true) => "HookMessages",
        ("400", false) => "ValidationError",
        (status, true) if status >= "500" => "Fault",
        (status, false) if status >= "500" => "ServerError",
        (_, true) => "Detail",
        (_, false) => "DetailError",
    };
    if let Some(Value::String(target)) = response.get_mut("$ref") {
        // A route names the shared response; which of its two forms, the path says.
        const SHARED: &str = "#/components/responses/";
        if let Some(name) = target.strip_prefix(SHARED).filter(|name| is_bare && !name.starts_with("Hook")) {
            *target = format!("{SHARED}Hook{name}");
        }
        return;
    }
    let own = response.pointer("/content/application~1json/schema").cloned();
    let schema = match own {
        None => {
            add_headers(status, response);
            reference(error)
        }
        Some(own) if status == "406" && own != reference(error) => json!({ "oneOf": [own, reference(error)] }),
        Some(own) => own,
    };
    response["content"]["application/json"]["schema"] = schema;
}

/// The refusal of a command by a rule, with an example for each code.
#[must_use]
pub fn refused_by_rule() -> Value {
    let mut examples = Map::new();
    let mut add = |code: &str, summary: &str, refusal: &Refusal| {
        examples.insert(code.to_owned(), json!({ "summary": summary, "value": refusal.body() }));
    };
    for (code, summary, refusal) in refusals_of_the_table() {
        add(code, summary, &refusal);
    }
    for rule in RULES {
        add(rule.code, rule.summary, &Refusal::rule(*rule, rule.summary));
    }
    json!({
        "description": "The table of transitions, or a rule, does not allow it.",
        "content": { "application/json": { "schema": reference("RuleError"), "examples": examples } }
    })
}
