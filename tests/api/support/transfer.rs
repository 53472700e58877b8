//! A transfer and the commands that move it.

use std::ops::Deref;

use super::{Package, Shop, moved::Moved};

/// A transfer by its id.
#[derive(Clone, Copy)]
pub struct Transfer<'s>(Moved<'s>);

impl<'s> Deref for Transfer<'s> {
    type Target = Moved<'s>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<'s> Transfer<'s> {
    pub fn new(shop: &'s Shop, id: i64) -> Self {
        Self(Moved::transfer(shop, id))
    }

    /// On its way and there.
    pub async fn bring(&self) {
        self.run("TRANSFER_DISPATCH").await.ok();
        self.run("TRANSFER_DELIVERED").await.ok();
    }

    // ── What is there ──────────────────────────────────────────────────────────────────────────

    /// Its state's word.
    pub async fn state(&self) -> String {
        self.shop
            .value("select s.enum_value from transfers t join states s on s.id = t.state_id where t.id = $1", self.id)
            .await
    }

    /// Ids of its items, in order.
    pub async fn item_ids(&self) -> Vec<i64> {
        self.column("select id from transfer_items where transfer_id = $1 order by id").await
    }

    /// `command: source -> destination` of each log row, in order; the creation as `created -> …`.
    pub async fn log(&self) -> Vec<String> {
        self.column(
            "select coalesce(n.command || ': ' || a.slug, 'created') || ' -> ' || b.slug
               from transfer_logs g left join transitions n on n.id = g.transition_id
               left join states a on a.id = g.source_state_id join states b on b.id = g.destination_state_id
              where g.transfer_id = $1 order by g.id",
        )
        .await
    }
}

impl<'s> Package<'s> {
    /// Its transfers, in the order of their numbers.
    pub async fn transfers(&self) -> Vec<Transfer<'s>> {
        let ids = self.column("select id from transfers where package_id = $1 order by id").await;
        ids.into_iter().map(|id| Transfer::new(self.shop, id)).collect()
    }

    /// Its only transfer.
    pub async fn only_transfer(&self) -> Transfer<'s> {
        let mut transfers = self.transfers().await;
        assert_eq!(transfers.len(), 1);
        transfers.remove(0)
    }
}
