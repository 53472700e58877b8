//! Records the facts and the decision of a rule.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{
    Units,
    state::{Before, PlanState},
    trace::{CandidateTrace, Items, Missing, RuleTrace, SHOWN_CANDIDATES, SHOWN_ENTRIES, SHOWN_MISSING, Verdict},
    view::View,
};
use crate::{
    planning::cover::Bits,
    scenarios::rules::{Condition, Rule},
};

impl PlanState<'_> {
    /// The trace of a rule that did not run.
    pub(super) fn explain_skipped(rule: &Rule, unmet: &'static str) -> RuleTrace {
        RuleTrace { skipped: Some(unmet), ..Self::blank(rule) }
    }

    fn blank(rule: &Rule) -> RuleTrace {
        RuleTrace {
            rule: rule.name.clone(),
            conditions: rule.conditions.iter().map(Condition::to_json).collect(),
            order_by: rule.order_by.iter().map(|key| key.name()).collect(),
            transferable: rule.transferable,
            skipped: None,
            asked: Items::default(),
            placed: 0,
            placed_in_part: 0,
            exact: true,
            candidates: Vec::new(),
            not_shown: BTreeMap::new(),
            sources: Vec::new(),
        }
    }

    /// The trace of a rule that has placed its lines but not yet removed them from `waiting`.
    pub(super) fn explain(&self, rule: &Rule, asked: &Bits, views: &[View], before: &Before, exact: bool) -> RuleTrace {
        let mut left_waiting = asked.clone();
        let mut in_part = Bits::none(self.waiting.len());
        for (line, _) in views.iter().flat_map(|view| &view.given) {
            if self.units[self.waiting[*line]] > 0 {
                in_part.insert(*line);
            } else {
                left_waiting.remove(*line);
            }
        }
        let verdicts: Vec<Verdict> = views.iter().map(|view| self.verdict(view, asked, &left_waiting)).collect();
        let (shown, others) = shown(&verdicts);
        let mut not_shown = BTreeMap::new();
        for rank in others {
            *not_shown.entry(verdicts[rank]).or_default() += 1;
        }
        let mut missing_left = SHOWN_MISSING;
        let candidates = shown.into_iter().map(|rank| {
            let most = missing_left.min(SHOWN_ENTRIES);
            let view = &views[rank];
            let candidate = self.explain_candidate(rule, asked, (rank, view, verdicts[rank]), before, most);
            missing_left -= candidate.missing.len();
            candidate
        });
        RuleTrace {
            asked: self.items(asked.iter()),
            placed: asked.count() - left_waiting.count(),
            placed_in_part: in_part.count(),
            exact,
            candidates: candidates.collect(),
            not_shown,
            ..Self::blank(rule)
        }
    }

    fn verdict(&self, view: &View, asked: &Bits, left_waiting: &Bits) -> Verdict {
        if !view.given.is_empty() {
            Verdict::Chosen
        } else if let Some(barred) = view.barred {
            barred
        } else if view.left_out.count() == asked.count() {
            Verdict::LeftOutBefore
        } else if view.not_allowed.count() == asked.count() {
            Verdict::NotAllowed
        } else if view.can.is_empty() && !view.apart.is_empty() {
            Verdict::NotWholeKit
        } else if view.can.is_empty() {
            Verdict::NoStock
        } else if !view.has_room {
            Verdict::NoQuota
        } else if !view.can.meets(left_waiting) || (self.splitting.allowed && self.parcels_left() != Some(0)) {
            // The second case is for items brought together: at the next location.
            Verdict::NotNeeded
        } else if self.parcels_left() == Some(0) {
            Verdict::NoPackageLeft
        } else {
            Verdict::NotEverything
        }
    }

    fn explain_candidate(
        &self,
        rule: &Rule,
        asked: &Bits,
        (rank, view, verdict): (usize, &View, Verdict),
        before: &Before,
        most_missing: usize,
    ) -> CandidateTrace {
        let stock = self.row_before(before, view.candidate);
        let candidate = self.candidates[view.candidate];
        let location = &*candidate.location;
        let mut missing = Vec::new();
        let mut missing_not_shown = 0;
        if rule.asks_for(&Condition::SelectByStock) {
            let mut all = self.missing(view, asked, before);
            missing.extend(all.by_ref().take(most_missing));
            missing_not_shown = all.count();
        }
        let column = |line: usize| self.sku_of[self.waiting[line]];
        let had = asked.iter().map(|line| (self.demands[self.waiting[line]].sku.clone(), stock[column(line)]));
        let set_aside = asked.iter().filter_map(|line| {
            let sku = &self.demands[self.waiting[line]].sku;
            let units = candidate.stock.get(sku.as_str())?.set_aside;
            (units > 0).then(|| (sku.clone(), units))
        });
        CandidateTrace {
            rank: rank + 1,
            stock_location_id: location.id,
            erp_code: location.erp_code.clone(),
            name: location.name.clone(),
            priority: location.priority,
            distance_km: candidate.distance_km.filter(|km| km.is_finite()),
            available_quota: candidate.available_quota(),
            open_packages: candidate.open_packages,
            stock: had.take(SHOWN_ENTRIES).collect(),
            set_aside: set_aside.take(SHOWN_ENTRIES).collect(),
            rooms_set_aside: candidate.rooms_set_aside,
            seen: self.shown_by_conditions(rule, asked, view.candidate, before),
            verdict,
            reason: verdict.sentence(),
            has_parcel: view.has_parcel,
            could_take: self.items(view.can.iter()),
            apart: self.items(view.apart.iter()),
            given: view.given.iter().map(|(line, _)| self.item(*line)).collect(),
            parts: self.parts(view, before),
            left_out: self.items(view.left_out.iter()),
            not_allowed: self.items(view.not_allowed.iter()),
            missing,
            missing_not_shown,
        }
    }

    /// The values that conditions used and that are not shown elsewhere.
    fn shown_by_conditions(&self, rule: &Rule, asked: &Bits, candidate: usize, before: &Before) -> Map<String, Value> {
        let items = self.items_of(rule, asked, &before.units);
        let seen = self.seen(candidate, &items);
        let kinds = rule.conditions.iter().map(Condition::kind);
        kinds.filter_map(|kind| Some((kind.name.to_owned(), kind.shows?(&seen)))).collect()
    }

    /// Of the lines that it got in part, the units.
    fn parts(&self, view: &View, before: &Before) -> Units {
        let in_part = view.given.iter().filter(|(line, units)| *units < before.units[self.waiting[*line]]);
        let mut parts = Units::new();
        for (line, units) in in_part {
            *parts.entry(self.item(*line)).or_default() += units;
        }
        parts
    }

    /// The lines that it lacked stock for.
    fn missing(&self, view: &View, asked: &Bits, before: &Before) -> impl Iterator<Item = Missing> {
        let stock = self.row(view.candidate);
        asked.iter().filter_map(move |line| {
            let at = self.waiting[line];
            let demand = self.demands[at];
            let (needed, available) = (before.units[at], stock[self.sku_of[at]]);
            let was_given = view.given.binary_search_by_key(&line, |(line, _)| *line).is_ok();
            let passed_over = view.left_out.contains(line) || view.not_allowed.contains(line);
            (available < needed && !was_given && !passed_over).then(|| Missing {
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

/// The ranks to show, ascending, and the others. Chosen ones come first, then those that could have taken something,
/// then the rest.
fn shown(verdicts: &[Verdict]) -> (Vec<usize>, Vec<usize>) {
    let mut shown: Vec<usize> = (0..verdicts.len()).collect();
    shown.sort_by_key(|&rank| match verdicts[rank] {
        Verdict::Chosen => 0,
        Verdict::NotNeeded | Verdict::NoQuota | Verdict::NoPackageLeft | Verdict::NotEverything => 1,
        _ => 2,
    });
    let chosen = verdicts.iter().filter(|verdict| **verdict == Verdict::Chosen).count();
    let others = shown.split_off(shown.len().min(chosen.max(SHOWN_CANDIDATES)));
    shown.sort_unstable();
    (shown, others)
}
