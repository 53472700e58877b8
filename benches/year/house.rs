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
        let packages = self
            .share(orders, |house, order| async move {
                let answer = house.post("/orders/", &order).await?;
                Ok(answer["packages"].as_array().into_iter().flatten().filter_map(Package::read).collect::<Vec<_>>())
            })
            .await?;
        Ok((packages.into_iter().flatten().collect(), began.elapsed()))
    }

    /// All connections take their work from one queue until it is empty.
    async fn share<Task, Done, Working>(
        self: &Arc<Self>,
        tasks: Vec<Task>,
        work: impl Fn(Arc<Self>, Task) -> Working + Clone + Send + 'static,
    ) -> Result<Vec<Done>, Failure>
    where
        Task: Send + 'static,
        Done: Send + 'static,
        Working: Future<Output = Result<Done, Failure>> + Send,
    {
        let queue = Arc::new(Mutex::new(tasks.into_iter()));
        let mut connections = tokio::task::JoinSet::new();
        for _ in 0..CUSTOMERS {
            let (house, queue, work) = (Arc::clone(self), Arc::clone(&queue), work.clone());
            connections.spawn(async move {
                let mut done = Vec::new();
                loop {
                    let next = queue.lock().await.next();
                    let Some(task) = next else { return Ok::<_, Failure>(done) };
                    done.push(work(Arc::clone(&house), task).await?);
                }
            });
        }
        let mut all = Vec::new();
        while let Some(done) = connections.join_next().await {
            all.extend(done??);
        }
        Ok(all)
    }

    /// Runs commands in lists; for each whether it succeeded.
    pub(crate) async fn command(&self, commands: &[Value]) -> Result<Vec<bool>, Failure> {
        let mut done = Vec::with_capacity(commands.len());
        for list in commands.chunks(LIST) {
            let results = self.post("/packages/commands/", &json!(list)).await?;
            let results = results.as_array().ok_or("no list of results")?;
            done.extend(results.iter().map(|result| result["status_code"].as_u64().is_some_and(|code| code < 300)));
        }
        Ok(done)
    }

    /// Runs each transfer's commands one after the other, the transfers over all connections at once.
    pub(crate) async fn transfer(self: &Arc<Self>, transfers: Vec<(i64, Vec<Value>)>) -> Result<(), Failure> {
        let run = |house: Arc<Self>, (id, commands): (i64, Vec<Value>)| async move {
            for command in commands {
                house.post(&format!("/transfer_orders/{id}/command/"), &command).await?;
            }
            Ok(())
        };
        self.share(transfers, run).await.map(drop)
    }

    /// Packages in a state, at most so many.
    pub(crate) async fn packages(&self, state: &str, most: usize) -> Result<Vec<Package>, Failure> {
        let packages = self.all("/packages/", state, most).await?;
        Ok(packages.iter().filter_map(Package::read).collect())
    }

    /// Ids of transfers in a state, at most so many.
    pub(crate) async fn transfers(&self, state: &str, most: usize) -> Result<Vec<i64>, Failure> {
        let transfers = self.all("/transfer_orders/short/", state, most).await?;
        Ok(transfers.iter().filter_map(|transfer| transfer["id"].as_i64()).collect())
    }

    /// What a list has in a state, page by page.
    async fn all(&self, list: &str, state: &str, most: usize) -> Result<Vec<Value>, Failure> {
        let mut all = Vec::new();
        for page in 1..=most.div_ceil(100) {
            let mut answer = self.get(&format!("{list}?state__enum_value={state}&limit=100&page={page}")).await?;
            let Value::Array(results) = answer["results"].take() else { return Err("a page without results".into()) };
            all.extend(results);
            if answer["next"].is_null() {
                break;
            }
        }
        Ok(all)
    }

    /// How many objects of a list, `packages` or `transfer_orders`, are in a state.
    pub(crate) async fn count(&self, list: &str, state: &str) -> Result<u64, Failure> {
        let answer = self.get(&format!("/{list}/short/?state__enum_value={state}&limit=1")).await?;
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
