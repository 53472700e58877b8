//! Where a database is at home, so that a copy of it that is started elsewhere tells nobody what it finds.
//!
//! The first server that starts on a database records where that is. A server that finds itself elsewhere holds everything
//! that would leave it ([`Gate`]) until somebody says that this is the home from now on (`oms adopt`). Two things make a
//! home, and one is enough:
//!
//! * the name that its servers have in common, if they have one (`OMS_INSTANCE`): whoever moves the database keeps it;
//! * otherwise the place: the identifier of the Postgres cluster, the number of the database in it, and the folder of a
//!   private one. Any number of servers on one `DATABASE_URL` have the same. A dump that is restored has another, as has
//!   a copy inside the cluster; a standby that takes over does not.

use std::{path::PathBuf, time::Duration};

use tokio_util::sync::CancellationToken;

use crate::{
    audit::{self, Actor},
    db::{PgConnection, PgPool},
    error::Result,
    outbound::Gate,
};

/// How often a server looks whether it is at home.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What this process knows of where it is.
#[derive(Debug, Clone, Default)]
pub struct Whereabouts {
    /// `OMS_INSTANCE`.
    pub instance: Option<String>,
    /// The folder of the private Postgres.
    pub folder: Option<PathBuf>,
}

/// Whether a database is at home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is, or no server has started on it yet.
    AtHome,
    /// It is a copy.
    Away {
        /// Where it is at home.
        home: String,
        /// Where it is.
        here: String,
    },
}

/// What is recorded, and where we are.
struct Compared {
    home: (Option<String>, Option<String>),
    here: (Option<String>, String),
}

impl Compared {
    async fn read(connection: &mut PgConnection, whereabouts: &Whereabouts) -> Result<Self> {
        let row = sqlx::query!(
            r#"select h.instance, h.place,
                      (select system_identifier::text from pg_control_system()) || '/' || d.oid::text as "here!"
                 from home h cross join pg_database d where d.datname = current_database()"#
        )
        .fetch_one(connection)
        .await?;
        let folder = whereabouts.folder.as_ref().map(|folder| format!(" in {}", folder.display()));
        let place = format!("{}{}", row.here, folder.unwrap_or_default());
        Ok(Self { home: (row.instance, row.place), here: (whereabouts.instance.clone(), place) })
    }

    fn standing(&self) -> Standing {
        let Self { home, here } = self;
        let is_home = match (&home.0, &here.0) {
            (Some(home), Some(here)) => home == here,
            _ => home.1.as_ref().is_none_or(|place| *place == here.1),
        };
        if is_home {
            return Standing::AtHome;
        }
        let shown = |instance: &Option<String>, place: &str| match instance {
            Some(instance) => format!("{instance} ({place})"),
            None => place.to_owned(),
        };
        let was = home.1.as_deref().unwrap_or("nowhere yet");
        Standing::Away { home: shown(&home.0, was), here: shown(&here.0, &here.1) }
    }

    /// True if what is recorded lacks something, or is old: the name is new, or it has moved under its name.
    fn is_news(&self) -> bool {
        (self.here.0.is_some() && self.home.0 != self.here.0) || self.home.1.as_ref() != Some(&self.here.1)
    }

    async fn record(&self, transaction: &mut PgConnection) -> Result<()> {
        let (instance, place) = &self.here;
        sqlx::query!("update home set instance = coalesce($1, instance), place = $2", instance.as_deref(), place)
            .execute(transaction)
            .await?;
        Ok(())
    }
}

/// Whether the database is at home here.
///
/// # Errors
/// When the database fails.
pub async fn look(connection: &mut PgConnection, whereabouts: &Whereabouts) -> Result<Standing> {
    Ok(Compared::read(connection, whereabouts).await?.standing())
}

/// The same for a server that starts: the first one makes it its home.
///
/// # Errors
/// When the database fails.
pub async fn settle(pool: &PgPool, whereabouts: &Whereabouts) -> Result<Standing> {
    let compared = Compared::read(&mut *pool.acquire().await?, whereabouts).await?;
    if compared.standing() != Standing::AtHome || !compared.is_news() {
        return Ok(compared.standing());
    }
    let mut transaction = audit::begin(pool, &Actor::Server("start")).await?;
    // Two that start on it at the same time take turns: the second one finds what the first has recorded.
    sqlx::query!("select from home for update").execute(&mut *transaction).await?;
    let compared = Compared::read(&mut transaction, whereabouts).await?;
    if compared.standing() == Standing::AtHome {
        compared.record(&mut transaction).await?;
    }
    transaction.commit().await?;
    Ok(compared.standing())
}

/// Makes this the home of the database; returns how it stood before.
///
/// # Errors
/// When the database fails.
pub async fn adopt(pool: &PgPool, whereabouts: &Whereabouts) -> Result<Standing> {
    let mut transaction = audit::begin(pool, &Actor::command_line()).await?;
    sqlx::query!("select from home for update").execute(&mut *transaction).await?;
    let compared = Compared::read(&mut transaction, whereabouts).await?;
    let standing = compared.standing();
    if let Standing::Away { .. } = standing {
        // A name that the copy brought along is not that of this home.
        sqlx::query!("update home set instance = $1, place = $2", compared.here.0.as_deref(), compared.here.1)
            .execute(&mut *transaction)
            .await?;
    }
    transaction.commit().await?;
    Ok(standing)
}

/// Says how the database stands, and opens or closes the gate.
pub fn follow(standing: &Standing, gate: &Gate) {
    let was_open = gate.is_open();
    gate.set(*standing == Standing::AtHome);
    match standing {
        Standing::AtHome if was_open => {}
        Standing::AtHome => tracing::info!("this is the database's home now; what was held is let go"),
        Standing::Away { home, here } if was_open => {
            tracing::error!(
                home,
                here,
                "this database is a copy: it is at home elsewhere. Webhooks, the upstream, invoice and stock services are \
                 held. If this is its home from now on: oms adopt"
            );
        }
        Standing::Away { .. } => {}
    }
}

/// Looks now and then whether the database is at home, until `stop`.
pub async fn watch(pool: PgPool, whereabouts: Whereabouts, gate: Gate, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let standing = async { look(&mut *pool.acquire().await?, &whereabouts).await };
        match standing.await {
            Ok(standing) => follow(&standing, &gate),
            Err(error) => tracing::debug!(%error, "cannot look where the database is at home"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_both_have_decides_and_else_the_place_does() {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        for (home, here, is_home, is_news) in [
            // Nobody has started on it yet.
            (("", ""), ("", "1/5"), true, true),
            (("", ""), ("shop", "1/5"), true, true),
            // The servers of before, a copy, and one that got a name.
            (("", "1/5"), ("", "1/5"), true, false),
            (("", "1/5"), ("", "2/5"), false, true),
            (("", "1/5"), ("shop", "1/5"), true, true),
            (("", "1/5"), ("shop", "2/5"), false, true),
            // With a name, it may move; without it, or with another, it is a copy.
            (("shop", "1/5"), ("shop", "2/5"), true, true),
            (("shop", "1/5"), ("trial", "1/5"), false, true),
            (("shop", "1/5"), ("", "2/5"), false, true),
            (("shop", "1/5"), ("", "1/5"), true, false),
        ] {
            let compared = Compared { home: (text(home.0), text(home.1)), here: (text(here.0), here.1.to_owned()) };
            assert_eq!(compared.standing() == Standing::AtHome, is_home, "{home:?} {here:?}");
            assert_eq!(compared.is_news(), is_news, "{home:?} {here:?}");
        }
    }
}
