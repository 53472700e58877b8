//! Reasons to pick from: why a store refuses a package, why a customer cancels or sends back.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::FromRow;
use utoipa::ToSchema;

use crate::{
    page::{Kind, List, ListRow, VISIBLE_TO_ALL, filter},
    reading::{COUNTS, Form, Reader, set},
    record::Record,
    wire::Timestamp,
};

/// Longest `remote_id`, in characters.
const LONGEST_REMOTE_ID: usize = 100;

/// Why a store refuses a package.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema, FromRow)]
pub struct DenialReason {
    /// What commands send as `denial_reason`.
    pub id: i64,
    /// What the store reads and picks; unique.
    pub title: String,
    /// Another system's own key.
    pub remote_id: Option<String>,
    /// For clients to sort by.
    pub priority: Option<i32>,
    /// Whether stores may still pick it.
    pub is_active: bool,
    /// Whether the installation's files hold it.
    #[serde(skip)]
    pub installed: bool,
}

impl Form for DenialReason {
    const REQUIRED: &'static [&'static str] = &["title"];

    fn blank() -> Self {
        Self { is_active: true, ..Self::default() }
    }

    fn read(&mut self, reader: &mut Reader<'_>) {
        set(&mut self.title, reader.lines("title"));
        set(&mut self.remote_id, reader.nullable_text("remote_id", LONGEST_REMOTE_ID));
        set(&mut self.priority, reader.nullable_count("priority"));
        if reader.is_request() {
            set(&mut self.is_active, reader.flag("is_active"));
        } else {
            self.installed = true;
        }
    }
}

impl Record for DenialReason {
    const TABLE: &'static str = "denial_reasons";
    const PLURAL: &'static str = "denial reasons";
    const REQUIRED_IN_FILES: &'static [&'static str] = &["title"];
    const UNIQUE: &'static [&'static str] = &["title"];
    const CONSTRAINTS: &'static [(&'static str, &'static str, &'static str)] =
        &[("denial_reasons_title_key", "title", "There is a denial reason with this title already.")];

    fn id(&self) -> i64 {
        self.id
    }

    fn set_id(&mut self, id: i64) {
        self.id = id;
    }

    fn columns(&self) -> Value {
        json!({
            "title": self.title,
            "remote_id": self.remote_id,
            "priority": self.priority,
            "is_active": self.is_active,
            "installed": self.installed,
        })
    }
}

impl ListRow for DenialReason {
    const LIST: List = List {
        from: " from denial_reasons r",
        columns: "r.*",
        visible: VISIBLE_TO_ALL,
        filters: &[
            filter("is_active", Kind::Boolean, "r.is_active = {}", "Whether it is active."),
            filter(
                "title",
                Kind::Contains,
                "has_part(r.title, {})",
                "Part of the title, in any case and with any accents.",
            ),
            filter("priority", Kind::Integer, "r.priority = {}", "Its priority."),
            filter("remote_id", Kind::Text, "r.remote_id = {}", "Another system's own key."),
            filter("id__gt", Kind::Integer, "r.id > {}", "Ids greater than this one."),
            filter("id__lt", Kind::Integer, "r.id < {}", "Ids smaller than this one."),
            filter("pk__in", Kind::Integers, "r.id = any({})", "Ids, separated by commas."),
        ],
        sorts: &[
            ("id", "r.id"),
            ("title", "r.title"),
            ("priority", "r.priority"),
            ("created_date", "r.created_date"),
            ("modified_date", "r.modified_date"),
        ],
        default_sort: "-id",
        tie_breaker: "r.id desc",
    };
}

/// A denial reason with its dates, for reports.
#[derive(Debug, Serialize, ToSchema, FromRow)]
pub struct DenialReasonSummary {
    id: i64,
    created_date: Timestamp,
    modified_date: Timestamp,
    title: String,
    remote_id: Option<String>,
    priority: Option<i32>,
    is_active: bool,
}

impl ListRow for DenialReasonSummary {
    const LIST: List = DenialReason::LIST;
}

/// What a customer does by a cancellation reason.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema, sqlx::Type,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum CancellationType {
    /// The goods have not left.
    #[default]
    Cancel,
    /// They come back.
    Refund,
}

/// Why a customer cancels or sends back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema, FromRow)]
pub struct CancellationReason {
    /// What `CANCEL_PACKAGE` sends as `cancellation_reason`.
    pub id: i64,
    /// When it was added.
    pub created_date: Timestamp,
    /// When it was changed last.
    pub modified_date: Timestamp,
    /// The upstream's own key.
    pub omnitron_id: Option<i64>,
    /// What the customer reads and picks.
    pub subject: String,
    /// `cancel` or `refund`.
    pub cancellation_type: CancellationType,
    /// Whether the customer is asked for more words.
    pub extra_information_needed: bool,
    /// Lower is shown first.
    #[sqlx(rename = "position")]
    pub order: i32,
    /// Whether customers may still pick it.
    pub is_active: bool,
    /// Whether the installation's files hold it.
    #[serde(skip)]
    pub installed: bool,
}

impl Form for CancellationReason {
    const REQUIRED: &'static [&'static str] = &["subject", "cancellation_type"];

    fn blank() -> Self {
        Self { is_active: true, ..Self::default() }
    }

    fn read(&mut self, reader: &mut Reader<'_>) {
        set(&mut self.subject, reader.lines("subject"));
        set(&mut self.cancellation_type, reader.choice(reader.key("cancellation_type", "type")));
        set(&mut self.order, reader.count("order", COUNTS));
        set(&mut self.extra_information_needed, reader.flag("extra_information_needed"));
        set(&mut self.omnitron_id, reader.nullable_id("omnitron_id"));
        if reader.is_request() {
            set(&mut self.is_active, reader.flag("is_active"));
        } else {
            self.installed = true;
        }
    }
}

impl Record for CancellationReason {
    const TABLE: &'static str = "cancellation_reasons";
    const PLURAL: &'static str = "cancellation reasons";
    const REQUIRED_IN_FILES: &'static [&'static str] = &["subject", "type"];
    const UNIQUE: &'static [&'static str] = &["subject", "cancellation_type"];
    const CONSTRAINTS: &'static [(&'static str, &'static str, &'static str)] = &[
        ("cancellation_reasons_subject_key", "subject", "There is a cancellation reason with this subject already."),
        (
            "cancellation_reasons_omnitron_id_key",
            "omnitron_id",
            "There is a cancellation reason with this key already.",
        ),
    ];

    fn id(&self) -> i64 {
        self.id
    }

    fn set_id(&mut self, id: i64) {
        self.id = id;
    }

    fn columns(&self) -> Value {
        json!({
            "subject": self.subject,
            "cancellation_type": self.cancellation_type,
            "position": self.order,
            "extra_information_needed": self.extra_information_needed,
            "omnitron_id": self.omnitron_id,
            "is_active": self.is_active,
            "installed": self.installed,
        })
    }
}

impl ListRow for CancellationReason {
    const LIST: List = List {
        from: " from cancellation_reasons r",
        columns: "r.*",
        visible: VISIBLE_TO_ALL,
        filters: &[
            filter("is_active", Kind::Boolean, "r.is_active = {}", "Whether it is active."),
            filter(
                "subject",
                Kind::Contains,
                "has_part(r.subject, {})",
                "Part of the subject, in any case and with any accents.",
            ),
            filter("cancellation_type", Kind::Text, "r.cancellation_type = {}", "`cancel` or `refund`."),
            filter("omnitron_id", Kind::Integer, "r.omnitron_id = {}", "The upstream's own key."),
            filter("id__gt", Kind::Integer, "r.id > {}", "Ids greater than this one."),
            filter("id__lt", Kind::Integer, "r.id < {}", "Ids smaller than this one."),
            filter("pk__in", Kind::Integers, "r.id = any({})", "Ids, separated by commas."),
        ],
        sorts: &[
            ("id", "r.id"),
            ("order", "r.position"),
            ("subject", "r.subject"),
            ("created_date", "r.created_date"),
            ("modified_date", "r.modified_date"),
        ],
        default_sort: "-id",
        tie_breaker: "r.id desc",
    };
}
