//! The schema: what policies can read and name, in the form that Cedar's validator and editors
//! understand.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::vocabulary::Vocabulary;
use crate::domain::policy::attribute::Attribute;

/// Writes the schema for policies that may use these names.
pub fn schema(vocabulary: &Vocabulary) -> String {
    let accounts = vocabulary.accounts.as_ref().map(names).unwrap_or_default();
    let units: BTreeSet<_> = vocabulary.units.keys().collect();
    let mut text = String::new();
    text += "// An AWS account.\n";
    text += &entity("Account", &accounts);
    text += "// An AWS region.\n";
    text += &entity("Region", &names(&vocabulary.regions));
    if !units.is_empty() {
        text += "// A named group of accounts, from [policy.units].\n";
        text += &entity("Unit", &names(&units));
    }
    text +=
        "// An Auto Scaling group: \"<account>/<region>/<name>\".\nentity AutoScalingGroup;\n\n";
    text += "// The dates in the values of an instance's tags, by the keys of the tags.\n";
    text += "entity Dates tags datetime;\n\n";
    text += &instance(!units.is_empty());
    text += ACTION;
    text
}

const ACTION: &str = "
action \"run\" appliesTo {
    principal: Account,
    resource: Instance,
    context: {
        // When the decision is made.
        now: datetime,
        // The key of the tag that exempts an instance.
        exceptionTag: String,
        // Why the instance is looked at: \"start\", \"tag\" or \"sweep\".
        trigger: String,
    },
};
";

fn names<T: ToString>(names: &BTreeSet<T>) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// A type whose only members are these names; where there are none, a type with any member.
fn entity(name: &str, members: &[String]) -> String {
    if members.is_empty() {
        return format!("entity {name};\n\n");
    }
    let members: Vec<_> = members.iter().map(|member| format!("    \"{member}\",\n")).collect();
    let members = members.concat();
    format!("entity {name} enum [\n{}\n];\n\n", members.trim_end_matches([',', '\n']))
}

fn instance(has_units: bool) -> String {
    let unit = if has_units { "Unit, " } else { "" };
    let mut text = format!(
        "// An EC2 instance. Its tags are text: resource.hasTag(\"k\"), resource.getTag(\"k\").\n\
         entity Instance in [Account, Region, {unit}AutoScalingGroup] {{\n"
    );
    for attribute in Attribute::all() {
        let mark = if attribute.is_optional() { "?" } else { "" };
        let (name, kind) = (attribute.name(), attribute.kind().cedar_type());
        // Writing to a string does not fail.
        let _ = write!(text, "    // {}\n    {name}{mark}: {kind},\n", attribute.meaning());
    }
    text + "    // tags whose value is a date, or has one behind `until=`\n    dates: Dates,\n} tags String;\n"
}
