//! Migrations and checked queries are compiled in: a change of either means compiling again, which cargo would not see.
//!
//! The commit is compiled in, too, for `oms --version`: `OMS_COMMIT`, where there is no git (an archive of the source, an
//! image), else what git says. While one develops it is not asked for: it would have each commit compile everything again.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-changed=.sqlx");
    println!("cargo:rerun-if-env-changed=OMS_COMMIT");
    let given = env::var("OMS_COMMIT").ok().map(|commit| commit.trim().to_owned()).filter(|commit| !commit.is_empty());
    let is_for_use = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if let Some(commit) = given.or_else(|| is_for_use.then(commit_of_git).flatten()) {
        // It is printed and logged.
        let commit: String = commit.chars().filter(char::is_ascii_graphic).take(40).collect();
        println!("cargo:rustc-env=OMS_COMMIT_BUILT={commit}");
    }
}

/// The first digits of the commit that is checked out. It is asked again when another one is.
fn commit_of_git() -> Option<String> {
    // This crate may lie, as an archive, in somebody else's checkout.
    git(&["ls-files", "--error-unmatch", "build.rs"])?;
    // What does not exist would be looked for, in vain, at each build.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(file) = git(&["rev-parse", "--git-path", name]).filter(|file| Path::new(file).exists()) {
            println!("cargo:rerun-if-changed={file}");
        }
    }
    git(&["rev-parse", "--short=12", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
