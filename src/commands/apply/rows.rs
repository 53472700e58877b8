//! The statement that writes everything about existing packages.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{
    super::consequences::{Consequences, ItemChange, PackageChange},
    CreatedItems,
};
use crate::{
    db::PgConnection,
    error::Result,
    packages::{
        facts::Documents,
        snapshot::{ItemSnapshot, PackageSnapshot},
    },
};

/// Declares the statement's groups of arrays. A group is the rows that one part of the statement writes; its columns
/// are named here once, in the statement's order. The type of a row, the arrays and the bound values follow from them.
/// A test compares numbers, types and names with the statement.
macro_rules! groups {
    ($($(#[$of_group:meta])* $group:ident: $Columns:ident of $Row:ident {
        $($(#[$of_column:meta])* $column:ident: $type:ty,)*
    })*) => {
        $(
            $(#[$of_group])*
            #[derive(Debug)]
            struct $Row { $($(#[$of_column])* $column: $type,)* }

            #[derive(Debug, Default)]
            struct $Columns { $($column: Vec<$type>,)* }

            impl $Columns {
                fn push(&mut self, row: $Row) {
                    $(self.$column.push(row.$column);)*
                }
            }
        )*

        /// The statement's arrays.
        #[derive(Debug, Default)]
        pub(super) struct Rows { $($group: $Columns,)* }

        impl Rows {
            /// `there`: packages that must have the version that was read; `all`: rows that must be written.
            async fn send(
                &self,
                connection: &mut PgConnection,
                installation_version: Option<i64>,
                there: i64,
                all: i64,
            ) -> Result<()> {
                sqlx::query_file!(
                    "src/commands/apply/rows.sql",
                    installation_version,
                    there,
                    all,
                    $($(&self.$group.$column as &[$type],)*)*
                )
                .fetch_one(connection)
                .await?;
                Ok(())
            }
        }

        /// Name and type of every column, by group.
        #[cfg(test)]
        const DECLARED: &[&[(&str, &str)]] = &[$(&[$((stringify!($column), stringify!($type)),)*],)*];
    };
}

groups! {
    /// A package, with its log and its ledger.
    packages: Packages of Package {
        id: i64,
        /// None for a new package: it is written already, except its log and ledger.
        version: Option<i64>,
        state_id: i64,
        stock_location_id: i64,
        /// The number of its events.
        events: i64,
        transition_id: Option<i64>,
        source_state_id: Option<i64>,
        user_id: Option<i64>,
        /// The id of the request.
        request_id: Option<String>,
        /// The location whose quota it leaves.
        left_id: Option<i64>,
        /// The location whose quota it enters.
        entered_id: Option<i64>,
    }
    /// An item with another state or another package.
    items: Items of Item {
        id: i64,
        package_id: i64,
        state_id: i64,
    }
    /// An item whose reservation ends.
    released: Releases of Release {
        package_item_id: i64,
    }
    /// An item with a new reservation.
    reserved: Reservations of Reservation {
        package_item_id: i64,
        stock_location_id: i64,
        sku: String,
        quantity: i64,
    }
    /// A shipment of a package that had none.
    shipped: Shipments of Shipment {
        package_id: i64,
        cargo_company_id: i64,
        tracking_number: String,
        label_key: Option<Uuid>,
    }
    /// The event row of a package, with all its types.
    happened: Events of Event {
        package_id: i64,
        /// The number of the first type.
        sequence: i64,
        /// Separated by spaces.
        types: String,
        /// The location before; none for a new package.
        came_from: Option<i64>,
        stock_location_id: i64,
        /// The snapshot.
        facts: String,
        /// The id of the request, and its place in a trace.
        request_id: Option<String>,
        traceparent: Option<String>,
    }
    /// The stock of a SKU at a location, in the order in which rows are locked.
    stocked: Stocks of Goods {
        sku: String,
        stock_location_id: i64,
        quantity: i64,
        reserved: i64,
        bound: bool,
        unbound: i64,
    }
    /// The quota of a location, for all its packages; by id, the order in which rows are locked.
    counted: Quotas of Quota {
        id: i64,
        delta: i64,
        /// True if a part of it is valid only while the location has quota left.
        bound: bool,
        /// The part that is valid in any case.
        unbound: i64,
    }
}

impl Rows {
    /// `ids`: of the packages, by index.
    pub(super) fn new(
        changes: &[PackageChange],
        consequences: &Consequences,
        ids: &[i64],
        created_items: &CreatedItems,
        documents: &[Documents],
    ) -> Result<Self> {
        let mut rows = Self::default();
        let mut types: Vec<Vec<&str>> = vec![Vec::new(); changes.len()];
        for (package, event) in &consequences.events {
            types[*package].push(event);
        }
        let sides = rows.add_quota(changes, consequences);
        for (index, change) in changes.iter().enumerate() {
            let (id, documents, types) = (ids[index], &documents[index], &types[index]);
            rows.add_package(change, id, types.len(), sides[index]);
            rows.add_items(change, id);
            rows.add_shipment(change, id, documents);
            if !types.is_empty() {
                let id_of = |at: usize| change.items[at].id.or_else(|| created_items.get(&(index, at)).copied());
                rows.add_event(change, id, types, &snapshot(change, documents, id_of))?;
            }
        }
        for package_item_id in &consequences.release {
            rows.released.push(Release { package_item_id: *package_item_id });
        }
        for indexes in &consequences.reserve {
            let item = &changes[indexes.0].items[indexes.1];
            let Some(package_item_id) = item.id.or_else(|| created_items.get(indexes).copied()) else { continue };
            rows.reserved.push(Reservation {
                package_item_id,
                stock_location_id: item.after.stock_location_id,
                sku: item.sku.clone(),
                quantity: item.quantity,
            });
        }
        for ((sku, stock_location_id), delta) in &consequences.stock {
            rows.stocked.push(Goods {
                sku: sku.clone(),
                stock_location_id: *stock_location_id,
                quantity: delta.quantity,
                reserved: delta.reserved,
                bound: delta.bound,
                unbound: delta.unbound,
            });
        }
        Ok(rows)
    }

    fn add_package(&mut self, change: &PackageChange, id: i64, events: usize, (left_id, entered_id): Sides) {
        self.packages.push(Package {
            id,
            version: change.id.map(|_| change.version),
            state_id: change.after.state_id,
            stock_location_id: change.after.stock_location_id,
            events: count(events),
            transition_id: change.transition_id,
            source_state_id: change.before.map(|before| before.state_id),
            user_id: change.user_id,
            request_id: request_id(change),
            left_id,
            entered_id,
        });
    }

    fn add_items(&mut self, change: &PackageChange, package_id: i64) {
        let is_changed = |item: &&ItemChange| change.id.is_none() || !is_as_before(item);
        for item in change.items.iter().filter(is_changed) {
            if let Some(id) = item.id {
                self.items.push(Item { id, package_id, state_id: item.after.state_id });
            }
        }
    }

    fn add_shipment(&mut self, change: &PackageChange, package_id: i64, documents: &Documents) {
        if let Some(shipment) = change.shipment.as_ref().filter(|_| change.documents.shipment.is_none()) {
            self.shipped.push(Shipment {
                package_id,
                cargo_company_id: shipment.cargo_company_id,
                tracking_number: shipment.tracking_number.clone(),
                label_key: documents.shipment.as_ref().and_then(|shipment| shipment.label_key),
            });
        }
    }

    fn add_event(
        &mut self,
        change: &PackageChange,
        package_id: i64,
        types: &[&str],
        snapshot: &PackageSnapshot,
    ) -> Result<()> {
        self.happened.push(Event {
            package_id,
            sequence: change.event_sequence + 1,
            types: types.join(" "),
            came_from: change.before.map(|before| before.stock_location_id),
            stock_location_id: change.after.stock_location_id,
            facts: snapshot.to_json()?,
            request_id: request_id(change),
            traceparent: change.cause.as_ref().and_then(|cause| cause.traceparent()),
        });
        Ok(())
    }

    /// Adds the changes of quota of locations, and for each package the location that it leaves and the one that it
    /// enters.
    fn add_quota(&mut self, changes: &[PackageChange], consequences: &Consequences) -> Vec<Sides> {
        let mut sides = vec![(None, None); changes.len()];
        // For each location: the sum, true if a part of it is bound, and the part that is not.
        let mut deltas: BTreeMap<i64, (i64, bool, i64)> = BTreeMap::new();
        for change in &consequences.quota {
            let (left_id, entered_id) = &mut sides[change.package];
            *(if change.delta < 0 { left_id } else { entered_id }) = Some(change.stock_location_id);
            let delta = deltas.entry(change.stock_location_id).or_default();
            delta.0 += i64::from(change.delta);
            if changes[change.package].bound_by_quota {
                delta.1 |= change.delta > 0;
            } else {
                delta.2 += i64::from(change.delta.max(0));
            }
        }
        for (id, (delta, bound, unbound)) in deltas.into_iter().filter(|(_, (delta, ..))| *delta != 0) {
            self.counted.push(Quota { id, delta, bound, unbound });
        }
        sides
    }

    /// Writes everything or nothing.
    ///
    /// # Errors
    /// [`Error::is_conflict`](crate::error::Error::is_conflict) when a package is not as it was read, the installation
    /// has another version, or a limit would break. When the database fails.
    pub(super) async fn write(&self, connection: &mut PgConnection, installation_version: Option<i64>) -> Result<()> {
        let Self { packages, items, stocked, counted, .. } = self;
        let there = count(packages.version.iter().flatten().count());
        let all = there + count(items.id.len() + stocked.sku.len() + counted.id.len());
        self.send(connection, installation_version, there, all).await
    }
}

fn request_id(change: &PackageChange) -> Option<String> {
    change.cause.as_ref().map(|cause| cause.request_id().to_owned())
}

/// The location that a package leaves, and the one that it enters.
type Sides = (Option<i64>, Option<i64>);

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}

/// True if the row of an item does not change.
fn is_as_before(item: &ItemChange) -> bool {
    item.before == Some(item.after) && item.cut_from.is_none() && item.passed_on == 0
}

/// A package's snapshot after its change. `id_of`: the id of its nth item.
fn snapshot(change: &PackageChange, documents: &Documents, id_of: impl Fn(usize) -> Option<i64>) -> PackageSnapshot {
    let items = change.items.iter().enumerate().filter_map(|(at, item)| {
        Some(ItemSnapshot {
            id: id_of(at)?,
            state_id: item.after.state_id,
            modified_date: item.modified_date.filter(|_| is_as_before(item)),
        })
    });
    PackageSnapshot {
        state_id: change.after.state_id,
        stock_location_id: change.after.stock_location_id,
        items: items.collect(),
        documents: documents.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::DECLARED;

    const SQL: &str = include_str!("rows.sql");

    /// The text in the parentheses after a word, split at commas.
    fn listed<'a>(text: &'a str, word: &str) -> Vec<&'a str> {
        let (_, behind) = text.split_once(word).expect("the word");
        let (list, _) = behind.split_once(')').expect("a closing parenthesis");
        list.split(',').map(str::trim).collect()
    }

    /// The Postgres type of an array of a Rust type.
    fn array_of(rust: &str) -> &'static str {
        match rust.strip_prefix("Option<").map_or(rust, |rest| rest.trim_end_matches('>')) {
            "i64" => "bigint[]",
            "String" => "text[]",
            "bool" => "boolean[]",
            "Uuid" => "uuid[]",
            other => panic!("a column of {other}"),
        }
    }

    #[test]
    fn the_statement_takes_the_arrays_by_the_names_and_in_the_order_they_are_declared() {
        // Numbers 1 to 3 are the version and the two counts.
        let mut next = 4;
        for group in DECLARED {
            let parameters: Vec<String> =
                group.iter().zip(next..).map(|((_, rust), n)| format!("${n}::{}", array_of(rust))).collect();
            let names: Vec<&str> = group.iter().map(|(name, _)| *name).collect();
            let first = parameters.first().expect("a column");
            if let Some(at) = SQL.find(&format!("unnest({first}")) {
                assert_eq!(listed(&SQL[at..], "unnest("), parameters);
                assert_eq!(listed(&SQL[at..], " as c("), names);
            } else {
                // A group of one column may be used as a whole.
                assert!(SQL.contains(&format!("{} = any(${next})", names[0])), "{names:?} from ${next} on");
            }
            next += group.len();
        }
        assert!(!SQL.contains(&format!("${next}")), "the statement takes more than is declared");
    }
}
