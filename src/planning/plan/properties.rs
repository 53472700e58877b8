//! Random orders among random locations, against a planner that tries everything.

use std::collections::BTreeMap;

use proptest::{collection::vec, option, prelude::*, sample::subsequence};

use super::*;
use crate::{
    locations::{Address, Degrees, LocationType},
    planning::record::{Facts, PlanDecision},
    scenarios::rules::{OrderBy, OrderPrerequisites, ProductPrerequisite, Rule, Splitting, Which},
};

const SKUS: [&str; 3] = ["shirt", "shoe", "hat"];

/// What a random case looks like.
#[derive(Debug, Clone)]
struct Case {
    scenario: Scenario,
    demands: Vec<Demand>,
    candidates: Vec<Candidate>,
    circumstances: Circumstances,
}

/// A plan with its reasons.
struct Planned {
    parcels: Vec<Parcel>,
    unplaced: Vec<i64>,
    rules: Vec<RuleTrace>,
}

impl Case {
    fn outcome(&self) -> Outcome {
        plan(&self.scenario, None, &self.demands, &self.candidates, &self.circumstances)
    }

    fn plan(&self) -> Planned {
        let (Outcome { parcels, unplaced, .. }, rules) =
            explain(&self.scenario, None, &self.demands, &self.candidates, &self.circumstances);
        Planned { parcels, unplaced, rules }
    }

    fn demand(&self, id: i64) -> &Demand {
        self.demands.iter().find(|demand| demand.order_item_id == id).unwrap()
    }

    fn candidate(&self, id: i64) -> &Candidate {
        self.candidates.iter().find(|candidate| candidate.location.id == id).unwrap()
    }

    /// The lines that are placed together with this one.
    fn kit<'d>(&self, demand: &Demand, among: &[&'d Demand]) -> Vec<&'d Demand> {
        let together = demand.kit.filter(|_| self.scenario.splitting.allowed && self.scenario.splitting.kits_together);
        among.iter().copied().filter(|other| together.is_some() && other.kit == together).collect()
    }

    /// Most packages the plan may make.
    fn most_packages(&self) -> usize {
        self.scenario.most_packages().map_or(usize::MAX, |most| most.saturating_sub(self.circumstances.other_packages))
    }

    /// True if the location itself is one for the rule: written down again, one condition after the other.
    fn is_eligible(&self, rule: &Rule, candidate: &Candidate, asked: &[&Demand]) -> bool {
        let location = &candidate.location;
        rule.conditions.iter().all(|condition| match condition {
            Condition::SelectByStock | Condition::SelectByQuota | Condition::SelectByProductLocations => true,
            Condition::SelectByLocationType(types) => types.contains(&location.stock_location_type),
            Condition::SelectByTag(tags) => tags.iter().any(|tag| location.tags.contains(tag)),
            Condition::SelectBySameCity => {
                location.city().is_some() && location.city() == self.circumstances.order.city.as_deref()
            }
            Condition::SelectBySameCountry => location
                .country()
                .is_some_and(|own| self.circumstances.order.country.iter().any(|country| country == own)),
            #[expect(clippy::cast_precision_loss, reason = "small")]
            Condition::SelectByDistance(metres) => {
                candidate.distance_km.is_some_and(|km| km <= *metres as f64 / 1000.0)
            }
            Condition::SelectByOpeningHours(_) => location.conf.is_open(self.circumstances.time, 0),
            Condition::SelectByNotRefused => !self.circumstances.refused_by.contains(&location.id),
            #[expect(clippy::cast_precision_loss, reason = "small")]
            Condition::SelectByMaxWeight => {
                let grams =
                    asked.iter().map(|demand| demand.product.weight_grams * demand.quantity.max(1)).sum::<i64>();
                location.max_weight_kg.is_none_or(|most| grams as f64 <= most * 1000.0)
            }
        })
    }

    /// True if the rule may give the line to the location, stock and room aside.
    fn may_take(rule: &Rule, candidate: &Candidate, demand: &Demand) -> bool {
        let code = &candidate.location.erp_code;
        let allowed = demand.product.allowed_locations.as_ref();
        !demand.excluded_location_ids.contains(&candidate.location.id)
            && (!rule.asks_for(&Condition::SelectByProductLocations) || allowed.is_none_or(|list| list.contains(code)))
    }

    /// The lines a rule is about; none where it does not run.
    fn asked<'d>(&self, rule: &Rule, waiting: &[&'d Demand]) -> Vec<&'d Demand> {
        if !rule.order.channels.is_empty() && rule.order.channels != self.circumstances.order.channel {
            return vec![];
        }
        let Some(products) = &rule.products else { return waiting.to_vec() };
        let matching: Vec<&Demand> =
            waiting.iter().copied().filter(|demand| products.skus.contains(&demand.sku)).collect();
        match products.which {
            Which::These => matching,
            Which::All if matching.len() < waiting.len() => vec![],
            Which::Any if matching.is_empty() => vec![],
            _ => waiting.to_vec(),
        }
    }
}

/// Locations: type, tags, city, country, hours.
fn places() -> impl Strategy<Value = Location> {
    let tags = subsequence(vec!["cold".to_owned(), "fast".to_owned()], 0..=2);
    let city = prop_oneof![Just(None), Just(Some("Izmir".to_owned())), Just(Some("Ankara".to_owned()))];
    let country = prop_oneof![1 => Just(None), 3 => Just(Some("tr".to_owned()))];
    let most_kg = option::weighted(0.3, (0..=12_i32).prop_map(|halves| f64::from(halves) / 2.0));
    (1..=2_i32, any::<bool>(), tags, city, country, any::<bool>(), most_kg).prop_map(
        |(priority, is_store, tags, city, country, is_open, max_weight_kg)| {
            let day = if is_open { "monday" } else { "tuesday" };
            let conf = serde_json::json!({ "timezone": "UTC", "opening_hours": { day: "00:00-24:00" } });
            let mut address = Address::default();
            for (part, name) in [("city", city), ("country", country)] {
                if let Some(name) = name {
                    address.set_part(part, &name);
                }
            }
            Location {
                priority,
                is_active: true,
                stock_location_type: if is_store { LocationType::Store } else { LocationType::Warehouse },
                tags,
                address,
                max_weight_kg,
                conf: crate::reading::whole(conf.as_object().unwrap(), crate::locations::Hours::read).unwrap(),
                ..Location::default()
            }
        },
    )
}

/// Stock and quota most of the time, others now and then.
fn conditions() -> impl Strategy<Value = Vec<Condition>> {
    let stock = vec![Condition::SelectByStock, Condition::SelectByQuota];
    let others = vec![
        Condition::SelectByLocationType(vec![LocationType::Store]),
        Condition::SelectByTag(vec!["fast".to_owned()]),
        Condition::SelectBySameCity,
        Condition::SelectBySameCountry,
        Condition::SelectByDistance(2_000),
        Condition::SelectByOpeningHours(0),
        Condition::SelectByNotRefused,
        Condition::SelectByProductLocations,
        Condition::SelectByMaxWeight,
    ];
    let stock = prop_oneof![subsequence(stock.clone(), 0..=2), Just(stock)];
    let others = prop_oneof![3 => Just(vec![]), 1 => subsequence(others, 1..=2)];
    (stock, others).prop_map(|(stock, others)| [stock, others].concat())
}

fn rules(skus: &'static [&'static str]) -> impl Strategy<Value = Vec<Rule>> {
    let keys = OrderBy::WORDS.map(|(_, key)| key).to_vec();
    let order_by = subsequence(keys, 0..=3).prop_shuffle();
    let channels = option::weighted(0.1, prop_oneof![Just("web".to_owned()), Just("app".to_owned())]);
    let rule = (conditions(), order_by, option::weighted(0.2, products(skus)), channels);
    let rule = rule.prop_map(|(conditions, order_by, products, channel)| Rule {
        name: String::new(),
        conditions,
        order_by,
        order: OrderPrerequisites { channels: channel.into_iter().collect(), ..OrderPrerequisites::default() },
        products,
        transferable: false,
    });
    vec(rule, 1..=3).prop_map(|mut rules| {
        for (number, rule) in rules.iter_mut().enumerate() {
            rule.name = format!("Rule {number}");
        }
        rules
    })
}

fn products(skus: &'static [&'static str]) -> impl Strategy<Value = ProductPrerequisite> {
    let which = prop_oneof![Just(Which::All), Just(Which::Any), Just(Which::These)];
    (which, subsequence(skus.to_vec(), 1..=skus.len().min(2))).prop_map(|(which, skus)| ProductPrerequisite {
        which,
        skus: skus.into_iter().map(str::to_owned).collect(),
        base_codes: vec![],
        attributes: BTreeMap::new(),
    })
}

fn splittings() -> impl Strategy<Value = Splitting> {
    let weight = option::weighted(0.5, prop_oneof![Just(0_i64), Just(1_000), Just(2_500)]);
    prop_oneof![
        3 => Just(Splitting::default()),
        1 => Just(Splitting { allowed: false, ..Splitting::default() }),
        1 => Just(Splitting { kits_together: true, ..Splitting::default() }),
        3 => (option::of(1..=3_usize), weight, any::<bool>()).prop_map(|(most_packages, metres_per_package, kits_together)| Splitting {
            allowed: true,
            lines: false,
            kits_together,
            most_packages,
            metres_per_package,
        }),
    ]
}

fn circumstances() -> impl Strategy<Value = Circumstances> {
    let refused_by = subsequence(vec![1, 2, 3, 4_i64], 0..=2);
    let city = prop_oneof![Just(None), Just(Some("Izmir".to_owned()))];
    (refused_by, city, prop_oneof![3 => Just(0_usize), 1 => Just(1)]).prop_map(|(refused_by, city, other_packages)| {
        Circumstances {
            // A Monday.
            time: "2024-05-06T12:00:00Z".parse().unwrap(),
            order: OrderFacts {
                channel: vec!["web".to_owned()],
                city,
                country: vec!["tr".to_owned()],
                ..OrderFacts::default()
            },
            package_location: None,
            other_packages,
            refused_by: refused_by.into_iter().collect(),
        }
    })
}

fn demands(locations: usize, lines: usize, skus: &'static [&'static str]) -> impl Strategy<Value = Vec<Demand>> {
    let ids: Vec<i64> = (1..=i64::try_from(locations).unwrap()).collect();
    let excluded = prop_oneof![3 => Just(vec![]), 1 => subsequence(ids.clone(), 0..=2)];
    let allowed = option::weighted(0.2, subsequence(ids, 0..=2));
    let weight = prop_oneof![Just(0), Just(500), Just(2_000)];
    let kit = prop_oneof![2 => Just(None), 1 => Just(Some(101)), 1 => Just(Some(102))];
    let line = (0..skus.len(), 1..=4_i64, excluded, allowed, weight, kit).prop_map(
        |(sku, quantity, excluded, allowed, weight_grams, kit)| Demand {
            kit,
            order_item_id: 0,
            sku: skus[sku].to_owned(),
            quantity,
            excluded_location_ids: excluded.into_iter().collect(),
            product: Product {
                allowed_locations: allowed.map(|ids| ids.iter().map(|id| format!("L{id}")).collect()),
                weight_grams,
                ..Product::default()
            },
        },
    );
    vec(line, 1..=lines).prop_map(|mut lines| {
        for (id, line) in (1..).zip(&mut lines) {
            line.order_item_id = id;
        }
        lines
    })
}

fn candidates(locations: usize, skus: &'static [&'static str]) -> impl Strategy<Value = Vec<Candidate>> {
    let distance = option::of((0..4_u8).prop_map(f64::from));
    let stock = vec((prop_oneof![1 => Just(0), 3 => 1..=9_i64], 0..=1_i64), skus.len());
    let location = (places(), option::of(0..=3_i64), 0..=2_i64, distance, stock);
    let location = location.prop_map(|(location, max_quota, open_packages, distance_km, stock)| {
        let stock = skus.iter().zip(stock);
        Candidate {
            location: Arc::new(location),
            max_quota,
            open_packages,
            rooms_set_aside: 0,
            distance_km,
            stock: stock
                .map(|(sku, (quantity, reserved))| (Arc::from(*sku), Stock { quantity, reserved, ..Stock::default() }))
                .collect(),
        }
    });
    vec(location, 0..=locations).prop_map(|mut candidates| {
        for (id, candidate) in (1..).zip(&mut candidates) {
            let location = Arc::make_mut(&mut candidate.location);
            location.id = id;
            location.erp_code = format!("L{id}");
            location.name = format!("Location {id}");
        }
        candidates
    })
}

fn cases(locations: usize, lines: usize, skus: &'static [&'static str]) -> impl Strategy<Value = Case> {
    let parts =
        (demands(locations, lines, skus), candidates(locations, skus), rules(skus), splittings(), circumstances());
    parts.prop_map(|(demands, candidates, rules, splitting, circumstances)| Case {
        scenario: Scenario { id: 1, name: "Random".to_owned(), splitting, rules, ..Scenario::default() },
        demands,
        candidates,
        circumstances,
    })
}

/// The same without what may leave out a line that has a place: limits, prerequisites.
fn plain(mut case: Case) -> Case {
    case.scenario.splitting = Splitting::default();
    for rule in &mut case.scenario.rules {
        rule.products = None;
        rule.order = OrderPrerequisites::default();
        // The weight of one product decides where another may go.
        rule.conditions.retain(|condition| !matches!(condition, Condition::SelectByMaxWeight));
    }
    case
}

/// The planner that tries every place for every line.
struct TryAll<'a> {
    case: &'a Case,
    stock: BTreeMap<(i64, &'a str), i64>,
    parcels: Vec<Opened>,
    waiting: Vec<&'a Demand>,
}

/// Location, items, the rule that opened it.
type Opened = (i64, BTreeSet<i64>, String);

/// Smaller is better: unplaced lines, what new parcels cost, new parcels, locations, their ranks, each line's rank.
type Cost = (usize, i64, usize, usize, Vec<usize>, Vec<usize>);

impl<'a> TryAll<'a> {
    fn plan(case: &'a Case) -> (Vec<Opened>, Vec<i64>) {
        let stock = case.candidates.iter().flat_map(|candidate| {
            let id = candidate.location.id;
            candidate.stock.iter().map(move |(sku, stock)| ((id, &**sku), stock.quantity - stock.reserved))
        });
        let mut all = Self { case, stock: stock.collect(), parcels: vec![], waiting: vec![] };
        let mut waiting: Vec<&Demand> = case.demands.iter().collect();
        for rule in &case.scenario.rules {
            let asked = case.asked(rule, &waiting);
            if asked.is_empty() {
                continue;
            }
            let order = all.order(rule, &asked, &waiting);
            let mut best = None;
            all.waiting.clone_from(&waiting);
            all.try_line(rule, &order, &asked, &mut vec![], &mut best);
            let (unplaced, .., ranks) = best.unwrap();
            let places_all = unplaced == 0 && asked.len() == waiting.len();
            if !case.scenario.splitting.allowed && !places_all {
                continue;
            }
            for (rank, candidate) in order.iter().enumerate() {
                for (line, demand) in asked.iter().enumerate() {
                    if ranks[line] == rank {
                        all.put(rule, candidate, demand);
                    }
                }
            }
            let placed = |demand: &Demand| {
                asked
                    .iter()
                    .zip(&ranks)
                    .any(|(asked, rank)| asked.order_item_id == demand.order_item_id && *rank != usize::MAX)
            };
            waiting.retain(|demand| !placed(demand));
        }
        (all.parcels, waiting.iter().map(|demand| demand.order_item_id).collect())
    }

    fn available(&self, candidate: &Candidate, demand: &'a Demand) -> i64 {
        *self.stock.get(&(candidate.location.id, demand.sku.as_str())).unwrap_or(&0)
    }

    fn order(&self, rule: &Rule, asked: &[&'a Demand], waiting: &[&'a Demand]) -> Vec<&'a Candidate> {
        let covered = |candidate: &Candidate| {
            let by_stock = rule.asks_for(&Condition::SelectByStock);
            let is_enough = |demand: &'a Demand, wanted: i64| !by_stock || self.available(candidate, demand) >= wanted;
            let can = |demand: &&&'a Demand| {
                let kit = self.case.kit(demand, waiting);
                let whole = kit.iter().all(|part| {
                    let of_sku = kit.iter().filter(|other| other.sku == part.sku);
                    asked.iter().any(|asked| asked.order_item_id == part.order_item_id)
                        && Case::may_take(rule, candidate, part)
                        && is_enough(part, of_sku.map(|other| other.quantity).sum())
                });
                Case::may_take(rule, candidate, demand) && is_enough(demand, demand.quantity) && whole
            };
            asked.iter().filter(can).count()
        };
        let mut order: Vec<&Candidate> = self.case.candidates.iter().collect();
        order.sort_by_key(|candidate| (candidate.location.priority, candidate.location.id));
        // Sorting is stable, so the last sort decides.
        for key in rule.order_by.iter().rev() {
            match key {
                OrderBy::Priority => order.sort_by_key(|candidate| candidate.location.priority),
                OrderBy::Distance => order.sort_by(|a, b| {
                    let km = |candidate: &Candidate| candidate.distance_km.unwrap_or(f64::MAX);
                    km(a).total_cmp(&km(b))
                }),
                OrderBy::AvailableQuota => {
                    order.sort_by_key(|candidate| {
                        std::cmp::Reverse(candidate.max_quota.map_or(i64::MAX, |most| most - candidate.open_packages))
                    });
                }
                OrderBy::AvailableQuotaShare => order.sort_by(|a, b| {
                    #[expect(clippy::cast_precision_loss, reason = "small")]
                    let share = |candidate: &Candidate| match candidate.max_quota {
                        None => f64::MAX,
                        Some(0) => 0.0,
                        Some(most) => (most - candidate.open_packages) as f64 / most as f64,
                    };
                    share(b).total_cmp(&share(a))
                }),
                OrderBy::ItemsCovered => order.sort_by_key(|candidate| std::cmp::Reverse(covered(candidate))),
                OrderBy::OpenPackages => order.sort_by_key(|candidate| candidate.open_packages),
            }
        }
        order
    }

    fn has_parcel(&self, candidate: &Candidate) -> bool {
        self.parcels.iter().any(|(id, ..)| *id == candidate.location.id)
    }

    /// What a new parcel at a location costs, in metres or, without a weight, in parcels.
    fn cost(&self, candidate: &Candidate) -> i64 {
        #[expect(clippy::cast_possible_truncation, reason = "small")]
        let metres = (candidate.distance_km.unwrap_or(20_040.0) * 1000.0) as i64;
        self.case.scenario.splitting.metres_per_package.map_or(1, |weight| weight + metres)
    }

    fn try_line(
        &mut self,
        rule: &Rule,
        order: &[&'a Candidate],
        asked: &[&'a Demand],
        ranks: &mut Vec<usize>,
        best: &mut Option<Cost>,
    ) {
        let unplaced = ranks.iter().filter(|rank| **rank == usize::MAX).count();
        let used: BTreeSet<usize> = ranks.iter().copied().filter(|rank| *rank != usize::MAX).collect();
        let new: Vec<usize> = used.iter().copied().filter(|rank| !self.has_parcel(order[*rank])).collect();
        if best.as_ref().is_some_and(|best| unplaced > best.0)
            || self.parcels.len() + new.len() > self.case.most_packages()
        {
            return;
        }
        if ranks.len() == asked.len() {
            let cost_of_new = new.iter().map(|rank| self.cost(order[*rank])).sum();
            let places = used.len();
            let cost = (unplaced, cost_of_new, new.len(), places, used.into_iter().collect(), ranks.clone());
            if best.as_ref().is_none_or(|best| cost < *best) {
                *best = Some(cost);
            }
            return;
        }
        let demand = asked[ranks.len()];
        let kit = self.case.kit(demand, &self.waiting);
        let is_asked = |part: &&Demand| asked.iter().any(|asked| asked.order_item_id == part.order_item_id);
        let before =
            |part: &&Demand| asked[..ranks.len()].iter().position(|asked| asked.order_item_id == part.order_item_id);
        // With a part that was placed before, at its rank or nowhere.
        let of_kit = kit.iter().find_map(before).map(|at| ranks[at]);
        let of_kit = if kit.iter().all(is_asked) { of_kit } else { Some(usize::MAX) };
        for (rank, candidate) in
            order.iter().enumerate().filter(|(rank, _)| of_kit.is_none_or(|of_kit| of_kit == *rank))
        {
            let id = candidate.location.id;
            let has_room = !rule.asks_for(&Condition::SelectByQuota)
                || self.has_parcel(candidate)
                || candidate.max_quota.is_none_or(|most| most > candidate.open_packages);
            let by_stock = rule.asks_for(&Condition::SelectByStock);
            let stock = self.available(candidate, demand);
            let may = self.case.is_eligible(rule, candidate, asked) && Case::may_take(rule, candidate, demand);
            if !may || !has_room || (by_stock && stock < demand.quantity) {
                continue;
            }
            self.stock.insert((id, &demand.sku), stock - demand.quantity);
            ranks.push(rank);
            self.try_line(rule, order, asked, ranks, best);
            ranks.pop();
            self.stock.insert((id, &demand.sku), stock);
        }
        if of_kit.is_none_or(|of_kit| of_kit == usize::MAX) {
            ranks.push(usize::MAX);
            self.try_line(rule, order, asked, ranks, best);
            ranks.pop();
        }
    }

    fn put(&mut self, rule: &Rule, candidate: &Candidate, demand: &'a Demand) {
        let id = candidate.location.id;
        let left = self.stock.entry((id, &demand.sku)).or_default();
        *left = (*left - demand.quantity).max(0);
        match self.parcels.iter_mut().find(|(of, ..)| *of == id) {
            Some((_, items, _)) => {
                items.insert(demand.order_item_id);
            }
            None => {
                self.parcels.push((id, [demand.order_item_id].into(), rule.name.clone()));
            }
        }
    }
}

/// True if the parts of each kit are in one parcel, or none of them is in any.
fn kits_are_together(case: &Case, plan: &Planned) -> bool {
    let all: Vec<&Demand> = case.demands.iter().collect();
    let place = |part: &Demand| {
        let of_part = |parcel: &&Parcel| parcel.order_item_ids.contains(&part.order_item_id);
        plan.parcels.iter().find(of_part).map(|parcel| parcel.stock_location_id)
    };
    case.demands.iter().all(|demand| case.kit(demand, &all).into_iter().all(|part| place(part) == place(demand)))
}

/// What must hold of every plan, however it was found.
fn check(case: &Case, plan: &Planned) -> Result<(), TestCaseError> {
    // Every item once.
    let placed = plan.parcels.iter().flat_map(|parcel| &parcel.order_item_ids);
    let mut all: Vec<i64> = placed.chain(&plan.unplaced).copied().collect();
    all.sort_unstable();
    let asked: Vec<i64> = case.demands.iter().map(|demand| demand.order_item_id).collect();
    prop_assert_eq!(all, asked);

    // One parcel for a location, none of them empty.
    let locations: BTreeSet<i64> = plan.parcels.iter().map(|parcel| parcel.stock_location_id).collect();
    prop_assert_eq!(locations.len(), plan.parcels.len());

    prop_assert!(kits_are_together(case, plan));

    // The limits of splitting.
    prop_assert!(plan.parcels.len() <= case.most_packages());
    if !case.scenario.splitting.allowed && !plan.parcels.is_empty() {
        prop_assert!(plan.unplaced.is_empty());
    }

    for parcel in &plan.parcels {
        let candidate = case.candidate(parcel.stock_location_id);
        prop_assert!(!parcel.order_item_ids.is_empty());
        prop_assert!(parcel.order_item_ids.is_sorted() && parcel.stock_bound_item_ids.is_sorted());
        prop_assert_eq!(parcel.bound_by_stock, !parcel.stock_bound_item_ids.is_empty());
        if parcel.bound_by_quota {
            prop_assert!(candidate.available_quota().is_none_or(|room| room >= 1));
        }
        let mut taken: BTreeMap<&str, i64> = BTreeMap::new();
        for id in &parcel.order_item_ids {
            let demand = case.demand(*id);
            prop_assert!(!demand.excluded_location_ids.contains(&parcel.stock_location_id));
            if parcel.stock_bound_item_ids.contains(id) {
                *taken.entry(&demand.sku).or_default() += demand.quantity;
            }
        }
        for (sku, quantity) in taken {
            prop_assert!(candidate.stock[sku].available() >= quantity);
        }
    }

    // What the trace says was given is what the parcels hold.
    let mut given: BTreeMap<i64, BTreeSet<i64>> = BTreeMap::new();
    for rule in &plan.rules {
        let mut placed = 0;
        let of_scenario = case.scenario.rules.iter().find(|other| other.name == rule.rule).unwrap();
        let asked: Vec<&Demand> = rule.asked.ids.iter().map(|id| case.demand(*id)).collect();
        for candidate in &rule.candidates {
            if candidate.verdict == Verdict::Chosen {
                prop_assert!(case.is_eligible(of_scenario, case.candidate(candidate.stock_location_id), &asked));
                for id in &candidate.given {
                    prop_assert!(Case::may_take(
                        of_scenario,
                        case.candidate(candidate.stock_location_id),
                        case.demand(*id)
                    ));
                }
            }
            prop_assert_eq!(candidate.verdict == Verdict::Chosen, !candidate.given.is_empty());
            placed += candidate.given.len();
            if !candidate.given.is_empty() {
                given.entry(candidate.stock_location_id).or_default().extend(&candidate.given);
            }
        }
        prop_assert_eq!(rule.placed, placed);
        let not_shown: usize = rule.not_shown.values().sum();
        let seen = if rule.skipped.is_some() { 0 } else { case.candidates.len() };
        prop_assert_eq!(rule.candidates.len() + not_shown, seen);
        prop_assert!(rule.candidates.is_sorted_by_key(|candidate| candidate.rank));
    }
    let parcels: BTreeMap<i64, BTreeSet<i64>> = plan
        .parcels
        .iter()
        .map(|parcel| (parcel.stock_location_id, parcel.order_item_ids.iter().copied().collect()))
        .collect();
    prop_assert_eq!(given, parcels);

    Ok(())
}

/// A plan as it is kept, through the text it is kept as.
fn kept(case: &Case, plan: &Outcome) -> Trace {
    let facts = Facts::of(7, &case.circumstances, &case.demands, &case.candidates, case.scenario.reads_products());
    let decision = PlanDecision {
        scenarios: vec![],
        parcels: plan.parcels.clone(),
        unplaced: plan.unplaced.clone(),
        ..PlanDecision::default()
    };
    let text = serde_json::to_string(&Trace { decision, facts }).unwrap();
    serde_json::from_str(&text).unwrap()
}

proptest! {
    #[test]
    fn it_is_the_plan_of_one_who_tries_everything(
        case in prop_oneof![cases(6, 6, &SKUS), cases(5, 7, &SKUS[..1])]
    ) {
        let plan = case.plan();
        check(&case, &plan)?;
        prop_assert!(plan.rules.iter().all(|rule| rule.exact));

        let (parcels, unplaced) = TryAll::plan(&case);
        let planned: Vec<Opened> = plan
            .parcels
            .iter()
            .map(|parcel| {
                let items = parcel.order_item_ids.iter().copied().collect();
                (parcel.stock_location_id, items, parcel.rule.clone())
            })
            .collect();
        prop_assert_eq!(planned, parcels);
        prop_assert_eq!(plan.unplaced, unplaced);
    }

    #[test]
    fn it_is_the_same_in_whatever_order_the_facts_are_given(
        (case, shuffled) in cases(8, 8, &SKUS).prop_flat_map(|case| {
            let demands = Just(case.demands.clone()).prop_shuffle();
            let candidates = Just(case.candidates.clone()).prop_shuffle();
            let whole = case.clone();
            let shuffled = (demands, candidates)
                .prop_map(move |(demands, candidates)| Case { demands, candidates, ..whole.clone() });
            (Just(case), shuffled)
        })
    ) {
        let (plan, other) = (case.plan(), shuffled.plan());
        prop_assert_eq!(&plan.parcels, &other.parcels);
        prop_assert_eq!(plan.unplaced, other.unplaced);
        prop_assert_eq!(plan.rules, other.rules);
        prop_assert_eq!(plan.parcels, case.outcome().parcels, "the same without reasons");
    }

    #[test]
    fn what_is_kept_of_a_plan_makes_the_same_plan_again(case in cases(30, 8, &SKUS)) {
        // Distances come from coordinates: what is kept names them.
        let at = |km: f64| (0.0, km / 111.195);
        let mut case = case;
        case.circumstances.order.coordinates = Some((0.0, 0.0));
        for candidate in &mut case.candidates {
            let coordinates = candidate.distance_km.map(at);
            let address = &mut Arc::make_mut(&mut candidate.location).address;
            address.latitude = coordinates.map(|(north, _)| Degrees::new(north));
            address.longitude = coordinates.map(|(_, east)| Degrees::new(east));
            let coordinates = candidate.location.coordinates();
            candidate.distance_km = coordinates.map(|there| distance_km((0.0, 0.0), there));
        }
        let planned = case.plan();
        let outcome = case.outcome();
        let record = kept(&case, &outcome);
        let locations = case.candidates.iter().map(|candidate| (candidate.location.id, Arc::clone(&candidate.location)));
        let order = case.circumstances.order.clone();
        let again = Case {
            scenario: case.scenario.clone(),
            demands: record.facts.demands(&BTreeMap::new()),
            candidates: record.facts.candidates(&locations.collect(), &order),
            circumstances: record.facts.circumstances(order),
        };
        prop_assert_eq!(&again.circumstances, &case.circumstances);
        prop_assert_eq!(again.outcome(), Outcome { parcels: record.decision.parcels, unplaced: record.decision.unplaced, ..Outcome::default() });
        prop_assert_eq!(again.plan().rules, planned.rules, "for the same reasons");
    }

    #[test]
    fn among_many_locations_it_still_places_as_much_as_can_be_placed(
        case in cases(40, 24, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"])
    ) {
        check(&case, &case.plan())?;
        let case = plain(case);
        let plan = case.plan();
        check(&case, &plan)?;
        let skus: BTreeSet<&String> = case.demands.iter().map(|demand| &demand.sku).collect();
        let most: usize = skus
            .into_iter()
            .map(|sku| {
                let mut of_sku = case.clone();
                of_sku.demands.retain(|demand| demand.sku == *sku);
                of_sku.plan().rules[0].placed
            })
            .sum();
        prop_assert_eq!(plan.rules[0].placed, most);
    }
}
