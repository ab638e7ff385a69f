"""setup.sh lets other accounts in and, with --member, makes there what member.yaml makes; on moto."""

import ast
import json
import os
import subprocess
import unittest

import boto3

from stack import (
    ACCOUNT, DAEMON_ROLE, DEPLOY, MEMBER, NAME, ORGANIZATION, REGION, Member, OtherRegion, Stack, policy_file,
)
from test_setup import Server

ELSEWHERE = OtherRegion.region
WATCHED = f"{REGION},{ELSEWHERE}"
AS_MEMBER = ("--member", DAEMON_ROLE, "--home-region", REGION)
ORG = ORGANIZATION["OrganizationId"]


def refusal(*options):
    ran = subprocess.run([DEPLOY / "setup.sh", *options], capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2, ran.stderr
    return ran.stderr


class Moto(Server):
    """moto, with the credentials of a member account for whoever wants these."""

    def __init__(self, test):
        super().__init__(test, os.environ["MOTO_PYTHON"], "-m", "moto.server", "-H", "127.0.0.1", "-p", "0")
        role = f"arn:aws:iam::{MEMBER}:role/administrator"
        taken = super().client("sts").assume_role(RoleArn=role, RoleSessionName="administrator")["Credentials"]
        self.credentials = {
            "aws_access_key_id": taken["AccessKeyId"],
            "aws_secret_access_key": taken["SecretAccessKey"],
            "aws_session_token": taken["SessionToken"],
        }

    def member(self, service, region=REGION):
        return boto3.client(service, region_name=region, endpoint_url=self.endpoint, **self.credentials)

    def variables_of_member(self):
        # No region: --home-region says it.
        variables = {key: value for key, value in os.environ.items() if not key.endswith("_REGION")}
        taken = {key.upper(): value for key, value in self.credentials.items()}
        return variables | taken | {"AWS_ENDPOINT_URL": self.endpoint}

    def set_up_member(self, *options):
        command = [DEPLOY / "setup.sh", *AS_MEMBER, *options]
        return subprocess.run(command, env=self.variables_of_member(), capture_output=True, text=True, timeout=600)


class InAMemberAccount(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.moto = Moto(self)

    def set_up(self, *options):
        ran = self.moto.set_up_member(*options)
        self.assertEqual((ran.returncode, ran.stdout), (0, ""), ran.stderr)
        return ran.stderr

    def test_twice_it_makes_what_the_stacks_make(self):
        tag = "team: keep/running"
        options = ("--regions", WATCHED, "--exception-tag", tag, "--external-id", "fleet")
        parameters = {
            "WatchedRegions": WATCHED, "ExceptionTag": tag, "TagKeys": f"{tag},Owner", "ExternalId": "fleet",
        }
        before = [len(found) for found in self.of_the_daemon()]
        for _ in range(2):
            self.set_up(*options)
            for region in (REGION, ELSEWHERE):
                member = Member(region, **parameters)
                self.assert_roles(member)
                self.assert_rules(member)
                self.assert_undelivered(member)
        self.assertEqual([len(found) for found in self.of_the_daemon()], before)

    def of_the_daemon(self):
        """What is in the daemon's account."""
        yield self.moto.client("iam").list_roles()["Roles"]
        for region in (REGION, ELSEWHERE):
            yield self.moto.client("sqs", region).list_queues().get("QueueUrls", [])
            yield self.moto.client("events", region).list_rules()["Rules"]

    def test_the_home_region_alone_and_an_external_id_that_is_asked_for_later(self):
        self.set_up()
        self.assert_roles(Member())
        self.assert_rules(Member())
        with self.assertRaises(self.moto.member("iam").exceptions.NoSuchEntityException):
            self.moto.member("iam").get_role(RoleName=f"{NAME}-events-{ELSEWHERE}")
        self.set_up("--external-id", "fleet")
        self.assert_roles(Member(ExternalId="fleet"))

    def test_the_names_are_those_of_the_options(self):
        self.set_up("--name", "Guard", "--member-role", "watched")
        self.assert_roles(Member(Name="Guard", RoleName="watched"))
        self.assert_rules(Member(Name="Guard", RoleName="watched"))

    def test_the_stacks_make_the_same(self):
        given = {"DaemonRoleArn": DAEMON_ROLE, "HomeRegion": REGION, "WatchedRegions": WATCHED, "ExternalId": "fleet"}
        template = (DEPLOY / Member.file).read_text()
        for region in (REGION, ELSEWHERE):
            stacks = self.moto.member("cloudformation", region)
            stacks.create_stack(
                StackName="member",
                TemplateBody=template,
                Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in given.items()],
            )
            made, = stacks.describe_stacks(StackName="member")["Stacks"]
            self.assertEqual(made["StackStatus"], "CREATE_COMPLETE")
            outputs = {output["OutputKey"] for output in made["Outputs"]}
            self.assertEqual("RoleArn" in outputs, region == REGION)
            member = Member(region, **given)
            self.assert_roles(member)
            self.assert_rules(member)

    def assert_roles(self, member):
        iam = self.moto.member("iam")
        for name, role in member.of_type("AWS::IAM::Role").items():
            found = iam.get_role(RoleName=role["RoleName"])["Role"]
            self.assertEqual(found["AssumeRolePolicyDocument"], role["AssumeRolePolicyDocument"])
            self.assertEqual(found["Description"], role["Description"])
            names = iam.list_role_policies(RoleName=role["RoleName"])["PolicyNames"]
            policies = {
                policy: self.read(iam.get_role_policy(RoleName=role["RoleName"], PolicyName=policy)["PolicyDocument"])
                for policy in names
            }
            self.assertEqual(policies, member.policies(name))

    @staticmethod
    def read(document):
        # moto keeps that of a stack as Python prints it.
        return ast.literal_eval(document) if isinstance(document, str) else document

    def assert_rules(self, member):
        events = self.moto.member("events", member.region)
        for wanted in member.of_type("AWS::Events::Rule").values():
            found = events.describe_rule(Name=wanted["Name"])
            self.assertEqual(json.loads(found["EventPattern"]), wanted["EventPattern"])
            self.assertEqual((found["Description"], found["State"]), (wanted["Description"], wanted["State"]))
            self.assertEqual(events.list_targets_by_rule(Rule=wanted["Name"])["Targets"], wanted["Targets"])

    def assert_undelivered(self, member):
        sqs, wanted = self.moto.member("sqs", member.region), member.properties("UndeliveredQueue")
        url = sqs.get_queue_url(QueueName=wanted["QueueName"])["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        policy = member.properties("UndeliveredQueuePolicy")["PolicyDocument"]
        self.assertEqual(json.loads(found["Policy"]), policy)
        self.assertEqual(found["MessageRetentionPeriod"], str(wanted["MessageRetentionPeriod"]))
        self.assertEqual(found["SqsManagedSseEnabled"], "true")

    def test_what_is_missing_or_wrong_is_said_before_anything_is_made(self):
        for options, said in [
            (["--member"], "--member '': give the ARN of the daemon's role, such as arn:aws:iam::"),
            (["--member", "--home-region", REGION], "--member '': give the ARN of the daemon's role"),
            (["--member", ACCOUNT], f"--member '{ACCOUNT}': give the ARN of the daemon's role"),
            (["--member", DAEMON_ROLE], "--member needs --home-region: the region of the daemon's queue"),
            (["--member", DAEMON_ROLE, "--home-region"], "--member needs --home-region"),
            (["--member", DAEMON_ROLE, "--home-region", "eu"], "--home-region eu: give a region"),
            (["--home-region", REGION], "--home-region is for --member"),
            ([*AS_MEMBER, "--email", "a@example.com"], "--email is for the daemon's own account"),
            ([*AS_MEMBER, "--for", "ec2"], "--for is for the daemon's own account"),
            ([*AS_MEMBER, "--external-id", "a b"], "--external-id 'a b': give 2 to 200"),
            ([*AS_MEMBER, "--member-role", "a/b"], "--member-role 'a/b': give at most 40"),
            ([*AS_MEMBER, "--name", "a_b"], "--name a_b: give the name of the daemon's stack"),
        ]:
            self.assertIn(said, refusal(*options), options)

    def test_the_daemon_s_own_account_is_no_member_of_it(self):
        ran = subprocess.run(
            [DEPLOY / "setup.sh", *AS_MEMBER], env=self.moto.environment(REGION), capture_output=True, text=True, timeout=60
        )
        self.assertEqual(ran.returncode, 2)
        self.assertIn(f"account {ACCOUNT} is the daemon's own: run this with credentials of", ran.stderr)


class InTheDaemonsAccount(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.moto = Moto(self)

    def test_accounts_come_in_and_go_out_again(self):
        listed = ("--accounts", MEMBER, "--regions", WATCHED, "--external-id", "fleet")
        any_account = ("--accounts", "any", "--organization", ORG, "--regions", WATCHED)
        for options, parameters in [
            (listed, {"Accounts": MEMBER, "ExternalId": "fleet"}),
            (any_account, ORGANIZATION),
            (("--regions", WATCHED), {}),
        ]:
            environment, skipped = self.moto.set_up("--for", "ecs", *options)
            self.assertEqual(skipped, [])
            self.assert_like(Stack(WatchedRegions=WATCHED, **parameters), environment)

    def assert_like(self, stack, environment):
        sqs, iam = self.moto.client("sqs"), self.moto.client("iam")
        url = sqs.get_queue_url(QueueName=f"{NAME}-events")["QueueUrl"]
        policy = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
        self.assertEqual(json.loads(policy), stack.properties("QueuePolicy")["PolicyDocument"])
        names = iam.list_role_policies(RoleName=NAME)["PolicyNames"]
        policies = {n: iam.get_role_policy(RoleName=NAME, PolicyName=n)["PolicyDocument"] for n in names}
        self.assertEqual(policies, stack.policies("TaskRole"))
        found = self.moto.client("events").describe_event_bus(Name="default").get("Policy")
        statements = json.loads(found)["Statement"] if found else []
        wanted = [stack.properties(bus) for bus in stack.resources if bus == "BusPolicy"]
        self.assertEqual(statements, [{"Sid": bus["StatementId"]} | bus["Statement"] for bus in wanted])
        daemon, = stack.properties("TaskDefinition")["ContainerDefinitions"]
        told = [{v["Name"]: v["Value"] for v in daemon["Environment"]}, environment]
        self.assertEqual(*({k: v for k, v in one.items() if "ACCOUNTS" in k} for one in told))

    def test_a_bus_with_statements_of_others_is_left_as_it_is(self):
        events = self.moto.client("events")
        events.put_permission(StatementId="theirs", Action="events:PutEvents", Principal="444455556666")
        before = events.describe_event_bus(Name="default")["Policy"]
        ran = subprocess.run(
            [DEPLOY / "setup.sh", "--accounts", MEMBER, "--regions", WATCHED],
            env=self.moto.environment(REGION), capture_output=True, text=True, timeout=600,
        )
        self.assertEqual(ran.returncode, 1)
        self.assertIn("has statements of others: theirs. Add this one by hand:", ran.stderr)
        self.assertIn(json.dumps(policy_file("accounts-bus-policy")["Statement"][0]["Sid"]), ran.stderr)
        self.assertEqual(events.describe_event_bus(Name="default")["Policy"], before)

    def test_accounts_that_are_none_are_refused(self):
        for options, said in [
            (["--accounts", "all"], "--accounts all: give account ids"),
            (["--accounts", f"{MEMBER},"], "give account ids"),
            (["--accounts", "any"], "--accounts any needs --organization"),
            (["--organization", ORG], "--organization needs --accounts"),
            (["--accounts", "any", "--organization", "acme"], "--organization acme: give the id"),
        ]:
            self.assertIn(said, refusal(*options), options)


if __name__ == "__main__":
    unittest.main()
