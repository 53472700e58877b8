//! `OrderStatus`: which orders and lines are packed, and the status of a line by the state of its package. Tables, pure; and the
//! statement that keeps the status of an order.
//!
//! On the left are the numbers of package states, on the right `OrderStatus`. A packed package is *preparing* upstream,
//! as the Akinon OMS documents it. A waiting package reports nothing: the item is approved, and stays so.

use crate::{db::PgConnection, error::Result};

/// `OrderStatus` of an item that was taken and not worked on.
pub const APPROVED: i64 = 400;
/// A cancellation that a person must decide.
pub const CANCELLATION_WAITING: i64 = 50;
/// Cancelled.
pub const CANCELLED: i64 = 100;
/// `OrderStatus` of a line that nobody packs now.
const INACTIVE: i64 = 425;
/// The first `OrderStatus` of what is on its way.
pub const SHIPPED: i64 = 500;
/// The first `OrderStatus` of what was delivered and is given back.
const REFUNDED: i64 = 600;

/// What a status means to whoever packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not yet: it waits for a payment, a confirmation, or a decision about its cancellation; or it is inactive.
    NotYet,
    /// It is to be packed.
    ToPack,
    /// It is on its way already, or arrived.
    Sent,
    /// It is cancelled, or refunded.
    Over,
}

impl Stage {
    /// Of an `OrderStatus`; one of the installation's own that is no number is packed.
    #[must_use]
    pub fn of(status: &str) -> Self {
        match status.parse::<i64>().unwrap_or(APPROVED) {
            CANCELLED => Self::Over,
            INACTIVE => Self::NotYet,
            number if number < APPROVED => Self::NotYet,
            number if number < SHIPPED => Self::ToPack,
            number if number < REFUNDED => Self::Sent,
            _ => Self::Over,
        }
    }
}

/// The number of the state of packages that are cancelled.
const ENDED: i64 = 900;

/// The status of a line of which a package reached a state, and other packages have units in theirs: the least of all, as
/// the upstream has one for the line. `has_own`: units of this package were not taken over by others, which report them.
pub fn of_line(state: i64, has_own: bool, others: impl Iterator<Item = i64>) -> Option<i64> {
    let others: Vec<i64> = others.filter(|other| *other != ENDED).collect();
    if others.is_empty() || !has_own {
        return of(state, !others.is_empty());
    }
    let own = Some(state).filter(|own| *own != ENDED);
    let all = own.iter().chain(&others).filter_map(|state| of(*state, true));
    least(all).filter(|status| *status != CANCELLATION_WAITING || own.is_some())
}

/// The status of a kit, by those of its parts: the least. What was cancelled of it does not hold back the rest.
#[must_use]
pub fn of_kit(parts: impl Iterator<Item = i64>) -> Option<i64> {
    let parts: Vec<i64> = parts.collect();
    let live = parts.iter().copied().filter(|status| *status != CANCELLED);
    least(live).or_else(|| parts.first().map(|_| CANCELLED))
}

/// The least status; none of none.
fn least(statuses: impl Iterator<Item = i64>) -> Option<i64> {
    let statuses: Vec<i64> = statuses.collect();
    if !statuses.is_empty() && statuses.iter().all(|status| *status == CANCELLATION_WAITING) {
        return Some(CANCELLATION_WAITING);
    }
    // What may yet be cancelled is not on its way.
    statuses.into_iter().map(|status| if status == CANCELLATION_WAITING { APPROVED } else { status }).min()
}

/// The status of an item whose package reached a state. `goes_on`: another package has taken the item over since.
#[must_use]
pub const fn of(state: i64, goes_on: bool) -> Option<i64> {
    Some(match state {
        50 => CANCELLATION_WAITING,
        // Waiting, in all its forms, and out of stock or to be planned again.
        100..200 | 910 | 920 => APPROVED,
        // Preparing, ready for packaging, waiting for its label, packed.
        200..600 => 450,
        // Shipped.
        600 => SHIPPED,
        // Ready for pickup.
        610 => 520,
        // Attempted, or failed: the upstream has one status for both.
        640 | 660 => 540,
        // Delivered.
        700 => 550,
        // Cancelled; or planned again into another package, which reports its own status.
        ENDED if !goes_on => CANCELLED,
        // Packed for refund: the upstream handles the money, and sets the status. Returned to the sender: somebody decides
        // whether it is sent again or cancelled. States of the installation's own report nothing.
        _ => return None,
    })
}

/// True if an item with a status upstream is to be reported with another. Statuses only rise; but any item can be
/// cancelled, and one whose cancellation was refused goes back to its status.
#[must_use]
pub const fn is_to_report(known: i64, next: i64) -> bool {
    match (known, next) {
        (CANCELLED, _) => false,
        (CANCELLATION_WAITING, _) => next != CANCELLATION_WAITING,
        (_, CANCELLATION_WAITING | CANCELLED) => true,
        _ => next > known,
    }
}

/// Gives orders the least status of their lines that are packed; that of the others where all of these are cancelled. Whoever
/// calls it holds the orders.
///
/// # Errors
/// When the database fails.
pub async fn keep_least(connection: &mut PgConnection, orders: &[i64]) -> Result<()> {
    sqlx::query!(
        "update orders o set state_id = s.id, modified_date = now()
           from (select oi.order_id,
                        coalesce(min(k.enum_value::bigint) filter (where k.enum_value <> '100' and n.reason is null),
                                 min(k.enum_value::bigint) filter (where k.enum_value <> '100'), 100)::text as status
                   from order_items oi join states k on k.id = oi.state_id
                   left join lines_not_packed n on n.order_item_id = oi.id
                  where oi.order_id = any($1) and k.enum_value ~ '^[0-9]{1,9}$'
                  group by oi.order_id) c
           join states s on s.entity = 'order' and s.enum_value = c.status
          where o.id = c.order_id and o.state_id <> s.id",
        orders
    )
    .execute(connection)
    .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_approved_and_not_yet_sent_is_packed() {
        for (status, stage) in [
            ("50", Stage::NotYet),
            ("200", Stage::NotYet),
            ("300", Stage::NotYet),
            ("350", Stage::NotYet),
            ("425", Stage::NotYet),
            ("400", Stage::ToPack),
            ("450", Stage::ToPack),
            ("own", Stage::ToPack),
            ("500", Stage::Sent),
            ("510", Stage::Sent),
            ("550", Stage::Sent),
            ("100", Stage::Over),
            ("600", Stage::Over),
            ("650", Stage::Over),
        ] {
            assert_eq!(Stage::of(status), stage, "{status}");
        }
    }

    #[test]
    fn a_package_on_its_way_is_reported_step_by_step() {
        let mut known = APPROVED;
        let mut told = Vec::new();
        for state in [100, 200, 400, 500, 600, 640, 660, 700] {
            if let Some(next) = of(state, false).filter(|next| is_to_report(known, *next)) {
                known = next;
                told.push(next);
            }
        }
        assert_eq!(told, [450, 500, 540, 550]);
    }

    #[test]
    fn nothing_goes_back_but_a_cancellation_that_was_turned_down() {
        assert!(!is_to_report(450, APPROVED) && !is_to_report(550, 500) && !is_to_report(450, 450));
        assert!(is_to_report(450, CANCELLATION_WAITING) && is_to_report(CANCELLATION_WAITING, APPROVED));
        assert!(is_to_report(CANCELLATION_WAITING, CANCELLED) && is_to_report(APPROVED, CANCELLED));
        assert!(
            !is_to_report(CANCELLED, APPROVED) && !is_to_report(CANCELLED, 500) && !is_to_report(CANCELLED, CANCELLED)
        );
    }

    #[test]
    fn a_divided_line_has_the_least_status_of_its_parts() {
        for (state, has_own, others, status) in [
            (600, true, vec![], Some(500)),
            (600, true, vec![400], Some(450)),
            (600, true, vec![600, 700], Some(500)),
            (600, true, vec![910], Some(APPROVED)),
            // What was cancelled of it does not hold back the rest; all of it is cancelled with the last part.
            (600, true, vec![900], Some(500)),
            (900, true, vec![600], Some(500)),
            (900, true, vec![900], Some(CANCELLED)),
            (900, false, vec![600], None),
            (600, true, vec![50], Some(APPROVED)),
            (50, true, vec![600], Some(APPROVED)),
            (50, true, vec![50], Some(CANCELLATION_WAITING)),
            // What came back is neither cancelled nor on its way, until somebody decides.
            (950, true, vec![950], None),
            (950, true, vec![900], None),
            (900, true, vec![950], None),
            (950, true, vec![600], Some(500)),
            (700, true, vec![950], Some(550)),
        ] {
            assert_eq!(of_line(state, has_own, others.iter().copied()), status, "{state} {has_own} {others:?}");
        }
    }

    #[test]
    fn a_kit_has_the_least_status_of_its_parts() {
        for (parts, status) in [
            (vec![], None),
            (vec![500, 450], Some(450)),
            (vec![CANCELLED, 500], Some(500)),
            (vec![CANCELLED, CANCELLED], Some(CANCELLED)),
            (vec![CANCELLATION_WAITING, 500], Some(APPROVED)),
            (vec![CANCELLATION_WAITING, CANCELLED], Some(CANCELLATION_WAITING)),
        ] {
            assert_eq!(of_kit(parts.iter().copied()), status, "{parts:?}");
        }
    }

    #[test]
    fn an_item_that_another_package_took_over_is_not_cancelled() {
        assert_eq!((of(900, true), of(900, false)), (None, Some(CANCELLED)));
        assert_eq!((of(930, false), of(1100, false), of(7, false)), (None, None, None));
    }
}
