//! Kits are in no package, so nothing moves them: their status follows from those of their parts.

use std::collections::{BTreeMap, HashMap};

use crate::{db::PgConnection, error::Result, orders::packing::Family};

/// A kit with what it was known as, and its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kit {
    /// Its line.
    pub order_item_id: i64,
    /// The upstream's key of it.
    pub omnitron_id: Option<i64>,
    /// The status that the upstream has, if it is a number.
    pub known: Option<i64>,
    /// The lines of its parts that are packed, each with the status that it had, if that is a number.
    parts: BTreeMap<i64, Option<i64>>,
}

impl Kit {
    /// True if a line is a part of it.
    pub(super) fn has(&self, order_item_id: i64) -> bool {
        self.parts.contains_key(&order_item_id)
    }

    /// The statuses of its parts, after those of these lines.
    pub(super) fn statuses(&self, of_lines: &HashMap<i64, i64>) -> impl Iterator<Item = Option<i64>> {
        self.parts.iter().map(|(part, known)| of_lines.get(part).copied().or(*known))
    }
}

/// The kits of orders.
pub(super) async fn read(connection: &mut PgConnection, orders: &[i64]) -> Result<Vec<Kit>> {
    let rows = sqlx::query!(
        r#"select oi.order_id, oi.id, oi.omnitron_id, oi.parent_omnitron_id as parent, s.enum_value as known,
                  n.reason as "reason?"
             from order_items oi
             join states s on s.id = oi.state_id
             left join lines_not_packed n on n.order_item_id = oi.id
            where oi.order_id in (select k.order_id
                                    from order_items k join lines_not_packed kn on kn.order_item_id = k.id
                                   where k.order_id = any($1) and kn.reason = 'kit')
            order by oi.order_id, oi.position"#,
        orders
    )
    .fetch_all(connection)
    .await?;
    let mut kits = Vec::new();
    for of_order in rows.chunk_by(|a, b| a.order_id == b.order_id) {
        let keys: Vec<(Option<i64>, Option<i64>)> = of_order.iter().map(|row| (row.omnitron_id, row.parent)).collect();
        let family = Family::of(&keys);
        let status = |at: usize| of_order[at].known.parse().ok();
        let packed = (0..of_order.len()).filter(|at| of_order[*at].reason.is_none());
        let mut parts: BTreeMap<usize, BTreeMap<i64, Option<i64>>> = BTreeMap::new();
        for at in packed {
            for kit in family.above(at) {
                parts.entry(kit).or_default().insert(of_order[at].id, status(at));
            }
        }
        // A line with parts that was taken before kits were known has a package of its own.
        let kits_of = parts.into_iter().filter(|(at, _)| of_order[*at].reason.as_deref() == Some("kit"));
        kits.extend(kits_of.map(|(at, parts)| Kit {
            order_item_id: of_order[at].id,
            omnitron_id: of_order[at].omnitron_id,
            known: status(at),
            parts,
        }));
    }
    Ok(kits)
}
