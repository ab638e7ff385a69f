"""What cfn-lint cannot know about the stack: how its parts and the daemon hang together."""

import json
import os
import re
import subprocess
import unittest

import regex

from stack import LISTED, ORGANIZATION, REGION, ROOT, Chat, Dashboard, Member, OtherRegion, People, Stack


def selects(pattern, line):
    """Whether a CloudWatch Logs filter selects a line of the log: alternatives of equalities that all hold."""
    alternatives = [re.findall(r'\$\.(\w+) = "([^"]*)"', part) for part in pattern.split(" || ")]
    read = " || ".join(" && ".join(f'$.{key} = "{value}"' for key, value in part) for part in alternatives)
    assert pattern == "{ " + read + " }"
    return any(all(equals(line.get(key), value) for key, value in part) for part in alternatives)


def equals(found, value):
    if found is None:
        return False
    return found.startswith(value[:-1]) if value.endswith("*") else found == value


def in_full(metrics):
    """The metrics of a widget, in which a dot stands for the word in that place of the one before."""
    before = []
    for metric in metrics:
        words = [word for word in metric if isinstance(word, str)]
        before = [before[at] if word == "." else word for at, word in enumerate(words)]
        if before:
            yield before


class TheStack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()

    def test_everything_can_be_resolved(self):
        self.assertNotIn("${", json.dumps(self.stack.resources))

    def test_messages_outlive_the_queue_in_the_dead_letter_queue(self):
        queue, dead_letters = self.stack.properties("Queue"), self.stack.properties("DeadLetterQueue")
        self.assertGreater(dead_letters["MessageRetentionPeriod"], queue["MessageRetentionPeriod"])
        self.assertEqual(queue["RedrivePolicy"]["maxReceiveCount"], 50)
        self.assertEqual(
            dead_letters["RedriveAllowPolicy"]["sourceQueueArns"], [self.stack.attribute("Queue", "Arn")]
        )

    def test_every_queue_is_encrypted(self):
        for stack in (self.stack, OtherRegion()):
            for name, queue in stack.of_type("AWS::SQS::Queue").items():
                self.assertIs(queue["SqsManagedSseEnabled"], True, name)

    def test_mail_is_sent_only_to_whom_the_parameters_name(self):
        self.assertEqual(self.stack.of_type("AWS::SNS::Subscription"), {})
        told = Stack(NoticeEmail="owner@example.com", AlarmEmail="operator@example.com")
        subscriptions = told.of_type("AWS::SNS::Subscription").values()
        self.assertEqual(
            sorted((s["TopicArn"].rsplit("-")[-1], s["Endpoint"]) for s in subscriptions),
            [
                ("alarms", "operator@example.com"),
                ("notices", "owner@example.com"),
                ("operators", "operator@example.com"),
            ],
        )

    def test_no_alarm_goes_off_for_messages_that_wait_hidden(self):
        queue = {"Name": "QueueName", "Value": self.stack.attribute("Queue", "QueueName")}
        alarms = self.stack.of_type("AWS::CloudWatch::Alarm").values()
        metrics = {a["MetricName"]: a for a in alarms if a.get("Dimensions") == [queue]}
        self.assertEqual(set(metrics), {"ApproximateNumberOfMessagesVisible", "ApproximateNumberOfMessagesNotVisible"})
        waiting = metrics["ApproximateNumberOfMessagesVisible"]
        watched = {key: waiting[key] for key in ("Statistic", "Period", "EvaluationPeriods", "Threshold")}
        self.assertEqual(watched, {"Statistic": "Minimum", "Period": 900, "EvaluationPeriods": 1, "Threshold": 0})
        self.assertEqual(metrics["ApproximateNumberOfMessagesNotVisible"]["Threshold"], 100_000)

    def test_the_longest_grace_fits_the_queue(self):
        queue = self.stack.properties("Queue")
        longest = re.search(r"most (\d)d", (ROOT / "config/default.toml").read_text())
        days, hidings = int(longest[1]), int(longest[1]) * 2
        self.assertLessEqual((days + 2) * 86_400, queue["MessageRetentionPeriod"])
        self.assertLessEqual(hidings + 10, queue["RedrivePolicy"]["maxReceiveCount"])

    def test_the_dashboard_shows_every_alarm_and_count(self):
        properties = [widget["properties"] for widget in self.widgets()]
        shown = [arn for p in properties for arn in p.get("alarms", [])]
        alarms = self.stack.of_type("AWS::CloudWatch::Alarm")
        self.assertEqual(sorted(shown), sorted(self.stack.attribute(alarm, "Arn") for alarm in alarms))
        metrics = {tuple(m[:2]) for p in properties for m in in_full(p.get("metrics", []))}
        self.assertEqual({m for m in metrics if m[0].startswith("Ec2PolicyEnforcer/")}, self.counts())

    def test_the_dashboard_shows_what_the_stack_has(self):
        shown = json.dumps(self.widgets())
        for queue in ("Queue", "DeadLetterQueue", "UndeliveredQueue"):
            self.assertIn(f'"{self.stack.attribute(queue, "QueueName")}"', shown)
        for rule in self.stack.of_type("AWS::Events::Rule").values():
            self.assertIn(f'"{rule["Name"]}"', shown)
        self.assertIn(f"SOURCE '{self.stack.reference('LogGroup')}'", shown)
        outputs = self.stack.template["Outputs"]
        for parameter in ("ClusterName", "ServiceName"):
            self.assertIn(f'"{self.stack.resolved(outputs[parameter]["Value"])}"', shown)

    @staticmethod
    def widgets():
        return json.loads(Dashboard().properties("Dashboard")["DashboardBody"])["widgets"]

    def test_the_book_says_what_to_do_about_every_alarm(self):
        told = re.findall(r"(?m)^\| `(\w+Alarm)` \|", (ROOT / "docs/src/operating.md").read_text())
        self.assertEqual(sorted(told), sorted(self.stack.of_type("AWS::CloudWatch::Alarm")))

    def test_no_two_widgets_overlap(self):
        cells = [
            (x, y)
            for w in self.widgets()
            for x in range(w["x"], w["x"] + w["width"])
            for y in range(w["y"], w["y"] + w["height"])
        ]
        self.assertEqual(len(cells), len(set(cells)))
        self.assertLess(max(x for x, _ in cells), 24)

    def test_alarms_on_counts_have_a_filter_that_counts(self):
        for name, alarm in self.stack.of_type("AWS::CloudWatch::Alarm").items():
            self.assertTrue(alarm["AlarmActions"], name)
            if alarm.get("Namespace", "").startswith("Ec2PolicyEnforcer/"):
                self.assertIn((alarm["Namespace"], alarm["MetricName"]), self.counts())

    def test_the_filters_select_what_the_daemon_logs(self):
        selected = {name: 0 for name in self.filters()}
        for line in self.log():
            for name, pattern in self.filters().items():
                selected[name] += selects(pattern, line)
        # One of each kind of instance: see `ec2-policy-enforcer sandbox`.
        counted = {"Stops": 4, "RefusedStops": 4, "Rejections": 1}
        self.assertEqual({name: count for name, count in selected.items() if count}, counted)

    def test_every_filter_names_a_line_of_the_source(self):
        source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.rs"))
        for name, pattern in self.filters().items():
            for message in re.findall(r'message = "([^"]*)"', pattern):
                self.assertTrue('"' + message.removesuffix("*") in source, f"{name}: {message}")

    def test_a_pause_counts_when_it_begins_and_while_it_lasts(self):
        pattern = self.filters()["PausedMinutes"]
        for message, counts in [
            ("pausing: this keeps failing", True),
            ("still pausing: this keeps failing", True),
            ("the pause is over", False),
        ]:
            self.assertEqual(selects(pattern, {"message": message}), counts)

    def test_tasks_share_the_rate_limit_of_the_account(self):
        for tasks, share in [("1", "100"), ("3", "33"), ("4", "25"), ("20", "5")]:
            self.assertEqual(self.share(MaxTasks=tasks), share)
        for tasks in range(1, int(self.stack.template["Parameters"]["MaxTasks"]["MaxValue"]) + 1):
            self.assertEqual(int(self.share(MaxTasks=str(tasks))), 100 // tasks)
        self.assertEqual(self.share(), "25")
        self.assertEqual(self.share(MaxTasks="4", RateLimitShare="60"), "60")

    def share(self, **parameters):
        return self.environment(**parameters)["ENFORCER_RATE_LIMIT__SHARE_PERCENT"]

    @staticmethod
    def environment(**parameters):
        daemon, = Stack(**parameters).properties("TaskDefinition")["ContainerDefinitions"]
        return {variable["Name"]: variable["Value"] for variable in daemon["Environment"]}

    def test_patterns_take_what_is_sound_and_nothing_else(self):
        for parameter, sound, unsound in [
            (
                "ExceptionTag",
                ["SPECIAL_EXCEPTION", "team:keep running/+-=.@", "保持", "awsome", "a", "ü" * 128],
                ["", " a", "a ", "aws:a", "AWS:a", "a*", 'a"b', "a\\b", "a$b", "a\nb", "a" * 129],
            ),
            (
                "WatchedRegions",
                [
                    "", "eu-central-1", "eu-central-1,us-gov-west-1,ap-southeast-2", "mx-central-1",
                    "eusc-de-east-1", "us-iso-east-1,us-isob-east-1", "cn-northwest-1", "ap-southeast-12",
                ],
                ["eu", "eu-central", "eu-1", "eu-central-1,", "eu-central-1, eu-west-1", "*", 'eu-central-1"'],
            ),
            (
                "PolicyParameter",
                [
                    "", "policies", "/ec2-policy-enforcer/policies", "a.b-c_d/e",
                    "arn:aws:ssm:eu-central-1:123456789012:parameter/ec2-policy-enforcer/policies",
                    "arn:aws-us-gov:ssm:us-gov-west-1:123456789012:parameter/policies",
                ],
                [
                    "/", "//a", "a/", "a b", "a:1", "*", "/a/*", 'a"b',
                    "arn:aws:ssm:eu-central-1:123456789012:parameter",
                    "arn:aws:secretsmanager:eu-central-1:123456789012:secret:a",
                ],
            ),
            (
                "OwnerTags",
                ["Owner", "Owner,Team", "cost centre,a:b/c", "保持"],
                ["", ",", "Owner,", "a,,b", " a", "a, b", 'a"b', "a*"],
            ),
            ("PolicyGrace", ["0s", "4h", "7d"], ["", "4", "4 h", "1h30m", "-1h", "0h"]),
            ("PolicySince", ["2026-01-01", "2026-01-01T08:00:00Z"], ["", "1.1.2026", "2026-01-01 08:00"]),
            ("BudgetWindow", ["10m", "24h"], ["", "1d", "10", "0m"]),
            ("SweepEvery", ["off", "15m", "1h", "24h"], ["", "1d", "1", "0h", "Off"]),
            ("PolicyTags", ["", "Project", "Project,Stage"], [",", "a,", "a, b", "a\\b"]),
            ("ImageRepository", ["ec2-policy-enforcer", "team/enforcer"], ["", "Team", "/a", "a:b"]),
            ("ImageTag", ["0.1.0", "latest"], ["", "a b", "sha256:0"]),
            ("NoticeEmail", ["", "a@example.com"], ["a", "a@b", "a b@example.com"]),
        ]:
            pattern = regex.compile(self.stack.template["Parameters"][parameter]["AllowedPattern"])
            for value in sound:
                self.assertTrue(pattern.fullmatch(value), f"{parameter}: {value!r}")
            for value in unsound:
                self.assertFalse(pattern.fullmatch(value), f"{parameter}: {value!r}")

    def test_events_of_regions_that_do_not_count_are_not_sent(self):
        for rule in ("Rule", "TagRule"):
            self.assertNotIn("region", self.stack.properties(rule)["EventPattern"])
            watched = Stack(WatchedRegions="eu-central-1,eu-west-1").properties(rule)["EventPattern"]
            self.assertEqual(watched.pop("region"), ["eu-central-1", "eu-west-1"])
            self.assertEqual(watched, self.stack.properties(rule)["EventPattern"])

    def test_changes_of_tags_that_matter_are_sent(self):
        for parameters, keys in [
            ({}, ["SPECIAL_EXCEPTION", "Owner"]),
            ({"ExceptionTag": "keep: on", "OwnerTags": "Owner,Team"}, ["keep: on", "Owner", "Team"]),
            ({"PolicyTags": "Project,Stage"}, ["SPECIAL_EXCEPTION", "Owner", "Project", "Stage"]),
        ]:
            stack = Stack(**parameters)
            pattern = stack.properties("TagRule")["EventPattern"]
            self.assertEqual(pattern["detail"]["changed-tag-keys"], keys)
            # What other-region.yaml is given.
            output = stack.resolved(stack.template["Outputs"]["TagKeys"]["Value"])
            other = OtherRegion(TagKeys=output).properties("TagRule")["EventPattern"]
            self.assertEqual(other.pop("region"), [OtherRegion.region])
            self.assertEqual(other, pattern)

    def test_tag_changes_can_be_left_out(self):
        without, elsewhere = Stack(TagChanges="false"), OtherRegion(TagKeys="")
        for stack in (without, elsewhere):
            self.assertNotIn("TagRule", stack.resources)
            self.assertNotIn("tag-changes", json.dumps(stack.properties("UndeliveredQueuePolicy")))
        self.assertNotIn("tag-changes", json.dumps(without.properties("QueuePolicy")))

    def test_another_region_sends_its_own_events_and_no_others(self):
        other = OtherRegion()
        for name in ("Rule", "TagRule"):
            rule, here = other.properties(name), self.stack.properties(name)
            self.assertEqual(rule["EventPattern"].pop("region"), [other.region])
            self.assertEqual(rule["EventPattern"], here["EventPattern"])
            self.assertEqual(rule["Name"], here["Name"])
            target, = rule["Targets"]
            self.assertEqual(target["RetryPolicy"], here["Targets"][0]["RetryPolicy"])
            self.assertEqual(target["Arn"].split(":")[3], REGION)
            self.assertEqual(target["RoleArn"], other.attribute("ForwardingRole", "Arn"))
            allowed, = other.policies("ForwardingRole")["forwarding"]["Statement"]
            self.assertEqual((allowed["Action"], allowed["Resource"]), (["events:PutEvents"], target["Arn"]))
            self.assertEqual(target["DeadLetterConfig"]["Arn"], other.attribute("UndeliveredQueue", "Arn"))

    def test_another_region_s_template_sends_nothing_in_the_daemon_s_own(self):
        for name in ("Rule", "TagRule"):
            rule = OtherRegion(HomeRegion=OtherRegion.region).properties(name)
            self.assertEqual((rule["State"], rule["Name"]), ("DISABLED", self.stack.properties(name)["Name"]))

    def test_a_stack_without_any_policy_is_refused_before_it_is_made(self):
        for parameters, is_refused in [
            ({}, False),
            ({"PolicyBuiltin": "false"}, True),
            ({"PolicyBuiltin": "false", "PolicyParameter": "policies"}, False),
        ]:
            self.assertEqual(Stack(**parameters).are_refused(), is_refused)

    def test_every_brake_is_on(self):
        # Off in the program alone; here an operator has to say so.
        environment = self.environment()
        for setting, value in {
            "POLICY__GRACE": "4h",
            "POLICY__EXCEPTION_EXPIRES": "true",
            "POLICY__TAG_CHANGES": "true",
            "BUDGET__STOPS": "20",
            "BUDGET__WINDOW": "10m",
            "NOTICE__DIGEST": "true",
            "NOTICE__ATTRIBUTES": "true",
            "AUDIT__TO": "stdout",
        }.items():
            self.assertEqual(environment[f"ENFORCER_{setting}"], value, setting)
        self.assertEqual(environment["ENFORCER_TOPIC__OPERATORS_ARN"], self.stack.reference("Operators"))

    def test_the_daemon_takes_the_settings_of_the_stack(self):
        off = {"ExceptionExpires": "false", "TagChanges": "false", "Digest": "false", "NoticeAttributes": "false"}
        off |= {"PolicyGrace": "0s", "BudgetStops": "0", "Audit": "off"}
        members = (ORGANIZATION, LISTED | {"MemberRole": "guard", "ExternalId": "fleet"})
        for parameters in ({}, off, {"NoticeFormat": "json", "OwnerTags": "Owner,Team"}, *members):
            findings = self.findings(self.environment(**parameters))
            self.assertIn(findings["settings"]["state"], ("ok", "warning"), findings)
            self.assertEqual(findings["policies"]["state"], "ok", findings)

    @staticmethod
    def findings(environment):
        """What `check` finds before its first call, which no AWS answers."""
        nowhere = {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_REGION": REGION}
        ran = subprocess.run(
            [os.environ["ENFORCER"], "check", "--json"],
            env=os.environ | environment | nowhere | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
            capture_output=True,
            text=True,
            timeout=90,
        )
        return {finding["subject"]: finding for finding in json.loads(ran.stdout)["findings"]}

    def test_the_modes_are_those_of_the_daemon(self):
        modes = re.findall(r'Self::\w+ => "([a-z-]+)"', (ROOT / "src/domain/policy/mode.rs").read_text())
        parameter = self.stack.template["Parameters"]["PolicyMode"]
        self.assertEqual(sorted(parameter["AllowedValues"]), sorted(modes))

    def test_the_templates_need_no_bucket(self):
        for name in ("cloudformation.yaml", "other-region.yaml", "member.yaml", "dashboard.yaml", "chat.yaml", "people.yaml"):
            self.assertLess(len((ROOT / "deploy" / name).read_bytes()), 51_200)

    def test_what_another_region_cannot_send_is_kept_and_told_of(self):
        other, kept = OtherRegion(), dict(self.stack.properties("UndeliveredQueue"))
        self.assertEqual(other.properties("UndeliveredQueue"), kept)
        for name in ("AlarmsPolicy", "UndeliveredAlarm"):
            here, there = (json.dumps(stack.properties(name)) for stack in (self.stack, other))
            here, there = (re.sub('"AlarmDescription": "[^"]*"', "", text) for text in (here, there))
            self.assertEqual(there.replace(other.region, REGION), here)

    def test_every_parameter_is_described(self):
        for stack in (self.stack, OtherRegion(), Member(), Dashboard(), Chat(), People()):
            for name, parameter in stack.template["Parameters"].items():
                self.assertTrue(parameter["Description"], name)

    def filters(self):
        filters = self.stack.of_type("AWS::Logs::MetricFilter").values()
        return {f["MetricTransformations"][0]["MetricName"]: f["FilterPattern"] for f in filters}

    def counts(self):
        filters = self.stack.of_type("AWS::Logs::MetricFilter").values()
        transformations = [f["MetricTransformations"][0] for f in filters]
        return {(t["MetricNamespace"], t["MetricName"]) for t in transformations}

    def log(self):
        ran = subprocess.run(
            [os.environ["ENFORCER"], "sandbox"],
            env=os.environ | {"RUST_LOG": "info"},
            capture_output=True,
            text=True,
            timeout=90,
        )
        self.assertEqual(ran.returncode, 0, ran.stderr)
        return [json.loads(line) for line in ran.stderr.splitlines()]
