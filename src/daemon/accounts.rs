//! The way to AWS in each account: with the daemon's own credentials in their account, and with a
//! role in each member account.

use std::collections::BTreeMap;

use crate::aws::connection::Connection;
use crate::aws::role::{self, RoleSession};
use crate::domain::ids::{Account, Region};
use crate::runtime::host;
use crate::settings::{AccountsSettings, SESSION_LIMIT, Settings, is_session_char};

/// The way to AWS in each account. Nothing is asked of STS before the first call to a member
/// account is made.
#[derive(Debug)]
pub(crate) struct Accounts {
    /// The account of the daemon's own credentials.
    pub(crate) own: Account,
    /// The way with those.
    connection: Connection,
    /// The region in which STS is called: the queue's.
    region: Region,
    settings: AccountsSettings,
    /// AWS's partition, such as `aws-cn`, of which all accounts are.
    partition: String,
    session_name: String,
    /// The ways to member accounts. The regions of an account share one, so that its credentials are
    /// fetched once an hour.
    members: BTreeMap<Account, Connection>,
}

impl Accounts {
    /// The ways to the accounts that the settings name.
    pub(crate) fn new(
        own: Account,
        connection: &Connection,
        region: &Region,
        settings: &Settings,
    ) -> Self {
        let accounts = settings.accounts.clone();
        Self {
            own,
            connection: connection.clone(),
            region: region.clone(),
            partition: settings.topic.owners.partition().to_owned(),
            session_name: session_name(&accounts.session_name, host::name().as_deref()),
            settings: accounts,
            members: BTreeMap::new(),
        }
    }

    /// The way to AWS in an account.
    pub(crate) fn connection(&mut self, account: &Account) -> Connection {
        if *account == self.own {
            return self.connection.clone();
        }
        if let Some(known) = self.members.get(account) {
            return known.clone();
        }
        let connection = role::acting_as(&self.connection, &self.region, self.session_in(account));
        self.members.insert(account.clone(), connection.clone());
        connection
    }

    /// Forgets the way to an account, with its credentials.
    pub(crate) fn forget(&mut self, account: &Account) {
        self.members.remove(account);
    }

    /// The role in a member account, and what is said when it is assumed.
    pub(crate) fn session_in(&self, account: &Account) -> RoleSession {
        RoleSession {
            arn: self.settings.role.in_account(&self.partition, account),
            external_id: self.settings.external_id.clone(),
            name: self.session_name.clone(),
        }
    }
}

/// The name of the sessions: the setting, `@` and the host, as much of it as STS takes.
fn session_name(setting: &str, host: Option<&str>) -> String {
    let Some(host) = host else { return setting.to_owned() };
    let name = format!("{setting}@{host}");
    name.chars().filter(|char| is_session_char(*char)).take(SESSION_LIMIT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_after_the_host() {
        let name = |host| session_name("ec2-policy-enforcer", Some(host));
        assert_eq!(name("ip-10-0-0-7"), "ec2-policy-enforcer@ip-10-0-0-7");
        assert_eq!(name("a host/é"), "ec2-policy-enforcer@ahost");
        let long = name(&"h".repeat(80));
        assert_eq!(long, format!("ec2-policy-enforcer@{}", "h".repeat(44)));
        assert_eq!(session_name("ec2-policy-enforcer", None), "ec2-policy-enforcer");
    }
}
