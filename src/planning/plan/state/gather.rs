//! A transferable rule: instead of sharing the items among locations, it brings them together at one; the rest at a
//! next one.
//!
//! The location is the one where most items can be brought together; with `SELECT_BY_STOCK`, among equals the one with
//! most of them at hand (at least one); then the first in the rule's order. With `SELECT_BY_QUOTA` it must have room.
//! The other conditions hold as usual, and if the order must not be split, it must get everything. Missing items are
//! fetched ([`super::super::fetch`]).

use std::{cmp::Reverse, sync::Arc};

use super::{PlanState, View, needed};
use crate::{
    planning::{
        cover::Bits,
        plan::{
            Candidate, Demand, Parcel, Stock,
            fetch::{Fetching, Gathering, gather_at},
            trace::RuleTrace,
        },
    },
    scenarios::rules::{Condition, Rule},
};

/// Most locations for which sources are searched. The first is taken if it gets everything that its stock and the
/// others' seem to allow: it does, unless lines share a SKU or the transfer scenario asks for more than stock.
const MOST_TRIES: usize = 12;

/// A gathering with its value: items, items at hand if they matter, rank.
type Weighed = ((usize, usize, Reverse<usize>), Gathering);

/// A location where items might be brought together.
struct Try {
    rank: usize,
    /// Most items that could be brought there.
    most: usize,
    /// Most of them at hand.
    at_hand: usize,
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
        let mut views = self.ranked(rule, asked);
        let had_by: Vec<Bits> = views.iter().map(|view| self.had(view, asked)).collect();
        self.reach(&mut views, &had_by, asked, by_stock);
        let tries = self.tries(&views, &had_by, by_stock);
        let left = self.left();
        let mut exact = tries.len() <= MOST_TRIES;
        let mut best: Option<Weighed> = None;
        for attempt in tries.into_iter().take(MOST_TRIES) {
            let gathering = self.gather_at(&views[attempt.rank], asked, fetching, &left, None);
            let at_hand = if by_stock { gathering.at_hand.len() } else { 0 };
            let worth = (gathering.count(), at_hand, Reverse(attempt.rank));
            let is_all = (worth.0, worth.1) == (attempt.most, attempt.at_hand);
            let is_allowed = worth.0 > 0 && (self.splitting.allowed || worth.0 == self.waiting.len());
            if is_allowed && best.as_ref().is_none_or(|(so_far, _)| worth > *so_far) {
                best = Some((worth, gathering));
            }
            if is_all {
                exact = true;
                break;
            }
        }
        let before = explains.then(|| self.stock.clone());
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
        let demands = &self.demands;
        self.waiting.retain(|at| !gathering.has(demands[*at].order_item_id));
        self.gatherings.push(gathering);
        (true, trace)
    }

    /// The lines that a location has in stock and may give, each checked alone, even if it must not pack them.
    fn had(&self, view: &View, asked: &Bits) -> Bits {
        let stock = self.row(view.candidate);
        let mut had = Bits::none(self.waiting.len());
        for line in asked.iter() {
            let at = self.waiting[line];
            if !view.left_out.contains(line) && stock[self.sku_of[at]] >= needed(self.demands[at]) {
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
        let mut tries: Vec<Try> = Vec::new();
        for (rank, (view, had)) in views.iter().zip(had_by).enumerate() {
            let most = view.can.count();
            let at_hand = if by_stock { view.can.iter().filter(|line| had.contains(*line)).count() } else { 0 };
            if self.is_able(view) && (self.splitting.allowed || most == self.waiting.len()) {
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
                let stock = Stock { quantity: self.row(at)[self.sku_of[*demand]], reserved: 0 };
                left.stock.insert(Arc::from(sku), stock);
            }
            left
        });
        left.collect()
    }

    /// What can be brought together at a location with the stock left.
    fn gather_at(
        &self,
        view: &View,
        asked: &Bits,
        fetching: &Fetching,
        left: &[Candidate],
        traces: Option<&mut Vec<RuleTrace>>,
    ) -> Gathering {
        let lines = asked.iter().filter(|line| !view.left_out.contains(*line) && !view.not_allowed.contains(*line));
        let demands: Vec<Demand> = lines.map(|line| self.demands[self.waiting[line]].clone()).collect();
        let at = self.candidates[view.candidate].location.id;
        gather_at(at, Some(fetching), &demands, left, self.circumstances, traces)
    }

    /// Puts the gathered lines into the location's parcel.
    fn put_gathering(&mut self, rule: &Rule, view: &mut View, gathering: &Gathering) {
        let candidate = view.candidate;
        view.given = (0..self.waiting.len())
            .filter(|line| gathering.has(self.demands[self.waiting[*line]].order_item_id))
            .collect();
        let parcel_at = *self.parcel_of[candidate].get_or_insert_with(|| {
            self.parcels.push(Parcel {
                stock_location_id: gathering.stock_location_id,
                order_item_ids: Vec::new(),
                rule: rule.name.clone(),
                bound_by_stock: false,
                stock_bound_item_ids: Vec::new(),
                bound_by_quota: rule.asks_for(&Condition::SelectByQuota),
            });
            self.parcels.len() - 1
        });
        for &line in &view.given {
            let at = self.waiting[line];
            let (id, column) = (self.demands[at].order_item_id, self.sku_of[at]);
            let parcel = &mut self.parcels[parcel_at];
            parcel.order_item_ids.push(id);
            let mut holder = candidate;
            if gathering.at_hand.contains(&id) {
                parcel.bound_by_stock = true;
                parcel.stock_bound_item_ids.push(id);
            } else if let Some(transfer) =
                gathering.transfers.iter().find(|transfer| transfer.order_item_ids.contains(&id))
            {
                let by_id = |candidate: &&Candidate| candidate.location.id;
                holder = self.candidates.binary_search_by_key(&transfer.source_location_id, by_id).unwrap_or(candidate);
            }
            let left = &mut self.stock[holder * self.sku_count + column];
            *left = left.saturating_sub(needed(self.demands[at])).max(0);
        }
        let parcel = &mut self.parcels[parcel_at];
        parcel.order_item_ids.sort_unstable();
        parcel.stock_bound_item_ids.sort_unstable();
    }
}
