//! `/openapi.json` and `/docs/`: the document is collected from the routes themselves ([`utoipa_axum`]); what is the
//! same everywhere (errors, authentication) and what is data (commands, filters, rules) is added here.

use serde_json::{Map, Value, json};
use utoipa::{IntoParams, OpenApi, ToSchema, openapi::OpenApi as Document};

use crate::{
    api::{
        cargo, history, locations, orders, packages, plans, reasons, scenarios, stock, transfers, upstream, webhooks,
    },
    commands,
    error::{RULES, Refusal},
    export::Format,
    kinds::{self, common::COMMON},
    orders::input::example,
    page::{Filter, Kind},
};

/// `sort`, for the documentation.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the documentation's view of what `page::order_by` parses")]
pub struct Sort {
    /// Fields to sort by, separated by commas; `-` in front for descending.
    #[param(example = "-created_date")]
    sort: Option<String>,
}

/// The lists that can be filtered, with their filters.
pub const LISTS: &[(&str, &[Filter])] = &[
    ("/api/v1/oms/cancellation_plan/", upstream::PLAN_FILTERS),
    ("/api/v1/oms/cancellation-reasons/", reasons::CANCELLATION_FILTERS),
    ("/api/v1/oms/cargo-company/", cargo::FILTERS),
    ("/api/v1/oms/cargo-company-conditions/", cargo::CONDITION_FILTERS),
    ("/api/v1/oms/orderexecutionplans/", plans::FILTERS),
    ("/api/v1/oms/orders/", orders::FILTERS),
    ("/api/v1/oms/package-denial-reason/", reasons::DENIAL_FILTERS),
    ("/api/v1/oms/package-denial-reason/list-simple/", reasons::DENIAL_FILTERS),
    ("/api/v1/oms/packages/", packages::FILTERS),
    ("/api/v1/oms/packages/package-items/", packages::ITEM_FILTERS),
    ("/api/v1/oms/packages/package_denial_reason/", reasons::DENIAL_FILTERS),
    ("/api/v1/oms/packages/short/", packages::FILTERS),
    ("/api/v1/oms/packages/{id}/transition-logs/", history::FILTERS),
    ("/api/v1/oms/scenarios/", scenarios::FILTERS),
    ("/api/v1/oms/stocklocations/", locations::FILTERS),
    ("/api/v1/oms/stocklocations/list-simple/", locations::FILTERS),
    ("/api/v1/oms/stocklocations-senderaddress/", locations::SENDER_FILTERS),
    ("/api/v1/oms/stocks/", stock::FILTERS),
    ("/api/v1/oms/transfer_orders/", transfers::FILTERS),
    ("/api/v1/oms/transfer_orders/short/", transfers::FILTERS),
    ("/api/v1/oms/transfer_orders/transfer-items/", transfers::ITEM_FILTERS),
    ("/api/v1/oms/transfer_orders/{id}/transition-logs/", history::FILTERS),
    ("/api/v1/oms/upstream/calls/", upstream::CALL_FILTERS),
    ("/api/v1/oms/upstream/problems/", upstream::PROBLEM_FILTERS),
    ("/whisperer/hook_events/", webhooks::EVENT_FILTERS),
    ("/whisperer/hooks/", webhooks::FILTERS),
];

/// A package: see the example.
#[derive(Debug, ToSchema)]
#[schema(value_type = Object)]
#[expect(dead_code, reason = "the documentation's view of a JSON text")]
pub struct Package(Value);

/// An order: see the example.
#[derive(Debug, ToSchema)]
#[schema(value_type = Object)]
#[expect(dead_code, reason = "the documentation's view of a JSON text")]
pub struct Order(Value);

/// A transfer: see the example.
#[derive(Debug, ToSchema)]
#[schema(value_type = Object)]
#[expect(dead_code, reason = "the documentation's view of a JSON text")]
pub struct Transfer(Value);

/// What a transfer carries of one package item: see the example.
#[derive(Debug, ToSchema)]
#[schema(value_type = Object)]
#[expect(dead_code, reason = "the documentation's view of a JSON text")]
pub struct TransferItem(Value);

/// What a command on a transfer answers.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the documentation's view of what the dispatcher writes")]
pub struct TransferAnswer {
    transfer_id: i64,
    transfer_number: String,
    /// The `enum_value` of the state it is in now.
    state: String,
}

/// One order, or a list of them.
#[derive(Debug, ToSchema)]
#[schema(value_type = Object)]
#[expect(dead_code, reason = "the documentation's view of a JSON text")]
pub struct OrderRequest(Value);

/// One count, or a list of them.
#[derive(Debug, ToSchema)]
#[schema(value_type = Object)]
#[expect(dead_code, reason = "the documentation's view of a JSON text")]
pub struct StockRequest(Value);

/// How many counts were set.
#[derive(Debug, ToSchema)]
#[schema(value_type = Object)]
#[expect(dead_code, reason = "the documentation's view of a JSON text")]
pub struct StockAnswer(Value);

/// A command to run.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the documentation's view of what the route parses")]
pub struct CommandRequest {
    /// A transition's id, from the object's `commands`.
    transition: Option<i64>,
    /// A transition's slug. One of the two is needed; both must agree.
    slug: Option<String>,
    /// The command's own parameters.
    #[schema(value_type = Option<Object>)]
    input_parameters: Value,
}

/// What a command answers. `package_id` and `package_number` are the package's the command was run on; the location is
/// where its items are to be packed now.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the documentation's view of what the dispatcher writes")]
pub struct CommandAnswer {
    package_id: i64,
    package_number: String,
    package_stock_location_id: i64,
    package_stock_location_name: String,
    is_same_location: bool,
}

/// A command of a list.
#[derive(Debug, ToSchema)]
#[schema(example = json!({ "package": 12, "slug": "package__complete_packing__waiting__packed", "input_parameters": {} }))]
#[expect(dead_code, reason = "the documentation's view of what the route parses")]
pub struct ListedCommand {
    /// The package's id.
    package: i64,
    /// A transition's id, from the package's `commands`.
    transition: Option<i64>,
    /// A transition's slug. One of the two is needed; both must agree.
    slug: Option<String>,
    /// The command's own parameters.
    #[schema(value_type = Option<Object>)]
    input_parameters: Value,
    /// Names this command, instead of the key made from the list's.
    #[schema(max_length = 255)]
    idempotency_key: Option<String>,
}

/// What became of a command of a list: what it would answer alone.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "the documentation's view of what the route writes")]
pub struct ListedResult {
    /// Where it failed: what is wrong, as in every error.
    #[schema(value_type = Option<Object>)]
    error: Value,
    /// The status it would answer alone.
    status_code: u16,
    /// Where it succeeded: what it would answer alone; null with 204.
    #[schema(value_type = Option<Object>)]
    body: Value,
}

/// Every error: `error` says what is wrong, `status_code` repeats the HTTP status.
#[derive(Debug, ToSchema)]
#[schema(example = json!({ "error": { "detail": "Not found." }, "status_code": 404 }))]
#[expect(dead_code, reason = "the documentation's view of `Refusal::body`")]
pub struct Refused {
    /// `{"detail"}`, `{"non_field_errors", "error_code"}` or `{"<field>": ["message"]}`.
    #[schema(value_type = Object)]
    error: Value,
    status_code: u16,
}

/// Every error under `/whisperer/`: what is wrong, without an envelope.
#[derive(Debug, ToSchema)]
#[schema(value_type = Object, example = json!({ "event_type": ["\"x\" is not a valid choice."] }))]
#[expect(dead_code, reason = "the documentation's view of `Refusal::error`")]
pub struct BareRefused(Value);

#[derive(OpenApi)]
#[openapi(
    info(
        title = "oms",
        description = "An order management server. Orders come in, are distributed to locations as packages, and each \
                       package moves through a table of states by commands.\n\nEvery call needs \
                       `Authorization: Token <key>`; a key comes from `POST /api/v1/auth/login/` or `oms token issue`."
    ),
    components(schemas(Refused, BareRefused, Package, Order, Transfer, TransferItem, CommandRequest, CommandAnswer))
)]
struct Base;

/// The document to collect the routes into.
#[must_use]
pub fn base() -> Document {
    Base::openapi()
}

/// Adds what no single route says: the security scheme, the errors every route can answer, the filters of the lists,
/// and each command with its parameters, example and refusals.
#[must_use]
pub fn complete(document: Document) -> Value {
    let mut value = serde_json::to_value(document).unwrap_or_default();
    value["components"]["securitySchemes"] = json!({
        "token": { "type": "apiKey", "in": "header", "name": "Authorization",
                   "description": "`Token <key>`, the word included" }
    });
    value["security"] = json!([{ "token": [] }]);
    for (path, filters) in LISTS {
        add_filters(&mut value["paths"][path]["get"], filters);
    }
    add_commands(&mut value["paths"]["/api/v1/oms/packages/{id}/command/"]["post"], "package");
    add_commands(&mut value["paths"]["/api/v1/oms/transfer_orders/{id}/command/"]["post"], "transfer");
    add_examples(&mut value);
    if let Some(paths) = value["paths"].as_object_mut() {
        for (path, item) in paths {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                operation["operationId"] = json!(operation_id(path, method));
                add_files(operation);
                add_errors(path, method, operation);
            }
        }
    }
    value
}

/// A name for generators of clients, from method and path: `get_packages_by_id`.
fn operation_id(path: &str, method: &str) -> String {
    let path = path.strip_prefix("/api/v1/oms").unwrap_or(path);
    let words = path.split(['/', '-', '.']).filter(|word| !word.is_empty()).map(|word| {
        word.strip_prefix('{')
            .and_then(|word| word.strip_suffix('}'))
            .map_or(word.to_owned(), |name| format!("by_{name}"))
    });
    std::iter::once(method.to_owned()).chain(words).collect::<Vec<_>>().join("_")
}

/// The media types of a list that can be had as a file.
fn add_files(operation: &mut Value) {
    let parameters = operation["parameters"].as_array();
    if !parameters.is_some_and(|parameters| parameters.iter().any(|parameter| parameter["name"] == "format")) {
        return;
    }
    for format in [Format::Csv, Format::Xlsx] {
        let media_type = format.media_type().split(';').next().unwrap_or_default();
        operation["responses"]["200"]["content"][media_type] = json!({ "schema": { "type": "string" } });
    }
}

fn add_filters(operation: &mut Value, filters: &[Filter]) {
    let Some(parameters) = operation["parameters"].as_array_mut() else { return };
    for filter in filters.iter().filter(|filter| filter.kind != Kind::NotOffered) {
        let (schema, description) = match filter.kind {
            Kind::Integer => (json!({ "type": "integer" }), "Equal."),
            Kind::Integers => (json!({ "type": "string" }), "One of these whole numbers, separated by commas."),
            Kind::Texts => (json!({ "type": "string" }), "One of these, separated by commas."),
            Kind::Prefix => (json!({ "type": "string" }), "Begins with."),
            Kind::Contains => (json!({ "type": "string" }), "Contains, whatever the case."),
            Kind::DateTime => (json!({ "type": "string", "format": "date-time" }), "A moment or a day."),
            Kind::Day => (json!({ "type": "string", "format": "date" }), "A day, UTC."),
            Kind::Boolean => (json!({ "type": "boolean" }), "Equal."),
            Kind::Uuid => (json!({ "type": "string", "format": "uuid" }), "Equal."),
            Kind::Text | Kind::NotOffered => (json!({ "type": "string" }), "Equal."),
        };
        parameters.push(json!({
            "name": filter.name, "in": "query", "required": false, "description": description, "schema": schema
        }));
    }
}

/// One example and one schema a command: what the list of commands says, nothing twice.
fn add_commands(operation: &mut Value, entity: &str) {
    let commands = || commands::kinds().iter().copied().filter(|kind| kind.entity == entity);
    let content = &mut operation["requestBody"]["content"]["application/json"];
    let examples: Map<String, Value> = commands()
        .map(|command| {
            let value = json!({
                "slug": format!("{entity}__{}__…", command.identifier.to_lowercase()),
                "input_parameters": command.example()
            });
            let example =
                json!({ "summary": command.summary, "description": parameters_text(command), "value": value });
            (command.identifier.to_owned(), example)
        })
        .collect();
    content["examples"] = Value::Object(examples);
    operation["x-commands"] = commands().map(command_schema).collect();
    operation["responses"]["406"] = refusals();
}

fn all_parameters(command: &'static kinds::Kind) -> impl Iterator<Item = &'static kinds::Parameter> {
    command.parameters.iter().chain(COMMON.iter().filter(|common| command.common.contains(&common.name)))
}

fn parameters_text(command: &'static kinds::Kind) -> String {
    let rows: Vec<String> = all_parameters(command)
        .map(|parameter| {
            let required = if parameter.required { " (required)" } else { "" };
            format!("- `{}`{required}: {}", parameter.name, parameter.summary)
        })
        .collect();
    rows.join("\n")
}

/// A command as JSON Schema, for generators.
fn command_schema(command: &'static kinds::Kind) -> Value {
    let properties: Map<String, Value> = all_parameters(command)
        .map(|parameter| {
            let mut schema: Value = serde_json::from_str(parameter.schema).unwrap_or_default();
            schema["description"] = json!(parameter.summary);
            (parameter.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<&str> =
        all_parameters(command).filter(|parameter| parameter.required).map(|parameter| parameter.name).collect();
    json!({
        "command": command.identifier, "aliases": command.aliases, "summary": command.summary,
        "input_parameters": { "type": "object", "properties": properties, "required": required },
        "example": command.example()
    })
}

/// Every refusal with 406, each with its code.
fn refusals() -> Value {
    let mut examples = Map::new();
    let mut add = |code: &str, summary: &str, refusal: &Refusal| {
        examples.insert(code.to_owned(), json!({ "summary": summary, "value": refusal.body() }));
    };
    add(
        "commands_100_1",
        "The transition is unknown, or does not start at the package's state.",
        &Refusal::not_allowed(),
    );
    add("commands_100_5", "transition and slug name different transitions.", &Refusal::slug_mismatch());
    for rule in RULES {
        add(rule.code, rule.summary, &Refusal::rule(*rule, rule.summary));
    }
    json!({
        "description": "The table or a business rule does not allow it",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Refused" }, "examples": examples } }
    })
}

/// Examples of what the derived schemas say nothing about: a schema of a bare object takes none.
fn add_examples(document: &mut Value) {
    document["components"]["schemas"]["Package"]["example"] = json!({
        "id": 12, "city": {"name": "Bristol"},
        "state": {"id": 2, "name": "Waiting", "config": {}, "enum_class": "PackageStatus", "enum_value": "100",
                  "content_type": 26, "created_date": "2023-02-28T08:48:29.679101Z",
                  "modified_date": "2023-02-28T08:48:29.679141Z", "translations": null},
        "number": "536365P1",
        "commands": [{"id": 1, "label": "Pack", "ui_visibility": ["oms_web", "instore", "third_party"],
                      "slug": "package__complete_packing__waiting__packed",
                      "created_date": "2023-02-28T08:48:29.679101Z", "modified_date": "2023-02-28T08:48:29.679141Z",
                      "translations": null, "command": "COMPLETE_PACKING", "source_state": 2, "destination_state": 9}],
        "order_id": 7, "shipment": null, "remote_id": null, "date_placed": "2010-12-01T08:26:00Z", "order_notes": null,
        "channel_name": "web", "order_number": "536365", "payment_type": "credit_card", "shipment_date": null,
        "delivery_range": null, "invoice_number": null, "shipping_label": null, "stock_location": {"id": 3},
        "packageitem_set": [{"id": 31, "state": {}, "order_item": {"id": 88, "sku": "85123A"}, "quantity": 6,
                             "unit_weight": null}],
        "order": {"id": 7, "number": "536365"}, "replaced_by": [], "invoice_date": null, "invoice_document": null,
        "transfer_orders": []
    });
    let item = json!({
        "id": 41, "transfer_order": 9, "package_item": 31, "order_item": 88, "product": {"sku": "85123A"},
        "sku": "85123A", "quantity": 6, "created_date": "2023-02-28T08:48:29.679101Z",
        "modified_date": "2023-02-28T08:48:29.679141Z"
    });
    document["components"]["schemas"]["TransferItem"]["example"] = item.clone();
    document["components"]["schemas"]["Transfer"]["example"] = json!({
        "id": 9, "number": "536365P1T1",
        "state": {"id": 40, "name": "Waiting for transfer", "enum_class": "TransferStatus", "enum_value": "waiting"},
        "order": {"id": 7, "number": "536365"}, "package": {"id": 12, "number": "536365P1", "stock_location": 3},
        "source": {"id": 1, "erp_code": "W-LEEDS"}, "destination": {"id": 3, "erp_code": "S-LONDON"},
        "created_date": "2023-02-28T08:48:29.679101Z", "modified_date": "2023-02-28T08:48:29.679141Z",
        "extra_information": {}, "commands": [{"id": 60, "slug": "transfer__transfer_dispatch__waiting__in_transit"}],
        "shipment": null, "transferitem_set": [item]
    });
    document["components"]["schemas"]["Order"]["example"] = json!({
        "id": 7, "number": "536365", "state": {"enum_value": "400"}, "commands": [], "orderitem_set": [{"id": 88}],
        "packages": [{"id": 12, "number": "536365P1"}]
    });
    let stock = &mut document["paths"]["/api/v1/oms/stocks/"]["put"];
    stock["requestBody"]["content"]["application/json"]["example"] =
        json!([{ "stock_location": "W-LEEDS", "sku": "85123A", "quantity": 12 }]);
    stock["responses"]["200"]["content"]["application/json"]["example"] = json!({ "updated": 1 });
    let order = &mut document["paths"]["/api/v1/oms/orders/"]["post"];
    order["requestBody"]["content"]["application/json"]["example"] = example();
}

/// The errors any route can answer, where it does not describe them itself.
fn add_errors(path: &str, method: &str, operation: &mut Value) {
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    let is_bare = path.starts_with("/whisperer/");
    let is_api = is_bare || path.starts_with("/api/v1/oms/");
    let schema = if is_bare { "BareRefused" } else { "Refused" };
    let has_body = method != "get";
    let errors = [
        ("400", is_api, "A field or parameter is missing or wrong"),
        ("401", is_api, "No token, or one that is none"),
        ("403", is_api, "The token is valid, the right is missing"),
        ("404", is_api, "No such object, or not visible to the caller"),
        ("413", is_api && has_body, "The body is too large"),
        ("415", is_api && has_body, "The body is no JSON"),
        ("500", is_api, "Our fault; the request_id finds it in the log"),
        ("503", is_api, "Overloaded or the database is away; try again after Retry-After seconds"),
    ];
    for (status, applies, description) in errors {
        if applies && !responses.contains_key(status) {
            let reference = format!("#/components/schemas/{schema}");
            let content = json!({ "application/json": { "schema": { "$ref": reference } } });
            responses.insert(status.to_owned(), json!({ "description": description, "content": content }));
        }
    }
}
