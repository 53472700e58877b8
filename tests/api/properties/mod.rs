//! Random shops: a random installation and a day in it. The server's answers and the database are compared with a
//! small model of the rules.
//!
//! The same seeds every time. `PROPTEST_CASES=2000` plays more, `PROPTEST_RNG_SEED=7` others; a failure prints the
//! seed and the smallest case that fails.

mod effects;
mod growth;
mod input;
mod installing;
mod model;
mod ops;
mod planner;
mod play;
mod shapes;
mod spec;
mod toml;
mod transfer_ops;
mod vocabulary;
mod world;

use std::sync::Arc;

use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

use crate::support::Shop;

/// So many by default: the suite is to be run often.
const CASES: u32 = 16;
const MOST_OPS: usize = 64;
const SEED: u64 = 2024;

#[test]
fn a_random_shop_is_run_as_the_contract_says() {
    let chosen = Config::default();
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { chosen.cases } else { CASES };
    let rng_seed = match chosen.rng_seed {
        RngSeed::Random => RngSeed::Fixed(SEED),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    let config = Config { cases, rng_seed, max_shrink_time: 60_000, failure_persistence: None, ..chosen };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let result = TestRunner::new(config).run(&(shapes::specs(), ops::ops(MOST_OPS)), |(spec, ops)| {
        runtime.block_on(async {
            let shop = Arc::new(Shop::open().await);
            let played = {
                let shop = Arc::clone(&shop);
                tokio::spawn(async move { play::play(&shop, spec, &ops).await }).await
            };
            Arc::into_inner(shop).expect("nobody else").abandon().await;
            played.map_err(|panic| TestCaseError::fail(message(panic)))
        })
    });
    if let Err(failure) = result {
        panic!("PROPTEST_RNG_SEED={rng_seed}: {failure}");
    }
}

fn message(panic: tokio::task::JoinError) -> String {
    let payload = panic.into_panic();
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
