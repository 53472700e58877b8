//! One throwaway Postgres a test process, and a database of its own for each test.
//!
//! The first test that asks starts the cluster and makes a template database: migrated, with the standard
//! installation, the shop of `shop.toml` and its users. Every test then has a copy of the template.
//!
//! libtest ends a process without a word, and may be killed. So a small `sh` waits for the end of a pipe that only
//! this process holds open; then it stops Postgres and removes the folder, however this process ended.

use std::{
    collections::HashMap,
    io,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use oms::{
    audit::{self, Actor},
    auth::{self, NewToken, Role},
    commands,
    db::{self, PgPool},
    embedded::{Cluster, ClusterSettings, Durability},
    installation::{apply, check, read::Installation},
};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, postgres::PgConnectOptions};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc, oneshot};

/// The installation every shop begins with.
pub const STANDARD: &str = include_str!("../../../installations/standard.toml");
/// Its locations, scenario and carriers.
pub const SHOP: &str = include_str!("shop.toml");
/// Scenarios that bring the orders of the channel `gather` together at one location.
pub const TRANSFERS: &str = include_str!("transfers.toml");

/// The role of servers.
const OWNER: &str = "oms";
/// Migrated, with users; nothing installed.
const BARE: &str = "oms_bare";
/// With the standard installation and the shop.
const TEMPLATE: &str = "oms_template";
/// Each shop has two small pools, a listener and now and then a subprocess: see `max_connections`.
const MOST_SHOPS_AT_ONCE: usize = 12;
const MAX_CONNECTIONS: &str = "400";

static SHOPS: Semaphore = Semaphore::const_new(MOST_SHOPS_AT_ONCE);
static NEXT: AtomicU32 = AtomicU32::new(1);

/// The cluster with its template.
pub struct Home {
    cluster: Cluster,
    administrator: Administrator,
    /// Token of each user of the template.
    pub tokens: HashMap<&'static str, String>,
    _watcher: Child,
}

/// Makes and drops the databases of all tests, by one connection. A connection belongs to the runtime that opened it, and
/// every test has its own; so this one is on a thread of its own.
struct Administrator {
    statements: mpsc::UnboundedSender<(String, oneshot::Sender<()>)>,
}

impl Administrator {
    fn start(options: PgConnectOptions) -> Self {
        let (statements, mut queue) = mpsc::unbounded_channel::<(String, oneshot::Sender<()>)>();
        let work = async move {
            let mut connection = options.connect().await.expect("the test Postgres answers");
            while let Some((statement, done)) = queue.recv().await {
                sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.expect("an administrator may");
                done.send(()).ok();
            }
        };
        std::thread::spawn(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work);
        });
        Self { statements }
    }

    async fn run(&self, statement: String) {
        let (done, is_done) = oneshot::channel();
        self.statements.send((statement, done)).expect("the administrator works");
        is_done.await.expect("the administrator works");
    }
}

/// A database of a test's own.
pub struct Database {
    pub name: String,
    pub url: String,
    pub pool: PgPool,
    _place: SemaphorePermit<'static>,
}

impl Database {
    /// A copy of the template; a bare one has users and nothing else.
    pub async fn create(bare: bool) -> Self {
        let place = SHOPS.acquire().await.expect("never closed");
        let home = home();
        let name = format!("shop_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        copy(&home.administrator, if bare { BARE } else { TEMPLATE }, &name).await;
        // Not named as a server's, so that a test can tell them apart. A superuser's, which servers are not: a test may
        // break what no server can.
        let options = home.cluster.superuser_options(&name).application_name("test");
        let pool = db::connect(options, 4).await.expect("connect");
        Self { url: home.cluster.url(&name), name, pool, _place: place }
    }

    /// What a dump of another time holds, as it was then: not migrated.
    pub async fn restored(dump: &str) -> Self {
        let place = SHOPS.acquire().await.expect("never closed");
        let Home { cluster, administrator, .. } = home();
        let name = format!("shop_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        administrator.run(format!("create database {name}")).await;
        let options = cluster.superuser_options(&name).application_name("test");
        // By a connection of its own: the dump changes its settings.
        let mut connection = options.connect().await.expect("connect");
        sqlx::raw_sql(AssertSqlSafe(dump.to_owned())).execute(&mut connection).await.expect("restore");
        connection.close().await.expect("close");
        // As with the data folder of a version before: it belongs to the superuser.
        cluster.ensure_database(&name).await.expect("the owner");
        let pool = db::connect(options, 4).await.expect("connect");
        Self { url: cluster.url(&name), name, pool, _place: place }
    }

    /// The folder of the socket of its Postgres.
    pub fn socket_dir() -> &'static Path {
        home().cluster.socket_dir()
    }

    /// The folder of the binaries of that Postgres.
    pub fn bin_dir() -> &'static Path {
        home().cluster.bin_dir()
    }

    /// A pool of its own for a server, whose role owns the database and is no superuser.
    pub async fn server_pool(&self) -> PgPool {
        db::connect_server(home().cluster.connect_options(&self.name), 8).await.expect("connect")
    }

    /// Frees its room.
    pub async fn discard(self) {
        self.pool.close().await;
        home().administrator.run(format!("drop database {} with (force)", self.name)).await;
    }
}

async fn copy(administrator: &Administrator, template: &str, name: &str) {
    let statement = format!("create database {name} template {template} strategy file_copy owner {OWNER}");
    administrator.run(statement).await;
}

/// The cluster of this process, started by whoever asks first.
pub fn home() -> &'static Home {
    static HOME: OnceLock<Home> = OnceLock::new();
    HOME.get_or_init(|| {
        // A runtime of its own: the caller's may have one thread only, which waits here.
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(start())
        })
        .join()
        .expect("the test Postgres starts")
    })
}

async fn start() -> Home {
    let memory = Path::new("/dev/shm");
    let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let (folder, watcher) = watched_folder(&parent);
    let settings = ClusterSettings {
        data_dir: folder.join("postgres"),
        durability: Durability::None,
        extra: [
            ("max_connections", MAX_CONNECTIONS),
            ("shared_buffers", "64MB"),
            ("autovacuum", "off"),
            // As for the connections of the server: without statistics a plan looks so expensive that it is compiled.
            ("jit", "off"),
            // Every connection runs a function as it begins: so it is loaded once, and not by each.
            ("shared_preload_libraries", "plpgsql"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
    };
    let cluster = Cluster::start(&settings).await.expect("the test Postgres starts");
    let mut tokens = HashMap::new();
    cluster.ensure_database(BARE).await.expect("the template");
    let pool = db::connect(cluster.connect_options(BARE), 2).await.expect("connect");
    db::migrate(&pool).await.expect("migrate");
    for (name, role) in [("admin", Role::Admin), ("erp", Role::Integrator), ("ops", Role::Operator)] {
        tokens.insert(name, add_user(&pool, name, role, &[]).await);
    }
    pool.close().await;
    let administrator = Administrator::start(cluster.superuser_options("postgres"));
    copy(&administrator, BARE, TEMPLATE).await;
    let pool = db::connect(cluster.connect_options(TEMPLATE), 2).await.expect("connect");
    apply::apply(&pool, &read_installation(&[STANDARD, SHOP])).await.expect("apply");
    tokens.insert("kadikoy", add_user(&pool, "kadikoy", Role::Store, &["KADIKOY".to_owned()]).await);
    add_stock(&pool).await;
    pool.close().await;
    Home { cluster, administrator, tokens, _watcher: watcher }
}

/// A user's token.
pub async fn add_user(pool: &PgPool, name: &str, role: Role, locations: &[String]) -> String {
    let mut transaction = audit::begin(pool, &Actor::Server("a test")).await.expect("connect");
    auth::create_user(&mut transaction, name, None, role, locations).await.expect("a user");
    let token = auth::issue_token(&mut transaction, name, &NewToken::default()).await.expect("a token");
    transaction.commit().await.expect("commit");
    token.key
}

async fn add_stock(pool: &PgPool) {
    let stock = "erp_code,sku,quantity\nKADIKOY,RED,100\nKADIKOY,BLUE,100\nKADIKOY,GREEN,100\n";
    let clerk = Actor::Server("tests");
    oms::stock::import::import(pool, clerk, stock.as_bytes(), |line, why| panic!("{line}: {why}"))
        .await
        .expect("stock");
}

/// Several texts as one installation.
pub fn read_installation(texts: &[&str]) -> Installation {
    let files: Vec<(&str, &str)> = texts.iter().map(|text| ("test.toml", *text)).collect();
    check::load(&files, commands::kinds()).unwrap_or_else(|problems| panic!("{problems:?}")).0
}

/// A new folder, and its watcher: when the watcher's input ends, the Postgres in `postgres/` is stopped, the processes
/// named in `*.pid` are killed, and the folder is removed.
pub fn watched_folder(parent: &Path) -> (PathBuf, Child) {
    let folder = new_folder(parent).expect("a folder for the test Postgres");
    let watcher = watch(&folder).expect("sh");
    (folder, watcher)
}

fn new_folder(parent: &Path) -> io::Result<PathBuf> {
    let made = tempfile::Builder::new().prefix("oms-tests-").tempdir_in(parent);
    let folder = made.or_else(|_| tempfile::Builder::new().prefix("oms-tests-").tempdir())?.keep();
    // Started as root, Postgres runs as another user, who must get to its folder.
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

const WATCH: &str = r#"
trap '' HUP INT TERM
cat > /dev/null
for server in "$0"/*.pid; do
    [ -e "$server" ] && kill -KILL "$(cat "$server")"
done
pid=$(head -n 1 "$0/postgres/data/postmaster.pid" 2> /dev/null)
if [ -n "$pid" ]; then
    kill -INT "$pid"
    while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
fi
rm -rf "$0"
"#;

fn watch(folder: &Path) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", WATCH])
        .arg(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C for the tests is not for the one that tidies up after them.
        .process_group(0)
        .spawn()
}
