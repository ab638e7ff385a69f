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
            let remedy = format!("allow ec2:StopInstances for instances without {tag}");
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

/// Asks whether the role may stop an exempt instance, which IAM should deny.
pub(super) async fn guard(instances: &Instances, names: &Names, id: &InstanceId) -> Finding {
    let tag = &names.exception_tag;
    match instances.may_stop(id).await {
        Err(error) if error.class == Class::Denied => {
            Finding::ok(Subject::Guard, format!("EC2 would not stop {id}, which carries {tag}"))
        }
        Ok(()) => Finding::warning(
            Subject::Guard,
            format!(
                "EC2 would stop {id}, although it carries {tag}: the role has no guard, or one \
                 of another tag"
            ),
        )
        .remedy("the daemon spares it by itself; let IAM do so too, with the statement below")
        .allow(names.stopping()),
        Err(error) => Finding::not_proven(
            Subject::Guard,
            format!("asked about {id}, EC2 says {}", one_line(&error)),
        ),
    }
}
