//! A member account and its role.

/// The role of a member, unless it is given another name.
pub(in crate::sandbox) const ROLE: &str = "ec2-policy-enforcer";

/// A member account. By default it has the role `ec2-policy-enforcer`, which trusts the sandbox's
/// own account and asks for no external id.
#[derive(Debug, Clone)]
pub struct Member {
    pub(in crate::sandbox) account: String,
    pub(in crate::sandbox) role: String,
    /// The unique id of the role, such as `AROA4XTY6RG7LZ5M2QWEB`.
    pub(in crate::sandbox) role_id: String,
    pub(super) external_id: Option<String>,
    pub(super) state: RoleState,
}

/// What became of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoleState {
    Trusting,
    /// It trusts nobody. Credentials that it gave out before are valid until they expire.
    Distrusting,
    /// It does not exist.
    Deleted,
}

impl Member {
    /// An account, named by 12 digits.
    #[must_use]
    pub fn of(account: impl Into<String>) -> Self {
        Self {
            account: account.into(),
            role: ROLE.to_owned(),
            role_id: String::new(),
            external_id: None,
            state: RoleState::Trusting,
        }
    }

    /// Names its role, without a path.
    #[must_use]
    pub fn role(mut self, name: impl Into<String>) -> Self {
        self.role = name.into();
        self
    }

    /// Lets the role trust only callers that send this external id.
    #[must_use]
    pub fn external_id(mut self, id: impl Into<String>) -> Self {
        self.external_id = Some(id.into());
        self
    }

    /// Leaves out the role, which `Sandbox::heal_role` makes.
    #[must_use]
    pub fn without_role(mut self) -> Self {
        self.state = RoleState::Deleted;
        self
    }

    /// Whether a call with this external id may assume the role of this name. A role that asks for
    /// none takes any.
    pub(in crate::sandbox) fn lets_in(&self, role: &str, external_id: Option<&str>) -> bool {
        let is_known = self.external_id.as_deref().is_none_or(|id| external_id == Some(id));
        self.state == RoleState::Trusting && self.role == role && is_known
    }
}

impl From<&str> for Member {
    fn from(account: &str) -> Self {
        Self::of(account)
    }
}
