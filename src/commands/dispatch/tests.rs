//! Groups of commands.

use std::collections::{HashMap, HashSet};

use proptest::{collection::vec, option, prelude::*};

use super::{
    decided::Decision,
    engine::{AttemptError, unless_it_panics},
    judge::is_worth_remembering,
    pipeline::Waiting,
    *,
};
use crate::{auth::Role, error::Refusal, scope::Scope};

/// A command of a package; `transition` tells it from the others.
fn pending(number: i64, package_id: i64, key: Option<u8>) -> Pending {
    let caller =
        Caller { user_id: 1, username: "erp".to_owned(), role: Role::Admin, scope: Scope::unlimited(), token: None };
    let request = Request {
        id: package_id,
        transition: Some(number),
        slug: None,
        input: Map::new(),
        caller: Arc::new(caller),
        cause: None,
        key: key.map(|key| IdempotencyKey { user_id: 1, key: key.to_string(), request_hash: [key; 32] }),
        versions: Versions::Any,
        dry_run: false,
    };
    Pending { request, reply: oneshot::channel().0 }
}

#[tokio::test]
async fn a_panic_is_a_failure_of_the_commands_at_hand() {
    let failed = unless_it_panics(async {
        assert!(std::hint::black_box(false), "no such item");
        Ok(())
    });
    let Err(AttemptError::Failed(error)) = failed.await else { panic!("it did not fail") };
    assert_eq!(error.to_string(), Error::Fault("panic: no such item".to_owned()).to_string());
    assert!(unless_it_panics(async { Ok(()) }).await.is_ok());
}

#[test]
fn a_refusal_waits_for_the_writer_only_if_it_is_to_be_remembered() {
    let is_written = |key, refusal: Refusal| {
        let (request, outcome) = (pending(1, 1, key).request, Outcome::<PackageAnswer>::Refused(refusal));
        let is_new = is_worth_remembering(&request, &outcome, &HashMap::new());
        Decision { is_new, ..Decision::unchanged(outcome) }.is_to_be_written()
    };
    let of_the_input = || Refusal::field("note", "Not a valid string.");
    assert!(is_written(Some(1), of_the_input()));
    assert!(!is_written(None, of_the_input()));
    // It changed nothing, and may be another the next time.
    assert!(!is_written(Some(1), Refusal::not_allowed()));
}

proptest! {
    /// Groups are taken while others are still under way, which end in any order.
    #[test]
    fn each_packages_commands_keep_their_order_and_none_is_lost(
        commands in vec((1..9_i64, option::weighted(0.3, 0..4_u8)), 0..3 * LARGEST_GROUP),
        ends in vec(any::<prop::sample::Index>(), 1..9),
        most_under_way in 0..3_usize,
    ) {
        let mut waiting = Waiting::default();
        for ((package_id, key), number) in commands.iter().zip(1..) {
            waiting.push(pending(number, *package_id, *key));
        }
        let mut ends = ends.iter().cycle();
        let mut under_way: Vec<Vec<Request>> = Vec::new();
        let mut ran = Vec::new();
        while waiting.len() > 0 || !under_way.is_empty() {
            let group: Vec<Request> = waiting.take_group().into_iter().map(|pending| pending.request).collect();
            prop_assert!(group.len() <= LARGEST_GROUP);
            prop_assert!(!group.is_empty() || waiting.len() == 0 || !under_way.is_empty(), "something can always go on");
            ran.extend(group.iter().map(|request| (request.id, request.transition)));
            let is_empty = group.is_empty();
            under_way.push(group);
            let all = || under_way.iter().flatten();
            let packages: HashSet<i64> = all().map(|request| request.id).collect();
            prop_assert_eq!(packages.len(), all().count(), "a package is under way once");
            let keys: Vec<&str> = all().filter_map(|request| Some(request.key.as_ref()?.key.as_str())).collect();
            prop_assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "a key is under way once");
            while under_way.len() > most_under_way || (is_empty && !under_way.is_empty()) {
                let end = ends.next().map_or(0, |end| end.index(under_way.len()));
                waiting.release(&under_way.swap_remove(end));
            }
        }
        prop_assert_eq!(ran.len(), commands.len());
        let mut sorted = ran.clone();
        sorted.sort_unstable();
        // By package, in the order they were run.
        ran.sort_by_key(|(package_id, _)| *package_id);
        prop_assert_eq!(ran, sorted);
    }
}
