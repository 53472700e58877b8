//! An answer of the server, and what a test says of it.

use std::io::Read as _;

use flate2::read::GzDecoder;
use reqwest::header::HeaderMap;
use serde_json::Value;

/// Status, headers and the bytes of the body.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Reply {
    pub async fn read(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.expect("a body").to_vec() }
    }

    /// The same answer as it was before it was compressed.
    pub fn decoded(&self) -> Self {
        let mut body = Vec::new();
        match self.header("content-encoding") {
            "" => body.clone_from(&self.body),
            "gzip" => {
                GzDecoder::new(&self.body[..]).read_to_end(&mut body).expect("gzip");
            }
            "br" => brotli_decompressor::BrotliDecompress(&mut &self.body[..], &mut body).expect("brotli"),
            other => panic!("{other:?} is no encoding"),
        }
        Self { body, ..self.clone() }
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The JSON of an answer with this status.
    #[track_caller]
    pub fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/json");
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// The JSON of a success.
    #[track_caller]
    pub fn ok(&self) -> Value {
        self.json(200)
    }

    /// Success without a body.
    #[track_caller]
    pub fn done(&self) {
        assert_eq!((self.status, self.text()), (204, ""));
        assert_eq!(self.header("content-type"), "");
    }

    /// Exactly this body, with the status it names.
    #[track_caller]
    pub fn refused(&self, body: &str) {
        assert_eq!(self.text(), body);
        assert_eq!(self.header("content-type"), "application/json");
        let named: Value = serde_json::from_str(body).expect("JSON");
        assert_eq!(named["status_code"], self.status);
    }

    /// A business rule said no; the sentence.
    #[track_caller]
    pub fn refused_by(&self, code: &str) -> String {
        let body = self.json(406);
        assert_eq!(body["status_code"], 406);
        let error = body["error"].as_object().expect("an error");
        assert_eq!(error.keys().collect::<Vec<_>>(), ["non_field_errors", "error_code"]);
        assert_eq!(error["error_code"], code, "{}", self.text());
        error["non_field_errors"].as_str().expect("a sentence").to_owned()
    }

    /// A field is wrong: `{"<field>": ["message", …]}` and nothing else; the messages.
    #[track_caller]
    pub fn wrong(&self, field: &str) -> Vec<String> {
        let body = self.json(400);
        assert_eq!(body["status_code"], 400);
        let error = body["error"].as_object().expect("an error");
        assert_eq!(error.keys().collect::<Vec<_>>(), [field], "{}", self.text());
        let messages = error[field].as_array().expect("a list of messages");
        messages.iter().map(|message| message.as_str().expect("text").to_owned()).collect()
    }

    /// `{"detail": "…"}` with this status; the detail.
    #[track_caller]
    pub fn detail(&self, status: u16) -> String {
        let body = self.json(status);
        let keys: Vec<_> = body.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["error", "status_code"]);
        assert_eq!(body["status_code"], status);
        let error = body["error"].as_object().expect("an error");
        assert_eq!(error.keys().collect::<Vec<_>>(), ["detail"], "{}", self.text());
        error["detail"].as_str().expect("text").to_owned()
    }
}
