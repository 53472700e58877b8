//! Installing as a deployment: what changes is shown, what would hurt is refused, nobody waits, and all of it is kept.

use std::time::{Duration, Instant};

use oms::{
    installation::apply::{self, Applying, Outcome},
    verify,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{SHOP, STANDARD, Shop, read_installation};

/// Files of an installation, on a disk.
struct Files {
    folder: TempDir,
    names: Vec<String>,
}

impl Files {
    fn of(texts: &[&str]) -> Self {
        let mut files = Self { folder: tempfile::tempdir().expect("a folder"), names: Vec::new() };
        for (at, text) in texts.iter().enumerate() {
            let path = files.folder.path().join(format!("{at}.toml"));
            std::fs::write(&path, text).expect("written");
            files.names.push(path.to_str().expect("UTF-8").to_owned());
        }
        files
    }

    /// Runs `oms install` with these words before the files.
    async fn install(&self, shop: &Shop, words: &[&str]) -> (i32, String, String) {
        let files = self.names.iter().map(String::as_str);
        let arguments: Vec<&str> =
            ["install", "--by", "ayse"].into_iter().chain(words.iter().copied()).chain(files).collect();
        shop.oms(&arguments).await
    }
}

/// The shop's own places and scenarios, changed.
fn shop_with(from: &str, to: &str) -> String {
    assert!(SHOP.contains(from), "{from}");
    SHOP.replacen(from, to, 1)
}

/// The standard workflow without a state and what names it.
fn without_state(slug: &str) -> String {
    let mut whole: toml::Table = STANDARD.parse().expect("TOML");
    for (section, keys) in [("states", &["slug"][..]), ("transitions", &["source", "destination", "otherwise"])] {
        let entries = whole[section].as_array_mut().expect("entries");
        entries.retain(|entry| {
            entry["entity"].as_str() != Some("package")
                || keys.iter().all(|key| entry.get(key).and_then(toml::Value::as_str) != Some(slug))
        });
    }
    toml::to_string(&whole).expect("TOML")
}

const LIMITED: &str = "erp_code = \"KADIKOY\"\nmax_quota = 7\n";
const KADIKOY: &str = "erp_code = \"KADIKOY\"\n";

#[tokio::test]
async fn the_plan_shows_each_difference_and_what_it_touches_and_changes_nothing() {
    let shop = Shop::open().await;
    shop.package().await;
    let waiting = "slug = \"waiting\"\nenum_value = \"100\"\n";
    let standard = STANDARD.replacen(waiting, &format!("{waiting}occupies_quota = false\n"), 1);
    let extra = "[[states]]\nentity = \"package\"\nslug = \"gift-wrapping\"\nenum_value = \"250\"\nname = \"Gift\"\nfinal = true\noccupies_quota = false\n";
    let files = Files::of(&[&standard, extra, &shop_with(KADIKOY, LIMITED)]);
    let (code, printed, said) = shop.changes_nothing(files.install(&shop, &["--plan"])).await;
    assert_eq!((code, said.lines().count()), (0, 1), "{said}");
    for line in [
        "states\n",
        "  + gift-wrapping\n",
        "  ~ waiting: occupies_quota nothing → false (1 package)\n",
        "  ~ KADIKOY: max_quota nothing → 7 (1 open package, 1 user)\n",
        "1 added, 2 changed, 0 gone\n",
    ] {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
    assert_eq!(files.install(&shop, &["--plan", "--exit-code"]).await.0, 4);
    let (code, printed, _) = files.install(&shop, &[]).await;
    assert_eq!(code, 0);
    assert!(
        printed.starts_with(
            "states: 1 added (gift-wrapping), 1 changed (waiting: 1 package)\n\
             stock_locations: 1 changed (KADIKOY: 1 open package and 1 user)\n"
        ),
        "{printed}"
    );
    assert_eq!((shop.quota("KADIKOY").await, files.install(&shop, &["--plan", "--exit-code"]).await.0), (0, 0));
    shop.finish().await;
}

#[tokio::test]
async fn of_scenarios_and_carriers_it_is_said_which_orders_and_packages_they_touch() {
    let shop = Shop::open().await;
    shop.package().await;
    let (packed, ended) = (shop.package().await, shop.package().await);
    packed.run("COMPLETE_PACKING").await.ok();
    ended.run("CANCEL_PACKAGE").await.ok();
    let slug = "slug = \"manual\"\nname = \"";
    let renamed = STANDARD.replacen(slug, &format!("{slug}New "), 1);
    assert_ne!(renamed, STANDARD);
    let changed = shop_with("name = \"Standard\"\npriority = 1\n", "name = \"Standard\"\npriority = 2\n");
    let files = Files::of(&[&renamed, &changed]);
    let (_, printed, _) = shop.changes_nothing(files.install(&shop, &["--plan"])).await;
    for line in ["  ~ Standard: priority 1 → 2 (2 open orders, 2 packages)\n", " (4 locations, 1 open package)\n"] {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
    let (_, rows, _) = files.install(&shop, &["--plan", "--json"]).await;
    let rows: Value = serde_json::from_str(&rows).expect("JSON");
    assert_eq!(rows[0]["touches"], json!(["4 locations", "1 open package"]), "{rows}");
    assert_eq!(rows[1]["touches"], json!(["2 open orders", "2 packages"]), "{rows}");
    let (_, printed, _) = files.install(&shop, &[]).await;
    assert!(printed.contains("scenarios: 1 changed (Standard: 2 open orders and 2 packages)\n"), "{printed}");
    shop.finish().await;
}

#[tokio::test]
async fn what_would_hurt_is_refused_and_changes_nothing_until_it_is_forced() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("BLOCK_THE_PACKAGE").await.ok();
    let inactive = shop_with(KADIKOY, "erp_code = \"KADIKOY\"\nis_active = false\n");
    let passive = shop_with("name = \"Standard\"\n", "name = \"Standard\"\nis_active = false\n");
    let without_kadikoy =
        SHOP.split("[[stock_locations]]").filter(|part| !part.contains("KADIKOY")).collect::<Vec<_>>();
    let without_kadikoy =
        format!("{}[[stock_locations]]{}", without_kadikoy[0], without_kadikoy[1..].join("[[stock_locations]]"));
    let blocked = without_state("blocked");
    for (texts, reason) in [
        (vec![""], "the whole workflow of packages would be retired"),
        (vec![STANDARD], "no active scenario would be left"),
        (vec![STANDARD, &passive], "no active scenario would be left"),
        (vec![STANDARD, &inactive], "the location KADIKOY would be made inactive, with 1 open package"),
        (vec![STANDARD, &without_kadikoy], "the location KADIKOY is in no file any more, and would be made inactive"),
        (vec![&blocked, SHOP], "the state blocked goes, and 1 package in it would have no way out"),
    ] {
        let files = Files::of(&texts);
        let (code, printed, said) = shop.changes_nothing(files.install(&shop, &[])).await;
        assert_eq!((code, printed.as_str()), (3, ""), "{said}");
        assert!(said.starts_with("refused: ") && said.contains(reason), "{reason}\n{said}");
        let (code, _, said) = shop.changes_nothing(files.install(&shop, &["--plan", "--exit-code"])).await;
        assert_eq!(code, 3, "{said}");
    }
    let (code, _, said) = Files::of(&[&blocked, SHOP]).install(&shop, &["--force"]).await;
    assert_eq!((code, said.as_str()), (0, ""));
    shop.until("the server follows", async || (package.json().await["commands"] == json!([])).then_some(())).await;
    assert_eq!(Files::of(&[STANDARD, SHOP]).install(&shop, &[]).await.0, 0);
    package.run("UNBLOCK_THE_PACKAGE").await.ok();
    shop.finish().await;
}

#[tokio::test]
async fn packages_that_no_transition_leads_away_from_are_found_and_counted() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    package.run("BLOCK_THE_PACKAGE").await.ok();
    shop.execute(
        "update transitions set retired_date = now() where source_state_id = (select id from states where slug = 'blocked')",
    )
    .await;
    shop.until("the metric has it", || async { (shop.metric("oms_stuck_packages").await == 1).then_some(()) }).await;
    let (code, told, _) = shop.oms(&["verify"]).await;
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("no transition leads out of its state blocked"), "{told}");
    shop.abandon().await;
}

#[tokio::test]
async fn packages_of_a_state_that_goes_are_moved_by_commands() {
    let shop = Shop::open().await;
    let mut packages = Vec::new();
    for _ in 0..3 {
        let package = shop.package().await;
        package.run("BLOCK_THE_PACKAGE").await.ok();
        packages.push(package);
    }
    let moved = "[[moved]]\nfrom = \"blocked\"\nto = \"packed\"\n";
    let files = Files::of(&[&without_state("blocked"), SHOP, moved]);
    let (_, printed, _) = files.install(&shop, &["--plan"]).await;
    assert!(printed.ends_with("3 packages in blocked are moved to packed\n"), "{printed}");
    let (_, rows, _) = files.install(&shop, &["--plan", "--json"]).await;
    let rows: Vec<Value> = serde_json::from_str(&rows).expect("JSON");
    let to = json!([{ "key": "to", "before": null, "after": "packed" }]);
    assert_eq!(
        rows.last(),
        Some(
            &json!({ "section": "moved", "name": "blocked", "change": "moved", "keys": to, "touches": ["3 packages"] })
        )
    );
    let (code, printed, said) = files.install(&shop, &[]).await;
    assert_eq!((code, said.as_str()), (0, ""));
    assert!(printed.contains("3 packages moved from blocked to packed\n"), "{printed}");
    for package in &packages {
        assert_eq!(package.state().await, "packed");
        assert_eq!(package.ledger().await, ["KADIKOY +1", "KADIKOY -1"]);
    }
    assert_eq!((shop.quota("KADIKOY").await, shop.stock("KADIKOY", "RED").await), (0, (97, 0)));
    let moved: i64 = shop
        .value(
            "select count(*) from transition_logs l join users u on u.id = l.user_id and u.username = $1
               join transitions t on t.id = l.transition_id and t.retired_date is not null",
            "system",
        )
        .await;
    assert_eq!(moved, 3);
    // Again there is nothing to do, and the transition that moved them is nobody's.
    assert_eq!(files.install(&shop, &["--plan", "--exit-code"]).await.0, 0);
    let slug = "package__moved__blocked__packed";
    let other = shop.package().await;
    assert_eq!(other.post(&json!({ "slug": slug })).await.status, 406);
    // As if the process had ended before it retired the transition: the next one does.
    shop.execute("update transitions set retired_date = null where slug = 'package__moved__blocked__packed'").await;
    assert_eq!(files.install(&shop, &[]).await.0, 0);
    let retired: bool = shop.value("select retired_date is not null from transitions where slug = $1", slug).await;
    assert!(retired);
    shop.finish().await;
}

#[tokio::test]
async fn what_was_changed_by_hand_is_not_set_back_in_silence() {
    let shop = Shop::open().await;
    shop.limit("KADIKOY", Some(5)).await;
    let files = Files::of(&[STANDARD, SHOP]);
    let (code, _, said) = shop.changes_nothing(files.install(&shop, &[])).await;
    assert_eq!(code, 3);
    assert!(
        said.contains(
            "stock locations: KADIKOY was changed since the last installation, and would be set back in max_quota"
        ),
        "{said}"
    );
    // Another key of the same location is nobody's loss.
    let both = shop_with(KADIKOY, "erp_code = \"KADIKOY\"\nmax_quota = 5\ntags = [\"fridge\"]\n");
    assert_eq!(Files::of(&[STANDARD, &both]).install(&shop, &[]).await.0, 0);
    // What is exported says it as it is.
    shop.limit("GEBZE", Some(9)).await;
    let new = json!({ "erp_code": "NEW", "name": "New", "stock_location_type": "store", "address": { "building": 7 },
                      "priority": -5, "max_quota": 3_000_000_000_i64 });
    shop.post("/api/v1/oms/stocklocations/", &new).await.json(201);
    shop.post("/api/v1/oms/packages/package_denial_reason/", &json!({ "title": "Strike" })).await.json(201);
    let (code, exported, _) = shop.oms(&["installation", "export"]).await;
    assert_eq!(code, 0);
    let (code, printed, said) = Files::of(&[&exported]).install(&shop, &["--plan", "--exit-code"]).await;
    assert_eq!((code, printed.as_str(), said.as_str()), (0, "no difference\n", ""));
    let (code, printed, said) = Files::of(&[&exported]).install(&shop, &[]).await;
    assert_eq!((code, printed.as_str(), said.as_str()), (0, "no difference\n", ""));

    let scenarios = shop.get("/api/v1/oms/scenarios/").await.ok();
    let path = format!("/api/v1/oms/scenarios/{}/", scenarios["results"][0]["id"]);
    shop.patch(&path, &json!({ "priority": 4 })).await.ok();
    let (code, _, said) = files.install(&shop, &[]).await;
    assert!(code == 3 && said.contains("scenarios: Standard was changed since the last installation"), "{said}");
    assert_eq!(files.install(&shop, &["--force"]).await.0, 0);
    let limit: Option<i64> = shop.value("select max_quota from stock_locations where erp_code = $1", "GEBZE").await;
    assert_eq!(limit, None);
    shop.finish().await;
}

#[tokio::test]
async fn a_carrier_does_not_go_from_locations_that_no_file_has() {
    let shop = Shop::open().await;
    let id: i64 = shop.value("select id from cargo_companies where slug = $1", "yurtici").await;
    let new = json!({ "erp_code": "NEW", "name": "New\u{1b}[2J", "stock_location_type": "store", "cargo_company": id });
    let made = shop.post("/api/v1/oms/stocklocations/", &new).await.json(201);
    let sender = json!({ "stock_location": made["id"], "cargo_company": id, "origin_id": "7" });
    shop.post("/api/v1/oms/stocklocations-senderaddress/", &sender).await.json(201);
    let parts: Vec<&str> = SHOP.split("\n\n").filter(|part| !part.contains("yurtici")).collect();
    let files = Files::of(&[STANDARD, &parts.join("\n\n")]);
    let (code, _, said) = shop.changes_nothing(files.install(&shop, &[])).await;
    assert!(code == 3 && said.contains("the cargo company yurtici goes, and the locations NEW, which"), "{said}");
    assert_eq!(files.install(&shop, &["--force"]).await.0, 0);
    // What is left with it is exported as a file can say it.
    let (code, exported, _) = shop.oms(&["installation", "export"]).await;
    assert_eq!((code, exported.contains("yurtici")), (0, false));
    let (code, printed, said) = Files::of(&[&exported]).install(&shop, &["--plan", "--exit-code"]).await;
    assert_eq!((code, printed.as_str(), said.as_str()), (0, "no difference\n", ""));
    let kept: Option<i64> = shop.value("select cargo_company_id from stock_locations where erp_code = $1", "NEW").await;
    assert_eq!(kept, Some(id));
    shop.finish().await;
}

#[tokio::test]
async fn a_database_that_does_not_know_its_files_knows_what_was_changed_since() {
    let shop = Shop::open().await;
    // As after an upgrade from a version that kept no files.
    shop.execute("delete from installations").await;
    shop.limit("KADIKOY", Some(5)).await;
    let files = Files::of(&[STANDARD, SHOP]);
    let (code, _, said) = shop.changes_nothing(files.install(&shop, &[])).await;
    assert!(code == 3 && said.contains("KADIKOY was changed since the last installation"), "{said}");
    shop.limit("KADIKOY", None).await;
    assert_eq!(files.install(&shop, &[]).await.0, 0);
    shop.finish().await;
}

#[tokio::test]
async fn each_installation_is_kept_and_an_earlier_one_comes_back() {
    let shop = Shop::open().await;
    let limited = shop_with(KADIKOY, LIMITED);
    assert_eq!(Files::of(&[STANDARD, &limited]).install(&shop, &[]).await.0, 0);
    let (_, listed, _) = shop.oms(&["installation", "list"]).await;
    let last = listed.lines().rfind(|line| line.contains("UTC")).expect("a line");
    assert!(last.trim_start().starts_with("2 ") && last.ends_with("  ayse"), "{listed}");
    assert!(listed.ends_with("stock_locations: 1 changed (KADIKOY: 1 user)\n"), "{listed}");
    let (_, diff, _) = shop.oms(&["installation", "diff", "1", "2"]).await;
    assert_eq!(diff, "stock_locations\n  ~ KADIKOY: max_quota nothing → 7\n0 added, 1 changed, 0 gone\n");
    let (_, shown, _) = shop.oms(&["installation", "show", "2"]).await;
    assert!(shown.contains(LIMITED) && shown.contains(STANDARD.trim_end()));
    let (code, _, said) = shop.oms(&["installation", "show", "9"]).await;
    assert!(code == 1 && said.contains("there is no installation 9"), "{said}");

    let (code, printed, said) = shop.oms(&["install", "--version", "1"]).await;
    assert_eq!((code, said.as_str()), (0, ""));
    assert!(printed.ends_with("applied; it is number 3 of oms installation list\n"), "{printed}");
    // What is shown is a file, too.
    assert_eq!(Files::of(&[&shown]).install(&shop, &[]).await.0, 0);
    let limit: Option<i64> = shop.value("select max_quota from stock_locations where erp_code = $1", "KADIKOY").await;
    assert_eq!(limit, Some(7));
    shop.finish().await;
}

#[tokio::test]
async fn what_is_the_same_is_not_written_and_no_server_reads_it_again() {
    let shop = Shop::open().await;
    let version = async || -> i64 { shop.value("select version from installation where only_row = $1", true).await };
    let before = version().await;
    shop.install(&[STANDARD, SHOP]).await;
    shop.install(&[STANDARD, "# A comment.\n", SHOP]).await;
    assert_eq!(version().await, before);
    let kept: i64 = shop.value("select count(*) from installations where number > $1", 0_i64).await;
    assert_eq!(kept, 2);
    shop.finish().await;
}

/// Whoever waits for the installation's lock makes all others wait behind it.
#[tokio::test]
async fn no_order_waits_behind_an_installation_that_waits_for_a_plan() {
    let shop = Shop::open().await;
    let mut plan = shop.pool().begin_with(oms::db::BEGIN_UNDER_INSTALLATION).await.expect("a plan under way");
    let installation = read_installation(&[STANDARD, &shop_with(KADIKOY, LIMITED)]);
    let pool = shop.server_pool().await;
    let installing = tokio::spawn(async move { apply::apply(&pool, &installation).await });
    shop.until("it waits", async || {
        let waits: bool =
            shop.value("select exists (select from pg_locks where locktype = $1 and not granted)", "advisory").await;
        waits.then_some(())
    })
    .await;
    let slowest = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..5 {
            let began = Instant::now();
            shop.package().await;
            slowest = slowest.max(began.elapsed());
        }
        slowest
    };
    // Behind a lock that waits without end this would be the 30 seconds of the request.
    let slowest = tokio::time::timeout(Duration::from_secs(15), slowest).await.expect("orders go on");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    sqlx::query("select 1").execute(&mut *plan).await.expect("still open");
    plan.rollback().await.expect("rolled back");
    installing.await.expect("no panic").expect("applied");
    shop.finish().await;
}

#[tokio::test]
async fn what_happens_while_an_installation_waits_is_kept_and_its_packages_are_moved() {
    let shop = Shop::open().await;
    let package = shop.package().await;
    let mut plan = shop.pool().begin_with(oms::db::BEGIN_UNDER_INSTALLATION).await.expect("a plan under way");
    let moved = "[[moved]]\nfrom = \"blocked\"\nto = \"packed\"\n";
    let installation = read_installation(&[&without_state("blocked"), &shop_with(KADIKOY, LIMITED), moved]);
    let pool = shop.server_pool().await;
    let installing = tokio::spawn(async move {
        apply::install(&pool, &installation, Applying { by: "ayse", force: false }).await.expect("let in")
    });
    shop.until("it waits", async || {
        let waits: bool =
            shop.value("select exists (select from pg_locks where locktype = $1 and not granted)", "advisory").await;
        waits.then_some(())
    })
    .await;
    // It has looked at everything by now: no package was blocked.
    let path = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("KADIKOY").await);
    let address = json!({ "line": "Moda Caddesi 1", "city": "Istanbul", "building": 7 });
    shop.patch(&path, &json!({ "address": address })).await.ok();
    package.run("BLOCK_THE_PACKAGE").await.ok();
    sqlx::query("select 1").execute(&mut *plan).await.expect("still open");
    plan.rollback().await.expect("rolled back");
    let Outcome::Applied(applied) = installing.await.expect("no panic") else { panic!("it is applied") };
    assert_eq!((applied.moved[0].moved, &applied.moved[0].failed), (1, &(0, Vec::new())));
    assert_eq!(package.state().await, "packed");
    let location = shop.get(&path).await.ok();
    assert_eq!((&location["address"]["building"], &location["max_quota"]), (&json!(7), &json!(7)), "{location}");
    shop.finish().await;
}

#[tokio::test]
async fn installations_at_the_same_time_follow_each_other() {
    let shop = Shop::open().await;
    let texts: Vec<String> =
        (1..=4).map(|quota| shop_with(KADIKOY, &format!("{KADIKOY}max_quota = {quota}\n"))).collect();
    let applied = texts.iter().map(|text| async {
        let installation = read_installation(&[STANDARD, text]);
        apply::apply(shop.pool(), &installation).await.expect("applied");
    });
    futures_util::future::join_all(applied).await;
    let numbers: Vec<(i64, i64)> =
        shop.rows("select number, installation_version from installations order by number").await;
    let order: Vec<i64> = numbers.iter().map(|(number, _)| *number).collect();
    assert_eq!(order, [1, 2, 3, 4, 5]);
    assert!(numbers.is_sorted_by_key(|(_, version)| *version), "{numbers:?}");
    shop.finish().await;
}

#[tokio::test]
async fn a_ledger_that_a_crash_left_incomplete_is_completed() {
    let shop = Shop::open().await;
    let (waiting, packed) = (shop.package().await, shop.package().await);
    packed.run("COMPLETE_PACKING").await.ok();
    let slug = "slug = \"waiting\"\nenum_value = \"100\"\n";
    let free = STANDARD.replacen(slug, &format!("{slug}occupies_quota = false\n"), 1);
    shop.install(&[&free, SHOP]).await;
    assert_eq!(waiting.ledger().await, ["KADIKOY +1", "KADIKOY -1"]);
    // As between the installation and the rows of the ledger; then commands go on.
    shop.execute(
        "insert into quota_recounts (installation_version) select version from installation;
         delete from quota_ledger where installation_version is not null",
    )
    .await;
    let late = shop.package().await;
    waiting.run("COMPLETE_PACKING").await.ok();
    late.run("COMPLETE_PACKING").await.ok();
    let told = verify::verify(shop.pool()).await.expect("verify");
    assert!(told.len() == 1 && told[0].contains("oms install completes it"), "{told:?}");
    // Several at once write it once.
    let settled = futures_util::future::join_all((0..3).map(|_| apply::settle(shop.pool()))).await;
    assert!(settled.iter().all(Result::is_ok));
    assert_eq!(waiting.ledger().await, ["KADIKOY +1", "KADIKOY -1"]);
    assert_eq!(late.ledger().await, [""; 0]);
    shop.finish().await;
}

#[tokio::test]
async fn what_a_file_cannot_say_of_a_location_is_kept() {
    let shop = Shop::open().await;
    let path = format!("/api/v1/oms/stocklocations/{}/", shop.location_id("KADIKOY").await);
    let address = json!({ "line": "Moda Caddesi 1", "city": { "pk": 34, "name": "Istanbul" }, "building": 7 });
    shop.patch(&path, &json!({ "address": address })).await.ok();
    shop.install(&[STANDARD, &shop_with(KADIKOY, LIMITED)]).await;
    let after = shop.get(&path).await.ok();
    assert_eq!((&after["max_quota"], &after["address"]["building"]), (&json!(7), &json!(7)));
    assert_eq!(after["address"]["city"]["pk"], 34);
    shop.finish().await;
}

#[tokio::test]
async fn the_time_zone_of_days_is_planned_applied_exported_and_audited() {
    let shop = Shop::open().await;
    let zone = |zone: &str| Files::of(&[&format!("time_zone = \"{zone}\"\n"), STANDARD, SHOP]);
    let (code, _, said) = shop.changes_nothing(zone("Istanbul").install(&shop, &[])).await;
    assert_ne!(code, 0);
    let remedy = "line 1: time_zone: there is no time zone `Istanbul` — write a name of the IANA database";
    assert!(said.contains(remedy), "{said}");
    let twice = "time_zone = \"UTC\"\n";
    let (_, _, said) = shop.changes_nothing(Files::of(&[twice, twice, STANDARD, SHOP]).install(&shop, &[])).await;
    assert!(
        said.contains("line 1: time_zone: another file names a time zone already — take one of them out"),
        "{said}"
    );

    let istanbul = zone("Europe/Istanbul");
    let (_, planned, _) = shop.changes_nothing(istanbul.install(&shop, &["--plan"])).await;
    assert!(planned.contains("time_zone\n  + time_zone\n"), "{planned}");
    assert_eq!(istanbul.install(&shop, &[]).await.0, 0);
    assert_eq!(istanbul.install(&shop, &["--plan", "--exit-code"]).await.0, 0, "nothing is left to do");
    let (_, exported, _) = shop.oms(&["installation", "export"]).await;
    assert!(exported.starts_with("time_zone = \"Europe/Istanbul\"\n"), "{exported}");
    assert_eq!(Files::of(&[&exported]).install(&shop, &["--plan", "--exit-code"]).await.0, 0);

    let (_, planned, _) = zone("Europe/Berlin").install(&shop, &["--plan"]).await;
    assert!(planned.contains("~ time_zone: time_zone \"Europe/Istanbul\" → \"Europe/Berlin\""), "{planned}");
    let without = Files::of(&[STANDARD, SHOP]);
    let (_, planned, _) = without.install(&shop, &["--plan"]).await;
    assert!(planned.contains("- time_zone"), "{planned}");
    assert_eq!(without.install(&shop, &[]).await.0, 0);
    let changes: Vec<(Value,)> =
        shop.rows("select changes from audit where kind = 'installation_settings' order by id").await;
    assert_eq!(changes.len(), 2, "{changes:?}");
    shop.finish().await;
}
