//! Answers that are not JSON.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        KnownFormat, RefOr, Schema, SchemaFormat,
        schema::{ObjectBuilder, Type},
    },
};

/// A file, whatever is in it.
pub(super) struct File;

impl PartialSchema for File {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .description(Some("A file."))
            .into()
    }
}

impl ToSchema for File {}

/// What a browser may show: its media type, the ending of its name and its first bytes. None of them runs scripts that
/// reach this server.
const SHOWN: [(&str, &str, &[u8]); 3] = [
    ("application/pdf", "pdf", b"%PDF-"),
    ("image/png", "png", b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", "jpeg", b"\xff\xd8\xff"),
];
/// A page of nothing but the document. `sandbox` is left to what is no PDF: browsers show no PDF in a sandbox.
const FOR_PDF: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; \
                       form-action 'none'";
const FOR_OTHERS: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; \
                          form-action 'none'; sandbox";

/// A document, to be looked at if its bytes are those of a PDF, a PNG or a JPEG, whatever its maker called it; anything
/// else is only to be kept. `name` has no ending; `ending` is that of what is to be kept.
pub(super) fn document(bytes: Vec<u8>, name: &str, ending: &str) -> Response {
    let shown = SHOWN.iter().find(|(_, _, begin)| bytes.starts_with(begin));
    let (media_type, disposition, ending) = shown
        .map_or(("application/octet-stream", "attachment", ending), |(kind, ending, _)| (*kind, "inline", *ending));
    let policy = if ending == "pdf" && shown.is_some() { FOR_PDF } else { FOR_OTHERS };
    let headers = [
        (header::CONTENT_TYPE, media_type.to_owned()),
        (header::CONTENT_DISPOSITION, format!("{disposition}; filename=\"{name}.{ending}\"")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_SECURITY_POLICY, policy.to_owned()),
        (header::CACHE_CONTROL, "private, max-age=300".to_owned()),
    ];
    (headers, bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_document_is_its_bytes_say() {
        let of = |bytes: &[u8], header: header::HeaderName| {
            let response = document(bytes.to_vec(), "invoice", "xml");
            response.headers().get(&header).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        for (bytes, media_type, disposition) in [
            (&b"%PDF-1.7 <script>"[..], "application/pdf", "inline; filename=\"invoice.pdf\""),
            (b"\x89PNG\r\n\x1a\n", "image/png", "inline; filename=\"invoice.png\""),
            (b"\xff\xd8\xff\xe0", "image/jpeg", "inline; filename=\"invoice.jpeg\""),
            (b" %PDF-1.7", "application/octet-stream", "attachment; filename=\"invoice.xml\""),
            (b"\x89PNG\r\n", "application/octet-stream", "attachment; filename=\"invoice.xml\""),
            (b"<svg onload='alert(1)'/>", "application/octet-stream", "attachment; filename=\"invoice.xml\""),
            (b"<html>", "application/octet-stream", "attachment; filename=\"invoice.xml\""),
            (b"", "application/octet-stream", "attachment; filename=\"invoice.xml\""),
        ] {
            assert_eq!(of(bytes, header::CONTENT_TYPE), media_type, "{bytes:?}");
            assert_eq!(of(bytes, header::CONTENT_DISPOSITION), disposition, "{bytes:?}");
            assert_eq!(of(bytes, header::X_CONTENT_TYPE_OPTIONS), "nosniff");
            let policy = of(bytes, header::CONTENT_SECURITY_POLICY);
            assert!(policy.starts_with("default-src 'none'"), "{policy}");
            assert_eq!(policy.ends_with("sandbox"), media_type != "application/pdf", "{policy}");
        }
    }
}
