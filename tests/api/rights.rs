//! Rights that were taken away are gone: also where readers hear of a new version before anybody else, and for requests
//! that wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use oms::{
    auth::{self, Role},
    catalog::CatalogCache,
    commands,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Package, Shop, add_user, join, send};

const READERS: usize = 8;
/// A stream ends at the notice of a change, or when the server looks by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a user loses a right.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Token,
    User,
    Role,
    Location,
}

impl Loss {
    const ALL: [Self; 4] = [Self::Token, Self::User, Self::Role, Self::Location];

    /// A user's name and token, who sees what happens in Kadıköy.
    async fn user(self, shop: &Shop, name: &str) -> String {
        match self {
            Self::Location => add_user(shop.pool(), name, Role::Store, &["KADIKOY".to_owned()]).await,
            _ => add_user(shop.pool(), name, Role::Operator, &[]).await,
        }
    }

    async fn happen(self, shop: &Shop, name: &str) {
        let mut connection = shop.pool().acquire().await.expect("connect");
        let statement = match self {
            Self::Token => {
                assert_eq!(auth::revoke_tokens(&mut connection, name).await.expect("revoked"), 1);
                return;
            }
            Self::User => return auth::set_active(&mut connection, name, false).await.expect("disabled"),
            // Without a location, a store sees none.
            Self::Role => "update users set role = 'store' where username = $1",
            Self::Location => {
                "update user_stock_locations set stock_location_id = (select id from stock_locations
                                                                       where erp_code = 'BESIKTAS')
                  where user_id = (select id from users where username = $1)"
            }
        };
        let done = sqlx::query(statement).bind(name).execute(&mut *connection).await.expect(statement);
        assert_eq!(done.rows_affected(), 1);
    }

    /// What the package is answered then.
    fn status(self) -> StatusCode {
        match self {
            Self::Token | Self::User => StatusCode::UNAUTHORIZED,
            Self::Role | Self::Location => StatusCode::NOT_FOUND,
        }
    }
}

fn get(shop: &Shop, token: &str, path: &str) -> reqwest::RequestBuilder {
    shop.request(Method::GET, path).header("Authorization", format!("Token {token}"))
}

async fn status(shop: &Shop, token: &str, package: Package<'_>) -> StatusCode {
    let path = format!("/api/v1/oms/packages/{}/", package.id);
    get(shop, token, &path).send().await.expect("an answer").status()
}

#[tokio::test]
async fn rights_that_were_taken_away_are_gone_although_readers_are_faster_than_the_notice() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let explanation = format!("/api/v1/oms/packages/{}/?explain=commands", package.id);
    let stop = AtomicBool::new(false);
    let reading = join((0..READERS).map(async |_| {
        while !stop.load(Ordering::Relaxed) {
            shop.get(&explanation).await.ok();
        }
    }));
    let losing = async {
        for round in 0..3 {
            for loss in Loss::ALL {
                let name = format!("{loss:?}{round}");
                let token = loss.user(&shop, &name).await;
                assert_eq!(status(&shop, &token, package).await, 200, "{name}");
                loss.happen(&shop, &name).await;
                // After this request the server knows of the change, whether or not it was told.
                shop.get(&explanation).await.ok();
                assert_eq!(status(&shop, &token, package).await, loss.status(), "{name}");
            }
        }
        stop.store(true, Ordering::Relaxed);
    };
    tokio::join!(reading, losing);
    shop.finish().await;
}

#[tokio::test]
async fn rights_that_a_request_takes_away_are_gone_when_it_is_answered() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    for round in 0..20 {
        let token = shop.post("/api/v1/auth/tokens/", &json!({ "name": format!("round {round}") })).await.json(201);
        let key = token["key"].as_str().expect("a key");
        assert_eq!(status(&shop, key, package).await, 200);
        let address = format!("/api/v1/auth/tokens/{}/", token["id"]);
        assert_eq!(send(shop.request_as("admin", Method::DELETE, &address)).await.status, 204);
        assert_eq!(status(&shop, key, package).await, 401, "round {round}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_stream_ends_with_the_right_to_see() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    for loss in Loss::ALL {
        let name = format!("{loss:?}");
        let token = loss.user(&shop, &name).await;
        let stream = get(&shop, &token, "/api/v1/oms/events/?after=now").header("Accept", "text/event-stream");
        let mut stream = stream.send().await.expect("a stream");
        assert_eq!(stream.status(), 200);
        loss.happen(&shop, &name).await;
        let ended = tokio::time::timeout(PATIENCE, async {
            while let Some(bytes) = stream.chunk().await.expect("it ends in order") {
                assert!(bytes.starts_with(b":"), "{loss:?}: only signs of life");
            }
        });
        ended.await.unwrap_or_else(|_| panic!("{loss:?}: the stream goes on"));
    }
    package.run("COMPLETE_PACKING").await.ok();
    shop.finish().await;
}

#[tokio::test]
async fn a_request_that_waits_ends_with_the_right_to_see() {
    let shop = Shop::open().await;
    shop.package().await;
    for loss in Loss::ALL {
        let name = format!("{loss:?}");
        let token = loss.user(&shop, &name).await;
        let now: Value =
            get(&shop, &token, "/api/v1/oms/events/?after=now").send().await.expect("now").json().await.expect("JSON");
        let path = format!("/api/v1/oms/events/?wait=20&after={}", now["cursor"].as_str().expect("a cursor"));
        let waiting = async { get(&shop, &token, &path).send().await.expect("an answer") };
        let (answer, ()) = tokio::join!(waiting, loss.happen(&shop, &name));
        // One that comes after the change is refused at once, or sees nothing.
        match loss {
            Loss::Token | Loss::User => assert_eq!(answer.status(), 401, "{loss:?}"),
            Loss::Role | Loss::Location => {
                assert_eq!(answer.status(), 200, "{loss:?}");
                assert_eq!(
                    answer.json::<Value>().await.expect("JSON")["results"],
                    Value::Array(Vec::new()),
                    "{loss:?}"
                );
            }
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_change_of_rights_does_not_read_the_installation_again() {
    let shop = Shop::open().await;
    let cache = CatalogCache::new(commands::kinds());
    let mut connection = shop.pool().acquire().await.expect("connect");
    let before = cache.refresh(&mut connection).await.expect("read");
    for loss in Loss::ALL {
        let name = format!("{loss:?}");
        loss.user(&shop, &name).await;
        loss.happen(&shop, &name).await;
    }
    // As any user may, again and again.
    let token = shop.post_as("kadikoy", "/api/v1/auth/tokens/", &json!({ "name": "t" })).await.json(201);
    let path = format!("/api/v1/auth/tokens/{}/", token["id"]);
    shop.request_as("kadikoy", Method::DELETE, &path).send().await.expect("an answer");
    let after = cache.up_to_date(&mut connection).await.expect("read");
    assert!(after.version > before.version && Arc::ptr_eq(&after.content, &before.content));
    shop.limit("KADIKOY", Some(7)).await;
    let changed = cache.up_to_date(&mut connection).await.expect("read");
    assert!(changed.version > after.version && !Arc::ptr_eq(&changed.content, &before.content));
    drop(connection);
    shop.finish().await;
}
