//! Sequences: the next number of each is beyond all that are taken.

use super::{Fault, query::rows};
use crate::{
    db::PgConnection,
    error::{Error, Result},
};

/// The name of the check.
pub(super) const CHECK: &str = "sequences";

/// Each sequence with the column that it numbers.
const SEQUENCES: &str = "select c.oid::regclass::text, t.oid::regclass::text, quote_ident(a.attname)
  from pg_class c
  join pg_depend d on d.objid = c.oid and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
  join pg_class t on t.oid = d.refobjid
  join pg_attribute a on a.attrelid = t.oid and a.attnum = d.refobjsubid
 where c.relkind = 'S' and c.relnamespace = current_schema()::regnamespace
union all
select 'event_ids', 'events', 'id' where to_regclass('event_ids') is not null
 order by 1";

/// A sequence that would give a number which is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Behind {
    /// Its name.
    pub sequence: String,
    /// The number before its next.
    pub last: i64,
    /// The largest that is taken.
    pub largest: i64,
}

impl Behind {
    pub(super) fn fault(&self) -> Fault {
        Fault {
            check: CHECK,
            subject: format!("sequence {}", self.sequence),
            text: format!("its last number is {}, and {} is taken", self.last, self.largest),
            remedy: Some("oms repair sequences".to_owned()),
        }
    }
}

/// Sequences that are behind.
///
/// # Errors
/// When the database fails.
pub async fn behind(connection: &mut PgConnection) -> Result<Vec<Behind>> {
    let sequences = rows::<3>(connection, SEQUENCES).await?;
    let of = |[sequence, table, column]: &[String; 3]| {
        format!(
            "select '{sequence}', (select last_value - case when is_called then 0 else 1 end from {sequence})::text, \
             coalesce((select max({column}) from {table}), 0)::text"
        )
    };
    let statement = sequences.iter().map(of).collect::<Vec<_>>().join(" union all ");
    if statement.is_empty() {
        return Ok(Vec::new());
    }
    let number = |text: &str| text.parse().map_err(|_| Error::Fault(format!("{text} is no number of a sequence")));
    let mut behind = Vec::new();
    for [sequence, last, largest] in rows::<3>(connection, statement).await? {
        let (last, largest) = (number(&last)?, number(&largest)?);
        if last < largest {
            behind.push(Behind { sequence, last, largest });
        }
    }
    Ok(behind)
}
