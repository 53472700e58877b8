//! The answer of a list: a page of JSON, or a file of all rows.

use serde::Serialize;
use sqlx::{FromRow, Row as _, postgres::PgRow};
use utoipa::ToSchema;

use super::{List, Listed, Page};
use crate::{
    db::{PgConnection, PgPool, PoolConnection},
    error::Result,
    export::Sheet,
    role::Role,
    scope::Visible,
};

/// Rows read and turned into JSON at a time.
const BATCH: usize = 200;

/// A row of a list that needs no more than its own columns.
pub trait ListRow: for<'r> FromRow<'r, PgRow> + Serialize + ToSchema + Send + Unpin + 'static {
    /// Its list.
    const LIST: List;
    /// The roles that may read it, besides admins; empty: all.
    const ROLES: &'static [Role] = &[];
}

/// The ids of rows whose first column is one.
///
/// # Errors
/// When the first column is no id.
pub fn ids(rows: &[PgRow]) -> Result<Vec<i64>> {
    Ok(rows.iter().map(|row| row.try_get(0)).collect::<sqlx::Result<_>>()?)
}

impl List {
    /// Finds the requested rows. The caller turns each batch of them into views and adds them:
    ///
    /// ```text
    /// let mut listing = LIST.open(&app.pool, page, visible).await?;
    /// while let Some((connection, rows)) = listing.batch() {
    ///     let views = view::load(connection, &ids(&rows)?).await?;
    ///     listing.add(views).await?;
    /// }
    /// listing.respond().await
    /// ```
    ///
    /// # Errors
    /// 400 named by the parameter that is wrong, or for a file that would be too long; 404 for a page beyond the last;
    /// when the database fails.
    pub async fn open<T>(&self, pool: &PgPool, mut page: Page, visible: &Visible) -> Result<Listing<T>> {
        let sheet = match page.format {
            None => None,
            Some(format) => Some(Sheet::begin(format).await?),
        };
        let mut connection = pool.acquire().await?;
        let (count, rows) = self.rows(&mut connection, &mut page, visible).await?;
        Ok(Listing { page, count, connection, rows: rows.into_iter(), results: Vec::new(), sheet })
    }
}

impl Page {
    /// A page of rows in memory, or a file of them.
    ///
    /// # Errors
    /// 404 for a page beyond the last, 400 for a file that would be too long; when a file cannot be written.
    pub async fn of<T: Serialize + Send + 'static>(&self, rows: Vec<T>) -> Result<Listed<T>> {
        let count = rows.len();
        let mut page = self.clone();
        page.settle(count)?;
        let rows: Vec<T> = rows.into_iter().skip(page.offset()).take(page.limit()).collect();
        match page.format {
            None => Ok(Listed::Page(page.page_of(count, rows))),
            Some(format) => {
                Ok(Listed::File(Sheet::begin(format).await?.add(rows).await?.finish(&page.file_name()).await?))
            }
        }
    }
}

/// See [`List::open`]. `T` is the view of a row.
#[derive(Debug)]
pub struct Listing<T> {
    page: Page,
    count: usize,
    connection: PoolConnection,
    rows: std::vec::IntoIter<PgRow>,
    results: Vec<T>,
    /// For a file.
    sheet: Option<Sheet>,
}

impl<T: Serialize + Send + 'static> Listing<T> {
    /// The next rows, with a connection to read more of them; none at the end.
    pub fn batch(&mut self) -> Option<(&mut PgConnection, Vec<PgRow>)> {
        let rows: Vec<PgRow> = self.rows.by_ref().take(BATCH).collect();
        (!rows.is_empty()).then_some((&mut *self.connection, rows))
    }

    /// Adds the views of a batch.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub async fn add(&mut self, rows: Vec<T>) -> Result<()> {
        match self.sheet.take() {
            Some(sheet) => self.sheet = Some(sheet.add(rows).await?),
            None => self.results.extend(rows),
        }
        Ok(())
    }

    /// The whole answer.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub async fn finish(self) -> Result<Listed<T>> {
        let Self { page, count, connection, results, sheet, .. } = self;
        drop(connection);
        match sheet {
            Some(sheet) => Ok(Listed::File(sheet.finish(&page.file_name()).await?)),
            None => Ok(Listed::Page(page.page_of(count, results))),
        }
    }
}
