//! Lines of one SKU that share the takers' stock of it: each goes whole to one taker ([`BinPacking`]), or its units are
//! divided among several ([`Dividing`]).

use super::{
    Bits, Part,
    bin_packing::{self, BinPacking},
    dividing::Dividing,
    search::Effort,
};

/// For each line its bins, with the units in each.
pub(super) type Placing = Vec<Vec<Part>>;

/// The problem of one SKU. Lines and bins are numbered within it.
#[derive(Debug)]
pub(super) struct Sharing {
    problem: Problem,
    /// A placing of as much as possible in all bins.
    pub fullest: Placing,
}

#[derive(Debug)]
enum Problem {
    Whole(BinPacking),
    Divided(Dividing),
}

impl Sharing {
    /// The problem of these lines (number in the rule, quantity) and bins (taker, room, lines it may take).
    pub(super) fn new(
        lines: &[(usize, i64)],
        bins: &[(usize, i64, &Bits)],
        divides: bool,
        effort: &mut Effort,
    ) -> Self {
        if divides {
            let dividing = Dividing::new(lines, bins);
            let all: Vec<usize> = (0..bins.len()).collect();
            Self { fullest: dividing.most(&all, effort), problem: Problem::Divided(dividing) }
        } else {
            let packing = BinPacking::new(lines, bins, effort);
            Self { fullest: parts(&packing, &packing.fullest), problem: Problem::Whole(packing) }
        }
    }

    /// For each line its number in the rule, ascending.
    pub(super) fn lines(&self) -> &[usize] {
        match &self.problem {
            Problem::Whole(packing) => &packing.lines,
            Problem::Divided(dividing) => &dividing.lines,
        }
    }

    /// For each bin its taker in the rule, best rank first.
    pub(super) fn takers(&self) -> &[usize] {
        match &self.problem {
            Problem::Whole(packing) => &packing.takers,
            Problem::Divided(dividing) => &dividing.takers,
        }
    }

    /// How much is placed: lines, or units.
    pub(super) fn amount(&self, placing: &Placing) -> i64 {
        let parts = placing.iter().flatten();
        match self.problem {
            Problem::Whole(_) => parts.map(|_| 1).sum(),
            Problem::Divided(_) => parts.map(|(_, units)| *units).sum(),
        }
    }

    /// How much can be placed: lines, or units.
    pub(super) fn wanted(&self) -> i64 {
        self.amount(&self.fullest)
    }

    /// A placing in these bins (ascending) that is as good as with all bins; none if there, or found, is none.
    pub(super) fn place(&self, bins: &[usize], effort: &mut Effort) -> Option<Placing> {
        match &self.problem {
            Problem::Whole(packing) => packing.place(bins, effort).map(|placing| parts(packing, &placing)),
            Problem::Divided(dividing) => dividing.place(bins, self.wanted(), effort),
        }
    }

    /// A placing of as much as possible in these bins (ascending).
    pub(super) fn most(&self, bins: &[usize], effort: &mut Effort) -> Placing {
        match &self.problem {
            Problem::Whole(packing) => parts(packing, &packing.most(bins, effort)),
            Problem::Divided(dividing) => dividing.most(bins, effort),
        }
    }

    /// What one bin can take of the units that wait (by the line's number in the rule).
    pub(super) fn takes(&self, bin: usize, waiting: &[i64]) -> Vec<(usize, i64)> {
        match &self.problem {
            Problem::Whole(packing) => packing.takes(bin, waiting),
            Problem::Divided(dividing) => dividing.takes(bin, waiting),
        }
    }

    /// As much as in this placing, each line in the best-ranked of these bins (ascending) that leaves a place for the
    /// others; a divided one in few.
    pub(super) fn settle(&self, bins: &[usize], placing: &Placing, effort: &mut Effort) -> Placing {
        match &self.problem {
            Problem::Whole(packing) => {
                let whole = placing.iter().map(|parts| parts.first().map(|(bin, _)| *bin)).collect();
                parts(packing, &packing.settle(bins, whole, effort))
            }
            Problem::Divided(dividing) => dividing.settle(bins, effort),
        }
    }
}

/// Whole lines as parts.
fn parts(packing: &BinPacking, placing: &bin_packing::Placing) -> Placing {
    let lines = placing.iter().zip(&packing.quantities);
    lines.map(|(bin, units)| bin.iter().map(|bin| (*bin, *units)).collect()).collect()
}
