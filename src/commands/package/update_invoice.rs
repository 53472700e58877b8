//! `UPDATE_INVOICE`: the invoice of the package, made elsewhere: its number, its date, its document.

use super::super::changes::InvoiceChange;
use crate::{
    commands::{changes::Changes, command::Context, input::Input, package::subject::PackageCommand},
    error::Refusal,
    kinds::{Kind, Parameter, common::INVOICE},
    reading::values,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::NaiveDate;

const NUMBER: &str = "invoice_number";
const DATE: &str = "invoice_date";
const TYPE: &str = "document_type";
const CONTENT: &str = "document_content";
/// Longest invoice number, in characters.
const LONGEST_NUMBER: usize = 128;
/// Largest document, in bytes after decoding.
const LARGEST_DOCUMENT: usize = 4 * 1024 * 1024;

/// A format of a document: its name, other names that clients use, and its first bytes.
struct Format {
    name: &'static str,
    media_type: &'static str,
    also: &'static str,
    begins_with: &'static [u8],
}

const FORMATS: [Format; 4] = [
    Format { name: "pdf", media_type: "application/pdf", also: "pdf", begins_with: b"%PDF-" },
    Format { name: "png", media_type: "image/png", also: "png", begins_with: b"\x89PNG\r\n\x1a\n" },
    Format { name: "jpeg", media_type: "image/jpeg", also: "jpg", begins_with: b"\xff\xd8\xff" },
    Format { name: "xml", media_type: "application/xml", also: "ubl", begins_with: b"<" },
];

/// See the module.
pub static COMMAND: PackageCommand = PackageCommand {
    kind: Kind {
        identifier: "UPDATE_INVOICE",
        summary: "Sets the package's invoice: number, date, document; what is not given stays. The state stays, too.",
        parameters: &[
            Parameter {
                name: NUMBER,
                schema: r#"{"type":"string","maxLength":128}"#,
                summary: "The invoice's number.",
                ..Parameter::OPTIONAL
            },
            Parameter {
                name: DATE,
                schema: r#"{"type":"string","format":"date"}"#,
                summary: "The invoice's date; of a moment, its day.",
                ..Parameter::OPTIONAL
            },
            Parameter {
                name: TYPE,
                schema: r#"{"type":"string","enum":["pdf","png","jpeg","xml"]}"#,
                summary: "What the document is; its media type is understood too. Required with document_content.",
                ..Parameter::OPTIONAL
            },
            Parameter {
                name: CONTENT,
                schema: r#"{"type":"string","contentEncoding":"base64"}"#,
                summary: "The document in base64, at most 4 MiB when decoded. Required with document_type.",
                ..Parameter::OPTIONAL
            },
        ],
        common: INVOICE,
        example: r#"{"invoice_number":"ABC2024000000123","invoice_date":"2024-05-01","document_type":"xml","document_content":"PEludm9pY2U+PElEPkFCQzIwMjQwMDAwMDAxMjM8L0lEPjwvSW52b2ljZT4="}"#,
        stays: true,
        ..Kind::BASE
    },
    decide,
};

fn decide(context: &Context<'_>) -> Result<Changes, Refusal> {
    let input = context.input;
    let invoice = InvoiceChange {
        number: input.optional_string(NUMBER, LONGEST_NUMBER)?,
        date: date(input)?,
        document: document(input)?,
    };
    let mut changes = Changes::to(context.facts, context.transition.destination_id);
    if invoice != InvoiceChange::default() {
        changes.record.invoice = Some(invoice);
    } else if input.optional("remote_invoice_call").is_none() {
        let message = format!("Give at least one of {NUMBER}, {DATE}, {CONTENT} and remote_invoice_call.");
        return Err(Refusal::field(NUMBER, message));
    }
    Ok(changes)
}

fn date(input: Input<'_>) -> Result<Option<NaiveDate>, Refusal> {
    let Some(text) = input.optional_string(DATE, LONGEST_NUMBER)? else { return Ok(None) };
    // Of a moment the day where it was written, whatever day it is elsewhere.
    let day = values::day(&text).or_else(|| {
        values::date_time(&text)?;
        values::day(text.trim().split(['T', 't', ' ']).next()?)
    });
    day.map(Some).ok_or_else(|| {
        let usual = "Date has wrong format. Use one of these formats instead: YYYY-MM-DD.";
        Refusal::field(DATE, values::wrong_date(&text, usual))
    })
}

/// Type and content, both or none. The bytes must match the type, so that the document can be opened.
fn document(input: Input<'_>) -> Result<Option<(&'static str, Vec<u8>)>, Refusal> {
    if input.optional(TYPE).is_none() && input.optional(CONTENT).is_none() {
        return Ok(None);
    }
    let (word, content) = (input.string(TYPE)?, input.string(CONTENT)?);
    let word = word.to_ascii_lowercase();
    let format = FORMATS.iter().find(|format| [format.name, format.media_type, format.also].contains(&word.as_str()));
    let format = format.ok_or_else(|| {
        let known: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
        Refusal::field(TYPE, format!("\"{word}\" is not a valid choice. Choose one of: {}.", known.join(", ")))
    })?;
    let content: String = content.split_ascii_whitespace().collect();
    let bytes = STANDARD.decode(content).map_err(|_| Refusal::field(CONTENT, "Not valid base64."))?;
    if bytes.len() > LARGEST_DOCUMENT {
        return Err(Refusal::field(CONTENT, "The document is larger than 4 MiB."));
    }
    if !bytes.trim_ascii_start().starts_with(format.begins_with) {
        return Err(Refusal::field(CONTENT, format!("This is no {} document.", format.name)));
    }
    Ok(Some((format.name, bytes)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::testing::Scene, *};
    use crate::{invoicing, outbound::guard::AllowPrivate};

    const COMMAND: &str = "UPDATE_INVOICE";

    #[test]
    fn what_is_given_is_taken_and_the_package_stays() {
        let scene = Scene::new();
        for state in ["packed", "shipped", "ready-for-pickup", "attempted-delivery", "delivery-failed", "delivered"] {
            let input = json!({ NUMBER: "A1", DATE: "2024-05-01T23:30:00+03:00",
                                TYPE: "Application/PDF", CONTENT: STANDARD.encode("%PDF-1.7 …") });
            let changes = scene.decide(COMMAND, state, &input).expect("updated");
            assert_eq!(changes.state_id, scene.state(state));
            let invoice = changes.record.invoice.expect("an invoice");
            assert_eq!(invoice.number.as_deref(), Some("A1"));
            assert_eq!(invoice.date, NaiveDate::from_ymd_opt(2024, 5, 1));
            assert_eq!(invoice.document, Some(("pdf", "%PDF-1.7 …".into())));
        }
    }

    #[test]
    fn a_call_for_an_invoice_is_enough() {
        let call =
            json!({ "auth": { "request_type": "anonymous" }, "timeouts": {}, "remote_url": "https://x.example" });
        let mut scene = Scene::new();
        scene.content().invoicing.rules = invoicing::Rules::new(invoicing::Urls::Any, AllowPrivate::Nothing);
        let changes = scene.decide(COMMAND, "packed", &json!({ "remote_invoice_call": call })).expect("recorded");
        assert!(changes.record.invoice.is_none() && changes.record.invoice_call.is_some());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let pdf = STANDARD.encode("%PDF-1.7");
        for (input, field, message) in [
            (
                json!({}),
                NUMBER,
                "Give at least one of invoice_number, invoice_date, document_content and remote_invoice_call.",
            ),
            (json!({ NUMBER: [] }), NUMBER, "Not a valid string."),
            (
                json!({ DATE: "01.05.2024" }),
                DATE,
                "Date has wrong format. Use one of these formats instead: YYYY-MM-DD.",
            ),
            (json!({ CONTENT: pdf }), TYPE, "This field is required."),
            (json!({ TYPE: "pdf" }), CONTENT, "This field is required."),
            (
                json!({ TYPE: "html", CONTENT: pdf }),
                TYPE,
                "\"html\" is not a valid choice. Choose one of: pdf, png, jpeg, xml.",
            ),
            (json!({ TYPE: "pdf", CONTENT: "%%%" }), CONTENT, "Not valid base64."),
            (json!({ TYPE: "png", CONTENT: pdf }), CONTENT, "This is no png document."),
        ] {
            let refusal = Scene::new().decide(COMMAND, "packed", &input).expect_err("refused");
            assert_eq!(refusal.error, json!({ field: [message] }));
        }
    }
}
