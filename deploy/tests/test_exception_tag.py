"""Who may set and remove the exception tag, and which stops the guard denies."""

import json
import re
import unittest

from iam import effect, request
from stack import ACCOUNT, DEPLOY, REGION, ROOT, policy_file

TAG = "SPECIAL_EXCEPTION"
INSTANCE = f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/i-0123456789abcdef0"
VOLUME = f"arn:aws:ec2:{REGION}:{ACCOUNT}:volume/vol-0123456789abcdef0"
GROUP = f"arn:aws:autoscaling:{REGION}:{ACCOUNT}:autoScalingGroup:0a1b:autoScalingGroupName/web"
SSO = f"arn:aws:iam::{ACCOUNT}:role/aws-reserved/sso.amazonaws.com"
OWNERS = [
    f"{SSO}/{REGION}/AWSReservedSSO_ExceptionOwners_0a1b2c3d4e5f6071",
    f"{SSO}/AWSReservedSSO_ExceptionOwners_0a1b2c3d4e5f6071",
]
TOOLS = [f"arn:aws:iam::{ACCOUNT}:role/ec2-policy-enforcer-{tool}" for tool in ("chat", "undo")]
OTHERS = [
    f"arn:aws:iam::{ACCOUNT}:role/Admin",
    f"arn:aws:iam::{ACCOUNT}:root",
    f"{SSO}/{REGION}/AWSReservedSSO_AdministratorAccess_0a1b2c3d4e5f6071",
    f"arn:aws:iam::{ACCOUNT}:role/AWSReservedSSO_ExceptionOwners_0a1b2c3d4e5f6071",
]
SPELLINGS = [TAG, TAG.lower(), "Special_Exception"]


class ServiceControlPolicy(unittest.TestCase):
    def denied(self, action, principal, resource=INSTANCE, **asked):
        statements = policy_file("exception-tag-scp")["Statement"]
        return effect(statements, request(action, resource, principal, **asked)) == "Deny"

    def test_nobody_else_sets_or_removes_the_tag_however_it_is_spelt(self):
        for action in ("ec2:CreateTags", "ec2:DeleteTags", "ec2:RunInstances"):
            for spelling in SPELLINGS:
                tags = {"Name": "web", spelling: "until=2026-12-31"}
                for principal in OTHERS:
                    self.assertTrue(self.denied(action, principal, tags=tags), (action, spelling, principal))
                for principal in OWNERS + TOOLS:
                    self.assertFalse(self.denied(action, principal, tags=tags), (action, spelling, principal))

    def test_nobody_else_removes_all_tags_of_an_exempt_instance_at_once(self):
        exempt, plain = {TAG: "yes", "Name": "web"}, {"Name": "web"}
        for principal in OTHERS + TOOLS:
            self.assertTrue(self.denied("ec2:DeleteTags", principal, resource_tags=exempt), principal)
            self.assertFalse(self.denied("ec2:DeleteTags", principal, resource_tags=plain), principal)
        for principal in OWNERS:
            self.assertFalse(self.denied("ec2:DeleteTags", principal, resource_tags=exempt), principal)

    def test_nobody_else_has_an_auto_scaling_group_set_the_tag(self):
        for action in ("autoscaling:CreateAutoScalingGroup", "autoscaling:CreateOrUpdateTags"):
            for principal in OTHERS:
                self.assertTrue(self.denied(action, principal, GROUP, tags={TAG: ""}), (action, principal))
                self.assertFalse(self.denied(action, principal, GROUP, tags={"Name": "web"}), (action, principal))
            for principal in OWNERS:
                self.assertFalse(self.denied(action, principal, GROUP, tags={TAG: ""}), (action, principal))

    def test_other_tags_and_other_resources_are_everybodys(self):
        for principal in OTHERS:
            for action in ("ec2:CreateTags", "ec2:DeleteTags", "ec2:RunInstances"):
                for tags in ({"Name": "web"}, {f"{TAG}2": "x"}, {f"my-{TAG}": "x"}):
                    self.assertFalse(self.denied(action, principal, tags=tags), (action, tags))
                self.assertFalse(self.denied(action, principal, VOLUME, tags={TAG: ""}), action)
            self.assertFalse(self.denied("ec2:RunInstances", principal))
            self.assertFalse(self.denied("ec2:StopInstances", principal, resource_tags={TAG: ""}))

    def test_it_fits_into_a_service_control_policy(self):
        text = (DEPLOY / "iam" / "exception-tag-scp.json").read_text()
        self.assertLess(len(json.dumps(json.loads(text), separators=(",", ":"))), 5120)


class Guard(unittest.TestCase):
    """The statements with which IAM lets the daemon stop instances, where dates count."""

    def setUp(self):
        page = (ROOT / "docs" / "src" / "check.md").read_text()
        dated = json.loads(re.search(r"```json\n(.*?)```", page, re.DOTALL)[1])
        self.assertEqual(dated["Sid"], "StopInstancesWhoseTagHasADate")
        statements = policy_file("daemon")["Statement"]
        plain, = (statement for statement in statements if statement["Sid"] == "StopInstancesWithoutTheTag")
        self.statements = [plain, dated]

    def may_stop(self, tags, region=REGION):
        asked = request("ec2:StopInstances", INSTANCE, resource_tags=tags, region=region)
        return effect(self.statements, asked) == "Allow"

    def test_what_has_a_date_may_be_stopped_and_what_has_none_may_not(self):
        for value in ("2026-12-31", "2026-12-31T18:00:00Z", "until=2026-12-31", "ticket-4711 until=2026-12-31 me"):
            self.assertTrue(self.may_stop({TAG: value}), value)
        for value in ("", "yes", "ticket-4711", "UNTIL=2026-12-31", "no end"):
            self.assertFalse(self.may_stop({TAG: value}), value)

    def test_what_lacks_the_tag_may_be_stopped_and_a_key_counts_in_any_case(self):
        self.assertTrue(self.may_stop({"Name": "web"}))
        self.assertTrue(self.may_stop({}))
        for spelling in SPELLINGS:
            self.assertFalse(self.may_stop({spelling: "yes"}), spelling)

    def test_nothing_may_be_stopped_elsewhere(self):
        for tags in ({}, {TAG: "until=2026-12-31"}):
            self.assertFalse(self.may_stop(tags, region="us-east-1"))


if __name__ == "__main__":
    unittest.main()
