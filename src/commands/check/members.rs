//! The member accounts: whether the daemon can assume the role in each, and what the role may do.

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream;

use super::finding::{Finding, one_line};
use super::instances;
use super::statement::Names;
use super::subject::Subject;
use crate::aws::connection::Connection;
use crate::aws::role;
use crate::daemon::accounts::Accounts;
use crate::domain::ids::{Account, Region};
use crate::domain::members::Members;
use crate::settings::Settings;

/// How many accounts are checked at a time: STS allows 600 calls a second, and a table is no storm.
const AT_ONCE: usize = 20;

/// What to do about a call that the role may not make.
const COMPARE: &str = "compare the role's policy with that of deploy/member.yaml";

/// The accounts to check: the one that the operator named, or else those that the settings list.
pub(super) fn accounts(settings: &Settings, named: Option<&Account>) -> Vec<Account> {
    match (named, &settings.accounts.members) {
        (Some(account), _) => vec![account.clone()],
        (None, Members::Listed(accounts)) => accounts.iter().cloned().collect(),
        (None, Members::Any) => Vec::new(),
    }
}

/// What is to be said where no account can be checked, although others than the own one count.
pub(super) fn unnamed(settings: &Settings) -> Option<Finding> {
    (settings.accounts.members == Members::Any).then(|| {
        Finding::not_proven(Subject::Role, "every account counts whose events reach the queue")
            .remedy("prove the role of one with --account")
    })
}

/// Checks member accounts, several at a time. `show` is given the findings of each as they come.
pub(super) async fn check(
    settings: &Settings,
    (connection, region): (&Connection, &Region),
    (accounts, names): (Vec<Account>, &Names),
    show: impl Fn(usize, Vec<Finding>),
) {
    let ways = Accounts::new(names.account.clone(), connection, region, settings);
    let (ways, show) = (&ways, &show);
    let checks = accounts.into_iter().enumerate().map(|(at, account)| async move {
        let findings = of_account(ways, (connection, region), &names.in_account(&account)).await;
        show(at, findings.into_iter().map(|finding| finding.of_account(&account)).collect());
    });
    stream::iter(checks).buffer_unordered(AT_ONCE).collect::<()>().await;
}

async fn of_account(
    ways: &Accounts,
    (connection, region): (&Connection, &Region),
    names: &Names,
) -> Vec<Finding> {
    let session = ways.session_in(&names.account);
    let arn = session.arn.clone();
    let connection = match role::assume(connection, region, session).await {
        Ok(connection) => connection,
        Err(error) => {
            let found = format!("cannot assume {arn}: {}", one_line(&error));
            let remedy = "create the role with deploy/member.yaml, let it trust the daemon's role, \
                          and allow that one sts:AssumeRole";
            return vec![Finding::failed(Subject::Role, found).remedy(remedy)];
        }
    };
    let in_regions = names.regions.iter().map(|region| {
        let connection = &connection;
        async move { instances::findings(connection, names, region, None).await.0 }
    });
    let role = Finding::ok(Subject::Role, format!("{arn} can be assumed"));
    let instances = join_all(in_regions).await.into_iter().flatten();
    [role].into_iter().chain(instances.map(of_the_role)).collect()
}

/// A finding about what the role may do. Its statement belongs to another policy than those of the
/// daemon's own role.
fn of_the_role(finding: Finding) -> Finding {
    match finding.statement {
        Some(_) => Finding { statement: None, remedy: Some(COMPARE.to_owned()), ..finding },
        None => finding,
    }
}
