//! Who may open a document by its address.

use axum::{extract::FromRequestParts, http::request::Parts};
use http::StatusCode;
use uuid::Uuid;

use super::{Doors, Everyone, Key, caller, enter};
use crate::{
    app::App,
    error::{Error, Refusal, Result},
    links::{Denial, Document},
};

/// Whoever has a good address of a document ([`crate::links`]) and, where the settings want it, a token too. `INVOICE`:
/// of an invoice; else of a label.
pub struct Linked<const INVOICE: bool> {
    /// The server.
    pub app: App,
    /// The document's key.
    pub key: Uuid,
    /// The locations whose packages the reader sees; none: all.
    pub location_ids: Option<Vec<i64>>,
}

impl<const INVOICE: bool> FromRequestParts<Doors> for Linked<INVOICE> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, doors: &Doors) -> Result<Self> {
        let Key(key) = Key::from_request_parts(parts, doors).await?;
        let Doors(app) = doors;
        let document = if INVOICE { Document::Invoice } else { Document::Label };
        let query = parts.uri.query().unwrap_or_default();
        app.links.check(document, key, query).map_err(refusal)?;
        let mut location_ids = None;
        if app.links.settings.need_token {
            let caller = caller::<Everyone>(parts, app).await?;
            location_ids = caller.scope.location_ids().map(<[i64]>::to_vec);
        }
        enter(parts, Self { app: app.clone(), key, location_ids })
    }
}

/// Says nothing of whether there is such a document.
fn refusal(denial: Denial) -> Refusal {
    match denial {
        Denial::Unsigned => Refusal::detail(
            StatusCode::FORBIDDEN,
            "This address is not signed as it should be. Take it from the package as a whole, with its query.",
        ),
        Denial::Expired => {
            Refusal::detail(StatusCode::GONE, "This address has expired. Read the package again: it has a new one.")
        }
    }
}
