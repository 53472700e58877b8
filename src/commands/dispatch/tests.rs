//! Groups of the lane.

use proptest::{collection::vec, option, prelude::*};

use super::*;
use crate::auth::Role;

/// A command of a package; `transition` tells it from the others.
fn pending(number: i64, package_id: i64, key: Option<u8>) -> Pending {
    let caller = Caller { user_id: 1, username: "erp".to_owned(), role: Role::Admin, location_ids: None };
    let request = Request {
        package_id,
        transition: Some(number),
        slug: None,
        input: Map::new(),
        caller: Arc::new(caller),
        key: key.map(|key| IdempotencyKey { user_id: 1, key: key.to_string(), request_hash: [key; 32] }),
        dry_run: false,
    };
    Pending { request, reply: oneshot::channel().0 }
}

proptest! {
    #[test]
    fn each_packages_commands_keep_their_order_and_none_is_lost(
        commands in vec((1..9_i64, option::weighted(0.3, 0..4_u8)), 0..3 * LARGEST_GROUP),
    ) {
        let numbered = commands.iter().zip(1..);
        let mut waiting: VecDeque<Pending> =
            numbered.map(|((package_id, key), number)| pending(number, *package_id, *key)).collect();
        let mut ran = Vec::new();
        while !waiting.is_empty() {
            let group = take_group(&mut waiting);
            prop_assert!((1..=LARGEST_GROUP).contains(&group.len()));
            let packages: HashSet<i64> = group.iter().map(|pending| pending.request.package_id).collect();
            prop_assert_eq!(packages.len(), group.len(), "a package is in a group once");
            let keys: Vec<&str> = group.iter().filter_map(|pending| Some(pending.request.key.as_ref()?.key.as_str())).collect();
            prop_assert_eq!(keys.iter().collect::<HashSet<_>>().len(), keys.len(), "a key is in a group once");
            ran.extend(group.into_iter().map(|pending| (pending.request.package_id, pending.request.transition)));
        }
        prop_assert_eq!(ran.len(), commands.len());
        let mut sorted = ran.clone();
        sorted.sort_unstable();
        // By package, in the order they were run.
        ran.sort_by_key(|(package_id, _)| *package_id);
        prop_assert_eq!(ran, sorted);
    }
}
