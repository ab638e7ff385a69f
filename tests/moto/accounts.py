"""One life of the daemon in three accounts of moto: its own, and two members, by their roles."""

import json

import boto3

from world import ACCOUNT, CREDENTIALS, EC2, ENDPOINT, LOG, OUTCOMES_SECS, REGION, VISIBILITY_SECS
from world import Notices, Queue
from world import client, end_daemon, event, expect, launch, start_daemon, state, wait_until

ACCOUNT_LOG = f"{LOG}.accounts"
AUDIT = f"{LOG}.audit"
MEMBERS = ["210987654321", "333333333333"]


def ec2_of(account):
    """EC2 with the credentials of the member's role, as the daemon has it."""
    role = f"arn:aws:iam::{account}:role/ec2-policy-enforcer"
    answer = client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    return boto3.client(
        "ec2",
        endpoint_url=ENDPOINT,
        region_name=REGION,
        aws_access_key_id=answer["AccessKeyId"],
        aws_secret_access_key=answer["SecretAccessKey"],
        aws_session_token=answer["SessionToken"],
    )


class AccountRun:
    def __init__(self):
        self.queue = Queue("account-events", VisibilityTimeout=str(VISIBILITY_SECS))
        self.notices = Notices("account-violations")
        self.ec2 = {ACCOUNT: EC2} | {account: ec2_of(account) for account in MEMBERS}
        self.violators, self.exempt = {}, {}
        for account, ec2 in self.ec2.items():
            self.violators[account] = launch({}, ec2=ec2)
            self.exempt[account] = launch({"SPECIAL_EXCEPTION": ""}, ec2=ec2)
            self.queue.send(event(self.violators[account], account))
            self.queue.send(event(self.exempt[account], account))

    def live(self):
        settings = {
            "ENFORCER_ACCOUNTS__IDS": ",".join(MEMBERS),
            "ENFORCER_NOTICE__ATTRIBUTES": "true",
            "ENFORCER_AUDIT__TO": AUDIT,
        }
        with open(ACCOUNT_LOG, "wb") as log:
            daemon = start_daemon(self.queue, self.notices, log, **settings)
            try:
                wait_until(lambda: self.is_done() or daemon.poll() is not None, OUTCOMES_SECS)
            finally:
                self.exit_code = end_daemon(daemon)

    def is_done(self):
        return self.queue.counts() == (0, 0) and len(self.notices.read()) >= 3

    def violators_of_every_account_are_stopped_and_announced_and_nothing_else(self):
        for account, ec2 in self.ec2.items():
            expect(f"state in {account}", state(self.violators[account], ec2), "stopped")
            expect(f"exempt in {account}", state(self.exempt[account], ec2), "running")
            texts = [text for _, text in self.notices.about(self.violators[account])]
            expect("notices", texts, [f"EC2 {self.violators[account]} Stopped"])
        expect("exit code", self.exit_code, 0)

    def notices_and_the_audit_trail_name_the_account(self):
        attributes = self.notices.attributes
        with open(AUDIT) as lines:
            stops = [line for line in map(json.loads, lines) if line["kind"] == "stop"]
        for account, violator in self.violators.items():
            expect("attribute", attributes[f"EC2 {violator} Stopped"]["account"]["Value"], account)
            stopped = [stop["account"] for stop in stops
                       if violator in [one["instance"] for one in stop["instances"]]]
            expect("audit trail", stopped, [account])
