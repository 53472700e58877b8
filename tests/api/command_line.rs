//! The command line as a whole: help that names what there is, rows as JSON, completions, manual pages, the version.

use std::collections::BTreeSet;

use clap::Command;
use serde_json::{Value, json};

use crate::{
    support::{SHOP, STANDARD, Shop},
    webhooks::subscribe,
};

/// Commands that print rows, and the keys of a row.
const ROWS: [(&str, &[&str]); 8] = [
    (
        "audit",
        &["id", "created_date", "actor_kind", "actor", "user_id", "kind", "object_id", "object", "action", "changes"],
    ),
    ("install --plan", &["section", "name", "change", "keys", "touches"]),
    ("installation diff", &["section", "name", "change", "keys", "touches"]),
    ("installation list", &["number", "applied_date", "applied_by", "summary"]),
    ("installation transitions", &["id", "slug", "command", "label"]),
    (
        "token list",
        &[
            "id",
            "user",
            "name",
            "key_prefix",
            "is_login",
            "created_date",
            "expires_date",
            "is_expired",
            "last_used_date",
        ],
    ),
    ("user list", &["username", "role", "is_active", "stock_locations", "tokens"]),
    ("webhooks list", &["id", "user", "event_type", "target_url", "state", "pause_reason", "failing_since", "pending"]),
];

/// Commands that print something else, or nothing.
const OTHERS: [&str; 27] = [
    "adopt",
    "completions",
    "demo",
    // Findings, of which some are faults.
    "doctor",
    "health",
    "installation export",
    "installation show",
    "man",
    "migrate",
    "orders import",
    "repair",
    "serve",
    "simulate-upstream",
    "stock adjust",
    "stock import",
    "token issue",
    "token revoke",
    "user add",
    "user disable",
    "user enable",
    "user passwd",
    "user remove",
    "user set",
    "verify",
    "webhooks replay",
    "webhooks resume",
    // A report of several tables: one object.
    "simulate",
];

/// Every command without commands below it, by its words.
fn leaves(command: &Command, words: &str) -> Vec<(String, Command)> {
    let mut found = Vec::new();
    for below in command.get_subcommands() {
        let words = format!("{words} {}", below.get_name()).trim().to_owned();
        let further = leaves(below, &words);
        if further.is_empty() {
            found.push((words, below.clone()));
        }
        found.extend(further);
    }
    found
}

fn takes_json(command: &Command) -> bool {
    command.get_arguments().any(|argument| argument.get_long() == Some("json"))
}

#[test]
fn each_command_that_prints_rows_can_print_json() {
    let rows: BTreeSet<&str> = ROWS.iter().map(|(words, _)| words.trim_end_matches(" --plan")).collect();
    for (words, command) in leaves(&oms::cli::command(), "") {
        let is_known = usize::from(rows.contains(&*words)) + usize::from(OTHERS.contains(&&*words));
        assert_eq!(is_known, 1, "say of `oms {words}` whether it prints rows: ROWS or OTHERS");
        if rows.contains(&*words) || words == "simulate" {
            assert!(takes_json(&command), "oms {words} --json");
        }
    }
}

#[test]
fn help_names_the_commands_that_there_are() {
    let command = oms::cli::command();
    for parent in command.get_subcommands().filter(|parent| parent.has_subcommands()) {
        let about = parent.get_about().expect("a text").to_string();
        for below in parent.get_subcommands() {
            let names: Vec<&str> = about.split(|letter: char| !letter.is_alphabetic()).collect();
            assert!(names.contains(&below.get_name()), "oms {} {}: {about}", parent.get_name(), below.get_name());
        }
    }
}

#[tokio::test]
async fn rows_are_the_same_as_text_and_as_json() {
    let shop = Shop::with_settings(|settings| settings.webhooks = crate::webhooks::settings()).await;
    subscribe(&shop, "http://127.0.0.1:9/x", "package.created").await;
    let folder = tempfile::tempdir().expect("a folder");
    let (standard, other) = (folder.path().join("standard.toml"), folder.path().join("shop.toml"));
    std::fs::write(&standard, STANDARD).expect("written");
    std::fs::write(&other, SHOP.replace("Kadıköy Store", "Moda Store")).expect("written");
    let (standard, other) = (standard.to_str().expect("a path"), other.to_str().expect("a path"));
    // A second installation, so that there are two to compare.
    let (code, _, said) = shop.oms(&["install", "--force", standard, other]).await;
    assert_eq!(code, 0, "{said}");
    std::fs::write(folder.path().join("shop.toml"), SHOP).expect("written");
    for (words, keys) in ROWS {
        let mut arguments: Vec<&str> = words.split(' ').collect();
        match words {
            "install --plan" => arguments.extend(["--force", standard, other]),
            "installation diff" => arguments.extend(["1", "2"]),
            _ => {}
        }
        let (code, text, said) = shop.oms(&arguments).await;
        assert_eq!(code, 0, "{words}: {said}");
        assert!(serde_json::from_str::<Value>(&text).is_err() && !text.is_empty(), "{words}: {text}");
        arguments.push("--json");
        let (code, printed, said) = shop.oms(&arguments).await;
        assert_eq!(code, 0, "{words}: {said}");
        let rows: Vec<serde_json::Map<String, Value>> =
            serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{words}: {error}: {printed}"));
        assert!(!rows.is_empty(), "{words}");
        for row in &rows {
            assert_eq!(row.keys().collect::<Vec<_>>(), keys, "{words}");
        }
    }
    // No secret is printed that the text does not have.
    let (_, tokens, _) = shop.oms(&["token", "list", "--json"]).await;
    assert!(!tokens.contains(Shop::token("admin")), "only the first digits");
    let (_, users, _) = shop.oms(&["user", "list", "--json"]).await;
    let users: Value = serde_json::from_str(&users).expect("JSON");
    let kadikoy = users.as_array().expect("rows").iter().find(|user| user["username"] == "kadikoy").expect("the store");
    assert_eq!((&kadikoy["role"], &kadikoy["is_active"]), (&json!("store"), &json!(true)));
    shop.finish().await;
}

#[tokio::test]
async fn completions_and_manual_pages_are_those_of_the_commands() {
    let shop = Shop::open().await;
    for (shell, mark) in [("bash", "complete -F _oms"), ("zsh", "#compdef oms"), ("fish", "complete -c oms")] {
        let (code, script, said) = shop.oms(&["completions", shell]).await;
        assert_eq!((code, said.as_str()), (0, ""), "{shell}");
        assert!(script.contains(mark) && script.contains("transitions"), "{shell}: {script}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("man1");
    let (code, _, said) = shop.oms(&["man", "--out", out.to_str().expect("a path")]).await;
    assert_eq!(code, 0, "{said}");
    let page = |name: &str| std::fs::read_to_string(out.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert!(page("oms.1").contains("oms\\-token(1)") || page("oms.1").contains("oms-token(1)"), "{}", page("oms.1"));
    for (words, _) in leaves(&oms::cli::command(), "") {
        assert!(page(&format!("oms-{}.1", words.replace(' ', "-"))).contains(".SH NAME"), "{words}");
    }
    // A file in the place of the folder.
    let (code, _, said) = shop.oms(&["man", "--out", out.join("oms.1").to_str().expect("a path")]).await;
    assert!(code == 1 && said.starts_with("oms: cannot write the pages into "), "{said}");
    shop.finish().await;
}

#[tokio::test]
async fn the_version_says_commit_and_schema() {
    let shop = Shop::open().await;
    let newest: i64 = shop.value("select max(version) from _sqlx_migrations where $1", true).await;
    let (code, text, _) = shop.oms(&["--version"]).await;
    let (version, rest) = text.trim_end().split_once(" (commit ").expect("a commit");
    assert_eq!((code, version), (0, concat!("oms ", env!("CARGO_PKG_VERSION"))));
    let (commit, schema) = rest.split_once(", schema ").expect("a schema");
    assert_eq!(schema, format!("{newest})"));
    // While one develops it is not compiled in, unless it is given.
    assert_eq!(commit, oms::version::COMMIT.unwrap_or("unknown"));
    shop.finish().await;
}
