//! A shop: a database of its own and a server in this process.

use std::{
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use oms::{
    app::{self, App},
    auth,
    db::{self, PgPool, Servers},
    installation::apply,
    invoicing, links, replanning, server,
    tasks::Tasks,
    upstream::{Pace, UpstreamSettings},
    verify, webhooks,
};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{Postgres, postgres::PgRow};
use tokio::{io::AsyncWriteExt, net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use super::{
    Dump, Order, Package, Proxy, Reply,
    cluster::{Database, home, read_installation},
    contract::{self, Asked},
    order_json,
};

/// As `oms serve` has it by default.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// As `oms serve` has it by default.
pub const STREAMS_PER_USER: u32 = 100;
/// As `oms serve` has it by default, but for looking more often.
const WATCHING: replanning::Settings = replanning::Settings {
    look_every: Duration::from_millis(20),
    sweep_every: Some(Duration::from_mins(30)),
    plan_short: true,
};
/// How long something may take that happens by itself, before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a server does by itself, besides answering.
#[derive(Default)]
struct Besides<'a> {
    /// It plans again what waits for a place.
    watching: bool,
    /// It follows this upstream, so eagerly.
    upstream: Option<(&'a UpstreamSettings, Pace)>,
    /// It delivers webhooks by itself.
    delivering: bool,
    /// How it delivers webhooks, by itself or on request.
    webhooks: webhooks::Settings,
    /// Its limits of connections; none: as by default.
    limits: Option<server::Limits>,
    /// Which addresses commands may bring; none by default.
    invoices: invoicing::Rules,
    /// For how long it takes requests once it is told to stop.
    drain: Duration,
    /// Whose pages may read its answers.
    origins: server::Origins,
    /// What is otherwise in its settings.
    change: Option<fn(&mut app::Settings)>,
}

/// The settings of a server that does nothing by itself.
pub fn quiet_settings() -> app::Settings {
    app::Settings {
        delivers_webhooks: false,
        webhooks: webhooks::Settings::default(),
        replanning: None,
        upstream: None,
        events_keep_days: None,
        trusted_proxies: Vec::new(),
        unknown_filters: oms::page::UnknownFilters::Refuse,
        streams_per_user: STREAMS_PER_USER,
        tokens: auth::quota::Quota::default(),
        links: links::Settings::default(),
        whereabouts: None,
        invoices: invoicing::Rules::default(),
    }
}

/// A running server.
pub struct Server {
    pub url: String,
    /// Its work in the background.
    pub tasks: Tasks,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Server {
    async fn start(pool: PgPool, request_timeout: Duration, besides: Besides<'_>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let stop = CancellationToken::new();
        let mut settings = app::Settings {
            delivers_webhooks: besides.delivering,
            webhooks: besides.webhooks,
            replanning: besides.watching.then_some(WATCHING),
            upstream: besides.upstream.map(|(settings, pace)| (settings.clone(), pace)),
            invoices: besides.invoices,
            ..quiet_settings()
        };
        if let Some(change) = besides.change {
            change(&mut settings);
        }
        let app = App::start(pool, settings, &stop).await.expect("the server starts");
        let settings = server::Settings {
            request_timeout,
            limits: besides.limits.unwrap_or_default(),
            log_requests: server::LogRequests::All,
            metrics_apart: false,
            drain: besides.drain,
            origins: besides.origins,
        };
        let tasks = app.tasks.clone();
        let task = tokio::spawn(server::serve(listener, app, settings, stop.clone()));
        Self { url, tasks, stop, task }
    }

    /// Stops it as SIGTERM does.
    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("no panic");
    }
}

/// See the module. End every test with [`finish`](Self::finish).
pub struct Shop {
    database: Option<Database>,
    server: Option<Server>,
    client: reqwest::Client,
    next_order: AtomicU32,
}

impl Shop {
    /// A shop whose store KADIKOY has 100 each of RED, BLUE and GREEN; BESIKTAS, GEBZE and HQ have nothing.
    pub async fn open() -> Self {
        Self::begin(Database::create(false).await, Besides::default()).await
    }

    /// The same shop, with a server that follows an upstream.
    pub async fn following(upstream: &UpstreamSettings, pace: Pace) -> Self {
        let besides = Besides { upstream: Some((upstream, pace)), invoices: on_this_machine(), ..Besides::default() };
        Self::begin(Database::create(false).await, besides).await
    }

    /// The same shop as [`open`](Self::open), with a server whose commands may bring addresses by these rules. It calls none.
    pub async fn allowing(invoices: invoicing::Rules) -> Self {
        Self::begin(Database::create(false).await, Besides { invoices, ..Besides::default() }).await
    }

    /// A shop in which nothing is installed yet; it has users but for `kadikoy`.
    pub async fn bare() -> Self {
        Self::begin(Database::create(true).await, Besides::default()).await
    }

    /// The same shop as [`open`](Self::open), with a server that plans what waits for a place again by itself.
    pub async fn watching() -> Self {
        Self::begin(Database::create(false).await, Besides { watching: true, ..Besides::default() }).await
    }

    /// The same shop as [`open`](Self::open), with a server that delivers webhooks.
    pub async fn delivering(settings: webhooks::Settings) -> Self {
        let besides = Besides { delivering: true, webhooks: settings, ..Besides::default() };
        Self::begin(Database::create(false).await, besides).await
    }

    /// The same shop as [`open`](Self::open), with a server that delivers webhooks only when it is asked to, and takes the
    /// addresses of documents without a signature: examples have none.
    pub async fn taking_unsigned_links(settings: webhooks::Settings) -> Self {
        let change: fn(&mut app::Settings) = |settings| settings.links.take_unsigned = true;
        let besides = Besides { webhooks: settings, change: Some(change), ..Besides::default() };
        Self::begin(Database::create(false).await, besides).await
    }

    /// The same shop as [`open`](Self::open), with a server that has these limits of connections.
    pub async fn limited(limits: server::Limits) -> Self {
        let besides = Besides { limits: Some(limits), ..Besides::default() };
        Self::begin(Database::create(false).await, besides).await
    }

    /// The same shop as [`open`](Self::open), with a server whose answers pages of these sites may read.
    pub async fn open_to(origins: &str) -> Self {
        let origins = origins.parse().expect("origins");
        Self::begin(Database::create(false).await, Besides { origins, ..Besides::default() }).await
    }

    /// The same shop as [`open`](Self::open), with a server whose settings are changed.
    pub async fn with_settings(change: fn(&mut app::Settings)) -> Self {
        Self::begin(Database::create(false).await, Besides { change: Some(change), ..Besides::default() }).await
    }

    /// The same shop as [`open`](Self::open), with a server that does all that a server can do by itself.
    pub async fn busy(upstream: &UpstreamSettings, pace: Pace) -> Self {
        let change: fn(&mut app::Settings) = |settings| settings.events_keep_days = Some(84);
        let besides = Besides {
            watching: true,
            upstream: Some((upstream, pace)),
            delivering: true,
            webhooks: crate::webhooks::settings(),
            change: Some(change),
            ..Besides::default()
        };
        Self::begin(Database::create(false).await, besides).await
    }

    /// The work in the background of the server.
    pub fn tasks(&self) -> &Tasks {
        &self.server.as_ref().expect("an open shop").tasks
    }

    /// A shop with these texts as its installation from the start.
    pub async fn installed(texts: &[&str], watching: bool) -> Self {
        let database = Database::create(false).await;
        apply::apply(&database.pool, &read_installation(texts)).await.expect("apply");
        Self::begin(database, Besides { watching, ..Besides::default() }).await
    }

    /// A shop whose database was filled by a version before and has been migrated. `before` is run before the server
    /// starts; the token of `admin` is that of the user `owner`.
    pub async fn upgraded(dump: &str, owner: &str, before: &'static str) -> Self {
        let database = Database::restored(dump).await;
        let server = database.server_pool().await;
        db::migrate(&server).await.expect("migrate");
        server.close().await;
        let faults = verify::verify(&database.pool).await.expect("verify");
        assert!(faults.is_empty(), "{faults:#?}");
        sqlx::query("insert into tokens (user_id, key_hash) select id, sha256($2) from users where username = $1")
            .bind(owner)
            .bind(Self::token("admin").as_bytes())
            .execute(&database.pool)
            .await
            .expect("a token");
        sqlx::raw_sql(before).execute(&database.pool).await.expect(before);
        Self::begin(database, Besides::default()).await
    }

    async fn begin(database: Database, besides: Besides<'_>) -> Self {
        let server = Server::start(database.server_pool().await, REQUEST_TIMEOUT, besides).await;
        let client = client()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_mins(1))
            .build()
            .expect("a client");
        Self { database: Some(database), server: Some(server), client, next_order: AtomicU32::new(1) }
    }

    /// Proves the invariants, then stops the server and drops the database.
    pub async fn finish(mut self) {
        let faults = verify::verify_core(self.pool()).await.expect("verify");
        assert!(faults.is_empty(), "{faults:#?}");
        self.close().await;
    }

    /// Stops the server and drops the database, whatever state it is in.
    pub async fn abandon(mut self) {
        self.close().await;
    }

    async fn close(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop().await;
        }
        if let Some(database) = self.database.take() {
            database.discard().await;
        }
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("an open shop")
    }

    /// The database, for what no route shows.
    pub fn pool(&self) -> &PgPool {
        &self.database().pool
    }

    /// A pool for a server of the test's own.
    pub async fn server_pool(&self) -> PgPool {
        self.database().server_pool().await
    }

    /// The name of the database.
    pub fn database_name(&self) -> &str {
        &self.database().name
    }

    /// The address of the database for the program, as a role of that name.
    pub fn database_url(&self, role: &str) -> String {
        self.database().url.replacen("//oms@", &format!("//{role}@"), 1)
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.server.as_ref().expect("an open shop").url
    }

    /// Another server on the same database.
    pub async fn second_server(&self) -> Server {
        self.second_server_with(REQUEST_TIMEOUT).await
    }

    /// Another server, which gives requests up sooner.
    pub async fn second_server_with(&self, request_timeout: Duration) -> Server {
        Server::start(self.database().server_pool().await, request_timeout, Besides::default()).await
    }

    /// Another server, which follows an upstream.
    pub async fn second_following_server(&self, upstream: &UpstreamSettings, pace: Pace) -> Server {
        let besides = Besides { upstream: Some((upstream, pace)), invoices: on_this_machine(), ..Besides::default() };
        Server::start(self.database().server_pool().await, REQUEST_TIMEOUT, besides).await
    }

    /// Another server, which calls services and by these rules addresses that commands brought.
    pub async fn second_calling_server(&self, invoices: invoicing::Rules, pace: Pace) -> Server {
        let upstream = UpstreamSettings::default();
        let besides = Besides { upstream: Some((&upstream, pace)), invoices, ..Besides::default() };
        Server::start(self.database().server_pool().await, REQUEST_TIMEOUT, besides).await
    }

    /// Another server, which plans what waits for a place again by itself.
    pub async fn second_watching_server(&self) -> Server {
        let besides = Besides { watching: true, ..Besides::default() };
        Server::start(self.database().server_pool().await, REQUEST_TIMEOUT, besides).await
    }

    /// Another server, which delivers webhooks.
    pub async fn second_delivering_server(&self, settings: webhooks::Settings) -> Server {
        let besides = Besides { delivering: true, webhooks: settings, ..Besides::default() };
        Server::start(self.database().server_pool().await, REQUEST_TIMEOUT, besides).await
    }

    /// The folder of `pg_dump` and `psql`.
    pub fn bin_dir() -> &'static std::path::Path {
        Database::bin_dir()
    }

    /// A proxy in front of the database.
    pub async fn proxy(&self) -> Arc<Proxy> {
        Proxy::start(Database::socket_dir()).await
    }

    /// Another server, which reaches the database by this address. It delivers webhooks and plans again by itself, and
    /// drains for a second.
    pub async fn server_by(&self, url: &str) -> Server {
        let servers: Servers = url.parse().expect("an address");
        let pool = db::connect_server(servers, 8).await.expect("connect");
        let besides = Besides {
            watching: true,
            delivering: true,
            webhooks: crate::webhooks::settings(),
            drain: Duration::from_secs(1),
            ..Besides::default()
        };
        Server::start(pool, REQUEST_TIMEOUT, besides).await
    }

    /// The address of the database behind a proxy or several.
    pub fn url_by(&self, ports: &[u16], settings: &str) -> String {
        let places: Vec<String> = ports.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        format!("postgres://oms@{}/{}?{settings}", places.join(","), self.database().name)
    }

    /// A number of `/metrics`, of this server; 0 where there is none yet.
    pub async fn metric(&self, sample: &str) -> u64 {
        let text = send(self.request(Method::GET, "/metrics")).await.text().to_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
        line.map_or(0, |number| number.parse().expect("a number"))
    }

    /// The token of `admin`, `erp` (integrator), `ops` (operator) or `kadikoy` (store).
    pub fn token(user: &str) -> &'static str {
        &home().tokens[user]
    }

    // ── Requests ───────────────────────────────────────────────────────────────────────────────

    /// A request without a token, to this server or, with a whole address, to any.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.url()) };
        self.client.request(method, url)
    }

    /// A request by a user.
    pub fn request_as(&self, user: &str, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.request(method, path).header("Authorization", format!("Token {}", Self::token(user)))
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.get_as("admin", path).await
    }

    pub async fn get_as(&self, user: &str, path: &str) -> Reply {
        if path.contains("/oms/events/") && !path.contains("wait=") {
            self.events_are_final().await;
        }
        send(self.request_as(user, Method::GET, path)).await
    }

    /// Waits until no transaction hides events of this shop: events are told when no older one of the whole Postgres is open,
    /// of another test or of a server at work. One that this test itself holds open is its own matter.
    async fn events_are_final(&self) {
        let is_so = "select not exists (select from events where position > event_horizon())
                         or exists (select from pg_stat_activity
                                     where datname = $1 and application_name = 'test' and backend_xid is not null
                                       and pid <> pg_backend_pid())";
        let name = self.database_name().to_owned();
        self.until("the events are final", async || self.value::<bool, _>(is_so, name.clone()).await.then_some(()))
            .await;
    }

    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        send(self.request_as("admin", Method::POST, path).json(body)).await
    }

    pub async fn post_as(&self, user: &str, path: &str, body: &Value) -> Reply {
        send(self.request_as(user, Method::POST, path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Reply {
        send(self.request_as("admin", Method::PATCH, path).json(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Reply {
        send(self.request_as("admin", Method::PUT, path).json(body)).await
    }

    // ── What a user does ───────────────────────────────────────────────────────────────────────

    /// Takes an order of these (SKU, quantity) lines, with the next number.
    pub async fn order(&self, lines: &[(&str, i64)]) -> Order<'_> {
        let number = format!("N{}", self.next_order.fetch_add(1, Ordering::Relaxed));
        self.order_of(&order_json(&number, lines)).await
    }

    /// Takes this order, which is new.
    pub async fn order_of(&self, order: &Value) -> Order<'_> {
        let reply = self.post("/api/v1/oms/orders/", order).await;
        Order { shop: self, json: reply.json(201) }
    }

    /// Takes an order that is brought together at one location; the shop has [`super::TRANSFERS`].
    pub async fn fetched(&self, lines: &[(&str, i64)]) -> Order<'_> {
        let number = format!("F{}", self.next_order.fetch_add(1, Ordering::Relaxed));
        let mut order = order_json(&number, lines);
        order["channel"] = json!({ "pk": 3, "name": "gather" });
        self.order_of(&order).await
    }

    /// The package of an order of one RED, waiting at KADIKOY.
    pub async fn package(&self) -> Package<'_> {
        self.order(&[("RED", 1)]).await.only_package()
    }

    /// Counts stock.
    pub async fn count(&self, erp_code: &str, sku: &str, quantity: i64) {
        let count = json!({ "stock_location": erp_code, "sku": sku, "quantity": quantity });
        assert_eq!(self.put("/api/v1/oms/stocks/", &count).await.ok(), json!({ "updated": 1 }));
    }

    /// Sets or takes away a location's limit.
    pub async fn limit(&self, erp_code: &str, max_quota: Option<i64>) {
        let path = format!("/api/v1/oms/stocklocations/{}/", self.location_id(erp_code).await);
        let location = self.patch(&path, &json!({ "max_quota": max_quota })).await.ok();
        assert_eq!(location["max_quota"], json!(max_quota));
    }

    /// Applies these texts as the installation.
    pub async fn install(&self, texts: &[&str]) {
        apply::apply(self.pool(), &read_installation(texts)).await.expect("apply");
    }

    /// Runs the program on this shop's database: exit code, standard output, standard error.
    pub async fn oms(&self, arguments: &[&str]) -> (i32, String, String) {
        self.oms_with(arguments, "").await
    }

    /// The same with this on its standard input.
    pub async fn oms_with(&self, arguments: &[&str], input: &str) -> (i32, String, String) {
        Self::oms_on(&self.database().url, arguments, input).await
    }

    /// The same with this `DATABASE_URL`.
    pub async fn oms_at(&self, url: &str, arguments: &[&str]) -> (i32, String, String) {
        Self::oms_on(url, arguments, "").await
    }

    async fn oms_on(url: &str, arguments: &[&str], input: &str) -> (i32, String, String) {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_oms"));
        // Settings of whoever runs the tests.
        for name in std::env::vars().map(|(name, _)| name).filter(|name| name.starts_with("OMS_")) {
            command.env_remove(name);
        }
        let mut child = command
            .args(arguments)
            .env("DATABASE_URL", url)
            .env("RUST_LOG", "off")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("oms runs");
        // It may have ended without reading.
        child.stdin.take().expect("piped").write_all(input.as_bytes()).await.ok();
        let output = child.wait_with_output().await.expect("oms ends");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
    }

    /// Starts the program as a server on this shop's database, in a process that can be killed.
    pub fn serve_apart(&self, settings: &[(&str, &str)]) -> tokio::process::Child {
        tokio::process::Command::new(env!("CARGO_BIN_EXE_oms"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .env("DATABASE_URL", &self.database().url)
            .envs(settings.iter().copied())
            .env("RUST_LOG", "off")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("oms runs")
    }

    // ── What is there ──────────────────────────────────────────────────────────────────────────

    /// The rows of a query.
    pub async fn rows<T>(&self, sql: &'static str) -> Vec<T>
    where
        T: for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin,
    {
        sqlx::query_as(sql).fetch_all(self.pool()).await.expect(sql)
    }

    /// The one value of a query with one parameter.
    pub async fn value<T, P>(&self, sql: &'static str, parameter: P) -> T
    where
        T: for<'r> sqlx::Decode<'r, Postgres> + sqlx::Type<Postgres> + Send + Unpin,
        P: for<'q> sqlx::Encode<'q, Postgres> + sqlx::Type<Postgres> + Send + 'static,
    {
        sqlx::query_scalar(sql).bind(parameter).fetch_one(self.pool()).await.expect(sql)
    }

    /// Runs a statement behind the server's back.
    pub async fn execute(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(self.pool()).await.expect(sql);
    }

    /// The same for a statement that is put together.
    pub async fn execute_text(&self, sql: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(self.pool()).await.expect("executed");
    }

    /// Puts stock where there was none, as a count leaves it, without telling anybody. `rows` is a query of SKUs, locations
    /// and quantities.
    pub async fn put_stock(&self, rows: &str) {
        let sql = format!(
            "with given (sku, stock_location_id, quantity) as materialized ({rows}), put as (
                 insert into stocks (sku, stock_location_id, quantity, recorded)
                 select sku, stock_location_id, quantity, quantity from given
             )
             insert into stock_ledger (sku, stock_location_id, kind, quantity_before, quantity_after, door, actor_kind, actor)
             select sku, stock_location_id, 'count', 0, quantity, 'import', 'server', 'tests' from given"
        );
        self.execute_text(&sql).await;
    }

    /// Takes stock away, as if it had never been. `which` is a condition on its SKU.
    pub async fn forget_stock(&self, which: &str) {
        let sql = format!(
            "begin; set local session_replication_role = replica;
             delete from stocks where {which}; delete from stock_ledger where {which}; commit"
        );
        self.execute_text(&sql).await;
    }

    /// The history of every SKU leads to its quantity at every location, and every row says how many there were.
    pub async fn assert_history_adds_up(&self) {
        let sql = "select string_agg(fault, '; ') from (
                       select coalesce(s.sku, h.sku) || ' at ' || coalesce(s.stock_location_id, h.stock_location_id)
                              || ': ' || coalesce(s.quantity, 0) || ' there, ' || coalesce(h.quantity, 0) || ' told, last '
                              || coalesce(h.last::text, 'unknown') || ', ' || coalesce(h.unknown, 0) || ' unknown' as fault
                         from stocks s
                         full join (select k.sku, h.stock_location_id, sum(h.delta) as quantity,
                                           count(*) filter (where h.quantity_after is null) as unknown,
                                           (array_agg(h.quantity_after order by h.turn desc))[1] as last
                                      from (select sku from stock_ledger union select sku from order_items
                                            union select sku from order_item_history) k
                                     cross join lateral stock_history(k.sku) h
                                     group by 1, 2) h
                                on h.sku = s.sku and h.stock_location_id = s.stock_location_id
                        where coalesce(s.quantity, 0) <> coalesce(h.quantity, 0) or coalesce(h.unknown, 0) > 0
                           or h.last <> s.quantity) as faults";
        let faults: Option<String> = sqlx::query_scalar(sql).fetch_one(self.pool()).await.expect("a history");
        assert_eq!(faults, None);
    }

    pub async fn location_id(&self, erp_code: &str) -> i64 {
        self.value("select id from stock_locations where erp_code = $1", erp_code.to_owned()).await
    }

    pub async fn state_id(&self, slug: &str) -> i64 {
        self.value("select id from states where entity = 'package' and slug = $1", slug.to_owned()).await
    }

    /// A location's quota.
    pub async fn quota(&self, erp_code: &str) -> i64 {
        self.value("select quota from stock_locations where erp_code = $1", erp_code.to_owned()).await
    }

    /// (quantity, reserved) of a SKU at a location; zeros where it was never counted.
    pub async fn stock(&self, erp_code: &str, sku: &str) -> (i64, i64) {
        sqlx::query_as(
            "select s.quantity, s.reserved from stocks s join stock_locations l on l.id = s.stock_location_id
              where l.erp_code = $1 and s.sku = $2",
        )
        .bind(erp_code)
        .bind(sku)
        .fetch_optional(self.pool())
        .await
        .expect("stock")
        .unwrap_or_default()
    }

    /// Every row of every table.
    pub async fn dump(&self) -> Dump {
        Dump::take(self.pool()).await
    }

    /// What an action answers that must not change a row of any table.
    pub async fn changes_nothing<T>(&self, action: impl Future<Output = T>) -> T {
        let before = self.dump().await;
        let answer = action.await;
        before.assert_same(&self.dump().await);
        answer
    }

    /// Waits for something that happens by itself.
    pub async fn until<T, F: Future<Output = Option<T>>>(&self, what: &str, mut look: impl FnMut() -> F) -> T {
        let looking = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        assert!(self.server.is_none() || std::thread::panicking(), "end the test with shop.finish()");
    }
}

/// Any address of this machine may be brought by a command.
pub fn on_this_machine() -> invoicing::Rules {
    invoicing::Rules::new(invoicing::Urls::Any, "127.0.0.0/8".parse().expect("a range"))
}

/// The makings of a client that stays on this machine.
pub fn client() -> reqwest::ClientBuilder {
    // A server in this process would have done so; where it is a process of its own, nobody has.
    rustls::crypto::ring::default_provider().install_default().ok();
    // It has no use for the certificates of this machine, which take long to read.
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}

/// Sends a request to the server, and compares it and its answer with the document.
pub async fn send(request: reqwest::RequestBuilder) -> Reply {
    send_and_check(request, true).await
}

/// Sends a request in a form that the server takes though it is not documented; its answer is.
pub async fn send_loosely(request: reqwest::RequestBuilder) -> Reply {
    send_and_check(request, false).await
}

async fn send_and_check(request: reqwest::RequestBuilder, is_documented: bool) -> Reply {
    let (client, request) = request.build_split();
    let request = request.expect("a request");
    let asked = Asked::of(&request, is_documented);
    let reply = Reply::read(client.execute(request).await.expect("an answer")).await;
    contract::check(&asked, &reply.decoded());
    reply
}
