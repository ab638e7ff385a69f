//! The member accounts of a fleet, and where in it instances are.

/// The regions of each account; the sandbox's own is among them.
pub const REGIONS: &str = "us-east-1,us-east-2,us-west-2,eu-central-1,eu-west-1";
const FIRST_ACCOUNT: usize = 400_000_000_000;

/// The account and the region of an instance.
#[derive(Debug)]
pub struct Place {
    pub account: String,
    pub region: &'static str,
}

impl Place {
    /// Goes through the accounts first, and through the regions after that: with 200 accounts,
    /// number 200 is in the first account's second region.
    pub fn of(number: usize, members: usize) -> Self {
        let regions: Vec<_> = REGIONS.split(',').collect();
        let region = regions[number / members % regions.len()];
        Self { account: account(number % members), region }
    }
}

/// Lists so many accounts, from the first one on.
pub fn accounts(members: usize) -> impl Iterator<Item = String> {
    (0..members).map(account)
}

fn account(number: usize) -> String {
    (FIRST_ACCOUNT + number).to_string()
}
