//! How tests and the subcommand change the accounts of a sandbox.

use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;

use super::member::{Member, RoleState};
use super::session::Session;
use crate::sandbox::Sandbox;
use crate::sandbox::world::World;

/// How long the credentials last that a handle of a member has.
const HANDLE: Duration = Duration::from_hours(12);
/// How the ids of roles begin, and how many characters follow.
const ROLE_ID: (&str, usize) = ("AROA", 17);

impl Sandbox {
    /// Adds a member account, such as `aws.add_account("210987654321")`, or replaces it. From the
    /// first one on, only credentials of roles that STS gave out are valid.
    pub fn add_account(&self, member: impl Into<Member>) {
        let mut member = member.into();
        self.change(|world| {
            member.role_id = world.ids.upper_case(ROLE_ID);
            world.accounts.members.insert(member.account.clone(), member);
        });
    }

    /// Lists the accounts: the sandbox's own, then the members.
    #[must_use]
    pub fn accounts(&self) -> Vec<String> {
        self.read(|world| {
            let members = world.accounts.members.keys().cloned();
            [world.options.account.clone()].into_iter().chain(members).collect()
        })
    }

    /// A handle to the same sandbox that launches, changes and reads the instances of another
    /// account. Its SDK configuration has credentials of the member's role, which need no
    /// `AssumeRole` and last for 12 hours.
    #[must_use]
    pub fn in_account(&self, account: &str) -> Self {
        Self { account: Arc::from(account), ..self.clone() }
    }

    /// The credentials of the handle's account.
    pub(in crate::sandbox) fn credentials(&self) -> Credentials {
        let drawn = self.change(|world| {
            let member = world.accounts.members.get(&*self.account).cloned()?;
            Some(Session::begin(world, &member, ("sandbox", HANDLE)))
        });
        let (key, token) = drawn.map_or_else(
            || ("SANDBOX".to_owned(), None),
            |(key, session)| (key, Some(session.token.clone())),
        );
        Credentials::new(key, "sandbox", token, None, "sandbox")
    }

    /// Lets the role of a member trust nobody any more. Credentials that it gave out before are
    /// valid until they expire.
    ///
    /// # Panics
    /// If there is no such member.
    pub fn break_role(&self, account: &str) {
        self.change(|world| member(world, account).state = RoleState::Distrusting);
    }

    /// Deletes the role of a member, and with it all credentials that it gave out.
    ///
    /// # Panics
    /// If there is no such member.
    pub fn delete_role(&self, account: &str) {
        self.change(|world| {
            member(world, account).state = RoleState::Deleted;
            world.accounts.sessions.retain(|_, session| session.account != account);
        });
    }

    /// Lets the role of a member exist and trust the sandbox's own account again.
    ///
    /// # Panics
    /// If there is no such member.
    pub fn heal_role(&self, account: &str) {
        self.change(|world| {
            if member(world, account).state == RoleState::Deleted {
                member(world, account).role_id = world.ids.upper_case(ROLE_ID);
            }
            member(world, account).state = RoleState::Trusting;
        });
    }

    /// Switches a region off for an account, which can be the sandbox's own: no service knows its
    /// credentials there.
    pub fn opt_out(&self, account: &str, region: &str) {
        let one = (account.to_owned(), region.to_owned());
        self.change(|world| world.accounts.opted_out.insert(one));
    }

    /// Ends `opt_out`.
    pub fn opt_in(&self, account: &str, region: &str) {
        let one = (account.to_owned(), region.to_owned());
        self.change(|world| world.accounts.opted_out.remove(&one));
    }
}

fn member<'w>(world: &'w mut World, account: &str) -> &'w mut Member {
    let member = world.accounts.members.get_mut(account);
    member.unwrap_or_else(|| panic!("no account {account}: call add_account first"))
}
