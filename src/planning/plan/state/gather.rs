//! A transferable rule: instead of sharing the items among locations, it brings them together at one; the rest at a
//! next one.
//!
//! The location is the one where most items (units, where lines are divided) can be brought together; with `SELECT_BY_STOCK`, among equals the one with
//! most of them at hand (at least one); then the first in the rule's order. With `SELECT_BY_QUOTA` it must have room.
//! The other conditions hold as usual, and if the order must not be split, it must get everything. Missing items are
//! fetched ([`super::super::fetch`]).

use std::{cmp::Reverse, sync::Arc};

use super::{From, PlanState, View};
use crate::{
    planning::{
        cover::Bits,
        plan::{
            Candidate, Demand, Stock, Units,
            fetch::{Fetching, Gathering, Wanted, gather_at},
            trace::RuleTrace,
        },
    },
    scenarios::rules::{Condition, Rule},
};

/// Most locations for which sources are searched. The first is taken if it gets everything that its stock and the
/// others' seem to allow: it does, unless lines share a SKU or the transfer scenario asks for more than stock.
const MOST_TRIES: usize = 12;

/// A gathering with its value: items (or units), those at hand if they matter, rank.
type Weighed = ((i64, i64, Reverse<usize>), Gathering);

/// A location where items might be brought together.
struct Try {
    rank: usize,
    /// Most items, or units, that could be brought there.
    most: i64,
    /// Most of them at hand.
    at_hand: i64,
}

impl PlanState<'_> {
    /// Lets a transferable rule bring together what it can at one location, then the rest at another, until nothing
    /// more is possible. Mostly the first takes everything.
    pub(in crate::planning::plan) fn gather(
        &mut self,
        rule: &Rule,
        fetching: &Fetching,
        mut traces: Option<&mut Vec<RuleTrace>>,
    ) {
        let mut asked = match self.prerequisites(rule) {
            Ok(asked) => asked,
            Err(unmet) => {
                if let Some(traces) = traces {
                    traces.push(Self::explain_skipped(rule, unmet));
                }
                return;
            }
        };
        let mut is_first = true;
        loop {
            let about: Vec<usize> = asked.iter().map(|line| self.waiting[line]).collect();
            let (has_gathered, trace) = self.gather_once(rule, fetching, &asked, traces.is_some());
            if let Some(traces) = traces.as_deref_mut()
                && (has_gathered || is_first)
            {
                traces.extend(trace);
            }
            is_first = false;
            // The rule keeps the lines that it began with.
            asked = Bits::none(self.waiting.len());
            for (line, _) in self.waiting.iter().enumerate().filter(|(_, at)| about.contains(at)) {
                asked.insert(line);
            }
            if !has_gathered || asked.is_empty() {
                return;
            }
        }
    }

    /// Brings together at one location what is possible. Returns whether anything was, and the reasons if asked for.
    fn gather_once(
        &mut self,
        rule: &Rule,
        fetching: &Fetching,
        asked: &Bits,
        explains: bool,
    ) -> (bool, Option<RuleTrace>) {
        let by_stock = rule.asks_for(&Condition::SelectByStock);
        // What is missing of a kit may be fetched: which kits are whole is known afterwards.
        let mut views = self.ranked(rule, asked, &[]);
        let had_by: Vec<Bits> = views.iter().map(|view| self.had(view, asked)).collect();
        self.reach(&mut views, &had_by, asked, by_stock);
        let tries = self.tries(&views, &had_by, by_stock);
        let left = self.left();
        let mut exact = tries.len() <= MOST_TRIES;
        let mut best: Option<Weighed> = None;
        for attempt in tries.into_iter().take(MOST_TRIES) {
            let gathering = self.gather_at(&views[attempt.rank], asked, fetching, &left, None);
            let at_hand = if by_stock { self.amount(&gathering.units_at_hand(&self.whole)) } else { 0 };
            let units = gathering.units(&self.whole);
            let worth = (self.amount(&units), at_hand, Reverse(attempt.rank));
            let is_all = (worth.0, worth.1) == (attempt.most, attempt.at_hand);
            let is_allowed = worth.0 > 0 && (self.splitting.allowed || units == self.wanted());
            if is_allowed && best.as_ref().is_none_or(|(so_far, _)| worth > *so_far) {
                best = Some((worth, gathering));
            }
            if is_all {
                exact = true;
                break;
            }
        }
        let before = explains.then(|| self.before());
        let mut sources = Vec::new();
        let gathering = best.map(|((_, _, Reverse(rank)), gathering)| {
            if explains {
                self.gather_at(&views[rank], asked, fetching, &left, Some(&mut sources));
            }
            self.put_gathering(rule, &mut views[rank], &gathering);
            Gathering { rule: Some(rule.name.clone()), ..gathering }
        });
        if gathering.is_none() && self.splitting.allowed && self.parcels_left() != Some(0) {
            // No location sends what seemed available.
            for view in &mut views {
                view.can = Bits::none(self.waiting.len());
            }
        }
        let trace = before.map(|before| RuleTrace { sources, ..self.explain(rule, asked, &views, &before, exact) });
        let Some(gathering) = gathering else { return (false, trace) };
        self.forget_placed();
        self.gatherings.push(gathering);
        (true, trace)
    }

    /// The units without a place, by item.
    fn wanted(&self) -> Units {
        let mut units = Units::new();
        for at in &self.waiting {
            *units.entry(self.demands[*at].order_item_id).or_default() += self.units[*at];
        }
        units
    }

    /// What counts of some items: their units where lines are divided, else how many they are.
    fn amount(&self, units: &Units) -> i64 {
        if self.divides() { units.values().sum() } else { i64::try_from(units.len()).unwrap_or(i64::MAX) }
    }

    /// The lines that a location has in stock, at least one unit of them where they are divided, and may give, each checked
    /// alone, even if it must not pack them.
    fn had(&self, view: &View, asked: &Bits) -> Bits {
        let stock = self.row(view.candidate);
        let mut had = Bits::none(self.waiting.len());
        for line in asked.iter() {
            let at = self.waiting[line];
            if !view.left_out.contains(line) && stock[self.sku_of[at]] >= self.least(at) {
                had.insert(line);
            }
        }
        had
    }

    /// Gives each view the most that can be brought together there. With stock asked for, the view already has the
    /// lines at hand: other lines are added only if there is one.
    fn reach(&self, views: &mut [View], had_by: &[Bits], asked: &Bits, by_stock: bool) {
        let holders = |line: usize| had_by.iter().filter(|had| had.contains(line)).count();
        let holders: Vec<usize> = (0..self.waiting.len()).map(holders).collect();
        for (view, had) in views.iter_mut().zip(had_by) {
            if by_stock && view.can.is_empty() {
                continue;
            }
            view.can = Bits::none(self.waiting.len());
            for line in asked.iter() {
                let may_be_there = !view.left_out.contains(line) && !view.not_allowed.contains(line);
                let elsewhere = holders[line] - usize::from(had.contains(line));
                if may_be_there && (had.contains(line) || elsewhere > 0) {
                    view.can.insert(line);
                }
            }
        }
    }

    /// The locations that may be chosen, the best first.
    fn tries(&self, views: &[View], had_by: &[Bits], by_stock: bool) -> Vec<Try> {
        // What counts of a line where there are so many units of it.
        let counts =
            |line: usize, there: i64| if self.divides() { there.min(self.units[self.waiting[line]]) } else { 1 };
        let column = |line: usize| self.sku_of[self.waiting[line]];
        let mut anywhere = vec![0_i64; self.waiting.len()];
        for (view, had) in views.iter().zip(had_by).filter(|_| self.divides()) {
            for line in had.iter() {
                anywhere[line] = anywhere[line].saturating_add(self.row(view.candidate)[column(line)]);
            }
        }
        let all = self.amount(&self.wanted());
        let mut tries: Vec<Try> = Vec::new();
        for (rank, (view, had)) in views.iter().zip(had_by).enumerate() {
            let most: i64 = view.can.iter().map(|line| counts(line, anywhere[line])).sum();
            let there = view.can.iter().filter(|line| by_stock && had.contains(*line));
            let at_hand = there.map(|line| counts(line, self.row(view.candidate)[column(line)])).sum();
            if self.is_able(view) && (self.splitting.allowed || most == all) {
                tries.push(Try { rank, most, at_hand });
            }
        }
        tries.sort_by_key(|attempt| (Reverse(attempt.most), Reverse(attempt.at_hand), attempt.rank));
        tries
    }

    /// The candidates with the stock left.
    fn left(&self) -> Vec<Candidate> {
        let left = self.candidates.iter().enumerate().map(|(at, candidate)| {
            let mut left = (*candidate).clone();
            for demand in &self.waiting {
                let sku = self.demands[*demand].sku.as_str();
                let stock = Stock { quantity: self.row(at)[self.sku_of[*demand]], reserved: 0, ..Stock::default() };
                left.stock.insert(Arc::from(sku), stock);
            }
            left
        });
        left.collect()
    }

    /// What can be brought together at a location with the stock left. A kit that is not whole there is left out.
    fn gather_at(
        &self,
        view: &View,
        asked: &Bits,
        fetching: &Fetching,
        left: &[Candidate],
        traces: Option<&mut Vec<RuleTrace>>,
    ) -> Gathering {
        let may = |line: &usize| !view.left_out.contains(*line) && !view.not_allowed.contains(*line);
        let mut lines: Vec<usize> = asked.iter().filter(may).collect();
        let mut kits = self.kits();
        while !kits.is_empty() {
            let gathered = self.gather_lines(view, &lines, fetching, left, None).units(&self.whole);
            let (whole, broken): (Vec<_>, Vec<_>) =
                kits.into_iter().partition(|kit| self.is_whole(kit, &lines, &gathered));
            lines.retain(|line| !broken.iter().any(|kit| kit.contains(line)));
            kits = whole;
            if broken.is_empty() {
                break;
            }
        }
        self.gather_lines(view, &lines, fetching, left, traces)
    }

    /// True if all that waits of a kit is among these lines and gathered.
    fn is_whole(&self, kit: &[usize], lines: &[usize], gathered: &Units) -> bool {
        let mut wanted = Units::new();
        for at in kit.iter().map(|line| self.waiting[*line]) {
            *wanted.entry(self.demands[at].order_item_id).or_default() += self.units[at];
        }
        let is_there = |(id, units): (&i64, &i64)| gathered.get(id).is_some_and(|there| there >= units);
        kit.iter().all(|line| lines.contains(line)) && wanted.iter().all(is_there)
    }

    /// What can be brought together of these lines at a location.
    fn gather_lines(
        &self,
        view: &View,
        lines: &[usize],
        fetching: &Fetching,
        left: &[Candidate],
        traces: Option<&mut Vec<RuleTrace>>,
    ) -> Gathering {
        let demand = |at: usize| Demand { quantity: self.units[at], ..self.demands[at].clone() };
        let demands: Vec<Demand> = lines.iter().map(|line| demand(self.waiting[*line])).collect();
        let at = self.candidates[view.candidate].location.id;
        let wanted = Wanted { demands: &demands, whole: &self.whole, divides: self.divides() };
        gather_at(at, wanted, Some(fetching), left, self.circumstances, traces)
    }

    /// Puts the gathered lines into the location's parcel.
    fn put_gathering(&mut self, rule: &Rule, view: &mut View, gathering: &Gathering) {
        let parcel = self.open(rule, view.candidate);
        let by_id = |candidate: &&Candidate| candidate.location.id;
        let holders = gathering.transfers.iter().map(|transfer| {
            let holder = self.candidates.binary_search_by_key(&transfer.source_location_id, by_id);
            (holder.unwrap_or(view.candidate), From::Transfer, transfer.units(&self.whole))
        });
        let at_hand = (view.candidate, From::Stock, gathering.units_at_hand(&self.whole));
        let mut sources: Vec<(usize, From, Units)> = std::iter::once(at_hand).chain(holders).collect();
        let may_be_there = |line: &usize| !view.left_out.contains(*line) && !view.not_allowed.contains(*line);
        let lines: Vec<usize> = (0..self.waiting.len()).filter(may_be_there).collect();
        for line in lines {
            let at = self.waiting[line];
            let id = self.demands[at].order_item_id;
            let mut given = 0;
            for (holder, from, left) in &mut sources {
                let Some(left) = left.get_mut(&id) else { continue };
                let units = self.units[at].min(*left);
                if units > 0 {
                    *left -= units;
                    given += units;
                    self.take(*holder, at, units);
                    self.put_units(parcel, at, units, *from);
                }
            }
            if given > 0 {
                view.given.push((line, given));
            }
        }
    }
}
