#![expect(clippy::disallowed_methods, reason = "the waiting thread is the test's own")]

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use std::{fs, process::Command, sync::atomic::AtomicBool, thread::sleep, time::Duration};

use sqlx::Connection as _;
use sqlx::PgConnection;

use super::{
    account::{Account, id},
    *,
};

mod ownership;
mod planted;

/// A folder for one test, which `postgres` may enter when the tests run as root.
fn temporary_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn settings(data_dir: impl Into<PathBuf>) -> ClusterSettings {
    ClusterSettings {
        data_dir: data_dir.into(),
        durability: Durability::None,
        extra: vec![("max_connections".to_owned(), "7".to_owned())],
    }
}

async fn value(cluster: &Cluster, database: &str, query: &'static str) -> String {
    let mut connection = cluster.superuser_options(database).connect().await.unwrap();
    let value = sqlx::query_scalar(query).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    value
}

fn postmaster(cluster: &Cluster) -> String {
    let text = fs::read_to_string(cluster.home.data().join("postmaster.pid")).unwrap();
    text.lines().next().unwrap().to_owned()
}

/// Kills a process and waits until it is gone, for a little.
fn kill(pid: &str) {
    let script = "kill -KILL $0 || exit 1; n=0
                  while kill -0 $0 2>/dev/null && [ $n -lt 500 ]; do n=$((n + 1)); sleep 0.01; done";
    assert!(Command::new("sh").args(["-c", script, pid]).status().unwrap().success());
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_stop_and_a_start() {
    let folder = temporary_folder();
    let settings = settings(folder.path().join("new/with space"));

    let cluster = Cluster::start(&settings).await.unwrap();
    cluster.ensure_database("shop \"1\"").await.unwrap();
    cluster.ensure_database("shop \"1\"").await.unwrap();
    let mut connection = cluster.connect_options("shop \"1\"").connect().await.unwrap();
    sqlx::query("create table t as select 'kept' as v").execute(&mut connection).await.unwrap();
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);

    let cluster = Cluster::start(&settings).await.unwrap();
    assert_eq!(value(&cluster, "shop \"1\"", "select v from t").await, "kept");
    assert_eq!(value(&cluster, "postgres", "show max_connections").await, "7");
    assert_eq!(value(&cluster, "postgres", "show data_checksums").await, "on");
    let mut by_url = PgConnection::connect(&cluster.url("shop \"1\"")).await.unwrap();
    let kept: String = sqlx::query_scalar("select v from t").fetch_one(&mut by_url).await.unwrap();
    assert_eq!(kept, "kept");
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);
}

#[tokio::test]
async fn the_last_one_out_stops_it() {
    let folder = temporary_folder();
    let settings = settings(folder.path());

    let (first, second) = tokio::join!(Cluster::start(&settings), Cluster::start(&settings));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(postmaster(&first), postmaster(&second));

    assert_eq!(first.stop().await.unwrap(), Stopped::StillUsed);
    assert_eq!(value(&second, "postgres", "select 'up'").await, "up");
    assert_eq!(second.stop().await.unwrap(), Stopped::Down);
    assert!(!folder.path().join("data/postmaster.pid").exists());
}

#[tokio::test]
async fn what_somebody_started_by_hand_is_left_running() {
    let folder = temporary_folder();
    let settings = settings(folder.path());
    let cluster = Cluster::start(&settings).await.unwrap();
    let home = Arc::clone(&cluster.home);
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);

    home.account.make_private_folder(&home.new_address().socket_dir).unwrap();
    let by_hand = |verb: &str| {
        let options = format!("-k '{}'", home.new_address().socket_dir.display());
        let log = home.folder.join("by-hand.log");
        let mut command = home.pg_ctl(verb);
        command.arg("-o").arg(options).arg("-l").arg(home.open_log().unwrap());
        command.stdout(File::create(log).unwrap()).status().unwrap().success()
    };
    assert!(by_hand("start"));
    let cluster = Cluster::start(&settings).await.unwrap();
    assert_eq!(value(&cluster, "postgres", "show max_connections").await, "100");
    assert_eq!(cluster.stop().await.unwrap(), Stopped::StartedByHand);
    assert!(by_hand("stop"));
}

#[tokio::test]
async fn a_killed_postgres_starts_again() {
    let folder = temporary_folder();
    let settings = settings(folder.path());
    let killed = Cluster::start(&settings).await.unwrap();
    kill(&postmaster(&killed));

    let cluster = Cluster::start(&settings).await.unwrap();
    assert_eq!(value(&cluster, "postgres", "select 'up'").await, "up");

    // Its number goes to a stranger who belongs to the same user.
    let mut sleeper = Command::new("sleep");
    cluster.home.account.put_on(&mut sleeper);
    let mut sleeper = sleeper.arg("60").spawn().unwrap();
    let pid = postmaster(&cluster);
    kill(&pid);
    let file = folder.path().join("data/postmaster.pid");
    for file in [file, cluster.socket_dir().join(".s.PGSQL.5432.lock")] {
        let text = fs::read_to_string(&file).unwrap().replace(&pid, &sleeper.id().to_string());
        fs::write(&file, text).unwrap();
    }
    let third = Cluster::start(&settings).await.unwrap();
    sleeper.kill().unwrap();
    sleeper.wait().unwrap();
    assert_eq!(value(&third, "postgres", "select 'up'").await, "up");

    third.restart_immediate().await.unwrap();
    assert_eq!(value(&third, "postgres", "select 'up'").await, "up");
    assert_eq!(killed.stop().await.unwrap(), Stopped::StillUsed);
    assert_eq!(third.stop().await.unwrap(), Stopped::StillUsed);
    drop(cluster);
    assert!(!folder.path().join("data/postmaster.pid").exists());
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_gets_a_short_one() {
    let folder = temporary_folder();
    let settings = settings(folder.path().join("long, ".repeat(30) + "and with commas"));
    let cluster = Cluster::start(&settings).await.unwrap();
    let socket_dir = cluster.socket_dir().to_owned();
    assert!(socket_dir.starts_with("/tmp"));
    assert_eq!(value(&cluster, "postgres", "select 'up'").await, "up");
    assert_eq!(cluster.stop().await.unwrap(), Stopped::Down);
    assert!(!socket_dir.exists());
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_nothing_running() {
    let folder = temporary_folder();
    let settings = settings(folder.path());
    for milliseconds in [200, 1500] {
        let patience = Duration::from_millis(milliseconds);
        let given_up = tokio::time::timeout(patience, Cluster::start(&settings)).await;
        drop(given_up);
        let (home, account) = open_folder(folder.path()).unwrap();
        let _turn = take_turn(&home, &account, &AtomicBool::new(false)).unwrap();
        sleep(Duration::from_millis(500));
        let ps = Command::new("ps").args(["-eo", "args="]).output().unwrap();
        let ps = String::from_utf8_lossy(&ps.stdout).into_owned();
        assert!(!ps.contains(home.to_str().unwrap()), "{ps}");
    }
}

#[test]
fn a_major_version_that_is_not_here_is_named() {
    let folder = temporary_folder();
    fs::write(folder.path().join("PG_VERSION"), "9\n").unwrap();
    let account = Account::for_cluster(Path::new("/nowhere")).unwrap();
    let error = find_binaries(folder.path(), &account).unwrap_err().to_string();
    assert!(error.contains("was made by Postgres 9") && error.contains("install postgresql-9"), "{error}");
}

#[test]
fn a_closed_folder_is_named_with_the_remedy() {
    let folder = temporary_folder();
    let closed = folder.path().join("closed");
    fs::create_dir_all(closed.join("inner/data.old")).unwrap();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    // An ordinary user runs Postgres as themselves, and may enter.
    if id(&["-u"]).unwrap() == Some(0) {
        let error = open_folder(&closed.join("inner")).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{} is closed", closed.display())), "{error}");
        assert!(error.contains("OMS_DATA_DIR="), "{error}");
    }
}
