//! Whose credentials the daemon has, and whether they fit the settings.

use crate::aws::error::{AwsError, Class};
use crate::aws::sts::Caller;
use crate::commands::check::finding::{Finding, one_line};
use crate::commands::check::subject::Subject;
use crate::pipeline::audit;
use crate::settings::{AuditTo, Settings};

/// Compares the settings with the credentials' account.
pub(super) fn settings(settings: &Settings, caller: &Result<Caller, AwsError>) -> Finding {
    let told = settings.scope.account.as_ref();
    match (told, caller) {
        (Some(told), Ok(caller)) if *told != caller.account => {
            let found = format!(
                "scope.account is {told}, but the credentials' account is {}",
                caller.account
            );
            Finding::failed(Subject::Settings, found)
                .remedy("use credentials of that account, or leave the setting out")
        }
        _ => {
            let tag = &settings.policy.exception_tag;
            let until = if settings.policy.exception_expires { " until a date in it" } else { "" };
            Finding::ok(Subject::Settings, format!("sound; {tag} exempts an instance{until}"))
        }
    }
}

/// Whether the file of the audit trail can be written; nothing to say where there is none.
pub(super) fn audit(settings: &Settings) -> Option<Finding> {
    let AuditTo::File(path) = &settings.audit.to else { return None };
    Some(match audit::probe(path) {
        Ok(()) => {
            let found = format!("{} can be written by this user", path.display());
            Finding::ok(Subject::Audit, found)
        }
        Err(refused) => Finding::failed(Subject::Audit, refused.to_string()),
    })
}

/// Warns of variables that the operator may take for settings.
pub(super) fn unread(names: &[String]) -> Option<Finding> {
    (!names.is_empty()).then(|| {
        let found = format!("no settings, and not read: {}", names.join(", "));
        Finding::warning(Subject::Settings, found).remedy("correct these names, or remove them")
    })
}

/// Names the caller.
pub(super) fn credentials(caller: &Result<Caller, AwsError>) -> Finding {
    match caller {
        Ok(caller) => {
            let found = format!("{}, account {}", caller.arn, caller.account);
            Finding::ok(Subject::Credentials, found)
        }
        Err(error) if error.class == Class::Credentials => {
            Finding::failed(Subject::Credentials, one_line(error)).remedy(
                "give credentials that are valid, by a role or the SDK's variables; nothing else \
                 is checked before",
            )
        }
        // The daemon starts without an answer of STS too.
        Err(error) => Finding::not_proven(Subject::Credentials, one_line(error))
            .remedy("let the daemon reach STS, or set scope.account"),
    }
}
