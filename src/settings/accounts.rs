//! The section `[accounts]`: the member accounts, and the role by which the daemon acts in each.

use std::collections::BTreeSet;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::scope::texts;
use crate::domain::ids::Account;
use crate::domain::members::Members;

const ANY: &str = "any";
const IDS: &str = "give accounts of 12 digits in quotes, each once, or \"any\" alone";
const ROLE: &str = "give an ARN such as arn:{partition}:iam::{account}:role/ec2-policy-enforcer, with \
                    {account} in it";
const EXTERNAL_ID: &str = "give 2 to 1224 letters, digits and characters of +=,.@:/-_";
const SESSION: &str = "give 2 to 64 letters, digits and characters of +=,.@-_";
/// The longest external id that STS takes (API reference, AssumeRole).
const EXTERNAL_ID_LIMIT: usize = 1224;
/// The longest session name that STS takes (there).
pub(crate) const SESSION_LIMIT: usize = 64;
/// The longest path and name of a role: 512 and 64 characters (IAM quotas).
const ROLE_LIMIT: usize = 512 + 64;

/// The member accounts, and the role by which the daemon acts in each.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccountsSettings {
    /// The accounts besides the credentials' own whose instances count.
    #[serde(rename = "ids", deserialize_with = "members", serialize_with = "listed")]
    pub members: Members,
    /// The role that is assumed in each of them.
    pub role: RoleTemplate,
    /// What the roles want to hear before they can be assumed; `None`: nothing.
    #[serde(deserialize_with = "external_id")]
    pub external_id: Option<String>,
    /// The session's name in the logs of the account; `@` and the host's name follow.
    #[serde(deserialize_with = "session_name")]
    pub session_name: String,
}

/// The ARN of a role, with `{partition}` and `{account}` in place of what differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct RoleTemplate(String);

impl RoleTemplate {
    /// The ARN of the role in an account of a partition, such as `aws`.
    pub(crate) fn in_account(&self, partition: &str, account: &Account) -> String {
        self.0.replace("{partition}", partition).replace("{account}", account.as_str())
    }

    fn is_sound(&self) -> bool {
        let example = Account::parse("123456789012").map(|one| self.in_account("aws", &one));
        let Some(arn) = example.filter(|_| self.0.contains("{account}")) else { return false };
        let parts: Vec<_> = arn.splitn(6, ':').collect();
        let [arn, partition, service, "", account, resource] = parts[..] else { return false };
        let is_place = arn == "arn" && partition.starts_with("aws") && service == "iam";
        let name = resource.strip_prefix("role/").unwrap_or_default();
        let is_name = !name.is_empty() && name.len() <= ROLE_LIMIT && !name.ends_with('/');
        is_place && is_name && name.chars().all(is_role_char) && Account::parse(account).is_some()
    }
}

impl<'de> Deserialize<'de> for RoleTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let role = Self(String::deserialize(deserializer)?);
        let refused = || D::Error::invalid_value(Unexpected::Str(&role.0), &ROLE);
        if role.is_sound() { Ok(role) } else { Err(refused()) }
    }
}

fn members<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
    let ids = texts(deserializer)?;
    if ids == [ANY] {
        return Ok(Members::Any);
    }
    let mut accounts = BTreeSet::new();
    for id in ids {
        let account = Account::parse(&id);
        if !account.is_some_and(|account| accounts.insert(account)) {
            return Err(D::Error::invalid_value(Unexpected::Str(&id), &IDS));
        }
    }
    Ok(Members::Listed(accounts))
}

fn listed<S: Serializer>(members: &Members, serializer: S) -> Result<S::Ok, S::Error> {
    match members {
        Members::Listed(accounts) => accounts.serialize(serializer),
        Members::Any => [ANY].serialize(serializer),
    }
}

fn external_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let id = String::deserialize(deserializer)?;
    if id.is_empty() {
        return Ok(None);
    }
    let is_char = |char: char| is_session_char(char) || matches!(char, ':' | '/');
    if (2..=EXTERNAL_ID_LIMIT).contains(&id.len()) && id.chars().all(is_char) {
        return Ok(Some(id));
    }
    Err(D::Error::invalid_value(Unexpected::Str(&id), &EXTERNAL_ID))
}

fn session_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    if (2..=SESSION_LIMIT).contains(&name.len()) && name.chars().all(is_session_char) {
        return Ok(name);
    }
    Err(D::Error::invalid_value(Unexpected::Str(&name), &SESSION))
}

/// What STS takes in the name of a session: `[\w+=,.@-]`.
pub(crate) fn is_session_char(char: char) -> bool {
    char.is_ascii_alphanumeric() || "_+=,.@-".contains(char)
}

/// What IAM takes in the path and the name of a role.
fn is_role_char(char: char) -> bool {
    is_session_char(char) || char == '/'
}
