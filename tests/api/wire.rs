//! How answers and requests are written: compressed, and for pages of other sites.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::json;

use crate::support::{Reply, Shop, send};

/// The answer to a reader who accepts these encodings.
async fn accepting(shop: &Shop, path: &str, encodings: &str) -> Reply {
    send(shop.request_as("admin", Method::GET, path).header("Accept-Encoding", encodings)).await
}

#[tokio::test]
async fn a_client_that_accepts_gzip_or_brotli_gets_long_answers_in_a_third_of_the_bytes() {
    let shop = Shop::open().await;
    for _ in 0..10 {
        shop.order(&[("RED", 1)]).await;
    }
    let list = "/api/v1/oms/packages/?sort=id&limit=10";
    let csv = "/api/v1/oms/packages/?sort=id&format=csv";
    for path in [list, csv, "/openapi.json", "/docs/swagger-ui-bundle.js"] {
        let plain = shop.get(path).await;
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", ""), "{path}");
        for (accepted, encoding) in
            [("gzip", "gzip"), ("br", "br"), ("gzip, deflate, br", "br"), ("br;q=0.5, gzip", "gzip"), ("GZIP", "gzip")]
        {
            let reply = accepting(&shop, path, accepted).await;
            assert_eq!(
                (reply.header("content-encoding"), reply.header("vary")),
                (encoding, "accept-encoding"),
                "{path}"
            );
            assert_eq!(reply.header("content-type"), plain.header("content-type"), "{path}");
            assert!(reply.decoded().body == plain.body, "{path} {accepted}");
            assert!(reply.body.len() * 3 < plain.body.len(), "{path}: {} of {}", reply.body.len(), plain.body.len());
        }
        for accepted in ["identity", "gzip;q=0", "zstd", ""] {
            let reply = accepting(&shop, path, accepted).await;
            assert_eq!((reply.header("content-encoding"), reply.body == plain.body), ("", true), "{path} {accepted}");
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn what_is_short_or_compressed_already_is_sent_as_it_is() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    let document = STANDARD.encode([&b"%PDF-1.7"[..], &[b'x'; 4096]].concat());
    let input = json!({ "document_type": "pdf", "document_content": document });
    package.run_with("UPDATE_INVOICE", &input).await.ok();
    let invoice = package.json().await["invoice_document"].as_str().expect("an address").to_owned();
    for path in [&invoice, "/healthz", "/api/v1/oms/cargo-company/?limit=1", "/api/v1/oms/packages/?format=xlsx"] {
        let reply = accepting(&shop, path, "gzip, br").await;
        assert_eq!((reply.status, reply.header("content-encoding")), (200, ""), "{path}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_page_of_a_site_that_the_settings_name_may_ask_and_read() {
    let shop = Shop::open_to("https://panel.example.com, http://localhost:5173").await;
    let packages = "/api/v1/oms/packages/";
    for (origin, allowed) in [
        ("https://panel.example.com", "https://panel.example.com"),
        ("http://localhost:5173", "http://localhost:5173"),
        ("http://panel.example.com", ""),
        ("https://panel.example.com.evil.example", ""),
        ("null", ""),
    ] {
        let asked = shop
            .request(Method::OPTIONS, packages)
            .header("Origin", origin)
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "authorization,idempotency-key");
        let told = send_unchecked(asked).await;
        assert_eq!((told.status, told.header("access-control-allow-origin")), (200, allowed), "{origin}");
        assert_eq!(told.header("access-control-allow-headers"), "authorization,idempotency-key");
        assert!(told.header("access-control-allow-methods").contains("PATCH"), "{origin}");
        let read = send(shop.request_as("admin", Method::GET, packages).header("Origin", origin)).await;
        assert_eq!((read.status, read.header("access-control-allow-origin")), (200, allowed), "{origin}");
        assert!(read.header("vary").contains("origin"), "{origin}");
        assert_eq!(read.header("access-control-allow-credentials"), "");
        // A page reads also why it was refused.
        let refused = send(shop.request(Method::GET, packages).header("Origin", origin)).await;
        assert_eq!((refused.status, refused.header("access-control-allow-origin")), (401, allowed), "{origin}");
    }
    assert_eq!(shop.get(packages).await.header("access-control-allow-origin"), "");
    shop.finish().await;
}

#[tokio::test]
async fn without_a_setting_no_other_sites_page_reads_anything_and_with_any_every_one_does() {
    let from = |shop: &Shop| {
        let request = shop.request_as("admin", Method::GET, "/api/v1/oms/packages/");
        request.header("Origin", "https://panel.example.com")
    };
    let shop = Shop::open().await;
    assert_eq!(send(from(&shop)).await.header("access-control-allow-origin"), "");
    shop.finish().await;
    let shop = Shop::open_to("any").await;
    assert_eq!(send(from(&shop)).await.header("access-control-allow-origin"), "*");
    shop.finish().await;
}

/// Sends what belongs to no operation of the document.
async fn send_unchecked(request: reqwest::RequestBuilder) -> Reply {
    Reply::read(request.send().await.expect("an answer")).await
}
