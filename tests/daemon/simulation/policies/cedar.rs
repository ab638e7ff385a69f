//! Writes policies as an operator would: as Cedar, in the settings of a daemon.

use std::collections::BTreeSet;
use std::fmt;

use time::UtcDateTime;
use time::format_description::well_known::Rfc3339;

use super::dates::BEGAN;
use super::{ACCOUNT, Condition, GROUP, Grace, Mode, Policy, Set, Test};

impl Set {
    /// The settings by their environment names.
    pub(in crate::simulation) fn settings(&self) -> Vec<(&'static str, String)> {
        let policies: Vec<_> = self.policies.iter().map(Policy::to_string).collect();
        let mut settings = vec![
            ("ENFORCER_POLICY__INLINE", policies.join("\n")),
            ("ENFORCER_POLICY__BUILTIN", self.builtin.to_string()),
            ("ENFORCER_POLICY__MODE", self.cap.to_string()),
            ("ENFORCER_POLICY__KNOWN", "us-east-1,eu-west-1".to_owned()),
            ("ENFORCER_POLICY__UNITS__OURS", ACCOUNT.to_owned()),
            ("ENFORCER_POLICY__UNITS__THEIRS", "210987654321".to_owned()),
        ];
        if let Some(grace) = self.grace {
            settings.push(("ENFORCER_POLICY__GRACE", grace.period()));
            settings.push(("ENFORCER_POLICY__SINCE", grace.since()));
        }
        settings
    }

    /// The keys of the tags that the policies mention beside the exception tag.
    pub(in crate::simulation) fn keys(&self) -> BTreeSet<&'static str> {
        self.policies.iter().flat_map(|policy| policy.condition.keys()).collect()
    }
}

impl Grace {
    fn period(self) -> String {
        format!("{}s", self.period.as_secs())
    }

    fn since(self) -> String {
        let began = UtcDateTime::UNIX_EPOCH + BEGAN;
        (began + time::Duration::seconds(self.since)).format(&Rfc3339).unwrap()
    }
}

impl Condition {
    fn keys(&self) -> Vec<&'static str> {
        match self {
            Self::Is(test) => test.key().into_iter().collect(),
            Self::Not(condition) => condition.keys(),
            Self::All(parts) | Self::Any(parts) => parts.iter().flat_map(Self::keys).collect(),
        }
    }
}

impl Test {
    fn key(&self) -> Option<&'static str> {
        match self {
            Self::HasTag(key) | Self::TagIs(key, _) | Self::TagLike(key, _) | Self::IsPast(key) => {
                Some(key)
            }
            Self::InGroup(..) => Some(GROUP),
            _ => None,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@id(\"{}\") @mode(\"{}\")", self.id, self.mode)?;
        if let Some(grace) = self.grace {
            write!(f, " @grace(\"{}\") @since(\"{}\")", grace.period(), grace.since())?;
        }
        if self.ignores_exception {
            write!(f, " @exception(\"ignored\")")?;
        }
        if let Some(description) = self.description {
            write!(f, " @description(\"{description}\")")?;
        }
        let condition = &self.condition;
        writeln!(f, "\nforbid (principal, action == Action::\"run\", resource)")?;
        writeln!(f, "when {{ {condition} }};")
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DryRun => "dry-run",
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |parts: &[Self], operator: &str| {
            let parts: Vec<_> = parts.iter().map(|part| format!("({part})")).collect();
            parts.join(operator)
        };
        match self {
            Self::Is(test) => write!(f, "{test}"),
            Self::Not(condition) => write!(f, "!({condition})"),
            Self::All(parts) => f.write_str(&joined(parts, " && ")),
            Self::Any(parts) => f.write_str(&joined(parts, " || ")),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = |key: &str| format!("resource.hasTag(\"{key}\") && resource.getTag(\"{key}\")");
        match self {
            Self::TypeIn(types) => write!(f, "{types:?}.contains(resource.instanceType)"),
            Self::HasTag(key) => write!(f, "resource.hasTag(\"{key}\")"),
            Self::TagIs(key, value) => write!(f, "{} == \"{value}\"", tag(key)),
            Self::TagLike(key, pattern) => write!(f, "{} like \"{pattern}\"", tag(key)),
            Self::IsPast(key) => {
                let dates = tag(key).replace("resource", "resource.dates");
                write!(f, "{dates} < context.now")
            }
            Self::HasPublicAddress => write!(f, "resource has publicIpAddress"),
            Self::KeyIs(name) => {
                write!(f, "resource has keyName && resource.keyName == \"{name}\"")
            }
            Self::RequiresTokens => write!(f, "resource.imdsv2Required"),
            Self::RunsLongerThan(secs) => {
                let launched = format!("resource.launchTime.offset(duration(\"{secs}s\"))");
                write!(f, "context.now > {launched}")
            }
            Self::InRegion(region) => write!(f, "resource in Region::\"{region}\""),
            Self::InUnit(unit) => write!(f, "resource in Unit::\"{unit}\""),
            Self::InGroup(region, name) => {
                write!(f, "resource in AutoScalingGroup::\"{ACCOUNT}/{region}/{name}\"")
            }
            Self::TriggerIs(trigger) => write!(f, "context.trigger == \"{trigger}\""),
        }
    }
}
