//! Stock from a service, played by a stand-in that is fast, silent, failing, wrong, or forgets our token.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::support::{SHOP, STANDARD, Shop, client, join, order_json, send};

const ORDERS: &str = "/api/v1/oms/orders/";

/// The stand-in's reaction to a request.
#[derive(Debug, Clone, PartialEq)]
enum Mood {
    Answers,
    Fails,
    /// Sends this instead of an answer.
    Says(&'static str),
    /// Never answers.
    Silent,
}

struct Standing {
    mood: Mood,
    stock: BTreeMap<(String, String), Value>,
    /// The SKUs of each answered request.
    asked: Vec<Vec<String>>,
    /// Requests under way, and their greatest number.
    under_way: usize,
    most_under_way: usize,
    /// The required `Authorization`; none: any.
    wanted: Option<String>,
    logins: u32,
    /// The body of each login.
    credentials: Vec<Value>,
    lets_in: bool,
}

/// The service.
struct Service {
    url: String,
    standing: Arc<Mutex<Standing>>,
    /// True while requests are held.
    held: watch::Sender<bool>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    standing: Arc<Mutex<Standing>>,
    held: watch::Receiver<bool>,
}

impl Service {
    async fn start() -> Self {
        let standing = Arc::new(Mutex::new(Standing {
            mood: Mood::Answers,
            stock: BTreeMap::new(),
            asked: Vec::new(),
            under_way: 0,
            most_under_way: 0,
            wanted: None,
            logins: 0,
            credentials: Vec::new(),
            lets_in: true,
        }));
        let (held, receiver) = watch::channel(false);
        let router = Router::new()
            .route("/query/", get(question))
            .route("/login/", post(login))
            .with_state(Shared { standing: Arc::clone(&standing), held: receiver });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("served") });
        Self { url, standing, held, task }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().expect("no panic")
    }

    fn has(&self, erp_code: &str, sku: &str, quantity: impl Into<Value>) {
        self.standing().stock.insert((sku.to_owned(), erp_code.to_owned()), quantity.into());
    }

    fn asked(&self) -> Vec<Vec<String>> {
        self.standing().asked.clone()
    }

    /// An `[inventory]` with this service.
    fn section(&self, kind: &str, auth: &str, more: &str) -> String {
        let auth = auth.replace("URL", &self.url);
        format!(
            "[inventory]\nauth = {auth}\nservice = {{ url = \"{}/query/\", type = \"{kind}\" }}\n{more}\n",
            self.url
        )
    }

    /// A shop with this service.
    async fn shop(&self, kind: &str, auth: &str, more: &str) -> Shop {
        Shop::installed(&[STANDARD, SHOP, &self.section(kind, auth, more)], false).await
    }

    fn stop(self) {
        self.task.abort();
    }
}

const ANONYMOUS: &str = "{ type = \"anonymous\" }";

async fn question(State(shared): State<Shared>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    let Shared { standing, mut held } = shared;
    let mood = {
        let mut standing = standing.lock().expect("no panic");
        if let Some(wanted) = &standing.wanted
            && headers.get(header::AUTHORIZATION).is_none_or(|given| given != wanted.as_str())
        {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        standing.under_way += 1;
        standing.most_under_way = standing.most_under_way.max(standing.under_way);
        standing.mood.clone()
    };
    held.wait_for(|held| !held).await.expect("the service is there");
    if mood == Mood::Silent {
        std::future::pending::<()>().await;
    }
    let mut standing = standing.lock().expect("no panic");
    standing.under_way -= 1;
    let query = query.unwrap_or_default();
    let pairs = form_urlencoded::parse(query.as_bytes());
    let skus: Vec<String> = pairs.filter(|(key, _)| key == "sku").map(|(_, sku)| sku.into_owned()).collect();
    standing.asked.push(skus.clone());
    match mood {
        Mood::Fails => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Mood::Says(text) => text.into_response(),
        _ => {
            let rows = standing.stock.iter().filter(|((sku, _), _)| skus.contains(sku));
            let rows: Vec<Value> = rows
                .map(|((sku, at), quantity)| json!({ "sku": sku, "stock_location": at, "quantity": quantity }))
                .collect();
            Json(rows).into_response()
        }
    }
}

async fn login(State(shared): State<Shared>, Json(credentials): Json<Value>) -> Response {
    let mut standing = shared.standing.lock().expect("no panic");
    standing.credentials.push(credentials);
    if !standing.lets_in {
        return StatusCode::BAD_REQUEST.into_response();
    }
    standing.logins += 1;
    let token = format!("token{}", standing.logins);
    standing.wanted = Some(format!("Token {token}"));
    Json(json!({ "key": token })).into_response()
}

#[tokio::test]
async fn an_order_is_planned_on_what_the_service_tells_which_is_asked_once_for_all_its_skus() {
    let service = Service::start().await;
    service.has("GEBZE", "PINK", 5);
    service.has("GEBZE", "GREY & WHITE/2", "3.00");
    service.has("ELSEWHERE", "PINK", 9);
    let shop = service.shop("multiple", ANONYMOUS, "").await;

    let package = shop.order(&[("PINK", 2), ("GREY & WHITE/2", 1), ("PINK", 1)]).await.only_package();
    assert_eq!(package.place().await, "waiting@GEBZE");
    assert_eq!(service.asked(), [["GREY & WHITE/2", "PINK"]]);
    assert_eq!((shop.stock("GEBZE", "PINK").await, shop.stock("GEBZE", "GREY & WHITE/2").await), ((5, 3), (3, 1)));
    let history = shop.get("/api/v1/oms/stocks/history/?sku=PINK").await.ok();
    let row = &history["results"][0];
    assert_eq!(
        ["kind", "door", "actor_kind", "actor"].map(|key| row[key].as_str().unwrap_or_default()),
        ["count", "stock_service", "server", "stock service"]
    );
    assert!(row["request_id"].is_string(), "the order's: {row}");

    // What was told a moment ago is good for another order, and an order that is known is not planned again.
    assert_eq!(shop.order(&[("PINK", 2)]).await.only_package().place().await, "waiting@GEBZE");
    shop.post(ORDERS, &order_json("N1", &[("TEAL", 2)])).await.ok();
    assert_eq!(service.asked().len(), 1);
    assert_eq!(shop.metric("oms_inventory_request_duration_seconds_count{outcome=\"told\"}").await, 1);

    // A list of orders is asked for together.
    service.has("BESIKTAS", "TEAL", 1);
    service.has("BESIKTAS", "OLIVE", 1);
    let list = json!([order_json("L1", &[("TEAL", 1)]), order_json("L2", &[("OLIVE", 1), ("PINK", 1)]), 7]);
    let results = shop.post(ORDERS, &list).await.ok();
    assert_eq!(
        (&results[0]["status_code"], &results[1]["status_code"], &results[2]["status_code"]),
        (&json!(201), &json!(201), &json!(400))
    );
    assert_eq!(service.asked()[1..], [["OLIVE", "TEAL"]]);
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn a_row_of_the_service_that_cannot_be_read_costs_that_row_and_empties_no_shelf() {
    let service = Service::start().await;
    let shop = service.shop("multiple", ANONYMOUS, "").await;
    shop.count("BESIKTAS", "PINK", 8).await;
    shop.count("HQ", "PINK", 4).await;
    shop.count("HQ", "TEAL", 4).await;
    service.has("GEBZE", "PINK", "2.0000");
    service.has("BESIKTAS", "PINK", "many");
    service.has("GEBZE", "TEAL", -3);
    shop.order(&[("PINK", 1), ("TEAL", 1)]).await;
    // Of PINK nothing is known where the answer has no number; of TEAL all is known.
    let stock =
        [shop.stock("GEBZE", "PINK").await.0, shop.stock("BESIKTAS", "PINK").await.0, shop.stock("HQ", "PINK").await.0];
    assert_eq!(stock, [2, 8, 4]);
    assert_eq!((shop.stock("GEBZE", "TEAL").await.0, shop.stock("HQ", "TEAL").await.0), (0, 0));
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn a_single_service_is_asked_for_each_sku_by_itself() {
    let service = Service::start().await;
    service.has("GEBZE", "PINK", 5);
    service.has("GEBZE", "GREY", 5);
    let shop = service.shop("single", ANONYMOUS, "").await;
    assert_eq!(shop.order(&[("PINK", 2), ("GREY", 1)]).await.only_package().place().await, "waiting@GEBZE");
    let mut asked = service.asked();
    asked.sort();
    assert_eq!(asked, [["GREY"], ["PINK"]]);
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn an_answer_is_complete_for_the_locations_it_speaks_for() {
    let service = Service::start().await;
    let more = "max_age_seconds = 0\nstock_locations = [\"GEBZE\", \"BESIKTAS\"]";
    let shop = service.shop("multiple", ANONYMOUS, more).await;
    shop.count("BESIKTAS", "PINK", 8).await;
    shop.count("HQ", "PINK", 4).await;
    service.has("GEBZE", "PINK", 3);
    service.has("HQ", "PINK", 77);
    shop.order(&[("PINK", 1)]).await;
    // BESIKTAS was not named, so it has none; HQ is none of its business.
    let stock =
        [shop.stock("GEBZE", "PINK").await, shop.stock("BESIKTAS", "PINK").await, shop.stock("HQ", "PINK").await];
    assert_eq!(stock, [(3, 1), (0, 0), (4, 0)]);
    // An answer that is good for no time is asked for anew.
    service.has("BESIKTAS", "PINK", 1);
    assert_eq!(shop.order(&[("PINK", 1)]).await.only_package().place().await, "waiting@BESIKTAS");
    assert_eq!(service.asked().len(), 2);
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn a_number_that_is_no_news_does_not_bring_back_a_location_that_could_not_find_its_goods() {
    let service = Service::start().await;
    service.has("GEBZE", "PINK", 5);
    let shop = service.shop("multiple", ANONYMOUS, "max_age_seconds = 0").await;
    let package = shop.order(&[("PINK", 1)]).await.only_package();
    let items = package.item_ids().await;
    package.run_with("DETECTED_OUT_OF_STOCK_ITEM", &json!({ "package_items": items })).await.ok();
    assert_eq!(package.place().await, "out-of-stock@HQ");

    package.run("REPACK").await.refused_by("oms_planning_1");
    service.has("GEBZE", "PINK", 6);
    // A dry run asks nobody, and so knows no better.
    shop.changes_nothing(package.dry_run("REPACK", &json!({}))).await.refused_by("oms_planning_1");
    package.run("REPACK").await.ok();
    assert_eq!(package.place().await, "waiting@GEBZE");
    assert_eq!(service.asked().len(), 4);
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn when_it_does_not_answer_the_last_known_counts_have_to_do() {
    for mood in [Mood::Fails, Mood::Silent, Mood::Says("<html>busy</html>"), Mood::Says("{\"detail\": \"busy\"}")] {
        let service = Service::start().await;
        service.has("GEBZE", "PINK", 5);
        let shop = service.shop("multiple", ANONYMOUS, "max_age_seconds = 0\ntimeout_seconds = 1").await;
        assert_eq!(shop.order(&[("PINK", 1)]).await.only_package().place().await, "waiting@GEBZE");
        service.has("GEBZE", "PINK", 0);
        service.standing().mood = mood.clone();

        assert_eq!(shop.order(&[("PINK", 1)]).await.only_package().place().await, "waiting@GEBZE", "{mood:?}");
        // It is left alone for a while: nobody waits for it again.
        let asked = service.asked().len();
        assert_eq!(shop.order(&[("PINK", 1)]).await.only_package().place().await, "waiting@GEBZE", "{mood:?}");
        assert_eq!((service.asked().len(), shop.stock("GEBZE", "PINK").await), (asked, (5, 3)));
        assert_eq!(shop.metric("oms_inventory_request_duration_seconds_count{outcome=\"failed\"}").await, 1);
        shop.finish().await;
        service.stop();
    }
}

#[tokio::test]
async fn where_orders_are_to_wait_they_are_not_taken_until_it_answers() {
    let service = Service::start().await;
    service.has("GEBZE", "PINK", 5);
    let shop = service.shop("multiple", ANONYMOUS, "when_down = \"wait\"").await;
    service.standing().mood = Mood::Fails;
    let order = order_json("N7", &[("PINK", 1)]);
    let request = || send(shop.request_as("admin", reqwest::Method::POST, ORDERS).json(&order));
    for _ in 0..2 {
        let reply = shop.changes_nothing(request()).await;
        assert_eq!(reply.status, 503);
        assert_eq!(reply.json(503)["error"]["detail"], "The server cannot answer now. Try again shortly.");
    }
    assert_eq!(service.asked().len(), 1);
    let list = shop.changes_nothing(shop.post(ORDERS, &json!([order]))).await;
    assert_eq!(list.status, 503);

    // A server that has not met it yet asks it at once.
    service.standing().mood = Mood::Answers;
    let other = shop.second_server().await;
    let address = format!("{}{ORDERS}", other.url);
    let answer = shop.post(&address, &order).await.json(201);
    assert_eq!(answer["number"], "N7");
    assert_eq!(shop.stock("GEBZE", "PINK").await, (5, 1));
    other.stop().await;
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn it_hears_who_asks_by_basic_auth_with_a_password_from_the_environment() {
    let service = Service::start().await;
    service.has("GEBZE", "PINK", 5);
    // A variable that every process has.
    let password = std::env::var("PATH").expect("a path");
    let example = client().build().expect("a client").get(&service.url).basic_auth("oms", Some(password)).build();
    let wanted = example.expect("a request").headers()[header::AUTHORIZATION].to_str().expect("text").to_owned();
    assert!(wanted.starts_with("Basic b21zO"), "{wanted}");
    service.standing().wanted = Some(wanted);
    let auth = "{ type = \"basic_auth\", username = \"oms\", password_env = \"PATH\" }";
    let shop = service.shop("multiple", auth, "when_down = \"wait\"").await;
    assert_eq!(shop.order(&[("PINK", 1)]).await.only_package().place().await, "waiting@GEBZE");
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn a_token_is_fetched_once_and_once_more_when_it_is_refused() {
    let service = Service::start().await;
    for sku in ["A", "B", "C", "D", "E"] {
        service.has("GEBZE", sku, 5);
    }
    service.standing().wanted = Some("Token nobody knows it".to_owned());
    let auth = "{ type = \"token\", url = \"URL/login/\", username = \"oms\", password = \"geheim\" }";
    let shop = service.shop("multiple", auth, "when_down = \"wait\"").await;
    let order = async |sku: &str| shop.order(&[(sku, 1)]).await.only_package().place().await;
    assert_eq!((order("A").await, order("B").await), ("waiting@GEBZE".to_owned(), "waiting@GEBZE".to_owned()));
    assert_eq!(service.standing().logins, 1);
    assert_eq!(service.standing().credentials, [json!({ "username": "oms", "password": "geheim" })]);

    service.standing().wanted = Some("Token it has run out".to_owned());
    assert_eq!(join(["C", "D"].map(&order)).await, ["waiting@GEBZE"; 2]);
    assert_eq!(service.standing().logins, 2);

    // Who is not let in any more hears nothing; and the password is in no answer.
    service.standing().wanted = Some("Token it has run out again".to_owned());
    service.standing().lets_in = false;
    let reply = shop.post(ORDERS, &order_json("N9", &[("E", 1)])).await;
    assert_eq!(reply.status, 503);
    assert!(!reply.text().contains("geheim"));
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn it_is_never_asked_more_at_once_than_agreed_and_once_for_what_many_want() {
    let service = Service::start().await;
    let skus: Vec<String> = (0..8).map(|number| format!("S{number}")).collect();
    for sku in &skus {
        service.has("GEBZE", sku, 5);
    }
    let shop = service.shop("single", ANONYMOUS, "concurrency = 2\ntimeout_seconds = 20").await;
    service.held.send_replace(true);
    let orders: Vec<Value> = skus
        .iter()
        .enumerate()
        .map(|(number, sku)| order_json(&format!("C{number}"), &[(sku.as_str(), 1), ("S0", 1)]))
        .collect();
    let send_all = join(orders.iter().map(|order| shop.post(ORDERS, order)));
    let release = async {
        let full = || async { (service.standing().under_way == 2).then_some(()) };
        shop.until("two questions are under way", full).await;
        service.held.send_replace(false);
    };
    let (replies, ()) = tokio::join!(send_all, release);
    assert!(replies.iter().all(|reply| reply.status == 201));
    assert_eq!(service.standing().most_under_way, 2);
    // One of S0 may have been under way while another began; no more than that.
    let asked = service.asked();
    assert!(asked.len() <= skus.len() + 1, "{asked:?}");
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn the_sweep_hears_from_the_service_what_nobody_counted() {
    let service = Service::start().await;
    let section = service.section("multiple", ANONYMOUS, "max_age_seconds = 0");
    let shop = Shop::installed(&[STANDARD, SHOP, &section], true).await;
    let mut packages = Vec::new();
    for sku in ["PINK", "GREY", "TEAL"] {
        packages.push(shop.order(&[(sku, 1)]).await.only_package());
    }
    service.has("GEBZE", "GREY", 1);
    let asked = service.asked().len();
    shop.execute("update replanning_sweep set swept_date = now() - interval '31 minutes'").await;
    let look = || async { (packages[1].place().await == "waiting@GEBZE").then_some(()) };
    shop.until("the package has a place", look).await;
    assert_eq!(service.asked()[asked], ["GREY", "PINK", "TEAL"]);
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn an_import_of_orders_asks_it_too() {
    let service = Service::start().await;
    service.has("GEBZE", "PINK", 5);
    let shop = service.shop("multiple", ANONYMOUS, "").await;
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), order_json("I1", &[("PINK", 1)]).to_string()).expect("written");
    let (code, printed, _) = shop.oms(&["orders", "import", file.path().to_str().expect("UTF-8")]).await;
    assert_eq!((code, printed.as_str()), (0, "1 lines read: 1 orders taken, 0 known already, 0 lines refused\n"));
    assert_eq!((service.asked().len(), shop.stock("GEBZE", "PINK").await), (1, (5, 1)));
    shop.finish().await;
    service.stop();
}

#[tokio::test]
async fn an_installation_names_one_service_of_locations_it_has_and_forgets_it_when_it_is_gone() {
    let service = Service::start().await;
    let section = service.section("multiple", ANONYMOUS, "");
    let shop = Shop::installed(&[STANDARD, SHOP, &section], false).await;
    let count = async || -> i64 { shop.value("select count(*) from inventory_engine where only_row = $1", true).await };
    assert_eq!(count().await, 1);
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let (standard, places) = (write("standard.toml", STANDARD), write("shop.toml", SHOP));
    let once = write("once.toml", &service.section("multiple", ANONYMOUS, "stock_locations = [\"GEBSE\"]"));
    let twice = write("twice.toml", &section);
    let (code, _, said) = shop.oms(&["install", "--check", &standard, &places, &once, &twice]).await;
    assert_eq!(code, 1);
    assert!(said.contains("there is no location `GEBSE` — did you mean `GEBZE`?"), "{said}");
    assert!(said.contains("another file has an `[inventory]` already"), "{said}");
    shop.install(&[STANDARD, SHOP]).await;
    assert_eq!(count().await, 0);
    shop.finish().await;
    service.stop();
}
