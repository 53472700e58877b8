//! The invoice call (`remote_invoice_call`): a service of the merchant makes the invoice of a package. The parameters
//! and credentials of the call are in the record of the command that asked for it, nowhere else, and only until the
//! call is answered.

use std::time::Duration;

use base64::Engine as _;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};

use super::send::Call;
use crate::{
    error::Result,
    outbound,
    secret::{self, Secret},
    upstream::client::{Answer, Failure},
};

/// Longest answer, in bytes.
const LONGEST_ANSWER: usize = 1024 * 1024;
/// Longest number and address that are recorded, in characters.
const LONGEST_TEXT: usize = 1000;
/// Longest timeout of a service, in seconds.
const LONGEST_WAIT: f64 = 60.0;

/// Calls the service.
pub(super) async fn call(pool: &PgPool, call: &Call) -> Result<Answer, Failure> {
    let log_id = call.transition_log_id.unwrap_or_default();
    let ask =
        ask(pool, call, log_id).await.map_err(|error| Failure::from(format!("it could not be asked: {error}")))?;
    let Some((secret, body)) = ask else {
        return Err(Failure::from("what the service is told is no longer there".to_owned()));
    };
    let settings = secret.reveal();
    let url = settings["remote_url"].as_str().unwrap_or_default();
    let seconds = |name: &str, default: f64| {
        let seconds = settings["timeouts"][name].as_f64().unwrap_or(default).clamp(0.001, LONGEST_WAIT);
        Duration::from_secs_f64(seconds)
    };
    let (read, connect) = (seconds("read", 10.0), seconds("connect", 60.0));
    let client = outbound::client_for(url, connect + read)
        .connect_timeout(connect)
        .read_timeout(read)
        .build()
        .map_err(|error| outbound::with_causes(&error))?;
    // The service can recognise a repeated call, which is sent when an answer was lost.
    let request = client.post(url).header("Idempotency-Key", format!("invoice-{log_id}")).json(&body);
    let response = authorized(request, &settings["auth"]).send().await.map_err(|error| outbound::no_answer(&error))?;
    let status = response.status();
    let bytes = outbound::body(response, LONGEST_ANSWER).await?;
    let answer: Option<Value> = serde_json::from_slice(&bytes).ok();
    // It is kept and shown.
    let answer = answer.map(|answer| without_credentials(answer, &settings["auth"]));
    if !status.is_success() {
        return Err(Failure {
            why: format!("it answered {status}"),
            status: Some(status),
            body: answer,
            retry_after: None,
        });
    }
    let answer = Answer { status, body: answer.unwrap_or(Value::Null) };
    for (flag, found) in
        [("generate_invoice_number", number(&answer.body)), ("generate_invoice_url", url_of(&answer.body))]
    {
        if settings[flag] == true && found.is_none() {
            let name = flag.trim_start_matches("generate_");
            return Err(Failure::from(format!("its answer has no {name}")));
        }
    }
    Ok(answer)
}

/// Adds the credentials in the form that the service wants.
fn authorized(request: RequestBuilder, auth: &Value) -> RequestBuilder {
    let text = |name: &str| auth[name].as_str().unwrap_or_default();
    match text("request_type") {
        "basic_auth" => request.basic_auth(text("username"), Some(text("password"))),
        "token" => {
            request.header(reqwest::header::AUTHORIZATION, format!("{} {}", text("token_prefix"), text("token")).trim())
        }
        _ => request,
    }
}

/// What a service answered, without what it repeats of its credentials.
fn without_credentials(answer: Value, auth: &Value) -> Value {
    let text = |name: &str| auth[name].as_str().unwrap_or_default();
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", text("username"), text("password")));
    secret::without_in(answer, &[text("password"), text("token"), pair.as_str()])
}

fn short(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().replace('\0', ""),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty() && text.chars().count() <= LONGEST_TEXT)
}

fn number(answer: &Value) -> Option<String> {
    short(&answer["invoice_number"]).or_else(|| short(&answer["number"]))
}

fn url_of(answer: &Value) -> Option<String> {
    let url = short(&answer["invoice_url"]).or_else(|| short(&answer["url"]));
    url.filter(|url| url.starts_with("http://") || url.starts_with("https://"))
}

/// The parameters of the call, and its body: the package with its items.
async fn ask(pool: &PgPool, call: &Call, log_id: i64) -> Result<Option<(Secret<Value>, Value)>> {
    let row = sqlx::query!(
        r#"select r.invoice_call as "settings!",
                  jsonb_build_object(
                      'package', jsonb_build_object('id', p.id, 'number', p.number, 'invoice_number', p.invoice_number),
                      'order', jsonb_build_object('number', o.number, 'pk', o.omnitron_id, 'currency', o.currency,
                                                  'amount', o.amount::text, 'customer', o.details -> 'customer',
                                                  'billing_address', o.details -> 'billing_address'),
                      'items', (select jsonb_agg(jsonb_build_object(
                                           'order_item', oi.omnitron_id, 'sku', oi.sku, 'quantity', i.quantity,
                                           'name', oi.product ->> 'name', 'price', oi.price::text,
                                           'tax_rate', oi.tax_rate::text, 'discount_amount', oi.discount_amount::text)
                                           order by i.id)
                                  from package_items i join order_items oi on oi.id = i.order_item_id
                                 where i.package_id = p.id)) as "body!"
             from transition_records r cross join packages p join orders o on o.id = p.order_id
            where r.transition_log_id = $1 and p.id = $2 and r.invoice_call is not null"#,
        log_id,
        call.package_id
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| {
        let mut body = row.body;
        for flag in ["generate_invoice_number", "generate_invoice_url"] {
            body[flag] = json!(row.settings[flag] == true);
        }
        (Secret::new(row.settings), body)
    }))
}

/// Stores the invoice, and deletes the parameters and credentials.
pub(super) async fn record(connection: &mut PgConnection, call: &Call, log_id: i64, answer: &Answer) -> Result<()> {
    // The package before its records: the order in which commands lock them.
    sqlx::query!("select from packages where id = $1 for no key update", call.package_id)
        .execute(&mut *connection)
        .await?;
    let settings =
        sqlx::query_scalar!("select invoice_call from transition_records where transition_log_id = $1", log_id)
            .fetch_optional(&mut *connection)
            .await?
            .flatten()
            .unwrap_or_default();
    sqlx::query!("update transition_records set invoice_call = null where transition_log_id = $1", log_id)
        .execute(&mut *connection)
        .await?;
    if let Some(number) = number(&answer.body).filter(|_| settings["generate_invoice_number"] == true) {
        sqlx::query!(
            "update packages set invoice_number = $2, version = version + 1, modified_date = now() where id = $1",
            call.package_id,
            number
        )
        .execute(&mut *connection)
        .await?;
    }
    if let Some(url) = url_of(&answer.body).filter(|_| settings["generate_invoice_url"] == true) {
        sqlx::query!(
            "insert into package_invoices as i (package_id, remote_url) values ($1, $2)
             on conflict (package_id) do update set remote_url = excluded.remote_url, modified_date = now()",
            call.package_id,
            url
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_repeats_of_its_credentials_is_not_kept() {
        let basic = json!({ "request_type": "basic_auth", "username": "oms", "password": "geheim" });
        let answer = json!({ "seen": ["Basic b21zOmdlaGVpbQ==", "oms:geheim"], "number": 7 });
        let kept = json!({ "seen": ["Basic ********", "oms:********"], "number": 7 });
        assert_eq!(without_credentials(answer, &basic), kept);
        let token = json!({ "request_type": "token", "token": "geheim", "token_prefix": "Bearer" });
        assert_eq!(without_credentials(json!("Bearer geheim"), &token), json!("Bearer ********"));
    }

    #[test]
    fn an_answer_is_read_where_it_is_one() {
        let answer = json!({ "invoice_number": 17, "invoice_url": "https://i.example.com/17.pdf" });
        assert_eq!(number(&answer).as_deref(), Some("17"));
        assert_eq!(url_of(&answer).as_deref(), Some("https://i.example.com/17.pdf"));
        let nonsense = json!({ "invoice_number": "", "url": "javascript:alert(1)" });
        assert_eq!((number(&nonsense), url_of(&nonsense)), (None, None));
        assert_eq!(number(&json!("x")), None);
    }
}
