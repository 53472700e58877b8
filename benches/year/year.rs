//! The year itself: a hundred stretches of orders, and after each the work of stores and carriers.

use std::{
    fmt::Write as _,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    Failure,
    feed::{Dice, Feed},
    house::{House, Package},
    support::{Postgres, machine::Clock},
};

/// Stretches of the year.
const STRETCHES: u64 = 100;
/// After so many stretches what was left over is taken up: packages planned again, and those that wait for a place.
const ROUND: u64 = 10;
/// Most packages taken up at once.
const TAKEN_UP: usize = 20_000;
const STATES: [(&str, &str); 8] = [
    ("100", "waiting"),
    ("120", "waiting for a transfer"),
    ("500", "packed"),
    ("600", "shipped"),
    ("700", "delivered"),
    ("900", "cancelled"),
    ("910", "to be planned again"),
    ("920", "out of stock"),
];

/// What happened.
#[derive(Debug, Default)]
struct Tally {
    orders: u64,
    planning: Duration,
    commands: u64,
    commanding: Duration,
}

/// The table, for people.
pub(crate) async fn play(postgres: &Postgres, orders: u64, seed: u64) -> Result<String, Failure> {
    let began = Instant::now();
    let mut feed = Feed::new(seed, orders)?;
    let mut dice = Dice::new(seed ^ 0x5eed);
    let house = Arc::new(House::build(postgres, &mut feed).await?);
    eprintln!("{orders} orders; places and stock are there after {:.0} s", began.elapsed().as_secs_f64());
    let clock = Clock::start(postgres, Some(house.process_id()));
    let mut tally = Tally::default();
    for stretch in 0..STRETCHES {
        let numbers = stretch * orders / STRETCHES..(stretch + 1) * orders / STRETCHES;
        let batch: Vec<Value> = numbers.map(|n| feed.order(n + 1)).collect();
        tally.orders += u64::try_from(batch.len())?;
        let (packages, took) = house.order(batch).await?;
        tally.planning += took;
        work(&house, &packages, &mut dice, &mut tally).await?;
        if stretch % ROUND == ROUND - 1 {
            take_up(&house, &mut dice, &mut tally).await?;
            let per_second = rate(tally.orders, tally.planning);
            eprintln!("  {:>7} orders, {per_second:>5.0} planned per second so far", tally.orders);
        }
    }
    let cost = clock.stop(tally.orders);
    let mut table = format!(
        "| a year of {orders} orders | |\n|---|---:|\n\
         | orders planned per second | {:.0} |\n| commands per second, in lists | {:.0} |\n| commands | {} |\n",
        rate(tally.orders, tally.planning),
        rate(tally.commands, tally.commanding),
        tally.commands
    );
    for (state, name) in STATES {
        writeln!(table, "| packages {name} at the end | {} |", house.count(state).await?)?;
    }
    writeln!(table, "| the whole year took | {:.0} s |", began.elapsed().as_secs_f64())?;
    house.finish().await?;
    writeln!(table, "\n`oms verify` finds nothing. An order with all that became of it: {cost}.")?;
    Ok(table)
}

fn rate(count: u64, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / took.as_secs_f64().max(f64::EPSILON)
}

fn command(package: &Package, slug: &str, input: &Value) -> Value {
    json!({ "package": package.id, "slug": slug, "input_parameters": input })
}

/// What stores do with packages: most are packed and shipped, in some a product is missing, some are refused.
async fn work(house: &House, packages: &[Package], dice: &mut Dice, tally: &mut Tally) -> Result<(), Failure> {
    let nothing = json!({});
    let mut commands = Vec::new();
    for package in packages.iter().filter(|package| package.state == "100") {
        match dice.below(100) {
            0 | 1 => {
                let missing = json!({ "package_items": package.items.iter().take(1).collect::<Vec<_>>() });
                commands.push(command(package, "package__detected_out_of_stock_item__waiting__out-of-stock", &missing));
            }
            2 => {
                let reason = json!({ "denial_reason": 1 });
                commands.push(command(package, "package__refuse_package__waiting__needs-rescheduling", &reason));
            }
            _ => {
                commands.push(command(package, "package__complete_packing__waiting__packed", &nothing));
                commands.push(command(package, "package__ship_the_package__packed__shipped", &nothing));
            }
        }
    }
    run(house, &commands, tally).await
}

async fn run(house: &House, commands: &[Value], tally: &mut Tally) -> Result<(), Failure> {
    let began = Instant::now();
    tally.commands += house.command(commands).await?;
    tally.commanding += began.elapsed();
    Ok(())
}

/// What was left over: refused packages are planned again, and what was planned again is packed like the rest.
async fn take_up(house: &House, dice: &mut Dice, tally: &mut Tally) -> Result<(), Failure> {
    let refused = house.packages("910", TAKEN_UP).await?;
    let slug = "package__repack__needs-rescheduling__waiting";
    let again: Vec<Value> = refused.iter().map(|package| command(package, slug, &json!({}))).collect();
    run(house, &again, tally).await?;
    let waiting = house.packages("100", TAKEN_UP).await?;
    work(house, &waiting, dice, tally).await
}
