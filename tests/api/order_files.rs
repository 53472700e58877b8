//! `oms orders import --format …`: order exports of shops.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{SHOP, STANDARD, Shop};

const SHOPIFY: &str = include_str!("../fixtures/orders/shopify.csv");
const WOOCOMMERCE: &str = include_str!("../fixtures/orders/woocommerce.csv");

/// Files on a disk.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn with(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    }

    /// Imports a file of these bytes: the code, what is printed and what is said.
    async fn import(&self, shop: &Shop, bytes: impl AsRef<[u8]>, options: &[&str]) -> (i32, String, Vec<String>) {
        let path = self.with("orders.csv", bytes);
        let (code, printed, said) = shop.oms(&[&["orders", "import", &path], options].concat()).await;
        let told = said.lines().filter(|line| !line.contains('%')).map(str::to_owned).collect();
        (code, printed.trim().to_owned(), told)
    }
}

async fn order(shop: &Shop, number: &str) -> Value {
    let page = shop.get(&format!("/api/v1/oms/orders/?number={number}")).await.ok();
    assert_eq!(page["count"], 1, "{number}");
    page["results"][0].clone()
}

async fn lines(shop: &Shop, number: &str) -> Vec<(String, i64)> {
    let all: Vec<(String, String, i64)> = shop
        .rows("select o.number, i.sku, i.quantity from orders o join order_items i on i.order_id = o.id order by i.position")
        .await;
    all.into_iter().filter(|(of, ..)| of == number).map(|(_, sku, units)| (sku, units)).collect()
}

#[tokio::test]
async fn the_orders_of_a_shopify_export_are_taken_with_their_lines_names_and_addresses() {
    let (shop, files) = (Shop::open().await, Files::new());
    let (code, printed, said) = files.import(&shop, SHOPIFY, &["--format", "shopify"]).await;
    let all = "4 orders in 6 rows read: 2 orders taken, 0 known already, 2 with nothing to pack, 0 refused";
    assert_eq!((code, printed.as_str()), (0, all));
    assert_eq!(said, ["line 6: left out: it is fulfilled", "line 7: left out: it is cancelled"]);
    let taken = order(&shop, "1003").await;
    assert_eq!(taken["date_placed"], "2026-03-01T21:30:09Z");
    assert_eq!((&taken["amount"], &taken["currency"]), (&json!("120.00"), &json!("try")));
    assert_eq!(
        taken["customer"],
        json!({ "first_name": "Elif Naz", "last_name": "Işık", "email": "elif@example.com", "phone_number": "+905550000001" })
    );
    assert_eq!(
        taken["shipping_address"],
        json!({ "first_name": "Elif Naz", "last_name": "Işık", "line": "Işık Ltd, Bağdat Caddesi 12, Daire 4",
                "district": "İstanbul", "city": { "name": "Istanbul" }, "postcode": "01330",
                "country": { "code": "TR", "name": "TR" }, "phone_number": "+905550000001" }),
        "a postcode keeps its zero"
    );
    assert_eq!(taken["channel"]["name"], "shopify");
    // What needs no shipping is not packed.
    assert_eq!(lines(&shop, "1003").await, [("RED".to_owned(), 2), ("BLUE".to_owned(), 1)]);
    // Cash on delivery is not paid yet; its delivery address is that of the bill.
    assert_eq!(order(&shop, "1000").await["shipping_address"]["line"], "Moda 3");

    let (code, printed, _) = files.import(&shop, SHOPIFY, &["--format", "shopify"]).await;
    let all = "4 orders in 6 rows read: 0 orders taken, 2 known already, 2 with nothing to pack, 0 refused";
    assert_eq!((code, printed.as_str()), (0, all));
    shop.finish().await;
}

#[tokio::test]
async fn the_orders_of_woocommerce_exports_are_taken_with_a_row_an_order_or_a_row_an_item() {
    let (shop, files) = (Shop::open().await, Files::new());
    let istanbul = ["--format", "woocommerce", "--tz", "Europe/Istanbul"];
    let (code, printed, said) = files.import(&shop, WOOCOMMERCE, &istanbul).await;
    let all = "2 orders in 2 rows read: 1 orders taken, 0 known already, 1 with nothing to pack, 0 refused";
    assert_eq!((code, printed.as_str()), (0, all));
    assert_eq!(said, ["line 3: left out: its status is on-hold"]);
    let taken = order(&shop, "W501").await;
    assert_eq!(taken["date_placed"], "2026-03-01T21:30:09Z", "WooCommerce writes the shop's own time");
    assert_eq!(
        (&taken["customer"]["last_name"], &taken["shipping_address"]["line"]),
        (&json!("Yılmaz"), &json!("Moda Caddesi 1"))
    );
    // Of three mugs one was given back.
    assert_eq!(lines(&shop, "W501").await, [("RED".to_owned(), 2), ("BLUE".to_owned(), 1)]);

    // Other plugins: a cell an item, and a row an item where the order's cells are filled once.
    let cells = "order_number,order_date,status,shipping_first_name,shipping_address_1,line_item_1,line_item_2\n\
                 W601,2026-03-02 10:00:00,wc-processing,Ada,Moda 1,name:Mug|product_id:9|sku:RED|quantity:1|total:9.00,\
                 name:Plate|sku:BLUE|quantity:1|total:9.00\n";
    let rows = "Order Number,Order Status,Order Date,First Name (Shipping),Address 1&2 (Shipping),SKU,Item Name,Quantity (- Refund),Item Cost\n\
                W602,Processing,2026-03-02 10:00,Ada,Moda 1,RED,Mug,1,9.00\n,,,,,BLUE,Plate,1,9.00\n";
    for (file, number, count) in [(cells, "W601", 1), (rows, "W602", 2)] {
        let (code, printed, said) = files.import(&shop, file, &istanbul).await;
        let taken = format!("1 orders in {count} rows read: 1 orders taken");
        assert_eq!((code, printed.split(',').next()), (0, Some(taken.as_str())), "{said:?}");
        assert_eq!(lines(&shop, number).await, [("RED".to_owned(), 1), ("BLUE".to_owned(), 1)]);
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_file_of_ones_own_is_taken_by_a_mapping_in_the_encoding_it_has() {
    let istanbul = ["time_zone = \"Europe/Istanbul\"\n", STANDARD, SHOP];
    let (shop, files) = (Shop::installed(&istanbul, false).await, Files::new());
    let mapping = files.with(
        "mapping.toml",
        "date_format = \"%d.%m.%Y %H:%M\"\n[columns]\nnumber = \"Sipariş No\"\ndate_placed = \"TARİH\"\nsku = [\"Barkod\", \"Stok Kodu\"]\n\
         quantity = \"Adet\"\nprice = \"Birim Fiyat\"\n\"customer.name\" = \"Müşteri\"\n\"shipping_address.line\" = \"Adres\"\n\
         \"shipping_address.city\" = \"Şehir\"\n[values]\ncurrency = \"try\"\n\"channel.name\" = \"web\"\n",
    );
    let text = |number: &str| {
        format!(
            "SİPARİŞ NO;Tarih;Stok Kodu;Adet;Birim Fiyat;Müşteri;Adres;şehir\r\n\
             {number};02.03.2026 00:30;RED;1,0;1.234,50;Şule Işık;Gül Sokağı 1;İZMİR\r\n;;BLUE;2;19,9;;;\r\n"
        )
    };
    let (turkish, _, _) = encoding_rs::WINDOWS_1254.encode(Box::leak(text("3").into_boxed_str()));
    let utf16 = text("2").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (number, bytes, more) in [
        ("1", format!("\u{feff}{}", text("1")).into_bytes(), &[][..]),
        ("2", [&[0xff, 0xfe][..], &utf16].concat(), &[]),
        ("3", turkish.into_owned(), &["--encoding", "cp1254"]),
    ] {
        let options = [&["--format", "csv", "--mapping", &mapping], more].concat();
        let (code, printed, said) = files.import(&shop, bytes, &options).await;
        assert_eq!(
            (code, printed.split(',').next()),
            (0, Some("1 orders in 2 rows read: 1 orders taken")),
            "{number}: {said:?}"
        );
        let taken = order(&shop, number).await;
        assert_eq!(taken["date_placed"], "2026-03-01T21:30:00Z");
        assert_eq!(taken["customer"], json!({ "first_name": "Şule", "last_name": "Işık" }));
        assert_eq!(taken["shipping_address"]["city"]["name"], "İZMİR");
    }
    let prices: Vec<(String,)> = shop.rows("select distinct price::text from order_items order by 1").await;
    assert_eq!(prices, [("1234.50".to_owned(),), ("19.90".to_owned(),)]);
    let package = shop.get("/api/v1/oms/packages/short/?order__customer__last_name=isik&limit=1").await.ok();
    assert_ne!(package["count"], 0);
    shop.finish().await;
}

#[tokio::test]
async fn a_number_of_another_channel_is_another_order_of_a_file() {
    let (shop, files) = (Shop::open().await, Files::new());
    let rows = b"number,channel.name,date_placed,sku\n\
                 1,web,2026-03-01,RED\n\
                 1,shop,2026-03-01,BLUE\n\
                 ,,,GREEN\n\
                 2,web,2026-03-01,RED\n\
                 1,telephone,2026-03-01,RED\n";
    let (code, printed, said) = files.import(&shop, rows, &["--format", "csv"]).await;
    let all = "4 orders in 5 rows read: 4 orders taken, 0 known already, 0 with nothing to pack, 0 refused";
    assert_eq!((code, printed.as_str()), (0, all), "{said:#?}");
    let lines: Vec<(String, String, i64)> = shop
        .rows(
            "select o.number, o.channel_name, count(i.id) from orders o join order_items i on i.order_id = o.id
              group by o.id order by o.id",
        )
        .await;
    let lines: Vec<_> =
        lines.iter().map(|(number, channel, lines)| (number.as_str(), channel.as_str(), *lines)).collect();
    assert_eq!(lines, [("1", "web", 1), ("1", "shop", 2), ("2", "web", 1), ("1", "telephone", 1)]);
    shop.finish().await;
}

#[tokio::test]
async fn a_bad_line_costs_its_order_and_is_told_with_its_number() {
    let (shop, files) = (Shop::open().await, Files::new());
    let rows = b"number,date_placed,sku,quantity,notes\n\
                 1,2026-03-01,RED,1,\"two\nlines\"\n\
                 1,,BLUE,many,\n\
                 \n\
                 2,2026-03-01,RED,1,\n\
                 3,yesterday,RED,1,\n\
                 4,2026-03-01,RED,,\n\
                 5,2026-03-01,RED,1,\xde\n\
                 2,2026-03-01,BLUE,1,\n\
                 6,2026-03-01,,1,\n\
                 7,2026-03-01,RED,1,\n";
    let (code, printed, said) = files.import(&shop, rows, &["--format", "csv"]).await;
    let all = "8 orders in 9 rows read: 2 orders taken, 0 known already, 0 with nothing to pack, 6 refused";
    assert_eq!((code, printed.as_str()), (1, all));
    let told: Vec<(&str, &str)> = said.iter().filter_map(|line| line.strip_prefix("line ")?.split_once(": ")).collect();
    let numbers: Vec<&str> = told.iter().map(|(line, _)| *line).collect();
    assert_eq!(numbers, ["4", "7", "8", "9", "10", "11"], "{said:#?}");
    for ((line, why), expected) in told.iter().zip([
        "orderitem_set: Item 2: quantity: ",
        "date_placed: ",
        "orderitem_set: Item 1: quantity: ",
        "its letters are not written as the file says",
        "rows of order 2 are on line 6 already: sort the file",
        "orderitem_set: Item 1: product.sku: ",
    ]) {
        assert!(why.starts_with(expected), "line {line}: {why}");
    }
    let taken: Vec<(String,)> = shop.rows("select number from orders order by 1").await;
    assert_eq!(taken, [("2".to_owned(),), ("7".to_owned(),)]);
    shop.finish().await;
}

#[tokio::test]
async fn a_file_or_a_mapping_that_cannot_be_read_is_refused_with_the_remedy() {
    let (shop, files) = (Shop::open().await, Files::new());
    let good = "number,date_placed,sku\n1,2026-03-01,RED\n";
    for (text, options, expected) in [
        ("number,date,sku\n", vec!["--format", "csv"], "no column for `date_placed`: write date_placed"),
        (
            "Nme,Created at,Lineitem sku\n",
            vec!["--format", "shopify"],
            "no column for `number`: write name (is it `nme`?)",
        ),
        ("order_number,date\n", vec!["--format", "woocommerce"], "no column for `sku`: write item_sku or sku"),
        (good, vec!["--tz", "UTC"], "say which by --format shopify, woocommerce or csv"),
        (good, vec!["--format", "csv", "--tz", "Istanbul"], "there is no such time zone"),
        (
            good,
            vec!["--format", "csv", "--mapping", "[columns]\nnumbr = \"x\""],
            "columns.numbr: there is no such field",
        ),
        (good, vec!["--format", "csv", "--mapping", "[column]\nnumber = \"x\""], "unknown field `column`"),
    ] {
        let mapping = files.with("mapping.toml", options.last().expect("options"));
        let options: Vec<&str> =
            options.iter().map(|option| if option.starts_with('[') { mapping.as_str() } else { option }).collect();
        let (code, _, said) = shop.changes_nothing(files.import(&shop, text, &options)).await;
        assert!(code != 0 && said.iter().any(|line| line.contains(expected)), "{options:?}: {said:#?}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_row_with_more_cells_than_the_first_line_is_refused_by_every_file() {
    let shop = Shop::open().await;
    let file = |text: &str| {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        file
    };
    let stock = file("erp_code,sku,quantity\nGEBZE,PINK,1,500\nGEBZE,GREY,2,\n");
    let (code, _, said) = shop.oms(&["stock", "import", stock.path().to_str().expect("UTF-8")]).await;
    assert_ne!(code, 0);
    assert!(said.contains("it has 4 cells, and the first line 3"), "{said}");
    assert_eq!((shop.stock("GEBZE", "PINK").await.0, shop.stock("GEBZE", "GREY").await.0), (0, 2));
    let orders = file("number,date_placed,sku,quantity,price\nJ1,2026-03-01,RED,1,10,50\nJ2,2026-03-01,RED,1,10\n");
    let path = orders.path().to_str().expect("UTF-8");
    let (code, _, said) = shop.oms(&["orders", "import", path, "--format", "csv"]).await;
    assert_ne!(code, 0);
    assert!(said.contains("it has 6 cells, and the first line 5"), "{said}");
    let numbers: Vec<(String,)> = shop.rows("select number from orders").await;
    assert_eq!(numbers, [("J2".to_owned(),)]);
    shop.finish().await;
}

#[tokio::test]
async fn a_quotation_mark_that_is_not_closed_loses_no_row_of_an_order_file() {
    let (shop, files) = (Shop::open().await, Files::new());
    let header = "number,date_placed,sku,name,notes\n";
    for (turn, bad, why) in [
        // Marks of a later row; a letter in the same cell; letters that look like closing marks, in a later row's same column.
        ('a', vec!["\"Mug,"], "its cell 4 begins on line 5 with a quotation mark and has another in its text"),
        (
            'b',
            vec!["Mug,\"call first"],
            "its cell 5 begins on line 5 with a quotation mark and has another in its text",
        ),
        ('c', vec!["\"12\" mug,"], "its cell 4 begins on line 5 with a quotation mark and has another in its text"),
        ('d', vec!["\"Mug,", "Mug 12\","], "its cell 4 begins with a quotation mark that another one closes on line 6"),
        (
            'e',
            vec!["\"Mug,", "Cup,", "12\","],
            "its cell 4 begins with a quotation mark that another one closes on line 7",
        ),
    ] {
        let row = |number: usize, cells: &str| format!("{turn}{number},2026-03-01,RED,{cells}\n");
        let bad: Vec<String> = (3..).zip(&bad).map(|(number, cells)| row(number, cells)).collect();
        let good = [row(1, "Mug,"), row(2, "\"Mug, 12\"\"\",\"two\r\nlines\"")].concat();
        let after = [row(8, "\"Plate, red\","), row(9, "Mug,")].concat();
        let text = [header, &good, &bad.concat(), &after].concat();
        let (code, printed, said) = files.import(&shop, text, &["--format", "csv"]).await;
        let orders = 4 + bad.len();
        let summary = format!(
            "{orders} orders in {orders} rows read: {} orders taken, 0 known already, 0 with nothing to pack, 1 refused",
            orders - 1
        );
        assert_eq!((code, printed), (1, summary), "{bad:?}: {said:#?}");
        assert!(said.len() == 1 && said[0].starts_with(&format!("line 5: {why}")), "{bad:?}: {said:#?}");
        assert_eq!(order(&shop, &format!("{turn}2")).await["notes"], "two\r\nlines");
        assert_eq!(lines(&shop, &format!("{turn}9")).await, [("RED".to_owned(), 1)]);
    }
    // One that nothing closes, up to the end.
    let text = format!("{header}x1,2026-03-01,RED,\"Mug,\nx2,2026-03-01,RED,Mug,\nx3,2026-03-01,RED,Mug,\n");
    let (_, printed, said) = files.import(&shop, text, &["--format", "csv"]).await;
    assert_eq!(printed, "3 orders in 3 rows read: 2 orders taken, 0 known already, 0 with nothing to pack, 1 refused");
    assert!(
        said[0].starts_with("line 2: its cell 4 begins on line 2 with a quotation mark that is not closed"),
        "{said:#?}"
    );
    shop.finish().await;
}

#[tokio::test]
async fn no_order_is_taken_without_a_row_that_cannot_be_read() {
    let (shop, files) = (Shop::open().await, Files::new());
    let rows = b"date_placed,number,sku,quantity\n\
                 2026-03-01,1,RED,1\n\
                 2026-03-01,1,\"BLUE,1\n\
                 2026-03-01,1,GREEN,1\n\
                 2026-03-01,2,\xde,1\n\
                 2026-03-01,2,RED,1\n\
                 2026-03-01,3,RED,1\n\
                 2026-03-01,4,RED,1\n\
                 \"2026-03-01,5,BLUE,1\n\
                 2026-03-01,5,RED,1\n\
                 2026-03-01,6,RED,1\n";
    let (code, printed, said) = files.import(&shop, rows, &["--format", "csv"]).await;
    let summary = "6 orders in 10 rows read: 2 orders taken, 0 known already, 0 with nothing to pack, 4 refused";
    assert_eq!((code, printed.as_str()), (1, summary), "{said:#?}");
    let told: Vec<&str> = said.iter().filter_map(|line| line.strip_prefix("line ")?.split(':').next()).collect();
    assert_eq!(told, ["3", "5", "9", "10"], "{said:#?}");
    assert!(said[3].contains("the row of line 9, which cannot be read, may be one of this order"), "{said:#?}");
    let taken: Vec<(String,)> = shop.rows("select number from orders order by 1").await;
    assert_eq!(taken, [("3".to_owned(),), ("6".to_owned(),)]);
    shop.finish().await;
}

#[tokio::test]
async fn a_column_of_a_file_of_orders_is_read_or_told_and_never_chosen_in_silence() {
    let (shop, files) = (Shop::open().await, Files::new());
    let mapping =
        "[columns]\nnumber = \"Sipariş No\"\ndate_placed = \"Tarih\"\nsku = \"Stok Kodu\"\nquantity = \"Adet\"\n";
    for (header, options, mapping, why) in [
        ("number,date_placed,sku,qty", "csv", "", "`qty`, the 4., that is not known: did you mean `quantity`?"),
        ("number,date_placed,sku,shipping_adress.city", "csv", "", "did you mean `shipping_address.city`?"),
        (
            "number,date_placed,sku,colour of the box",
            "csv",
            "",
            "or say which column is which field in a file for --mapping",
        ),
        ("number,date_placed,sku,SKU", "csv", "", "names the column `sku` more than once, as columns 3 and 4"),
        (
            "Name,Created at,Lineitem sku,Lineitem qty",
            "shopify",
            "",
            "no column for `quantity`: write lineitem_quantity",
        ),
        (
            "Name,Created at,Lineitem sku,Lineitem quantity,Name",
            "shopify",
            "",
            "`name` more than once, as columns 1 and 5",
        ),
        ("order_number,order_date,item_sku", "woocommerce", "", "no column for `quantity`: write item_quantity"),
        ("order_number,order_date,line_items,Line Items", "woocommerce", "", "`line_items` more than once"),
        (
            "Sipariş No,Tarih,Stok Kodu,Adett",
            "csv",
            mapping,
            "has no column adet, which the mapping says is `quantity` (is it `adett`?)",
        ),
        ("Sipariş No,Tarih,Stok Kodu,Adet,Adet", "csv", mapping, "`adet` more than once, as columns 4 and 5"),
        ("Sipariş No,Tarih,Stok Kodu,Adet,Note", "csv", mapping, "if it is `notes`, say so in `[columns]`"),
    ] {
        let mut arguments = vec!["--format", options];
        let path = files.with("mapping.toml", mapping);
        if !mapping.is_empty() {
            arguments.extend(["--mapping", &path]);
        }
        let text = format!("{header}\n1,2026-03-01,RED,5,6\n");
        let (code, printed, said) = shop.changes_nothing(files.import(&shop, text, &arguments)).await;
        assert!(code == 1 && printed.is_empty() && said.join(" ").contains(why), "{header}: {said:#?}");
    }
    // What somebody else's file has besides is passed over and told; what is called as a field, too, if the mapping says so.
    let path = files.with("mapping.toml", format!("ignored = [\"Note\"]\n{mapping}"));
    let text = "Sipariş No,Tarih,Stok Kodu,Adet,Kargo Günü,Note\n1,2026-03-01,RED,5,Salı,x\n";
    let (code, _, said) = files.import(&shop, text, &["--format", "csv", "--mapping", &path]).await;
    assert_eq!((code, said), (0, vec!["columns that are not read: kargo_günü, note".to_owned()]));
    assert_eq!(lines(&shop, "1").await, [("RED".to_owned(), 5)]);
    assert_eq!(order(&shop, "1").await["notes"], Value::Null);
    // Of the many columns of a shop's export those that nobody reads may stand there twice.
    let text = "Name,Created at,Lineitem sku,Lineitem quantity,Tags,Tags\n#2,2026-03-01,RED,1,a,b\n";
    let (code, _, said) = files.import(&shop, text, &["--format", "shopify"]).await;
    assert_eq!((code, said.len()), (0, 0), "{said:#?}");
    shop.finish().await;
}

#[tokio::test]
async fn a_number_that_may_be_a_thousand_or_one_is_refused_in_every_column() {
    let (shop, files) = (Shop::open().await, Files::new());
    let header = "number,date_placed,sku,quantity,price,discount_amount,amount,tax_rate,currency\n";
    let taken = [
        ("A1", "2.000,50", "2000.50"),
        ("A2", "2,000.50", "2000.50"),
        ("A3", "1.500.000", "1500000.00"),
        ("A4", "1500.125", "1500.1250"),
        ("A5", "0.125", "0.1250"),
    ];
    let rows: Vec<String> = taken
        .iter()
        .map(|(number, price, _)| format!("{number},2026-03-01,RED,\"2,00\",\"{price}\",\"1,5\",1,8.875,try"))
        .collect();
    let (code, _, said) = files.import(&shop, format!("{header}{}\n", rows.join("\n")), &["--format", "csv"]).await;
    assert_eq!(code, 0, "{said:#?}");
    for (number, written, price) in taken {
        let kept: Vec<(String, i64, String)> = shop
            .rows("select o.number, i.quantity, i.price::text from order_items i join orders o on o.id = i.order_id")
            .await;
        let kept = kept.into_iter().find(|(of, ..)| of == number).expect("an item");
        let digits = |text: &str| text.trim_end_matches('0').to_owned();
        assert_eq!((kept.1, digits(&kept.2)), (2, digits(price)), "{written}");
    }
    // Three digits after the only mark: of money too, but where it is divided into a thousand, and in no rate.
    for (column, row) in [
        ("quantity", "1.000,5,1,1,20,try"),
        ("quantity", "\"1,000\",5,1,1,20,try"),
        ("price", "1,1.500,1,1,20,try"),
        ("price", "1,\"12,500\",1,1,20,"),
        ("discount_amount", "1,5,1.000,1,20,try"),
        ("amount", "1,5,1,1.000,20,try"),
        ("price", "1,1.5E+06,1,1,20,try"),
    ] {
        let text = format!("{header}B1,2026-03-01,RED,{row}\n");
        let (code, _, said) = shop.changes_nothing(files.import(&shop, text, &["--format", "csv"])).await;
        assert!(code == 1 && said[0].starts_with(&format!("line 2: {column}: ")), "{row}: {said:#?}");
    }
    let text = format!("{header}K1,2026-03-01,RED,1,1.500,0.500,1.500,20,KWD\n");
    assert_eq!(files.import(&shop, text, &["--format", "csv"]).await.0, 0);
    assert_eq!(order(&shop, "K1").await["amount"], "1.500");
    // In a cell that has lines of its own, too.
    for cell in ["id:1|name:Mug|sku:RED|quantity:1.000|price:5", "id:1|name:Mug|sku:RED|quantity:3|refunded_qty:-1.000"]
    {
        let text = format!("order_number,order_date,line_items\nW1,2026-03-01,{cell}\n");
        let (code, _, said) = shop.changes_nothing(files.import(&shop, text, &["--format", "woocommerce"])).await;
        assert!(code == 1 && said[0].contains("write 1000 or 1.00") || said[0].contains("write -1000"), "{said:#?}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_year_of_two_digits_in_a_file_is_refused_with_its_line() {
    let (shop, files) = (Shop::open().await, Files::new());
    let mapping = files.with("mapping.toml", "date_format = \"%d.%m.%Y\"\n");
    let short = files.with("short.toml", "date_format = \"%d.%m.%y\"\n");
    for (date, options) in [
        ("0026-11-28", vec![]),
        ("26-11-28", vec![]),
        ("28.11.26", vec![]),
        ("28.11.26", vec!["--mapping", &mapping]),
        ("28.11.0026", vec!["--mapping", &mapping]),
    ] {
        let text = format!("number,date_placed,sku\n1,{date},RED\n");
        let options = [vec!["--format", "csv"], options].concat();
        let (code, _, said) = shop.changes_nothing(files.import(&shop, text, &options)).await;
        assert!(code == 1 && said[0].starts_with("line 2: date_placed: "), "{date}: {said:#?}");
        let is_named = said[0].contains("The year 0026 is before 1900.");
        assert_eq!(is_named, date.contains("0026") || options.contains(&mapping.as_str()), "{date}: {said:#?}");
    }
    // A mapping says what a year of two digits means.
    let options = ["--format", "csv", "--mapping", &short];
    assert_eq!(files.import(&shop, "number,date_placed,sku\n1,28.11.26,RED\n", &options).await.0, 0);
    assert_eq!(order(&shop, "1").await["date_placed"], "2026-11-28T00:00:00Z");
    shop.finish().await;
}

#[tokio::test]
async fn what_a_spreadsheet_shortened_names_nothing_in_an_order() {
    let (shop, files) = (Shop::open().await, Files::new());
    let header = "number,date_placed,sku,barcode,customer.phone_number,quantity\n";
    for (cells, field) in [
        ("8.69E+12,2026-03-01,RED,1,2,1", "number"),
        ("1,2026-03-01,8.69E+12,1,2,1", "sku"),
        ("1,2026-03-01,RED,\"8,69054E+12\",2,1", "barcode"),
        ("1,2026-03-01,RED,1,9.05E+11,1", "customer.phone_number"),
    ] {
        let text = format!("{header}{cells}\n");
        let (code, _, said) = shop.changes_nothing(files.import(&shop, text, &["--format", "csv"])).await;
        assert!(code == 1 && said[0].starts_with(&format!("line 2: {field}: ")), "{cells}: {said:#?}");
        assert!(said[0].contains("is what a spreadsheet made of a number"), "{said:#?}");
    }
    let text = "order_number,order_date,line_items\nW1,2026-03-01,id:1|name:Mug|sku:8.69E+12|quantity:1\n";
    let (_, _, said) = shop.changes_nothing(files.import(&shop, text, &["--format", "woocommerce"])).await;
    assert!(said[0].starts_with("line 2: sku: 8.69E+12"), "{said:#?}");
    shop.finish().await;
}

#[tokio::test]
async fn an_order_goes_where_its_file_says_however_little_that_is() {
    let (shop, files) = (Shop::open().await, Files::new());
    let header = "number,date_placed,sku,shipping_address.city,shipping_address.postcode,shipping_address.name,\
                  billing_address.line,billing_address.city,billing_address.country\n";
    for (number, cells, address) in [
        ("1", "İzmir,,,Moda 1,İstanbul,TR", json!({ "city": { "name": "İzmir" } })),
        ("2", ",35000,,Moda 1,İstanbul,TR", json!({ "postcode": "35000" })),
        ("3", ",,Ada Lovelace,Moda 1,İstanbul,TR", json!({ "first_name": "Ada", "last_name": "Lovelace" })),
        (
            "4",
            ",,,Moda 1,İstanbul,TR",
            json!({ "line": "Moda 1", "city": { "name": "İstanbul" }, "country": { "code": "TR", "name": "TR" } }),
        ),
    ] {
        let text = format!("{header}{number},2026-03-01,RED,{cells}\n");
        let (code, _, said) = files.import(&shop, text, &["--format", "csv"]).await;
        assert_eq!(code, 0, "{said:#?}");
        let taken = order(&shop, number).await;
        assert_eq!(taken["shipping_address"], address, "{cells}");
        assert_eq!(taken["billing_address"]["city"]["name"], "İstanbul");
    }
    // What holds for all orders is no part of what this one says.
    let mapping = files.with("mapping.toml", "[values]\n\"shipping_address.country\" = \"TR\"\n");
    for (number, cells, city, country) in
        [("5", ",,,Moda 1,Köln,DE", "Köln", "DE"), ("6", "İzmir,,,Moda 1,Köln,DE", "İzmir", "TR")]
    {
        let text = format!("{header}{number},2026-03-01,RED,{cells}\n");
        assert_eq!(files.import(&shop, text, &["--format", "csv", "--mapping", &mapping]).await.0, 0);
        let address = order(&shop, number).await["shipping_address"].clone();
        assert_eq!((&address["city"]["name"], &address["country"]["code"]), (&json!(city), &json!(country)), "{cells}");
    }
    shop.finish().await;
}

#[tokio::test]
async fn an_order_that_the_database_cannot_keep_costs_no_other_of_a_file() {
    let (shop, files) = (Shop::open().await, Files::new());
    // A rule of this shop's own database: no two orders with one note.
    shop.execute("create unique index orders_house_rule on orders (notes)").await;
    let long = "8".repeat(4_000);
    let text = format!(
        "number,date_placed,sku,barcode,notes\n1,2026-03-01,RED,,a\n2,2026-03-01,RED,,a\n3,2026-03-01,{long},,b\n\
         4,2026-03-01,RED,{long},c\n5,2026-03-01,RED,1,d\n"
    );
    let (code, printed, said) = files.import(&shop, text, &["--format", "csv"]).await;
    let all = "5 orders in 5 rows read: 2 orders taken, 0 known already, 0 with nothing to pack, 3 refused";
    assert_eq!((code, printed.as_str()), (1, all), "{said:#?}");
    assert!(said[0].starts_with("line 3: ") && said[0].contains("orders_house_rule"), "{said:#?}");
    assert!(said[1].contains("no more than 255") && said[2].contains("no more than 255"), "{said:#?}");
    shop.execute("drop index orders_house_rule").await;
    shop.finish().await;
}

#[tokio::test]
async fn an_import_of_orders_that_stops_says_what_was_read_until_then() {
    let (shop, files) = (Shop::open().await, Files::new());
    shop.execute(
        "create function stop() returns trigger language plpgsql as $$ begin raise exception 'no more'; end $$;
         create trigger house_stop before insert on orders for each row when (new.number = 'STOP') execute function stop()",
    )
    .await;
    let text = "number,date_placed,sku\n1,2026-03-01,RED\nSTOP,2026-03-01,RED\n3,2026-03-01,RED\n";
    let (code, printed, said) = files.import(&shop, text, &["--format", "csv"]).await;
    assert_eq!((code, printed.as_str()), (1, ""));
    let why = "1 were read until then (1 taken, 0 known already, 0 refused), the rest of the file was not";
    assert!(said.concat().contains(why), "{said:?}");
    shop.execute("drop trigger house_stop on orders; drop function stop").await;
    let (_, printed, _) = files.import(&shop, text, &["--format", "csv"]).await;
    assert_eq!(printed, "3 orders in 3 rows read: 2 orders taken, 1 known already, 0 with nothing to pack, 0 refused");
    shop.finish().await;
}
