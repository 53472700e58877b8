//! A request with several errors gets the answer of the first check.

use reqwest::Method;
use serde_json::json;

use crate::support::{FORBIDDEN, NOT_ALLOWED, NOT_FOUND, REQUIRED, Reply, SHOP, STANDARD, Shop, send};

/// The possible errors of an advanced ship, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Token,
    Body,
    Package,
    NoName,
    Name,
    Role,
    State,
    Input,
    Rule,
}

const FAULTS: [Fault; 9] = [
    Fault::Token,
    Fault::Body,
    Fault::Package,
    Fault::NoName,
    Fault::Name,
    Fault::Role,
    Fault::State,
    Fault::Input,
    Fault::Rule,
];

fn check(fault: Fault, reply: &Reply) {
    match fault {
        Fault::Token => assert_eq!(reply.detail(401), "Invalid token."),
        Fault::Body => assert!(reply.detail(400).starts_with("JSON parse error - ")),
        Fault::Package => reply.refused(NOT_FOUND),
        Fault::NoName => reply.refused(REQUIRED),
        Fault::Name | Fault::State => reply.refused(NOT_ALLOWED),
        Fault::Role => reply.refused(FORBIDDEN),
        Fault::Input => assert_eq!(reply.wrong("tracking_number"), ["This field is required."]),
        Fault::Rule => assert!(!reply.refused_by("oms_cargo_1").is_empty()),
    }
}

#[tokio::test]
async fn the_first_of_several_faults_is_answered() {
    let shop = Shop::open().await;
    let line = "command = \"SHIP_THE_PACKAGE_ADVANCED\"";
    let restricted = STANDARD.replace(line, &format!("{line}\nroles = [\"operator\"]"));
    shop.install(&[&restricted, SHOP]).await;
    let waiting = shop.package().await;
    let packed = shop.package().await;
    packed.run("COMPLETE_PACKING").await.ok();
    let slug = packed.slug("SHIP_THE_PACKAGE_ADVANCED").await;
    let before = shop.dump().await;

    for faults in 1_u32..1 << FAULTS.len() {
        let wrong = |fault: Fault| faults & (1 << fault as u32) != 0;
        let package = if wrong(Fault::State) { waiting } else { packed };
        let path = if wrong(Fault::Package) { "/api/v1/oms/packages/999999/command/" } else { &package.command_path() };
        let token = Shop::token(if wrong(Fault::Role) { "erp" } else { "ops" });
        let token = if wrong(Fault::Token) { "nonsense" } else { token };
        let mut body = json!({ "input_parameters": { "tracking_number": "T1", "cargo_company": 1 } });
        if !wrong(Fault::NoName) {
            body["slug"] = json!(if wrong(Fault::Name) { "nonsense" } else { &slug });
        }
        let input = body["input_parameters"].as_object_mut().expect("an object");
        if wrong(Fault::Input) {
            input.remove("tracking_number");
        }
        if wrong(Fault::Rule) {
            input.insert("cargo_company".to_owned(), json!("nobody"));
        }
        let body = if wrong(Fault::Body) { json!([body]) } else { body };

        let request = shop.request(Method::POST, path).header("Authorization", format!("Token {token}"));
        let reply = send(request.json(&body)).await;

        let first = FAULTS.into_iter().find(|fault| wrong(*fault)).expect("at least one");
        check(first, &reply);
    }
    before.assert_same(&shop.dump().await);
    shop.finish().await;
}

#[tokio::test]
async fn a_package_out_of_sight_is_not_found_whatever_else_is_wrong() {
    let shop = Shop::open().await;
    shop.count("GEBZE", "PINK", 1).await;
    let package = shop.order(&[("PINK", 1)]).await.only_package();
    for body in
        [json!({}), json!({ "slug": "nonsense" }), json!({ "slug": "package__ship_the_package__packed__shipped" })]
    {
        shop.changes_nothing(package.post_as("kadikoy", &body)).await.refused(NOT_FOUND);
    }
    shop.finish().await;
}

#[tokio::test]
async fn roles_say_who_may_run_a_transition_and_admin_always_may() {
    let shop = Shop::open().await;
    let line = "command = \"COMPLETE_PACKING\"";
    let restricted = STANDARD.replace(line, &format!("{line}\nroles = [\"store\"]"));
    shop.install(&[&restricted, SHOP]).await;
    for (user, may) in [("kadikoy", true), ("admin", true), ("erp", false), ("ops", false)] {
        let package = shop.package().await;
        let body = json!({ "slug": package.slug("COMPLETE_PACKING").await });
        // The list is not filtered by who asks.
        let listed = shop.get_as(user, &package.path()).await.ok();
        assert_eq!(listed["commands"], package.json().await["commands"]);
        if may {
            package.post_as(user, &body).await.ok();
        } else {
            shop.changes_nothing(package.post_as(user, &body)).await.refused(FORBIDDEN);
        }
    }
    shop.finish().await;
}
