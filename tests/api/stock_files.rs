//! `oms stock import`: files of counts as spreadsheets and ERPs write them.

use crate::support::Shop;

/// Imports a file of this text: the code, what is printed and what is said.
async fn import(shop: &Shop, text: &str) -> (i32, String, Vec<String>) {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("written");
    let (code, printed, said) = shop.oms(&["stock", "import", file.path().to_str().expect("UTF-8")]).await;
    (code, printed.trim().to_owned(), said.lines().map(str::to_owned).collect())
}

#[tokio::test]
async fn a_quotation_mark_that_is_not_closed_costs_its_line_and_no_other_count() {
    let shop = Shop::open().await;
    let mut rows: Vec<String> = (2..=2_001).map(|line| format!("GEBZE,S{line},{line}")).collect();
    rows[3] = "GEBZE,\"S5,5".to_owned();
    // As a name in inches has it: within marks, and in a cell without them.
    rows[5] = "GEBZE,\"7\" disc\",7".to_owned();
    rows[6] = "GEBZE,8\" disc,8".to_owned();
    rows[7] = "GEBZE,\"9\"\" disc, red\" ,9".to_owned();
    rows[8] = "GEBZE,S10,\"10".to_owned();
    let (code, printed, said) = import(&shop, &format!("erp_code,sku,quantity\n{}\n", rows.join("\n"))).await;
    assert_eq!((code, printed.as_str()), (1, "2000 lines read: 1997 counts set, 0 unchanged, 3 refused"));
    for (line, said, why) in [
        (5, &said[0], "its cell 2 begins on line 5 with a quotation mark that is not closed on its line"),
        (7, &said[1], "its cell 2 begins on line 7 with a quotation mark and has another in its text"),
        (10, &said[2], "its cell 3 begins on line 10 with a quotation mark that is not closed on its line"),
    ] {
        assert!(said.starts_with(&format!("line {line}: {why}")), "{said}");
    }
    assert_eq!(shop.stock("GEBZE", "S2001").await, (2_001, 0));
    assert_eq!((shop.stock("GEBZE", "8\" disc").await.0, shop.stock("GEBZE", "9\" disc, red").await.0), (8, 9));
    let known: Vec<(i64,)> = shop.rows("select count(*) from stocks where sku like 'S%'").await;
    assert_eq!(known, [(1_995,)]);
    // What says the same again is no change.
    let (code, printed, _) = import(&shop, "erp_code,sku,quantity\nGEBZE,S2,2\nGEBZE,S3,4\nGEBZE,S4,\n").await;
    assert_eq!((code, printed.as_str()), (1, "3 lines read: 1 counts set, 1 unchanged, 1 refused"));
    shop.finish().await;
}

#[tokio::test]
async fn a_column_that_is_not_known_or_there_twice_is_refused_before_anything_is_counted() {
    let shop = Shop::open().await;
    for (header, why) in [
        ("erp_code,sku,qty", "names a column `qty`, the 3., that is not known: did you mean `quantity`?"),
        ("erp_code,sku,quantity,Counted At Time", "`counted_at_time`, the 4., that is not known"),
        ("erp_code,sku,quantity,note", "`note`, the 4., that is not known: take it away, or call it as what it is"),
        (",erp_code,sku,quantity", "names a column ``, the 1., that is not known"),
        ("erp_code,sku,quantity,counted", "did you mean `counted_at`?"),
        ("erp_code,sku,quantity,Quantity", "names the column `quantity` more than once, as columns 3 and 4"),
        ("SKU,erp_code,quantity,sku,Sku", "names the column `sku` more than once, as columns 1 and 4 and 5"),
        ("erp_code,sku", "quantity is missing"),
    ] {
        let text = format!("{header}\nGEBZE,PINK,1,2,3\n");
        let (code, printed, said) = shop.changes_nothing(import(&shop, &text)).await;
        assert!(code == 1 && printed.is_empty() && said.join(" ").contains(why), "{header}: {said:?}");
    }
    // Separators at the end of each line are no column.
    let (code, printed, said) = import(&shop, "erp_code;sku;quantity;;\nGEBZE;PINK;1;;\nGEBZE;GREY;1;;2\n").await;
    assert_eq!((code, printed.as_str()), (1, "2 lines read: 1 counts set, 0 unchanged, 1 refused"), "{said:?}");
    shop.finish().await;
}

#[tokio::test]
async fn a_count_that_may_be_a_thousand_or_one_is_refused_with_the_remedy() {
    let shop = Shop::open().await;
    for (separator, written, units) in [
        (",", "1.0", Some(1)),
        (",", "2.00", Some(2)),
        (",", "2.0000", Some(2)),
        (",", "0.500", Some(0)),
        (",", "1234.500", Some(1234)),
        (",", "\"1,234.00\"", Some(1234)),
        (",", "\"2,0\"", Some(2)),
        (";", "1.234,50", Some(1234)),
        (";", "1.000.000", Some(1_000_000)),
        (";", "2 500", Some(2500)),
        (",", "1.000", None),
        (",", "12.345", None),
        (",", "\"1,000\"", None),
        (";", "1,000", None),
        (";", "1.000", None),
        (";", "-1.000", None),
        (";", "1E+06", None),
    ] {
        shop.count("GEBZE", "PINK", 77).await;
        let text = ["erp_code,sku,quantity\n", "GEBZE,PINK,"].concat().replace(',', separator) + written + "\n";
        let (code, printed, said) = import(&shop, &text).await;
        let left = shop.stock("GEBZE", "PINK").await.0;
        if let Some(units) = units {
            assert_eq!((code, left), (0, units), "{written}: {said:?}");
        } else {
            assert_eq!((code, left), (1, 77), "{written}");
            assert_eq!(printed, "1 lines read: 0 counts set, 0 unchanged, 1 refused");
            assert!(said[0].starts_with("line 2: quantity: ") && said[0].contains("write "), "{written}: {said:?}");
        }
    }
    // JSON has one way to write a number.
    let count = serde_json::json!({ "erp_code": "GEBZE", "sku": "PINK", "quantity": "1.000" });
    shop.put("/api/v1/oms/stocks/", &count).await.ok();
    assert_eq!(shop.stock("GEBZE", "PINK").await.0, 1);
    shop.finish().await;
}

#[tokio::test]
async fn a_count_of_a_year_of_two_digits_is_refused_with_its_line() {
    let shop = Shop::open().await;
    let text = "erp_code;sku;quantity;counted_at\nGEBZE;PINK;1;0026-11-28\nGEBZE;PINK;1;28.11.26\nGEBZE;PINK;1;26-11-28 10:00\n";
    let (code, printed, said) = shop.changes_nothing(import(&shop, text)).await;
    assert_eq!((code, printed.as_str()), (1, "3 lines read: 0 counts set, 0 unchanged, 3 refused"));
    assert!(said[0].starts_with("line 2: counted_at: The year 0026 is before 1900."), "{said:?}");
    assert!(said[1].starts_with("line 3: counted_at: ") && said[2].starts_with("line 4: counted_at: "), "{said:?}");
    shop.finish().await;
}

#[tokio::test]
async fn rows_that_say_otherwise_of_one_shelf_are_refused_each_with_the_others_lines() {
    let shop = Shop::open().await;
    // An ERP with a row a bin: three are of PINK, and two of them agree.
    let text = "erp_code,sku,quantity\n\
                GEBZE,PINK,5\n\
                GEBZE,GREY,4\n\
                BESIKTAS,PINK,7\n\
                GEBZE,PINK,7\n\
                GEBZE,GREY,4.0\n\
                GEBZE,PINK,5\n";
    let (code, printed, said) = import(&shop, text).await;
    assert_eq!((code, printed.as_str()), (1, "6 lines read: 2 counts set, 1 unchanged, 3 refused"), "{said:?}");
    let remedy = "write one line of them, with the units of all";
    assert_eq!(
        said,
        [
            format!("line 2: PINK at GEBZE is 5 here, and 7 on line 5: {remedy}"),
            format!("line 5: PINK at GEBZE is 7 here, and 5 on line 2, 5 on line 7: {remedy}"),
            format!("line 7: PINK at GEBZE is 5 here, and 7 on line 5: {remedy}"),
        ]
    );
    let left = [
        shop.stock("GEBZE", "PINK").await.0,
        shop.stock("GEBZE", "GREY").await.0,
        shop.stock("BESIKTAS", "PINK").await.0,
    ];
    assert_eq!(left, [0, 4, 7]);
    // However many lines are between them.
    let between: Vec<String> = (0..6_000).map(|number| format!("GEBZE,N{number},1")).collect();
    let between = between.join("\n");
    let (_, printed, said) =
        import(&shop, &format!("erp_code,sku,quantity\nGEBZE,LAST,1\n{between}\nGEBZE,LAST,2\n")).await;
    assert_eq!(printed, "6002 lines read: 6000 counts set, 0 unchanged, 2 refused");
    assert!(said[0].contains("2 on line 6003") && said[1].contains("1 on line 2:"), "{said:?}");
    // Counts that say when they were taken follow each other: the last one counts.
    let text = "erp_code,sku,quantity,counted_at\n\
                GEBZE,RED,3,2026-03-02 10:00\nGEBZE,RED,9,2026-03-02 09:00\n\
                GEBZE,BLUE,1,2026-03-02 10:00\nGEBZE,BLUE,2,2026-03-02T10:00:00Z\n\
                GEBZE,GREEN,1,2026-03-02 10:00\nGEBZE,GREEN,2,\n";
    let (_, printed, said) = import(&shop, text).await;
    assert_eq!(printed, "6 lines read: 1 counts set, 1 unchanged, 4 refused", "{said:?}");
    assert_eq!(shop.stock("GEBZE", "RED").await.0, 3);
    shop.finish().await;
}

#[tokio::test]
async fn what_a_spreadsheet_shortened_is_no_sku() {
    let shop = Shop::open().await;
    let text = "erp_code;sku;quantity\nGEBZE;8.69E+12;5\nGEBZE;8,69E+12;6\nGEBZE;1E5;7\n9E+11;PINK;7\n";
    let (code, printed, said) = import(&shop, text).await;
    assert_eq!((code, printed.as_str()), (1, "4 lines read: 1 counts set, 0 unchanged, 3 refused"));
    assert!(said[0].starts_with("line 2: sku: 8.69E+12 is what a spreadsheet made of a number"), "{said:?}");
    assert!(said[1].starts_with("line 3: sku: ") && said[2].starts_with("line 5: erp_code: "), "{said:?}");
    assert_eq!(shop.stock("GEBZE", "1E5").await.0, 7);
    shop.finish().await;
}

#[tokio::test]
async fn an_import_of_stock_that_stops_says_what_was_set_until_then() {
    let shop = Shop::open().await;
    shop.execute(
        "create function stop() returns trigger language plpgsql as $$ begin raise exception 'no more'; end $$;
         create trigger house_stop before insert on stocks for each row when (new.sku = 'STOP') execute function stop()",
    )
    .await;
    let rows: Vec<String> = (0..5_000).map(|number| format!("GEBZE,N{number},1")).collect();
    let text = format!("erp_code,sku,quantity\nGEBZE,STOP,1\n{}\n", rows.join("\n"));
    let (code, printed, said) = import(&shop, &text).await;
    assert_eq!((code, printed.as_str()), (1, ""));
    let why = "5000 counts were set until then, the others were not; the same file can be imported again";
    assert!(said.concat().contains(why), "{said:?}");
    shop.execute("drop trigger house_stop on stocks; drop function stop").await;
    assert_eq!(import(&shop, &text).await.1, "5001 lines read: 1 counts set, 5000 unchanged, 0 refused");
    shop.finish().await;
}
