//! A backup that is restored as `docs/operating.md` says: its own commands, run on this test's Postgres.

use std::{
    fs::File,
    path::Path,
    process::{Command, Stdio},
};

use reqwest::Method;
use serde_json::json;

use crate::support::{Database, Shop, send};

const OPERATING: &str = include_str!("../../docs/operating.md");
/// What stands before a command that is run where Postgres is.
const IN_CONTAINER: &str = "docker compose exec -T postgres ";

/// The commands of a section of the document that are run where Postgres is, in order.
fn commands(section: &str) -> Vec<&'static str> {
    let (_, rest) = OPERATING.split_once(&format!("## {section}\n")).expect(section);
    let text = rest.split("\n## ").next().unwrap_or_default();
    text.lines().filter_map(|line| line.strip_prefix(IN_CONTAINER)).collect()
}

/// Runs such a command on `database` instead of `oms`, with `dump` instead of its file.
fn run(command: &str, database: &str, dump: &Path) {
    let (socket_dir, bin_dir) = (Database::socket_dir(), Database::bin_dir());
    let (words, input, output) = match (command.split_once(" < "), command.split_once(" > ")) {
        (Some((words, _)), _) => (words, Stdio::from(File::open(dump).expect("a dump")), Stdio::null()),
        (_, Some((words, _))) => (words, Stdio::null(), Stdio::from(File::create(dump).expect("a file"))),
        _ => (command, Stdio::null(), Stdio::null()),
    };
    let mut words = words.split(' ').peekable();
    let program = bin_dir.join(words.next().expect("a program"));
    let mut arguments = Vec::new();
    while let Some(word) = words.next() {
        arguments.push(if word == "oms" { database } else { word });
        // The role is called as the database is.
        if ["--owner", "--role"].contains(&word) {
            arguments.extend(words.next());
        }
    }
    let ended = Command::new(&program)
        .args(&arguments)
        .env("PGHOST", socket_dir)
        .stdin(input)
        .stdout(output)
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    assert!(ended.status.success(), "{command}: {}", String::from_utf8_lossy(&ended.stderr));
}

#[tokio::test]
async fn a_backup_is_restored_as_the_document_says_and_everything_is_in_order() {
    let shop = Shop::open().await;
    let packed = shop.package().await;
    packed.run("COMPLETE_PACKING").await.ok();
    let waiting = shop.package().await;
    let folder = tempfile::tempdir().expect("a folder");
    let dump = folder.path().join("oms.dump");
    let restored = format!("{}_restored", shop.database_name());

    let all = commands("Backup and restore");
    assert_eq!(all.iter().filter(|command| command.starts_with("pg_dump ")).count(), 1, "{all:?}");
    for command in all {
        let database = if command.starts_with("pg_dump ") { shop.database_name() } else { &restored };
        run(command, database, &dump);
    }

    let url = shop.database_url("oms").replace(shop.database_name(), &restored);
    let (code, output, error) = shop.oms_at(&url, &["verify"]).await;
    assert_eq!(code, 0, "{output}{error}");
    // It is a copy until it is said to be the shop.
    let (code, output, error) = shop.oms_at(&url, &["adopt"]).await;
    assert_eq!(code, 0, "{output}{error}");
    // What was packed is packed, and what waited goes on, with the tokens from before.
    let server = shop.server_by(&url).await;
    let packages =
        send(shop.request_as("admin", Method::GET, &format!("{}/api/v1/oms/packages/", server.url))).await.ok();
    assert_eq!(packages["count"], 2);
    let command = json!({ "slug": "package__complete_packing__waiting__packed" });
    let address = format!("{}/api/v1/oms/packages/{}/command/", server.url, waiting.id);
    send(shop.request_as("admin", Method::POST, &address).json(&command)).await.ok();
    server.stop().await;
    run("dropdb --username postgres --force oms", &restored, &dump);
    shop.finish().await;
}
