//! The table of states and transitions, built from its rows.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, value::RawValue};

use super::{
    State, Transition, Workflow, holding,
    view::{CommandObject, StateObject, enum_class, translations},
};
use crate::{
    db::PgConnection,
    error::{Error, Result},
    kinds::{self, Kind},
    wire::raw,
};

/// A row of `states`.
pub(crate) struct StateRow {
    pub id: i64,
    pub entity: String,
    pub slug: String,
    pub enum_value: String,
    pub name: String,
    pub translations: Option<Value>,
    pub occupies_quota: bool,
    pub created_date: DateTime<Utc>,
    pub modified_date: DateTime<Utc>,
}

/// A row of `transitions`.
pub(crate) struct TransitionRow {
    pub id: i64,
    pub entity: String,
    pub command: String,
    pub slug: String,
    pub label: String,
    pub translations: Option<Value>,
    pub ui_visibility: Vec<String>,
    pub roles: Option<Vec<String>>,
    pub source_state_id: i64,
    pub destination_state_id: i64,
    pub otherwise_state_id: Option<i64>,
    pub parameters: Value,
    pub created_date: DateTime<Utc>,
    pub modified_date: DateTime<Utc>,
}

impl From<StateRow> for State {
    fn from(row: StateRow) -> Self {
        let (enum_class, content_type) = enum_class(&row.entity);
        let json = raw(&StateObject {
            id: row.id,
            name: &row.name,
            config: HashMap::new(),
            enum_class,
            enum_value: &row.enum_value,
            content_type,
            created_date: row.created_date.into(),
            modified_date: row.modified_date.into(),
            translations: &translations(row.translations, "name", &row.name),
        });
        let holding = holding(&row.entity, &row.slug, &row.enum_value);
        Self {
            id: row.id,
            entity: row.entity,
            slug: row.slug,
            enum_value: row.enum_value,
            name: row.name,
            occupies_quota: row.occupies_quota,
            holding,
            json,
        }
    }
}

impl Workflow {
    /// Reads the table.
    ///
    /// # Errors
    /// When the database fails, or has a command that this binary does not know.
    pub async fn load(connection: &mut PgConnection, kinds: &[&'static Kind]) -> Result<Self> {
        let states = sqlx::query_as!(
            StateRow,
            // A retired state comes first, so that its slug is that of the state that has it now.
            "select id, entity, slug, enum_value, name, translations, occupies_quota, created_date, modified_date
               from states order by retired_date nulls last, id"
        )
        .fetch_all(&mut *connection)
        .await?;
        let transitions = sqlx::query_as!(
            TransitionRow,
            "select id, entity, command, slug, label, translations, ui_visibility, roles, source_state_id,
                    destination_state_id, otherwise_state_id, parameters, created_date, modified_date
               from transitions
              where retired_date is null
              order by id"
        )
        .fetch_all(&mut *connection)
        .await?;
        Self::build(states, transitions, kinds)
    }

    /// Reads the table as it was stored for a version of the installation.
    ///
    /// # Errors
    /// When the database fails, or the stored table has a command that this binary does not know.
    pub async fn load_kept(connection: &mut PgConnection, kept_version: i64, kinds: &[&'static Kind]) -> Result<Self> {
        let states = sqlx::query_as!(
            StateRow,
            r#"select s.id as "id!", s.entity as "entity!", s.slug as "slug!", s.enum_value as "enum_value!",
                      s.name as "name!", s.translations, s.occupies_quota as "occupies_quota!",
                      s.created_date as "created_date!", s.modified_date as "modified_date!"
                 from installation_words w, jsonb_populate_recordset(null::states, w.states) s
                where w.installation_version = $1"#,
            kept_version
        )
        .fetch_all(&mut *connection)
        .await?;
        let transitions = sqlx::query_as!(
            TransitionRow,
            r#"select t.id as "id!", t.entity as "entity!", t.command as "command!", t.slug as "slug!",
                      t.label as "label!", t.translations, t.ui_visibility as "ui_visibility!", t.roles,
                      t.source_state_id as "source_state_id!", t.destination_state_id as "destination_state_id!",
                      t.otherwise_state_id, t.parameters as "parameters!", t.created_date as "created_date!",
                      t.modified_date as "modified_date!"
                 from installation_words w, jsonb_populate_recordset(null::transitions, w.transitions) t
                where w.installation_version = $1
                order by t.id"#,
            kept_version
        )
        .fetch_all(&mut *connection)
        .await?;
        Self::build(states, transitions, kinds)
    }

    /// Builds the table from its rows.
    pub(crate) fn build(
        states: Vec<StateRow>,
        transitions: Vec<TransitionRow>,
        kinds: &[&'static Kind],
    ) -> Result<Self> {
        let mut workflow = Self::default();
        for state in states.into_iter().map(State::from) {
            workflow.state_by_slug.insert((state.entity.clone(), state.slug.clone()), state.id);
            workflow.states.insert(state.id, state);
        }
        let mut objects: HashMap<i64, Vec<(i64, Box<RawValue>)>> = HashMap::new();
        for row in transitions {
            let kind = kinds::find(kinds, &row.command).ok_or_else(|| {
                Error::Fault(format!(
                    "transition {} uses the command {}, which this version does not have; \
                     run the version that installed it, or install a file without it",
                    row.id, row.command
                ))
            })?;
            let object = raw(&CommandObject {
                id: row.id,
                label: &row.label,
                ui_visibility: &row.ui_visibility,
                slug: &row.slug,
                created_date: row.created_date.into(),
                modified_date: row.modified_date.into(),
                translations: &translations(row.translations, "label", &row.label),
                command: kind.identifier,
                source_state: row.source_state_id,
                destination_state: row.destination_state_id,
            });
            objects.entry(row.source_state_id).or_default().push((row.id, object));
            workflow.by_slug.insert(row.slug.clone(), row.id);
            workflow.transitions.insert(
                row.id,
                Transition {
                    id: row.id,
                    entity: row.entity,
                    kind,
                    slug: row.slug,
                    roles: row.roles.map(|roles| roles.iter().filter_map(|role| role.parse().ok()).collect()),
                    source_id: row.source_state_id,
                    destination_id: row.destination_state_id,
                    otherwise_id: row.otherwise_state_id,
                    parameters: match row.parameters {
                        Value::Object(parameters) => parameters,
                        _ => Map::new(),
                    },
                },
            );
        }
        workflow.list_commands(&objects);
        Ok(workflow)
    }

    fn list_commands(&mut self, objects: &HashMap<i64, Vec<(i64, Box<RawValue>)>>) {
        for (state, list) in objects {
            let back = |id: &i64| self.transitions.get(id).filter(|transition| transition.kind.leads_back());
            let mut befores = vec![None];
            befores
                .extend(list.iter().filter_map(|(id, _)| back(id)).map(|transition| Some(transition.destination_id)));
            for before in befores {
                let can = |id: &i64| back(id).is_none_or(|transition| Some(transition.destination_id) == before);
                let able: Vec<&RawValue> = list.iter().filter(|(id, _)| can(id)).map(|(_, object)| &**object).collect();
                self.commands_json.insert((*state, before), raw(&able));
            }
        }
    }
}
