//! The invoice call (`remote_invoice_call`): a service makes the invoice of a package. The parameters and credentials of
//! the call are in the record of the command that asked for it, nowhere else, and only until the call is over.

use base64::Engine as _;
use http::{Method, header};
use serde_json::{Value, json};
use url::Url;

use super::send::Call;
use crate::{
    db::{PgConnection, PgPool},
    error::Result,
    invoicing::{Credentials, Invoicing, LONGEST_ATTEMPT, Target},
    outbound::{self, Gate, HttpClient, Reason, RequestBuilder, guard::Guard},
    secret::{self, Secret},
    upstream::{
        client::{Answer, Failure},
        over,
    },
    wire::pieces,
};

/// Longest answer, in bytes.
const LONGEST_ANSWER: usize = 64 * 1024;
/// Longest number that is recorded, in characters; as of `UPDATE_INVOICE`.
const LONGEST_NUMBER: usize = 128;
/// Longest address that is recorded, in characters.
const LONGEST_URL: usize = 2048;

/// Calls services. Clones share connections.
#[derive(Debug, Clone)]
pub(in crate::upstream) struct Services {
    /// For addresses that commands bring.
    guarded: HttpClient,
    gate: Gate,
}

impl Services {
    pub(in crate::upstream) fn new(guard: Guard, gate: Gate) -> Result<Self, Reason> {
        Ok(Self { guarded: HttpClient::guarded(&gate, guard, LONGEST_ATTEMPT)?, gate })
    }

    /// Makes a call, if the installation and the settings still allow it. Nothing of the answer is returned but its status
    /// and what is recorded: whoever chose the address must not read there by this server.
    pub(super) async fn call(&self, pool: &PgPool, invoicing: &Invoicing, call: &Call) -> Result<Answer, Failure> {
        let log_id = call.transition_log_id.unwrap_or_default();
        let ask =
            ask(pool, call, log_id).await.map_err(|error| Failure::from(format!("it could not be asked: {error}")))?;
        let Some(Ask { secret, body, is_cancelled }) = ask else {
            return Err(Failure::from("what the service is told is no longer there".to_owned()));
        };
        if is_cancelled {
            return Err(Failure { is_final: true, ..Failure::from("the package was cancelled meanwhile".to_owned()) });
        }
        let settings = secret.reveal();
        let target = invoicing.target(settings)?;
        // The service can recognise a repeated call, which is sent when an answer was lost.
        let request = self
            .request(&target)?
            .header("Idempotency-Key", format!("invoice-{log_id}"))
            .header(header::ACCEPT, "application/json")
            .json(&body);
        let response = request.send().await.map_err(|error| outbound::no_answer(&error))?;
        let status = response.status();
        if !status.is_success() {
            let why = if status.is_redirection() { "; redirects are not followed" } else { "" };
            return Err(Failure { status: Some(status), ..Failure::from(format!("it answered {status}{why}")) });
        }
        let bytes = outbound::body(response, LONGEST_ANSWER).await?;
        let answer = without_credentials(
            serde_json::from_slice(&pieces::with_whole_letters(&bytes)).unwrap_or_default(),
            &target.credentials,
        );
        Ok(Answer { status, body: wanted(settings, &answer)? })
    }

    /// A request with the credentials in the form that the service wants.
    fn request(&self, target: &Target) -> Result<RequestBuilder, Reason> {
        let url = target.url.clone();
        let request = if target.is_trusted {
            HttpClient::trusted(&self.gate, &[url.as_str()], target.timeout)?.request(Method::POST, url)?
        } else {
            self.guarded.request(Method::POST, url)?
        };
        let request = request.timeout(target.timeout);
        Ok(match &target.credentials {
            Credentials::Anonymous => request,
            Credentials::Basic(username, password) => request.basic_auth(username, Some(password.reveal())),
            Credentials::Token { prefix, token } => {
                request.header(header::AUTHORIZATION, format!("{prefix} {}", token.reveal()).trim())
            }
        })
    }
}

/// What a service answered, without what it repeats of its credentials.
fn without_credentials(answer: Value, credentials: &Credentials) -> Value {
    match credentials {
        Credentials::Anonymous => answer,
        Credentials::Basic(username, password) => {
            let pair = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{}", password.reveal()));
            secret::without_in(answer, &[password.reveal(), pair.as_str()])
        }
        Credentials::Token { token, .. } => secret::without_in(answer, &[token.reveal()]),
    }
}

/// What the call asked for, of an answer.
fn wanted(settings: &Value, answer: &Value) -> Result<Value, Reason> {
    let mut wanted = json!({});
    for (name, flag, found) in [
        ("invoice_number", "generate_invoice_number", number(answer)),
        ("invoice_url", "generate_invoice_url", url_of(answer)),
    ] {
        if settings[flag] == true {
            wanted[name] = json!(found.ok_or_else(|| format!("its answer has no {name}"))?);
        }
    }
    Ok(wanted)
}

fn short(value: &Value, longest: usize) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let is_plain = !text.is_empty() && text.chars().count() <= longest && !text.contains(char::is_control);
    is_plain.then_some(text)
}

fn number(answer: &Value) -> Option<String> {
    short(&answer["invoice_number"], LONGEST_NUMBER).or_else(|| short(&answer["number"], LONGEST_NUMBER))
}

fn url_of(answer: &Value) -> Option<String> {
    let url = short(&answer["invoice_url"], LONGEST_URL).or_else(|| short(&answer["url"], LONGEST_URL))?;
    let parsed: Url = url.parse().ok()?;
    (matches!(parsed.scheme(), "http" | "https") && parsed.has_host()).then_some(url)
}

/// What a service is asked.
struct Ask {
    /// The parameters of the call.
    secret: Secret<Value>,
    /// The package with its items.
    body: Value,
    /// There is nothing to bill any more.
    is_cancelled: bool,
}

async fn ask(pool: &PgPool, call: &Call, log_id: i64) -> Result<Option<Ask>> {
    let row = sqlx::query!(
        r#"select r.invoice_call as "settings!", s.slug = 'packaging-canceled' as "is_cancelled!",
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
             join states s on s.id = p.state_id
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
        Ask { secret: Secret::new(row.settings), body, is_cancelled: row.is_cancelled }
    }))
}

/// Stores the invoice, unless one that was asked for later is there already, and deletes the parameters and credentials.
/// False: a person has ended the call meanwhile, and nothing is stored.
pub(super) async fn record(connection: &mut PgConnection, call: &Call, log_id: i64, answer: &Answer) -> Result<bool> {
    over::lock_package(&mut *connection, call.package_id).await?;
    let asked = sqlx::query!(
        r#"select exists (select from upstream_calls c
                           where c.package_id = $2 and c.kind = 'invoice' and c.id > $3 and c.done_date is not null)
                  as "is_outdated!"
             from transition_records r where r.transition_log_id = $1 and r.invoice_call is not null"#,
        log_id,
        call.package_id,
        call.id
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(asked) = asked else { return Ok(false) };
    over::forget_secrets(&mut *connection, log_id).await?;
    if asked.is_outdated {
        return Ok(true);
    }
    if let Some(number) = answer.body["invoice_number"].as_str() {
        sqlx::query!(
            "update packages set invoice_number = $2, version = version + 1, modified_date = now() where id = $1",
            call.package_id,
            number
        )
        .execute(&mut *connection)
        .await?;
    }
    if let Some(url) = answer.body["invoice_url"].as_str() {
        sqlx::query!(
            "insert into package_invoices as i (package_id, remote_url) values ($1, $2)
             on conflict (package_id) do update set remote_url = excluded.remote_url, modified_date = now()",
            call.package_id,
            url
        )
        .execute(connection)
        .await?;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_repeats_of_its_credentials_is_not_kept() {
        let basic = Credentials::Basic("oms".to_owned(), "geheim".into());
        let answer = json!({ "seen": ["Basic b21zOmdlaGVpbQ==", "oms:geheim"], "number": 7 });
        let kept = json!({ "seen": ["Basic ********", "oms:********"], "number": 7 });
        assert_eq!(without_credentials(answer, &basic), kept);
        let token = Credentials::Token { prefix: "Bearer".to_owned(), token: "geheim".into() };
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
        let long = json!({ "invoice_number": "1".repeat(129), "number": "a\u{0}b", "url": "http://" });
        assert_eq!((number(&long), url_of(&long)), (None, None));
        let both = json!({ "generate_invoice_number": true, "generate_invoice_url": false });
        let only_the_number = json!({ "invoice_number": "17" });
        assert_eq!(wanted(&both, &answer), Ok(only_the_number), "nothing is kept that was not asked for");
    }
}
