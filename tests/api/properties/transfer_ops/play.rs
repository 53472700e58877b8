//! Plays commands on transfers over HTTP.

use reqwest::Method;
use serde_json::json;

use super::{
    super::{ops::TransferOp, play::Player, world::World},
    Sent,
};
use crate::support::{Reply, send};

impl Player<'_> {
    pub async fn transfer_op(&mut self, op: &TransferOp) {
        let Some((sent, expected)) = self.model.expect_transfer_op(op) else { return };
        let key = op.twice.then(|| format!("key-{}", self.played));
        let is_done = expected.is_none() && !op.dry_run;
        let before = if is_done { None } else { Some(self.shop.dump().await) };
        let reply = self.send_transfer_op(op, &sent, key.as_deref()).await;
        match expected {
            Some((status, part)) => {
                assert_eq!(reply.status, status, "{sent:?}: {}", reply.text());
                assert!(reply.text().contains(&part), "{sent:?} {part}: {}", reply.text());
            }
            None if op.dry_run => {
                let body = reply.ok();
                let keys: Vec<&String> = body.as_object().expect("an object").keys().collect();
                assert_eq!(keys, ["status_code", "reply", "effects"]);
            }
            None => {
                let observed = World::read(self.shop.pool()).await;
                self.model.world = self.model.run_transfer_op(&sent, op, &observed);
                let transfer = &self.model.world.transfers[&sent.transfer];
                let answer = json!({ "transfer_id": sent.transfer, "transfer_number": transfer.number,
                                     "state": transfer.state });
                assert_eq!((reply.status, reply.text()), (200, answer.to_string().as_str()), "{sent:?}");
                self.same(&observed, &(op, &sent));
                self.model.world.missing = observed.missing;
            }
        }
        if let Some(before) = before {
            before.assert_same(&self.shop.dump().await);
        }
        if let Some(key) = key {
            let again = self.shop.changes_nothing(self.send_transfer_op(op, &sent, Some(&key))).await;
            assert_eq!((again.status, again.text()), (reply.status, reply.text()), "a repeat gets the same answer");
        }
    }

    async fn send_transfer_op(&self, op: &TransferOp, sent: &Sent, key: Option<&str>) -> Reply {
        let query = if op.dry_run { "?dry_run=true" } else { "" };
        let path = format!("/api/v1/oms/transfer_orders/{}/command/{query}", sent.transfer);
        let mut builder = self.shop.request_as(op.user, Method::POST, &path).json(&sent.body);
        if let Some(key) = key {
            builder = builder.header("Idempotency-Key", key);
        }
        send(builder).await
    }
}
