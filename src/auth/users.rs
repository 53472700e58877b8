//! Users: added, changed, removed.
//!
//! One who is removed stays a row, so that the history has a name; the name is given to nobody else. The user `system`
//! is the server itself, and nobody changes it. There is always an active admin of every location: else nobody could let
//! anybody in any more.

use std::{collections::BTreeSet, fmt};

use serde::Serialize;
use sqlx::FromRow;
use utoipa::ToSchema;

use super::{passwords, tokens};
use crate::{
    db::{self, PgConnection},
    error::{OnConstraint, Refusal, Result},
    logging::one_line,
    page::{Kind, List, ListRow, VISIBLE_TO_NONE, filter},
    reading::name,
    role::Role,
    secret::Secret,
    wire::Timestamp,
};

/// The user of what the server does by itself.
pub const SYSTEM: &str = "system";
/// Longest name, in characters.
pub const LONGEST_NAME: usize = 150;

/// What is said of a location that does not exist.
const NO_LOCATION: &str = "Invalid pk - object does not exist.";
/// What is said of a store without locations.
const NOWHERE: &str = "A store user needs at least one location.";

/// A user.
#[derive(Debug, Serialize, ToSchema, FromRow)]
#[schema(as = User)]
pub struct UserView {
    /// Its id.
    pub id: i64,
    /// The name, by which the user logs in.
    pub username: String,
    /// What the user may do: `integrator`, `store`, `operator` or `admin`.
    pub role: String,
    /// Whether the user is let in.
    pub is_active: bool,
    /// Ids of the locations that the user sees; empty: all. A store user has at least one.
    pub stock_locations: Vec<i64>,
    /// Whether the user may log in by a password.
    pub has_password: bool,
    /// When the user was added.
    pub created_date: Timestamp,
}

impl ListRow for UserView {
    const LIST: List = List {
        from: " from (select * from users where removed_date is null) u",
        columns: "u.id, u.username, u.role, u.is_active, u.password_hash is not null as has_password, u.created_date, \
                  array(select l.stock_location_id from user_stock_locations l where l.user_id = u.id order by 1) \
                  as stock_locations",
        visible: VISIBLE_TO_NONE,
        filters: &[
            filter(
                "username",
                Kind::Contains,
                "has_part(u.username, {})",
                "Part of the name, in any case and with any accents.",
            ),
            filter("role", Kind::Text, "u.role = {}", "The role."),
            filter("is_active", Kind::Boolean, "u.is_active = {}", "Whether the user is let in."),
            filter(
                "stock_location",
                Kind::Integer,
                "exists (select from user_stock_locations l where l.user_id = u.id and l.stock_location_id = {})",
                "Id of a location that the user is limited to.",
            ),
        ],
        sorts: &[("id", "u.id"), ("username", "u.username"), ("role", "u.role"), ("created_date", "u.created_date")],
        default_sort: "id",
        tie_breaker: "u.id",
    };
    const ROLES: &'static [Role] = &[Role::Admin];
}

/// A new user.
#[derive(Debug)]
pub struct NewUser {
    /// The name.
    pub username: String,
    /// The hash of the password; none: no login.
    pub password_hash: Option<Secret>,
    /// What the user may do.
    pub role: Role,
    /// The locations that the user sees; none: all.
    pub location_ids: BTreeSet<i64>,
}

/// What is changed of a user. None: it stays.
#[derive(Debug, Default)]
pub struct Change {
    /// What the user may do.
    pub role: Option<Role>,
    /// Whether the user is let in.
    pub is_active: Option<bool>,
    /// The locations that the user sees; empty: all.
    pub location_ids: Option<BTreeSet<i64>>,
    /// The hash of the password, or none any more. Tokens that logins made end with the old one, but for `but_for`.
    pub password_hash: Option<Option<Secret>>,
    /// A token that stays.
    pub but_for: Option<i64>,
}

/// Adds a user.
///
/// # Errors
/// 400 when the name was given before, a location is unknown, or a store user gets none.
pub async fn add(connection: &mut PgConnection, user: &NewUser) -> Result<i64> {
    let NewUser { username, password_hash, role, location_ids } = user;
    if let Some(fault) = fault_of_name(username) {
        return Err(Refusal::field("username", fault).into());
    }
    if *role == Role::Store && location_ids.is_empty() {
        return Err(Refusal::field("stock_locations", NOWHERE).into());
    }
    let user_id = sqlx::query_scalar!(
        "insert into users (username, password_hash, role) values ($1, $2, $3) returning id",
        username,
        password_hash.as_ref().map(Secret::reveal),
        role.as_str()
    )
    .fetch_one(&mut *connection)
    .await
    .on_constraint("users_username_key", || {
        let message = format!(
            "There is a user {username} already. Choose another name: that of a user who was removed is not given again."
        );
        Refusal::field("username", message)
    })?;
    set_locations(connection, user_id, location_ids).await?;
    Ok(user_id)
}

/// Why a name is none. Names stand in the audit and in lists for people: what looks like another name, or like more than a
/// name, is refused.
fn fault_of_name(name: &str) -> Option<String> {
    if name.trim().is_empty() {
        Some("This field may not be blank.".to_owned())
    } else if name.chars().count() > LONGEST_NAME {
        Some(format!("Ensure this field has no more than {LONGEST_NAME} characters."))
    } else if name.trim() != name || one_line(name) != name {
        Some("A name has no control characters, and no space at its beginning or end.".to_owned())
    } else {
        None
    }
}

/// Adds a user who is limited to locations of these ERP codes, if any.
///
/// # Errors
/// As [`add`]; 400 when the password is not good.
pub async fn create_user(
    connection: &mut PgConnection,
    username: &str,
    password: Option<&str>,
    role: Role,
    erp_codes: &[String],
) -> Result<i64> {
    let username = &*name(username);
    let password_hash = match password {
        Some(password) => Some(passwords::hash_new("password", username, password.into()).await?),
        None => None,
    };
    let location_ids = locations(connection, erp_codes).await?;
    add(connection, &NewUser { username: username.to_owned(), password_hash, role, location_ids }).await
}

/// The ids of locations.
///
/// # Errors
/// 400 for one that there is not.
pub async fn locations(connection: &mut PgConnection, erp_codes: &[String]) -> Result<BTreeSet<i64>> {
    let erp_codes: &[String] = &erp_codes.iter().map(|code| name(code).into_owned()).collect::<Vec<_>>();
    let known = sqlx::query!("select id, erp_code from stock_locations where erp_code = any($1)", erp_codes)
        .fetch_all(connection)
        .await?;
    for code in erp_codes {
        if !known.iter().any(|row| row.erp_code == *code) {
            return Err(Refusal::field("location", format!("There is no stock location {code}.")).into());
        }
    }
    Ok(known.into_iter().map(|row| row.id).collect())
}

/// A user as it is, whom nobody else changes meanwhile.
struct Locked {
    role: Role,
    is_active: bool,
    location_ids: BTreeSet<i64>,
}

impl Locked {
    /// True if the user may let others in.
    fn is_in_charge(&self) -> bool {
        self.role == Role::Admin && self.is_active && self.location_ids.is_empty()
    }
}

/// Changes of users take turns: each begins with the installation's row.
async fn lock(connection: &mut PgConnection, user_id: i64) -> Result<Locked> {
    db::announce_rights(connection).await?;
    let row = sqlx::query!(
        r#"select username, role, is_active,
                  array(select l.stock_location_id from user_stock_locations l where l.user_id = u.id) as "location_ids!"
             from users u where id = $1 and removed_date is null"#,
        user_id
    )
    .fetch_optional(connection)
    .await?
    .ok_or_else(Refusal::not_found)?;
    if row.username == SYSTEM {
        return Err(Refusal::field("username", "This user is the server itself, and stays as it is.").into());
    }
    let location_ids = row.location_ids.into_iter().collect();
    Ok(Locked { role: row.role.parse()?, is_active: row.is_active, location_ids })
}

/// Changes a user.
///
/// # Errors
/// 404 when there is no such user; 400 when a location is unknown, a store user has none, or nobody would be in charge.
pub async fn change(connection: &mut PgConnection, user_id: i64, change: &Change) -> Result<()> {
    let before = lock(connection, user_id).await?;
    let was_in_charge = before.is_in_charge();
    let after = Locked {
        role: change.role.unwrap_or(before.role),
        is_active: change.is_active.unwrap_or(before.is_active),
        location_ids: change.location_ids.clone().unwrap_or_else(|| before.location_ids.clone()),
    };
    if after.role == Role::Store && after.location_ids.is_empty() {
        return Err(Refusal::field("stock_locations", NOWHERE).into());
    }
    let hash = change.password_hash.as_ref().map(|hash| hash.as_ref().map(Secret::reveal));
    sqlx::query!(
        "update users set role = $2, is_active = $3, password_hash = case when $4 then $5 else password_hash end
          where id = $1 and (role <> $2 or is_active <> $3 or $4)",
        user_id,
        after.role.as_str(),
        after.is_active,
        hash.is_some(),
        hash.flatten()
    )
    .execute(&mut *connection)
    .await?;
    if before.location_ids != after.location_ids {
        set_locations(connection, user_id, &after.location_ids).await?;
    }
    if was_in_charge && !after.is_in_charge() {
        let field = if !after.is_active {
            "is_active"
        } else if after.role != Role::Admin {
            "role"
        } else {
            "stock_locations"
        };
        require_somebody_in_charge(connection, field).await?;
    }
    if hash.is_some() {
        tokens::end_logins(connection, user_id, change.but_for).await?;
    }
    Ok(())
}

/// Removes a user: tokens end, webhooks are deactivated. The name stays in the history, and is given to nobody else.
///
/// # Errors
/// 404 when there is no such user; 400 when nobody would be in charge.
pub async fn remove(connection: &mut PgConnection, user_id: i64) -> Result<()> {
    let before = lock(connection, user_id).await?;
    sqlx::query!(
        "update users set is_active = false, password_hash = null, removed_date = now() where id = $1",
        user_id
    )
    .execute(&mut *connection)
    .await?;
    set_locations(connection, user_id, &BTreeSet::new()).await?;
    sqlx::query!("delete from tokens where user_id = $1", user_id).execute(&mut *connection).await?;
    sqlx::query!(
        "update webhooks set is_active = false, modified_date = now() where user_id = $1 and is_active",
        user_id
    )
    .execute(&mut *connection)
    .await?;
    if before.is_in_charge() {
        require_somebody_in_charge(connection, "non_field_errors").await?;
    }
    Ok(())
}

/// Refuses what was just changed, if it leaves no active admin of every location.
async fn require_somebody_in_charge(connection: &mut PgConnection, field: &str) -> Result<()> {
    let is_somebody = sqlx::query_scalar!(
        r#"select exists (select from users u
                           where role = 'admin' and is_active
                             and not exists (select from user_stock_locations l where l.user_id = u.id)) as "is!""#
    );
    if is_somebody.fetch_one(connection).await? {
        return Ok(());
    }
    let message = "This is the last active admin of every location. Make another user one first.";
    Err(Refusal::field(field, message).into())
}

/// Sets the locations that a user sees; none: all.
async fn set_locations(connection: &mut PgConnection, user_id: i64, location_ids: &BTreeSet<i64>) -> Result<()> {
    let ids: Vec<i64> = location_ids.iter().copied().collect();
    sqlx::query!(
        "delete from user_stock_locations where user_id = $1 and not (stock_location_id = any($2))",
        user_id,
        &ids
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "insert into user_stock_locations (user_id, stock_location_id) select $1, unnest($2::bigint[])
         on conflict do nothing",
        user_id,
        &ids
    )
    .execute(connection)
    .await
    .on_constraint("user_stock_locations_stock_location_id_fkey", || Refusal::field("stock_locations", NO_LOCATION))?;
    Ok(())
}

/// The id of a user by name.
///
/// # Errors
/// 400 when there is no such user, or it was removed.
pub async fn id_of(connection: &mut PgConnection, username: &str) -> Result<i64> {
    let username = &*name(username);
    let id = sqlx::query_scalar!("select id from users where username = $1 and removed_date is null", username);
    let id = id.fetch_optional(connection).await?;
    Ok(id.ok_or_else(|| Refusal::field("username", format!("There is no user {username}.")))?)
}

/// Activates or deactivates a user.
///
/// # Errors
/// 400 when there is no such user, or nobody would be in charge.
pub async fn set_active(connection: &mut PgConnection, username: &str, is_active: bool) -> Result<()> {
    let id = id_of(connection, username).await?;
    change(connection, id, &Change { is_active: Some(is_active), ..Change::default() }).await
}

/// Every user, a line each: name, role, locations, tokens.
///
/// # Errors
/// When the database fails.
pub async fn list(connection: &mut PgConnection) -> Result<Vec<ListedUser>> {
    let rows = sqlx::query!(
        r#"select u.username, u.role, u.is_active,
                  (select count(*) from tokens t where t.user_id = u.id) as "tokens!",
                  array(select l.erp_code from user_stock_locations ul join stock_locations l
                            on l.id = ul.stock_location_id where ul.user_id = u.id order by 1) as "locations!"
             from users u where removed_date is null order by u.username"#
    )
    .fetch_all(connection)
    .await?;
    let listed = rows.into_iter().map(|row| ListedUser {
        username: row.username,
        role: row.role,
        is_active: row.is_active,
        stock_locations: row.locations,
        tokens: row.tokens,
    });
    Ok(listed.collect())
}

/// A user, as the command line lists it.
#[derive(Debug, Clone, Serialize)]
pub struct ListedUser {
    /// The name.
    pub username: String,
    /// The role.
    pub role: String,
    /// Whether the user is let in.
    pub is_active: bool,
    /// ERP codes of the locations that the user sees; none: all.
    pub stock_locations: Vec<String>,
    /// How many tokens there are.
    pub tokens: i64,
}

impl fmt::Display for ListedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { username, role, is_active, stock_locations, tokens } = self;
        let places = if stock_locations.is_empty() { "all locations".to_owned() } else { stock_locations.join(" ") };
        let state = if *is_active { "" } else { " (disabled)" };
        write!(f, "{username}{state}: {role}, {places}, {tokens} tokens")
    }
}
