"""The policies of the stack, of deploy/iam and the list of actions say the same, and no more."""

import json
import unittest

from parliament import analyze_policy_string

from stack import (
    ACCOUNT, DEPLOY, LISTED, MEMBER, ORGANIZATION, POLICY_PARAMETER, REGION, Chat, Member, OtherRegion, People, Stack,
    policy_file,
)

# These know no resource, so IAM takes only `*` for them.
WITHOUT_RESOURCE = {
    "ec2:DescribeInstances",
    "ec2:DescribeTags",
    "ecr:GetAuthorizationToken",
}
EXPECTED_FINDINGS = [
    # Statements of a bus may have hyphens in their names, by which each name of a stack has its own.
    ("accounts-bus-policy", "INVALID_SID"),
    # The daemon takes the roles of its members; ECS logs in to the registry.
    ("accounts-members", "CREDENTIALS_EXPOSURE"),
    ("execution", "CREDENTIALS_EXPOSURE"),
    ("organization-bus-policy", "INVALID_SID"),
    ("organization-members", "CREDENTIALS_EXPOSURE"),
]


def files():
    return sorted(path.stem for path in (DEPLOY / "iam").glob("*.json") if path.stem != "actions")


def statements():
    for name in files():
        for statement in policy_file(name)["Statement"]:
            yield name, statement


def listed(value):
    return value if isinstance(value, list) else [value]


def actions(policy):
    return sorted({action for statement in policy["Statement"] for action in listed(statement["Action"])})


def stops(daemon):
    """The statements that allow stops, by their Sid."""
    return {s["Sid"]: s for s in daemon["Statement"] if "ec2:StopInstances" in s["Action"]}


class Policies(unittest.TestCase):
    maxDiff = None

    def test_the_stack_and_the_files_agree(self):
        stack, other, chat, people = Stack(PolicyParameter=POLICY_PARAMETER), OtherRegion(), Chat(), People()
        in_the_stack = {
            "daemon": stack.policies("TaskRole")["daemon"],
            "preflight": stack.policies("TaskRole")["preflight"],
            "execution": stack.policies("ExecutionRole")["execution"],
            "policies": stack.policies("ExecutionRole")["policies"],
            "task-trust": stack.properties("TaskRole")["AssumeRolePolicyDocument"],
            "events-queue-policy": stack.properties("QueuePolicy")["PolicyDocument"],
            "undelivered-queue-policy": stack.properties("UndeliveredQueuePolicy")["PolicyDocument"],
            "notices-topic-policy": stack.properties("NoticesPolicy")["PolicyDocument"],
            "operators-topic-policy": stack.properties("OperatorsPolicy")["PolicyDocument"],
            "forwarding": other.policies("ForwardingRole")["forwarding"],
            "owners": people.managed_policy("OwnersPolicy"),
            "operators": people.managed_policy("OperatorsPolicy"),
            "undo": people.policies("UndoRole")["undo"],
            "chat": chat.managed_policy("KeepPolicy"),
            "chat-trust": chat.properties("ChatRole")["AssumeRolePolicyDocument"],
            "forwarding-trust": other.properties("ForwardingRole")["AssumeRolePolicyDocument"],
        }
        in_the_stack |= self.of_members()
        for name, policy in in_the_stack.items():
            with self.subTest(name):
                self.assertEqual(policy, policy_file(name))
        # The stack has no instance, is in no management account, and undoes nothing.
        self.assertEqual(set(files()) - set(in_the_stack), {"instance-trust", "exception-tag-scp"})
        trusts = [stack.properties(role)["AssumeRolePolicyDocument"] for role in ("TaskRole", "ExecutionRole")]
        self.assertEqual(trusts[0], trusts[1])
        elsewhere = json.dumps(policy_file("undelivered-queue-policy")).replace(REGION, other.region)
        self.assertEqual(other.properties("UndeliveredQueuePolicy")["PolicyDocument"], json.loads(elsewhere))

    @staticmethod
    def of_members():
        """The policies for other accounts, by the names of their files."""
        member, external = Member(), Member(ExternalId="EXTERNAL_ID")
        found = {
            "member": member.policies("MemberRole")["member"],
            "member-events": member.policies("EventsRole")["member-events"],
            "member-trust": external.properties("MemberRole")["AssumeRolePolicyDocument"],
        }
        for kind, parameters in (("organization", ORGANIZATION), ("accounts", {"Accounts": MEMBER})):
            stack = Stack(WatchedRegions="eu-central-1,eu-west-1", **parameters)
            bus = stack.properties("BusPolicy")
            found |= {
                f"{kind}-queue-policy": stack.properties("QueuePolicy")["PolicyDocument"],
                f"{kind}-members": stack.policies("TaskRole")["members"],
                f"{kind}-bus-policy": {
                    "Version": "2012-10-17", "Statement": [{"Sid": bus["StatementId"]} | bus["Statement"]]
                },
            }
        return found

    def test_the_files_allow_what_the_list_says(self):
        for name, expected in policy_file("actions").items():
            for file in ["organization-members", "accounts-members"] if name == "members" else [name]:
                with self.subTest(file):
                    self.assertEqual(actions(policy_file(file)), expected)

    def test_undo_sets_the_exception_tag_alone_and_starts_only_what_carries_it(self):
        statements = {statement["Action"][0]: statement for statement in policy_file("undo")["Statement"]}
        tagging, starting = statements["ec2:CreateTags"], statements["ec2:StartInstances"]
        self.assertEqual(
            tagging["Condition"]["ForAllValues:StringEquals"], {"aws:TagKeys": ["SPECIAL_EXCEPTION"]}
        )
        # For all of no keys anything is true.
        self.assertEqual(tagging["Condition"]["Null"], {"aws:TagKeys": "false"})
        self.assertEqual(starting["Condition"]["Null"], {"aws:ResourceTag/SPECIAL_EXCEPTION": "false"})
        for statement in (tagging, starting):
            self.assertTrue(statement["Resource"].endswith(":instance/*"))

    def test_the_task_role_has_no_other_policy(self):
        self.assertEqual(set(Stack().policies("TaskRole")), {"daemon", "preflight"})
        self.assertEqual(set(Stack(Preflight="false").policies("TaskRole")), {"daemon"})
        for parameters in (ORGANIZATION, LISTED):
            self.assertEqual(set(Stack(**parameters).policies("TaskRole")), {"daemon", "preflight", "members"})
        for role in ("TaskRole", "ExecutionRole"):
            self.assertNotIn("ManagedPolicyArns", Stack().properties(role))

    def test_the_guard_follows_the_exception_tag(self):
        tag = "team: keep/running"
        allowed = stops(Stack(ExceptionTag=tag).policies("TaskRole")["daemon"])
        without, dated = allowed["StopInstancesWithoutTheTag"], allowed["StopInstancesWhoseTagHasADate"]
        self.assertEqual(without["Condition"]["Null"], {f"aws:ResourceTag/{tag}": "true"})
        self.assertEqual(list(dated["Condition"]["StringLike"]), [f"aws:ResourceTag/{tag}"])
        self.assertNotIn("SPECIAL_EXCEPTION", json.dumps(Stack(ExceptionTag=tag).resources))

    def test_the_guard_can_be_given_up_for_policies_that_ignore_the_exception_tag(self):
        guarded, open_to_all = (
            stops(Stack(ExceptionGuard=guard).policies("TaskRole")["daemon"]) for guard in ("true", "false")
        )
        stop = guarded["StopInstancesWithoutTheTag"]
        del stop["Condition"]["Null"]
        self.assertEqual(open_to_all, {"StopInstances": stop | {"Sid": "StopInstances"}})

    def test_a_tag_with_a_date_exempts_for_good_where_dates_do_not_count(self):
        daemon = Stack(ExceptionExpires="false").policies("TaskRole")["daemon"]
        self.assertEqual(set(stops(daemon)), {"StopInstancesWithoutTheTag"})

    def test_the_daemon_can_neither_resume_nor_start_nor_tag_instances(self):
        allowed = actions(Stack().policies("TaskRole")["daemon"])
        for action in ("sqs:UntagQueue", "ec2:StartInstances", "ec2:CreateTags", "ec2:DeleteTags"):
            self.assertNotIn(action, allowed)

    def test_the_daemon_writes_no_other_tag_than_a_hold(self):
        daemon = Stack().policies("TaskRole")["daemon"]["Statement"]
        hold, = (s for s in daemon if "sqs:TagQueue" in s["Action"])
        self.assertEqual(hold["Condition"], {"ForAllValues:StringLike": {"aws:TagKeys": ["hold/*"]}})

    def test_ecs_may_read_the_parameter_with_the_policies_alone(self):
        self.assertEqual(set(Stack().policies("ExecutionRole")), {"execution"})
        here = f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter"
        elsewhere = "arn:aws:ssm:eu-west-1:210987654321:parameter/shared/policies"
        for parameter, arn in [
            ("policies", f"{here}/policies"),
            ("/policies", f"{here}/policies"),
            ("/a/b.c/d_e-f", f"{here}/a/b.c/d_e-f"),
            (elsewhere, elsewhere),
        ]:
            statement, = Stack(PolicyParameter=parameter).policies("ExecutionRole")["policies"]["Statement"]
            self.assertEqual((statement["Action"], statement["Resource"]), (["ssm:GetParameters"], arn))

    def test_the_regions_follow_the_parameter(self):
        for parameter, regions in [("", [REGION]), ("eu-west-1,us-gov-west-1", ["eu-west-1", "us-gov-west-1"])]:
            daemon = Stack(WatchedRegions=parameter).policies("TaskRole")["daemon"]
            conditions = [s["Condition"] for s in daemon["Statement"] if s["Action"][0].startswith("ec2:")]
            self.assertEqual([c["StringEquals"]["aws:RequestedRegion"] for c in conditions], [regions] * 3)

    def test_what_people_may_do_follows_the_parameters(self):
        tag, users = "team: keep/running", f"arn:aws:iam::{ACCOUNT}:user/a,arn:aws:iam::{ACCOUNT}:role/b"
        people = People(ExceptionTag=tag, Name="guard", WatchedRegions="eu-west-1,eu-west-2", UndoPrincipals=users)
        self.assertNotIn("SPECIAL_EXCEPTION", json.dumps(people.resources))
        self.assertNotIn("ec2-policy-enforcer-", json.dumps(people.resources))
        owners, = people.managed_policy("OwnersPolicy")["Statement"]
        self.assertEqual(owners["Condition"]["StringEquals"]["aws:RequestedRegion"], ["eu-west-1", "eu-west-2"])
        trust, = people.properties("UndoRole")["AssumeRolePolicyDocument"]["Statement"]
        self.assertEqual(trust["Principal"], {"AWS": users.split(",")})
        self.assertNotIn("UndoRole", People(UndoPrincipals="").resources)

    def test_nothing_is_allowed_by_wildcard(self):
        for name, statement in statements():
            for action in listed(statement["Action"]):
                with self.subTest(name, action=action):
                    self.assertNotIn("*", action)
                    open_to_all = statement.get("Resource") == "*"
                    self.assertEqual(open_to_all, action in WITHOUT_RESOURCE)
                    if "*" in listed(statement.get("Principal", {}).get("AWS", [])):
                        self.assertEqual(statement["Condition"]["StringEquals"], {"aws:PrincipalOrgID": "o-a1b2c3d4e5"})

    def test_parliament_finds_nothing(self):
        findings = []
        # It knows no trust policies: these have no resource.
        for name in (name for name in files() if not name.endswith("-trust")):
            text = (DEPLOY / "iam" / f"{name}.json").read_text()
            found = analyze_policy_string(text, include_community_auditors=True).findings
            findings += [(name, finding.issue) for finding in found]
        self.assertEqual(findings, EXPECTED_FINDINGS)
