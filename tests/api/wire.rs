//! How answers and requests are written: compressed, for pages of other sites, as forms, in other character sets.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use serde_json::json;

use crate::support::{Reply, Shop, order_json, send, send_loosely};

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

/// The key that a login in this form gives.
async fn logged_in(shop: &Shop, kind: &str, body: &[u8]) -> Reply {
    let request = shop.request(Method::POST, "/api/v1/auth/login/").header("Content-Type", kind);
    send(request.body(body.to_vec())).await
}

#[tokio::test]
async fn a_client_that_sends_forms_logs_in_as_one_that_sends_json_does() {
    let shop = Shop::open().await;
    let user = json!({ "username": "şule", "password": "ığdır'ın ovası & dağı", "role": "integrator" });
    shop.post("/api/v1/auth/users/", &user).await.json(201);
    let url_encoded = "application/x-www-form-urlencoded";
    let multipart = "multipart/form-data; boundary=\"-x\"";
    let parts = "---x\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nşule\r\n\
                 ---x\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nığdır'ın ovası & dağı\r\n---x--\r\n";
    // In windows-1254, escaped: ş is FE, ı is FD, ğ is F0.
    let turkish = "username=%FEule&password=%FD%F0d%FDr%27%FDn+ovas%FD+%26+da%F0%FD";
    let utf8 = "username=%C5%9Fule&password=%C4%B1%C4%9Fd%C4%B1r'%C4%B1n%20ovas%C4%B1+%26+da%C4%9F%C4%B1";
    for (kind, body) in [
        (url_encoded, utf8),
        ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", utf8),
        ("application/x-www-form-urlencoded; charset=windows-1254", turkish),
        (multipart, parts),
    ] {
        let key = logged_in(&shop, kind, body.as_bytes()).await.ok()["key"].as_str().expect("a key").to_owned();
        let request = shop.request(Method::GET, "/api/v1/oms/packages/");
        assert_eq!(send(request.header("Authorization", format!("Token {key}"))).await.status, 200, "{kind}");
    }
    // What is wrong in a form is said as in JSON.
    assert_eq!(logged_in(&shop, url_encoded, b"username=a").await.wrong("password"), ["This field is required."]);
    for (kind, body) in [(multipart, "no parts"), ("multipart/form-data", parts)] {
        let refused = logged_in(&shop, kind, body.as_bytes()).await.json(400);
        let said = refused["error"]["non_field_errors"].as_str().unwrap_or_default();
        assert!(said.starts_with("Multipart form parse error - "), "{refused}");
    }
    shop.finish().await;
}

/// An order whose customer has a Turkish name, sent in a character set.
async fn ordered(shop: &Shop, number: &str, charset: &str, in_charset: impl Fn(&str) -> Vec<u8>) -> Reply {
    let mut order = order_json(number, &[("RED", 1)]);
    order["customer"] = json!({ "pk": 5, "first_name": "Ayşegül", "last_name": "İşçi" });
    let request = shop.request_as("admin", Method::POST, "/api/v1/oms/orders/");
    let kind = format!("application/json; charset={charset}");
    send_loosely(request.header("Content-Type", kind).body(in_charset(&order.to_string()))).await
}

#[tokio::test]
async fn an_order_in_an_old_character_set_keeps_the_letters_of_its_customer() {
    let shop = Shop::open().await;
    let turkish = |text: &str| -> Vec<u8> {
        let byte = |letter| match letter {
            'ş' => 0xFE,
            'ü' => 0xFC,
            'İ' => 0xDD,
            'ç' => 0xE7,
            other => u8::try_from(u32::from(other)).expect("ASCII"),
        };
        text.chars().map(byte).collect()
    };
    let utf_16 = |text: &str| -> Vec<u8> {
        [0xFEFF].into_iter().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect()
    };
    let utf_16_le = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    let utf_8 = |text: &str| text.as_bytes().to_vec();
    for (number, charset, reply) in [
        ("C1", "windows-1254", ordered(&shop, "C1", "windows-1254", turkish).await),
        ("C2", "ISO-8859-9", ordered(&shop, "C2", "ISO-8859-9", turkish).await),
        ("C3", "utf-16", ordered(&shop, "C3", "utf-16", utf_16).await),
        ("C4", "\"utf-16le\"", ordered(&shop, "C4", "\"utf-16le\"", utf_16_le).await),
        ("C5", "utf-8", ordered(&shop, "C5", "utf-8", utf_8).await),
    ] {
        let order = reply.json(201);
        assert_eq!(order["number"], number);
        assert_eq!(order["customer"]["first_name"], "Ayşegül", "{charset}");
        assert_eq!(order["customer"]["last_name"], "İşçi", "{charset}");
    }
    let unknown = shop.changes_nothing(ordered(&shop, "C6", "klingon", utf_8)).await;
    assert_eq!(unknown.detail(415), "Unsupported charset \"klingon\" in request. Send UTF-8.");
    // A byte of windows-1254 that is no UTF-16: the length is odd.
    let odd = shop.changes_nothing(ordered(&shop, "C7", "utf-16", |_| b"{}\n".to_vec())).await.json(400);
    let said = odd["error"]["non_field_errors"].as_str().unwrap_or_default();
    assert!(said.starts_with("The body is not in UTF-16LE; say in which character set it is"), "{odd}");
    shop.finish().await;
}

#[tokio::test]
async fn a_year_of_two_digits_is_refused_wherever_a_moment_is_read() {
    let shop = Shop::open().await;
    let package = shop.order(&[("RED", 1)]).await.only_package();
    package.run("COMPLETE_PACKING").await.ok();
    for (written, year) in [("0026-11-28", "0026"), ("0001-01-01T00:00:00Z", "0001"), ("1899-12-31 12:00", "1899")] {
        let told =
            format!("The year {year} is before 1900. Write all digits of the year that is meant, as in 2026-01-31.");
        let mut order = order_json("EARLY", &[("RED", 1)]);
        order["date_placed"] = json!(written);
        let reply = shop.changes_nothing(shop.post("/api/v1/oms/orders/", &order)).await;
        assert_eq!(reply.wrong("date_placed"), [told.as_str()]);
        let count = json!({ "erp_code": "GEBZE", "sku": "PINK", "quantity": 1, "counted_at": written });
        let reply = shop.changes_nothing(shop.put("/api/v1/oms/stocks/", &count)).await;
        assert_eq!(reply.wrong("counted_at"), [told.as_str()]);
        let input = json!({ "invoice_number": "A1", "invoice_date": written });
        let reply = shop.changes_nothing(package.run_with("UPDATE_INVOICE", &input)).await;
        assert_eq!(reply.wrong("invoice_date"), [told.as_str()]);
        let reply = shop.get(&format!("/api/v1/oms/orders/?date_placed__gte={}", written.replace(' ', "%20"))).await;
        assert_eq!(reply.wrong("date_placed__gte"), [told.as_str()]);
        let (code, _, said) = shop.oms(&["audit", "--from", written]).await;
        assert!(code == 2 && said.contains(&told), "{said}");
    }
    let (code, _, said) =
        shop.oms(&["simulate", "--scenario", "x", "--from", "0026-01-01", "--to", "2026-01-01"]).await;
    assert!(code == 2 && said.contains("The year 0026 is before 1900."), "{said}");
    let location = json!({ "erp_code": "NEW", "name": "New", "stock_location_type": "store",
                           "conf": { "timezone": "UTC", "holidays": ["0026-01-01"] } });
    let reply = shop.changes_nothing(shop.post("/api/v1/oms/stocklocations/", &location)).await;
    assert!(reply.wrong("conf")[0].contains("The year 0026 is before 1900."), "{:?}", reply.wrong("conf"));
    for written in ["26-11-28", "28.11.26"] {
        let mut order = order_json("EARLY", &[("RED", 1)]);
        order["date_placed"] = json!(written);
        shop.changes_nothing(shop.post("/api/v1/oms/orders/", &order)).await.wrong("date_placed");
    }
    shop.finish().await;
}
