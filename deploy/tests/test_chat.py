"""A press in the chat exempts an instance, and can do nothing else."""

import json
import os
import re
import shlex
import signal
import string
import subprocess
import unittest

from stack import REGION, ROOT, Chat, Stack
from test_setup import Server

NOTICE = "event.metadata.additionalContext."


class TheChat(unittest.TestCase):
    def setUp(self):
        self.stack = Chat()

    def command(self, **parameters):
        return Chat(**parameters).properties("Keep")["Definition"]["CommandText"]

    def test_the_command_fits_in_with_the_longest_tag(self):
        longest = re.search(r"\{1,(\d+)\}", self.stack.template["Parameters"]["ExceptionTag"]["AllowedPattern"])
        # What CreateCustomAction takes; CloudFormation would take more.
        self.assertEqual(len(self.command(ExceptionTag="x" * int(longest[1]))), 100)

    def test_the_tag_is_that_of_the_daemon_by_default(self):
        default = Stack().template["Parameters"]["ExceptionTag"]["Default"]
        self.assertEqual(self.stack.template["Parameters"]["ExceptionTag"]["Default"], default)

    def test_every_variable_of_the_command_is_read_from_the_notice(self):
        attachment, = self.stack.properties("Keep")["Attachments"]
        read = attachment["Variables"]
        self.assertEqual(set(re.findall(r"\$(\w)", self.command())), set(read))
        self.assertEqual({c["VariableName"] for c in attachment["Criteria"]} - set(read), set())
        told = {path.removeprefix(NOTICE) for path in read.values()}
        self.assertEqual(told, {"region", "instance", "until"})
        notice = (ROOT / "src/domain/notice/chat.rs").read_text()
        for word in ("additionalContext", "enableCustomActions", *told):
            self.assertIn(f'"{word}"', notice)

    def test_the_command_exempts_an_instance(self):
        sandbox = Server(self, os.environ["ENFORCER"], "sandbox", "--serve", "--without-daemon", end=signal.SIGINT)
        ec2 = sandbox.client("ec2", "us-east-1")
        image = ec2.describe_images()["Images"][0]["ImageId"]
        launched = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)
        instance = launched["Instances"][0]["InstanceId"]
        values = {"r": "us-east-1", "i": instance, "u": "2026-11-27T20:48:21Z"}
        command = shlex.split(string.Template(self.command()).substitute(values))
        subprocess.run(
            ["aws", "--endpoint-url", sandbox.endpoint, *command], env=sandbox.environment(REGION), check=True, timeout=60
        )
        tags = ec2.describe_tags(Filters=[{"Name": "resource-id", "Values": [instance]}])["Tags"]
        self.assertEqual([(t["Key"], t["Value"]) for t in tags], [("SPECIAL_EXCEPTION", "until=2026-11-27T20:48:21Z")])

    def test_the_channel_can_do_what_the_command_does_and_nothing_else(self):
        for kind in ("Slack", "Teams"):
            channel = self.stack.properties(kind)
            self.assertEqual(channel["GuardrailPolicies"], [self.stack.reference("KeepPolicy")])
            self.assertEqual(channel["CustomizationResourceArns"], [self.stack.reference("Keep")])
            self.assertEqual(channel["IamRoleArn"], self.stack.attribute("ChatRole", "Arn"))
        role = self.stack.properties("ChatRole")
        self.assertEqual(role["ManagedPolicyArns"], [self.stack.reference("KeepPolicy")])
        self.assertNotIn("Policies", role)
        allowed, = self.stack.managed_policy("KeepPolicy")["Statement"]
        self.assertEqual(allowed["Action"], ["ec2:CreateTags"])

    def test_the_permission_follows_tag_and_regions(self):
        chat = Chat(ExceptionTag="keep", WatchedRegions="eu-central-1,eu-west-1")
        condition = chat.managed_policy("KeepPolicy")["Statement"][0]["Condition"]
        self.assertEqual(condition["StringEquals"]["aws:RequestedRegion"], ["eu-central-1", "eu-west-1"])
        self.assertEqual(condition["StringLike"], {"aws:RequestTag/keep": "until=20*"})
        self.assertEqual(condition["ForAllValues:StringEquals"], {"aws:TagKeys": ["keep"]})
        self.assertNotIn("SPECIAL_EXCEPTION", json.dumps(chat.resources))

    def test_a_stack_without_a_whole_channel_is_refused(self):
        nothing = dict.fromkeys(Chat.CHANNELS, "")
        slack = {key: Chat.CHANNELS[key] for key in ("SlackWorkspaceId", "SlackChannelId")}
        teams = {key: value for key, value in Chat.CHANNELS.items() if key not in slack}
        for given, is_refused in [
            ({}, True),
            (slack, False),
            (teams, False),
            (slack | teams, False),
            ({"SlackWorkspaceId": "T0123ABCD"}, True),
            (slack | {"TeamsTenantId": Chat.CHANNELS["TeamsTenantId"]}, True),
        ]:
            self.assertEqual(Chat(**nothing | given).are_refused(), is_refused, given)

    def test_the_channels_are_those_that_are_given(self):
        nothing = dict.fromkeys(Chat.CHANNELS, "")
        slack = {key: Chat.CHANNELS[key] for key in ("SlackWorkspaceId", "SlackChannelId")}
        made = Chat(**nothing | slack).resources
        self.assertEqual(("Slack" in made, "Teams" in made), (True, False))

