//! Every reply is compared with the document that describes it: its status, its media type, its body; and the body of a
//! request that succeeded. So a test that meets an undocumented answer fails, whatever else it looks at.

use std::sync::{Arc, LazyLock};

use reqwest::{Method, Request, header::CONTENT_TYPE};
use serde_json::Value;

use super::{
    Reply,
    schema::{self, Side},
};

/// The addresses of the API; the others are pages for people.
const DOCUMENTED: [&str; 6] = ["/api/", "/whisperer/", "/healthz", "/readyz", "/metrics", "/openapi.json"];
/// Served without their last slash too, as the original spells them.
const WITHOUT_SLASH: [&str; 2] = ["/api/v1/oms/orders-webhook", "/api/v1/oms/stocklocations-webhook"];
/// The schema of an event, on a page and in a stream.
const EVENT: &str = "/components/schemas/Event";

static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::read);

/// The document.
struct Contract {
    document: Arc<Value>,
}

/// A request, as far as the document describes it.
pub struct Asked {
    method: Method,
    path: String,
    media_type: String,
    body: Vec<u8>,
    /// False: the server takes it, but its form is not documented.
    is_documented: bool,
}

impl Asked {
    pub fn of(request: &Request, is_documented: bool) -> Self {
        let media_type = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Self {
            method: request.method().clone(),
            path: request.url().path().to_owned(),
            media_type: essence(media_type).to_lowercase(),
            body: request.body().and_then(reqwest::Body::as_bytes).unwrap_or_default().to_vec(),
            is_documented,
        }
    }
}

/// Fails unless the document has such an answer and, where it is a success, such a request.
#[track_caller]
pub fn check(asked: &Asked, reply: &Reply) {
    if DOCUMENTED.iter().any(|prefix| asked.path.starts_with(prefix)) {
        let faults = CONTRACT.faults(asked, reply);
        assert!(faults.is_empty(), "undocumented: {} {} {}: {faults:#?}", asked.method, asked.path, reply.status);
    }
}

/// Fails unless an event of a stream is as the document has events.
#[track_caller]
pub fn check_event(event: &Value) {
    let faults = CONTRACT.faults_of_value(event, EVENT);
    assert!(faults.is_empty(), "undocumented: {event}: {faults:#?}");
}

fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// A key as a part of a JSON pointer.
fn token(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

impl Contract {
    fn read() -> Self {
        Self { document: oms::server::document() }
    }

    fn faults(&self, asked: &Asked, reply: &Reply) -> Vec<String> {
        let Some(path) = self.path(&asked.path) else { return self.faults_of_no_path(asked, reply) };
        // HEAD is GET without the body.
        let method = if asked.method == Method::HEAD { Method::GET } else { asked.method.clone() };
        if asked.method == Method::OPTIONS {
            return match reply.status {
                200 => self.faults_of_reply(asked, reply, "/components/responses/Options"),
                403 => self.faults_of_shared(asked, reply, 403, "Forbidden"),
                404 => self.faults_of_shared(asked, reply, 404, "NotFound"),
                _ => self.faults_of_shared(asked, reply, 401, "Unauthorized"),
            };
        }
        let operation = format!("/paths/{}/{}", token(path), method.as_str().to_lowercase());
        if self.document.pointer(&operation).is_none() {
            return self.faults_of_shared(asked, reply, 405, "MethodNotAllowed");
        }
        let mut faults = self.faults_of_reply(asked, reply, &format!("{operation}/responses/{}", reply.status));
        if asked.is_documented && (200..300).contains(&reply.status) {
            faults.extend(self.faults_of_request(asked, reply, &format!("{operation}/requestBody")));
        }
        faults
    }

    /// The documented path that an address is of; one without parameters before one with them.
    fn path(&self, address: &str) -> Option<&str> {
        let whole = format!("{address}/");
        let address = if WITHOUT_SLASH.contains(&address) { &whole } else { address };
        let fits = |path: &str| {
            let (mut wanted, mut given) = (path.split('/'), address.split('/'));
            loop {
                match (wanted.next(), given.next()) {
                    (None, None) => return true,
                    (Some(wanted), Some(given))
                        if wanted == given || (wanted.starts_with('{') && !given.is_empty()) => {}
                    _ => return false,
                }
            }
        };
        let paths = self.document["paths"].as_object().expect("paths").keys().map(String::as_str);
        paths.filter(|path| fits(path)).min_by_key(|path| path.matches('{').count())
    }

    /// An address without its last slash is redirected, another is not found.
    fn faults_of_no_path(&self, asked: &Asked, reply: &Reply) -> Vec<String> {
        let lacks_slash = self.path(&format!("{}/", asked.path)).is_some();
        if lacks_slash && reply.status == 308 && reply.body.is_empty() {
            return Vec::new();
        }
        self.faults_of_shared(asked, reply, 404, "NotFound")
    }

    fn faults_of_shared(&self, asked: &Asked, reply: &Reply, status: u16, name: &str) -> Vec<String> {
        if reply.status != status {
            return vec![format!("{status} is documented")];
        }
        let prefix = if asked.path.starts_with("/whisperer/") { "Hook" } else { "" };
        self.faults_of_reply(asked, reply, &format!("/components/responses/{prefix}{name}"))
    }

    /// Compares a reply with a response of the document.
    fn faults_of_reply(&self, asked: &Asked, reply: &Reply, pointer: &str) -> Vec<String> {
        let Some((pointer, response)) = self.resolve(pointer) else {
            return vec![format!("the status is not documented: {}", reply.text())];
        };
        let headers = response["headers"].as_object().into_iter().flatten().map(|(name, _)| name);
        let missing: Vec<&String> = headers.filter(|name| reply.header(name).is_empty()).collect();
        if !missing.is_empty() {
            return vec![format!("headers are missing: {missing:?}")];
        }
        let media_type = essence(reply.header("content-type"));
        let Some(content) = response["content"].as_object() else {
            let is_empty = reply.body.is_empty() && media_type.is_empty();
            return if is_empty { Vec::new() } else { vec![format!("no body is documented: {}", reply.text())] };
        };
        if !content.contains_key(media_type) {
            return vec![format!("{media_type:?} is not documented")];
        }
        if asked.method == Method::HEAD {
            return if reply.body.is_empty() { Vec::new() } else { vec!["HEAD has no body".to_owned()] };
        }
        self.faults_of_body(&reply.body, media_type, &format!("{pointer}/content/{}", token(media_type)))
    }

    /// Compares a request that was carried out with the document.
    fn faults_of_request(&self, asked: &Asked, reply: &Reply, pointer: &str) -> Vec<String> {
        // Some clients send an empty object where there is nothing to say.
        let is_empty = asked.body.is_empty() || asked.body == b"{}";
        let Some((pointer, request)) = self.resolve(pointer) else {
            return if is_empty { Vec::new() } else { vec!["a body was taken and none is documented".to_owned()] };
        };
        if asked.body.is_empty() {
            let required = request["required"] == true;
            return if required { vec!["a body is documented as required".to_owned()] } else { Vec::new() };
        }
        // What has no media type is taken for JSON.
        let media_type = if asked.media_type.is_empty() { "application/json" } else { &asked.media_type };
        let Some(content) = request["content"].get(media_type) else {
            return vec![format!("a body of {media_type:?} was taken and is not documented")];
        };
        if media_type != "application/json" {
            // A form has texts, whatever the types of its fields.
            return Vec::new();
        }
        let Ok(mut body) = serde_json::from_slice(&asked.body) else {
            return vec!["the request is no JSON".to_owned()];
        };
        let answer = serde_json::from_slice(&reply.body).unwrap_or_default();
        self.leave_out(&mut body, &answer, &content["schema"]);
        let faults = schema::faults(&self.document, &content["schema"], &body, Side::Request);
        faults.into_iter().map(|fault| format!("the request at {pointer}: {fault}")).collect()
    }

    /// Takes out of a body what was not carried out: entries of a list that were refused, and keys of a record that is sent
    /// back as it was answered.
    fn leave_out(&self, body: &mut Value, answer: &Value, schema: &Value) {
        match (body, answer) {
            (Value::Array(entries), Value::Array(results)) if entries.len() == results.len() => {
                let mut results = results.iter();
                entries.retain(|_| results.next().is_some_and(|result| result["status_code"].as_u64() < Some(300)));
            }
            (Value::Object(record), Value::Object(answered)) => {
                let schema = schema["$ref"].as_str().and_then(|reference| self.document.pointer(&reference[1..]));
                let described = schema.and_then(|schema| schema["properties"].as_object());
                record.retain(|key, _| {
                    !answered.contains_key(key) || described.is_none_or(|keys| keys.contains_key(key))
                });
            }
            _ => {}
        }
    }

    /// A part of the document; the part it refers to, where it is a reference.
    fn resolve(&self, pointer: &str) -> Option<(String, &Value)> {
        let part = self.document.pointer(pointer)?;
        match part.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.resolve(&reference[1..]),
            None => Some((pointer.to_owned(), part)),
        }
    }

    fn faults_of_body(&self, body: &[u8], media_type: &str, pointer: &str) -> Vec<String> {
        if media_type != "application/json" {
            return Vec::new();
        }
        match serde_json::from_slice(body) {
            Ok(value) => self.faults_of_value(&value, &format!("{pointer}/schema")),
            Err(error) => vec![format!("no JSON: {error}")],
        }
    }

    fn faults_of_value(&self, value: &Value, pointer: &str) -> Vec<String> {
        let schema = self.document.pointer(pointer).unwrap_or_else(|| panic!("{pointer} has no schema"));
        schema::faults(&self.document, schema, value, Side::Answer)
    }
}
