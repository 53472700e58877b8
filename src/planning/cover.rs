//! Which locations share the lines of an order, and which line each gets.
//!
//! The best choice places the most lines, or the most units where lines may be divided; among equals it costs the least;
//! then it opens the fewest new parcels; then it uses the fewest locations; then its ranks come first, compared one by
//! one. A new parcel costs one, or the distance that the scenario says it is worth. For up to [`EXACT`] takers that matter,
//! every set of them is tried. For more, a greedy choice adds the taker with the least cost per added line (among equals the one that adds more, then
//! the better rank), repairs losses from sharing a SKU's stock, and drops takers that are not needed. It places as many
//! lines, but may use a location too many. If new parcels are limited, it stops at the limit, and may leave a line that
//! has a place.
//!
//! Few takers matter: one is set aside when a better one can always replace it (`worth_keeping`). So an order of a few
//! lines is mostly decided exactly, among any number of locations.

mod bin_packing;
mod bits;
mod dividing;
mod greedy;
mod search;
mod sharing;
mod together;

#[cfg(test)]
mod tests;

use std::{cmp::Reverse, collections::BTreeMap};

pub use self::{bits::Bits, together::cover_together};
use self::{
    search::Effort,
    sharing::{Placing, Sharing},
};

/// Up to this many takers that matter, the choice is exact.
pub const EXACT: usize = 12;

/// An order line that waits for a place.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// Column of its SKU in [`Taker::stock`].
    pub sku: usize,
    /// At least one.
    pub quantity: i64,
    /// How many lines of the order it stands for. It counts as much, where units do not count.
    pub stands_for: i64,
}

/// A location that may take at least one line.
#[derive(Debug)]
pub struct Taker<'a> {
    /// The lines it may take, each checked alone.
    pub can: &'a Bits,
    /// True if it has a parcel, so that more lines cost nothing.
    pub has_parcel: bool,
    /// True if something goes there in any case: it is a location that is used, whatever else it gets.
    pub is_used: bool,
    /// The cost of a new parcel here; 0 if it has one.
    pub cost: i64,
    /// Its stock of each SKU.
    pub stock: &'a [i64],
}

/// What a choice may do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// Stock limits. Without it a taker takes a line whatever it has.
    pub by_stock: bool,
    /// A line may be divided among takers, unit by unit. Without stock as a limit none needs to be.
    pub divides: bool,
    /// Most new parcels; none: no limit.
    pub most_new: Option<usize>,
}

/// Units of a line, and the taker that gets them.
pub type Part = (usize, i64);

/// The result.
#[derive(Debug)]
pub struct Cover {
    /// For each line the takers that get it, with their units.
    pub given: Vec<Vec<Part>>,
    /// True if the choice is proven to be the best.
    pub exact: bool,
}

/// Chooses among takers, which are given best rank first.
#[must_use]
pub fn cover(lines: &[Line], takers: &[Taker], terms: Terms) -> Cover {
    cover_with(lines, takers, terms, &mut Effort::of_a_rule())
}

/// The same, with the steps that are left.
fn cover_with(lines: &[Line], takers: &[Taker], terms: Terms, effort: &mut Effort) -> Cover {
    let terms = Terms { divides: terms.divides && terms.by_stock, ..terms };
    let mut task = Task::new(lines, takers, terms, usize::MAX, effort);
    if terms.divides && task.kept.len() > EXACT {
        // How many takers a choice can have at most says how many can stand in for one.
        let most = task.most_takers(&task.greedy(effort));
        task = Task::new(lines, takers, terms, most, effort);
    }
    let found = if task.kept.len() <= EXACT { task.best_set(effort) } else { None };
    let looked_at_all = found.is_some();
    let choice = found.unwrap_or_else(|| task.greedy(effort));
    // A taker of everything is the best, unless two nearer ones can cost less.
    let none_is_used = takers.iter().all(|taker| !taker.is_used);
    let is_one = choice.takers.len() <= 1 && task.is_everything(&choice) && task.costs_are_equal() && none_is_used;
    let given = task.give(&choice, effort);
    Cover { given, exact: (looked_at_all || is_one) && !effort.cut }
}

/// Lines of one SKU that a taker can take one by one but not all together, or not as a whole where they are divided.
fn scarce_lines(lines: &[Line], takers: &[Taker], terms: Terms) -> Vec<Bits> {
    let mut by_sku: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, line) in lines.iter().enumerate() {
        by_sku.entry(line.sku).or_default().push(at);
    }
    by_sku.retain(|_, lines| terms.by_stock && (terms.divides || lines.len() > 1));
    let of_taker = |taker: &Taker| {
        let mut scarce = Bits::none(lines.len());
        for (sku, same) in &by_sku {
            let can = same.iter().filter(|line| taker.can.contains(**line));
            let needed = can.clone().map(|line| i128::from(lines[*line].quantity)).sum::<i128>();
            if needed > i128::from(taker.stock[*sku]) {
                can.for_each(|line| scarce.insert(*line));
            }
        }
        scarce
    };
    takers.iter().map(of_taker).collect()
}

/// The takers that a best choice may need, best rank first.
///
/// A taker is not needed if a better one may take the same lines and has enough stock for all of them: it takes over
/// the whole part. (Better: it is used anyway, or has a parcel, or a better rank without being worse in that; and its cost is no higher.)
/// Nor is it needed if `enough` better takers, as many as a best choice can have, may take the same lines and have no less
/// of the shared SKUs: one of them is always free to take the part. (For more than [`EXACT`] the second test would leave
/// too many takers, and is skipped.)
fn worth_keeping(takers: &[Taker], lines: &[Line], scarce: &[Bits], shared: &Bits, enough: usize) -> Vec<usize> {
    let has_no_less = |better: &Taker, taker: &Taker| {
        let mut skus = taker.can.iter().filter(|line| shared.contains(*line)).map(|line| lines[line].sku);
        enough <= EXACT && skus.all(|sku| better.stock[sku] >= taker.stock[sku])
    };
    let mut best_first: Vec<usize> = (0..takers.len()).collect();
    best_first.sort_by_key(|&at| (!takers[at].is_used, !takers[at].has_parcel, at));
    let mut kept: Vec<usize> = Vec::new();
    for at in best_first {
        let taker = &takers[at];
        let mut stand_ins = 0;
        let is_better =
            |better: &&usize| takers[**better].cost <= taker.cost && taker.can.is_within(takers[**better].can);
        for &better in kept.iter().filter(is_better) {
            if !taker.can.meets(&scarce[better]) {
                stand_ins = enough;
            } else if has_no_less(&takers[better], taker) {
                stand_ins += 1;
            }
            if stand_ins >= enough {
                break;
            }
        }
        if stand_ins < enough || taker.is_used {
            kept.push(at);
        }
    }
    kept.sort_unstable();
    kept
}

/// The lines at least one taker may take.
fn coverable(lines: &[Line], takers: &[Taker]) -> Bits {
    let mut coverable = Bits::none(lines.len());
    for taker in takers {
        coverable.add(taker.can);
    }
    coverable
}

/// A set of takers, with their placing of the lines that share stock.
struct Choice {
    /// Best rank first.
    takers: Vec<usize>,
    /// One placing for each packing problem.
    placings: Vec<Placing>,
}

/// The problem.
struct Task<'a> {
    takers: &'a [Taker<'a>],
    line_count: usize,
    /// The takers that matter, best rank first.
    kept: Vec<usize>,
    /// Lines that any taker allowed to take them can take, whatever else it takes.
    simple: Bits,
    /// The other lines, by SKU.
    packings: Vec<Sharing>,
    /// For each taker its bins, as (packing, bin).
    bins: Vec<Vec<(usize, usize)>>,
    /// For each line its units.
    quantities: Vec<i64>,
    /// For each line what placing it counts: the lines that it stands for, or its units where lines are divided.
    weights: Vec<i64>,
    /// True if each counts one.
    counts_lines: bool,
    terms: Terms,
}

impl<'a> Task<'a> {
    /// Drops takers that do not matter, and makes packing problems of the lines that share stock. `most_takers`: a best
    /// choice has no more.
    fn new(lines: &[Line], takers: &'a [Taker<'a>], terms: Terms, most_takers: usize, effort: &mut Effort) -> Self {
        let scarce = scarce_lines(lines, takers, terms);
        let mut shared_skus: BTreeMap<usize, Vec<(usize, i64)>> = BTreeMap::new();
        for line in scarce.iter().flat_map(Bits::iter) {
            shared_skus.entry(lines[line].sku).or_default();
        }
        let mut simple = coverable(lines, takers);
        let parts: i64 = if terms.divides {
            simple.iter().fold(0, |units, line| lines[line].quantity.saturating_add(units))
        } else {
            i64::try_from(simple.count()).unwrap_or(i64::MAX)
        };
        let used = takers.iter().filter(|taker| taker.is_used).count();
        let enough = usize::try_from(parts).unwrap_or(usize::MAX).min(most_takers).saturating_add(used);
        let mut shared = Bits::none(lines.len());
        for line in simple.iter() {
            if let Some(same) = shared_skus.get_mut(&lines[line].sku) {
                same.push((line, lines[line].quantity));
                shared.insert(line);
            }
        }
        simple.subtract(&shared);
        let kept = worth_keeping(takers, lines, &scarce, &shared, enough);

        let mut packings = Vec::new();
        let mut bins = vec![Vec::new(); takers.len()];
        for (sku, same) in shared_skus {
            let of_sku: Vec<(usize, i64, &Bits)> = kept
                .iter()
                .filter(|at| same.iter().any(|(line, _)| takers[**at].can.contains(*line)))
                .map(|&at| (at, takers[at].stock[sku], takers[at].can))
                .collect();
            for (bin, (taker, _, _)) in of_sku.iter().enumerate() {
                bins[*taker].push((packings.len(), bin));
            }
            packings.push(Sharing::new(&same, &of_sku, terms.divides, effort));
        }
        let quantities = lines.iter().map(|line| line.quantity).collect();
        let weight = |line: &Line| if terms.divides { line.quantity } else { line.stands_for };
        let weights: Vec<i64> = lines.iter().map(weight).collect();
        let counts_lines = weights.iter().all(|weight| *weight == 1);
        Self { takers, line_count: lines.len(), kept, simple, packings, bins, quantities, weights, counts_lines, terms }
    }

    /// Tries every set of takers, best first. None if the effort ends before a set is found.
    fn best_set(&self, effort: &mut Effort) -> Option<Choice> {
        let mut needed: Vec<u16> = self.simple.iter().map(|line| self.kept_that_can(line)).collect();
        needed.sort_unstable();
        needed.dedup();
        let sets = self.sets();
        let mut doubtful = 0;
        for set in sets.iter().filter(|set| needed.iter().all(|one_of| one_of & **set != 0)) {
            let takers = self.members(*set);
            match self.placings(&takers, doubtful, effort) {
                Ok(placings) => return Some(Choice { takers, placings }),
                Err(packing) => doubtful = packing,
            }
            if effort.is_spent() {
                effort.cut = true;
                return None;
            }
        }
        self.best_part(&sets, effort)
    }

    /// Every set within the limit of new parcels, best first.
    fn sets(&self) -> Vec<u16> {
        let with_parcel = self.mask(|taker| self.takers[taker].has_parcel);
        let used = self.mask(|taker| self.takers[taker].is_used);
        let new = |set: u16| (set & !with_parcel).count_ones();
        let cost = |set: u16| -> i64 {
            let bits = self.kept.iter().enumerate().filter(|(bit, _)| set & (1 << bit) != 0);
            bits.map(|(_, taker)| self.takers[*taker].cost).sum()
        };
        let most = self.terms.most_new.and_then(|most| u32::try_from(most).ok()).unwrap_or(u32::MAX);
        let mut sets: Vec<u16> =
            (0..1_u16 << self.kept.len()).filter(|set| new(*set) <= most && set & used == used).collect();
        // For sets of one size, better ranks give the larger number, read from the low bit on.
        sets.sort_by_cached_key(|&set| (cost(set), new(set), set.count_ones(), Reverse(set.reverse_bits())));
        sets
    }

    /// Of sets that cannot take everything, the first that takes the most.
    fn best_part(&self, sets: &[u16], effort: &mut Effort) -> Option<Choice> {
        let mut best: Option<(i64, Choice)> = None;
        for set in sets {
            let takers = self.members(*set);
            let simple = self.simple.iter().filter(|line| self.kept_that_can(*line) & set != 0);
            let simple: i64 = simple.map(|line| self.weights[line]).sum();
            effort.spend(self.line_count);
            let most_packed: i64 = self.packings.iter().map(Sharing::wanted).sum();
            if best.as_ref().is_some_and(|(most, _)| simple + most_packed <= *most) {
                continue;
            }
            let placings: Vec<Placing> = self.most_placings(&takers, effort);
            let packed = self.packings.iter().zip(&placings).map(|(packing, placing)| packing.amount(placing));
            let placed = simple + packed.sum::<i64>();
            if best.as_ref().is_none_or(|(most, _)| placed > *most) {
                best = Some((placed, Choice { takers, placings }));
            }
            if effort.is_spent() {
                effort.cut = true;
                return None;
            }
        }
        best.map(|(_, choice)| choice)
    }

    /// For each packing problem, the most lines that these takers can take.
    fn most_placings(&self, takers: &[usize], effort: &mut Effort) -> Vec<Placing> {
        let packings = self.packings.iter().enumerate();
        packings.map(|(at, packing)| packing.most(&self.bins_of(at, takers), effort)).collect()
    }

    fn members(&self, set: u16) -> Vec<usize> {
        let members = self.kept.iter().enumerate().filter(|(bit, _)| set & (1 << bit) != 0);
        members.map(|(_, taker)| *taker).collect()
    }

    /// True if a choice takes every line that can be taken.
    fn is_everything(&self, choice: &Choice) -> bool {
        let can = |line: usize| choice.takers.iter().any(|taker| self.takers[*taker].can.contains(line));
        let mut packings = self.packings.iter().zip(&choice.placings);
        self.simple.iter().all(can) && packings.all(|(packing, placing)| packing.amount(placing) == packing.wanted())
    }

    /// No best choice has more takers: those with a parcel, and as many new ones as can cost no more than this choice,
    /// which takes everything, or as are allowed.
    fn most_takers(&self, choice: &Choice) -> usize {
        let with_parcel = self.takers.iter().filter(|taker| taker.has_parcel).count();
        let new = || self.takers.iter().filter(|taker| !taker.has_parcel);
        let cost: i64 = choice.takers.iter().map(|taker| self.takers[*taker].cost).sum();
        let least = new().map(|taker| taker.cost).min().unwrap_or(1);
        let by_cost = cost.checked_div(least).and_then(|most| usize::try_from(most).ok());
        let by_cost = by_cost.filter(|_| self.terms.most_new.is_none()).unwrap_or(usize::MAX);
        by_cost.min(self.terms.most_new.unwrap_or(usize::MAX)).saturating_add(with_parcel)
    }

    fn costs_are_equal(&self) -> bool {
        let mut costs = self.kept.iter().map(|taker| &self.takers[*taker]).filter(|taker| !taker.has_parcel);
        let first = costs.next().map(|taker| taker.cost);
        costs.all(|taker| Some(taker.cost) == first)
    }

    fn mask(&self, holds: impl Fn(usize) -> bool) -> u16 {
        let bits = self.kept.iter().enumerate();
        bits.fold(0, |mask, (bit, taker)| mask | (u16::from(holds(*taker)) << bit))
    }

    fn kept_that_can(&self, line: usize) -> u16 {
        self.mask(|taker| self.takers[taker].can.contains(line))
    }

    /// A placing for each packing problem, or the problem for which these takers are too few. Begins with the problem
    /// that failed last time.
    fn placings(&self, takers: &[usize], doubtful: usize, effort: &mut Effort) -> Result<Vec<Placing>, usize> {
        let mut place = |packing: usize| {
            let bins = self.bins_of(packing, takers);
            self.packings[packing].place(&bins, effort).ok_or(packing)
        };
        if doubtful < self.packings.len() {
            place(doubtful)?;
        }
        (0..self.packings.len()).map(place).collect()
    }

    /// The bins of these takers (ascending) in a packing problem, ascending.
    fn bins_of(&self, packing: usize, takers: &[usize]) -> Vec<usize> {
        takers.iter().filter_map(|taker| self.packings[packing].takers().binary_search(taker).ok()).collect()
    }

    /// Gives each line to the best-ranked chosen taker that may take it; lines that share stock as [`Sharing::settle`]
    /// says.
    fn give(&self, choice: &Choice, effort: &mut Effort) -> Vec<Vec<Part>> {
        let mut given = vec![Vec::new(); self.line_count];
        for line in self.simple.iter() {
            let first = choice.takers.iter().find(|taker| self.takers[**taker].can.contains(line));
            given[line].extend(first.map(|taker| (*taker, self.quantities[line])));
        }
        for (at, (packing, placing)) in self.packings.iter().zip(&choice.placings).enumerate() {
            let bins = self.bins_of(at, &choice.takers);
            let settled = packing.settle(&bins, placing, effort);
            for (line, parts) in packing.lines().iter().zip(settled) {
                given[*line].extend(parts.into_iter().map(|(bin, units)| (packing.takers()[bin], units)));
            }
        }
        given
    }
}
