//! What notices tell of instances.

/// What a notice tells of an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Told {
    Stopped,
    /// It will be stopped.
    Planned,
    /// It will not be stopped, although that was planned.
    CalledOff,
}

/// Reads the text of a notice: which instances it names, and what it tells of each. A digest names
/// several. The list is empty if the text is no notice.
pub fn told(text: &str) -> Vec<(&str, Told)> {
    digest(text).unwrap_or_else(|| one(text).into_iter().collect())
}

/// A digest has a line for each instance, below a line that says how many there are.
fn digest(text: &str) -> Option<Vec<(&str, Told)>> {
    let (head, below) = text.split_once("\n\n")?;
    let (count, _) = head.split_once(" notices about EC2 instances ")?;
    let lines = below.lines().take_while(|line| !line.is_empty());
    let told: Vec<_> = lines.filter_map(one).collect();
    Some(if count.parse() == Ok(told.len()) { told } else { Vec::new() })
}

/// A stop is told in one line, as the contract says. In the others, lines about policies follow.
fn one(text: &str) -> Option<(&str, Told)> {
    let (instance, what) = text.strip_prefix("EC2 ")?.split_once(' ')?;
    let told = match what {
        "Stopped" => Told::Stopped,
        _ if what.starts_with("will be stopped at ") => Told::Planned,
        _ if what.starts_with("will NOT be stopped: ") => Told::CalledOff,
        _ => return None,
    };
    Some((instance, told))
}
