//! Scope: the locations whose objects a user sees.

use std::{collections::BTreeSet, sync::Arc};

use crate::role::Role;

/// The locations whose objects a user sees: all, or these.
///
/// Every function that answers a user takes the user's scope, so an answer cannot be made without it. What belongs to no
/// location is for scopes that are not limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// In order; none: all.
    location_ids: Option<Arc<[i64]>>,
}

impl Scope {
    /// Every location. For the server's own work: no handler makes a scope, it gets one.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { location_ids: None }
    }

    /// These locations only; without one, nothing is seen.
    #[must_use]
    pub fn limited_to(location_ids: BTreeSet<i64>) -> Self {
        Self { location_ids: Some(location_ids.into_iter().collect()) }
    }

    /// What a user of a role sees who has these locations. A store user without locations sees none, others see all.
    #[must_use]
    pub fn of(role: Role, location_ids: Vec<i64>) -> Self {
        let location_ids: BTreeSet<i64> = location_ids.into_iter().collect();
        if role == Role::Store || !location_ids.is_empty() { Self::limited_to(location_ids) } else { Self::unlimited() }
    }

    /// True if it is limited to some locations.
    #[must_use]
    pub const fn is_limited(&self) -> bool {
        self.location_ids.is_some()
    }

    /// True if objects of a location are seen.
    #[must_use]
    pub fn sees(&self, stock_location_id: i64) -> bool {
        self.location_ids.as_ref().is_none_or(|ids| ids.binary_search(&stock_location_id).is_ok())
    }

    /// The locations as a query parameter; none: all.
    #[must_use]
    pub fn location_ids(&self) -> Option<&[i64]> {
        self.location_ids.as_deref()
    }
}

/// The rows of a list that somebody sees, as the list's own condition asks: those at some locations, those of one object,
/// those of one user; or all.
///
/// All rows are seen only with a scope that is not limited.
#[derive(Debug, Clone)]
pub struct Visible {
    ids: Option<Vec<i64>>,
    location_ids: Option<Vec<i64>>,
}

impl Visible {
    /// The rows of an object that its reader sees, as far as the scope sees them.
    #[must_use]
    pub fn below(object_id: i64, scope: &Scope) -> Self {
        Self { ids: Some(vec![object_id]), ..Self::from(scope) }
    }

    /// The rows of a user.
    #[must_use]
    pub fn of_user(user_id: i64) -> Self {
        Self { ids: Some(vec![user_id]), location_ids: None }
    }

    /// The ids for the condition; none: all rows.
    #[must_use]
    pub fn ids(&self) -> Option<&[i64]> {
        self.ids.as_deref()
    }

    /// The locations of the scope, for rows of one object; none: all.
    #[must_use]
    pub fn location_ids(&self) -> Option<&[i64]> {
        self.location_ids.as_deref()
    }
}

impl From<&Scope> for Visible {
    fn from(scope: &Scope) -> Self {
        let location_ids = scope.location_ids().map(<[i64]>::to_vec);
        Self { ids: location_ids.clone(), location_ids }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limited_scope_sees_its_locations_and_an_empty_one_nothing() {
        let scope = Scope::limited_to(BTreeSet::from([7, 3]));
        assert_eq!((scope.sees(3), scope.sees(7), scope.sees(5)), (true, true, false));
        assert_eq!(scope.location_ids(), Some(&[3, 7][..]));
        let nothing = Scope::limited_to(BTreeSet::new());
        assert!(nothing.is_limited() && !nothing.sees(3));
        assert!(Scope::unlimited().sees(3) && Scope::unlimited().location_ids().is_none());
        assert_eq!(Scope::of(Role::Operator, vec![]), Scope::unlimited());
        assert_eq!(Scope::of(Role::Operator, vec![7, 3]), scope);
        assert_eq!(Scope::of(Role::Store, vec![]), nothing);
    }
}
