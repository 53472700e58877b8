//! Lines of one SKU that share the takers' stock of it: each goes whole to one taker ([`BinPacking`]), or its units are
//! divided among several ([`Dividing`]).

use super::{
    Bits, Part,
    bin_packing::{self, BinPacking},
    dividing::Dividing,
    search::Effort,
};

/// The problem of one SKU. Lines and bins are numbered within it.
#[derive(Debug)]
pub(super) enum Sharing {
    Whole(BinPacking, Placing),
    Divided(Dividing, Placing),
}

/// For each line its bin, or its bins with the units in each.
#[derive(Debug, Clone)]
pub(super) enum Placing {
    Whole(bin_packing::Placing),
    Divided(Vec<Vec<Part>>),
}

impl Placing {
    /// How much is placed: lines, or units.
    pub(super) fn amount(&self) -> i64 {
        match self {
            Self::Whole(placing) => i64::try_from(bin_packing::count(placing)).unwrap_or(i64::MAX),
            Self::Divided(placing) => placing.iter().flatten().map(|(_, units)| *units).sum(),
        }
    }

    /// The bins of lines, some of them several times.
    pub(super) fn bins(&self) -> Box<dyn Iterator<Item = usize> + '_> {
        match self {
            Self::Whole(placing) => Box::new(placing.iter().flatten().copied()),
            Self::Divided(placing) => Box::new(placing.iter().flatten().map(|(bin, _)| *bin)),
        }
    }

    /// True if something is in this bin.
    pub(super) fn uses(&self, bin: usize) -> bool {
        self.bins().any(|used| used == bin)
    }
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
            let fullest = dividing.most(&(0..bins.len()).collect::<Vec<_>>(), effort);
            Self::Divided(dividing, Placing::Divided(fullest))
        } else {
            let packing = BinPacking::new(lines, bins, effort);
            let fullest = Placing::Whole(packing.fullest.clone());
            Self::Whole(packing, fullest)
        }
    }

    /// For each line its number in the rule, ascending.
    pub(super) fn lines(&self) -> &[usize] {
        match self {
            Self::Whole(packing, _) => &packing.lines,
            Self::Divided(dividing, _) => &dividing.lines,
        }
    }

    /// For each bin its taker in the rule, best rank first.
    pub(super) fn takers(&self) -> &[usize] {
        match self {
            Self::Whole(packing, _) => &packing.takers,
            Self::Divided(dividing, _) => &dividing.takers,
        }
    }

    /// A placing of as much as possible in all bins.
    pub(super) fn fullest(&self) -> &Placing {
        let (Self::Whole(_, fullest) | Self::Divided(_, fullest)) = self;
        fullest
    }

    /// How much can be placed: lines, or units.
    pub(super) fn wanted(&self) -> i64 {
        self.fullest().amount()
    }

    /// A placing in these bins (ascending) that is as good as with all bins; none if there, or found, is none.
    pub(super) fn place(&self, bins: &[usize], effort: &mut Effort) -> Option<Placing> {
        match self {
            Self::Whole(packing, _) => packing.place(bins, effort).map(Placing::Whole),
            Self::Divided(dividing, _) => dividing.place(bins, self.wanted(), effort).map(Placing::Divided),
        }
    }

    /// A placing of as much as possible in these bins (ascending).
    pub(super) fn most(&self, bins: &[usize], effort: &mut Effort) -> Placing {
        match self {
            Self::Whole(packing, _) => Placing::Whole(packing.most(bins, effort)),
            Self::Divided(dividing, _) => Placing::Divided(dividing.most(bins, effort)),
        }
    }

    /// What one bin can take of the units that wait (by the line's number in the rule).
    pub(super) fn takes(&self, bin: usize, waiting: &[i64]) -> Vec<(usize, i64)> {
        match self {
            Self::Whole(packing, _) => packing.takes(bin, waiting),
            Self::Divided(dividing, _) => dividing.takes(bin, waiting),
        }
    }

    /// As much as in this placing, each line in the best-ranked of these bins (ascending) that leaves a place for the
    /// others; a divided one in few. As (line in the rule, bin, units).
    pub(super) fn settle(&self, bins: &[usize], placing: Placing, effort: &mut Effort) -> Vec<(usize, usize, i64)> {
        match (self, placing) {
            (Self::Whole(packing, _), Placing::Whole(placing)) => {
                let settled = packing.settle(bins, placing, effort);
                let lines = packing.lines.iter().zip(&packing.quantities).zip(settled);
                lines.filter_map(|((line, units), bin)| Some((*line, bin?, *units))).collect()
            }
            (sharing, _) => {
                let Self::Divided(dividing, _) = sharing else { return Vec::new() };
                let settled = dividing.settle(bins, effort);
                let lines = dividing.lines.iter().zip(settled);
                lines.flat_map(|(line, parts)| parts.into_iter().map(|(bin, units)| (*line, bin, units))).collect()
            }
        }
    }
}
