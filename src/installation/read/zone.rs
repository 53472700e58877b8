//! `time_zone`: where the installation's days begin.

use chrono_tz::Tz;

use crate::{
    days,
    reading::{Place, Reader},
};

/// The time zone, of which an installation has one or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeZone {
    /// The zone.
    pub zone: Tz,
    /// Where it stands.
    pub at: Place,
}

impl TimeZone {
    /// The key of the file itself.
    pub(super) fn read(root: &mut Reader<'_>) -> Option<Self> {
        let name = root.text("time_zone")?;
        let Ok(zone) = name.parse() else {
            root.refuse("time_zone", format!("there is no time zone `{name}`"), days::REMEDY);
            return None;
        };
        Some(Self { zone, at: root.place() })
    }
}
