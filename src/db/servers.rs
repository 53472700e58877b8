//! Where Postgres is: one server, or several of which one is the primary.
//!
//! `DATABASE_URL` may name several servers and say which of them is wanted, as libpq takes it:
//!
//! ```text
//! postgres://oms:secret@one:5432,two:5432/shop?target_session_attrs=read-write
//! ```
//!
//! sqlx knows one server. So the address is split here, and each new connection tries the servers in turn, beginning
//! with the one where the last attempt succeeded, or after the one where it failed.

use std::{
    fmt, io,
    str::FromStr,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use sqlx::{
    Connection as _, PgConnection, Row as _,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::failures;
use crate::outbound::roots;

/// How long one server of several may take to answer.
const EACH_WITHIN: Duration = Duration::from_millis(1500);

/// The servers of an address, and which of them is wanted.
#[derive(Debug)]
pub struct Servers {
    all: Vec<PgConnectOptions>,
    wanted: Wanted,
    /// Where the last attempt succeeded, or the one after a failure.
    current: AtomicUsize,
    /// Whoever started it starts it again when it goes down.
    pub(super) come_back: bool,
}

/// `target_session_attrs`, as libpq knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Ok(match name {
            "any" => Self::Any,
            "read-write" => Self::ReadWrite,
            "read-only" => Self::ReadOnly,
            "primary" => Self::Primary,
            "standby" => Self::Standby,
            "prefer-standby" => Self::PreferStandby,
            _ => {
                return Err(format!(
                    "target_session_attrs is `{name}`; it may be any, read-write, read-only, primary, standby or \
                     prefer-standby"
                ));
            }
        })
    }
}

/// One server.
impl From<PgConnectOptions> for Servers {
    fn from(options: PgConnectOptions) -> Self {
        Self { all: vec![options], wanted: Wanted::Any, current: AtomicUsize::new(0), come_back: false }
    }
}

/// `postgres://user:password@host:port,host:port/database?setting=value`
impl FromStr for Servers {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let url = url.trim();
        if url.is_empty() {
            return Err("it is empty".to_owned());
        }
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err("it does not begin with postgres://".to_owned());
        };
        if !["postgres", "postgresql"].contains(&scheme) {
            return Err(format!("it begins with {scheme}://, and only postgres:// is known"));
        }
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = address.split_at(address.find('/').unwrap_or(address.len()));
        let (user, hosts) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
        let Query { wanted, hosts: more_hosts, ports, rest } = Query::read(query)?;
        let hosts: Vec<&str> = hosts.split(',').collect();
        let count = hosts.len().max(more_hosts.len());
        let of = |list: &[String], at: usize| if list.len() == 1 { list.first() } else { list.get(at) }.cloned();
        if ports.len() > 1 && ports.len() != count {
            return Err(format!("it names {count} hosts and {} ports", ports.len()));
        }
        let mut servers = Vec::with_capacity(count);
        for at in 0..count {
            let host = if hosts.len() == 1 { hosts.first() } else { hosts.get(at) }.unwrap_or(&"");
            let mut query = form_urlencoded::Serializer::new(String::new());
            query.extend_pairs(&rest);
            query.extend_pairs(of(&more_hosts, at).map(|host| ("host", host)));
            query.extend_pairs(of(&ports, at).filter(|port| !port.is_empty()).map(|port| ("port", port)));
            let url = format!("postgres://{user}{host}{path}?{}", query.finish());
            servers.push(with_roots(PgConnectOptions::from_str(&url).map_err(|error| reason(&error))?, &rest));
        }
        Ok(Self { all: servers, wanted, current: AtomicUsize::new(0), come_back: false })
    }
}

/// With the certificates that came with us, where the server's is to be checked and the machine has none.
fn with_roots(options: PgConnectOptions, settings: &[(String, String)]) -> PgConnectOptions {
    let are_given = std::env::var_os("PGSSLROOTCERT").is_some()
        || settings.iter().any(|(name, _)| ["sslrootcert", "ssl-root-cert", "ssl-ca"].contains(&name.as_str()));
    let are_used = matches!(options.get_ssl_mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
    if !are_used || are_given {
        return options;
    }
    match roots::for_postgres() {
        Some(pem) => options.ssl_root_cert_from_pem(pem.into_bytes()),
        None => options,
    }
}

/// What follows the question mark.
struct Query {
    wanted: Wanted,
    hosts: Vec<String>,
    ports: Vec<String>,
    /// What sqlx knows.
    rest: Vec<(String, String)>,
}

impl Query {
    fn read(query: &str) -> Result<Self, String> {
        let mut read = Self { wanted: Wanted::Any, hosts: Vec::new(), ports: Vec::new(), rest: Vec::new() };
        let list = |value: &str| value.split(',').map(str::to_owned).collect();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "target_session_attrs" => read.wanted = value.parse()?,
                "host" => read.hosts = list(&value),
                "port" => read.ports = list(&value),
                _ => read.rest.push((name.into_owned(), value.into_owned())),
            }
        }
        Ok(read)
    }
}

/// Why an address is none. Sqlx would say that it is about configuration.
fn reason(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Configuration(cause) => cause.to_string(),
        other => other.to_string(),
    }
}

impl Servers {
    /// The same, with the name that Postgres shows in its list of sessions, unless the address has one.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        for server in &mut self.all {
            if server.get_application_name().is_none() {
                *server = server.clone().application_name(name);
            }
        }
        self
    }

    /// The same of a server that is started again when it goes down: it is waited for.
    #[must_use]
    pub fn that_come_back(self) -> Self {
        Self { come_back: true, ..self }
    }

    /// How to connect to the server where the last attempt succeeded; after a failure there, to the next one.
    #[must_use]
    pub fn current(&self) -> PgConnectOptions {
        let at = self.current.load(Ordering::Relaxed);
        self.all.get(at).cloned().unwrap_or_default()
    }

    /// Connects to a server that is as wanted.
    ///
    /// # Errors
    /// If there is none. With several servers, the text says of each why not.
    pub async fn connect(&self) -> sqlx::Result<PgConnection> {
        let mut failures = Vec::new();
        // A standby is preferred, so a primary is taken only if there is none.
        let rounds: &[Wanted] = match self.wanted {
            Wanted::PreferStandby => &[Wanted::Standby, Wanted::Any],
            _ => &[self.wanted],
        };
        for wanted in rounds {
            failures.clear();
            let first = self.current.load(Ordering::Relaxed);
            for at in (0..self.all.len()).map(|next| (first + next) % self.all.len()) {
                let Some(server) = self.all.get(at) else { continue };
                match self.connect_to(server, *wanted).await {
                    Ok(connection) => {
                        self.current.store(at, Ordering::Relaxed);
                        return Ok(connection);
                    }
                    Err(error) => {
                        // The next attempt does not begin with it: several that are silent take longer than the caller waits.
                        let next = (at + 1) % self.all.len();
                        self.current.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed).ok();
                        failures.push((place(server), error));
                    }
                }
            }
        }
        if let [_] = self.all.as_slice()
            && let Some((_, error)) = failures.pop()
        {
            return Err(error);
        }
        let texts = failures.iter().map(|(place, error)| format!("{place}: {}", failures::text(error)));
        Err(io::Error::other(texts.collect::<Vec<_>>().join("; ")).into())
    }

    async fn connect_to(&self, server: &PgConnectOptions, wanted: Wanted) -> sqlx::Result<PgConnection> {
        let connected = async {
            let mut connection = PgConnection::connect_with(server).await?;
            require(&mut connection, wanted).await?;
            Ok(connection)
        };
        if self.all.len() == 1 {
            // The caller has a limit.
            return connected.await;
        }
        tokio::time::timeout(EACH_WITHIN, connected)
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "it does not answer").into()))
    }
}

/// Refuses a server that is not as wanted.
async fn require(connection: &mut PgConnection, wanted: Wanted) -> sqlx::Result<()> {
    if wanted == Wanted::Any {
        return Ok(());
    }
    let row = sqlx::raw_sql("select pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'")
        .fetch_one(connection)
        .await?;
    let (is_standby, is_read_only): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    let refused = match wanted {
        Wanted::ReadWrite => is_read_only.then_some("it takes no writes"),
        Wanted::ReadOnly => (!is_read_only).then_some("it takes writes"),
        Wanted::Primary => is_standby.then_some("it is a standby"),
        Wanted::Standby => (!is_standby).then_some("it is no standby"),
        Wanted::Any | Wanted::PreferStandby => None,
    };
    match refused {
        Some(why) => Err(io::Error::other(why).into()),
        None => Ok(()),
    }
}

/// A server's host and port, or its socket.
fn place(server: &PgConnectOptions) -> String {
    match server.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", server.get_host(), server.get_port()),
    }
}

/// The places: what a log line may say of an address.
impl fmt::Display for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<String> = self.all.iter().map(place).collect();
        f.write_str(&places.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(url: &str) -> String {
        url.parse::<Servers>().unwrap_or_else(|error| panic!("{url}: {error}")).to_string()
    }

    #[test]
    fn an_address_names_one_server_or_several() {
        for (url, expected) in [
            ("postgres://oms@db/shop", "db:5432"),
            ("postgresql://oms:a%2Cb@db:5433/shop?sslmode=disable", "db:5433"),
            ("postgres://oms:secret@one:5432,two:5433/shop", "one:5432, two:5433"),
            ("postgres://one,two:5433/shop?target_session_attrs=primary", "one:5432, two:5433"),
            ("postgres://[::1]:5432,127.0.0.1/shop", "[::1]:5432, 127.0.0.1:5432"),
            ("postgres:///shop?host=one,two&port=5433,5434", "one:5433, two:5434"),
            ("postgres:///shop?host=one,two&port=5433", "one:5433, two:5433"),
            ("postgres:///shop?host=/run/one,/run/two", "/run/one, /run/two"),
            ("postgres://oms@localhost:5433/shop?host=%2Frun%2Fone", "/run/one"),
        ] {
            assert_eq!(places(url), expected, "{url}");
        }
        let both: Servers = "postgres://oms:pass@one,two/shop?application_name=x".parse().unwrap();
        for server in &both.all {
            assert_eq!((server.get_username(), server.get_database()), ("oms", Some("shop")));
            assert_eq!(server.get_application_name(), Some("x"));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_a_reason() {
        for (url, expected) in [
            ("", "it is empty"),
            ("  ", "it is empty"),
            ("db/shop", "it does not begin with postgres://"),
            ("mysql://db/shop", "it begins with mysql://, and only postgres:// is known"),
            ("postgres://one,two,three/shop?port=1,2", "it names 3 hosts and 2 ports"),
            ("postgres://db:port/shop", "invalid port number"),
            (
                "postgres://one,two/shop?target_session_attrs=master",
                "target_session_attrs is `master`; it may be any, read-write, read-only, primary, standby or prefer-standby",
            ),
        ] {
            let refused = url.parse::<Servers>().map(|servers| servers.to_string());
            assert_eq!(refused, Err(expected.to_owned()), "{url}");
        }
    }

    #[tokio::test]
    async fn an_attempt_that_is_given_up_does_not_begin_where_it_failed() {
        let (broken, silent) = (listener().await, listener().await);
        let [first, second] = [&broken, &silent].map(|listener| listener.local_addr().unwrap().port());
        let servers: Servers = format!("postgres://oms@127.0.0.1:{first},127.0.0.1:{second}/shop").parse().unwrap();
        assert_eq!(servers.current().get_port(), first);
        let hang_up = async {
            loop {
                drop(broken.accept().await);
            }
        };
        tokio::select! {
            connected = servers.connect() => panic!("{connected:?}"),
            () = hang_up => {}
            // It has come as far as the one that says nothing.
            _ = silent.accept() => {}
        }
        assert_eq!(servers.current().get_port(), second);
    }

    async fn listener() -> tokio::net::TcpListener {
        tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap()
    }
}
