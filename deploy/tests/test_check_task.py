"""check-task runs `check` as a task of the stack. No stand-in for ECS starts one, so the AWS CLI is played."""

import json
import os
import shlex
import subprocess
import tempfile
import unittest
from pathlib import Path

import boto3

from stack import DEPLOY, REGION, Stack

NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"], "assignPublicIp": "ENABLED"}}
TASK = f"arn:aws:ecs:{REGION}:123456789012:task/cluster/0123456789abcdef"
PLAYED = f"""#!/usr/bin/env bash
printf '%s\\n' "$(printf '%q ' "$@")" >>"$CALLS"
case "$*" in
    *describe-stacks*ClusterName*) echo cluster ;;
    *describe-stacks*ServiceName*) echo service ;;
    *describe-stacks*LogGroupName*) echo /ecs/enforcer ;;
    *describe-services*taskDefinition*) echo '"enforcer:1"' ;;
    *describe-services*networkConfiguration*) echo '{json.dumps(NETWORK)}' ;;
    *run-task*) echo {TASK} ;;
    *wait*) ;;
    *get-log-events*) echo "settings  ok" ;;
    *describe-tasks*) printf '%s\\n' "$ENDED" ;;
    *) exit 255 ;;
esac
"""


class CheckTask(unittest.TestCase):
    def setUp(self):
        scratch = tempfile.TemporaryDirectory(dir=os.environ["SCRATCH"])
        self.addCleanup(scratch.cleanup)
        self.top = Path(scratch.name)
        (self.top / "aws").write_text(PLAYED)
        (self.top / "aws").chmod(0o755)

    def check(self, ended, *arguments):
        calls = self.top / "calls"
        environment = os.environ | {"PATH": f"{self.top}:{os.environ['PATH']}", "CALLS": str(calls), "ENDED": ended}
        ran = subprocess.run(
            [DEPLOY / "check-task", *arguments], env=environment, capture_output=True, text=True, timeout=60
        )
        return ran, [shlex.split(line) for line in calls.read_text().splitlines()]

    def test_it_prints_the_report_and_ends_as_the_check_does(self):
        for code in ("0", "1"):
            ran, calls = self.check(f"{code}\tEssential container in task exited")
            self.assertEqual((ran.returncode, ran.stdout), (int(code), "settings  ok\n"), ran.stderr)
        log, = [call for call in calls[-9:] if "get-log-events" in call]
        self.assertIn("daemon/daemon/0123456789abcdef", log)

    def test_a_task_that_never_ran_says_why(self):
        ran, _ = self.check("None\tCannotPullContainerError: no such image")
        self.assertEqual(ran.returncode, 1)
        self.assertIn("no such image", ran.stderr)

    def test_options_are_those_of_the_check(self):
        for arguments, command in [
            ([], ["check"]),
            (["guard"], ["check"]),
            (["guard", "--account", "111122223333"], ["check", "--account", "111122223333"]),
        ]:
            _, calls = self.check("0\tEssential container in task exited", *arguments)
            run = [call for call in calls if "run-task" in call][-1]
            container, = json.loads(run[run.index("--overrides") + 1])["containerOverrides"]
            self.assertEqual(container["command"], command)

    def test_ecs_takes_the_call_and_the_stack_has_what_it_names(self):
        _, calls = self.check("0\tEssential container in task exited")
        run, = [call for call in calls if "run-task" in call]
        given = {option: run[run.index(option) + 1] for option in run if option.startswith("--")}
        overrides = json.loads(given["--overrides"])
        self.assertEqual(json.loads(given["--network-configuration"]), NETWORK)
        ecs = boto3.client("ecs", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
        shape = ecs.meta.service_model.operation_model("RunTask").input_shape.members["overrides"]
        container, = overrides["containerOverrides"]
        self.assertLessEqual(container.keys(), shape.members["containerOverrides"].member.members.keys())
        stack = Stack()
        daemon, = stack.properties("TaskDefinition")["ContainerDefinitions"]
        self.assertEqual(container["name"], daemon["Name"])
        self.assertEqual(daemon["LogConfiguration"]["Options"]["awslogs-stream-prefix"], "daemon")
        outputs = {"ClusterName", "ServiceName", "LogGroupName"}
        self.assertLessEqual(outputs, stack.template["Outputs"].keys())
