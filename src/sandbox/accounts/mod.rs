//! The accounts of the sandbox: its own, and the members that tests add. A member has one role, whose
//! credentials STS gives out (`sts`) and with which calls act upon that account (`admission`).
//!
//! Without a member nothing is checked: whatever credentials a call is signed with, it is one of
//! the sandbox's own account.

pub(super) mod admission;
mod control;
pub(super) mod member;
pub(super) mod session;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::wire::request::Request;

use member::Member;
use session::{ROLE_KEY, Session};

/// The member accounts and the credentials of their roles.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// By account.
    pub(super) members: BTreeMap<String, Member>,
    /// By access key.
    sessions: BTreeMap<String, Arc<Session>>,
    /// The regions to which accounts are not opted in: account and region.
    opted_out: BTreeSet<(String, String)>,
}

impl Accounts {
    /// Whether there is no member: then no credentials are checked.
    pub(super) fn is_single(&self) -> bool {
        self.members.is_empty()
    }

    /// The account with whose credentials a call is signed: that of a role, or the sandbox's own.
    /// Credentials of a role that STS never gave out, or with a foreign token, have no account.
    pub(super) fn account_of(&self, request: &Request, own: &str) -> String {
        match self.session(request) {
            Some(session) => session.account.clone(),
            None if self.is_of_a_role(request) => String::new(),
            None => own.to_owned(),
        }
    }

    /// The session whose credentials a call is signed with.
    pub(super) fn session(&self, request: &Request) -> Option<&Session> {
        let session = self.sessions.get(&request.caller)?;
        (request.token.as_ref() == Some(&session.token)).then_some(session)
    }

    /// Whether a call is signed with credentials of a role, known or not.
    fn is_of_a_role(&self, request: &Request) -> bool {
        !self.is_single() && request.caller.starts_with(ROLE_KEY)
    }

    fn is_opted_out(&self, request: &Request) -> bool {
        self.opted_out.contains(&(request.account.clone(), request.region.clone()))
    }
}
