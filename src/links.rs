//! The addresses of documents: labels and invoices, which a browser or a printer opens without a token.
//!
//! Whoever has such an address reads a name, an address and a telephone number. So it is signed and expires: it is made
//! when it is shown, for somebody who may see the package, and is good for some days. In an event or a webhook it is
//! made when the payload is. The key of the signatures is in the database, so that any server takes the addresses of any
//! other, and is shown nowhere.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use uuid::Uuid;

use crate::{
    db::PgConnection,
    error::{Error, Result},
};

/// How the query of an address begins.
const QUERY: &str = "?expires=";
/// Expiries are whole hours, so that a document's address stays the same for a while.
const STEP: u64 = 3600;
/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// What an address leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Document {
    /// A package's shipping label.
    Label,
    /// The document of a package's invoice.
    Invoice,
}

impl Document {
    /// The part of the path that names the kind.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Label => "shipping-labels",
            Self::Invoice => "invoices",
        }
    }
}

/// How long addresses are good, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// For how long a new address is good, at least.
    pub lifetime: Duration,
    /// Documents need a token, too, of a user who may see the package.
    pub need_token: bool,
    /// Addresses without a signature are good, and for ever: versions before gave out such.
    pub take_unsigned: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lifetime: Duration::from_hours(7 * 24), need_token: false, take_unsigned: false }
    }
}

/// Why an address is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// It has no signature, or another one.
    Unsigned,
    /// It was good once.
    Expired,
}

/// Makes and checks addresses.
pub struct Links {
    /// The settings.
    pub settings: Settings,
    key: [u8; KEY_BYTES],
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Whether a text has an address that expires.
#[must_use]
pub fn expires(text: &str) -> bool {
    text.contains(QUERY)
}

impl Links {
    /// Reads the key of the database, and makes it if there is none yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn open(connection: &mut PgConnection, settings: Settings) -> Result<Self> {
        let new: [u8; KEY_BYTES] = rand::random();
        sqlx::query!("insert into link_key (key) values ($1) on conflict do nothing", &new[..])
            .execute(&mut *connection)
            .await?;
        let key = sqlx::query_scalar!("select key from link_key").fetch_one(connection).await?;
        let key = key.try_into().map_err(|_| Error::Fault("the key of links has another length".to_owned()))?;
        Ok(Self { settings, key })
    }

    /// When an address expires that is made now, in seconds since 1970.
    fn expiry(&self, now: u64) -> u64 {
        now.saturating_add(self.settings.lifetime.as_secs()).div_ceil(STEP).saturating_mul(STEP)
    }

    /// The query of an address that is made now.
    fn query(&self, document: Document, key: Uuid, now: u64) -> String {
        let expires = self.expiry(now);
        let signature = URL_SAFE_NO_PAD.encode(self.mac(document, key, expires).finalize().into_bytes());
        format!("{QUERY}{expires}&signature={signature}")
    }

    /// Checks the query of an address that is opened now.
    ///
    /// # Errors
    /// The denial.
    pub fn check(&self, document: Document, key: Uuid, query: &str) -> Result<(), Denial> {
        self.check_at(document, key, query, now())
    }

    fn check_at(&self, document: Document, key: Uuid, query: &str, now: u64) -> Result<(), Denial> {
        let get = |wanted: &str| {
            let mut given = form_urlencoded::parse(query.as_bytes());
            given.find(|(name, _)| name == wanted).map(|(_, value)| value)
        };
        let (expires, signature) = match (get("expires"), get("signature")) {
            (Some(expires), Some(signature)) => (expires, signature),
            (None, None) if self.settings.take_unsigned => return Ok(()),
            _ => return Err(Denial::Unsigned),
        };
        // In the only spelling that we give out.
        let expires = expires.parse::<u64>().ok().filter(|number| number.to_string() == *expires);
        let expires = expires.ok_or(Denial::Unsigned)?;
        let signature = URL_SAFE_NO_PAD.decode(&*signature).map_err(|_| Denial::Unsigned)?;
        self.mac(document, key, expires).verify_slice(&signature).map_err(|_| Denial::Unsigned)?;
        if expires < now { Err(Denial::Expired) } else { Ok(()) }
    }

    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn mac(&self, document: Document, key: Uuid, expires: u64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("a key of any length");
        mac.update(format!("{}/{key}?{expires}", document.word()).as_bytes());
        mac
    }
}

#[expect(clippy::disallowed_methods, reason = "an address expires by the clock, whatever it leads to")]
fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The addresses in an answer: where they begin, and who signs those of documents.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// `http://host`, as the reader calls this server.
    pub base_url: String,
    links: Arc<Links>,
}

impl Addresses {
    /// Addresses that begin with `base_url`.
    #[must_use]
    pub const fn new(base_url: String, links: Arc<Links>) -> Self {
        Self { base_url, links }
    }

    /// What is the same while these addresses are: where they begin, and when those of documents expire that are made
    /// now. For what is kept with addresses in it.
    #[must_use]
    pub fn kept_as(&self) -> String {
        format!("{} {}", self.base_url, self.links.expiry(now()))
    }

    /// The address of a document, good from now on.
    #[must_use]
    pub fn of(&self, document: Document, key: Uuid) -> String {
        let query = self.links.query(document, key, now());
        format!("{}/api/v1/oms/{}/{key}/{query}", self.base_url, document.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_800_000_123;
    const KEY: Uuid = Uuid::from_u128(7);

    fn links(settings: Settings) -> Links {
        Links { settings, key: [1; KEY_BYTES] }
    }

    #[test]
    fn an_address_is_good_for_its_document_until_it_expires() {
        let links = links(Settings { lifetime: Duration::from_hours(2), ..Settings::default() });
        let query = links.query(Document::Label, KEY, NOW);
        let query = query.trim_start_matches('?');
        assert!(query.starts_with("expires=1800010800&signature="), "{query}");
        let check = |document, key, query: &str, now| links.check_at(document, key, query, now);
        assert_eq!(check(Document::Label, KEY, query, NOW), Ok(()));
        assert_eq!(check(Document::Label, KEY, query, 1_800_010_800), Ok(()));
        assert_eq!(check(Document::Label, KEY, query, 1_800_010_801), Err(Denial::Expired));
        assert_eq!(check(Document::Invoice, KEY, query, NOW), Err(Denial::Unsigned));
        assert_eq!(check(Document::Label, Uuid::from_u128(8), query, NOW), Err(Denial::Unsigned));
        for wrong in [
            String::new(),
            "expires=1800010800".to_owned(),
            "signature=AAAA&expires=1800010800".to_owned(),
            query.replace("1800010800", "1800014400"),
            query.replace("expires=1", "expires=%2B1"),
            query.replace("expires=1", "expires=01"),
            query[..query.len() - 1].to_owned(),
            format!("{query}A"),
        ] {
            assert_eq!(check(Document::Label, KEY, &wrong, NOW), Err(Denial::Unsigned), "{wrong}");
        }
    }

    #[test]
    fn another_key_signs_otherwise_and_no_key_is_shown() {
        let (one, other) = (links(Settings::default()), Links { settings: Settings::default(), key: [2; KEY_BYTES] });
        let query = one.query(Document::Label, KEY, NOW);
        assert_eq!(other.check_at(Document::Label, KEY, &query[1..], NOW), Err(Denial::Unsigned));
        assert!(!format!("{one:?}").contains('1'), "{one:?}");
    }

    #[test]
    fn addresses_of_versions_before_are_taken_where_the_settings_say_so() {
        let links = links(Settings { take_unsigned: true, ..Settings::default() });
        assert_eq!(links.check_at(Document::Label, KEY, "", NOW), Ok(()));
        assert_eq!(links.check_at(Document::Label, KEY, "expires=1&signature=", NOW), Err(Denial::Unsigned));
        assert_eq!(links.check_at(Document::Label, KEY, "expires=1", NOW), Err(Denial::Unsigned));
    }
}
