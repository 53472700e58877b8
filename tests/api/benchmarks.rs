//! The statements of the reference that benchmarks compare with fit the schema, so that no change of it breaks them unseen.

use sqlx::AssertSqlSafe;

use crate::support::Shop;

const SCRIPTS: [(&str, &str); 2] = [
    ("pack.sql", include_str!("../../benches/commands/pack.sql")),
    ("view.sql", include_str!("../../benches/commands/view.sql")),
];

/// The statements of a script of pgbench, with 1 for everything that is filled in.
fn statements(script: &str) -> Vec<String> {
    let lines = script.lines().filter(|line| !line.starts_with('\\') && !line.starts_with("--"));
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let mut filled = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find([':', '{']) {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let name = from[1..].split_once(|c| !is_name(c)).map_or(&from[1..], |(name, _)| name);
        let after = &from[1 + name.len()..];
        rest = match (from.as_bytes()[0], name, after.as_bytes().first()) {
            (b'{', _, Some(b'}')) => {
                filled.push('1');
                &after[1..]
            }
            (b':', "", Some(b':')) => {
                filled.push_str("::");
                &after[1..]
            }
            (b':', name, _) if !name.is_empty() => {
                filled.push('1');
                after
            }
            _ => {
                filled.push_str(&from[..1]);
                &from[1..]
            }
        };
    }
    filled.push_str(rest);
    filled.split(';').map(str::trim).filter(|statement| !statement.is_empty()).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_statements_of_the_reference_fit_the_schema() {
    let shop = Shop::open().await;
    for (name, script) in SCRIPTS {
        let statements = statements(script);
        assert!(!statements.is_empty(), "{name}");
        for statement in statements {
            let prepare = format!("prepare reference as {statement}; deallocate reference");
            if let Err(error) = sqlx::raw_sql(AssertSqlSafe(prepare)).execute(shop.pool()).await {
                panic!("{name}: {error}: {statement}");
            }
        }
    }
    shop.finish().await;
}
