//! Whether the role may stop a violator and may not stop an exempt instance, asked by dry runs.

use crate::aws::ec2::Instances;
use crate::aws::error::{AwsError, Class};
use crate::commands::check::finding::{Finding, one_line};
use crate::commands::check::statement::Names;
use crate::commands::check::subject::Subject;
use crate::domain::ids::InstanceId;

/// Asks whether the role may stop the violator. The second value says whether EC2 answered yes.
pub(super) async fn stopping(
    instances: &Instances,
    names: &Names,
    violator: &Result<Option<InstanceId>, AwsError>,
) -> (Finding, bool) {
    let (subject, tag) = (Subject::Stopping, &names.exception_tag);
    let id = match violator {
        Ok(Some(id)) => id,
        Ok(None) => {
            let found = format!("no running instance without {tag} to ask about");
            let remedy = "start one, or name one with --instance";
            return (Finding::not_proven(subject, found).remedy(remedy), false);
        }
        Err(_) => return (Finding::not_proven(subject, "no instance can be seen"), false),
    };
    let finding = match instances.may_stop(id).await {
        Ok(()) => return (Finding::ok(subject, format!("EC2 would stop {id} (dry run)")), true),
        Err(error) if error.class == Class::Denied => {
            let found = format!("EC2 would not stop {id}: {}", one_line(&error));
            let remedy = match names.ignoring_policies() {
                None => format!("allow ec2:StopInstances for instances without {tag}"),
                Some(policies) => format!("allow ec2:StopInstances, with {tag} too for {policies}"),
            };
            Finding::failed(subject, found).denied(&error, remedy, names.stopping())
        }
        Err(error) if error.code == "NoDryRun" => Finding::failed(subject, one_line(&error))
            .remedy(format!("look at {id}: this endpoint may have stopped it")),
        Err(error) => {
            let found = format!("asked about {id}, EC2 says {}", one_line(&error));
            Finding::not_proven(subject, found).remedy("name another with --instance")
        }
    };
    (finding, false)
}

/// Asks whether the role may stop an exempt instance. IAM should deny it, unless a policy may stop
/// such instances, too.
pub(super) async fn guard(instances: &Instances, names: &Names, id: &InstanceId) -> Finding {
    let tag = &names.exception_tag;
    match instances.may_stop(id).await {
        Err(error) if error.class == Class::Denied => match names.ignoring_policies() {
            None => {
                Finding::ok(Subject::Guard, format!("EC2 would not stop {id}, which carries {tag}"))
            }
            Some(policies) => in_the_way(names, id, &policies, &error),
        },
        Ok(()) => match names.ignoring_policies() {
            None => no_guard(names, id),
            Some(policies) => Finding::ok(
                Subject::Guard,
                format!(
                    "EC2 would stop {id}, which carries {tag}, as @exception(\"ignored\") wants for \
                     {policies}"
                ),
            ),
        },
        Err(error) => Finding::not_proven(
            Subject::Guard,
            format!("asked about {id}, EC2 says {}", one_line(&error)),
        ),
    }
}

/// Asks whether the role may stop an instance whose exception tag has a date, which ends the exemption
/// sooner or later. IAM should allow it.
pub(super) async fn expiry(instances: &Instances, names: &Names, id: &InstanceId) -> Finding {
    let tag = &names.exception_tag;
    match instances.may_stop(id).await {
        Ok(()) => {
            let found = format!("EC2 would stop {id}, whose {tag} has a date, once that is past");
            Finding::ok(Subject::Expiry, found)
        }
        Err(error) if error.class == Class::Denied => {
            let found = format!(
                "EC2 would not stop {id}, whose {tag} has a date, not even once that is past: {}",
                one_line(&error)
            );
            let remedy = "let the guard allow it with the statement below, or give \
                          policy.exception_expires = false";
            let statement = names.stopping_of_dated();
            Finding::failed(Subject::Expiry, found).denied(&error, remedy.to_owned(), statement)
        }
        Err(error) => Finding::not_proven(
            Subject::Expiry,
            format!("asked about {id}, EC2 says {}", one_line(&error)),
        ),
    }
}

/// The finding for a role without a guard.
fn no_guard(names: &Names, id: &InstanceId) -> Finding {
    let found = format!(
        "EC2 would stop {id}, although it carries {}: the role has no guard, or one of another tag",
        names.exception_tag
    );
    Finding::warning(Subject::Guard, found)
        .remedy("the daemon spares it by itself; let IAM do so too, with the statement below")
        .allow(names.stopping())
}

/// The finding for a guard that denies what policies may stop.
fn in_the_way(names: &Names, id: &InstanceId, policies: &str, error: &AwsError) -> Finding {
    let found = format!(
        "EC2 would not stop {id}, which carries {}, although @exception(\"ignored\") lets {policies} \
         stop it",
        names.exception_tag
    );
    let remedy = "leave out @exception(\"ignored\"), or give up the guard with the statement below";
    Finding::failed(Subject::Guard, found).denied(error, remedy.to_owned(), names.stopping())
}
