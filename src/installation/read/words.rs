//! The fixed words of the installation file. The same words stand on the wire and in SQL.

use std::fmt;

use serde::{Deserialize, Serialize};

pub use crate::role::Role;

/// What a state or a transition belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entity {
    /// A package of an order, at one location.
    Package,
    /// A transfer of goods between two locations.
    Transfer,
    /// The order itself, whose states belong to the upstream.
    Order,
}

impl Entity {
    /// The word of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Package => "package",
            Self::Transfer => "transfer",
            Self::Order => "order",
        }
    }

    /// Whether objects of this entity are moved by commands. An order's state is set by the
    /// upstream, so its states need no way out and no way in.
    #[must_use]
    pub const fn is_moved_by_commands(self) -> bool {
        !matches!(self, Self::Order)
    }
}

/// A user interface that may offer a transition. A hint, no permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interface {
    /// The console of operations.
    OmsWeb,
    /// The app of the stores.
    Instore,
    /// An integrator's own software.
    ThirdParty,
}

impl Interface {
    /// Every interface: what a transition gets that does not say.
    pub const ALL: [Self; 3] = [Self::OmsWeb, Self::Instore, Self::ThirdParty];

    /// The word of the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OmsWeb => "oms_web",
            Self::Instore => "instore",
            Self::ThirdParty => "third_party",
        }
    }
}

macro_rules! display_as_word {
    ($($word:ty),+) => {$(
        impl fmt::Display for $word {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    )+};
}

display_as_word!(Entity, Interface);

#[cfg(test)]
mod tests {
    use super::*;

    /// Both ways of spelling a word, serde's and ours, are one spelling.
    #[test]
    fn serde_and_as_str_agree() {
        fn spelled<T: Serialize + fmt::Display>(word: T) {
            let by_serde = serde_json::to_value(&word).expect("a word is JSON");
            assert_eq!(by_serde, serde_json::Value::String(word.to_string()));
        }
        spelled(Entity::Package);
        spelled(Entity::Transfer);
        spelled(Entity::Order);
        spelled(Interface::OmsWeb);
        spelled(Interface::Instore);
        spelled(Interface::ThirdParty);
        spelled(Role::Integrator);
        spelled(Role::Store);
        spelled(Role::Operator);
        spelled(Role::Admin);
    }
}
