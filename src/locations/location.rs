//! A location as planning sees it, without stock and quota: the part that rarely changes.

use serde::{Deserialize, Serialize};

use super::hours::Hours;

/// What kind of place a location is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LocationType {
    /// A shop.
    #[default]
    Store,
    /// A warehouse.
    Warehouse,
}

impl LocationType {
    /// Every kind there is, with its word.
    pub const WORDS: [(&'static str, Self); 2] = [("store", Self::Store), ("warehouse", Self::Warehouse)];

    /// The word in files, on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Warehouse => "warehouse",
        }
    }
}

/// A location. Its quota is not here.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Location {
    /// Its id.
    pub id: i64,
    /// Its code in the ERP.
    pub erp_code: String,
    /// Its name.
    pub name: String,
    /// Store or warehouse.
    pub location_type: LocationType,
    /// Lower is asked first.
    pub priority: i32,
    /// True if plans may choose it.
    pub is_active: bool,
    /// The carrier for packages of this location; none: the first active cargo company.
    pub cargo_company_id: Option<i64>,
    /// Latitude and longitude in degrees, where both are known.
    pub coordinates: Option<(f64, f64)>,
    /// Its groups, in the shop's own words.
    pub tags: Vec<String>,
    /// Of its address.
    pub city: Option<String>,
    /// Of its address: a code or a name.
    pub country: Option<String>,
    /// When it is open.
    pub hours: Hours,
}

/// True if two names of places are equal, ignoring case and surrounding blanks. The Turkish dotted and dotless i count
/// as one letter, because systems lower them differently.
#[must_use]
pub fn is_same_place(a: &str, b: &str) -> bool {
    fn folded(name: &str) -> impl Iterator<Item = char> {
        let letters = name.trim().chars().flat_map(char::to_lowercase);
        letters.filter(|letter| *letter != '\u{307}').map(|letter| if letter == 'ı' { 'i' } else { letter })
    }
    folded(a).eq(folded(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_same_whatever_the_case() {
        for (a, b) in [("İstanbul", "istanbul"), ("ISTANBUL", "istanbul"), ("IZMIR ", "İzmir"), ("Ağrı", "AĞRI")] {
            assert!(is_same_place(a, b), "{a} {b}");
        }
        assert!(!is_same_place("Ankara", "Istanbul"));
    }
}
