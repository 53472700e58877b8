//! Every setting: flag, variable, default, meaning. A flag wins over its variable. Each has a type, or a parser of `values`,
//! that refuses nonsense.

pub(crate) mod values;

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;

use crate::{
    app, auth,
    home::Whereabouts,
    invoicing, links,
    outbound::{
        guard::{AllowPrivate, Range},
        web_address,
    },
    page, replanning,
    secret::Secret,
    server,
    upstream::UpstreamSettings,
    webhooks::{self, quota::Quota},
};

/// Where the data is. Every subcommand has these settings, so each works while a server runs on the same data.
#[derive(Debug, Clone, Args)]
pub struct DataSettings {
    /// A Postgres of your own (postgres://user:password@host:port/database); no private one is started then.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, global = true, value_name = "URL")]
    pub database_url: Option<Secret>,

    /// Folder of the private Postgres, used when there is no `DATABASE_URL`
    /// [default: .oms under the working folder, /var/lib/oms when started as root].
    #[arg(long, env = "OMS_DATA_DIR", global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,

    /// Most connections to Postgres that this process opens; a server opens four more for commands and single packages,
    /// and three for webhooks.
    #[arg(long, env = "OMS_DATABASE_CONNECTIONS", global = true, value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u32).range(4..=500))]
    pub database_connections: u32,

    /// A name that all servers of this database have in common, and no other database's servers: by it the database is at
    /// home wherever it is moved [default: the place of the database].
    #[arg(long, env = "OMS_INSTANCE", global = true, value_name = "NAME", value_parser = values::name)]
    pub instance: Option<String>,
}

impl DataSettings {
    /// Where this process is, to know whether a database is at home here.
    #[must_use]
    pub fn whereabouts(&self) -> Whereabouts {
        let folder = self.database_url.is_none().then(|| {
            let folder = self.data_dir_or_default();
            folder.canonicalize().unwrap_or(folder)
        });
        Whereabouts { instance: self.instance.clone().filter(|name| !name.is_empty()), folder }
    }

    /// The private Postgres' folder, with its default.
    #[must_use]
    pub fn data_dir_or_default(&self) -> PathBuf {
        self.data_dir.clone().unwrap_or_else(|| {
            if crate::embedded::is_root() { PathBuf::from("/var/lib/oms") } else { PathBuf::from(".oms") }
        })
    }
}

/// How the server listens and works.
#[derive(Debug, Clone, Args)]
pub struct ServerSettings {
    /// Address and port to listen on.
    #[arg(long, env = "OMS_LISTEN", default_value = "127.0.0.1:8000", value_name = "ADDR:PORT",
          value_parser = values::listen_address)]
    pub listen: SocketAddr,

    /// Seconds after which a request is given up with 503.
    #[arg(long, env = "OMS_REQUEST_TIMEOUT_SECONDS", default_value_t = 30, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub request_timeout_seconds: u64,

    /// Which requests have a line in the log: all, those that are refused or fail, or none.
    #[arg(long, env = "OMS_LOG_REQUESTS", value_enum, default_value_t = server::LogRequests::All, value_name = "WHICH")]
    pub log_requests: server::LogRequests,

    /// Seconds for which requests are still taken after SIGTERM or Ctrl-C, while `/readyz` answers 503: as long as a
    /// balancer needs to see that.
    #[arg(long, env = "OMS_DRAIN_SECONDS", default_value_t = 1, value_name = "SECONDS",
          value_parser = clap::value_parser!(u32).range(0..=600))]
    pub drain_seconds: u32,

    /// Most connections of clients; one more is answered with 503. Fewer where the system gives fewer file descriptors.
    #[arg(long, env = "OMS_MAX_CONNECTIONS", default_value_t = 8192, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub max_connections: u32,

    /// Most connections of one address. A proxy in front of the server is one address.
    #[arg(long, env = "OMS_MAX_CONNECTIONS_PER_PEER", default_value_t = 1024, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub max_connections_per_peer: u32,

    /// Most streams and waiting requests of a user at a time, for the feed of events; one more is answered 429.
    #[arg(long, env = "OMS_MAX_STREAMS_PER_USER", default_value_t = 100, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=60_000))]
    pub max_streams_per_user: u32,

    /// Most logins of a user that have not ended; at one more, the oldest ends.
    #[arg(long, env = "OMS_MAX_LOGINS_PER_USER", default_value_t = 50, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_logins_per_user: u32,

    /// Most tokens of a user that have not ended, besides those of logins; one more is refused over HTTP.
    #[arg(long, env = "OMS_MAX_TOKENS_PER_USER", default_value_t = 100, value_name = "N",
          value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub max_tokens_per_user: u32,

    /// Address and port for `/metrics` alone, which is then not at the other address
    /// [default: `/metrics` is at the address listened on].
    #[arg(long, env = "OMS_METRICS_LISTEN", value_name = "ADDR:PORT", value_parser = values::listen_address)]
    pub metrics_listen: Option<SocketAddr>,

    /// Proxies that are believed in what they say of their clients (`X-Forwarded-For`, `-Host`, `-Proto`): ranges like
    /// 10.0.0.0/8, separated by commas. Of others these headers are ignored.
    #[arg(long, env = "OMS_TRUSTED_PROXIES", value_delimiter = ',', value_name = "RANGES")]
    pub trusted_proxies: Vec<Range>,

    /// Sites whose pages may read answers in a browser (CORS): schemes and hosts like `https://panel.example.com`, separated
    /// by commas, or `any`. Without it, none but this server's own.
    #[arg(long, env = "OMS_CORS_ORIGINS", default_value = "none", value_name = "ORIGINS")]
    pub cors_origins: server::Origins,

    /// What becomes of a parameter of a list that is none of its filters: `refuse` answers 400 with the nearest there is;
    /// `ignore` answers as if it were not there, as the original does.
    #[arg(long, env = "OMS_UNKNOWN_FILTERS", value_enum, default_value_t = page::UnknownFilters::Refuse,
          value_name = "WHICH")]
    pub unknown_filters: page::UnknownFilters,

    /// Plan packages without a place again by itself, as soon as stock or quota comes free for them.
    #[arg(long, env = "OMS_REPLAN", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub replan: bool,

    /// Plan the latest packages again that hold what a count says is not there, if nobody works on them yet. Without it they are
    /// listed and counted only (`stocks/?is_short=true`).
    #[arg(long, env = "OMS_REPLAN_SHORT", default_value_t = false, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub replan_short: bool,

    /// Minutes between sweeps, which try every package without a place, as a net; 0: none. One server sweeps for all.
    #[arg(long, env = "OMS_SWEEP_MINUTES", default_value_t = 30, value_name = "MINUTES",
          value_parser = clap::value_parser!(u32).range(0..=10_080))]
    pub sweep_minutes: u32,

    /// Days for which events are kept; older ones are dropped by the week.
    #[arg(long, env = "OMS_EVENTS_KEEP_DAYS", default_value_t = 84, value_name = "DAYS",
          value_parser = clap::value_parser!(u32).range(1..=3_650))]
    pub events_keep_days: u32,

    /// What addresses in webhooks begin with, as receivers reach this server: `https://oms.example.com`
    /// [default: `http://` and the address listened on].
    #[arg(long, env = "OMS_PUBLIC_URL", value_name = "URL", value_parser = web_address)]
    pub public_url: Option<String>,

    /// See [`LinkSettings`].
    #[command(flatten)]
    pub links: LinkSettings,

    /// Deliver webhooks. One server of several is enough, and all together are quicker.
    #[arg(long, env = "OMS_WEBHOOKS", default_value_t = true, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub webhooks: bool,

    /// Most webhooks of one user, deactivated ones included.
    #[arg(long, env = "OMS_MAX_WEBHOOKS_PER_USER", default_value_t = 100, value_name = "N",
          value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub max_webhooks_per_user: u32,

    /// Most webhooks in all.
    #[arg(long, env = "OMS_MAX_WEBHOOKS", default_value_t = 1000, value_name = "N",
          value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub max_webhooks: u32,

    /// Addresses that are not public and that webhooks may be delivered to all the same: ranges like 10.0.0.0/8, separated
    /// by commas, or `true` for any.
    #[arg(long, env = "OMS_WEBHOOK_ALLOW_PRIVATE", default_value = "false", value_name = "RANGES")]
    pub webhook_allow_private: AllowPrivate,

    /// Addresses that a command may bring (`remote_invoice_call.remote_url`): schemes and hosts like `https://erp.example`,
    /// separated by commas, or `any`. Without it, commands name a service of the installation.
    #[arg(long, env = "OMS_INVOICE_URLS", default_value = "none", value_name = "URLS")]
    pub invoice_urls: invoicing::Urls,

    /// Such addresses that are not public and may be called all the same: ranges like 10.0.0.0/8, separated by commas, or
    /// `true` for any.
    #[arg(long, env = "OMS_INVOICE_ALLOW_PRIVATE", default_value = "false", value_name = "RANGES")]
    pub invoice_allow_private: AllowPrivate,

    /// Hours for which deliveries to a webhook may fail, without a success, before it is paused.
    #[arg(long, env = "OMS_WEBHOOK_PAUSE_AFTER_HOURS", default_value_t = 24, value_name = "HOURS",
          value_parser = clap::value_parser!(u32).range(1..=2_016))]
    pub webhook_pause_after_hours: u32,

    /// See [`UpstreamSettings`].
    #[command(flatten)]
    pub upstream: UpstreamSettings,
}

/// The addresses of labels and invoices.
#[derive(Debug, Clone, Args)]
pub struct LinkSettings {
    /// Hours for which the address of a label or an invoice is good; every reading of a package gives a new one.
    #[arg(long, env = "OMS_LINK_HOURS", default_value_t = 168, value_name = "HOURS",
          value_parser = clap::value_parser!(u32).range(1..=87_600))]
    pub link_hours: u32,

    /// Labels and invoices need a token, too, of a user who may see the package.
    #[arg(long, env = "OMS_LINKS_NEED_TOKEN", default_value_t = false, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub links_need_token: bool,

    /// Take addresses of labels and invoices without a signature, as versions before gave out; they never expire.
    #[arg(long, env = "OMS_UNSIGNED_LINKS", default_value_t = false, action = clap::ArgAction::Set, value_name = "BOOL")]
    pub unsigned_links: bool,
}

impl LinkSettings {
    fn for_app(&self) -> links::Settings {
        links::Settings {
            lifetime: Duration::from_hours(u64::from(self.link_hours)),
            need_token: self.links_need_token,
            take_unsigned: self.unsigned_links,
        }
    }
}

impl ServerSettings {
    /// How long requests may take, and how many connections there may be. Makes the file descriptors available.
    #[must_use]
    pub fn for_serving(&self) -> server::Settings {
        let limits = server::Limits {
            connections: self.max_connections as usize,
            connections_per_peer: self.max_connections_per_peer as usize,
            ..server::Limits::default()
        };
        server::Settings {
            request_timeout: Duration::from_secs(self.request_timeout_seconds),
            limits: limits.within_descriptors(),
            log_requests: self.log_requests,
            metrics_apart: self.metrics_listen.is_some(),
            drain: Duration::from_secs(u64::from(self.drain_seconds)),
            origins: self.cors_origins.clone(),
        }
    }

    /// The settings of the application for a server that listens on this address.
    #[must_use]
    pub fn for_app(&self, address: SocketAddr, data: &DataSettings) -> app::Settings {
        app::Settings {
            webhooks: self.for_webhooks(address),
            delivers_webhooks: self.webhooks,
            replanning: self.replan.then(|| replanning::Settings {
                plan_short: self.replan_short,
                ..replanning::Settings::sweeping_every(self.sweep_minutes)
            }),
            upstream: Some((self.upstream.clone(), self.upstream.pace())),
            events_keep_days: Some(self.events_keep_days),
            trusted_proxies: self.trusted_proxies.clone(),
            unknown_filters: self.unknown_filters,
            streams_per_user: self.max_streams_per_user,
            tokens: auth::quota::Quota { logins: self.max_logins_per_user, tokens: self.max_tokens_per_user },
            invoices: invoicing::Rules::new(self.invoice_urls.clone(), self.invoice_allow_private.clone()),
            links: self.links.for_app(),
            whereabouts: Some(data.whereabouts()),
        }
    }

    fn for_webhooks(&self, address: SocketAddr) -> webhooks::Settings {
        let public_url = self.public_url.as_deref().filter(|url| !url.is_empty());
        webhooks::Settings {
            allow_private: self.webhook_allow_private.clone(),
            pause_after: Duration::from_hours(u64::from(self.webhook_pause_after_hours)),
            base_url: public_url
                .map_or_else(|| format!("http://{address}"), |url| url.trim_end_matches('/').to_owned()),
            quota: Quota { per_user: self.max_webhooks_per_user, in_all: self.max_webhooks },
        }
    }
}
