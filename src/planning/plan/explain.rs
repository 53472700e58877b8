//! Writes down what a rule saw and did.

use std::collections::BTreeMap;

use super::{
    board::{Board, View, needed},
    trace::{CandidateTrace, Items, Missing, RuleTrace, SHOWN_CANDIDATES, SHOWN_ENTRIES, SHOWN_MISSING, Verdict},
};
use crate::planning::scenario::{Condition, Rule};

impl Board<'_> {
    /// The trace of a rule that has put its lines but not yet crossed them off.
    pub(super) fn explain(&self, rule: &Rule, views: &[View], exact: bool) -> RuleTrace {
        let verdicts: Vec<Verdict> = views.iter().map(|view| self.verdict(view)).collect();
        let (shown, others) = shown(&verdicts);
        let mut not_shown = BTreeMap::new();
        for rank in others {
            *not_shown.entry(verdicts[rank]).or_default() += 1;
        }
        let mut missing_left = SHOWN_MISSING;
        let candidates = shown.into_iter().map(|rank| {
            let most = missing_left.min(SHOWN_ENTRIES);
            let candidate = self.explain_candidate(rule, rank, &views[rank], most);
            missing_left -= candidate.missing.len();
            candidate
        });
        RuleTrace {
            rule: rule.name.clone(),
            conditions: rule.conditions.clone(),
            order_by: rule.order_by.clone(),
            asked: self.items(0..self.waiting.len()),
            placed: views.iter().map(|view| view.given.len()).sum(),
            exact,
            candidates: candidates.collect(),
            not_shown,
        }
    }

    fn verdict(&self, view: &View) -> Verdict {
        if !view.given.is_empty() {
            Verdict::Chosen
        } else if view.left_out.count() == self.waiting.len() {
            Verdict::LeftOutBefore
        } else if view.can.is_empty() {
            Verdict::NoStock
        } else if view.has_room {
            Verdict::NotNeeded
        } else {
            Verdict::NoQuota
        }
    }

    fn explain_candidate(&self, rule: &Rule, rank: usize, view: &View, most_missing: usize) -> CandidateTrace {
        let candidate = self.candidates[view.candidate];
        let mut missing = Vec::new();
        let mut missing_not_shown = 0;
        if rule.asks_for(Condition::SelectByStock) {
            let mut all = self.missing(view);
            missing.extend(all.by_ref().take(most_missing));
            missing_not_shown = all.count();
        }
        CandidateTrace {
            rank: rank + 1,
            stock_location_id: candidate.stock_location_id,
            erp_code: candidate.erp_code.clone(),
            name: candidate.name.clone(),
            priority: candidate.priority,
            distance_km: candidate.distance_km.filter(|km| km.is_finite()),
            available_quota: candidate.available_quota,
            verdict: self.verdict(view),
            has_parcel: view.has_parcel,
            could_take: self.items(view.can.iter()),
            given: view.given.iter().map(|line| self.item(*line)).collect(),
            left_out: self.items(view.left_out.iter()),
            missing,
            missing_not_shown,
        }
    }

    /// The lines it was not given for want of stock.
    fn missing(&self, view: &View) -> impl Iterator<Item = Missing> {
        let stock = self.row(view.candidate);
        self.waiting.iter().enumerate().filter_map(move |(line, &at)| {
            let demand = self.demands[at];
            let (needed, available) = (needed(demand), stock[self.sku_of[at]]);
            let was_given = view.given.binary_search(&line).is_ok();
            (available < needed && !was_given && !view.left_out.contains(line)).then(|| Missing {
                order_item_id: demand.order_item_id,
                sku: demand.sku.clone(),
                needed,
                available,
            })
        })
    }

    fn items(&self, lines: impl Iterator<Item = usize>) -> Items {
        lines.map(|line| self.item(line)).collect()
    }

    fn item(&self, line: usize) -> i64 {
        self.demands[self.waiting[line]].order_item_id
    }
}

/// The ranks that are shown, ascending, and the others: every chosen one, then those that could have
/// taken something, then the rest.
fn shown(verdicts: &[Verdict]) -> (Vec<usize>, Vec<usize>) {
    let mut shown: Vec<usize> = (0..verdicts.len()).collect();
    shown.sort_by_key(|&rank| match verdicts[rank] {
        Verdict::Chosen => 0,
        Verdict::NotNeeded | Verdict::NoQuota => 1,
        Verdict::NoStock | Verdict::LeftOutBefore => 2,
    });
    let chosen = verdicts.iter().filter(|verdict| **verdict == Verdict::Chosen).count();
    let others = shown.split_off(shown.len().min(chosen.max(SHOWN_CANDIDATES)));
    shown.sort_unstable();
    (shown, others)
}
