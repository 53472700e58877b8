//! What is installed, read from the database in the form of the files.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono_tz::Tz;
use serde_json::Value;

use super::{
    items::{Item, Section, items},
    read::{
        Entity, Entry, Installation, Interface, Inventory, InvoiceService, Place, Scenario, State, TimeZone, Transition,
    },
};
use crate::{
    days,
    db::PgConnection,
    error::{Error, Result},
    invoicing,
    locations::Location,
    record::Record,
    scenarios,
    stock::service,
};

/// The slugs of the transitions by which an installation moves packages begin so.
pub(super) const MOVED: &str = "package__moved__";

/// What is installed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Installed {
    /// Its entries, each with its id.
    pub installation: Installation,
    /// The same, as files have them.
    pub items: Vec<Item>,
    /// What was made over HTTP and is in no file.
    pub made_by_hand: HashSet<(Section, String)>,
    /// What was changed after the last installation was applied.
    pub changed_since: HashSet<(Section, String)>,
}

impl Installed {
    /// Reads it.
    ///
    /// # Errors
    /// When the database fails, or holds words that this version does not know.
    pub async fn load(connection: &mut PgConnection) -> Result<Self> {
        let (states, slugs) = states(connection).await?;
        let companies = company_slugs(connection).await?;
        let locations = locations(connection, &companies).await?;
        let mut made_by_hand = HashSet::new();
        let erp_codes: HashMap<i64, String> =
            locations.iter().map(|entry| (entry.record.id, entry.record.erp_code.clone())).collect();
        let reference = |names: &HashMap<i64, String>, id: i64| names.get(&id).cloned().unwrap_or_default();

        let active = sqlx::query_as("select * from cargo_companies where is_active order by id");
        let cargo_companies = active.fetch_all(&mut *connection).await?.into_iter().map(plain).collect();
        let reasons = sqlx::query_as("select * from denial_reasons where is_active order by id");
        let denial_reasons = reasons.fetch_all(&mut *connection).await?.into_iter().map(plain).collect();
        let reasons = sqlx::query_as("select * from cancellation_reasons where is_active order by id");
        let cancellation_reasons = reasons.fetch_all(&mut *connection).await?.into_iter().map(plain).collect();
        let conditions = sqlx::query_as("select * from cargo_company_conditions order by id");
        let conditions: Vec<crate::cargo::CargoCompanyCondition> = conditions.fetch_all(&mut *connection).await?;
        let senders = sqlx::query_as(
            "select a.* from sender_addresses a join cargo_companies c on c.id = a.cargo_company_id and c.is_active
              order by a.id",
        );
        let senders: Vec<crate::locations::senders::SenderAddress> = senders.fetch_all(&mut *connection).await?;
        let installation = Installation {
            transitions: transitions(connection, &slugs).await?,
            states,
            cargo_companies,
            denial_reasons,
            cancellation_reasons,
            cargo_company_conditions: conditions
                .into_iter()
                .map(|record| {
                    let company = reference(&companies, record.cargo_company);
                    Entry { references: BTreeMap::from([("cargo_company", company)]), ..plain(record) }
                })
                .collect(),
            sender_addresses: senders
                .into_iter()
                .map(|record| {
                    let (company, location) =
                        (reference(&companies, record.cargo_company), reference(&erp_codes, record.stock_location));
                    let references = BTreeMap::from([("cargo_company", company), ("stock_location", location)]);
                    Entry { references, ..plain(record) }
                })
                .collect(),
            stock_locations: locations,
            scenarios: installed_scenarios(connection, &mut made_by_hand).await?,
            inventory: service::load(connection).await?.iter().map(|settings| inventory(settings)).collect(),
            invoice_services: invoice_services(connection).await?,
            time_zone: days::time_zone(connection).await?.into_iter().map(time_zone).collect(),
            ..Installation::default()
        };
        let items = items(&installation);
        note_made_by_hand(&installation, &mut made_by_hand);
        Ok(Self {
            changed_since: changed_since(connection, &erp_codes, &companies).await?,
            installation,
            items,
            made_by_hand,
        })
    }
}

fn plain<R>(record: R) -> Entry<R> {
    Entry { record, references: BTreeMap::new(), at: Place::default() }
}

fn inventory(settings: &service::Settings) -> Inventory {
    Inventory { settings: settings.clone(), at: Place::default() }
}

fn time_zone(zone: Tz) -> TimeZone {
    TimeZone { zone, at: Place::default() }
}

fn unknown(what: &str, word: &str) -> Error {
    Error::Fault(format!("this version does not know the {what} {word}; run the version that installed it"))
}

fn word<T: serde::de::DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_value(Value::from(text)).map_err(|_| unknown(what, text))
}

fn translations(value: Option<Value>) -> super::read::Translations {
    value.and_then(|value| serde_json::from_value(value).ok()).unwrap_or_default()
}

/// The states that are not retired, and the slug of every state by its id.
async fn states(connection: &mut PgConnection) -> Result<(Vec<State>, HashMap<i64, String>)> {
    let rows = sqlx::query!(
        r#"select id, entity, slug, enum_value, name, translations, occupies_quota, final, unused,
                  retired_date is not null as "retired!"
             from states order by id"#
    )
    .fetch_all(connection)
    .await?;
    let slugs = rows.iter().map(|row| (row.id, row.slug.clone())).collect();
    let mut states = Vec::with_capacity(rows.len());
    for row in rows.into_iter().filter(|row| !row.retired) {
        let mut state = State {
            entity: word("entity", &row.entity)?,
            id: Some(row.id),
            slug: row.slug,
            enum_value: row.enum_value,
            name: row.name,
            translations: translations(row.translations),
            occupies_quota: None,
            is_final: row.r#final,
            unused: row.unused,
            at: Place::default(),
        };
        if state.occupies_by_rule() != row.occupies_quota {
            state.occupies_quota = Some(row.occupies_quota);
        }
        states.push(state);
    }
    Ok((states, slugs))
}

async fn transitions(connection: &mut PgConnection, slugs: &HashMap<i64, String>) -> Result<Vec<Transition>> {
    let rows = sqlx::query!(
        "select id, entity, command, slug, label, translations, ui_visibility, roles, parameters, source_state_id,
                destination_state_id, otherwise_state_id
           from transitions where retired_date is null and not starts_with(slug, $1) order by id",
        MOVED
    )
    .fetch_all(connection)
    .await?;
    let slug_of = |id: i64| slugs.get(&id).cloned().unwrap_or_default();
    let mut transitions = Vec::with_capacity(rows.len());
    for row in rows {
        let interfaces = row.ui_visibility.iter().map(|name| word::<Interface>("interface", name));
        let roles = row.roles.map(|roles| roles.iter().map(|role| word("role", role)).collect::<Result<_>>());
        transitions.push(Transition {
            entity: word("entity", &row.entity)?,
            id: Some(row.id),
            command: row.command,
            source: slug_of(row.source_state_id),
            destination: slug_of(row.destination_state_id),
            otherwise: row.otherwise_state_id.map(slug_of),
            slug: Some(row.slug),
            label: row.label,
            translations: translations(row.translations),
            ui_visibility: interfaces.collect::<Result<_>>()?,
            roles: roles.transpose()?,
            parameters: serde_json::from_value(row.parameters).unwrap_or_default(),
            at: Place::default(),
        });
    }
    Ok(transitions)
}

/// The slug of every active company by its id. A file cannot name another: what a request has left with one is without.
async fn company_slugs(connection: &mut PgConnection) -> Result<HashMap<i64, String>> {
    let rows = sqlx::query!("select id, slug from cargo_companies where is_active").fetch_all(connection).await?;
    Ok(rows.into_iter().map(|row| (row.id, row.slug)).collect())
}

async fn locations(connection: &mut PgConnection, companies: &HashMap<i64, String>) -> Result<Vec<Entry<Location>>> {
    let records =
        sqlx::query_scalar!(r#"select location_record(l)::text as "record!" from stock_locations l order by id"#)
            .fetch_all(connection)
            .await?;
    let entry = |record: &String| {
        let location = Location::from_record(record)?;
        let company = location.cargo_company.and_then(|id| companies.get(&id));
        let references = company.map(|slug| ("cargo_company", slug.clone())).into_iter().collect();
        Ok(Entry { references, ..plain(location) })
    };
    records.iter().map(entry).collect()
}

async fn installed_scenarios(
    connection: &mut PgConnection,
    made_by_hand: &mut HashSet<(Section, String)>,
) -> Result<Vec<Scenario>> {
    let kept = scenarios::load(connection, None).await?;
    let scenario = |kept: scenarios::Kept| {
        if !kept.is_installed {
            made_by_hand.insert((Section::Scenarios, kept.definition.name.clone()));
        }
        Scenario { definition: kept.definition, at: Place::default() }
    };
    Ok(kept.into_iter().map(scenario).collect())
}

async fn invoice_services(connection: &mut PgConnection) -> Result<Vec<InvoiceService>> {
    let services = invoicing::load(connection).await?.into_iter();
    Ok(services.map(|(slug, service)| InvoiceService { slug, service, at: Place::default() }).collect())
}

fn note_made_by_hand(installation: &Installation, made_by_hand: &mut HashSet<(Section, String)>) {
    let ids = |section: Section, ids: Vec<i64>| (section, ids);
    let flagged = [
        ids(Section::DenialReasons, by_hand(&installation.denial_reasons, |record| record.installed)),
        ids(Section::CancellationReasons, by_hand(&installation.cancellation_reasons, |record| record.installed)),
        ids(Section::SenderAddresses, by_hand(&installation.sender_addresses, |record| record.installed)),
    ];
    let all = items(installation);
    for (section, ids) in flagged {
        let of_hand = |item: &&Item| item.section == section && item.id.is_some_and(|id| ids.contains(&id));
        made_by_hand.extend(all.iter().filter(of_hand).map(|item| (section, item.name.clone())));
    }
}

fn by_hand<R: Record>(entries: &[Entry<R>], is_installed: impl Fn(&R) -> bool) -> Vec<i64> {
    entries.iter().filter(|entry| !is_installed(&entry.record)).map(|entry| entry.record.id()).collect()
}

/// What was changed after the last installation was applied: for a database that does not know its files.
async fn changed_since(
    connection: &mut PgConnection,
    erp_codes: &HashMap<i64, String>,
    companies: &HashMap<i64, String>,
) -> Result<HashSet<(Section, String)>> {
    let rows = sqlx::query!(
        r#"select c.section as "section!", c.name as "name!", c.location, c.company
             from installation i
            cross join lateral (
                select 'stock_locations' as section, erp_code as name, null::bigint as location, null::bigint as company
                  from stock_locations where modified_date > i.applied_date
                union all
                select 'scenarios', name, null, null from scenarios where modified_date > i.applied_date
                union all
                select 'denial_reasons', title, null, null from denial_reasons where modified_date > i.applied_date
                union all
                select 'cancellation_reasons', subject || ' (' || cancellation_type || ')', null, null
                  from cancellation_reasons where modified_date > i.applied_date
                union all
                select 'sender_addresses', '', stock_location_id, cargo_company_id
                  from sender_addresses where modified_date > i.applied_date) c"#
    )
    .fetch_all(connection)
    .await?;
    let of =
        |names: &HashMap<i64, String>, id: Option<i64>| id.and_then(|id| names.get(&id).cloned()).unwrap_or_default();
    let named = rows.into_iter().filter_map(|row| {
        let section = Section::ALL.into_iter().find(|section| section.as_str() == row.section)?;
        let name = match section {
            Section::SenderAddresses => format!("{} with {}", of(erp_codes, row.location), of(companies, row.company)),
            _ => row.name,
        };
        Some((section, name))
    });
    Ok(named.collect())
}

impl Installed {
    /// What files say, as if it were all that is installed.
    #[must_use]
    pub fn of_files(installation: Installation) -> Self {
        Self { items: items(&installation), installation, ..Self::default() }
    }

    /// Whether it has states of an entity.
    pub(super) fn has_states_of(&self, entity: Entity) -> bool {
        self.installation.states.iter().any(|state| state.entity == entity)
    }
}
