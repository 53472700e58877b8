//! Commands in the document: what each takes, an example of it, and every refusal with its code.

use serde_json::{Map, Value, json};

use crate::{
    commands,
    installation::read::Installation,
    kinds::{Kind, Parameter, common::COMMON, names},
    openapi::{errors, reference},
};

/// The installation whose transitions the examples name.
const STANDARD: &str = include_str!("../../../installations/standard.toml");

/// What commands run on, and where.
struct Subject {
    entity: &'static str,
    /// The path of one command.
    path: &'static str,
    /// The schema of its body.
    request: &'static str,
    /// The schema of its answer, of a dry run's, and of what that says would change.
    answers: [&'static str; 3],
}

const SUBJECTS: [Subject; 2] = [
    Subject {
        entity: "package",
        path: "/api/v1/oms/packages/{id}/command/",
        request: "PackageCommand",
        answers: ["PackageAnswer", "PackageCommandDryRun", "PackageEffects"],
    },
    Subject {
        entity: "transfer",
        path: "/api/v1/oms/transfer_orders/{id}/command/",
        request: "TransferCommand",
        answers: ["TransferAnswer", "TransferCommandDryRun", "TransferEffects"],
    },
];
/// The path of a list of commands, and the schema of one of them.
const LIST: (&str, &str) = ("/api/v1/oms/packages/commands/", "ListedPackageCommand");

/// Adds the bodies of commands, their examples and their refusals.
pub(super) fn add(document: &mut Value) {
    let slugs = slugs();
    for Subject { entity, path, request, answers: [answer, dry_run, effects] } in SUBJECTS {
        let commands = || commands::kinds().iter().copied().filter(|command| command.entity() == entity);
        let mut variants = Vec::new();
        for command in commands() {
            let name = parameters_name(command);
            document["components"]["schemas"][&name] = parameters_schema(command);
            variants.push(reference(&name));
        }
        document["components"]["schemas"][request] = request_schema(&variants);
        document["components"]["schemas"][dry_run] = dry_run_schema(answer, effects);
        // By this key a typed client takes one out of the two. It is never sent here; that it would be false is what
        // TypeScript needs for that. With null openapi-fetch would drop the key.
        document["components"]["schemas"][answer]["properties"]["effects"] = json!({ "type": "boolean", "const": false,
                    "description": "Left out: only a dry run's answer has them." });
        let examples = examples(commands(), &slugs);
        let operation = &mut document["paths"][path]["post"];
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": reference(request), "examples": examples } }
        });
        operation["responses"]["200"]["content"]["application/json"]["schema"] =
            json!({ "oneOf": [reference(answer), reference(dry_run)] });
        operation["responses"]["406"] = errors::refused_by_rule();
    }
    add_list(document, &slugs);
}

/// A command of a list: one on a package, which it names.
fn add_list(document: &mut Value, slugs: &Map<String, Value>) {
    let (path, name) = LIST;
    let mut listed = document["components"]["schemas"][SUBJECTS[0].request].clone();
    listed["description"] = json!("A command of a list.");
    listed["required"] = json!(["package"]);
    listed["properties"]["package"] =
        json!({ "type": "integer", "format": "int64", "description": "Id of the package." });
    listed["properties"]["idempotency_key"] = json!({
        "type": "string", "minLength": 1, "maxLength": 255,
        "description": "Names this command, instead of the key that is made from the list's."
    });
    document["components"]["schemas"][name] = listed;
    let packing = json!([{ "package": 1, "slug": slugs[names::COMPLETE_PACKING], "input_parameters": {} }]);
    document["paths"][path]["post"]["requestBody"] = json!({
        "required": true,
        "content": { "application/json": {
            "schema": { "type": "array", "maxItems": 1000, "items": reference(name) }, "example": packing } }
    });
}

/// By command, the slug of its first transition in the standard installation.
fn slugs() -> Map<String, Value> {
    let installation = Installation::parse(STANDARD).unwrap_or_default();
    let mut slugs = Map::new();
    for transition in installation.transitions {
        slugs.entry(transition.command.clone()).or_insert_with(|| json!(transition.slug()));
    }
    slugs
}

/// `CompletePackingParameters`.
fn parameters_name(command: &'static Kind) -> String {
    let words = command.identifier.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        format!("{first}{}", rest.to_lowercase())
    });
    words.chain(["Parameters".to_owned()]).collect()
}

fn all_parameters(command: &'static Kind) -> impl Iterator<Item = &'static Parameter> {
    command.parameters.iter().chain(COMMON.iter().filter(|common| command.common.contains(&common.name)))
}

fn parameters_schema(command: &'static Kind) -> Value {
    let mut properties = Map::new();
    // Every command may repeat what stands in the address.
    let own = json!({ "type": "integer", "format": "int64", "description": "The id in the address; may be left out." });
    properties.insert(command.entity().to_owned(), own);
    for parameter in all_parameters(command) {
        let mut schema: Value = serde_json::from_str(parameter.schema).unwrap_or_default();
        let default = schema.get("default").map(|default| format!(" {default} without it.")).unwrap_or_default();
        drop_defaults(&mut schema);
        schema["description"] = json!(format!("{}{default}", parameter.summary));
        properties.insert(parameter.name.to_owned(), schema);
    }
    let required: Vec<&str> =
        all_parameters(command).filter(|parameter| parameter.required).map(|parameter| parameter.name).collect();
    let mut schema = json!({
        "type": "object", "description": format!("Of {}: {}", command.identifier, command.summary),
        "properties": properties, "additionalProperties": false
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

/// A default makes generators ask for the key.
fn drop_defaults(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(drop_defaults),
        Value::Object(object) => {
            object.shift_remove("default");
            object.values_mut().for_each(drop_defaults);
        }
        _ => {}
    }
}

fn dry_run_schema(answer: &str, effects: &str) -> Value {
    json!({
        "type": "object", "description": "What a command would do, said before it is done.",
        "required": ["status_code", "reply", "effects"], "properties": {
            "status_code": { "type": "integer", "enum": [200, 204],
                             "description": "The status of the command's answer." },
            "reply": { "description": "The command's answer; null if it has none.",
                       "oneOf": [reference(answer), { "type": "null" }] },
            "effects": reference(effects) }
    })
}

fn request_schema(variants: &[Value]) -> Value {
    json!({
        "type": "object",
        "description": "A command to run: `transition` or `slug` says which; where both are given they must agree.",
        "properties": {
            "transition": { "type": ["integer", "null"], "format": "int64",
                            "description": "Id of a transition, from the object's `commands`." },
            "slug": { "type": ["string", "null"], "description": "Slug of a transition, from the object's `commands`." },
            "input_parameters": { "description": "What the transition's command takes.", "anyOf": variants }
        }
    })
}

/// One example a command, by its name.
fn examples(commands: impl Iterator<Item = &'static Kind>, slugs: &Map<String, Value>) -> Map<String, Value> {
    let example = |command: &'static Kind| {
        let slug = slugs.get(command.identifier);
        let value = json!({ "slug": slug, "input_parameters": command.example() });
        (command.identifier.to_owned(), json!({ "summary": command.summary, "value": value }))
    };
    commands.map(example).collect()
}
