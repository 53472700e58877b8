//! What a server says first: which program runs where, and the settings that are not as by default.

use std::{collections::BTreeSet, str::FromStr};

use clap::{ArgMatches, Command, parser::ValueSource};

use crate::{config::DataSettings, db::Servers, version};

/// `NAME=value` of each setting that was given and is not as by default: by the name of its variable, or of its flag. Of a
/// secret only that it was given.
pub(super) fn changed(command: &Command, matches: &ArgMatches) -> Vec<String> {
    let (mut changed, mut seen) = (Vec::new(), BTreeSet::new());
    let mut level = Some((command, matches));
    while let Some((command, matches)) = level {
        for argument in command.get_arguments() {
            let id = argument.get_id().as_str();
            let is_given =
                matches!(matches.value_source(id), Some(ValueSource::CommandLine | ValueSource::EnvVariable));
            let values: Vec<_> = matches.get_raw(id).into_iter().flatten().collect();
            let is_default = values.iter().copied().eq(argument.get_default_values().iter().map(|value| &**value));
            if !is_given || is_default || !seen.insert(id.to_owned()) {
                continue;
            }
            let name = match (argument.get_env(), argument.get_long()) {
                (Some(variable), _) => variable.to_string_lossy().into_owned(),
                (None, Some(flag)) => format!("--{flag}"),
                (None, None) => id.to_owned(),
            };
            let values: Vec<String> = values.iter().map(|value| without_password(&value.to_string_lossy())).collect();
            let value = if argument.is_hide_env_values_set() { "********".to_owned() } else { values.join(",") };
            changed.push(format!("{name}={value}"));
        }
        level = matches.subcommand().and_then(|(name, matches)| Some((command.find_subcommand(name)?, matches)));
    }
    changed
}

/// The first line of a server's log. `changed`: the settings that are not as by default.
pub(super) fn log_start(settings: &DataSettings, changed: &[String]) {
    tracing::info!(
        version = version::VERSION,
        commit = version::COMMIT.unwrap_or("unknown"),
        schema = version::schema(),
        database = database(settings),
        settings = changed.join(" "),
        "starting"
    );
}

/// The same for people at a terminal.
pub(super) fn first_line(settings: &DataSettings, changed: &[String]) -> String {
    let changed = if changed.is_empty() { "as by default".to_owned() } else { changed.join(" ") };
    format!("oms {}; data: {}; settings: {changed}", version::long(), database(settings))
}

/// A text without what stands before the `@` of its addresses.
fn without_password(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['/', '?', '#', ',']).unwrap_or(part.len());
        let (authority, rest) = part.split_at(end);
        let place = authority.rsplit_once('@').map_or(authority.to_owned(), |(_, place)| format!("…@{place}"));
        shown.extend(["://", &place, rest]);
    }
    shown
}

/// Where the database is.
pub(super) fn database(settings: &DataSettings) -> String {
    match &settings.database_url {
        // One that is none is refused a moment later, with the reason.
        Some(url) => Servers::from_str(url.reveal()).map_or_else(|_| "?".to_owned(), |servers| servers.to_string()),
        None => format!("a private Postgres in {}", settings.data_dir_or_default().display()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Arg, ArgAction};

    use super::*;

    fn command() -> Command {
        let secret = Arg::new("url").long("url").env("OMS_TEST_UNSET_URL").hide_env_values(true).global(true);
        let serve = Command::new("serve")
            .arg(Arg::new("listen").long("listen").env("OMS_TEST_UNSET_LISTEN").default_value("127.0.0.1:8000"))
            .arg(Arg::new("seconds").long("seconds").default_value("30"))
            .arg(Arg::new("upstream").long("upstream"))
            .arg(Arg::new("no-migrate").long("no-migrate").action(ArgAction::SetTrue));
        Command::new("oms").arg(secret).subcommand(serve)
    }

    #[test]
    fn what_is_not_as_by_default_is_told_and_no_secret() {
        let given = |arguments: &[&str]| {
            let matches = command().try_get_matches_from([&["oms", "serve"], arguments].concat()).expect("arguments");
            changed(&command(), &matches)
        };
        assert!(given(&[]).is_empty());
        assert!(given(&["--listen", "127.0.0.1:8000"]).is_empty(), "said, and the same");
        let all = given(&["--url", "postgres://a:geheim@b/c", "--listen", "[::]:80", "--seconds", "5", "--no-migrate"]);
        assert_eq!(
            all,
            ["OMS_TEST_UNSET_URL=********", "OMS_TEST_UNSET_LISTEN=[::]:80", "--seconds=5", "--no-migrate=true"]
        );
        let upstream = given(&["--upstream", "https://ada:geheim@o.example/api,http://o2.example/x@y"]);
        assert_eq!(upstream, ["--upstream=https://…@o.example/api,http://o2.example/x@y"]);
    }
}
