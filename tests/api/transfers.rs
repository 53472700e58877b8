//! Transfers: packages whose items are brought together at one location.

mod commands;
mod ending;
mod guarantees;
mod lists;
mod matrix;
mod not_found;
mod planning;
mod play;
mod proof;
mod races;
mod scenarios;

use crate::support::{SHOP, STANDARD, Shop, TRANSFERS};

/// A shop that brings the orders of one channel together: KADIKOY has 100 each of RED, BLUE and GREEN, GEBZE 10 of FAR,
/// BESIKTAS 10 of NEAR.
pub async fn open() -> Shop {
    let shop = Shop::open().await;
    shop.install(&[STANDARD, SHOP, TRANSFERS]).await;
    shop.count("GEBZE", "FAR", 10).await;
    shop.count("BESIKTAS", "NEAR", 10).await;
    shop
}
