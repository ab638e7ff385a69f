//! Says when SNS suspends the subscription of an e-mail address, which hears nothing from then on.

use std::collections::BTreeSet;

use crate::cli::output;
use crate::sandbox::Sandbox;

/// Prints a line for each suspension, until it is dropped or the terminal is gone.
pub(super) async fn tell(sandbox: Sandbox) {
    let mut told = BTreeSet::new();
    loop {
        let is_new = |now: &Sandbox| now.suspended().iter().any(|one| !told.contains(one));
        sandbox.wait_for(is_new).await;
        for one in sandbox.suspended() {
            let line = line(&one.0);
            if told.insert(one) && output::print(line).is_err() {
                return;
            }
        }
    }
}

fn line(address: &str) -> String {
    format!(
        "# SNS has suspended the subscription of {address}, which got more than 10 messages in a \
         second. It gets none until it is confirmed again, and is deleted after 48 hours.\n"
    )
}
