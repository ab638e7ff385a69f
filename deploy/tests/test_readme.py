"""The commands of the README's "What to watch" work, on the sandbox and on moto."""

import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from stack import REGION, ROOT
from test_setup import Server

# Version 1 of the AWS CLI takes SQS's address from no variable.
AWS = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n'


def blocks(section):
    """The commands of a section, by the first line of each block."""
    text = (ROOT / "README.md").read_text()
    text = re.search(rf"(?ms)^## {section}$(.*?)^## ", text)[1]
    return {found.splitlines()[0]: found for found in re.findall(r"(?ms)^```sh\n(.*?)^```$", text)}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class WhatToWatch(unittest.TestCase):
    def setUp(self):
        self.blocks = blocks("What to watch")

    def take(self, *begins):
        """The blocks that begin so, one after the other."""
        found = [next(line for line in self.blocks if line.startswith(begin)) for begin in begins]
        return "".join(self.blocks.pop(line) for line in found)

    def run_all(self, script, environment):
        """Runs the script as it stands, at what looks like the top of a checkout."""
        scratch = tempfile.TemporaryDirectory(dir=os.environ["SCRATCH"])
        self.addCleanup(scratch.cleanup)
        top = Path(scratch.name)
        (top / "target/debug").mkdir(parents=True)
        (top / "target/debug/ec2-policy-enforcer").symlink_to(os.environ["ENFORCER"])
        (top / "deploy").symlink_to(ROOT / "deploy")
        command = ["bash", "-euo", "pipefail", "-c", script]
        process = subprocess.Popen(
            command, cwd=top, env=environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )
        try:
            shown, _ = process.communicate(timeout=120)
        finally:
            # What the script started in the background is in its group.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.assertEqual(process.returncode, 0, shown)
        return shown

    def test_the_daemon_its_queue_and_its_metrics_on_the_sandbox(self):
        port = str(free_port())
        start = self.take("cargo build")
        settled = (
            "until curl --silent localhost:9464/metrics | grep -q '\"delete\"} 20$'; do sleep 0.2; done\n"
            "until [ -s daemon.log ]; do sleep 0.2; done\n"
        )
        watch = self.take("curl --silent localhost:9464/readyz", "aws sqs", "curl --silent localhost:9464/metrics")
        script = "cargo() { :; }\n" + AWS + start + settled + watch + "kill %1 %2\nwait\n"
        environment = os.environ | {"ENFORCER_ADMIN__LISTEN": f"127.0.0.1:{port}"}
        shown = self.run_all(script.replace(":9464", f":{port}"), environment).splitlines()
        self.assertIn("ready", shown)
        self.assertIn('enforcer_events_total{outcome="stopped"} 10', shown)
        self.assertIn("0\t0", shown)
        self.assertIn("0", shown)
        self.assertTrue(any("SUCCESS" in line for line in shown), shown)

    def test_cloudwatch_and_the_log_on_moto(self):
        moto = Server(self, os.environ["MOTO_PYTHON"], "-m", "moto.server", "-H", "127.0.0.1", "-p", "0")
        environment, _ = moto.set_up("--for", "ecs")
        log = "journalctl() { echo '{\"level\":\"WARN\",\"message\":\"pausing\"}'; }\n"
        script = AWS + log + self.take("aws cloudwatch", "journalctl")
        shown = self.run_all(script, moto.environment(REGION) | environment | {"AWS_DEFAULT_REGION": REGION})
        self.assertIn("Datapoints", shown)
        self.assertIn("pausing", shown)

    def test_no_other_commands_are_there(self):
        self.take("cargo", "curl --silent localhost:9464/readyz", "curl --silent localhost:9464/metrics |")
        self.take("aws sqs", "aws cloudwatch", "journalctl")
        self.assertEqual(self.blocks, {})
