//! The latest changes in memory, for all who follow: they are read once, however many follow.
//!
//! [`super::EventNotifier`] adds what became final. A follower whose cursor is in the range that is held reads from here,
//! with its filter ([`Wanted::matches`]); another reads from the database. Nothing is held while nobody follows.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::StatusCode;
use serde_json::value::RawValue;

use super::{Change, Cursor, Wanted, after};
use crate::{
    db::PgPool,
    error::{Refusal, Result},
};

/// Changes that are read at a time.
const BATCH: i64 = 500;
/// Most batches that are read after one look. When more happened, those who follow read it from the database.
const MOST_BATCHES: usize = 8;
/// Most bytes of snapshots that are held.
const MOST_BYTES: usize = 16 * 1024 * 1024;
/// Most spellings of our own address for which a batch keeps payloads: clients choose it by their `Host`.
const MOST_ADDRESSES: usize = 4;
/// When to try again, in seconds, after too many streams.
const RETRY_AFTER: u64 = 5;

/// See the module.
#[derive(Debug)]
pub struct RecentEvents {
    /// Most streams and waiting requests of a user.
    most_per_user: u32,
    followers: Mutex<HashMap<i64, u32>>,
    range: Mutex<Option<Range>>,
}

/// The changes from one cursor to another, all of them.
#[derive(Debug)]
struct Range {
    after: Cursor,
    until: Cursor,
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
}

/// Some changes that were read together.
#[derive(Debug)]
pub struct Batch {
    /// The cursor after them.
    pub until: Cursor,
    changes: Vec<Change>,
    /// By our address, and by the id of the change.
    payloads: tokio::sync::Mutex<HashMap<String, HashMap<i64, Arc<RawValue>>>>,
}

/// What is held after a cursor.
#[derive(Debug)]
pub enum Held {
    /// The batch with the next changes.
    Batch(Arc<Batch>),
    /// Nothing: the follower has read everything that this server knows of.
    Nothing,
    /// Not known here: ask the database.
    Unknown,
}

/// A stream or a waiting request, as long as it lasts.
#[derive(Debug)]
pub struct Following {
    recent: Arc<RecentEvents>,
    user_id: i64,
}

impl Drop for Following {
    fn drop(&mut self) {
        let mut followers = self.recent.followers();
        if let Some(count) = followers.get_mut(&self.user_id) {
            *count -= 1;
            if *count == 0 {
                followers.remove(&self.user_id);
            }
        }
    }
}

impl RecentEvents {
    /// Holds nothing yet. A user may follow with so many streams and waiting requests at a time.
    #[must_use]
    pub fn new(most_per_user: u32) -> Self {
        Self { most_per_user, followers: Mutex::default(), range: Mutex::default() }
    }

    /// Counts a stream or a waiting request of a user.
    ///
    /// # Errors
    /// 429 when the user has too many.
    pub fn follow(self: &Arc<Self>, user_id: i64) -> Result<Following, Refusal> {
        let mut followers = self.followers();
        let count = followers.entry(user_id).or_default();
        if *count >= self.most_per_user {
            let detail = format!(
                "You have {count} streams and waiting requests open, and may have no more. End some of them first."
            );
            return Err(Refusal::detail(StatusCode::TOO_MANY_REQUESTS, detail).retry_after(RETRY_AFTER));
        }
        *count += 1;
        Ok(Following { recent: Arc::clone(self), user_id })
    }

    /// How many streams and waiting requests there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.followers().values().map(|count| *count as usize).sum()
    }

    /// What is held after a cursor.
    #[must_use]
    pub fn after(&self, cursor: Cursor) -> Held {
        match &*self.range() {
            Some(range) if range.after <= cursor && cursor < range.until => {
                let next = range.batches.partition_point(|batch| batch.until <= cursor);
                range.batches.get(next).map_or(Held::Unknown, |batch| Held::Batch(Arc::clone(batch)))
            }
            // Behind the end: another server knew of more. What comes then is seen here too.
            Some(range) if cursor >= range.until => Held::Nothing,
            _ => Held::Unknown,
        }
    }

    /// Reads on to the last final change, `head`. Only one task calls it.
    ///
    /// # Errors
    /// When the database fails; nothing is held then.
    pub(super) async fn extend(&self, pool: &PgPool, head: Cursor) -> Result<()> {
        let is_followed = !self.followers().is_empty();
        let until = self.range().as_ref().map(|range| range.until);
        let Some(mut until) = until.filter(|until| is_followed && *until <= head) else {
            // Also after a failover to a standby that knows less.
            *self.range() = is_followed.then(|| Range::at(head));
            return Ok(());
        };
        for _ in 0..MOST_BATCHES {
            if until >= head {
                return Ok(());
            }
            let (changes, next) = self.read(pool, until).await.inspect_err(|_| *self.range() = None)?;
            if let Some(range) = &mut *self.range() {
                range.push(changes, next);
            }
            until = next;
        }
        if until < head {
            *self.range() = Some(Range::at(head));
        }
        Ok(())
    }

    async fn read(&self, pool: &PgPool, cursor: Cursor) -> Result<(Vec<Change>, Cursor)> {
        after(&mut *pool.acquire().await?, cursor, &Wanted::default(), BATCH).await
    }

    fn followers(&self) -> MutexGuard<'_, HashMap<i64, u32>> {
        self.followers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn range(&self) -> MutexGuard<'_, Option<Range>> {
        self.range.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Range {
    const fn at(cursor: Cursor) -> Self {
        Self { after: cursor, until: cursor, batches: VecDeque::new(), bytes: 0 }
    }

    fn push(&mut self, changes: Vec<Change>, until: Cursor) {
        if until <= self.until {
            return;
        }
        let batch = Batch { until, changes, payloads: tokio::sync::Mutex::default() };
        self.bytes += batch.bytes();
        self.until = until;
        self.batches.push_back(Arc::new(batch));
        while self.bytes > MOST_BYTES
            && let Some(oldest) = self.batches.pop_front()
        {
            self.bytes -= oldest.bytes();
            self.after = oldest.until;
        }
    }
}

impl Batch {
    fn bytes(&self) -> usize {
        self.changes.iter().map(|change| size_of::<Change>() + change.facts.len()).sum()
    }

    /// The changes after a cursor that a follower wants, at most so many, and the cursor after them.
    #[must_use]
    pub fn wanted(&self, cursor: Cursor, wanted: &Wanted, limit: usize) -> (Vec<&Change>, Cursor) {
        let changes = self.changes.iter().filter(|change| change.cursor() > cursor && wanted.matches(change));
        let mut changes: Vec<&Change> = changes.take(limit.saturating_add(1)).collect();
        if changes.len() <= limit {
            return (changes, self.until);
        }
        changes.truncate(limit);
        let next = changes.last().map_or(cursor, |change| change.cursor());
        (changes, next)
    }

    /// The payloads of some of its changes. Those that were rendered for nobody yet are rendered together, by the first
    /// who needs them. `addresses`: what those in them depend on; others are rendered anew.
    ///
    /// # Errors
    /// Those of `render`.
    pub async fn payloads(
        &self,
        addresses: &str,
        changes: &[&Change],
        render: impl AsyncFnOnce(&[Change]) -> Result<HashMap<i64, Box<RawValue>>>,
    ) -> Result<HashMap<i64, Arc<RawValue>>> {
        let mut by_address = self.payloads.lock().await;
        if by_address.len() >= MOST_ADDRESSES && !by_address.contains_key(addresses) {
            by_address.clear();
        }
        let known = by_address.entry(addresses.to_owned()).or_default();
        let missing: Vec<Change> =
            changes.iter().filter(|change| !known.contains_key(&change.id)).map(|change| (*change).clone()).collect();
        if !missing.is_empty() {
            known.extend(render(&missing).await?.into_iter().map(|(id, payload)| (id, payload.into())));
        }
        Ok(changes.iter().filter_map(|change| Some((change.id, Arc::clone(known.get(&change.id)?)))).collect())
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn change(position: i64) -> Change {
        Change {
            id: position,
            position,
            entity: "package".to_owned(),
            object_id: position % 3,
            sequence: 1,
            types: vec!["package.created".to_owned()],
            stock_location_ids: vec![position % 2],
            owner_id: None,
            installation_version: 1,
            facts: "x".repeat(1000),
            created_date: DateTime::UNIX_EPOCH,
            request_id: None,
            traceparent: None,
        }
    }

    fn at(position: i64) -> Cursor {
        Cursor::new(position, position)
    }

    fn holding(batches: &[&[i64]]) -> RecentEvents {
        let recent = RecentEvents::new(2);
        let mut range = Range::at(at(10));
        for positions in batches {
            let last = positions.last().copied().expect("a position");
            range.push(positions.iter().copied().map(change).collect(), at(last));
        }
        *recent.range() = Some(range);
        recent
    }

    /// The positions that a follower reads from memory, and whether it must ask the database then.
    fn read(recent: &RecentEvents, mut cursor: Cursor, wanted: &Wanted, limit: usize) -> (Vec<i64>, bool) {
        let mut read = Vec::new();
        loop {
            match recent.after(cursor) {
                Held::Batch(batch) => {
                    let (changes, next) = batch.wanted(cursor, wanted, limit);
                    assert!(next > cursor && changes.len() <= limit, "{cursor}");
                    read.extend(changes.iter().map(|change| change.position));
                    cursor = next;
                }
                Held::Nothing => return (read, false),
                Held::Unknown => return (read, true),
            }
        }
    }

    #[test]
    fn each_follower_reads_what_it_wants_once_from_its_cursor_on() {
        let recent = holding(&[&[11, 12, 13], &[14, 15], &[16]]);
        let all = Wanted::default();
        let even = Wanted { stock_location_ids: Some(vec![0]), ..Wanted::default() };
        for limit in [1, 2, 100] {
            assert_eq!(read(&recent, at(10), &all, limit), (vec![11, 12, 13, 14, 15, 16], false));
            assert_eq!(read(&recent, at(12), &all, limit), (vec![13, 14, 15, 16], false));
            assert_eq!(read(&recent, at(11), &even, limit), (vec![12, 14, 16], false));
        }
        assert_eq!(read(&recent, at(16), &all, 1), (vec![], false));
        assert_eq!(read(&recent, at(99), &all, 1), (vec![], false), "another server knew of more");
        assert_eq!(read(&recent, at(9), &all, 1), (vec![], true), "before what is held");
    }

    #[test]
    fn it_holds_so_many_bytes_and_forgets_the_oldest() {
        let count = i64::try_from(2 * MOST_BYTES / 1000).expect("a number");
        let positions: Vec<i64> = (11..count).collect();
        let batches: Vec<&[i64]> = positions.chunks(500).collect();
        let recent = holding(&batches);
        assert!(recent.range().as_ref().is_some_and(|range| range.bytes <= MOST_BYTES && range.batches.len() > 10));
        assert_eq!(read(&recent, at(10), &Wanted::default(), 100), (vec![], true));
        let (late, _) = read(&recent, at(count - 100), &Wanted::default(), 100);
        assert_eq!(late.len(), 99);
    }

    #[test]
    fn a_user_has_so_many_and_gets_the_place_of_one_that_ended() {
        let recent = Arc::new(RecentEvents::new(2));
        let (first, _second) = (recent.follow(1).expect("one"), recent.follow(1).expect("two"));
        let refused = recent.follow(1).expect_err("a third");
        assert_eq!((refused.status, refused.retry_after), (StatusCode::TOO_MANY_REQUESTS, Some(RETRY_AFTER)));
        let _other = recent.follow(2).expect("another user");
        drop(first);
        recent.follow(1).expect("the place that came free");
    }

    #[tokio::test]
    async fn a_payload_is_rendered_once_for_all_and_for_each_address() {
        let recent = holding(&[&[11, 12, 13]]);
        let Held::Batch(batch) = recent.after(at(10)) else { panic!("a batch") };
        let mut rendered = Vec::new();
        for (address, positions) in
            [("http://a", 11..13), ("http://a", 11..14), ("http://b", 11..12), ("http://a", 11..14)]
        {
            let changes: Vec<&Change> = batch.changes.iter().filter(|change| positions.contains(&change.id)).collect();
            let payloads = batch.payloads(address, &changes, async |missing: &[Change]| {
                rendered.extend(missing.iter().map(|change| (address, change.id)));
                let payload = || RawValue::from_string("{}".to_owned()).expect("JSON");
                Ok(missing.iter().map(|change| (change.id, payload())).collect())
            });
            assert_eq!(payloads.await.expect("payloads").len(), changes.len());
        }
        let expected = [("http://a", 11), ("http://a", 12), ("http://a", 13), ("http://b", 11)];
        assert_eq!(rendered, expected);
    }
}
