//! What an installation touches: how many packages, transfers, orders and users. It is counted before the installation
//! takes any lock, for it is work that grows.

use std::collections::HashMap;

use super::{
    items::Section,
    plan::{Change, Plan},
};
use crate::{db::PgConnection, error::Result};

/// Counts, by id, or by name where the files know no id; what is not counted is not touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Packages by state.
    pub packages: HashMap<i64, i64>,
    /// Transfers by state.
    pub transfers: HashMap<i64, i64>,
    /// Orders by state.
    pub orders: HashMap<i64, i64>,
    /// Packages that are not in a final state, by location.
    pub open_packages: HashMap<i64, i64>,
    /// Users who see only some locations, by location.
    pub users: HashMap<i64, i64>,
    /// Packages that stand in the source of each transition.
    pub at_transitions: HashMap<i64, i64>,
    /// By scenario: orders with open packages that it planned last, and these packages.
    pub planned: HashMap<String, (i64, i64)>,
    /// Open packages with a shipment, by cargo company.
    pub carried: HashMap<i64, i64>,
    /// Active locations, by their cargo company.
    pub locations: HashMap<i64, i64>,
}

impl Touched {
    /// Counts what a plan touches, and what stands in states that it empties.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count(connection: &mut PgConnection, plan: &Plan, empties: bool) -> Result<Self> {
        let mut touched = Self::default();
        let has = |section| plan.of(section).any(|change| change.id.is_some());
        let (workflow, locations) = (has(Section::States) || has(Section::Transitions), has(Section::StockLocations));
        if workflow || locations || empties {
            touched.count_packages(connection).await?;
        }
        if workflow {
            touched.count_others(connection).await?;
        }
        if locations {
            let rows =
                sqlx::query!(r#"select stock_location_id, count(*) as "count!" from user_stock_locations group by 1"#);
            let rows = rows.fetch_all(&mut *connection).await?;
            touched.users = rows.into_iter().map(|row| (row.stock_location_id, row.count)).collect();
        }
        if plan.of(Section::Scenarios).next().is_some() {
            touched.count_planned(connection).await?;
        }
        if has(Section::CargoCompanies) {
            touched.count_carried(connection).await?;
        }
        Ok(touched)
    }

    async fn count_packages(&mut self, connection: &mut PgConnection) -> Result<()> {
        let rows = sqlx::query!(
            r#"select c.stock_location_id, c.state_id, c.count as "count!", coalesce(s.final, false) as "final!"
                 from (select stock_location_id, state_id, count(*) as count from packages group by 1, 2) c
                 left join states s on s.id = c.state_id"#
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            *self.packages.entry(row.state_id).or_default() += row.count;
            if !row.r#final {
                *self.open_packages.entry(row.stock_location_id).or_default() += row.count;
            }
        }
        Ok(())
    }

    async fn count_others(&mut self, connection: &mut PgConnection) -> Result<()> {
        let rows = sqlx::query!(r#"select state_id, count(*) as "count!" from transfers group by 1"#);
        let rows = rows.fetch_all(&mut *connection).await?;
        self.transfers = rows.into_iter().map(|row| (row.state_id, row.count)).collect();
        let rows = sqlx::query!(r#"select state_id, count(*) as "count!" from orders group by 1"#);
        let rows = rows.fetch_all(&mut *connection).await?;
        self.orders = rows.into_iter().map(|row| (row.state_id, row.count)).collect();
        let sources = sqlx::query!("select id, source_state_id from transitions where entity = 'package'");
        for row in sources.fetch_all(connection).await? {
            if let Some(count) = self.packages.get(&row.source_state_id) {
                self.at_transitions.insert(row.id, *count);
            }
        }
        Ok(())
    }

    /// What is open of each scenario: it would be planned again by it.
    async fn count_planned(&mut self, connection: &mut PgConnection) -> Result<()> {
        let rows = sqlx::query!(
            r#"select s.name, count(distinct p.order_id) as "orders!", count(*) as "packages!"
                 from packages p
                 join states st on st.id = p.state_id and not st.final
                cross join lateral (select scenario_id from order_plans
                                     where order_id = p.order_id order by id desc limit 1) l
                 join scenarios s on s.id = l.scenario_id
                group by s.id"#
        );
        let rows = rows.fetch_all(connection).await?;
        self.planned = rows.into_iter().map(|row| (row.name, (row.orders, row.packages))).collect();
        Ok(())
    }

    async fn count_carried(&mut self, connection: &mut PgConnection) -> Result<()> {
        let rows = sqlx::query!(
            r#"select s.cargo_company_id, count(*) as "count!"
                 from packages p
                 join states st on st.id = p.state_id and not st.final
                 join shipments s on s.package_id = p.id
                group by 1"#
        );
        let rows = rows.fetch_all(&mut *connection).await?;
        self.carried = rows.into_iter().map(|row| (row.cargo_company_id, row.count)).collect();
        let rows = sqlx::query!(
            r#"select cargo_company_id as "id!", count(*) as "count!" from stock_locations
                where is_active and cargo_company_id is not null group by 1"#
        );
        let rows = rows.fetch_all(connection).await?;
        self.locations = rows.into_iter().map(|row| (row.id, row.count)).collect();
        Ok(())
    }

    /// What a change touches, for people.
    #[must_use]
    pub fn by(&self, change: &Change) -> Vec<String> {
        if change.section == Section::Scenarios {
            let (orders, packages) = self.planned.get(&change.name).copied().unwrap_or_default();
            return [counted(orders, "open order"), counted(packages, "package")].into_iter().flatten().collect();
        }
        let Some(id) = change.id else { return Vec::new() };
        let count = |counts: &HashMap<i64, i64>, noun: &str| counted(*counts.get(&id)?, noun);
        let counts = match change.section {
            Section::States => return self.in_state(id),
            Section::Transitions => {
                let waiting = count(&self.at_transitions, "package");
                [waiting.map(|packages| format!("{packages} could use it")), None]
            }
            Section::StockLocations => [count(&self.open_packages, "open package"), count(&self.users, "user")],
            Section::CargoCompanies => [count(&self.locations, "location"), count(&self.carried, "open package")],
            _ => [None, None],
        };
        counts.into_iter().flatten().collect()
    }

    /// What stands in a state.
    pub(super) fn in_state(&self, id: i64) -> Vec<String> {
        let counts = [(&self.packages, "package"), (&self.transfers, "transfer"), (&self.orders, "order")];
        counts.iter().filter_map(|(counts, noun)| counted(*counts.get(&id)?, noun)).collect()
    }
}

/// `12,400 packages`; none if there is none.
pub(super) fn counted(count: i64, noun: &str) -> Option<String> {
    (count > 0).then(|| format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" }))
}

/// A number with commas between thousands.
fn grouped(number: i64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_easily() {
        assert_eq!(counted(0, "package"), None);
        assert_eq!(counted(1, "package").as_deref(), Some("1 package"));
        assert_eq!(counted(12_400, "package").as_deref(), Some("12,400 packages"));
        assert_eq!(counted(1_000_000, "order").as_deref(), Some("1,000,000 orders"));
    }
}
