//! The values of settings: what is nonsense is refused with what to write instead.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddr, ToSocketAddrs as _},
};

use crate::spelling::{nearest, unsound};

/// Variables that are no argument of any subcommand.
const OTHER_VARIABLES: [&str; 1] = ["OMS_LOG_FORMAT"];

/// An address and port to listen on: `127.0.0.1:8000`, `[::1]:8000`, `localhost:8000`; `8000` is a port of this machine
/// alone, `:8000` one for every other machine, too.
pub(crate) fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let wrong = || "write an address and a port, like 127.0.0.1:8000, 0.0.0.0:8000 or localhost:8000".to_owned();
    let (host, port) = text.rsplit_once(':').unwrap_or(("127.0.0.1", text));
    let port: u16 = port.parse().map_err(|_| wrong())?;
    if host.is_empty() {
        return Ok((Ipv4Addr::UNSPECIFIED, port).into());
    }
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if host.contains([':', '[', '/', ' ']) {
        return Err(wrong());
    }
    let mut found: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|error| format!("{host} is no name of an address here: {error}; {}", wrong()))?
        .collect();
    // As with the default, an address of both kinds is that of version 4.
    found.sort_by_key(SocketAddr::is_ipv6);
    found.first().copied().ok_or_else(wrong)
}

/// A name, without the blanks around it; an empty one is none.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let name = text.trim();
    match unsound(name) {
        Some((what, remedy)) if !name.is_empty() => Err(format!("it {what}; {remedy}")),
        _ => Ok(name.to_owned()),
    }
}

/// A number of things a minute.
pub(crate) fn pace(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "write a number, like 60 or 0.5".to_owned())?;
    let is_one = number.is_finite() && number > 0.0 && number <= 1_000_000.0;
    is_one.then_some(number).ok_or_else(|| "write a number above 0, and of a million at most".to_owned())
}

/// What to say of each variable that is named like a setting and is none.
pub(crate) fn unknown_variables(command: &clap::Command, set: impl Iterator<Item = OsString>) -> Vec<String> {
    let known = variables(command);
    let known: Vec<&str> = known.iter().map(String::as_str).chain(OTHER_VARIABLES).collect();
    let mut unknown: Vec<String> = set
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.starts_with("OMS_") && !known.contains(&name.as_str()))
        .map(|name| match nearest(&name, known.iter().copied()) {
            Some(near) => format!("{name} is no setting; did you mean {near}?"),
            None => {
                format!("{name} is no setting (oms serve --help lists them); only an installation file may name it")
            }
        })
        .collect();
    unknown.sort();
    unknown
}

/// The variables of all arguments.
fn variables(command: &clap::Command) -> Vec<String> {
    let own = command.get_arguments().filter_map(|argument| Some(argument.get_env()?.to_string_lossy().into_owned()));
    own.chain(command.get_subcommands().flat_map(variables)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_to_listen_on_may_be_written_short() {
        for (text, address) in [
            ("127.0.0.1:8000", "127.0.0.1:8000"),
            ("8000", "127.0.0.1:8000"),
            (":8000", "0.0.0.0:8000"),
            ("localhost:8000", "127.0.0.1:8000"),
            ("[::1]:80", "[::1]:80"),
            ("0.0.0.0:0", "0.0.0.0:0"),
        ] {
            assert_eq!(listen_address(text), Ok(address.parse().expect(text)), "{text}");
        }
        for text in
            ["", ":", "nowhere", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:80", "http://localhost:80", "-1"]
        {
            let said = listen_address(text).expect_err(text);
            assert!(said.contains("127.0.0.1:8000"), "{text}: {said}");
        }
    }

    #[test]
    fn a_variable_that_is_no_setting_is_named_with_the_nearest() {
        let command = clap::Command::new("oms").subcommand(
            clap::Command::new("serve").arg(clap::Arg::new("public").long("public-url").env("OMS_PUBLIC_URL")),
        );
        let set = ["OMS_PUBLIC_URI", "OMS_LOG_FORMAT", "PATH", "OMS_PUBLIC_URL", "OMS_ERP_KEY"].map(OsString::from);
        let unknown = unknown_variables(&command, set.into_iter());
        assert_eq!(unknown.len(), 2, "{unknown:?}");
        assert!(
            unknown[0].starts_with("OMS_ERP_KEY is no setting (")
                && unknown[1].ends_with("did you mean OMS_PUBLIC_URL?")
        );
    }
}
