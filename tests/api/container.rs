//! The files that start the server in containers: what they must say, and the script that makes the server's role.

use std::{path::Path, process::Command};

use oms::embedded::{Cluster, ClusterSettings, Durability};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::support::watched_folder;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The services of the compose file, each with its lines.
fn services(compose: &str) -> Vec<(&str, &str)> {
    let (_, rest) = compose.split_once("\nservices:\n").expect("services");
    let (services, _) = rest.split_once("\nvolumes:\n").expect("volumes");
    let is_name = |line: &str| line.starts_with("  ") && !line.starts_with("   ") && !line.trim().starts_with('#');
    let mut begins: Vec<usize> = Vec::new();
    let mut at = 0;
    for line in services.split_inclusive('\n') {
        if is_name(line) && line.trim_end().ends_with(':') {
            begins.push(at);
        }
        at += line.len();
    }
    let ends = begins.iter().skip(1).copied().chain([services.len()]);
    begins
        .iter()
        .zip(ends)
        .map(|(begin, end)| {
            let (name, lines) = services[*begin..end].split_once(":\n").expect("a name");
            (name.trim(), lines)
        })
        .collect()
}

/// A release changes the version of Cargo.toml; whoever forgets the package's gets told.
#[test]
fn the_debian_package_has_the_version_of_the_program() {
    let begins = concat!("oms (", env!("CARGO_PKG_VERSION"), "-1) ");
    assert!(file("dist/debian/changelog").starts_with(begins), "dist/debian/changelog does not begin with {begins}");
}

#[test]
fn the_compose_file_has_no_password_and_bounds_every_service() {
    let compose = file("docker-compose.yml");
    let services = services(&compose);
    assert_eq!(services.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["postgres", "role", "oms"]);
    for (name, lines) in &services {
        for word in ["mem_limit:", "pids_limit:", "read_only: true", "cap_drop:\n      - ALL", "no-new-privileges:true"]
        {
            assert!(lines.contains(word), "{name} lacks {word}");
        }
        for password in lines.match_indices("PASSWORD: ").map(|(at, _)| lines[at..].lines().next().expect("a line")) {
            assert!(password.contains("${POSTGRES_PASSWORD:?"), "{name}: {password}");
        }
    }
    assert_eq!(compose.matches("${POSTGRES_PASSWORD:?").count(), 3, "each use, and no default");
    assert!(!compose.contains("PASSWORD:-"), "no default");
    assert!(!compose.contains("POSTGRES_USER"), "the server's role is not the one that initdb makes");
}

#[test]
fn the_compose_file_hands_every_setting_of_a_server_on() {
    let compose = file("docker-compose.yml");
    let (_, lines) = services(&compose).pop().expect("the server");
    let command = oms::cli::command();
    let serve = command.find_subcommand("serve").expect("serve");
    let settings = command.get_arguments().chain(serve.get_arguments()).filter_map(clap::Arg::get_env);
    let settings: Vec<String> = settings.map(|name| name.to_string_lossy().into_owned()).collect();
    assert!(settings.len() > 30, "{settings:?}");
    // The image says where it listens, and has no Postgres.
    let fixed = ["OMS_LISTEN", "OMS_DATA_DIR"];
    for name in settings.iter().map(String::as_str).chain(["OMS_LOG_FORMAT", "RUST_LOG"]) {
        assert!(fixed.contains(&name) || lines.contains(&format!("\n      {name}:")), "{name} is not handed on");
    }
}

#[test]
fn every_image_is_named_by_its_digest() {
    let (compose, dockerfile) = (file("docker-compose.yml"), file("Dockerfile"));
    let lines = compose.lines().filter(|line| line.contains("${POSTGRES_IMAGE:-"));
    let arguments = dockerfile.lines().filter(|line| line.starts_with("ARG") && line.contains("_IMAGE="));
    let images: Vec<&str> = lines.chain(arguments).collect();
    assert_eq!(images.len(), 3, "{images:?}");
    for image in images {
        let (_, digest) = image.split_once("@sha256:").unwrap_or_else(|| panic!("{image}: by its tag alone"));
        let digest = digest.trim_end_matches('}');
        assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{image}");
    }
    for from in dockerfile.lines().filter(|line| line.starts_with("FROM")) {
        assert!(from.starts_with("FROM ${"), "{from}");
    }
    for image in compose.lines().filter(|line| line.trim().starts_with("image:")) {
        assert!(image.contains("*postgres-image") || image.contains("${OMS_IMAGE:-oms}"), "{image}");
    }
}

/// Runs the script as the service `role` does.
fn make_role(cluster: &Cluster) {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["docker/make-role.sh", "src/embedded/ownership.sql"] {
        let to = folder.path().join(Path::new(name).file_name().expect("a name"));
        std::fs::write(to, file(name)).expect("copied");
    }
    let path = format!("{}:{}", cluster.bin_dir().display(), std::env::var("PATH").expect("a PATH"));
    let output = Command::new("sh")
        .arg(folder.path().join("make-role.sh"))
        .env("PATH", path)
        .env("PGHOST", cluster.socket_dir())
        .env("POSTGRES_PASSWORD", "it's \"long\" and $random\\")
        .output()
        .expect("sh");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

async fn run(cluster: &Cluster, role: &str, database: &str, sql: &'static str) -> Result<(), sqlx::Error> {
    let options = cluster.superuser_options(database).username(role);
    let mut connection: sqlx::PgConnection = options.connect().await?;
    let done = sqlx::raw_sql(sql).execute(&mut connection).await.map(drop);
    connection.close().await?;
    done
}

#[tokio::test]
async fn the_role_that_compose_makes_owns_its_database_and_is_no_superuser() {
    let (folder, _watcher) = watched_folder(&std::env::temp_dir());
    let settings =
        ClusterSettings { data_dir: folder.join("postgres"), durability: Durability::None, extra: Vec::new() };
    let cluster = Cluster::start(&settings).await.expect("Postgres starts");
    // As compose left it before: the one role is `oms`, a superuser.
    for (role, sql) in [
        ("postgres", "create role other superuser login"),
        ("other", "alter role postgres rename to oms"),
        ("oms", "drop role other"),
        ("oms", "create database oms"),
    ] {
        run(&cluster, role, "postgres", sql).await.expect(sql);
    }
    run(&cluster, "oms", "oms", "create table kept as select 1 as n").await.expect("a table");
    for _ in 0..2 {
        make_role(&cluster);
        run(
            &cluster,
            "oms",
            "oms",
            "alter table kept add more int; create table new (n int); drop table new; \
                                     alter table kept drop more",
        )
        .await
        .expect("its own");
        let refused = run(&cluster, "oms", "oms", "copy (select 1) to program 'true'").await.expect_err("no superuser");
        let code = refused.as_database_error().and_then(|error| error.code().map(std::borrow::Cow::into_owned));
        assert_eq!(code.as_deref(), Some("42501"));
        let no_password = "do $$ begin assert (select rolpassword is null from pg_authid where rolname = 'postgres'); \
                           assert (select rolpassword is not null from pg_authid where rolname = 'oms'); end $$";
        run(&cluster, "postgres", "postgres", no_password).await.expect("the superuser has no password");
    }
    cluster.stop().await.expect("it stops");
}
