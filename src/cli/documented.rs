//! Every command line in the documents is one that this program takes.

use clap::Parser as _;

use super::Cli;

const DOCUMENTS: [(&str, &str); 4] = [
    ("README.md", include_str!("../../README.md")),
    ("CONTRIBUTING.md", include_str!("../../CONTRIBUTING.md")),
    ("docs/operating.md", include_str!("../../docs/operating.md")),
    ("docker-compose.yml", include_str!("../../docker-compose.yml")),
];

/// The words after `oms` of a line of a shell, up to a comment, a redirection or the next command; none where the line
/// runs something else. `cargo run … --` and `docker compose exec oms` stand before it in some.
fn words_after_oms(line: &str) -> Option<Vec<String>> {
    let line = line.trim_start_matches(['#', '$', ' ']);
    let after = ["oms ", "docker compose exec oms oms ", "cargo run --release -- ", "cargo run -- "]
        .iter()
        .find_map(|beginning| line.strip_prefix(beginning))?;
    let mut words = Vec::new();
    let mut word = String::new();
    let mut is_quoted = false;
    for character in after.chars() {
        match character {
            '\'' => is_quoted = !is_quoted,
            '#' | '>' | '<' | '|' | '&' if !is_quoted => break,
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            _ => word.push(character),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    Some(words)
}

/// The lines of a document that stand in a block of a shell.
fn lines_of_shells(document: &str) -> Vec<&str> {
    let mut block = "";
    let mut lines = Vec::new();
    for line in document.lines() {
        if let Some(language) = line.strip_prefix("```") {
            block = language;
        // In the other lines of a console are answers.
        } else if block == "sh" || block == "console" && line.starts_with('$') || line.starts_with("#   ") {
            lines.push(line);
        }
    }
    lines
}

#[test]
fn every_command_line_of_the_documents_is_understood() {
    let mut seen = 0;
    for (name, document) in DOCUMENTS {
        for words in lines_of_shells(document).into_iter().filter_map(words_after_oms) {
            let parsed = Cli::try_parse_from(std::iter::once("oms".to_owned()).chain(words.clone()));
            assert!(parsed.is_ok(), "{name}: oms {}: {}", words.join(" "), parsed.unwrap_err());
            seen += 1;
        }
    }
    assert!(seen > 25, "only {seen} were found: do the documents still have their form?");
}
