//! Who changed what: written with each change, by whomever, and never changed.

use std::collections::BTreeSet;

use oms::{audit::AuditEntry, page::ListRow as _};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    lists::{check_filters, column, values},
    support::{SHOP, STANDARD, Shop, send},
    webhooks::{self, HOOKS, receiver::Receiver},
};

const AUDIT: &str = "/api/v1/oms/audit/";

/// The latest entry of a kind: (`actor_kind`, actor, action, object, changes).
async fn latest(shop: &Shop, kind: &str) -> (String, String, String, String, Value) {
    let page = shop.get(&format!("{AUDIT}?kind={kind}&limit=1")).await.ok();
    let text = |key: &str| page["results"][0][key].as_str().unwrap_or_else(|| panic!("{kind}: {page}")).to_owned();
    (text("actor_kind"), text("actor"), text("action"), text("object"), page["results"][0]["changes"].clone())
}

#[tokio::test]
async fn each_change_by_rest_says_who_made_it_and_what_differs() {
    let shop = Shop::open().await;
    let gebze = shop.location_id("GEBZE").await;
    let scenario: i64 = shop.rows::<(i64,)>("select id from scenarios order by id limit 1").await[0].0;
    let location = format!("/api/v1/oms/stocklocations/{gebze}/");
    let hook = json!({ "target_url": "https://example.com/", "event_type": "package.created", "secret_key": "geheim",
                       "additional_headers": { "X-Key": "geheim" },
                       "retry_countdown_config": { "choice": "fixed", "kwargs": { "seconds": 60 } } });
    let mut paths = std::collections::BTreeMap::new();
    for (user, method, path, body, kind, action, object) in [
        ("erp", Method::POST, HOOKS, hook, "webhook", "created", "https://example.com/"),
        ("erp", Method::PATCH, "{hook}", json!({ "is_active": false }), "webhook", "changed", "https://example.com/"),
        ("ops", Method::PATCH, &location, json!({ "max_quota": 3 }), "location", "changed", "GEBZE"),
        ("ops", Method::PATCH, &location, json!({ "tags": ["x"] }), "location", "changed", "GEBZE"),
        (
            "erp",
            Method::POST,
            "/api/v1/oms/stocklocations/",
            json!({ "erp_code": "N", "name": "New", "stock_location_type": "store" }),
            "location",
            "created",
            "N",
        ),
        (
            "erp",
            Method::POST,
            "/api/v1/oms/stocklocations-senderaddress/",
            json!({ "stock_location": gebze, "cargo_company": 1, "origin_id": "O-1" }),
            "sender_address",
            "created",
            "O-1",
        ),
        ("ops", Method::PATCH, "{sender_address}", json!({ "origin_id": "O-2" }), "sender_address", "changed", "O-2"),
        ("admin", Method::DELETE, "{sender_address}", Value::Null, "sender_address", "deleted", "O-2"),
        (
            "ops",
            Method::POST,
            "/api/v1/oms/packages/package_denial_reason/",
            json!({ "title": "Flood" }),
            "denial_reason",
            "created",
            "Flood",
        ),
        (
            "ops",
            Method::PATCH,
            &format!("/api/v1/oms/scenarios/{scenario}/"),
            json!({ "priority": 77 }),
            "scenario",
            "changed",
            "The nearest that has most",
        ),
        (
            "admin",
            Method::POST,
            "/api/v1/auth/users/",
            json!({ "username": "ayse", "role": "operator" }),
            "user",
            "created",
            "ayse",
        ),
        (
            "admin",
            Method::PATCH,
            "{user}",
            json!({ "role": "admin", "password": "yedi gri balıkçıl" }),
            "user",
            "changed",
            "ayse",
        ),
        ("erp", Method::POST, "/api/v1/auth/tokens/", json!({ "name": "nightly" }), "token", "created", "nightly"),
        ("admin", Method::DELETE, "{token}", Value::Null, "token", "deleted", "nightly"),
        ("admin", Method::DELETE, "{user}", Value::Null, "user", "changed", "ayse"),
        (
            "erp",
            Method::POST,
            "/api/v1/oms/stocklocations-webhook/",
            json!({ "event": { "type": "retail_store.updated", "uuid": "u" },
                 "payload": { "pk": 9, "erp_code": "GEBZE", "name": "Depot" } }),
            "location",
            "changed",
            "GEBZE",
        ),
    ] {
        let path = paths.get(path).cloned().unwrap_or_else(|| path.to_owned());
        let request = shop.request_as(user, method.clone(), &path);
        let reply = send(if body.is_null() { request } else { request.json(&body) }).await;
        assert!((200..300).contains(&reply.status), "{method} {path}: {}", reply.text());
        if reply.status == 201 {
            let made: Value = serde_json::from_slice(&reply.body).expect("JSON");
            let key = if kind == "webhook" { "{hook}".to_owned() } else { format!("{{{kind}}}") };
            paths.insert(Box::leak(key.into_boxed_str()) as &str, format!("{path}{}/", made["id"]));
        }
        let (actor_kind, actor, did, what, changes) = latest(&shop, kind).await;
        if kind != "scenario" {
            assert_eq!(what, object, "{method} {path}");
        }
        assert_eq!(
            (actor_kind.as_str(), actor.as_str(), did.as_str()),
            ("user", user, action),
            "{method} {path}: {changes}"
        );
        // What was sent is what differs.
        for (field, sent) in body.as_object().into_iter().flatten() {
            if ["max_quota", "tags", "priority", "role", "origin_id", "title", "name", "username"]
                .contains(&field.as_str())
            {
                let differs = &changes[field.as_str()];
                assert_eq!(&differs["to"], sent, "{method} {path}: {changes}");
                assert_ne!(&differs["from"], sent, "{method} {path}: {changes}");
            }
        }
    }
    let all = shop.get(&format!("{AUDIT}?limit=100")).await;
    assert!(!all.text().contains("geheim") && !all.text().contains("balıkçıl"), "{}", all.text());
    let masked = shop.get(&format!("{AUDIT}?kind=webhook&action=created")).await.ok();
    let masked = &masked["results"][0]["changes"]["secret_key"];
    assert_eq!(*masked, json!({ "from": null, "to": "********" }));
    shop.finish().await;
}

#[tokio::test]
async fn the_command_line_is_named_and_an_installation_leaves_what_differs() {
    let shop = Shop::open().await;
    let me = ["SUDO_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|name| !name.is_empty()));
    let me = me.unwrap_or_else(|| format!("uid {}", rustix::process::getuid()));
    for (arguments, kind, action) in [
        (vec!["user", "add", "ayse"], "user", "created"),
        (vec!["token", "issue", "ayse", "--name", "till"], "token", "created"),
        (vec!["user", "disable", "ayse"], "user", "changed"),
        (vec!["token", "revoke", "ayse"], "token", "deleted"),
    ] {
        assert_eq!(shop.oms(&arguments).await.0, 0);
        let (actor_kind, actor, did, ..) = latest(&shop, kind).await;
        assert_eq!((actor_kind.as_str(), &actor, did.as_str()), ("command_line", &me, action), "{arguments:?}");
    }
    // The same files again change nothing.
    let count = "select count(*) from audit where $1 = any(array[kind, 'all'])";
    let before: i64 = shop.value(count, "all".to_owned()).await;
    shop.install(&[STANDARD, SHOP]).await;
    assert_eq!(shop.value::<i64, _>(count, "all".to_owned()).await, before);
    // What differs is an entry, and who applied it.
    let changed = STANDARD.replacen("label = \"Start picking\"", "label = \"Begin to pick\"", 1);
    assert_ne!(changed, STANDARD);
    shop.install(&[&changed, SHOP]).await;
    let (_, _, _, _, changes) = latest(&shop, "transition").await;
    assert_eq!(changes, json!({ "label": { "from": "Start picking", "to": "Begin to pick" } }));
    assert_eq!(shop.value::<i64, _>(count, "all".to_owned()).await, before + 2);
    let (actor_kind, _, _, _, changes) = latest(&shop, "installation").await;
    let version: i64 = shop.rows::<(i64,)>("select version from installation").await[0].0;
    assert_eq!((actor_kind.as_str(), &changes["version"]["to"]), ("command_line", &json!(version)));

    let (code, printed, said) = shop.oms(&["audit", "--kind", "user", "--from", "2020-01-01"]).await;
    assert_eq!(code, 0, "{said}");
    let lines: Vec<&str> = printed.lines().collect();
    let last = lines.last().expect("a line");
    assert!(
        last.contains(&format!(" command_line {me} changed user "))
            && last.ends_with("\"ayse\": is_active true -> false"),
        "{last}"
    );
    assert_eq!(shop.oms(&["audit", "--user", "nobody"]).await.1, "");
    assert_eq!(shop.oms(&["audit", "--to", "2020-01-01"]).await.1, "");
    assert_eq!(shop.oms(&["audit", "--limit", "1"]).await.1.lines().count(), 1);
    shop.finish().await;
}

#[tokio::test]
async fn nobody_changes_the_audit_not_even_the_servers_role() {
    let shop = Shop::open().await;
    let server = shop.server_pool().await;
    for statement in
        ["update audit set actor = 'x'", "delete from audit", "truncate audit", "delete from audit where false"]
    {
        let refused = shop.changes_nothing(sqlx::raw_sql(statement).execute(&server)).await.expect_err(statement);
        assert!(refused.to_string().contains("only added to"), "{statement}: {refused}");
        sqlx::raw_sql(statement).execute(shop.pool()).await.expect_err(statement);
    }
    server.close().await;
    shop.finish().await;
}

#[tokio::test]
async fn a_change_that_says_not_who_makes_it_is_refused_of_a_server_and_known_by_its_role_otherwise() {
    let shop = Shop::open().await;
    let server = shop.server_pool().await;
    for statement in [
        "update users set role = 'store' where username = 'erp'",
        "insert into users (username, role) values ('x', 'admin')",
        "delete from user_stock_locations",
        "delete from tokens",
        "update stock_locations set name = 'x'",
        "update scenarios set priority = 99",
        "update transitions set roles = null, label = label || 'x'",
        "update installation set applied_date = now()",
        "truncate users cascade",
        "truncate tokens",
    ] {
        shop.changes_nothing(sqlx::raw_sql(statement).execute(&server)).await.expect_err(statement);
    }
    server.close().await;
    shop.execute("update users set role = 'store' where username = 'erp'").await;
    let (actor_kind, actor, _, object, changes) = latest(&shop, "user").await;
    assert_eq!((actor_kind.as_str(), actor.as_str(), object.as_str()), ("database", "postgres", "erp"));
    assert_eq!(changes, json!({ "role": { "from": "integrator", "to": "store" } }));
    shop.finish().await;
}

/// The tables whose rows people set, each with what says so; everything else follows from commands, or is a copy.
#[tokio::test]
async fn every_table_that_people_set_is_audited_and_no_column_of_a_secret_is_shown() {
    let shop = Shop::open().await;
    let audited: Vec<(String,)> = shop
        .rows(
            "select distinct tgrelid::regclass::text from pg_trigger
                    where tgfoid::regproc::text in ('audit_row', 'audit_user_location', 'audit_installation')",
        )
        .await;
    let audited: BTreeSet<&str> = audited.iter().map(|(table,)| table.as_str()).collect();
    let expected = [
        "cancellation_reasons",
        "cargo_companies",
        "cargo_company_conditions",
        "denial_reasons",
        "home",
        "installation",
        "installation_settings",
        "inventory_engine",
        "invoice_services",
        "scenarios",
        "sender_addresses",
        "states",
        "stock_locations",
        "tokens",
        "transitions",
        "user_stock_locations",
        "users",
        "webhooks",
    ];
    assert_eq!(audited, BTreeSet::from(expected));
    // Every column of a secret, by its name, is masked or left out: arguments of the trigger name it.
    let shown: Vec<(String, String)> = shop
        .rows(
            "select c.table_name::text, c.column_name::text
               from information_schema.columns c
               join pg_trigger t on t.tgrelid = c.table_name::regclass and t.tgfoid::regproc::text = 'audit_row'
              where c.table_schema = 'public'
                and c.column_name ~ 'secret|password|hash|headers|config$|settings|parameters'
                and c.column_name not in ('retry_countdown_config')
                and encode(t.tgargs, 'escape') !~ ('[{,]' || c.column_name || '[,}]')",
        )
        .await;
    let shown: BTreeSet<_> = shown.iter().map(|(table, column)| format!("{table}.{column}")).collect();
    assert_eq!(shown, BTreeSet::new());
    shop.finish().await;
}

#[tokio::test]
async fn what_a_server_does_by_itself_is_no_entry() {
    let receiver = Receiver::start().await;
    let shop = Shop::delivering(webhooks::settings()).await;
    shop.post(HOOKS, &webhooks::hook(&receiver.url, "package.status.packed")).await.json(201);
    let count = || async { shop.rows::<(i64,)>("select count(*) from audit").await[0].0 };
    let before = count().await;
    let package = shop.package().await;
    package.run("COMPLETE_PACKING").await.ok();
    shop.until("it is delivered", async || {
        let rows: Vec<(bool,)> = shop.rows("select last_delivered_date is not null from webhooks").await;
        rows[0].0.then_some(())
    })
    .await;
    shop.execute("update webhooks set failing_since = now(), paused_date = now(), pause_reason = 'x'").await;
    assert_eq!(count().await, before);
    // To resume it is a person's decision.
    let id: i64 = shop.rows::<(i64,)>("select id from webhooks").await[0].0;
    shop.post(&format!("{HOOKS}{id}/resume/"), &json!({})).await.ok();
    let (_, actor, action, _, changes) = latest(&shop, "webhook").await;
    assert_eq!((actor.as_str(), action.as_str()), ("admin", "changed"));
    assert_eq!((&changes["paused_date"]["to"], changes.as_object().map(serde_json::Map::len)), (&Value::Null, Some(1)));
    shop.finish().await;
    receiver.stop();
}

#[tokio::test]
async fn admins_read_it_by_filters_and_nobody_else_does() {
    let shop = Shop::open().await;
    for user in ["erp", "ops", "kadikoy"] {
        shop.get_as(user, AUDIT).await.detail(403);
    }
    let erp: i64 = shop.value("select id from users where username = $1", "erp".to_owned()).await;
    // Two entries alone, in a table as it is without the guard.
    shop.execute("alter table audit disable trigger audit_is_kept; delete from audit;
                  alter table audit enable trigger audit_is_kept;
                  insert into audit (created_date, actor_kind, actor, user_id, kind, object_id, object, action, changes)
                  select '2001-01-01', 'user', 'erp', id, 'location', 7, 'OLD', 'changed', '{}' from users where username = 'erp';
                  insert into audit (created_date, actor_kind, actor, kind, object_id, object, action, changes)
                  values ('2030-01-01', 'command_line', 'root', 'user', 8, 'NEW', 'created', '{}')")
        .await;
    let of = |name: &str| {
        Some(match name {
            "user" => values(&["erp"], &["root"]),
            "user_id" => values(&[&erp.to_string()], &[]),
            "actor_kind" => values(&["user"], &["command_line"]),
            "kind" => values(&["location", "location,token"], &["user"]),
            "object_id" => values(&["7"], &["8"]),
            "object" => values(&["OLD"], &["NEW"]),
            "action" => values(&["changed"], &["created"]),
            "created_date__gte" => values(&[], &["2002-01-01"]),
            "created_date__lte" => values(&["2002-01-01"], &[]),
            _ => return None,
        })
    };
    check_filters(&shop, AUDIT, AuditEntry::LIST.filters, ["OLD", "NEW"], "object", of).await;
    assert_eq!(column(&shop.get(AUDIT).await.ok(), "object"), ["NEW", "OLD"], "the latest first");
    let file = shop.get(&format!("{AUDIT}?format=csv")).await;
    assert_eq!((file.status, file.text().lines().count()), (200, 3), "{}", file.text());
    shop.finish().await;
}
