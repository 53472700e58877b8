//! A shop with its server, as its clients see it.

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::{process::Command, sync::Mutex};

use crate::{
    Failure,
    feed::Feed,
    support::{Postgres, Server},
};

/// Connections that send orders.
const CUSTOMERS: usize = 16;
/// Most commands in a list.
pub(crate) const LIST: usize = 1000;

/// A database with an installation, stock and a running server.
pub(crate) struct House {
    server: Server,
    http: reqwest::Client,
    token: String,
    url: String,
    database: String,
}

/// A package as an order's answer shows it.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    pub id: i64,
    pub state: String,
    pub items: Vec<i64>,
}

/// Runs `oms` and returns what it printed.
async fn oms(database: &str, args: &[&str]) -> Result<String, Failure> {
    let output = Command::new(env!("CARGO_BIN_EXE_oms")).args(args).env("DATABASE_URL", database).output().await?;
    if !output.status.success() {
        return Err(format!("oms {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim()).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| "a path that is no text".into())
}

impl House {
    /// Builds it: standard workflow, the feed's places and stock, a user.
    pub(crate) async fn build(postgres: &Postgres, feed: &mut Feed) -> Result<Self, Failure> {
        postgres.ensure_database("year").await?;
        let database = postgres.url("year");
        let folder = postgres.folder();
        let (standard, places, stock) =
            (folder.join("standard.toml"), folder.join("places.toml"), folder.join("stock.csv"));
        fs::write(&standard, include_str!("../../installations/standard.toml"))?;
        fs::write(&places, feed.places())?;
        fs::write(&stock, feed.stock())?;
        oms(&database, &["migrate"]).await?;
        oms(&database, &["install", text(&standard)?, text(&places)?]).await?;
        oms(&database, &["stock", "import", text(&stock)?]).await?;
        oms(&database, &["user", "add", "year", "--role", "admin"]).await?;
        let token = oms(&database, &["token", "issue", "year"]).await?;
        let server = Server::start(postgres, &database, &[]).await?;
        let url = format!("http://{}/api/v1/oms", server.address);
        // reqwest asks for one although nothing here is encrypted; a second one is refused, and the first does.
        rustls::crypto::ring::default_provider().install_default().ok();
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_mins(2)).build()?;
        Ok(Self { server, http, token, url, database })
    }

    /// Where the server's processor time is read.
    pub(crate) fn process_id(&self) -> u32 {
        self.server.process_id
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, Failure> {
        let response = request.header("Authorization", format!("Token {}", self.token)).send().await?;
        let status = response.status();
        let body = response.text().await?;
        if !status.is_success() {
            return Err(format!("{status}: {body}").into());
        }
        Ok(serde_json::from_str(&body)?)
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(self.http.get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.send(self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// Sends orders, one a request, over all connections at once; their packages, and how long it took.
    pub(crate) async fn order(self: &Arc<Self>, orders: Vec<Value>) -> Result<(Vec<Package>, Duration), Failure> {
        let began = Instant::now();
        let queue = Arc::new(Mutex::new(orders.into_iter()));
        let mut customers = tokio::task::JoinSet::new();
        for _ in 0..CUSTOMERS {
            let (house, queue) = (Arc::clone(self), Arc::clone(&queue));
            customers.spawn(async move {
                let mut packages = Vec::new();
                loop {
                    let next = queue.lock().await.next();
                    let Some(order) = next else { return Ok::<_, Failure>(packages) };
                    let answer = house.post("/orders/", &order).await?;
                    packages.extend(answer["packages"].as_array().into_iter().flatten().filter_map(Package::read));
                }
            });
        }
        let mut packages = Vec::new();
        while let Some(done) = customers.join_next().await {
            packages.extend(done??);
        }
        Ok((packages, began.elapsed()))
    }

    /// Runs commands in lists; how many succeeded.
    pub(crate) async fn command(&self, commands: &[Value]) -> Result<u64, Failure> {
        let mut done = 0;
        for list in commands.chunks(LIST) {
            let results = self.post("/packages/commands/", &json!(list)).await?;
            let results = results.as_array().ok_or("no list of results")?;
            done +=
                results.iter().filter(|result| result["status_code"].as_u64().is_some_and(|code| code < 300)).count();
        }
        Ok(u64::try_from(done)?)
    }

    /// Packages in a state, at most so many.
    pub(crate) async fn packages(&self, state: &str, most: usize) -> Result<Vec<Package>, Failure> {
        let mut packages = Vec::new();
        for page in 1..=most.div_ceil(100) {
            let answer = self.get(&format!("/packages/?state__enum_value={state}&limit=100&page={page}")).await?;
            packages.extend(answer["results"].as_array().into_iter().flatten().filter_map(Package::read));
            if answer["next"].is_null() {
                break;
            }
        }
        Ok(packages)
    }

    /// How many packages are in a state.
    pub(crate) async fn count(&self, state: &str) -> Result<u64, Failure> {
        let answer = self.get(&format!("/packages/short/?state__enum_value={state}&limit=1")).await?;
        Ok(answer["count"].as_u64().unwrap_or_default())
    }

    /// Stops the server and proves that everything is in order.
    pub(crate) async fn finish(self: Arc<Self>) -> Result<(), Failure> {
        let house = Arc::into_inner(self).ok_or("somebody still uses the house")?;
        house.server.stop().await?;
        oms(&house.database, &["verify"]).await.map(drop)
    }
}

impl Package {
    pub(crate) fn read(package: &Value) -> Option<Self> {
        let items = package["packageitem_set"].as_array()?;
        Some(Self {
            id: package["id"].as_i64()?,
            state: package["state"]["enum_value"].as_str()?.to_owned(),
            items: items.iter().filter_map(|item| item["id"].as_i64()).collect(),
        })
    }
}
