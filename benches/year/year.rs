//! The year itself: a hundred stretches of orders, and after each the work of stores and carriers.

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    Failure,
    feed::{Dice, Feed},
    house::House,
    support::{Postgres, machine::Clock},
    work::{COUNTED, Staff},
};

/// Stretches of the year.
const STRETCHES: u64 = 100;
/// After so many stretches what was left over is taken up: transfers, packages planned again, and those that wait for a
/// place.
const ROUND: u64 = 10;
/// Lists, states, and how people call what is in them.
const STATES: [(&str, &str, &str); 12] = [
    ("packages", "100", "packages waiting"),
    ("packages", "120", "packages waiting for a transfer"),
    ("packages", "500", "packages packed"),
    ("packages", "600", "packages shipped"),
    ("packages", "700", "packages delivered"),
    ("packages", "900", "packages cancelled"),
    ("packages", "910", "packages to be planned again"),
    ("packages", "920", "packages out of stock"),
    ("transfer_orders", "waiting", "transfers waiting"),
    ("transfer_orders", "in_transit", "transfers on their way"),
    ("transfer_orders", "transferred", "transfers delivered"),
    ("transfer_orders", "cancelled", "transfers cancelled"),
];

/// The table, for people.
pub(crate) async fn play(postgres: &Postgres, orders: u64, seed: u64) -> Result<String, Failure> {
    let began = Instant::now();
    let mut feed = Feed::new(seed, orders)?;
    let mut staff = Staff::new(Dice::new(seed ^ 0x5eed));
    let house = Arc::new(House::build(postgres, &mut feed).await?);
    eprintln!("{orders} orders; places and stock are there after {:.0} s", began.elapsed().as_secs_f64());
    let clock = Clock::start(postgres, Some(house.process_id()));
    let (mut ordered, mut planning, mut fetching) = (0, Duration::ZERO, 0);
    for stretch in 0..STRETCHES {
        let numbers = stretch * orders / STRETCHES..(stretch + 1) * orders / STRETCHES;
        let batch: Vec<Value> = numbers.map(|n| feed.order(n + 1)).collect();
        ordered += u64::try_from(batch.len())?;
        let (packages, took) = house.order(batch).await?;
        planning += took;
        fetching += packages.iter().filter(|package| package.state == "120").count();
        staff.work(&house, &packages).await?;
        if stretch % ROUND == ROUND - 1 {
            staff.take_up(&house).await?;
            let per_second = rate(ordered, planning);
            eprintln!("  {ordered:>7} orders, {per_second:>5.0} planned per second so far");
        }
    }
    let cost = clock.stop(ordered);
    let mut table = format!(
        "| a year of {orders} orders | |\n|---|---:|\n\
         | orders planned per second | {:.0} |\n| commands per second, in lists | {:.0} |\n\
         | commands on transfers per second, one by one | {:.0} |\n| commands | {} |\n\
         | orders brought together by transfers | {fetching} |\n",
        rate(ordered, planning),
        rate(staff.commands, staff.commanding),
        rate(staff.transfer_commands, staff.transferring),
        staff.commands + staff.transfer_commands
    );
    for (slug, name) in COUNTED {
        writeln!(table, "| {name} | {} |", staff.done.get(slug).copied().unwrap_or_default())?;
    }
    for (list, state, name) in STATES {
        writeln!(table, "| {name} at the end | {} |", house.count(list, state).await?)?;
    }
    writeln!(table, "| the whole year took | {:.0} s |", began.elapsed().as_secs_f64())?;
    house.finish().await?;
    writeln!(table, "\n`oms verify` finds nothing. An order with all that became of it: {cost}.")?;
    Ok(table)
}

fn rate(count: u64, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64().max(f64::EPSILON)
}
