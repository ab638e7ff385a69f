//! A session: the credentials that STS gives out for a role, for a limited time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::member::Member;
use crate::sandbox::world::{World, partition};

/// How the access keys of roles begin.
pub(in crate::sandbox) const ROLE_KEY: &str = "ASIA";

/// The credentials of a role. Their access key is kept beside them.
#[derive(Debug)]
pub(in crate::sandbox) struct Session {
    pub(in crate::sandbox) account: String,
    /// The name of the role.
    pub(in crate::sandbox) role: String,
    pub(in crate::sandbox) role_id: String,
    /// The name that the caller of `AssumeRole` gave it.
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) token: String,
    pub(in crate::sandbox) expires: Instant,
}

impl Session {
    /// Draws a session of a member's role and the access key for it. Both are valid from now on.
    pub(in crate::sandbox) fn begin(
        world: &mut World,
        member: &Member,
        (name, lifetime): (&str, Duration),
    ) -> (String, Arc<Self>) {
        let session = Arc::new(Self {
            account: member.account.clone(),
            role: member.role.clone(),
            role_id: member.role_id.clone(),
            name: name.to_owned(),
            token: world.ids.letters(320),
            expires: world.now() + lifetime,
        });
        let key = world.ids.upper_case((ROLE_KEY, 16));
        world.accounts.sessions.insert(key.clone(), Arc::clone(&session));
        (key, session)
    }

    /// The ARN of the caller, in the partition of a region.
    pub(in crate::sandbox) fn arn(&self, region: &str) -> String {
        let Self { account, role, name, .. } = self;
        format!("arn:{}:sts::{account}:assumed-role/{role}/{name}", partition(region))
    }

    /// The id of the role and the name of the session.
    pub(in crate::sandbox) fn user_id(&self) -> String {
        format!("{}:{}", self.role_id, self.name)
    }
}
