//! Lines that go to one taker together, or wait together: the parts of a kit.
//!
//! Where nothing else wants a bundle's SKUs, or all of it is enough, a bundle is one line to [`cover`]. The others are tried at
//! every taker, and nowhere; for each such choice [`cover`] places the rest in what is left. Beyond [`MOST_CHOICES`] only the
//! first takers of each are tried.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use super::{Bits, Cover, Line, Part, Taker, Terms, cover_with, search::Effort};

/// Most choices for bundles that share stock which are tried.
const MOST_CHOICES: usize = 512;
/// Most takers that are looked at in all of them together.
const MOST_LOOKS: usize = 50_000;

/// Smaller is better: what is placed, what new takers cost, new takers, takers, their ranks, each line's.
type Worth = (Reverse<i64>, i64, usize, usize, Vec<usize>, Vec<(bool, Vec<Part>)>);

/// Chooses among takers, which are given best rank first. Each bundle is lines, ascending, of which a taker can take all or
/// none. They are never divided.
#[must_use]
pub fn cover_together(lines: &[Line], takers: &[Taker], bundles: &[Vec<usize>], terms: Terms) -> Cover {
    let (shared, alone) = bundles.iter().partition(|bundle| terms.by_stock && shares(lines, takers, bundle));
    let mut together = Together {
        lines,
        takers,
        terms,
        shared,
        alone,
        most_takers: usize::MAX,
        places: Vec::new(),
        best: None,
        exact: true,
        effort: Effort::of_a_rule(),
    };
    together.most_takers = together.tried_of_each();
    together.choose();
    let exact = together.exact && !together.effort.cut;
    let given = together.best.into_iter().flat_map(|(.., given)| given).map(|(_, parts)| parts).collect();
    Cover { given, exact }
}

/// True if a taker has too little for a bundle and whatever else wants its SKUs.
fn shares(lines: &[Line], takers: &[Taker], bundle: &[usize]) -> bool {
    let skus: BTreeSet<usize> = bundle.iter().map(|line| lines[*line].sku).collect();
    takers.iter().filter(|taker| bundle.iter().all(|line| taker.can.contains(*line))).any(|taker| {
        skus.iter().any(|sku| {
            let wanted = taker.can.iter().map(|line| &lines[line]).filter(|line| line.sku == *sku);
            wanted.map(|line| i128::from(line.quantity)).sum::<i128>() > i128::from(taker.stock[*sku])
        })
    })
}

/// The problem.
struct Together<'a> {
    lines: &'a [Line],
    takers: &'a [Taker<'a>],
    terms: Terms,
    /// Bundles that share stock with others.
    shared: Vec<&'a Vec<usize>>,
    /// The other bundles.
    alone: Vec<&'a Vec<usize>>,
    /// So many takers are tried for each shared bundle.
    most_takers: usize,
    /// For each shared bundle that is decided its taker; none: it waits.
    places: Vec<Option<usize>>,
    best: Option<Worth>,
    exact: bool,
    effort: Effort,
}

impl Together<'_> {
    /// How many takers can be tried for each shared bundle.
    fn tried_of_each(&self) -> usize {
        let bundles = u32::try_from(self.shared.len()).unwrap_or(u32::MAX);
        let choices = |takers: usize| (takers + 1).checked_pow(bundles).unwrap_or(usize::MAX);
        let most = MOST_CHOICES.min(MOST_LOOKS / self.takers.len().max(1));
        (1..=self.takers.len()).take_while(|takers| choices(*takers) <= most).last().unwrap_or(0)
    }

    /// Decides the next shared bundle, in every way that is tried, or places the rest.
    fn choose(&mut self) {
        let Some(bundle) = self.shared.get(self.places.len()).copied() else { return self.place_rest() };
        let left = self.left();
        let used: BTreeSet<usize> = self.places.iter().flatten().copied().collect();
        let new_left = self.new_left(&used);
        let may = |at: &usize| {
            let is_new = !self.takers[*at].has_parcel && !used.contains(at);
            (!is_new || new_left != Some(0)) && self.fits(bundle, *at, &left[*at])
        };
        let mut able: Vec<usize> = (0..self.takers.len()).filter(may).collect();
        able.sort_by_key(|at| (!used.contains(at), !self.takers[*at].has_parcel, *at));
        // With too many bundles each goes to the first taker that can.
        let is_greedy = self.most_takers == 0;
        self.exact &= able.len() <= self.most_takers;
        able.truncate(self.most_takers.max(1));
        let waits = !is_greedy || able.is_empty();
        for place in able.into_iter().map(Some).chain(waits.then_some(None)) {
            self.places.push(place);
            self.choose();
            self.places.pop();
        }
    }

    /// How many more new takers are allowed; none: no limit.
    fn new_left(&self, used: &BTreeSet<usize>) -> Option<usize> {
        let new = used.iter().filter(|taker| !self.takers[**taker].has_parcel).count();
        self.terms.most_new.map(|most| most.saturating_sub(new))
    }

    /// True if a taker with this stock can take a bundle.
    fn fits(&self, bundle: &[usize], taker: usize, stock: &[i64]) -> bool {
        let mut wanted: BTreeMap<usize, i64> = BTreeMap::new();
        for line in bundle {
            *wanted.entry(self.lines[*line].sku).or_default() += self.lines[*line].quantity;
        }
        let can = |line: &usize| self.takers[taker].can.contains(*line);
        bundle.iter().all(can) && wanted.iter().all(|(sku, units)| stock[*sku] >= *units)
    }

    /// The stock of each taker without what the decided bundles take.
    fn left(&self) -> Vec<Vec<i64>> {
        let mut left: Vec<Vec<i64>> = self.takers.iter().map(|taker| taker.stock.to_vec()).collect();
        for (bundle, place) in self.shared.iter().zip(&self.places) {
            let Some(taker) = place else { continue };
            for line in *bundle {
                left[*taker][self.lines[*line].sku] -= self.lines[*line].quantity;
            }
        }
        left
    }

    /// Places what is in no shared bundle, and keeps the whole choice if it is the best.
    fn place_rest(&mut self) {
        let used: BTreeSet<usize> = self.places.iter().flatten().copied().collect();
        let mut stock = self.left();
        let in_bundles: BTreeSet<usize> =
            self.shared.iter().chain(&self.alone).flat_map(|lines| lines.iter()).copied().collect();
        let singles: Vec<usize> = (0..self.lines.len()).filter(|line| !in_bundles.contains(line)).collect();
        let mut lines: Vec<Line> = singles.iter().map(|line| self.lines[*line]).collect();
        // A bundle is one line of an SKU of its own, of which whoever can take it has enough.
        let skus = stock.first().map_or(0, Vec::len);
        for (number, bundle) in self.alone.iter().enumerate() {
            let quantity = bundle.iter().map(|line| self.lines[*line].quantity).sum();
            let stands_for = bundle.iter().map(|line| self.lines[*line].stands_for).sum();
            lines.push(Line { sku: skus + number, quantity, stands_for });
            for (taker, stock) in self.takers.iter().zip(&mut stock) {
                let can = bundle.iter().all(|line| taker.can.contains(*line));
                stock.push(if can || !self.terms.by_stock { quantity } else { 0 });
            }
        }
        let can: Vec<Bits> = (0..self.takers.len()).map(|at| self.can(at, &singles, &stock[at])).collect();
        let takers: Vec<Taker> = (0..self.takers.len())
            .map(|at| {
                let Taker { has_parcel, cost, .. } = self.takers[at];
                let is_used = used.contains(&at);
                let cost = if is_used { 0 } else { cost };
                Taker { can: &can[at], has_parcel: has_parcel || is_used, is_used, cost, stock: &stock[at] }
            })
            .collect();
        let terms = Terms { most_new: self.new_left(&used), ..self.terms };
        let rest = cover_with(&lines, &takers, terms, &mut self.effort);
        self.exact &= rest.exact;
        let mut given = vec![Vec::new(); self.lines.len()];
        for (line, parts) in singles.iter().zip(&rest.given) {
            given[*line].clone_from(parts);
        }
        let alone = self.alone.iter().zip(rest.given.iter().skip(singles.len()));
        let alone = alone.map(|(bundle, parts)| (*bundle, parts.first().map(|(taker, _)| *taker)));
        let shared = self.shared.iter().copied().zip(self.places.iter().copied());
        for (bundle, place) in alone.chain(shared) {
            for line in bundle {
                given[*line].extend(place.map(|taker| (taker, self.lines[*line].quantity)));
            }
        }
        let worth = self.worth(&given);
        if self.best.as_ref().is_none_or(|best| worth < *best) {
            self.best = Some(worth);
        }
    }

    /// What a taker may take of these lines, and of the bundles after them, with this stock.
    fn can(&self, taker: usize, singles: &[usize], stock: &[i64]) -> Bits {
        let all = self.takers[taker].can;
        let mut can = Bits::none(singles.len() + self.alone.len());
        for (at, line) in singles.iter().enumerate() {
            let Line { sku, quantity, .. } = self.lines[*line];
            let least = if self.terms.divides { 1 } else { quantity };
            if all.contains(*line) && (!self.terms.by_stock || stock[sku] >= least) {
                can.insert(at);
            }
        }
        for (number, bundle) in self.alone.iter().enumerate() {
            if bundle.iter().all(|line| all.contains(*line)) {
                can.insert(singles.len() + number);
            }
        }
        can
    }

    fn worth(&self, given: &[Vec<Part>]) -> Worth {
        let divides = self.terms.divides && self.terms.by_stock;
        let weight = |(line, parts): (&Line, &Vec<Part>)| {
            if divides {
                parts.iter().map(|(_, units)| *units).sum()
            } else if parts.is_empty() {
                0
            } else {
                line.stands_for
            }
        };
        let placed: i64 = self.lines.iter().zip(given).map(weight).sum();
        let used: BTreeSet<usize> = given.iter().flatten().map(|(taker, _)| *taker).collect();
        let new = || used.iter().map(|taker| &self.takers[*taker]).filter(|taker| !taker.has_parcel);
        let cost = new().map(|taker| taker.cost).sum();
        let new_takers = new().count();
        // A line without a place comes after all with one.
        let ranks = given.iter().map(|parts| (parts.is_empty(), parts.clone())).collect();
        (Reverse(placed), cost, new_takers, used.len(), used.into_iter().collect(), ranks)
    }
}
