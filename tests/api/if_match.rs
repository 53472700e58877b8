//! `ETag`, `If-Match` and `If-None-Match`: whoever decides on what was read decides on what is there.

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    support::{Reply, Server, Shop, join, send},
    transfers,
};

const CHANGED: &str = r#"{"error":{"detail":"It has changed since the version that If-Match names. Read it again, and decide anew."},"status_code":412}"#;

/// The tag of what is at a path.
async fn tag(shop: &Shop, path: &str) -> String {
    let reply = shop.get(path).await;
    reply.ok();
    reply.header("etag").to_owned()
}

async fn if_none_match(shop: &Shop, path: &str, tag: &str) -> Reply {
    send(shop.request_as("admin", Method::GET, path).header("If-None-Match", tag)).await
}

/// A command for what has this tag.
async fn if_match(shop: &Shop, path: &str, tag: &str, body: &Value) -> Reply {
    send(shop.request_as("admin", Method::POST, path).header("If-Match", tag).json(body)).await
}

#[tokio::test]
async fn a_reader_gets_what_has_changed_and_nothing_else_again() {
    let shop = transfers::open().await;
    let package = shop.fetched(&[("FAR", 1)]).await.only_package();
    let transfer = package.only_transfer().await;
    for path in [package.path(), transfer.path()] {
        for path in [path.clone(), format!("{path}?explain=commands")] {
            let known = tag(&shop, &path).await;
            for sent in [known.clone(), format!("W/{known}"), format!("\"0-0\", {known}"), "*".to_owned()] {
                let reply = if_none_match(&shop, &path, &sent).await;
                assert_eq!(
                    (reply.status, reply.text(), reply.header("etag")),
                    (304, "", known.as_str()),
                    "{path} {sent}"
                );
            }
            assert_eq!(if_none_match(&shop, &path, "\"0-0\"").await.status, 200);
        }
    }
    for command in ["TRANSFER_DISPATCH", "TRANSFER_DELIVERED"] {
        for path in [package.path(), transfer.path()] {
            let known = tag(&shop, &path).await;
            assert_eq!(if_none_match(&shop, &path, &known).await.status, 304);
        }
        let path = transfer.path();
        let before = tag(&shop, &path).await;
        transfer.run(command).await.ok();
        let after = if_none_match(&shop, &path, &before).await;
        assert_eq!(after.status, 200, "{command}");
        assert_ne!(after.header("etag"), before, "{command}");
    }
    // Another reader is shown something else.
    let path = package.path();
    let admins = tag(&shop, &path).await;
    let version = |tag: &str| tag.split_once('-').map(|(version, _)| version.to_owned());
    let clerk = shop.get_as("kadikoy", &path).await;
    assert_eq!(version(clerk.header("etag")), version(&admins));
    shop.finish().await;
}

#[tokio::test]
async fn a_command_for_what_has_changed_since_is_refused_and_writes_nothing() {
    let shop = transfers::open().await;
    let package = shop.package().await;
    let other = shop.fetched(&[("FAR", 1)]).await.only_package();
    let transfer = other.only_transfer().await;
    let cases = [
        (package.path(), [package.slug("BLOCK_THE_PACKAGE").await, package.slug("UNBLOCK_THE_PACKAGE").await]),
        (transfer.path(), [transfer.slug("TRANSFER_DISPATCH").await, transfer.slug("TRANSFER_DELIVERED").await]),
    ];
    for (path, slugs) in cases {
        let [first, second] = slugs.map(|slug| json!({ "slug": slug }));
        let command = format!("{path}command/");
        let read = tag(&shop, &path).await;
        let tried = if_match(&shop, &format!("{command}?dry_run=true"), &read, &first).await;
        assert_eq!(tried.status, 200, "{}", tried.text());
        if_match(&shop, &command, &read, &first).await.ok();
        // Somebody else read the same.
        for sent in [read.as_str(), "\"0-0\"", "nonsense", ""] {
            shop.changes_nothing(if_match(&shop, &command, sent, &second)).await.refused(CHANGED);
            shop.changes_nothing(if_match(&shop, &format!("{command}?dry_run=true"), sent, &second))
                .await
                .refused(CHANGED);
        }
        let now = tag(&shop, &path).await;
        assert_eq!(if_match(&shop, &command, &format!("{read}, W/{now}"), &second).await.status, 200, "{path}");
        let missing = path.replace(&format!("/{}/", path.split('/').nth(5).expect("an id")), "/999999/");
        assert_eq!(if_match(&shop, &format!("{missing}command/"), "*", &second).await.status, 404);
    }
    shop.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_commands_for_one_version_one_is_run() {
    let shop = Shop::open().await;
    let second = shop.second_server().await;
    let at =
        |server: &Server, turn: usize| if turn.is_multiple_of(2) { shop.url().to_owned() } else { server.url.clone() };
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    package.run("SHIP_THE_PACKAGE").await.ok();
    let input = json!({ "package": package.id, "delivered_status": false });
    let body = json!({ "slug": package.slug("UPDATE_PACKAGE_SHIPMENT_STATUS").await, "input_parameters": input });
    let path = package.path();
    let read = tag(&shop, &path).await;
    let command = package.command_path();
    let replies = join((0..12).map(|turn| {
        let url = format!("{}{command}", at(&second, turn));
        let request = shop.request_as("admin", Method::POST, &url).header("If-Match", &read).json(&body);
        send(request)
    }))
    .await;
    let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![204], vec![412; 11]].concat());
    second.stop().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_key_does_not_keep_that_the_version_was_another() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let path = package.path();
    let old = tag(&shop, &path).await;
    package.run("BLOCK_THE_PACKAGE").await.ok();
    let body = json!({ "slug": package.slug("UNBLOCK_THE_PACKAGE").await });
    let keyed = async |tag: &str| {
        let request = shop.request_as("admin", Method::POST, &package.command_path());
        send(request.header("Idempotency-Key", "k").header("If-Match", tag).json(&body)).await
    };
    keyed(&old).await.refused(CHANGED);
    let now = tag(&shop, &path).await;
    let done = keyed(&now).await;
    done.ok();
    // A repeat is answered as before, though the version is another by now.
    assert_eq!(shop.changes_nothing(keyed(&now)).await.body, done.body);
    shop.finish().await;
}
