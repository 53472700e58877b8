//! What stores do with what they are sent: most packages are packed and shipped, in some a product is missing, some are
//! refused; what is fetched from elsewhere is dispatched and arrives, where it is found.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    Failure,
    feed::Dice,
    house::{House, Package},
};

/// Most objects taken up at once.
const TAKEN_UP: usize = 20_000;
/// Of a hundred packages, in how many a product is missing, and how many are refused.
const MISSING: u64 = 4;
const REFUSED: u64 = 3;
/// Of a hundred transfers, how many are not found at their source; how many are made ready before they are dispatched.
const NOT_FOUND: u64 = 4;
const READIED: u64 = 50;

const PACK: &str = "package__complete_packing__waiting__packed";
const SHIP: &str = "package__ship_the_package__packed__shipped";
const MISS: &str = "package__detected_out_of_stock_item__waiting__out-of-stock";
const REFUSE: &str = "package__refuse_package__waiting__needs-rescheduling";
const REPACK: &str = "package__repack__needs-rescheduling__waiting";
const READY: &str = "transfer__transfer_order_advanced__waiting__ready_to_shipment";
const DISPATCH: &str = "transfer__transfer_dispatch__waiting__in_transit";
const DISPATCH_READY: &str = "transfer__transfer_dispatch__ready_to_shipment__in_transit";
const DELIVER: &str = "transfer__transfer_delivered__in_transit__transferred";
const LOSE: &str = "transfer__transfer_item_not_found__waiting__cancelled";

/// What is counted, and how people call it.
pub(crate) const COUNTED: [(&str, &str); 10] = [
    (PACK, "packages packed"),
    (SHIP, "packages shipped"),
    (MISS, "packages in which a product was missing"),
    (REFUSE, "packages refused"),
    (REPACK, "packages planned again by hand"),
    (READY, "transfers made ready"),
    (DISPATCH, "transfers dispatched at once"),
    (DISPATCH_READY, "transfers dispatched when ready"),
    (DELIVER, "transfers delivered"),
    (LOSE, "transfers not found at their source"),
];

/// The people in the stores.
#[derive(Debug)]
pub(crate) struct Staff {
    dice: Dice,
    /// Commands on packages that succeeded, and how long all of them took.
    pub(crate) commands: u64,
    pub(crate) commanding: Duration,
    /// The same on transfers.
    pub(crate) transfer_commands: u64,
    pub(crate) transferring: Duration,
    /// How often each command succeeded, by its slug.
    pub(crate) done: BTreeMap<&'static str, u64>,
}

/// A command on an object, as a slug and its parameters.
type Command = (i64, &'static str, Value);

impl Staff {
    pub(crate) fn new(dice: Dice) -> Self {
        Self {
            dice,
            commands: 0,
            commanding: Duration::ZERO,
            transfer_commands: 0,
            transferring: Duration::ZERO,
            done: BTreeMap::new(),
        }
    }

    /// New packages: packed and shipped, unless a product is missing or the store refuses.
    pub(crate) async fn work(&mut self, house: &House, packages: &[Package]) -> Result<(), Failure> {
        let mut commands: Vec<Command> = Vec::new();
        for package in packages.iter().filter(|package| package.state == "100") {
            let happens = self.dice.below(100);
            if happens < MISSING {
                let missing: Vec<i64> = package.items.iter().take(1).copied().collect();
                commands.push((package.id, MISS, json!({ "package_items": missing })));
            } else if happens < MISSING + REFUSED {
                commands.push((package.id, REFUSE, json!({ "denial_reason": 1 })));
            } else {
                commands.push((package.id, PACK, json!({})));
                commands.push((package.id, SHIP, json!({})));
            }
        }
        self.run(house, commands).await
    }

    /// What was left over: transfers go their way, refused packages are planned again, and what waits then is worked on
    /// like the rest.
    pub(crate) async fn take_up(&mut self, house: &Arc<House>) -> Result<(), Failure> {
        self.transfer(house).await?;
        let refused = house.packages("910", TAKEN_UP).await?;
        self.run(house, refused.iter().map(|package| (package.id, REPACK, json!({}))).collect()).await?;
        let waiting = house.packages("100", TAKEN_UP).await?;
        self.work(house, &waiting).await
    }

    async fn run(&mut self, house: &House, commands: Vec<Command>) -> Result<(), Failure> {
        let list: Vec<Value> = commands
            .iter()
            .map(|(id, slug, input)| json!({ "package": id, "slug": slug, "input_parameters": input }))
            .collect();
        let began = Instant::now();
        let results = house.command(&list).await?;
        self.commanding += began.elapsed();
        for (_, (_, slug, _)) in results.into_iter().zip(commands).filter(|(succeeded, _)| *succeeded) {
            self.commands += 1;
            *self.done.entry(slug).or_default() += 1;
        }
        Ok(())
    }

    /// Every transfer that waits: not found at its source, or sent and received. What is not found is planned again, so a
    /// second round sends what comes from elsewhere instead; then all of them have been there.
    async fn transfer(&mut self, house: &Arc<House>) -> Result<(), Failure> {
        for may_miss in [true, false] {
            let mut ways = Vec::new();
            for id in house.transfers("waiting", TAKEN_UP).await? {
                let happens = self.dice.below(100);
                let carrier = json!({ "cargo_company": "manual", "tracking_number": format!("T{id}") });
                let nothing = json!({});
                let way = if may_miss && happens < NOT_FOUND {
                    vec![(LOSE, nothing)]
                } else if happens < NOT_FOUND + READIED {
                    vec![(READY, carrier), (DISPATCH_READY, nothing.clone()), (DELIVER, nothing)]
                } else {
                    vec![(DISPATCH, nothing.clone()), (DELIVER, nothing)]
                };
                ways.push((id, way));
            }
            for (slug, _) in ways.iter().flat_map(|(_, way)| way) {
                self.transfer_commands += 1;
                *self.done.entry(slug).or_default() += 1;
            }
            let body = |(slug, input)| json!({ "slug": slug, "input_parameters": input });
            let bodies = ways.into_iter().map(|(id, way)| (id, way.into_iter().map(body).collect())).collect();
            let began = Instant::now();
            house.transfer(bodies).await?;
            self.transferring += began.elapsed();
        }
        Ok(())
    }
}
