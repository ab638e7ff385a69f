//! The class of an error, by its code and its HTTP status.

use crate::aws::error::table::{self, Row, find};
use crate::aws::error::{AwsError, Class, Service};

impl AwsError {
    /// An error that this program finds by itself, of the code and class of `row`.
    pub(crate) fn of(row: &Row, message: impl Into<String>) -> Self {
        Self { class: row.class, code: row.code.to_owned(), message: message.into() }
    }

    /// An error that `service` answered an entry of a batch call with. It has no HTTP status, since
    /// the call as a whole succeeded.
    pub(in crate::aws) fn of_entry(service: Service, code: &str, message: Option<&str>) -> Self {
        Self {
            class: classify(service, Some(code), None),
            code: code.to_owned(),
            message: message.unwrap_or_default().to_owned(),
        }
    }

    /// The label of the error in the metrics: that of the table's row, else `other`, so that
    /// nobody who answers can make up labels.
    pub(in crate::aws) fn label(&self, service: Service) -> &'static str {
        find(service, &self.code, None).map_or("other", |row| row.label)
    }
}

/// Looks the class up by the code, and by the HTTP status where the table has no row for the code.
///
/// An entry of a batch call has a code and no status. Leave the status out for it: SQS refuses a
/// stale receipt with the code of a wrong request, and the missing status tells the two apart.
pub(super) fn classify(service: Service, code: Option<&str>, status: Option<u16>) -> Class {
    let Some(code) = code.filter(|code| !code.is_empty()) else {
        return class_by_status(status).unwrap_or(table::NO_CODE.class);
    };
    let row = find(service, code, status);
    row.map(|row| row.class).or_else(|| class_by_status(status)).unwrap_or(Class::Invalid)
}

fn class_by_status(status: Option<u16>) -> Option<Class> {
    match status? {
        429 => Some(Class::Throttled),
        408 | 500..=599 => Some(Class::Transient),
        400..=499 => Some(Class::Invalid),
        _ => None,
    }
}
