"""A daemon and the accounts that it watches besides its own: who may do what, and where events go."""

import json
import unittest

import regex

from iam import allowed_by, effect, request
from stack import (
    ACCOUNT, DAEMON_ROLE, LISTED, MEMBER, NAME, ORGANIZATION, REGION, Member, OtherRegion, Stack, policy_file,
)

ELSEWHERE = "eu-west-1"
STRANGER = "999988887777"
ORG = ORGANIZATION["OrganizationId"]
WATCHED = {"WatchedRegions": f"{REGION},{ELSEWHERE}"}
DAEMONS = [Stack(**WATCHED, **parameters) for parameters in (ORGANIZATION, LISTED)]
TAG = "team: keep/running"
# What shapes the guard, in both stacks.
GUARDS = [
    {}, WATCHED, {"ExceptionTag": TAG}, {"ExceptionExpires": "false"}, {"ExceptionGuard": "false", "ExceptionTag": TAG},
]


def role(name, account=MEMBER):
    return f"arn:aws:iam::{account}:role/{name}"


class TheRole(unittest.TestCase):
    """What the daemon may do in a member account, and who may take its role there."""

    maxDiff = None

    def test_it_has_the_guard_of_the_daemon_s_own_role_and_nothing_else(self):
        for parameters in GUARDS:
            with self.subTest(parameters):
                own = Stack(**parameters).policies("TaskRole")["daemon"]["Statement"]
                of_ec2 = [statement for statement in own if statement["Action"][0].startswith("ec2:")]
                wanted = json.loads(json.dumps(of_ec2).replace(ACCOUNT, MEMBER))
                policies = Member(**parameters).policies("MemberRole")
                self.assertEqual(policies, {"member": {"Version": "2012-10-17", "Statement": wanted}})

    def test_it_allows_what_the_daemon_calls_of_ec2(self):
        listed = policy_file("actions")
        self.assertEqual(listed["member"], [action for action in listed["daemon"] if action.startswith("ec2:")])

    def test_it_stops_what_lacks_the_tag_or_has_a_date_in_it_where_instances_count(self):
        statements = Member(**WATCHED).policies("MemberRole")["member"]["Statement"]
        for tags, account, region, may in [
            ({"Name": "web"}, MEMBER, REGION, True),
            ({"SPECIAL_EXCEPTION": "until=2026-12-31"}, MEMBER, ELSEWHERE, True),
            ({"SPECIAL_EXCEPTION": "yes"}, MEMBER, REGION, False),
            ({"special_exception": "yes"}, MEMBER, REGION, False),
            ({}, MEMBER, "us-east-1", False),
            ({}, STRANGER, REGION, False),
        ]:
            instance = f"arn:aws:ec2:{region}:{account}:instance/i-0123456789abcdef0"
            asked = request("ec2:StopInstances", instance, resource_tags=tags, region=region)
            self.assertEqual(effect(statements, asked) == "Allow", may, (tags, account, region))

    def test_nobody_but_the_daemon_takes_it_and_with_the_external_id_alone_if_there_is_one(self):
        other = role("Admin", ACCOUNT)
        for external_id, principal, shown, may in [
            ("", DAEMON_ROLE, None, True),
            ("", DAEMON_ROLE, "whatever", True),
            ("", other, None, False),
            ("fleet", DAEMON_ROLE, "fleet", True),
            ("fleet", DAEMON_ROLE, None, False),
            ("fleet", DAEMON_ROLE, "flee", False),
            ("fleet", other, "fleet", False),
        ]:
            trust = Member(ExternalId=external_id).properties("MemberRole")["AssumeRolePolicyDocument"]
            # A trust policy has no resource, because the role is the one.
            statements = [statement | {"Resource": role(NAME)} for statement in trust["Statement"]]
            asked = request("sts:AssumeRole", role(NAME), principal, sts_ExternalId=shown)
            self.assertEqual(allowed_by({"Statement": statements}, principal, asked), may, (external_id, principal, shown))

    def test_one_stack_of_an_account_makes_it(self):
        for parameters, region, makes in [
            ({}, REGION, True),
            ({}, ELSEWHERE, False),
            ({"RoleRegion": ELSEWHERE}, REGION, False),
            ({"RoleRegion": ELSEWHERE}, ELSEWHERE, True),
        ]:
            member = Member(region, **parameters)
            self.assertEqual("MemberRole" in member.resources, makes, (parameters, region))
        self.assertEqual(Member(RoleName="guard").properties("MemberRole")["RoleName"], "guard")

    def test_no_two_regions_make_a_role_of_the_same_name(self):
        regions = (REGION, ELSEWHERE, "ap-southeast-2")
        made = [r["RoleName"] for region in regions for r in Member(region).of_type("AWS::IAM::Role").values()]
        self.assertEqual(len(made), len(set(made)), made)
        longest = Member("ap-southeast-12", RoleName="r" * 40).of_type("AWS::IAM::Role").values()
        self.assertTrue(all(len(one["RoleName"]) <= 64 for one in longest))

    def test_the_daemon_takes_roles_of_that_name_in_those_accounts(self):
        for stack in DAEMONS:
            statements = stack.policies("TaskRole")["members"]["Statement"]
            for name, account, org, may in [
                (NAME, MEMBER, ORG, True),
                ("Admin", MEMBER, ORG, False),
                (f"{NAME}-events", MEMBER, ORG, False),
                (NAME, STRANGER, "o-zzzzzzzzzz", False),
            ]:
                asked = request(
                    "sts:AssumeRole", role(name, account), aws_ResourceAccount=account, aws_ResourceOrgID=org
                )
                self.assertEqual(effect(statements, asked) == "Allow", may, (name, account))


class TheEvents(unittest.TestCase):
    """From the rules of a member account to the queue, and who else may send there."""

    maxDiff = None

    def test_a_member_sends_its_own_events_and_no_others(self):
        for region in (REGION, ELSEWHERE):
            member = Member(region)
            for name in ("Rule", "TagRule"):
                found, wanted = member.properties(name), Stack().properties(name)
                self.assertEqual(found["EventPattern"].pop("region"), [region])
                self.assertEqual((found["EventPattern"], found["Name"]), (wanted["EventPattern"], wanted["Name"]))
                target, = found["Targets"]
                for key in ("RetryPolicy", "DeadLetterConfig"):
                    here = json.dumps(wanted["Targets"][0][key]).replace(ACCOUNT, MEMBER).replace(REGION, region)
                    self.assertEqual(target[key], json.loads(here))

    def test_rules_send_to_the_queue_in_its_region_and_to_the_bus_from_others(self):
        stack, queue = Stack(), f"arn:aws:sqs:{REGION}:{ACCOUNT}:{NAME}-events"
        self.assertEqual(queue, stack.attribute("Queue", "Arn"))
        bus = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"
        for region, to, action in [(REGION, queue, "sqs:SendMessage"), (ELSEWHERE, bus, "events:PutEvents")]:
            member = Member(region)
            for name in ("Rule", "TagRule"):
                target, = member.properties(name)["Targets"]
                self.assertEqual((target["Arn"], target["RoleArn"]), (to, member.attribute("EventsRole", "Arn")))
            policy, = member.policies("EventsRole").values()
            allowed, = policy["Statement"]
            self.assertEqual((allowed["Action"], allowed["Resource"]), ([action], to))

    def test_tag_changes_can_be_left_out(self):
        without = Member(TagKeys="")
        self.assertNotIn("TagRule", without.resources)
        self.assertNotIn("tag-changes", json.dumps(without.properties("UndeliveredQueuePolicy")))

    def test_the_queue_takes_messages_of_members_roles_and_of_its_own_rules_alone(self):
        rule = f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{NAME}-events"
        for stack in DAEMONS:
            queue, policy = stack.attribute("Queue", "Arn"), stack.properties("QueuePolicy")["PolicyDocument"]
            sender = Member().attribute("EventsRole", "Arn")
            for principal, keys, may in [
                (sender, {"aws_PrincipalOrgID": ORG}, True),
                (Member(ELSEWHERE).attribute("EventsRole", "Arn"), {"aws_PrincipalOrgID": ORG}, False),
                (role("Admin"), {"aws_PrincipalOrgID": ORG}, False),
                (sender.replace(MEMBER, STRANGER), {"aws_PrincipalOrgID": "o-zzzzzzzzzz"}, False),
                (sender.replace(MEMBER, STRANGER), {}, False),
                ("events.amazonaws.com", {"aws_SourceArn": rule}, True),
                ("events.amazonaws.com", {"aws_SourceArn": rule.replace(ACCOUNT, MEMBER)}, False),
                ("events.amazonaws.com", {"aws_SourceArn": rule.replace(NAME, "other")}, False),
            ]:
                asked = request("sqs:SendMessage", queue, principal, **keys)
                self.assertEqual(allowed_by(policy, principal, asked), may, (principal, keys))
                asked = request("sqs:ReceiveMessage", queue, principal, **keys)
                self.assertFalse(allowed_by(policy, principal, asked))

    def test_the_bus_takes_events_of_members_roles_of_other_regions_alone(self):
        for stack in DAEMONS:
            policy = {"Statement": [stack.properties("BusPolicy")["Statement"]]}
            bus = policy["Statement"][0]["Resource"]
            sender = Member(ELSEWHERE).attribute("EventsRole", "Arn")
            for principal, keys, may in [
                (sender, {"aws_PrincipalOrgID": ORG}, True),
                (role("Admin"), {"aws_PrincipalOrgID": ORG}, False),
                (sender.replace(MEMBER, STRANGER), {"aws_PrincipalOrgID": "o-zzzzzzzzzz"}, False),
            ]:
                asked = request("events:PutEvents", bus, principal, **keys)
                self.assertEqual(allowed_by(policy, principal, asked), may, principal)

    def test_the_bus_is_open_only_where_other_regions_count(self):
        for parameters in (ORGANIZATION, LISTED):
            self.assertNotIn("BusPolicy", Stack(**parameters).resources)


class TheAlarms(unittest.TestCase):
    def test_a_topic_of_the_daemon_s_account_hears_of_what_a_member_cannot_send(self):
        stacks = [(REGION, Stack), (ELSEWHERE, OtherRegion)]
        for region, kind in stacks:
            member = Member(region)
            alarm = member.properties("UndeliveredAlarm")
            self.assertEqual(alarm["Dimensions"][0]["Value"], member.attribute("UndeliveredQueue", "QueueName"))
            for parameters in (ORGANIZATION, LISTED):
                stack = kind(**parameters)
                topic = stack.reference("Alarms")
                self.assertEqual((alarm["AlarmActions"], alarm["OKActions"]), ([topic], [topic]))
                policy = stack.properties("AlarmsPolicy")["PolicyDocument"]
                self.assert_who_may_publish(policy, topic, member.attribute("UndeliveredAlarm", "Arn"))

    def assert_who_may_publish(self, policy, topic, alarm):
        cloudwatch, own = "cloudwatch.amazonaws.com", alarm.replace(MEMBER, ACCOUNT)
        for arn, account, org, may in [
            (alarm, MEMBER, ORG, True),
            (alarm.replace("UndeliveredAlarm", "other"), MEMBER, ORG, False),
            (alarm.replace(MEMBER, STRANGER), STRANGER, "o-zzzzzzzzzz", False),
            (own.replace("UndeliveredAlarm", "any"), ACCOUNT, None, True),
        ]:
            asked = request(
                "sns:Publish", topic, aws_SourceArn=arn, aws_SourceAccount=account, aws_SourceOrgID=org
            )
            self.assertEqual(allowed_by(policy, cloudwatch, asked), may, arn)

    def test_the_alarm_says_whose_events_are_missing(self):
        self.assertIn(MEMBER, Member().properties("UndeliveredAlarm")["AlarmDescription"])


class TheParameters(unittest.TestCase):
    def test_without_other_accounts_nothing_is_open_to_them(self):
        for parameters in ({}, {"OrganizationId": ORG, "ExternalId": "fleet"}, WATCHED):
            text = json.dumps(Stack(**parameters).resources)
            for word in ("sts:AssumeRole\"]", "PrincipalOrgID", "SourceOrgID", "aws:PrincipalArn", "ENFORCER_ACCOUNTS"):
                self.assertNotIn(word, text)
            self.assertNotIn("BusPolicy", text)
        self.assertNotIn("SourceOrgID", json.dumps(OtherRegion(OrganizationId=ORG).resources))

    def test_the_daemon_is_told_of_the_accounts(self):
        for parameters, told in [
            (ORGANIZATION, {"IDS": "any", "ROLE": f"arn:aws:iam::{{account}}:role/{NAME}"}),
            (
                LISTED | {"MemberRole": "guard", "ExternalId": "fleet"},
                {"IDS": LISTED["Accounts"], "ROLE": "arn:aws:iam::{account}:role/guard", "EXTERNAL_ID": "fleet"},
            ),
        ]:
            daemon, = Stack(**parameters).properties("TaskDefinition")["ContainerDefinitions"]
            found = {v["Name"]: v["Value"] for v in daemon["Environment"] if "ACCOUNTS" in v["Name"]}
            self.assertEqual(found, {f"ENFORCER_ACCOUNTS__{key}": value for key, value in told.items()})

    def test_any_account_is_one_of_an_organization(self):
        for kind in (Stack, OtherRegion):
            for parameters, is_refused in [({"Accounts": "any"}, True), (ORGANIZATION, False), (LISTED, False), ({}, False)]:
                self.assertEqual(kind(**parameters).are_refused(), is_refused, parameters)

    def test_both_stacks_take_the_same(self):
        daemon, member = (stack.template["Parameters"] for stack in (Stack(), Member()))
        for here, there in [
            ("MemberRole", "RoleName"), ("ExternalId", "ExternalId"), ("ExceptionTag", "ExceptionTag"),
            ("ExceptionExpires", "ExceptionExpires"), ("ExceptionGuard", "ExceptionGuard"),
        ]:
            pair = [{k: v for k, v in p.items() if k != "Description"} for p in (daemon[here], member[there])]
            self.assertEqual(*pair, here)
        # Of more than this SQS takes no policy without an organization.
        self.assertIn("at most 50", daemon["OrganizationId"]["Description"])

    def test_another_name_is_in_everything(self):
        member = Member(Name="guard", RoleName="guard", DaemonRoleArn=role("guard", ACCOUNT))
        self.assertNotIn("ec2-policy-enforcer", json.dumps(member.resources))
        stack = Stack(**WATCHED, **ORGANIZATION, MemberRole="guard")
        for policy in (stack.properties("QueuePolicy"), stack.properties("BusPolicy")):
            self.assertIn(":role/guard-events", json.dumps(policy))

    def test_patterns_take_what_is_sound_and_nothing_else(self):
        known = Stack().template["Parameters"] | Member().template["Parameters"]
        for parameter, sound, unsound in [
            ("Accounts", ["", "any", MEMBER, f"{MEMBER},{STRANGER}"], ["all", "1", f"{MEMBER},", f"any,{MEMBER}", "*"]),
            ("OrganizationId", ["", ORG, "o-" + "a" * 32], ["o-", "r-a1b2", "o-a1b2", ORG.upper(), "*"]),
            ("MemberRole", [NAME, "a_b-C"], ["", "a/b", "a*", "r" * 41, "a b"]),
            ("ExternalId", ["", "fleet", "a:b/c@d"], ["a", "a b", 'a"b', "a*b"]),
            ("RoleRegion", ["", REGION], ["eu", "*"]),
            (
                "DaemonRoleArn",
                [DAEMON_ROLE, "arn:aws-us-gov:iam::123456789012:role/a/b"],
                ["", f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{ACCOUNT}:user/a", "arn:aws:iam::*:role/a", role("a*")],
            ),
        ]:
            pattern = regex.compile(known[parameter]["AllowedPattern"])
            for value in sound:
                self.assertTrue(pattern.fullmatch(value), f"{parameter}: {value!r}")
            for value in unsound:
                self.assertFalse(pattern.fullmatch(value), f"{parameter}: {value!r}")


if __name__ == "__main__":
    unittest.main()
