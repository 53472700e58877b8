//! What somebody may hear of: the events of a user's feed and of a user's subscriptions.

use super::Change;
use crate::{role::Role, scope::Scope};

/// Which events somebody may hear of. The default hears everything: the server itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hearing {
    /// Those at one of these locations; none: at any.
    pub location_ids: Option<Vec<i64>>,
    /// Of events of subscriptions, which happen at no location, those of this user's; none: of everybody's.
    pub webhooks_of: Option<i64>,
}

impl Hearing {
    /// What a user hears of: what happens at locations that the user sees, and how the user's own subscriptions fare. An
    /// admin of every location hears of everybody's.
    #[must_use]
    pub fn of(user_id: i64, role: Role, scope: &Scope) -> Self {
        let hears_of_all = role == Role::Admin && !scope.is_limited();
        Self {
            location_ids: scope.location_ids().map(<[i64]>::to_vec),
            webhooks_of: (!hears_of_all).then_some(user_id),
        }
    }

    /// Whether it has a change, as [`super::after`] has it in SQL.
    #[must_use]
    pub fn has(&self, change: &Change) -> bool {
        if change.entity == "webhook" {
            return self.webhooks_of.is_none_or(|user_id| change.owner_id == Some(user_id));
        }
        let ids = self.location_ids.as_ref();
        ids.is_none_or(|ids| change.stock_location_ids.iter().any(|location| ids.contains(location)))
    }

    /// Whether it has every change of this kind of object: also one of which nothing else is known any more.
    #[must_use]
    pub fn has_all(&self, entity: &str) -> bool {
        if entity == "webhook" { self.webhooks_of.is_none() } else { self.location_ids.is_none() }
    }
}
