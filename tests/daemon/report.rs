//! The subcommand `report`, as the built program.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use ec2_policy_enforcer::sandbox::Launch;
use serde_json::Value;

use crate::program::{Served, call, serve};
use crate::world::TAG;

const OWN: &str = "123456789012";
const A: &str = "210987654321";
const B: &str = "333333333333";

/// Three accounts with a violator and an exempt instance in each.
async fn fleet() -> Served {
    let served = serve().await;
    for account in [A, B] {
        served.aws.add_account(account);
    }
    for account in [OWN, A, B] {
        let launch = || Launch::default().account(account).quiet();
        served.aws.launch(launch().tagged("Owner", "Doe, Jane"));
        served.aws.launch(launch().tagged(TAG, "until=2099-12-31").tagged("Owner", "alice"));
    }
    served
}

async fn report(served: &Served, arguments: &[&str]) -> (i32, String, String) {
    let mut program = call(served, "report");
    let program = program.args(arguments).env("ENFORCER_ACCOUNTS__IDS", format!("{A},{B}"));
    let program = program.env("ENFORCER_POLICY__EXCEPTION_EXPIRES", "true");
    let Output { status, stdout, stderr } = program.stderr(Stdio::piped()).output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[tokio::test]
async fn it_counts_what_runs_in_every_account_and_lists_what_is_exempt() {
    let served = fleet().await;
    let (code, text, complaints) = report(&served, &[]).await;
    assert_eq!((code, &*complaints), (0, ""), "{text}");
    let lines: Vec<_> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines[0], ["ACCOUNT", "REGION", "RUNNING", "EXEMPT", "VIOLATE", "POLICIES"]);
    for (line, account) in lines[1..4].iter().zip([OWN, A, B]) {
        assert_eq!(*line, [account, "us-east-1", "2", "1", "1", "builtin", "1"]);
    }
    assert_eq!(lines[4], ["total", "6", "3", "3", "builtin", "3"]);
    assert_eq!(lines[6], ["EXEMPT", "ACCOUNT", "REGION", "OWNER", "UNTIL"]);
    assert_eq!(lines.len(), 10, "{text}");
    assert_eq!(lines[7][3..], ["alice", "2100-01-01T00:00Z"]);
    let acted = served.aws.ledger().into_iter().filter(|call| {
        !call.operation.starts_with("Describe") && call.service.to_string() != "sts"
    });
    assert_eq!(acted.count(), 0);
}

#[tokio::test]
async fn it_prints_a_line_of_values_for_each_instance_or_an_object() {
    let served = fleet().await;
    let (code, csv, _) = report(&served, &["--csv"]).await;
    assert_eq!(code, 0);
    let lines: Vec<_> = csv.split("\r\n").collect();
    assert_eq!(lines[0], "account,region,instance,standing,policies,owner,exempt_until");
    assert_eq!(lines.len(), 8, "{csv}");
    assert_eq!(csv.matches(",violates,builtin,\"Doe, Jane\",").count(), 3, "{csv}");
    assert_eq!(csv.matches(",exempt,,alice,2100-01-01T00:00Z").count(), 3, "{csv}");
    let (_, json, _) = report(&served, &["--json", "--account", A]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    let target = &json["targets"][0];
    assert_eq!(json["targets"].as_array().unwrap().len(), 1);
    assert_eq!((&target["account"], &target["running"]), (&A.into(), &2.into()));
    assert_eq!(target["policies"]["builtin"], 1);
    assert_eq!(json["exempt"][0]["until"], "2100-01-01T00:00Z");
    assert_eq!(json["violators"][0]["owner"], "Doe, Jane");
    assert_eq!(json["violators"][0]["policies"][0], "builtin");
}

#[tokio::test]
async fn an_account_that_cannot_be_read_is_told_and_the_others_are_reported() {
    let served = fleet().await;
    served.aws.break_role(A);
    let (code, text, complaints) = report(&served, &[]).await;
    assert_eq!(code, 1, "{text}");
    let line = text.lines().find(|line| line.contains(A)).unwrap();
    assert!(line.ends_with("cannot be read"), "{line}");
    assert!(text.contains("total") && text.lines().filter(|line| line.contains(B)).count() == 2);
    let told = format!("{A}/us-east-1 cannot be read: AccessDenied: ");
    assert!(complaints.starts_with(&told), "{complaints}");
}

#[tokio::test]
async fn where_every_account_counts_they_have_to_be_named() {
    let served = fleet().await;
    let mut program = call(&served, "report");
    let program = program.env("ENFORCER_ACCOUNTS__IDS", "any").stderr(Stdio::piped());
    let output = program.output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("name them with --account"), "{told}");
}

#[tokio::test]
#[ignore = "a measurement, which takes a minute on slow cores"]
async fn ten_thousand_instances_in_twenty_accounts_take_less_than_a_minute() {
    let served = serve().await;
    let accounts: Vec<_> =
        (0..20).map(|number| (400_000_000_000_u64 + number).to_string()).collect();
    for account in &accounts {
        served.aws.add_account(&**account);
        for number in 0..500 {
            let launch = Launch::default().account(account).quiet();
            let launch = if number % 2 == 0 { launch.tagged(TAG, "") } else { launch };
            served.aws.launch(launch);
        }
    }
    served.aws.latency("DescribeInstances", Duration::from_millis(40));
    served.aws.latency("AssumeRole", Duration::from_millis(40));
    let mut program = call(&served, "report");
    let program = program.env("ENFORCER_ACCOUNTS__IDS", accounts.join(","));
    let began = Instant::now();
    let output = program.output().await.unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().any(|line| line.starts_with("total          ")), "{text}");
    println!("{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
}
