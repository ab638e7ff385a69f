"""The task definition, the stack, the unit and the image run the same daemon in the same way."""

import copy
import json
import re
import tomllib
import unittest

from botocore.session import Session
from botocore.validate import ParamValidator

from stack import DEPLOY, POLICY_PARAMETER, ROOT, Stack

BINARY = "/usr/bin/ec2-policy-enforcer"
# What the daemon needs to hand back at the end of a drain.
LAST_ROUND_SECS = 3
SHORT_NAMES = {"SQS_QUEUE_URL", "SNS_TOPIC_ARN", "EXCEPTION_TAG"}

REGISTER = Session().get_service_model("ecs").operation_model("RegisterTaskDefinition").input_shape


def task_definition():
    return json.loads((DEPLOY / "ecs/task-definition.json").read_text())


def refusals(task):
    """What the model of ECS has against a task definition, enumerations included."""
    report = ParamValidator().validate(task, REGISTER)
    return [report.generate_report()] if report.has_errors() else list(wrong_words(task, REGISTER))


def wrong_words(value, shape):
    match shape.type_name:
        case "structure":
            for key, member in value.items():
                yield from wrong_words(member, shape.members[key])
        case "list":
            for member in value:
                yield from wrong_words(member, shape.member)
        case "string" if shape.enum and value not in shape.enum:
            yield f"{value} is not one of {shape.enum}"


def as_the_api_writes_it(value, shape):
    """CloudFormation spells the members of a structure with a capital, the keys of a map as they are."""
    match shape.type_name:
        case "structure":
            lower = {key[0].lower() + key[1:]: member for key, member in value.items()}
            return {key: as_the_api_writes_it(member, shape.members[key]) for key, member in lower.items()}
        case "list":
            return [as_the_api_writes_it(member, shape.member) for member in value]
    return value


def settings(path):
    return (ROOT / path).read_text()


def unit():
    lines = (line.partition("=") for line in settings("systemd/ec2-policy-enforcer.service").splitlines())
    return {key: value for key, _, value in lines}


class TheTask(unittest.TestCase):
    maxDiff = None

    def test_ecs_takes_the_task_definition(self):
        self.assertEqual(refusals(task_definition()), [])

    def test_unknown_keys_and_words_are_refused(self):
        for spoil in (
            lambda task: task.update(stopTimeout=40),
            lambda task: task["containerDefinitions"][0].update(readOnlyRootFilesystem=True),
            lambda task: task["containerDefinitions"][0]["healthCheck"].update(interval="30"),
            lambda task: task["containerDefinitions"][0]["logConfiguration"].update(logDriver="awslog"),
        ):
            spoilt = copy.deepcopy(task_definition())
            spoil(spoilt)
            self.assertNotEqual(refusals(spoilt), [])

    def test_the_stack_runs_the_same_task(self):
        # The file is for one task.
        in_the_stack = as_the_api_writes_it(Stack(MaxTasks="1").properties("TaskDefinition"), REGISTER)
        self.assertEqual(in_the_stack, task_definition())

    def test_policies_come_out_of_the_parameter_and_nothing_else_changes(self):
        parameters = {"PolicyParameter": POLICY_PARAMETER, "PolicyMode": "dry-run", "PolicyBuiltin": "false"}
        task = as_the_api_writes_it(Stack(MaxTasks="1", **parameters).properties("TaskDefinition"), REGISTER)
        self.assertEqual(refusals(task), [])
        daemon, = task["containerDefinitions"]
        inline = [{"name": "ENFORCER_POLICY__INLINE", "valueFrom": POLICY_PARAMETER}]
        self.assertEqual(daemon.pop("secrets"), inline)
        for variable in daemon["environment"]:
            if variable["name"].startswith("ENFORCER_POLICY__"):
                changed = {"ENFORCER_POLICY__MODE": "enforce", "ENFORCER_POLICY__BUILTIN": "true"}
                variable["value"] = changed.get(variable["name"], variable["value"])
        self.assertEqual(task, task_definition())

    def test_the_readme_s_secret_is_that_of_the_stack(self):
        told, = re.findall(r'"secrets": (\[.*\])', settings("deploy/README.md"))
        daemon, = Stack(PolicyParameter=POLICY_PARAMETER).properties("TaskDefinition")["ContainerDefinitions"]
        self.assertEqual([{k.lower(): v for k, v in s.items()} for s in json.loads(told)],
                         [{k.lower(): v for k, v in s.items()} for s in daemon["Secrets"]])

    def test_the_container_can_do_little(self):
        daemon, = task_definition()["containerDefinitions"]
        self.assertIs(daemon["readonlyRootFilesystem"], True)
        self.assertNotIn(daemon["user"].split(":")[0], ("0", "root"))
        self.assertEqual(daemon["linuxParameters"]["capabilities"], {"drop": ["ALL"]})

    def test_the_drain_fits_in(self):
        drain = tomllib.loads(settings("config/default.toml"))["drain"]["timeout_secs"] + LAST_ROUND_SECS
        daemon, = task_definition()["containerDefinitions"]
        self.assertLess(drain, daemon["stopTimeout"])
        self.assertLessEqual(daemon["stopTimeout"], 120)
        self.assertLess(drain, int(unit()["TimeoutStopSec"]))

    def test_settings_that_cannot_work_are_not_tried_again(self):
        daemon, = task_definition()["containerDefinitions"]
        self.assertEqual(daemon["restartPolicy"]["ignoredExitCodes"], [78])
        self.assertEqual(unit()["RestartPreventExitStatus"], "78")

    def test_the_environment_names_settings_that_exist(self):
        daemon, = task_definition()["containerDefinitions"]
        names = {variable["name"] for variable in daemon["environment"]}
        self.assertLessEqual(SHORT_NAMES, names)
        for name in names - SHORT_NAMES:
            if name.startswith("ENFORCER_"):
                section, key = name.removeprefix("ENFORCER_").lower().split("__")
                of_section = settings("config/default.toml").split(f"[{section}]\n")[1].split("\n[")[0]
                self.assertRegex(of_section, rf"(?m)^(# )?{key} = ")
            else:
                self.assertTrue(name.startswith("AWS_"), name)

    def test_the_files_of_policies_are_where_the_unit_makes_a_directory(self):
        made = {f"/etc/{name}" for name in unit()["ConfigurationDirectory"].split()}
        told = tomllib.loads(settings("config/example.toml").replace("# files", "files"))["policy"]["files"]
        self.assertEqual({pattern.rpartition("/")[0] for pattern in told} - made, set())
        for page in ("docs/src/systemd.md", "deploy/Dockerfile"):
            self.assertIn(told[0], settings(page))

    def test_the_audit_trail_is_where_the_unit_makes_a_directory(self):
        made = {f"/var/log/{name}" for name in unit()["LogsDirectory"].split()}
        told, = re.findall(r'(?m)^# to = "(/\S+)"$', settings("config/example.toml"))
        self.assertIn(told.rpartition("/")[0], made)

    def test_the_image_is_what_the_task_and_the_unit_expect(self):
        dockerfile = settings("deploy/Dockerfile")
        last_stage = dockerfile[dockerfile.rindex("\nFROM ") :]
        daemon, = task_definition()["containerDefinitions"]
        self.assertEqual(daemon["healthCheck"]["command"], ["CMD", BINARY, "healthcheck"])
        self.assertIn(f'CMD ["{BINARY}", "healthcheck"]', last_stage)
        self.assertIn(f'ENTRYPOINT ["{BINARY}"]', last_stage)
        self.assertIn(f"USER {daemon['user']}\n", last_stage)
        self.assertTrue(unit()["ExecStart"].startswith(f"{BINARY} run "))

    def test_the_image_has_the_version_of_the_manifest(self):
        version = tomllib.loads(settings("Cargo.toml"))["package"]["version"]
        daemon, = task_definition()["containerDefinitions"]
        self.assertTrue(daemon["image"].endswith(f":{version}"))

    def test_the_image_is_built_by_a_compiler_that_is_new_enough(self):
        wanted = tomllib.loads(settings("Cargo.toml"))["package"]["rust-version"]
        image = re.search(r"rust:([\d.]+)-", settings("deploy/Dockerfile"))[1]
        self.assertGreaterEqual([*map(int, image.split("."))], [*map(int, wanted.split("."))][:2])
