//! The running instances of a region, page by page.

use crate::aws::ec2::{Instances, PAGE, filter, repeated_page};
use crate::aws::error::AwsError;
use crate::domain::ids::InstanceId;
use crate::domain::policy::facts::Facts;

/// A page of the list of running instances.
#[derive(Debug)]
pub(crate) struct Page {
    /// The instances, with what was read of them.
    pub(crate) instances: Vec<(InstanceId, Facts)>,
    /// What names the next page; `None` at the end.
    pub(crate) next: Option<String>,
}

impl Instances {
    /// Reads a page of up to 1,000 running instances: the first one, or the one that the page before
    /// it named. Instances that AWS manages are left out.
    ///
    /// # Errors
    /// What EC2 answered instead, or why it did not answer; also a page that names itself as the next
    /// one, for the list has no end then.
    pub(crate) async fn running(&self, token: Option<&str>) -> Result<Page, AwsError> {
        let ec2 = self.client.client();
        let list = ec2.describe_instances().max_results(PAGE);
        let list = list.filters(filter("instance-state-name", ["running"]));
        let call = list.set_next_token(token.map(str::to_owned)).send();
        let answer = self.calls.attempt("DescribeInstances", call).await?;
        let instances = self.described(&answer).collect();
        let next = answer.next_token.filter(|next| !next.is_empty());
        if next.is_some() && next.as_deref() == token {
            return Err(repeated_page());
        }
        Ok(Page { instances, next })
    }
}
