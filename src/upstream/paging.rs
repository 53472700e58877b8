//! Paging through the upstream's list of orders: which request is next. Pure.
//!
//! While a list changes, its pages shift, and a reader by page numbers misses entries between two pages. So the list is
//! requested in the order of change, from a date on; each next request begins at the last entry's date, always with the
//! first page. The second page is requested only if a whole page has one and the same date.
//!
//! An upstream without these parameters answers in another order. Then its pages are read to the end, one after the
//! other, and the cursor does not move.

use chrono::{DateTime, SecondsFormat, Utc};

/// Most orders per request. Where an answer is too much, they are halved, and grow again with what can be read.
pub(super) const MOST: usize = 50;

/// The position of the reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Paging {
    since: Option<DateTime<Utc>>,
    page: usize,
    /// Orders per request.
    pub limit: usize,
    /// True if everything so far came in the order of change.
    pub is_sorted: bool,
    /// Everything up to this date was read.
    pub seen: Option<DateTime<Utc>>,
}

impl Paging {
    pub(super) fn from(since: Option<DateTime<Utc>>, limit: usize) -> Self {
        Self { since, page: 1, limit, is_sorted: true, seen: None }
    }

    /// The same position with half as many orders per request; none if it is one already. Some may be asked for once more.
    pub(super) fn halved(&self) -> Option<Self> {
        let limit = self.limit / 2;
        (limit > 0).then(|| Self { limit, page: (self.page - 1) * self.limit / limit + 1, ..self.clone() })
    }

    /// The position behind one order that cannot be read.
    pub(super) fn past_one(&self) -> Self {
        Self { page: self.page + 1, ..self.clone() }
    }

    /// Which order it is that is asked for alone, for people.
    pub(super) fn place(&self) -> String {
        match self.since {
            Some(since) => format!("number {} of those changed since {}", self.page, moment(since)),
            None => format!("number {} of its list", self.page),
        }
    }

    /// The parameters of the next request.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let mut query = vec![
            ("limit", self.limit.to_string()),
            ("page", self.page.to_string()),
            ("sort", "modified_date".to_owned()),
        ];
        if let Some(since) = self.since {
            query.push(("modified_date__gte", moment(since)));
        }
        query
    }

    /// The next position, after a page whose orders have these dates of change. False if the list is finished.
    pub(super) fn after(mut self, modified: &[Option<DateTime<Utc>>], has_next: bool) -> (Self, bool) {
        let moments: Option<Vec<DateTime<Utc>>> = modified.iter().copied().collect();
        let sorted =
            moments.filter(|moments| moments.is_sorted() && moments.first().is_none_or(|first| self.fits(*first)));
        let Some(moments) = sorted.filter(|_| self.is_sorted) else {
            self.is_sorted = false;
            self.page += 1;
            return (self, has_next && !modified.is_empty());
        };
        let Some(last) = moments.last().copied() else { return (self, false) };
        self.seen = self.seen.max(Some(last));
        if self.since.is_none_or(|since| last > since) {
            self.since = Some(last);
            self.page = 1;
            self.limit = (self.limit * 2).min(MOST);
        } else {
            self.page += 1;
        }
        (self, has_next)
    }

    fn fits(&self, first: DateTime<Utc>) -> bool {
        self.since.is_none_or(|since| first >= since)
    }
}

fn moment(since: DateTime<Utc>) -> String {
    since.to_rfc3339_opts(SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: u32) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::TimeDelta::minutes(i64::from(minute))
    }

    fn moments(minutes: &[u32]) -> Vec<Option<DateTime<Utc>>> {
        minutes.iter().map(|minute| Some(at(*minute))).collect()
    }

    #[test]
    fn each_page_is_asked_for_from_the_moment_of_the_last() {
        let (paging, goes_on) = Paging::from(None, MOST).after(&moments(&[1, 2, 3]), true);
        assert!(goes_on);
        assert_eq!((paging.since, paging.page, paging.seen), (Some(at(3)), 1, Some(at(3))));
        assert!(paging.query().contains(&("modified_date__gte", "1970-01-01T00:03:00.000000Z".to_owned())));
        let (paging, goes_on) = paging.after(&moments(&[3, 4]), false);
        assert!(!goes_on);
        assert_eq!(paging.seen, Some(at(4)));
    }

    #[test]
    fn a_page_of_one_moment_leads_to_the_second() {
        let (paging, goes_on) = Paging::from(Some(at(3)), MOST).after(&moments(&[3, 3, 3]), true);
        assert_eq!((goes_on, paging.since, paging.page), (true, Some(at(3)), 2));
        let (paging, _) = paging.after(&moments(&[3, 5]), true);
        assert_eq!((paging.since, paging.page), (Some(at(5)), 1));
    }

    #[test]
    fn a_list_in_another_order_is_read_by_its_pages_and_does_not_move_the_cursor() {
        for page in [moments(&[3, 2]), moments(&[1]), vec![Some(at(3)), None]] {
            let (paging, goes_on) = Paging::from(Some(at(2)), MOST).after(&page, true);
            assert_eq!((goes_on, paging.is_sorted, paging.page, paging.seen), (true, false, 2, None));
            // Also when the rest happens to be sorted.
            let (paging, goes_on) = paging.after(&moments(&[7, 8]), false);
            assert_eq!((goes_on, paging.seen), (false, None));
        }
    }

    #[test]
    fn an_empty_list_is_read_at_once() {
        assert!(!Paging::from(None, MOST).after(&[], false).1);
        assert!(!Paging { is_sorted: false, ..Paging::from(None, MOST) }.after(&[], true).1);
    }

    #[test]
    fn where_an_answer_is_too_much_half_is_asked_for_and_nothing_is_left_out() {
        let mut paging = Paging { page: 3, ..Paging::from(Some(at(3)), MOST) };
        let begins = 2 * MOST;
        let mut limits = vec![paging.limit];
        while let Some(halved) = paging.halved() {
            paging = halved;
            limits.push(paging.limit);
            assert!((paging.page - 1) * paging.limit <= begins && paging.page * paging.limit > begins - MOST);
        }
        assert_eq!(limits, [50, 25, 12, 6, 3, 1]);
        let past = paging.past_one();
        assert_eq!((past.page, past.limit), (paging.page + 1, 1));
        assert!(paging.place().ends_with("changed since 1970-01-01T00:03:00.000000Z"));
        let (grown, _) = past.after(&moments(&[4]), true);
        assert_eq!((grown.page, grown.limit), (1, 2));
    }
}
