//! What may become of a location in a rule.

use serde::Serialize;
use utoipa::ToSchema;

macro_rules! verdicts {
    ($($(#[$doc:meta])* $verdict:ident: $sentence:literal;)+) => {
        /// What became of a location in a rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
        #[schema(as = CandidateVerdict)]
        #[serde(rename_all = "snake_case")]
        pub enum Verdict {
            $($(#[$doc])* $verdict,)+
        }

        impl Verdict {
            /// The verdict as a sentence for people.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self {
                    $(Self::$verdict => $sentence,)+
                }
            }
        }
    };
}

verdicts! {
    /// It got items.
    Chosen: "It got these items.";
    /// It could take items, but those that got them do without it.
    NotNeeded: "It could take items, but the chosen locations do without it.";
    /// It could take items, but has no room for a package.
    NoQuota: "It could take items, but has no room for another package.";
    /// It has too little stock for each item.
    NoStock: "It has too little stock for every one of the items.";
    /// It has parts of kits, and of none all of them.
    NotWholeKit: "It has parts of a kit, but not all of them, and these are to be together.";
    /// It was left out for every item: it refused them or could not find them.
    LeftOutBefore: "It refused these items or could not find them before.";
    /// It could take items, but the order may have no more packages.
    NoPackageLeft: "It could take items, but the order may have no more packages.";
    /// It could take items, but not all of them, and the order is not to be split.
    NotEverything: "It could take items, but not all of them, and the order is not to be split.";
    /// It is not of the kind the rule asks for.
    OtherType: "It is not of the kind the rule asks for.";
    /// It has none of the tags the rule asks for.
    NoTag: "It has none of the tags the rule asks for.";
    /// It is not known to be in the city of the delivery address.
    OtherCity: "It is not known to be in the city of the delivery address.";
    /// It is not known to be in the country of the delivery address.
    OtherCountry: "It is not known to be in the country of the delivery address.";
    /// It is too far away, or nobody knows how far.
    TooFar: "It is farther away than the rule allows, or the distance is unknown.";
    /// It is closed.
    Closed: "It is closed.";
    /// It refused a package of the order, or could not find an item of it.
    RefusedBefore: "It refused a package of this order or could not find an item of it before.";
    /// None of the items' products may come from there.
    NotAllowed: "The products of these items may not come from there.";
    /// The items are heavier than it can handle.
    TooHeavy: "These items together are heavier than it can handle.";
}
