//! Subcommands on a shop's database, while its server runs.

use std::path::PathBuf;

use serde_json::json;

use crate::support::{SHOP, STANDARD, Shop, order_json};

/// A file for a subcommand, in a folder that is deleted afterwards.
fn file(text: &str, name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("written");
    (folder, path)
}

fn text(path: &std::path::Path) -> &str {
    path.to_str().expect("UTF-8")
}

#[tokio::test]
async fn token_issue_prints_the_key_alone_and_the_running_server_takes_it() {
    let shop = Shop::open().await;
    let (code, printed, said) = shop.oms(&["user", "add", "pos", "--role", "store", "--location", "KADIKOY"]).await;
    assert_eq!((code, said.as_str()), (0, ""), "{printed}");

    let (code, printed, said) = shop.oms(&["token", "issue", "pos"]).await;

    assert_eq!((code, said.as_str()), (0, ""));
    let key = printed.strip_suffix('\n').expect("one line");
    assert!(key.len() == 40 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{printed:?}");
    let request = shop.request(reqwest::Method::GET, "/api/v1/oms/stocklocations/");
    let page = crate::support::send(request.header("Authorization", format!("Token {key}"))).await.ok();
    assert_eq!((&page["count"], &page["results"][0]["erp_code"]), (&json!(1), &json!("KADIKOY")));
    shop.finish().await;
}

#[tokio::test]
async fn users_are_added_listed_disabled_and_enabled() {
    let shop = Shop::open().await;
    for (arguments, complaint) in [
        (vec!["user", "add", "erp"], "There is a user erp already."),
        (vec!["user", "add", "x", "--role", "store"], "needs at least one location"),
        (vec!["user", "add", "x", "--role", "store", "--location", "NOWHERE"], "There is no stock location NOWHERE."),
        (vec!["user", "disable", "nobody"], "There is no user nobody."),
        (vec!["token", "issue", "nobody"], "There is no active user nobody."),
        (vec!["token", "revoke", "nobody"], "There is no user nobody."),
    ] {
        let (code, printed, said) = shop.changes_nothing(shop.oms(&arguments)).await;
        assert_eq!((code, printed.as_str(), said.lines().count()), (1, "", 1), "{said}");
        assert!(said.contains(complaint), "{said}");
    }
    let (code, printed, _) = shop.oms_with(&["user", "add", "ayse", "--password-stdin"], "gizli bir parola\n").await;
    assert_eq!(code, 0, "{printed}");
    let credentials = json!({ "username": "ayse", "password": "gizli bir parola" });
    shop.post("/api/v1/auth/login/", &credentials).await.ok();
    assert_eq!(shop.oms(&["user", "disable", "ayse"]).await.0, 0);
    shop.post("/api/v1/auth/login/", &credentials).await.json(400);
    let (code, printed, _) = shop.oms(&["user", "list"]).await;
    assert_eq!(code, 0);
    assert!(printed.contains("ayse (disabled): integrator, all locations, 1 tokens\n"), "{printed}");
    assert!(printed.contains("kadikoy: store, KADIKOY, 1 tokens\n"), "{printed}");
    assert_eq!(shop.oms(&["user", "enable", "ayse"]).await.0, 0);
    shop.post("/api/v1/auth/login/", &credentials).await.ok();
    let (code, printed, _) = shop.oms(&["token", "revoke", "ayse"]).await;
    assert_eq!((code, printed.as_str()), (0, "revoked 2 tokens of ayse\n"));
    let (code, _, said) = shop.oms(&["user", "add", "empty", "--password-stdin"]).await;
    assert_eq!((code, said.lines().count()), (1, 1));
    shop.finish().await;
}

#[tokio::test]
async fn the_ids_integrators_are_told_are_printed() {
    let shop = Shop::open().await;
    let (_standard, standard) = file(STANDARD, "standard.toml");
    let (_more, more) = file(SHOP, "shop.toml");
    let (code, printed, said) = shop.oms(&["install", text(&standard), text(&more)]).await;
    assert_eq!((code, printed.as_str(), said.as_str()), (0, "no difference\n", ""));
    let (code, printed, said) = shop.oms(&["installation", "transitions"]).await;
    assert_eq!((code, said.as_str()), (0, ""));
    let rows: Vec<(i64, String)> = shop.rows("select id, slug from transitions order by id").await;
    let told: Vec<(i64, String)> = printed
        .lines()
        .skip(1)
        .map(|line| {
            let mut words = line.split_whitespace();
            let id = words.next().expect("an id").parse().expect("a number");
            (id, words.next().expect("a slug").to_owned())
        })
        .collect();
    assert_eq!(told, rows);
    shop.finish().await;
}

#[tokio::test]
async fn install_check_says_what_is_wrong_with_its_line_and_applies_nothing() {
    let shop = Shop::open().await;
    let (_standard, standard) = file(STANDARD, "standard.toml");
    let (_more, more) = file(SHOP, "shop.toml");
    let good = shop.changes_nothing(shop.oms(&["install", "--check", text(&standard), text(&more)])).await;
    assert_eq!(good.0, 0, "{}", good.2);
    assert!(good.1.contains("no faults"), "{}", good.1);

    for (wrong, line, word) in [
        ("[[states]]\nentity = \"package\"\nslug = \"a\"\nenum_value = \"1\"\nname = \"A\"\ncolour = 1\n", 6, "colour"),
        (
            "[[transitions]]\nentity = \"package\"\ncommand = \"FLY\"\nsource = \"waiting\"\ndestination = \"packed\"\nlabel = \"Fly\"\n",
            3,
            "FLY",
        ),
        (
            "[[transitions]]\nentity = \"package\"\ncommand = \"PKG_STATE_TRANSITION\"\nsource = \"waiting\"\ndestination = \"moon\"\nlabel = \"Fly\"\n",
            5,
            "moon",
        ),
        (
            "[[states]]\nentity = \"package\"\nslug = \"end\"\nenum_value = \"1\"\nname = \"A\"\nfinal = true\n",
            1,
            "quota",
        ),
        ("[[states]]\nentity = \"package\"\nslug = \"dead-end\"\nenum_value = \"777\"\nname = \"A\"\n", 3, "dead-end"),
        (
            "[[transitions]]\nentity = \"package\"\ncommand = \"PKG_STATE_TRANSITION\"\nsource = \"waiting\"\ndestination = \"preparing\"\nlabel = \"Twice\"\n",
            1,
            "slug",
        ),
        ("nonsense", 1, "wrong.toml"),
    ] {
        let (_folder, path) = file(wrong, "wrong.toml");
        for check in [true, false] {
            let mut arguments = vec!["install", text(&standard), text(&path), text(&more)];
            if check {
                arguments.insert(1, "--check");
            }
            let (code, printed, said) = shop.changes_nothing(shop.oms(&arguments)).await;
            assert_eq!((code, printed.as_str()), (1, ""), "{said}");
            let told =
                said.lines().any(|told| told.contains(&format!("wrong.toml, line {line}: ")) && told.contains(word));
            assert!(told, "{wrong}\n{said}");
        }
    }
    let (code, _, said) = shop.oms(&["install", "--check", "/nowhere.toml"]).await;
    assert_eq!((code, said.lines().count()), (1, 1), "{said}");
    shop.finish().await;
}

#[tokio::test]
async fn install_diagram_draws_and_applies_nothing() {
    let shop = Shop::open().await;
    let (_standard, standard) = file(STANDARD, "standard.toml");
    let (code, printed, said) = shop.changes_nothing(shop.oms(&["install", "--diagram", text(&standard)])).await;
    assert_eq!((code, said.as_str()), (0, ""));
    assert!(printed.starts_with("<svg") || printed.starts_with("<?xml"), "{}", &printed[..80]);
    assert!(printed.trim_end().ends_with("</svg>"));
    assert!(printed.contains("Ready for packaging") && printed.contains("Plan by hand"));
    shop.finish().await;
}

#[tokio::test]
async fn verify_is_content_with_a_shop_in_order() {
    let shop = Shop::open().await;
    shop.package().await.run("COMPLETE_PACKING").await.ok();
    let (code, printed, said) = shop.changes_nothing(shop.oms(&["verify"])).await;
    assert_eq!((code, printed.lines().count(), said.as_str()), (0, 1, ""));
    shop.finish().await;
}

#[tokio::test]
async fn verify_says_each_invariant_that_fails() {
    let shop = Shop::open().await;
    for _ in 0..2 {
        shop.package().await;
    }
    for (harm, repair, line) in [
        (
            "update stock_locations set quota = 7 where erp_code = 'KADIKOY'",
            "update stock_locations set quota = 2 where erp_code = 'KADIKOY'",
            "location KADIKOY: quota is 7, its packages occupy 2, its ledger sums to 2",
        ),
        (
            "update quota_ledger set stock_location_id = (select id from stock_locations where erp_code = 'HQ') where package_id = 1",
            "update quota_ledger set stock_location_id = (select id from stock_locations where erp_code = 'KADIKOY')",
            "package N1P1: its ledger at ",
        ),
        (
            "update transition_logs set destination_state_id = destination_state_id + 1 where package_id = 2",
            "update transition_logs set destination_state_id = destination_state_id - 1 where package_id = 2",
            "package N2P1: its state or place is not where its log ends",
        ),
        (
            "create table kept as table transition_logs; delete from transition_logs where package_id = 1",
            "insert into transition_logs overriding system value select * from kept where package_id = 1; drop table kept",
            "package N1P1: it has no log",
        ),
        (
            "update reservations set quantity = 2 where package_item_id = 1; update stocks set reserved = 3 where sku = 'RED'",
            "update reservations set quantity = 1; update stocks set reserved = 2 where sku = 'RED'",
            "package item 1 of N1P1: has a reservation that is not its own",
        ),
        (
            "create table kept as table reservations; delete from reservations where package_item_id = 2; update stocks set reserved = 1 where sku = 'RED'",
            "insert into reservations select * from kept where package_item_id = 2; drop table kept; update stocks set reserved = 2 where sku = 'RED'",
            "package item 2 of N2P1: waits without a reservation",
        ),
        (
            "update stocks set reserved = 5 where sku = 'RED'",
            "update stocks set reserved = 2 where sku = 'RED'",
            "stock of RED at KADIKOY: reserved is 5, its reservations sum to 2",
        ),
        (
            "update package_items set order_item_id = 1",
            "update package_items set order_item_id = id",
            "order N1: line 1 (RED): 1 units are ordered, and its packages have 2",
        ),
        (
            "update packages set event_sequence = 9 where id = 1",
            "update packages set event_sequence = 1 where id = 1",
            "package N1P1: it counts 9 events, has 1, the last is number 1",
        ),
        (
            "update package_items set state_id = -state_id where id = 2",
            "update package_items set state_id = -state_id where id = 2",
            "package item 2: there is no state -",
        ),
        (
            "insert into shipments (package_id, cargo_company_id, tracking_number) values (99, 1, 'T')",
            "delete from shipments where package_id = 99",
            "shipment 1: there is no package 99",
        ),
        (
            "insert into transition_logs (package_id, destination_state_id, stock_location_id) values (99, 1, 1)",
            "delete from transition_logs where package_id = 99",
            "log row ",
        ),
    ] {
        shop.execute(harm).await;
        let (code, printed, _) = shop.oms(&["verify"]).await;
        assert!(code == 1 && printed.lines().any(|told| told.starts_with(line)), "{code} {printed}");
        shop.execute(repair).await;
        assert_eq!(shop.oms(&["verify"]).await.0, 0, "{repair}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn counts_are_taken_as_spreadsheets_write_them() {
    let shop = Shop::open().await;
    let folder = tempfile::tempdir().expect("a folder");
    let utf16 = |text: &str| {
        let units = text.encode_utf16().flat_map(u16::to_le_bytes);
        [0xff, 0xfe].into_iter().chain(units).collect::<Vec<u8>>()
    };
    // Ş is 0xde and ı is 0xfd in windows-1254.
    let turkish = b"ERP_CODE;Sku;Quantity\r\nGEBZE;\xdeAPKA-\xfd;4\r\n".to_vec();
    for (name, bytes, options, sku, units) in [
        ("comma.csv", "\u{feff}SKU,Quantity,ERP Code\r\nA,1.0,GEBZE\r\n".as_bytes().to_vec(), vec![], "A", 1),
        ("semicolon.csv", b"erp_code;sku;quantity\nGEBZE;\"B;C\";2.0000\n".to_vec(), vec![], "B;C", 2),
        ("unicode.txt", utf16("Erp_Code\tSKU\tQUANTITY\r\nGEBZE\tIŞIK\t3\r\n"), vec![], "IŞIK", 3),
        ("turkish.csv", turkish, vec!["--encoding", "cp1254"], "ŞAPKA-ı", 4),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).expect("written");
        let arguments = [vec!["stock", "import", file.to_str().expect("UTF-8")], options].concat();
        let (code, printed, said) = shop.oms(&arguments).await;
        assert_eq!((code, printed.trim()), (0, "1 lines read: 1 counts set, 0 unchanged, 0 refused"), "{name}: {said}");
        assert_eq!(shop.stock("GEBZE", sku).await, (units, 0), "{name}");
    }
    // Letters of another encoding cost their line.
    let file = folder.path().join("latin.csv");
    std::fs::write(&file, b"erp_code,sku,quantity\nGEBZE,\xdeAPKA,4\nGEBZE,G,4\n").expect("written");
    let (code, printed, said) = shop.oms(&["stock", "import", file.to_str().expect("UTF-8")]).await;
    assert_eq!((code, printed.trim()), (1, "2 lines read: 1 counts set, 0 unchanged, 1 refused"));
    assert!(said.starts_with("line 2: ") && said.contains("--encoding"), "{said}");
    // The lines are those that an editor shows, whatever is between them.
    let file = folder.path().join("lines.csv");
    let lines = "erp_code;sku;quantity\n\nGEBZE;D;many\nGEBZE;E;1\n\nGEBZE;\"two\nlines\";1\nGEBZE;F;more\n";
    std::fs::write(&file, lines).expect("written");
    let (code, printed, said) = shop.oms(&["stock", "import", file.to_str().expect("UTF-8")]).await;
    assert_eq!((code, printed.trim()), (1, "5 lines read: 1 counts set, 0 unchanged, 4 refused"));
    let numbers: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("line ")?.split(':').next()).collect();
    assert_eq!(numbers, ["3", "6", "7", "8"], "{said}");
    shop.finish().await;
}

#[tokio::test]
async fn orders_and_stock_are_imported_beside_a_running_server() {
    let shop = Shop::open().await;
    let (_stock, stock) = file("erp_code,sku,quantity\nGEBZE,PINK,3\nNOWHERE,PINK,3\n", "stock.csv");
    let (code, printed, said) = shop.oms(&["stock", "import", text(&stock)]).await;
    assert_eq!((code, printed.as_str()), (1, "2 lines read: 1 counts set, 0 unchanged, 1 refused\n"));
    assert_eq!(said, "line 3: erp_code: There is no stock location NOWHERE.\n");

    let lines = format!("{}\n{}\n", order_json("1", &[("PINK", 1)]), order_json("2", &[("RED", 1)]));
    let (_orders, orders) = file(&lines, "orders.ndjson");
    for expected in [
        "2 lines read: 2 orders taken, 0 known already, 0 lines refused\n",
        "2 lines read: 0 orders taken, 2 known already, 0 lines refused\n",
    ] {
        let (code, printed, _) = shop.oms(&["orders", "import", text(&orders)]).await;
        assert_eq!((code, printed.as_str()), (0, expected));
    }
    assert_eq!(shop.get("/api/v1/oms/orders/").await.ok()["count"], 2);
    assert_eq!(shop.quota("GEBZE").await, 1);

    let (_broken, broken) = file(&format!("{lines}nonsense\n"), "broken.ndjson");
    let (code, printed, said) = shop.oms(&["orders", "import", text(&broken)]).await;
    assert_eq!((code, printed.as_str()), (1, "3 lines read: 0 orders taken, 2 known already, 1 lines refused\n"));
    assert!(said.contains("line 3: ") && said.contains("JSON parse error"), "{said}");
    shop.finish().await;
}

#[tokio::test]
async fn a_wrong_command_line_is_2_and_help_is_0() {
    let shop = Shop::open().await;
    for arguments in [
        vec![],
        vec!["fly"],
        vec!["install"],
        vec!["token", "issue"],
        vec!["user", "add", "x", "--role", "king"],
        vec!["serve", "--listen", "nowhere"],
        vec!["--database-connections", "0", "verify"],
    ] {
        let (code, printed, said) = shop.oms(&arguments).await;
        assert_eq!((code, printed.as_str()), (2, ""), "{arguments:?}");
        assert!(!said.is_empty());
    }
    for arguments in [vec!["--help"], vec!["--version"], vec!["install", "--help"], vec!["help", "orders"]] {
        let (code, printed, said) = shop.oms(&arguments).await;
        assert_eq!((code, said.as_str()), (0, ""), "{arguments:?}");
        assert!(!printed.is_empty());
    }
    shop.finish().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_said_in_one_line_with_the_remedy() {
    let shop = Shop::open().await;
    for (arguments, word) in [
        (vec!["--database-url", "postgres://nobody@127.0.0.1:1/oms", "verify"], "DATABASE_URL"),
        (vec!["--database-url", "nonsense", "verify"], "DATABASE_URL"),
        (vec!["orders", "import", "/nowhere.ndjson"], "/nowhere.ndjson"),
        (vec!["stock", "import", "/nowhere.csv"], "/nowhere.csv"),
        (vec!["health", "127.0.0.1:1"], "is the server running?"),
    ] {
        let (code, printed, said) = shop.oms(&arguments).await;
        assert_eq!((code, printed.as_str(), said.lines().count()), (1, "", 1), "{said}");
        assert!(said.starts_with("oms: ") && said.contains(word), "{said}");
    }
    shop.execute("update _sqlx_migrations set version = -version").await;
    let (code, _, said) = shop.oms(&["verify"]).await;
    assert_eq!((code, said.as_str()), (1, "oms: the database's schema is not current; run: oms migrate\n"));
    shop.execute("update _sqlx_migrations set version = -version").await;
    assert_eq!(shop.oms(&["migrate"]).await.0, 0);
    shop.finish().await;
}

#[tokio::test]
async fn health_asks_a_running_server() {
    let shop = Shop::open().await;
    let address = shop.url().strip_prefix("http://").expect("http").to_owned();
    let (code, printed, _) = shop.oms(&["health", &address]).await;
    assert_eq!((code, printed.as_str()), (0, "HTTP/1.1 200 OK\n"));
    shop.finish().await;
}
