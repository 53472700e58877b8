//! `POST /packages/{id}/command/`.

use axum::{
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use crate::{
    api::{
        body::{COMMAND_BYTES, RequestBody},
        conditions,
        extract::{Id, Limited},
    },
    cause,
    commands::{
        dispatch::Request,
        idempotency::{IdempotencyKey, LONGEST_KEY},
        input::integer,
        outcome::{PackageAnswer, Reply},
    },
    error::{Refusal, Result},
    wire,
};

/// Run a command
///
/// `transition` or `slug` says which of the package's `commands` to run; where both are given they must agree. With an
/// `Idempotency-Key`, a repeat within 24 hours gets the same answer byte for byte and runs nothing again. With
/// `?dry_run=true` nothing is written: the answer says what would be. With `If-Match`, it runs only if the package is still at
/// the version of that `ETag`.
#[utoipa::path(post, path = "/api/v1/oms/packages/{id}/command/", tag = "Packages",
    operation_id = "runPackageCommand", request_body = Value,
    params(("id" = i64, Path, description = "The package's id.", example = 1), ("dry_run" = Option<bool>, Query, description = "Only say what the command would do."), ("Idempotency-Key" = Option<String>, Header, description = "Names this request, at most 255 characters."), ("If-Match" = Option<String>, Header, description = "The `ETag` of the package that the command is for.")),
    responses( (status = 200, description = "Done; or, for a dry run, what would be done", body = PackageAnswer), (status = 204, description = "Done, by a command that answers nothing"), (status = 412, description = "It has changed since the version of `If-Match`"), (status = 422, description = "The Idempotency-Key was used with another request")))]
pub(super) async fn run_command(
    door: Limited,
    Id(package_id): Id,
    headers: HeaderMap,
    uri: Uri,
    body: RequestBody<COMMAND_BYTES>,
) -> Result<Reply> {
    let request = request(&door, package_id, (&headers, &uri, &body), IdempotencyKey::new)?;
    Ok(door.app.dispatcher.run(request).await?.reply())
}

/// A command on whatever object, as it is requested; `named` makes the key of its idempotency from user, key, id and body.
pub(crate) fn request(
    door: &Limited,
    id: i64,
    (headers, uri, body): (&HeaderMap, &Uri, &[u8]),
    named: impl FnOnce(i64, String, i64, &[u8]) -> IdempotencyKey,
) -> Result<Request, Refusal> {
    wire::check_media_type(headers)?;
    let Body { transition, slug, input } = shape(wire::parse(body)?)?;
    let dry_run = wire::dry_run(uri)?;
    let key = if dry_run { None } else { idempotency_key(headers)? };
    let key = key.map(|key| named(door.user_id, key, id, body));
    let versions = conditions::versions(headers);
    Ok(Request { id, transition, slug, input, key, versions, caller: door.caller(), cause: cause::current(), dry_run })
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        if self.status == StatusCode::NO_CONTENT {
            return self.status.into_response();
        }
        (self.status, [(header::CONTENT_TYPE, "application/json")], self.body).into_response()
    }
}

/// The body of a command, on whatever object.
pub(crate) struct Body {
    pub transition: Option<i64>,
    pub slug: Option<String>,
    pub input: Map<String, Value>,
}

/// The body's shape, before anything is asked of the database.
pub(super) fn shape(value: Value) -> Result<Body, Refusal> {
    let Value::Object(mut object) = value else {
        return Err(Refusal::parse(format!("expected an object, got {}", wire::python_type(&value))));
    };
    let transition = match object.get("transition") {
        None | Some(Value::Null) => None,
        Some(value) => {
            Some(integer(value).ok_or_else(|| Refusal::field("transition", "A valid integer is required."))?)
        }
    };
    let slug = match object.remove("slug") {
        None | Some(Value::Null) => None,
        Some(Value::String(slug)) => Some(slug),
        Some(_) => return Err(Refusal::field("slug", "Not a valid string.")),
    };
    let input = match object.remove("input_parameters") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(input)) => input,
        Some(other) => {
            let message = format!("Expected a dictionary of items but got type \"{}\".", wire::python_type(&other));
            return Err(Refusal::field("input_parameters", message));
        }
    };
    Ok(Body { transition, slug, input })
}

/// The `Idempotency-Key` of a request, if it has one.
pub(crate) fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().map(str::trim).unwrap_or_default();
    if text.is_empty() || text.len() > LONGEST_KEY {
        return Err(Refusal::field("Idempotency-Key", "Must be 1 to 255 printable characters."));
    }
    Ok(Some(text.to_owned()))
}
