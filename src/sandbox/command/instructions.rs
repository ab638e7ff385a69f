//! What `--serve` gives its user: environment variables, printed to paste into a shell or in a file
//! that systemd reads, and commands to try there.

use crate::sandbox::Resources;
use crate::sandbox::accounts::member::ROLE;
use crate::sandbox::ec2::details::IMAGE;

/// `NAME=VALUE` for each variable that a client of the sandbox needs. No value needs quotes.
pub(super) fn variables(made: &Resources, origin: &str) -> [String; 7] {
    let queue_url = made.queue_url_at(origin);
    let variables = [
        ("AWS_ENDPOINT_URL", origin),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_REGION", &made.region),
        ("AWS_DEFAULT_REGION", &made.region),
        ("SQS_QUEUE_URL", &queue_url),
        ("SNS_TOPIC_ARN", &made.topic_arn),
    ];
    variables.map(|(name, value)| format!("{name}={value}"))
}

/// The variables for a shell.
pub(super) fn exports(variables: &[String]) -> String {
    format!("export {}\n", variables.join("\nexport "))
}

/// The variables for systemd's `EnvironmentFile=`, which takes no `export`.
pub(super) fn environment_file(variables: &[String]) -> String {
    variables.join("\n") + "\n"
}

/// What a daemon that is started beside the sandbox finds.
pub(super) fn for_a_daemon(events: usize) -> String {
    format!(
        "\n# No daemon runs here: nothing is stopped until you start one, in a shell with these. \
         {events} events wait for it:\n#   ec2-policy-enforcer run\n"
    )
}

/// Commands of the AWS CLI that launch instances and show what a daemon does with them.
pub(super) fn examples(exception_tag: &str, accounts: &[String]) -> String {
    let launch = format!("aws ec2 run-instances --image-id {IMAGE} --instance-type t3.micro");
    let tags = format!("ResourceType=instance,Tags=[{{Key={exception_tag},Value=yes}}]");
    let states = "aws ec2 describe-instances --output table \
                  --query 'Reservations[].Instances[].[InstanceId,State.Name]'";
    // Version 1 of the AWS CLI does not read SQS's endpoint from `AWS_ENDPOINT_URL`.
    let queue = "aws sqs get-queue-attributes --endpoint-url \"$AWS_ENDPOINT_URL\" \
                 --queue-url \"$SQS_QUEUE_URL\" --attribute-names All";
    format!(
        "\n# With these in another shell, an instance that a daemon stops, one that it does not, the \
         states of all, and the queue\n# (AWS CLI 2.13.34 or later, or 1.29.81 or later):\n#   {launch}\n#   {launch} --tag-specifications '{tags}'\n\
         #   {states}\n#   {queue}\n{}# Ctrl-C ends.\n\n",
        of_members(accounts)
    )
}

/// The command that gives out the credentials of a member, if there is one: of the second account.
fn of_members(accounts: &[String]) -> String {
    let Some(member) = accounts.get(1) else { return String::new() };
    let role = format!("arn:aws:iam::{member}:role/{ROLE}");
    format!(
        "# The credentials of a member account, of which there are {}:\n\
         #   aws sts assume-role --role-arn {role} --role-session-name me\n",
        accounts.len() - 1
    )
}
