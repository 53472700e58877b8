//! `oms demo`: a complete installation on a laptop.

use std::{
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use rustix::fs::OFlags;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    Outcome,
    data::Data,
    orders::Bar,
    serve::{bind, stop_on_signal, unless_stopped},
    terminal::{self, note},
};
use crate::{
    app::App,
    audit::{self, Actor},
    auth::{self, NewToken, Role, tokens},
    catalog::CatalogCache,
    commands,
    config::{DataSettings, ServerSettings},
    db::PgPool,
    error::{Error, Result},
    installation::{
        apply::{self, Applying},
        check,
    },
    outbound::Gate,
    placing,
    simulator::{self, Simulator},
    stock,
    tasks::Tasks,
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    server: ServerSettings,

    /// Let the orders come from a simulated upstream, one a second, instead of all at once; it hears what becomes of them.
    #[arg(long)]
    upstream: bool,
}

/// The demo's files, compiled in: it needs only the binary.
const FILES: [(&str, &str); 2] = [
    ("standard.toml", include_str!("../../installations/standard.toml")),
    ("demo.toml", include_str!("../../installations/demo.toml")),
];
const STOCK: &str = include_str!("../../installations/demo/stock.csv");
pub(super) const ORDERS: &str = include_str!("../../installations/demo/orders.ndjson");

/// Who applies its installation: by this a database is known as the demo's.
const APPLIED_BY: &str = "oms demo";
/// The demo's user.
const USERNAME: &str = "demo";

pub(super) async fn run(settings: &DataSettings, args: Args) -> Result<Outcome> {
    let stop = stop_on_signal()?;
    let listeners = bind(&args.server).await?;
    note!("starting Postgres …");
    let Some(data) = unless_stopped(&stop, Data::open_for_demo(settings)).await? else {
        return Ok(Outcome::Done);
    };
    let served = async {
        let data_dir = settings.data_dir_or_default();
        let prepared = prepare(&data.pool, &data_dir, !args.upstream);
        let Some(token) = unless_stopped(&stop, prepared).await? else {
            return Ok(());
        };
        let address = listeners.address()?;
        let serving = args.server.for_serving();
        let mut settings = args.server.for_app(address, settings);
        let mut upstream = args.server.upstream.clone();
        if args.upstream {
            upstream.url = Some(simulate_upstream(&stop).await?);
            (upstream.token, upstream.poll_seconds) = (UPSTREAM_TOKEN.parse().ok(), 1);
            settings.upstream = Some((upstream.clone(), upstream.pace()));
        }
        let app = App::start(data.pool.clone(), settings, &stop).await?;
        let mut welcome = welcome(&data.pool, &address.to_string(), &token.key).await?;
        if let Some(url) = upstream.url.filter(|_| args.upstream) {
            writeln!(welcome, "\n# the simulated upstream: what it was told\ncurl -s {url}/_received/").ok();
        }
        let told = terminal::deliver(welcome);
        if told.is_err() {
            token.forget(&data.pool).await?;
            stop.cancel();
        }
        listeners.serve(app, serving, CancellationToken::clone(&stop)).await;
        told
    }
    .await;
    stop.cancel();
    let closed = data.close().await;
    served.and(closed).map(|()| Outcome::Done)
}

/// A token of the simulated upstream.
const UPSTREAM_TOKEN: &str = "upstream-token";
/// Its orders a minute.
const ORDERS_PER_MINUTE: f64 = 60.0;

/// Starts an upstream with the demo's orders; returns its address.
async fn simulate_upstream(stop: &CancellationToken) -> Result<String> {
    let simulator = Simulator::new(simulator::Settings {
        orders: orders(ORDERS)?,
        orders_per_minute: Some(ORDERS_PER_MINUTE),
        begins: super::simulate_upstream::now(),
        username: USERNAME.to_owned(),
        password: USERNAME.into(),
        token: UPSTREAM_TOKEN.into(),
        push_to: None,
    })?;
    let listening = |error: io::Error| Error::Fault(format!("the simulated upstream cannot listen: {error}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(listening)?;
    let url = format!("http://{}", listener.local_addr().map_err(listening)?);
    let (served, stop) = (simulator.serve(listener, stop.clone()), stop.clone());
    Tasks::default().once(async move {
        let ended = served.await;
        // The demo without its upstream is none.
        if !stop.is_cancelled() {
            tracing::error!(?ended, "the simulated upstream ended; the demo ends, too");
            stop.cancel();
        }
    });
    Ok(url)
}

/// Loads missing data; a first start that was interrupted continues here. The orders may come later, from an upstream.
async fn prepare(pool: &PgPool, data_dir: &Path, with_orders: bool) -> Result<DemoToken> {
    refuse_anothers(pool).await?;
    if !apply::is_applied(pool).await? {
        note!("applying the standard installation …");
        let (installation, _) = check::load(&FILES, commands::kinds()).map_err(|problems| {
            let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Error::Fault(lines.join("; "))
        })?;
        apply::install(pool, &installation, Applying { by: APPLIED_BY, force: false }).await?;
    }
    let stocked = sqlx::query_scalar!(r#"select exists (select from stocks) as "stocked!""#).fetch_one(pool).await?;
    if !stocked {
        note!("counting stock …");
        let summary = stock::import::import(pool, Actor::command_line(), STOCK.as_bytes(), |line, why| {
            note!("line {line}: {why}");
        })
        .await?;
        note!("{} counts of stock", summary.set);
    }
    if with_orders {
        take_orders(pool).await?;
    }
    DemoToken::find_or_make(pool, &data_dir.join("demo-token")).await
}

/// Refuses a database that the demo has not begun. Made-up orders, and an admin whose token is in a file, are nothing for a
/// shop.
async fn refuse_anothers(pool: &PgPool) -> Result<()> {
    let first = sqlx::query_scalar!("select applied_by from installations order by number limit 1");
    let is_own = match first.fetch_optional(pool).await? {
        Some(by) => by == APPLIED_BY,
        // Nothing was installed, or by a version that did not keep by whom: then it has the places of the demo alone.
        None => !holds_anothers(pool).await?,
    };
    if is_own {
        return Ok(());
    }
    Err(Error::Fault(
        "this database is not the demo's: it holds other data, which the demo would mix with its own; start it on an empty \
         database, or without DATABASE_URL and with another --data-dir"
            .to_owned(),
    ))
}

async fn holds_anothers(pool: &PgPool) -> Result<bool> {
    let own: toml::Table = FILES[1].1.parse().map_err(|error| Error::Fault(format!("demo.toml: {error}")))?;
    let places = own.get("stock_locations").and_then(toml::Value::as_array).into_iter().flatten();
    let erp_codes: Vec<String> = places.filter_map(|place| Some(place.get("erp_code")?.as_str()?.to_owned())).collect();
    let numbers: Vec<String> =
        orders(ORDERS)?.iter().filter_map(|order| Some(order["number"].as_str()?.to_owned())).collect();
    let others = sqlx::query_scalar!(
        r#"select exists (select from stock_locations where not (erp_code = any($1)))
               or exists (select from orders where not (number = any($2)))
               or exists (select from users where username not in ('system', $3))
               or (exists (select from states) and not exists (select from stock_locations)) as "others!""#,
        &erp_codes,
        &numbers,
        USERNAME
    );
    Ok(others.fetch_one(pool).await?)
}

async fn take_orders(pool: &PgPool) -> Result<()> {
    let catalog_cache = CatalogCache::new(commands::kinds());
    catalog_cache.refresh(&mut *pool.acquire().await?).await?;
    note!("taking the orders of 1 December 2010 …");
    let mut progress = Bar::new(ORDERS.len() as u64);
    let summary =
        placing::import::import(pool, &catalog_cache, &Gate::open(), ORDERS.as_bytes(), &mut progress).await?;
    progress.finish();
    note!("{} orders taken, {} known already", summary.taken, summary.known);
    Ok(())
}

/// The orders of JSON lines.
pub(super) fn orders(text: &str) -> Result<Vec<Value>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| Error::Fault(format!("line {}: {error}", index + 1)))
        })
        .collect()
}

/// The demo user's token: that of the last start if it still works, else a new one, stored for the next start in a file
/// that only its owner can read.
struct DemoToken {
    key: String,
    /// Its id and its file, if this start has made it.
    made: Option<(i64, PathBuf)>,
}

impl DemoToken {
    async fn find_or_make(pool: &PgPool, file: &Path) -> Result<Self> {
        let kept = read_plain(file).unwrap_or_default().trim().to_owned();
        if !kept.is_empty() && auth::Sessions::default().caller(pool, &kept, 0).await.is_ok() {
            return Ok(Self { key: kept, made: None });
        }
        let mut transaction = audit::begin(pool, &Actor::command_line()).await?;
        let known =
            sqlx::query_scalar!(r#"select exists (select from users where username = $1) as "known!""#, USERNAME)
                .fetch_one(&mut *transaction)
                .await?;
        if !known {
            auth::create_user(&mut transaction, USERNAME, None, Role::Admin, &[]).await?;
        }
        let token = NewToken { name: "demo", ..NewToken::default() };
        let issued = auth::issue_token(&mut transaction, USERNAME, &token).await?;
        transaction.commit().await?;
        if let Err(error) = write_anew(file, &issued.key) {
            tracing::warn!(%error, file = %file.display(), "cannot keep the demo's token; the next start makes another");
        }
        Ok(Self { key: issued.key, made: Some((issued.id, file.to_owned())) })
    }

    /// Ends it, if this start has made it: nobody could read it.
    async fn forget(self, pool: &PgPool) -> Result<()> {
        let Some((id, file)) = self.made else { return Ok(()) };
        let mut transaction = audit::begin(pool, &Actor::command_line()).await?;
        tokens::revoke(&mut transaction, id).await?;
        transaction.commit().await?;
        fs::remove_file(file).ok();
        Ok(())
    }
}

/// Reads a file, and no link: whoever may write in the folder must not choose another file.
fn read_plain(file: &Path) -> io::Result<String> {
    let plain = i32::try_from(OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits()).unwrap_or_default();
    io::read_to_string(OpenOptions::new().read(true).custom_flags(plain).open(file)?)
}

/// Writes a new file in the place of what is there.
fn write_anew(file: &Path, text: &str) -> io::Result<()> {
    file.parent().map_or(Ok(()), fs::create_dir_all)?;
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?.write_all(text.as_bytes())
}

/// The address, a token and three lines to paste.
async fn welcome(pool: &PgPool, address: &str, token: &str) -> Result<String> {
    let packing = sqlx::query!(
        "select p.id, t.slug
           from packages p
           join transitions t on t.source_state_id = p.state_id and t.command = 'COMPLETE_PACKING'
                             and t.retired_date is null
          order by p.id limit 1"
    )
    .fetch_optional(pool)
    .await?;
    let (package, slug) = packing.map_or_else(
        || (1, "package__complete_packing__waiting__packed".to_owned()),
        |packing| (packing.id, packing.slug),
    );
    let base = format!("http://{address}");
    Ok(format!(
        "
oms is serving on {base}
read and try the API at {base}/docs/
token: {token}

# list packages
curl -s -H 'Authorization: Token {token}' '{base}/api/v1/oms/packages/short/?limit=5'

# one package's commands
curl -s -H 'Authorization: Token {token}' '{base}/api/v1/oms/packages/{package}/'

# pack it
curl -s -H 'Authorization: Token {token}' -H 'Content-Type: application/json' -d '{{\"slug\": \"{slug}\", \"input_parameters\": {{}}}}' '{base}/api/v1/oms/packages/{package}/command/'

Ctrl-C stops it; the data stays.
"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_kept_in_a_file_of_its_own_and_through_no_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (victim, file) = (folder.path().join("victim"), folder.path().join("demo-token"));
        fs::write(&victim, "as it was").expect("written");
        std::os::unix::fs::symlink(&victim, &file).expect("a link");
        assert!(read_plain(&file).is_err());
        write_anew(&file, "a token").expect("written");
        assert_eq!(fs::read_to_string(&victim).expect("a text"), "as it was");
        assert_eq!(read_plain(&file).expect("a text"), "a token");
        write_anew(&file, "another").expect("written");
        assert_eq!(read_plain(&file).expect("a text"), "another");
    }
}
