//! The order of the floors, kept by a test that reads the imports of every file: see ARCHITECTURE.md.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// The floors from the lowest to the highest, each with its modules. A module imports from its own floor and from lower
/// ones.
const FLOORS: [(&str, &[&str]); 6] = [
    (
        "ground",
        &[
            "audit",
            "auth",
            "cause",
            "days",
            "db",
            "embedded",
            "error",
            "events",
            "export",
            "home",
            "kinds",
            "links",
            "logging",
            "metrics",
            "openapi",
            "outbound",
            "page",
            "reading",
            "record",
            "role",
            "scope",
            "secret",
            "seldom",
            "signature",
            "spelling",
            "tasks",
            "version",
            "wire",
            "workflow",
        ],
    ),
    (
        "records",
        &[
            "cargo",
            "catalog",
            "history",
            "invoicing",
            "locations",
            "orders",
            "packages",
            "payloads",
            "reasons",
            "scenarios",
            "stock",
            "transfers",
        ],
    ),
    (
        "engines",
        &[
            "commands",
            "installation",
            "inventory",
            "placing",
            "planning",
            "plans",
            "replanning",
            "simulation",
            "upstream",
            "verify",
            "webhooks",
        ],
    ),
    ("api", &["api", "app"]),
    ("server", &["server", "simulator"]),
    ("cli", &["cli", "config"]),
];
/// The modules that may use axum.
const KNOWS_AXUM: [&str; 3] = ["api", "server", "simulator"];
/// Most files that may import each other in a circle.
const LARGEST_CIRCLE: usize = 6;

/// What log macros may show as it is (`%`): our own words. Whatever others wrote is a value, or shown as code (`?`), so
/// that its beginning and its end are seen.
const SHOWN_AS_IT_IS: [&str; 9] =
    ["address", "cursor", "error", "failure", "fault", "method", "refusal", "file.display()", "folder.display()"];

/// The path of a module below the crate: `commands`, `dispatch`.
type Module = Vec<String>;

/// Every module with its file and its code, without tests and comments.
struct House {
    files: BTreeMap<Module, (String, String)>,
}

impl House {
    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = BTreeMap::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let name = path.strip_prefix(&root).expect("below src").to_str().expect("a name").to_owned();
                    let text = fs::read_to_string(&path).expect("a file");
                    files.insert(module_of(&name), (name, text));
                }
            }
        }
        let tests: BTreeSet<Module> = files.iter().flat_map(|(module, (_, text))| test_modules(module, text)).collect();
        files.retain(|module, (name, _)| {
            let is_test = (1..=module.len()).any(|depth| tests.contains(&module[..depth]));
            !is_test && !["lib.rs", "main.rs"].contains(&name.as_str())
        });
        for (_, text) in files.values_mut() {
            *text = code(text);
        }
        Self { files }
    }

    /// The file that a path names: that of its longest beginning that is a module.
    fn named(&self, path: &[String]) -> Option<Module> {
        (1..=path.len()).rev().map(|depth| path[..depth].to_vec()).find(|module| self.files.contains_key(module))
    }

    /// The modules that a module imports from.
    fn imports(&self, module: &Module) -> BTreeSet<Module> {
        let (_, text) = &self.files[module];
        let mut named = BTreeSet::new();
        for path in paths(text) {
            let supers = path.iter().take_while(|word| *word == "super").count();
            let base = match path[0].as_str() {
                "crate" => path[1..].to_vec(),
                "self" => [module, &path[1..]].concat(),
                "super" => [&module[..module.len().saturating_sub(supers)], &path[supers..]].concat(),
                child if self.files.contains_key(&[module.as_slice(), &[child.to_owned()]].concat()) => {
                    [module, path.as_slice()].concat()
                }
                _ => continue,
            };
            named.extend(self.named(&base).filter(|found| found != module));
        }
        named
    }

    fn file(&self, module: &Module) -> &str {
        &self.files[module].0
    }
}

fn module_of(name: &str) -> Module {
    let path = name.trim_end_matches(".rs");
    if path == "lib" {
        return Module::new();
    }
    path.strip_suffix("/mod").unwrap_or(path).split('/').map(str::to_owned).collect()
}

/// The modules that are declared for tests alone.
fn test_modules(module: &Module, text: &str) -> Vec<Module> {
    let lines: Vec<&str> = text.lines().collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]").filter_map(|pair| {
        let name = pair[1].strip_suffix(';')?.split_once("mod ")?.1;
        Some([module.as_slice(), &[name.to_owned()]].concat())
    });
    declared.collect()
}

/// The text without comments and without the tests at its end.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths that `use` names, and those in the code itself: `super::checks::require`, and `checks::require` of a child.
fn paths(text: &str) -> Vec<Module> {
    let mut found = Vec::new();
    let mut rest = String::new();
    let mut text = text;
    while let Some((before, after)) = text.split_once("use ") {
        let begins_line = before.rsplit('\n').next().is_some_and(|line| line.trim().is_empty() || line.contains("pub"));
        rest.push_str(before);
        text = after;
        if begins_line && let Some((tree, after)) = after.split_once(';') {
            leaves(&[], tree, &mut found);
            text = after;
        }
    }
    rest.push_str(text);
    let is_word = |c: char| c.is_alphanumeric() || "_:".contains(c);
    let words = rest.split(|c| !is_word(c)).filter(|word| word.contains("::") && !word.starts_with(':'));
    found.extend(words.map(|path| path.split("::").filter(|word| !word.is_empty()).map(str::to_owned).collect()));
    found
}

/// The paths of a tree of imports: `a::{b, c::d}` names `a::b` and `a::c::d`.
fn leaves(prefix: &[String], tree: &str, found: &mut Vec<Module>) {
    let tree = tree.trim();
    let (path, inner) = tree.split_once('{').map_or((tree, None), |(path, inner)| (path, inner.strip_suffix('}')));
    let words = path.split(" as ").next().unwrap_or_default().split("::").map(str::trim);
    let path: Module = prefix.iter().cloned().chain(words.filter(|word| !word.is_empty()).map(str::to_owned)).collect();
    let Some(inner) = inner else {
        if path.len() > prefix.len() {
            found.push(path);
        }
        return;
    };
    let (mut depth, mut begin) = (0, 0);
    for (at, sign) in inner.char_indices().chain([(inner.len(), ',')]) {
        match sign {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                leaves(&path, &inner[begin..at], found);
                begin = (at + 1).min(inner.len());
            }
            _ => {}
        }
    }
}

/// The height of a module, from 0.
fn floor(module: &Module) -> Option<usize> {
    FLOORS.iter().position(|(_, modules)| modules.contains(&module[0].as_str()))
}

#[test]
fn no_file_imports_from_a_floor_above_its_own() {
    let house = House::read();
    let mut wrong = Vec::new();
    for module in house.files.keys() {
        let Some(own) = floor(module) else {
            wrong.push(format!("{} stands on no floor: add `{}` to FLOORS", house.file(module), module[0]));
            continue;
        };
        for imported in house.imports(module) {
            if floor(&imported).is_some_and(|other| other > own) {
                wrong.push(format!("{} imports {}, which stands above it", house.file(module), house.file(&imported)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn only_few_files_import_each_other_in_a_circle() {
    let house = House::read();
    let imports: BTreeMap<&Module, BTreeSet<Module>> =
        house.files.keys().map(|module| (module, house.imports(module))).collect();
    let reached_from = |module: &Module| {
        let mut reached = BTreeSet::new();
        let mut ahead: Vec<&Module> = imports[module].iter().collect();
        while let Some(next) = ahead.pop() {
            if reached.insert(next) {
                ahead.extend(&imports[next]);
            }
        }
        reached
    };
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        imports.keys().map(|module| (*module, reached_from(module))).collect();
    for (module, ahead) in &reached {
        let circle: Vec<&str> =
            ahead.iter().filter(|other| reached[*other].contains(module)).map(|other| house.file(other)).collect();
        assert!(circle.len() <= LARGEST_CIRCLE, "these import each other in a circle: {}", circle.join(", "));
    }
}

#[test]
fn only_the_servers_know_axum() {
    let house = House::read();
    let knows: Vec<&str> = house
        .files
        .iter()
        .filter(|(module, (_, text))| text.contains("axum") && !KNOWS_AXUM.contains(&module[0].as_str()))
        .map(|(_, (name, _))| name.as_str())
        .collect();
    assert!(knows.is_empty(), "these use axum: {}", knows.join(", "));
}

#[test]
fn no_route_queries_the_database_itself() {
    let house = House::read();
    let words =
        ["sqlx::query", "query!(", "query_as!(", "query_scalar!(", "QueryBuilder", ".execute(", ".fetch_", "raw_sql"];
    let routes = house.files.iter().filter(|(module, _)| module[0] == "api");
    let wrong: Vec<&str> = routes
        .filter(|(_, (_, text))| words.iter().any(|word| text.contains(word)))
        .map(|(_, (name, _))| name.as_str())
        .collect();
    assert!(wrong.is_empty(), "a query belongs to its record or engine: {}", wrong.join(", "));
}

/// A client that is made anywhere else calls what it likes.
#[test]
fn only_the_door_makes_requests() {
    let house = House::read();
    let words = ["reqwest", "TcpStream::connect", "TcpSocket", "UdpSocket", "hyper::client", "hyper_util::client"];
    let wrong: Vec<&str> = house
        .files
        .iter()
        .filter(|(module, (_, text))| {
            // The health check asks the server of the same machine.
            let is_door = module[0] == "outbound" || **module == ["cli", "health"];
            !is_door && words.iter().any(|word| text.contains(word))
        })
        .map(|(_, (name, _))| name.as_str())
        .collect();
    assert!(wrong.is_empty(), "requests are made by outbound.rs: {}", wrong.join(", "));
}

/// On a connection of sqlx a statement waits for ever, if Postgres is silent.
#[test]
fn only_the_database_door_has_connections_without_a_deadline() {
    let house = House::read();
    let words = ["PgConnection", "PgPool", "PgPoolOptions", "PgListener", "PoolConnection", "Transaction"];
    let takes = |text: &str| {
        let used = text.split("use sqlx::").skip(1).filter_map(|rest| rest.split(';').next());
        let named = text.split(" sqlx::").skip(1).filter_map(|rest| rest.split_whitespace().next());
        used.chain(named).any(|path| path.split(|c: char| !c.is_alphanumeric()).any(|word| words.contains(&word)))
    };
    // The private Postgres is spoken to before there is a pool, within the time that a start may take.
    let files = house.files.iter().filter(|(module, _)| !["db", "embedded"].contains(&module[0].as_str()));
    let wrong: Vec<&str> = files.filter(|(_, (_, text))| takes(text)).map(|(_, (name, _))| name.as_str()).collect();
    assert!(wrong.is_empty(), "connections are those of db.rs: {}", wrong.join(", "));
}

/// Files that start tasks or threads without `tasks.rs`, and why nothing is lost in silence.
const STARTS_TASKS: &[(&str, &str)] = &[
    ("api/events/stream.rs", "the stream ends with it"),
    ("api/packages/bulk.rs", "they are joined, and the list of commands is answered"),
    ("auth/passwords.rs", "threads that catch panics"),
    ("db/pool.rs", "the connection goes back to its pool, or is closed"),
    ("embedded/home.rs", "a process, which is waited for"),
    ("inventory/mod.rs", "they are joined, before a plan"),
    ("logging/queue.rs", "the thread of the log, which runs no code of others"),
    ("server/connections.rs", "the connection ends with it"),
    ("tasks.rs", "the door"),
    ("upstream/reports/send.rs", "they are joined; a call without an answer is made again"),
    ("webhooks/worker.rs", "they are joined; a delivery without a result is made again"),
];

/// What is started otherwise may die without anybody seeing it.
#[test]
fn only_the_door_starts_tasks() {
    let house = House::read();
    let starts = |text: &str| text.contains("spawn(");
    let wrong: Vec<&str> = house
        .files
        .values()
        .filter(|(name, text)| starts(text) && !STARTS_TASKS.iter().any(|(allowed, _)| allowed == name))
        .map(|(name, _)| name.as_str())
        .collect();
    assert!(wrong.is_empty(), "tasks are started by tasks.rs: {}", wrong.join(", "));
    for (name, _) in STARTS_TASKS {
        let text = house.files.values().find(|(file, _)| file == name).map(|(_, text)| text);
        assert!(text.is_some_and(|text| starts(text)), "{name} starts none: take it off the list");
    }
}

/// A print that fails panics (`println!`), and a lock on standard error waits for its reader.
#[test]
fn only_two_files_write_to_the_terminal() {
    let house = House::read();
    let words = ["stdout()", "stderr()", "println!", "print!(", "dbg!("];
    let wrong: Vec<&str> = house
        .files
        .values()
        .filter(|(name, text)| {
            let is_door = ["cli/terminal.rs", "logging.rs"].contains(&name.as_str());
            !is_door && words.iter().any(|word| text.contains(word))
        })
        .map(|(name, _)| name.as_str())
        .collect();
    assert!(
        wrong.is_empty(),
        "text is written by cli/terminal.rs, lines of the log by logging.rs: {}",
        wrong.join(", ")
    );
}

#[test]
fn no_route_makes_a_scope_or_a_caller() {
    let house = House::read();
    let makes = |text: &str| ["Scope::", "Caller {"].iter().any(|word| text.contains(word));
    let routes = house.files.iter().filter(|(module, _)| module[0] == "api");
    let wrong: Vec<&str> = routes.filter(|(_, (_, text))| makes(text)).map(|(_, (name, _))| name.as_str()).collect();
    assert!(wrong.is_empty(), "a scope comes from the doors (api/extract.rs): {}", wrong.join(", "));
}

/// What is wrong in the log macros of a file.
fn shown_input(text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for level in ["error", "warn", "info", "debug", "trace"] {
        let begins: Vec<usize> = [format!("tracing::{level}!("), format!("tracing::{level}_span!(")]
            .iter()
            .flat_map(|macro_| text.match_indices(macro_.as_str()).map(|(at, found)| at + found.len()))
            .collect();
        for begin in begins {
            for argument in arguments(&text[begin..]) {
                let value = argument.split_once(" = ").map_or(argument, |(_, value)| value).trim();
                let is_literal = value.starts_with('"');
                let shown = value.strip_prefix('%').map(|value| value.trim_start_matches("self."));
                if is_literal && value.replace("{{", "").contains('{')
                    || shown.is_some_and(|shown| !SHOWN_AS_IT_IS.contains(&shown))
                {
                    wrong.push(argument.to_owned());
                }
            }
        }
    }
    wrong
}

/// The arguments of a macro or a call, from behind its bracket on.
fn arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut begin, mut found) = (0, 0, Vec::new());
    let (mut is_text, mut is_escaped) = (false, false);
    for (at, sign) in text.char_indices() {
        match sign {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => is_text = !is_text,
            _ if is_text => {}
            '(' | '[' | '{' => depth += 1,
            ',' | ')' if depth == 0 => {
                found.push(text[begin..at].trim());
                begin = at + 1;
                if sign == ')' {
                    break;
                }
            }
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    found
}

#[test]
fn no_log_line_shows_what_others_wrote_as_it_is() {
    let house = House::read();
    let wrong: Vec<String> = house
        .files
        .values()
        .flat_map(|(name, text)| shown_input(text).into_iter().map(move |argument| format!("{name}: {argument}")))
        .collect();
    assert!(wrong.is_empty(), "log it as a value, or with `?`:\n{}", wrong.join("\n"));
}

#[test]
fn input_in_a_log_line_is_found() {
    for (line, is_wrong) in [
        (r#"tracing::info!(%error, n = rows(1, 2).len(), "done, or \"not\" {")"#, true),
        (r#"tracing::info!(%error, n = rows(1, 2).len(), "done, or \"not\"")"#, false),
        (r#"tracing::warn!(%path, "x")"#, true),
        (r#"tracing::warn!(path = %order["number"], "x")"#, true),
        (r#"tracing::debug!(path, ?body, peer = %address, "x")"#, false),
        (r#"tracing::error!("no {path}")"#, true),
        (r#"tracing::error!("a path with {{id}}")"#, false),
        (r#"tracing::info_span!("work", %body)"#, true),
        (r#"tracing::info!(folder = %self.folder.display(), "x")"#, false),
    ] {
        assert_eq!(!shown_input(line).is_empty(), is_wrong, "{line}");
    }
}

#[test]
fn imports_are_read_as_the_compiler_reads_them() {
    let text = "use std::fmt;\n\npub use self::a::{B, c::{self, D as E}};\nuse super::{f, g::*};\nlet x = crate::h::i(1);\nj::k(<T>::new(super::l::M))";
    let found: Vec<String> = paths(text).iter().map(|path| path.join("::")).collect();
    assert_eq!(
        found,
        [
            "std::fmt",
            "self::a::B",
            "self::a::c::self",
            "self::a::c::D",
            "super::f",
            "super::g::*",
            "crate::h::i",
            "j::k",
            "super::l::M"
        ]
    );
}
