"""redrive-undelivered sends what EventBridge could not deliver, and loses nothing; on moto and on the sandbox."""

import os
import re
import signal
import subprocess
import tempfile
import unittest
from pathlib import Path

from stack import DEPLOY, NAME, REGION
from test_setup import Server
from test_setup_member import Moto

BODIES = [f'{{"id":"{n}"}}' for n in range(11)] + [
    '{"tags":"tab\\t, \\"quote\\", \\\\ and \\n"}',
    "two\nlines\tand a tab",
    "  blanks at both ends  ",
    '{"owner":"Jürgen 保持"}',
    "file:///etc/hostname",
    "None",
]
# Stands before the real command and spoils the calls of one operation.
SPOILED = """#!/usr/bin/env bash
case " $* " in
    *" $SPOILED_CALL "*) {spoil} ;;
    *) exec "$REAL_AWS" "$@" ;;
esac
"""


class Redrive:
    def setUp(self):
        self.server = self.serve()
        self.sqs = self.server.client("sqs", self.region)
        self.undelivered, self.queue = (self.make(self.sqs, f"{NAME}-{queue}") for queue in ("undelivered", "events"))

    @staticmethod
    def make(sqs, name):
        return sqs.create_queue(QueueName=name)["QueueUrl"]

    def fail_to_deliver(self, sqs, url, bodies):
        why = {"ERROR_CODE": {"DataType": "String", "StringValue": "SDK_CLIENT_ERROR"}}
        for body in bodies:
            sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=why)

    def bodies(self, sqs, url):
        """What a queue has, in flight or not."""
        found = {}
        while got := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=600).get("Messages"):
            found |= {message["MessageId"]: message["Body"] for message in got}
        for message in found:
            self.assertRegex(message, r"^[0-9a-f-]{36}$")
        return sorted(found.values())

    def left(self):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        counts = self.sqs.get_queue_attributes(QueueUrl=self.undelivered, AttributeNames=names)["Attributes"]
        return sum(int(counts[name]) for name in names)

    def redrive(self, *arguments, **variables):
        environment = self.server.environment(self.region) | variables
        command = [DEPLOY / "redrive-undelivered", *arguments]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    def test_every_body_arrives_as_it_is(self):
        self.fail_to_deliver(self.sqs, self.undelivered, BODIES)
        ran = self.redrive()
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(len(re.findall("(?m)^sent .*: SDK_CLIENT_ERROR$", ran.stdout)), len(BODIES))
        self.assertEqual(self.bodies(self.sqs, self.queue), sorted(BODIES))
        self.assertEqual(self.left(), 0)
        again = self.redrive()
        self.assertEqual((again.returncode, again.stdout, again.stderr), (0, "", ""))

    def test_another_name_and_the_region_of_the_events(self):
        elsewhere = self.server.client("sqs", "eu-west-1")
        self.fail_to_deliver(elsewhere, self.make(elsewhere, "guard-undelivered"), ["a"])
        queue = self.make(self.sqs, "guard-events")
        ran = self.redrive("guard", "eu-west-1")
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(self.bodies(self.sqs, queue), ["a"])


class OnMoto(Redrive, unittest.TestCase):
    region = REGION

    def serve(self):
        return Server(self, os.environ["MOTO_PYTHON"], "-m", "moto.server", "-H", "127.0.0.1", "-p", "0")

    def test_events_of_another_account_are_read_with_a_profile_of_it(self):
        moto = Moto(self)
        queue = self.make(moto.client("sqs"), f"{NAME}-events")
        there = moto.member("sqs", "eu-west-1")
        undelivered = self.make(there, f"{NAME}-undelivered")
        self.fail_to_deliver(there, undelivered, ["a", "b"])
        scratch = tempfile.TemporaryDirectory(dir=os.environ["SCRATCH"])
        self.addCleanup(scratch.cleanup)
        profiles = Path(scratch.name) / "credentials"
        profiles.write_text("[member]\n" + "".join(f"{key} = {value}\n" for key, value in moto.credentials.items()))
        ran = subprocess.run(
            [DEPLOY / "redrive-undelivered", NAME, "eu-west-1", "member"],
            env=moto.environment(REGION) | {"AWS_SHARED_CREDENTIALS_FILE": str(profiles)},
            capture_output=True, text=True, timeout=120,
        )
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertEqual(self.bodies(moto.client("sqs"), queue), ["a", "b"])
        self.assertEqual(self.bodies(there, undelivered), [])

    def spoiled(self, call, spoil):
        scratch = tempfile.TemporaryDirectory(dir=os.environ["SCRATCH"])
        self.addCleanup(scratch.cleanup)
        played = Path(scratch.name) / "aws"
        played.write_text(SPOILED.replace("{spoil}", spoil))
        played.chmod(0o755)
        real = subprocess.run(["which", "aws"], capture_output=True, text=True, check=True).stdout.strip()
        path = f"{scratch.name}:{os.environ['PATH']}"
        return {"PATH": path, "REAL_AWS": real, "SPOILED_CALL": call}

    def test_nothing_is_deleted_that_was_not_sent(self):
        self.fail_to_deliver(self.sqs, self.undelivered, BODIES[:3])
        ran = self.redrive(**self.spoiled("send-message-batch", "echo 'no such host' >&2; exit 255"))
        self.assertNotEqual(ran.returncode, 0)
        self.assertEqual(ran.stdout, "")
        self.assertEqual((self.left(), self.bodies(self.sqs, self.queue)), (3, []))

    def test_what_sqs_refuses_stays(self):
        self.fail_to_deliver(self.sqs, self.undelivered, BODIES[:3])
        ran = self.redrive(**self.spoiled("send-message-batch", '"$REAL_AWS" "$@" | sed 1d'))
        self.assertEqual(ran.returncode, 1)
        self.assertIn(f"still in {NAME}-undelivered", ran.stderr)
        self.assertEqual(self.left(), 1)

    def test_it_does_not_call_a_queue_empty_that_it_could_not_read(self):
        self.fail_to_deliver(self.sqs, self.undelivered, BODIES[:1])
        ran = self.redrive(**self.spoiled("receive-message", "echo 'ExpiredToken' >&2; exit 254"))
        self.assertNotEqual(ran.returncode, 0)
        self.assertIn("ExpiredToken", ran.stderr)

    def test_what_somebody_else_has_received_is_not_forgotten(self):
        self.fail_to_deliver(self.sqs, self.undelivered, BODIES[:1])
        self.sqs.receive_message(QueueUrl=self.undelivered, VisibilityTimeout=600)
        ran = self.redrive()
        self.assertEqual(ran.returncode, 1)
        self.assertIn("1 were received by somebody else", ran.stderr)


class OnTheSandbox(Redrive, unittest.TestCase):
    region = "us-east-1"

    def serve(self):
        return Server(self, os.environ["ENFORCER"], "sandbox", "--serve", "--without-daemon", end=signal.SIGINT)
