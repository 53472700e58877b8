//! A receiver on this machine that can fail, stall, close early, be slow and redirect.

use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use hmac::{Hmac, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tokio::{io::AsyncWriteExt as _, net::TcpListener, sync::Notify, task::JoinHandle};
use tokio_util::io::ReaderStream;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// What it was answered; none: nothing, or not to the end.
    pub status: Option<u16>,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    pub fn uuid(&self) -> String {
        self.json()["event"]["uuid"].as_str().expect("a uuid").to_owned()
    }

    pub fn object_id(&self) -> i64 {
        self.json()["payload"]["id"].as_i64().expect("an id")
    }

    pub fn sequence(&self) -> i64 {
        self.header("x-oms-sequence").parse().expect("a number")
    }

    pub fn attempt(&self) -> i64 {
        self.header("x-oms-attempt").parse().expect("a number")
    }

    pub fn is_taken(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }

    /// Fails if the signature is not that of the secret.
    pub fn verify(&self, secret: &str) {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
        mac.update(&self.body);
        let digits = self.header("x-whisperer-signature").strip_prefix("sha256=").expect("a signature");
        let bytes: Vec<u8> = (0..digits.len() / 2)
            .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).expect("hexadecimal digits"))
            .collect();
        mac.verify_slice(&bytes).expect("the signature is right");
    }
}

/// What it does with a request.
#[derive(Debug, Clone)]
pub enum Mood {
    Answers(u16),
    /// Answers after a while.
    Slow(Duration),
    /// Never answers.
    Stalls,
    /// Says 200 and a length, and closes before it is reached.
    ClosesEarly,
    /// Leads elsewhere.
    Redirects(u16, String),
    /// 200 with this body.
    Says(String),
    /// This status, and everything that it received.
    Repeats(u16),
    /// This status, with `Retry-After`.
    AsksToWait(u16, &'static str),
}

type Chooser = Box<dyn Fn(&Received) -> Mood + Send>;

#[derive(Clone)]
struct Shared {
    received: Arc<Mutex<Vec<Received>>>,
    chooser: Arc<Mutex<Chooser>>,
    came: Arc<Notify>,
}

/// A body without the queries of links: these are made for each attempt, and change by the hour.
fn without_expiry(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut parts = text.split("?expires=");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |before, part| before + part.find('"').map_or("", |end| &part[end..]))
}

/// See the module.
pub struct Receiver {
    pub url: String,
    shared: Shared,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Answers 204 until told otherwise.
    pub async fn start() -> Self {
        let shared = Shared {
            received: Arc::default(),
            chooser: Arc::new(Mutex::new(Box::new(|_| Mood::Answers(204)))),
            came: Arc::default(),
        };
        let router = Router::new().fallback(receive).with_state(shared.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { url, shared, task }
    }

    /// Chooses what to do with each request.
    pub fn chooses(&self, chooser: impl Fn(&Received) -> Mood + Send + 'static) {
        *self.shared.chooser.lock().expect("no panic") = Box::new(chooser);
    }

    /// Does this with each request.
    pub fn is(&self, mood: Mood) {
        self.chooses(move |_| mood.clone());
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Received>> {
        self.shared.received.lock().expect("no panic")
    }

    pub fn received(&self) -> Vec<Received> {
        self.lock().clone()
    }

    /// What it took, in the order in which it took it.
    pub fn taken(&self) -> Vec<Received> {
        self.lock().iter().filter(|received| received.is_taken()).cloned().collect()
    }

    /// Waits until what it received is enough.
    pub async fn until(&self, what: &str, is_enough: impl Fn(&[Received]) -> bool) -> Vec<Received> {
        let waiting = async {
            loop {
                let came = self.shared.came.notified();
                if is_enough(&self.lock()) {
                    return self.received();
                }
                came.await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(30), waiting).await;
        waited.unwrap_or_else(|_| {
            let received: Vec<String> =
                self.lock().iter().map(|one| format!("{} {} {:?}", one.uuid(), one.attempt(), one.status)).collect();
            panic!("waited in vain: {what}; {} received: {received:#?}", received.len())
        })
    }

    /// Waits until it took so many different events.
    pub async fn until_taken(&self, count: usize) -> Vec<Received> {
        let distinct = |received: &[Received]| {
            let uuids = received.iter().filter(|one| one.is_taken()).map(Received::uuid);
            uuids.collect::<std::collections::BTreeSet<String>>().len()
        };
        self.until(&format!("{count} events"), |received| distinct(received) >= count).await;
        self.taken()
    }

    /// Sequence numbers by path and object, in the order in which they were taken first.
    pub fn orders(&self) -> BTreeMap<(String, i64), Vec<i64>> {
        let mut orders: BTreeMap<(String, i64), Vec<i64>> = BTreeMap::new();
        for one in self.taken() {
            let taken = orders.entry((one.path.clone(), one.object_id())).or_default();
            if !taken.contains(&one.sequence()) {
                taken.push(one.sequence());
            }
        }
        orders
    }

    /// Fails if an event came with two bodies, but for when its links expire.
    pub fn assert_same_bytes(&self) {
        let mut bodies: HashMap<String, String> = HashMap::new();
        for one in self.received() {
            let body = without_expiry(&one.body);
            let known = bodies.entry(one.uuid()).or_insert_with(|| body.clone());
            assert_eq!(*known, body, "the same uuid, the same bytes");
        }
    }

    pub fn stop(self) {
        self.task.abort();
    }
}

async fn receive(State(shared): State<Shared>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let mut one = Received { method, path: uri.path().to_owned(), headers, body: body.to_vec(), status: None };
    let mood = (shared.chooser.lock().expect("no panic"))(&one);
    one.status = match &mood {
        Mood::Answers(status) | Mood::Redirects(status, _) | Mood::Repeats(status) | Mood::AsksToWait(status, _) => {
            Some(*status)
        }
        Mood::Slow(_) | Mood::Says(_) => Some(200),
        Mood::Stalls | Mood::ClosesEarly => None,
    };
    let is_late = matches!(mood, Mood::Slow(_));
    if !is_late {
        shared.received.lock().expect("no panic").push(one.clone());
        shared.came.notify_waiters();
    }
    match mood {
        Mood::Answers(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Mood::Redirects(status, location) => {
            (StatusCode::from_u16(status).expect("a status"), [(header::LOCATION, location)]).into_response()
        }
        Mood::AsksToWait(status, wait) => {
            (StatusCode::from_u16(status).expect("a status"), [(header::RETRY_AFTER, wait)]).into_response()
        }
        Mood::Says(text) => text.into_response(),
        Mood::Repeats(status) => {
            let text = format!("{:?} {}", one.headers, String::from_utf8_lossy(&one.body));
            (StatusCode::from_u16(status).expect("a status"), text).into_response()
        }
        Mood::Slow(duration) => {
            tokio::time::sleep(duration).await;
            shared.received.lock().expect("no panic").push(one);
            shared.came.notify_waiters();
            StatusCode::OK.into_response()
        }
        Mood::Stalls => std::future::pending::<Result<Response, Infallible>>().await.into_response(),
        Mood::ClosesEarly => {
            let (mut half, whole) = tokio::io::duplex(64);
            tokio::spawn(async move { half.write_all(b"half of").await });
            let body = Body::from_stream(ReaderStream::new(whole));
            ([(header::CONTENT_LENGTH, "1000")], body).into_response()
        }
    }
}
