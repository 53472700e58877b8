//! Whoever is cut off in the middle of a statement leaves nothing behind for the next user of the connection.

use std::{pin::pin, task::Poll};

use oms::db::{self, PgPool};

use crate::support::Shop;

/// Polls so often, then drops. True if it was cut off before its end.
async fn cut_off_after<T>(polls: usize, work: impl Future<Output = T>) -> bool {
    let mut work = pin!(work);
    for poll in 0..polls {
        if poll > 0 {
            // What it waits for may come meanwhile.
            tokio::task::yield_now().await;
        }
        if std::future::poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await.is_ready() {
            return false;
        }
    }
    true
}

/// A transaction that writes and is never committed.
async fn begin_and_write(pool: &PgPool, statement: Option<&'static str>, kept: i64) -> sqlx::Result<()> {
    let mut transaction = match statement {
        Some(statement) => pool.begin_with(statement).await?,
        None => pool.begin().await?,
    };
    sqlx::query("insert into kept values (-$1)").bind(kept).execute(&mut *transaction).await?;
    let mut inner = transaction.begin().await?;
    sqlx::query("insert into kept values (-$1)").bind(kept).execute(&mut *inner).await?;
    inner.commit().await?;
    transaction.rollback().await
}

#[tokio::test]
async fn a_transaction_that_is_cut_off_anywhere_neither_stays_open_nor_writes() {
    let shop = Shop::open().await;
    shop.execute("create table kept (number bigint)").await;
    shop.execute("grant all on kept to public").await;
    // One connection, so that who comes next gets the same.
    let pool = db::connect_server(shop.server_pool().await.connect_options(), 1).await.expect("connect");
    let mut number = 0;
    for statement in [None, Some("begin; set local synchronous_commit = off"), Some("begin read only")] {
        // Ever later, until it comes to its end.
        for polls in (0..40).map(|doubled| 1_usize << doubled) {
            number += 1;
            let is_cut_off = cut_off_after(polls, begin_and_write(&pool, statement, number)).await;
            sqlx::query("insert into kept values ($1)").bind(number).execute(&pool).await.expect("it is not read only");
            let seen: i64 = shop.value("select count(*) from kept where number = $1", number).await;
            assert_eq!(seen, 1, "{statement:?} cut off after {polls} polls: what comes next is written, and at once");
            if !is_cut_off {
                break;
            }
        }
    }
    assert!(number > 3, "it was cut off");
    let left: i64 = shop.value("select count(*) from kept where number < $1", 0_i64).await;
    assert_eq!(left, 0, "what was cut off has written nothing");
    pool.close().await;
    shop.finish().await;
}
