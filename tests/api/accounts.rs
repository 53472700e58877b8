//! Users, tokens and passwords: by REST, and by those who run the server.

use std::time::{Duration, Instant};

use oms::auth::{self, quota, tokens::TOKENS, users::UserView};
use oms::page::ListRow as _;
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    lists::{check_filters, column, values},
    support::{Reply, Shop, join, send},
};

const USERS: &str = "/api/v1/auth/users/";
const TOKENS_PATH: &str = "/api/v1/auth/tokens/";
const LOGIN: &str = "/api/v1/auth/login/";
const CHANGE: &str = "/api/v1/auth/password/change/";
const PASSWORD: &str = "yedi gri balıkçıl";
const ANOTHER: &str = "dokuz mavi çaydanlık";
/// Well under the time for which a caller is remembered.
const SOON: Duration = Duration::from_secs(7);

async fn with(shop: &Shop, key: &str, method: Method, path: &str, body: &Value) -> Reply {
    let request = shop.request(method, path).header("Authorization", format!("Token {key}"));
    send(if body.is_null() { request } else { request.json(body) }).await
}

async fn status(shop: &Shop, key: &str) -> u16 {
    with(shop, key, Method::GET, "/api/v1/oms/packages/", &Value::Null).await.status
}

async fn delete(shop: &Shop, path: &str) -> Reply {
    send(shop.request_as("admin", Method::DELETE, path)).await
}

/// A user by REST; the id.
async fn add(shop: &Shop, name: &str, role: &str) -> i64 {
    let user = json!({ "username": name, "role": role, "password": PASSWORD });
    shop.post(USERS, &user).await.json(201)["id"].as_i64().expect("an id")
}

async fn login(shop: &Shop, name: &str, password: &str) -> Option<String> {
    let body = json!({ "username": name, "password": password });
    let reply = send(shop.request(Method::POST, LOGIN).json(&body)).await;
    (reply.status == 200).then(|| reply.ok()["key"].as_str().expect("a key").to_owned())
}

async fn change_password(shop: &Shop, key: &str, old: &str, new: &str) -> Reply {
    let body = json!({ "old_password": old, "new_password1": new, "new_password2": new });
    with(shop, key, Method::POST, CHANGE, &body).await
}

#[tokio::test]
async fn a_token_is_made_with_a_name_listed_without_its_key_and_ends_alone() {
    let shop = Shop::open().await;
    let made = shop.post_as("erp", TOKENS_PATH, &json!({ "name": "nightly" })).await.json(201);
    let (key, id) = (made["key"].as_str().expect("a key"), made["id"].as_i64().expect("an id"));
    assert_eq!(
        (&made["user"], &made["name"], &made["key_prefix"]),
        (&json!("erp"), &json!("nightly"), &json!(&key[..8]))
    );
    assert_eq!(status(&shop, key).await, 200);
    let other = shop.post_as("erp", TOKENS_PATH, &json!({ "name": "hourly" })).await.json(201);

    let listed = shop.get_as("erp", TOKENS_PATH).await;
    assert!(!listed.text().contains(key));
    assert_eq!(column(&listed.ok(), "name"), ["hourly", "nightly", ""]);
    assert!(!format!("{:?}", shop.dump().await).contains(key), "only its hash is stored");
    // An operator sees, and ends, only their own; an admin everybody's.
    assert_eq!(shop.get_as("ops", TOKENS_PATH).await.ok()["count"], 1);
    assert!(shop.get(TOKENS_PATH).await.ok()["count"].as_i64() > Some(4));
    let path = format!("{TOKENS_PATH}{id}/");
    let ending = send(shop.request_as("ops", Method::DELETE, &path));
    shop.changes_nothing(ending).await.detail(404);
    let for_erp = json!({ "name": "mine", "user": "erp" });
    shop.changes_nothing(shop.post_as("ops", TOKENS_PATH, &for_erp)).await.detail(403);
    let for_ops = shop.post(TOKENS_PATH, &json!({ "name": "given", "user": "ops" })).await.json(201);
    assert_eq!(for_ops["user"], "ops");

    assert_eq!(send(shop.request_as("erp", Method::DELETE, &path)).await.status, 204);
    shop.until("it has ended", async || (status(&shop, key).await == 401).then_some(())).await;
    assert_eq!(status(&shop, other["key"].as_str().expect("a key")).await, 200);
    assert_eq!(delete(&shop, &path).await.status, 404);
    shop.finish().await;
}

#[tokio::test]
async fn an_expired_token_is_refused_as_one_that_never_was_also_where_it_is_remembered() {
    let shop = Shop::open().await;
    let begun = Instant::now();
    let ends: String = shop
        .value(
            "select to_char(now() at time zone 'utc' + $1, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
            Duration::from_millis(2500),
        )
        .await;
    let made = shop.post_as("erp", TOKENS_PATH, &json!({ "name": "short", "expires_date": ends })).await.json(201);
    let key = made["key"].as_str().expect("a key");
    assert_eq!((status(&shop, key).await, &made["is_expired"]), (200, &json!(false)));
    // With it, none is made that outlives it.
    for body in [json!({ "name": "long" }), json!({ "name": "long", "expires_date": "2100-01-01" })] {
        let asking = with(&shop, key, Method::POST, TOKENS_PATH, &body);
        shop.changes_nothing(asking).await.wrong("expires_date");
    }
    shop.until("it has ended", async || (status(&shop, key).await == 401).then_some(())).await;
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    let (expired, unknown) = (
        with(&shop, key, Method::GET, TOKENS_PATH, &Value::Null).await,
        with(&shop, "0123456789", Method::GET, TOKENS_PATH, &Value::Null).await,
    );
    assert_eq!((expired.status, expired.text()), (401, unknown.text()));
    let listed = shop.get(&format!("{TOKENS_PATH}?is_expired=true")).await.ok();
    assert_eq!(column(&listed, "name"), ["short"]);
    for (date, message) in [("2001-01-01", "over already"), ("soon", "wrong format")] {
        let wanted = json!({ "name": "x", "expires_date": date });
        let said = shop.changes_nothing(shop.post_as("erp", TOKENS_PATH, &wanted)).await.wrong("expires_date");
        assert!(said[0].contains(message), "{said:?}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn the_last_use_of_a_token_is_written_by_the_way() {
    let shop = Shop::open().await;
    let server = shop.second_server().await;
    let used =
        "select last_used_date is not null and last_used_date <= now() from tokens t join users u on u.id = t.user_id
                 where u.username = $1";
    assert!(!shop.value::<bool, _>(used, "erp".to_owned()).await);
    for _ in 0..3 {
        shop.get_as("erp", &format!("{}/api/v1/oms/packages/", server.url)).await.ok();
    }
    assert!(!shop.value::<bool, _>(used, "erp".to_owned()).await, "not by the request");
    server.stop().await;
    assert!(shop.value::<bool, _>(used, "erp".to_owned()).await);
    assert!(!shop.value::<bool, _>(used, "ops".to_owned()).await);
    let (code, printed, _) = shop.oms(&["token", "list", "erp"]).await;
    assert_eq!((code, printed.lines().count()), (0, 1));
    assert!(
        printed.contains(" of erp: ") && printed.contains(", used 20") && printed.contains(", never ends"),
        "{printed}"
    );
    // No row of the audit, and no new version for what all servers remember.
    assert!(shop.rows::<(String,)>("select kind from audit where changes ? 'last_used_date'").await.is_empty());
    shop.finish().await;
}

#[tokio::test]
async fn admins_add_change_and_remove_users_and_nobody_else_does() {
    let shop = Shop::open().await;
    let kadikoy = shop.location_id("KADIKOY").await;
    let user = json!({ "username": "ayse", "role": "store", "stock_locations": [kadikoy], "password": PASSWORD });
    for other in ["erp", "ops", "kadikoy"] {
        shop.changes_nothing(shop.post_as(other, USERS, &user)).await.detail(403);
        shop.get_as(other, USERS).await.detail(403);
    }
    let made = shop.post(USERS, &user).await;
    assert!(!made.text().contains(PASSWORD));
    let made = made.json(201);
    let path = format!("{USERS}{}/", made["id"]);
    assert_eq!(
        (&made["stock_locations"], &made["has_password"], &made["is_active"]),
        (&json!([kadikoy]), &json!(true), &json!(true))
    );
    let key = login(&shop, "ayse", PASSWORD).await.expect("a key");
    assert_eq!(with(&shop, &key, Method::GET, "/api/v1/oms/stocklocations/", &Value::Null).await.ok()["count"], 1);

    let changed = shop.patch(&path, &json!({ "role": "operator", "stock_locations": [] })).await.ok();
    assert_eq!((&changed["role"], &changed["stock_locations"]), (&json!("operator"), &json!([])));
    shop.until("it counts", async || {
        let seen =
            with(&shop, &key, Method::GET, "/api/v1/oms/stocklocations/", &Value::Null).await.ok()["count"].clone();
        (seen == 4).then_some(())
    })
    .await;
    shop.patch(&path, &json!({ "is_active": false })).await.ok();
    shop.until("it counts", async || (status(&shop, &key).await == 401).then_some(())).await;
    shop.patch(&path, &json!({ "is_active": true })).await.ok();
    shop.patch(&path, &json!({ "password": null })).await.ok();
    assert_eq!(login(&shop, "ayse", PASSWORD).await, None);

    for (body, field) in [
        (json!({ "role": "king" }), "role"),
        (json!({ "role": "store" }), "stock_locations"),
        (json!({ "stock_locations": [99999] }), "stock_locations"),
        (json!({ "stock_locations": "all" }), "stock_locations"),
        (json!({ "stock_locations": ["x"] }), "stock_locations"),
        (json!({ "password": "short" }), "password"),
        (json!({ "password": 5 }), "password"),
    ] {
        shop.changes_nothing(shop.patch(&path, &body)).await.wrong(field);
    }
    for (body, field) in [
        (json!({ "role": "operator" }), "username"),
        (json!({ "username": "new" }), "role"),
        (json!({ "username": "erp", "role": "operator" }), "username"),
        (json!({ "username": " ", "role": "operator" }), "username"),
        (json!({ "username": "new", "role": "store" }), "stock_locations"),
        (json!({ "username": "new", "role": "operator", "password": "password123" }), "password"),
    ] {
        shop.changes_nothing(shop.post(USERS, &body)).await.wrong(field);
    }
    // The server's own user stays as it is.
    let system: i64 = shop.value("select id from users where username = $1", "system".to_owned()).await;
    shop.changes_nothing(shop.patch(&format!("{USERS}{system}/"), &json!({ "is_active": true })))
        .await
        .wrong("username");
    shop.changes_nothing(delete(&shop, &format!("{USERS}{system}/"))).await.wrong("username");
    shop.finish().await;
}

#[tokio::test]
async fn a_removed_user_is_gone_and_still_named() {
    let shop = Shop::open().await;
    let id = add(&shop, "ayse", "operator").await;
    let key = login(&shop, "ayse", PASSWORD).await.expect("a key");
    let hook = json!({ "target_url": "https://example.com/", "event_type": "package.created",
                       "retry_countdown_config": { "choice": "fixed", "kwargs": { "seconds": 60 } } });
    with(&shop, &key, Method::POST, "/whisperer/hooks/", &hook).await.json(201);
    let package = shop.package().await;
    let pack = json!({ "slug": package.slug("COMPLETE_PACKING").await });
    with(&shop, &key, Method::POST, &format!("{}command/", package.path()), &pack).await.ok();

    let path = format!("{USERS}{id}/");
    assert_eq!(delete(&shop, &path).await.status, 204);
    shop.until("it counts", async || (status(&shop, &key).await == 401).then_some(())).await;
    assert_eq!(login(&shop, "ayse", PASSWORD).await, None);
    assert_eq!((shop.get(&path).await.status, delete(&shop, &path).await.status), (404, 404));
    assert_eq!(shop.get(&format!("{USERS}?username=ayse")).await.ok()["count"], 0);
    assert_eq!(shop.rows::<(bool,)>("select is_active from webhooks").await, [(false,)]);
    let log = shop.get(&format!("{}transition-logs/", package.path())).await.ok();
    assert!(column(&log, "user").contains(&json!("ayse")), "{log}");
    // Whoever comes later is somebody else.
    let again = json!({ "username": "ayse", "role": "operator" });
    let said = shop.changes_nothing(shop.post(USERS, &again)).await.wrong("username");
    assert!(said[0].contains("not given again"), "{said:?}");
    for arguments in [["user", "enable", "ayse"], ["token", "issue", "ayse"]] {
        assert_eq!(shop.changes_nothing(shop.oms(&arguments)).await.0, 1, "{arguments:?}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn the_last_admin_of_every_location_stays_one_whoever_asks_and_however_many_at_once() {
    let shop = Shop::open().await;
    let kadikoy = shop.location_id("KADIKOY").await;
    let admin: i64 = shop.value("select id from users where username = $1", "admin".to_owned()).await;
    // An admin of one location does not count, nor does a disabled one.
    add(&shop, "limited", "admin").await;
    let limited = shop.oms(&["user", "set", "limited", "--location", "KADIKOY"]).await;
    assert_eq!(limited.0, 0, "{}", limited.2);
    add(&shop, "disabled", "admin").await;
    assert_eq!(shop.oms(&["user", "disable", "disabled"]).await.0, 0);
    let path = format!("{USERS}{admin}/");
    for (body, field) in [
        (json!({ "role": "operator" }), "role"),
        (json!({ "is_active": false }), "is_active"),
        (json!({ "stock_locations": [kadikoy] }), "stock_locations"),
    ] {
        let said = shop.changes_nothing(shop.patch(&path, &body)).await.wrong(field);
        assert!(said[0].contains("last active admin"), "{said:?}");
    }
    shop.changes_nothing(delete(&shop, &path)).await.wrong("non_field_errors");
    for arguments in [
        vec!["user", "disable", "admin"],
        vec!["user", "remove", "admin"],
        vec!["user", "set", "admin", "--role", "operator"],
    ] {
        let (code, _, said) = shop.changes_nothing(shop.oms(&arguments)).await;
        assert!(code == 1 && said.contains("last active admin"), "{said}");
    }
    // Of many who each remove another, one is left.
    let mut paths = vec![path];
    for number in 0..4 {
        paths.push(format!("{USERS}{}/", add(&shop, &format!("admin {number}"), "admin").await));
    }
    let demotion = json!({ "role": "integrator" });
    let statuses = join(paths.iter().map(|path| async { shop.patch(path, &demotion).await.status })).await;
    let left: Vec<(i64,)> = shop
        .rows(
            "select count(*) from users u where role = 'admin' and is_active
                and not exists (select from user_stock_locations l where l.user_id = u.id)",
        )
        .await;
    assert!(left[0].0 >= 1, "{statuses:?}");
    shop.finish().await;
}

#[tokio::test]
async fn a_user_changes_the_password_with_the_old_one_and_other_logins_end() {
    let shop = Shop::open().await;
    add(&shop, "ayse", "operator").await;
    let (mine, elsewhere) =
        (login(&shop, "ayse", PASSWORD).await.expect("a key"), login(&shop, "ayse", PASSWORD).await.expect("a key"));
    let made = with(&shop, &mine, Method::POST, TOKENS_PATH, &json!({ "name": "program" })).await.json(201);
    let program = made["key"].as_str().expect("a key");

    for (old, new, field, part) in [
        ("wrong", ANOTHER, "old_password", "incorrectly"),
        (PASSWORD, "kısa", "new_password1", "too short"),
        (PASSWORD, "password123", "new_password1", "too common"),
        (PASSWORD, "ayse-ayse-ayse", "new_password1", "too similar"),
        ("", ANOTHER, "old_password", "blank"),
    ] {
        let said = shop.changes_nothing(change_password(&shop, &mine, old, new)).await.wrong(field);
        assert!(said[0].contains(part), "{said:?}");
    }
    let unlike = json!({ "old_password": PASSWORD, "new_password1": ANOTHER, "new_password2": PASSWORD });
    shop.changes_nothing(with(&shop, &mine, Method::POST, CHANGE, &unlike)).await.wrong("new_password2");
    assert_eq!(change_password(&shop, &mine, PASSWORD, ANOTHER).await.ok()["detail"], "New password has been saved.");

    shop.until("the other login has ended", async || (status(&shop, &elsewhere).await == 401).then_some(())).await;
    assert_eq!((status(&shop, &mine).await, status(&shop, program).await), (200, 200));
    assert_eq!(login(&shop, "ayse", PASSWORD).await, None);
    assert!(login(&shop, "ayse", ANOTHER).await.is_some());
    // Without a password there is none to change.
    shop.changes_nothing(change_password(&shop, Shop::token("erp"), "", ANOTHER)).await.wrong("old_password");
    shop.changes_nothing(change_password(&shop, Shop::token("erp"), "anything", ANOTHER)).await.wrong("old_password");
    shop.finish().await;
}

#[tokio::test]
async fn guesses_at_the_old_password_are_throttled_with_those_at_the_login() {
    let shop = Shop::open().await;
    add(&shop, "ayse", "operator").await;
    let key = login(&shop, "ayse", PASSWORD).await.expect("a key");
    // What is not good is no guess.
    for _ in 0..12 {
        change_password(&shop, &key, PASSWORD, "short").await.wrong("new_password1");
    }
    for _ in 0..5 {
        change_password(&shop, &key, "guess", ANOTHER).await.wrong("old_password");
        assert_eq!(login(&shop, "ayse", "guess").await, None);
    }
    let refused = change_password(&shop, &key, PASSWORD, ANOTHER).await;
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert!(refused.header("retry-after").parse::<u64>().is_ok());
    shop.finish().await;
}

#[tokio::test]
async fn a_password_that_is_set_ends_logins_also_one_under_way() {
    let shop = Shop::open().await;
    let id = add(&shop, "ayse", "operator").await;
    let key = login(&shop, "ayse", PASSWORD).await.expect("a key");
    shop.patch(&format!("{USERS}{id}/"), &json!({ "password": ANOTHER })).await.ok();
    shop.until("the login has ended", async || (status(&shop, &key).await == 401).then_some(())).await;
    // Two who know the old one: one of them sets the new one.
    let key = login(&shop, "ayse", ANOTHER).await.expect("a key");
    let replies =
        join([PASSWORD, "on iki kırmızı uçurtma"].map(|new| change_password(&shop, &key, ANOTHER, new))).await;
    let mut statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
    shop.finish().await;
}

#[tokio::test]
async fn what_a_user_changes_is_not_left_to_what_a_server_remembers() {
    let shop = Shop::open().await;
    let id = add(&shop, "ayse", "admin").await;
    let location: i64 = shop.value("select id from stock_locations where erp_code = $1", "KADIKOY").await;
    let changes = [
        (Method::POST, TOKENS_PATH.to_owned(), json!({ "name": "kept" })),
        (Method::POST, TOKENS_PATH.to_owned(), json!({ "name": "kept", "user": "erp" })),
        (Method::POST, USERS.to_owned(), json!({ "username": "kept", "role": "admin" })),
        (Method::PATCH, format!("{USERS}{id}/"), json!({ "role": "operator" })),
        (Method::PATCH, format!("/api/v1/oms/stocklocations/{location}/"), json!({ "name": "Kept" })),
        (Method::POST, "/api/v1/oms/packages/package_denial_reason/".to_owned(), json!({ "title": "Kept" })),
    ];
    // None of these is announced, so the server goes on by its cache.
    for (loss, expected) in [
        ("delete from tokens where user_id = (select id from users where username = 'ayse')", 401),
        ("update users set is_active = false where username = 'ayse'", 401),
        ("update users set role = 'store' where username = 'ayse'", 403),
        (
            "insert into user_stock_locations select u.id, l.id from users u, stock_locations l
              where u.username = 'ayse' and l.erp_code = 'GEBZE'",
            403,
        ),
    ] {
        for (method, path, body) in &changes {
            let key = login(&shop, "ayse", PASSWORD).await.expect("a key");
            assert_eq!(status(&shop, &key).await, 200);
            let secretly =
                format!("set session_replication_role = replica; {loss}; set session_replication_role = default");
            let began = Instant::now();
            shop.execute_text(&secretly).await;
            let reply = shop.changes_nothing(with(&shop, &key, method.clone(), path, body)).await;
            let is_remembered = status(&shop, &key).await == 200;
            assert!(is_remembered || began.elapsed() > SOON, "{loss}: the cache knows already");
            assert_eq!(reply.status, expected, "{loss}: {method} {path}");
            let restored = "update users set is_active = true, role = 'admin' where username = 'ayse';
                            delete from user_stock_locations where user_id = (select id from users where username = 'ayse')";
            shop.execute(restored).await;
        }
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_token_that_is_being_made_ends_with_the_others() {
    let shop = Shop::open().await;
    add(&shop, "ayse", "operator").await;
    let ending = ["revoke_all", "remove"];
    for how in ending {
        let mut making = shop.pool().begin().await.expect("begin");
        let issued = auth::issue_token(&mut making, "ayse", &auth::NewToken::default()).await.expect("issued");
        let pool = shop.pool().clone();
        let ends = tokio::spawn(async move {
            let mut transaction = pool.begin().await.expect("begin");
            if how == "remove" {
                let id = auth::users::id_of(&mut transaction, "ayse").await.expect("an id");
                auth::users::remove(&mut transaction, id).await.expect("removed");
            } else {
                assert_eq!(auth::revoke_tokens(&mut transaction, "ayse").await.expect("revoked"), 1);
            }
            transaction.commit().await.expect("committed");
        });
        let waits = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = $1";
        shop.until("it waits", async || (shop.value::<i64, _>(waits, "Lock").await == 1).then_some(())).await;
        making.commit().await.expect("committed");
        ends.await.expect("ended");
        assert_eq!(status(&shop, &issued.key).await, 401, "{how}");
        let left = "select count(*) from tokens t join users u on u.id = t.user_id where u.username = $1";
        assert_eq!(shop.value::<i64, _>(left, "ayse").await, 0, "{how}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn the_command_line_does_the_same() {
    let shop = Shop::open().await;
    let run = async |arguments: &[&str], input: &str| {
        let (code, printed, said) = shop.oms_with(arguments, input).await;
        assert_eq!(code, 0, "{arguments:?}: {said}");
        printed
    };
    run(&["user", "add", "ayse", "--role", "operator"], "").await;
    run(&["user", "passwd", "ayse"], &format!("{PASSWORD}\n")).await;
    assert!(login(&shop, "ayse", PASSWORD).await.is_some());
    run(&["user", "set", "ayse", "--role", "store", "--location", "KADIKOY", "--location", "GEBZE"], "").await;
    assert!(run(&["user", "list"], "").await.contains("ayse: store, GEBZE KADIKOY, 1 tokens\n"));
    let key = run(&["token", "issue", "ayse", "--name", "till", "--expires", "2099-01-31"], "").await;
    assert_eq!(status(&shop, key.trim()).await, 200);
    let listed = run(&["token", "list", "ayse"], "").await;
    let till = listed.lines().find(|line| line.contains(": till, made 20")).expect("the token");
    assert!(
        till.contains(&format!(": {}… of ayse", &key[..8])) && till.ends_with("ends 2099-01-31T00:00:00Z"),
        "{till}"
    );
    let id = till.split_once(':').expect("an id").0;
    assert_eq!(run(&["token", "revoke", "--id", id], "").await, format!("revoked token {id}\n"));
    shop.until("it has ended", async || (status(&shop, key.trim()).await == 401).then_some(())).await;
    run(&["user", "set", "ayse", "--role", "operator", "--all-locations"], "").await;
    assert!(run(&["user", "list"], "").await.contains("ayse: operator, all locations, 1 tokens\n"));
    run(&["user", "remove", "ayse"], "").await;
    assert!(!run(&["user", "list"], "").await.contains("ayse"));
    for (arguments, input, complaint) in [
        (vec!["user", "passwd", "erp"], "password123", "too common"),
        (vec!["user", "passwd", "erp"], "", "Standard input is empty"),
        (vec!["user", "passwd", "nobody"], PASSWORD, "There is no user nobody"),
        (vec!["user", "set", "kadikoy", "--all-locations"], "", "needs at least one location"),
        (vec!["user", "set", "system", "--role", "store"], "", "the server itself"),
        (vec!["token", "revoke", "--id", "99999"], "", "there is no token 99999"),
        (vec!["token", "issue", "erp", "--expires", "2001-01-01"], "", "over already"),
    ] {
        let (code, _, said) = shop.changes_nothing(shop.oms_with(&arguments, input)).await;
        assert!(code == 1 && said.contains(complaint), "{arguments:?}: {said}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn every_filter_of_users_and_tokens_filters() {
    let shop = Shop::open().await;
    let kadikoy = shop.location_id("KADIKOY").await.to_string();
    let gebze = shop.location_id("GEBZE").await;
    shop.execute(
        "delete from tokens where id <> 1; delete from user_stock_locations;
                  update users set removed_date = now(), is_active = false where username not in ('admin', 'kadikoy')",
    )
    .await;
    shop.execute(
        "insert into user_stock_locations select u.id, l.id from users u, stock_locations l
                   where u.username = 'kadikoy' and l.erp_code = 'KADIKOY'
                      or u.username = 'admin' and l.erp_code = 'GEBZE'",
    )
    .await;
    shop.execute("update users set is_active = false where username = 'kadikoy'; delete from user_stock_locations l using users u
                   where u.id = l.user_id and u.username = 'admin'").await;
    let users = |name: &str| {
        Some(match name {
            "username" => values(&["kad"], &["ADMIN"]),
            "role" => values(&["store"], &["admin"]),
            "is_active" => values(&["false"], &["true"]),
            "stock_location" => values(&[&kadikoy], &[]),
            _ => return None,
        })
    };
    assert!(gebze > 0);
    check_filters(&shop, USERS, UserView::LIST.filters, ["kadikoy", "admin"], "username", users).await;
    shop.execute(
        "update tokens set name = 'Hand made', key_prefix = 'aaaaaaaa';
                  insert into tokens (user_id, key_hash, key_prefix, name, is_login, expires_date)
                  select id, '\\x00', 'bbbbbbbb', 'login', true, now() from users where username = 'kadikoy'",
    )
    .await;
    let tokens = |name: &str| {
        Some(match name {
            "user" => values(&["admin"], &["kadikoy"]),
            "name" => values(&["hand"], &["LOG"]),
            "key_prefix" => values(&["aaaaaaaa", "aa"], &["bbb"]),
            "is_login" | "is_expired" => values(&["false"], &["true"]),
            _ => return None,
        })
    };
    check_filters(&shop, TOKENS_PATH, TOKENS.filters, ["Hand made", "login"], "name", tokens).await;
    shop.finish().await;
}

#[tokio::test]
async fn what_an_old_token_lacks_is_null() {
    let shop = Shop::open().await;
    shop.execute("update tokens set key_prefix = null, name = ''").await;
    let page = shop.get_as("erp", TOKENS_PATH).await.ok();
    assert_eq!((&page["results"][0]["key_prefix"], &page["results"][0]["expires_date"]), (&Value::Null, &Value::Null));
    // As a function that tests and tools use ends them, all at once.
    let mut connection = shop.pool().acquire().await.expect("connect");
    assert_eq!(auth::revoke_tokens(&mut connection, "erp").await.expect("revoked"), 1);
    drop(connection);
    shop.finish().await;
}

#[tokio::test]
async fn so_many_logins_of_a_user_are_living_and_the_oldest_ends() {
    let shop = Shop::with_settings(|settings| settings.tokens.logins = 3).await;
    add(&shop, "ayse", "operator").await;
    let program = shop.post(TOKENS_PATH, &json!({ "name": "p", "user": "ayse" })).await.json(201)["key"].clone();
    let mut keys = Vec::new();
    for _ in 0..4 {
        keys.push(login(&shop, "ayse", PASSWORD).await.expect("a key"));
    }
    let mut statuses = Vec::new();
    for key in &keys {
        statuses.push(status(&shop, key).await);
    }
    assert_eq!(statuses, [401, 200, 200, 200]);
    assert_eq!(status(&shop, program.as_str().expect("a key")).await, 200, "it is no login");
    let many: Vec<Option<String>> = join((0..8).map(|_| login(&shop, "ayse", PASSWORD))).await;
    assert!(many.iter().all(Option::is_some));
    let logins = "select count(*) from tokens where is_login and $1";
    assert_eq!(shop.value::<i64, _>(logins, true).await, 3);
    // The audit has each, and that the user's own login ended it.
    let audit = shop.get("/api/v1/oms/audit/?kind=token&object=login&user=ayse&limit=100").await.ok();
    let actions = column(&audit, "action");
    let count = |action: &str| actions.iter().filter(|one| *one == action).count();
    assert_eq!((count("created"), count("deleted")), (12, 9));
    shop.finish().await;
}

#[tokio::test]
async fn so_many_tokens_of_a_user_are_living_and_one_more_is_refused() {
    let shop = Shop::with_settings(|settings| settings.tokens.tokens = 3).await;
    // `erp` has one from the start.
    let wanted = json!({ "name": "one more" });
    let made = join((0..6).map(|_| shop.post_as("erp", TOKENS_PATH, &wanted))).await;
    let made: Vec<&Reply> = made.iter().filter(|reply| reply.status == 201).collect();
    assert_eq!(made.len(), 2);
    let refused = shop.changes_nothing(shop.post_as("erp", TOKENS_PATH, &wanted)).await.json(400);
    assert!(refused.to_string().contains("OMS_MAX_TOKENS_PER_USER"), "{refused}");
    // Nor does an admin get more for the user; others have their own.
    let for_erp = json!({ "name": "given", "user": "erp" });
    shop.changes_nothing(shop.post(TOKENS_PATH, &for_erp)).await.json(400);
    shop.post_as("ops", TOKENS_PATH, &wanted).await.json(201);
    // One that ended makes room, by its date too.
    let id = made[0].json(201)["id"].clone();
    assert_eq!(send(shop.request_as("erp", Method::DELETE, &format!("{TOKENS_PATH}{id}/"))).await.status, 204);
    let over = "update tokens set expires_date = now() - interval '1 day' where id = $1 returning true";
    let next = shop.post_as("erp", TOKENS_PATH, &wanted).await.json(201)["id"].as_i64().expect("an id");
    assert!(shop.value::<bool, _>(over, next).await);
    shop.post_as("erp", TOKENS_PATH, &wanted).await.json(201);
    // Whoever runs the server may make as many as they like.
    assert_eq!(shop.oms(&["token", "issue", "erp"]).await.0, 0);
    shop.finish().await;
}

#[tokio::test]
async fn tokens_that_ended_long_ago_are_deleted_and_the_audit_keeps_them() {
    let shop = Shop::open().await;
    let mut ids = Vec::new();
    for (name, days) in [("long ago", 31), ("lately", 29)] {
        let made = shop.post_as("erp", TOKENS_PATH, &json!({ "name": name })).await.json(201);
        let id = made["id"].as_i64().expect("an id");
        let over = "update tokens set expires_date = now() - make_interval(days => $1) where name = $2 returning true";
        let over = sqlx::query_scalar::<_, bool>(over).bind(days).bind(name).fetch_one(shop.pool());
        assert!(over.await.expect("a token"));
        ids.push(id);
    }
    let server = shop.server_pool().await;
    quota::forget_expired(&server).await.expect("deleted");
    let version = "select version from installation where $1";
    let before: i64 = shop.value(version, true).await;
    quota::forget_expired(&server).await.expect("nothing to delete");
    assert_eq!(shop.value::<i64, _>(version, true).await, before, "no change of rights without a token to delete");
    server.close().await;
    let names = column(&shop.get_as("erp", TOKENS_PATH).await.ok(), "name");
    assert_eq!(names, ["lately", ""]);
    let audit = shop.get(&format!("/api/v1/oms/audit/?kind=token&object_id={}", ids[0])).await.ok();
    let (actions, actors) = (column(&audit, "action"), column(&audit, "actor"));
    assert_eq!((&actions[0], &actors[0]), (&json!("deleted"), &json!("expired tokens")));
    assert_eq!((actions.last(), actors.last()), (Some(&json!("created")), Some(&json!("erp"))));
    shop.finish().await;
}

#[tokio::test]
async fn what_others_wrote_is_one_line_of_the_command_line() {
    let shop = Shop::open().await;
    let forged = "x\n7: deadbeef… of admin: nightly\u{1b}[2J\u{202e}";
    shop.post_as("kadikoy", TOKENS_PATH, &json!({ "name": forged })).await.json(201);
    for name in [forged, "ops\u{200f}", "ad\u{7}min"] {
        let refused = shop.changes_nothing(shop.post(USERS, &json!({ "username": name, "role": "operator" }))).await;
        assert!(refused.json(400)["error"]["username"].is_array());
    }
    assert_eq!(shop.oms(&["user", "add", " ops", "--role", "operator"]).await.0, 1, "nor at the command line");
    // From before there was this rule.
    assert!(
        shop.value::<bool, _>("insert into users (username, role) values ($1, 'operator') returning true", forged)
            .await
    );
    for (arguments, lines) in
        [(["token", "list"].as_slice(), 5), (&["user", "list"], 6), (&["audit", "--limit", "2"], 2)]
    {
        let (code, printed, _) = shop.oms(arguments).await;
        let is_shown = printed.contains("\\u000a7: deadbeef") || printed.contains("\\n7: deadbeef");
        assert!(code == 0 && is_shown && !printed.contains(['\u{1b}', '\u{202e}']), "{printed:?}");
        assert_eq!(printed.lines().count(), lines, "{printed:?}");
    }
    shop.finish().await;
}
