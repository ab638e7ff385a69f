"""Commands of the README and of the book's "What to watch" work, on the sandbox and on moto."""

import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

from stack import NAME, POLICY_PARAMETER, REGION, ROOT, Chat, Dashboard, Member, OtherRegion, People, Stack
from test_setup import Server

# Version 1 of the AWS CLI takes SQS's address from no variable.
AWS = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }\n'
# What the commands of deploy/README.md ask of the stack.
OUTPUTS = {
    "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    "Outputs": {"ClusterName": {"Value": "cluster"}, "ServiceName": {"Value": "service"}},
}


def blocks(text):
    """The commands of a text, by the first line of each block."""
    return {found.splitlines()[0]: found for found in re.findall(r"(?ms)^```sh\n(.*?)^```$", text)}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Commands(unittest.TestCase):
    blocks = {}

    def take(self, *begins):
        """The blocks that begin so, one after the other."""
        found = [next(line for line in self.blocks if line.startswith(begin)) for begin in begins]
        return "".join(self.blocks.pop(line) for line in found)

    def checkout(self):
        """What looks like the top of a checkout, with the daemon built."""
        scratch = tempfile.TemporaryDirectory(dir=os.environ["SCRATCH"])
        self.addCleanup(scratch.cleanup)
        top = Path(scratch.name)
        (top / "target/debug").mkdir(parents=True)
        (top / "target/debug/ec2-policy-enforcer").symlink_to(os.environ["ENFORCER"])
        (top / "deploy").symlink_to(ROOT / "deploy")
        return top

    def run_all(self, script, environment, top=None):
        """Runs the script as it stands, and gives what it shows."""
        command = ["bash", "-euo", "pipefail", "-c", script]
        process = subprocess.Popen(
            command, cwd=top or self.checkout(), env=environment, text=True, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )
        try:
            shown, _ = process.communicate(timeout=600)
        finally:
            # What the script started in the background is in its group.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.assertEqual(process.returncode, 0, shown)
        return shown

    def moto(self):
        return Server(self, os.environ["MOTO_PYTHON"], "-m", "moto.server", "-H", "127.0.0.1", "-p", "0")


class Readme(Commands):
    maxDiff = None

    def setUp(self):
        self.text = (ROOT / "README.md").read_text()
        self.blocks = blocks(self.text)

    def test_the_picture_is_what_the_sandbox_shows(self):
        picture = re.search(r"(?ms)^```text\n(TAGS .*?)^```$", self.text)[1]
        cargo = 'cargo() { [ "$*" = "run -- sandbox" ] && target/debug/ec2-policy-enforcer sandbox; }\n'
        shown = self.run_all(cargo + self.take("cargo run -- sandbox"), os.environ)
        table = shown[shown.index("INSTANCE ") :].split("\n\n")[0].splitlines()
        column = table[0].index("TAGS")
        self.assertEqual("\n".join(row[column:] for row in table) + "\n", picture)

    def test_what_is_set_up_mails_to_the_owners(self):
        moto, top = self.moto(), self.checkout()
        self.run_all(self.take("deploy/setup.sh"), moto.environment(REGION), top)
        names = re.findall(r"(?m)^(\w+)=", (top / "environment").read_text())
        self.assertEqual(names[:3], ["SQS_QUEUE_URL", "SNS_TOPIC_ARN", "EXCEPTION_TAG"])
        subscribed, = moto.client("sns").list_subscriptions()["Subscriptions"]
        self.assertEqual((subscribed["Protocol"], subscribed["Endpoint"]), ("email", "owners@example.com"))

    def test_the_check_on_the_instance_reads_the_file_of_the_unit(self):
        sandbox = Server(self, os.environ["ENFORCER"], "sandbox", "--serve", "--without-daemon", end=signal.SIGINT)
        environment, _ = sandbox.set_up(region="us-east-1")
        top = self.checkout()
        lines = [f'{name}="{value}"\n' for name, value in environment.items()]
        (top / "environment").write_text("".join(lines))
        script = self.take("(set -a; . /etc").replace("/etc/ec2-policy-enforcer", str(top))
        daemon = 'ec2-policy-enforcer() { target/debug/ec2-policy-enforcer "$@"; }\n'
        variables = sandbox.environment("us-east-1")
        shown = self.run_all(daemon + script, variables | {"AWS_EC2_METADATA_DISABLED": "true"}, top)
        self.assertIn(environment["SNS_TOPIC_ARN"], shown)

    def test_the_stacks_have_the_parameters(self):
        known = {stack.file: stack.template["Parameters"].keys() for stack in (Stack(), OtherRegion(), Member(), Dashboard(), Chat(), People())}
        seen = set()
        for text in (self.text, (ROOT / "deploy/README.md").read_text()):
            for command in re.findall(r"aws (?:.* )?cloudformation deploy (?:.*\\\n)*.*", text):
                template = re.search(r"--template-file deploy/(\S+)", command)[1]
                named = re.findall(r'[\s"]([A-Z]\w+)=', command)
                self.assertLessEqual(set(named), known[template])
                seen |= {(template, name) for name in named}
        self.assertIn(("cloudformation.yaml", "RuleState"), seen)
        self.assertIn(("other-region.yaml", "HomeRegion"), seen)
        self.assertIn(("chat.yaml", "SlackChannelId"), seen)

    def test_no_other_commands_are_there(self):
        self.take("cargo run -- sandbox", "deploy/setup.sh", "(set -a; . /etc")
        self.take("cargo install", "cargo build")  # Takes minutes, and needs Docker or an instance.
        self.take("install ec2-policy-enforcer", "systemctl")  # Needs root and a running systemd.
        self.take("export AWS_REGION", "vpc=", "deploy/check-task")  # Needs Docker or a whole stack.
        self.assertEqual(self.blocks, {})


class Brakes(Commands):
    """Those of deploy/README.md: everything is frozen by hand, and goes on again."""

    def setUp(self):
        text = (ROOT / "deploy/README.md").read_text()
        self.blocks = blocks(re.search(r"(?ms)^### The brakes$(.*?)^### ", text)[1])

    def test_stops_are_frozen_and_resumed_by_hand(self):
        moto = self.moto()
        environment, _ = moto.set_up()
        variables = moto.environment(REGION) | {"AWS_DEFAULT_REGION": REGION}
        shown = self.run_all(AWS + self.take("queue="), variables)
        self.assertIn("hold/all", json.loads(shown)["Tags"])
        left = moto.client("sqs").list_queue_tags(QueueUrl=environment["SQS_QUEUE_URL"])
        self.assertEqual(left.get("Tags", {}), {})
        self.assertEqual(self.blocks, {})


class Policies(Commands):
    """Those of deploy/README.md: a parameter becomes the policies of the daemon by a new deployment."""

    def setUp(self):
        text = (ROOT / "deploy/README.md").read_text()
        self.blocks = blocks(re.search(r"(?ms)^### Policies$(.*?)^## ", text)[1])
        self.server = self.moto()
        self.server.client("cloudformation").create_stack(StackName=NAME, TemplateBody=json.dumps(OUTPUTS))
        self.ecs = self.server.client("ecs")
        self.ecs.create_cluster(clusterName="cluster")
        task = json.loads((ROOT / "deploy/ecs/task-definition.json").read_text())
        self.ecs.register_task_definition(**task)
        self.ecs.create_service(cluster="cluster", serviceName="service", taskDefinition=NAME, desiredCount=1)

    def test_a_parameter_is_written_and_changed_and_the_daemon_takes_it(self):
        played = 'aws() { [ "$1" = cloudformation ] && [ "$2" = deploy ] || command aws "$@"; }\n'
        script = played + "".join(self.blocks.values()).replace("deploy/check-task", "true")
        top = self.checkout()
        (top / "config").symlink_to(ROOT / "config")
        variables = self.server.environment(REGION) | {"AWS_DEFAULT_REGION": REGION}
        shown = self.run_all(script, variables, top)
        self.assertIn('"serviceName": "service"', shown)
        ssm = self.server.client("ssm")
        found = ssm.get_parameter(Name=POLICY_PARAMETER)["Parameter"]
        self.assertEqual((found["Type"], found["Version"]), ("String", 2))
        self.assertEqual(found["Value"], (ROOT / "config/policies/owner.cedar").read_text())
        environment, _ = self.server.set_up("--for", "ecs", "--policy-parameter", POLICY_PARAMETER)
        policies = {"ENFORCER_POLICY__INLINE": found["Value"], "ENFORCER_POLICY__MODE": "warn"}
        ran = subprocess.run(
            [os.environ["ENFORCER"], "check", "--json"],
            env=variables | environment | policies,
            capture_output=True,
            text=True,
            timeout=60,
        )
        findings = [f for f in json.loads(ran.stdout)["findings"] if f["subject"] == "policies"]
        self.assertEqual([f["state"] for f in findings], ["ok", "warning"], findings)
        self.assertRegex(findings[0]["found"], "^2 policies: builtin warn, ")


class WhatToWatch(Commands):
    def setUp(self):
        text = (ROOT / "docs/src/operating.md").read_text()
        self.blocks = blocks(re.search(r"(?ms)^## What to watch$(.*?)^## ", text)[1])

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
        moto = self.moto()
        environment, _ = moto.set_up("--for", "ecs")
        log = "journalctl() { echo '{\"level\":\"WARN\",\"message\":\"pausing\"}'; }\n"
        script = AWS + log + self.take("aws cloudwatch", "deploy/redrive", "journalctl")
        shown = self.run_all(script, moto.environment(REGION) | environment | {"AWS_DEFAULT_REGION": REGION})
        self.assertIn("Datapoints", shown)
        self.assertIn("pausing", shown)

    def test_no_other_commands_are_there(self):
        self.take("cargo", "curl --silent localhost:9464/readyz", "curl --silent localhost:9464/metrics |")
        self.take("aws sqs", "aws cloudwatch", "deploy/redrive", "journalctl")
        self.assertEqual(self.blocks, {})
