//! Orders per second, with more and more packages stored.

use std::{fmt::Write as _, sync::Arc};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    Failure,
    feed::{Feed, LOCATIONS},
    house::House,
    support::{Postgres, machine::Clock},
};

/// Orders that are measured, with so many packages stored already.
const MEASURED: u64 = 3000;
const STORED: [u64; 3] = [10_000, 100_000, 1_000_000];

/// The table, for people.
pub(crate) async fn measure(postgres: &Postgres, seed: u64) -> Result<String, Failure> {
    // Stock for all that is ordered here, as if this were the year.
    let mut feed = Feed::new(seed, MEASURED * 10)?;
    let house = Arc::new(House::build(postgres, &mut feed).await?);
    let mut connection = PgConnection::connect_with(&postgres.options("year")).await?;
    let mut table = "| packages stored | orders planned per second |\n|---:|---:|\n".to_owned();
    let (mut next, mut filled) = (1, 0);
    // Once before it counts: connections are made, statements prepared.
    let warm_up = (0..500).map(|n| feed.order(next + n)).collect();
    house.order(warm_up).await?;
    next += 500;
    for stored in STORED {
        let there: i64 = sqlx::query_scalar("select count(*) from packages").fetch_one(&mut connection).await?;
        let missing = stored.saturating_sub(u64::try_from(there)?);
        eprintln!("storing {missing} packages of the past …");
        let sql = include_str!("fill.sql")
            .replace("{from}", &(filled + 1).to_string())
            .replace("{to}", &(filled + missing).to_string())
            .replace("{locations}", &LOCATIONS.to_string());
        filled += missing;
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await?;
        sqlx::raw_sql("vacuum (analyze)").execute(&mut connection).await?;
        sqlx::raw_sql("checkpoint").execute(&mut connection).await?;
        let orders: Vec<_> = (0..MEASURED).map(|n| feed.order(next + n)).collect();
        next += MEASURED;
        let clock = Clock::start(postgres, Some(house.process_id()));
        let (_, took) = house.order(orders).await?;
        let per_second = f64::from(u32::try_from(MEASURED)?) / took.as_secs_f64();
        eprintln!("  {stored:>9} packages stored: {per_second:>5.0} orders/s; {}", clock.stop(MEASURED));
        writeln!(table, "| {stored} | {per_second:.0} |")?;
    }
    connection.close().await?;
    house.finish().await?;
    Ok(table)
}
