"""setup.sh makes what the stack makes, and a daemon works with it; on moto and on the sandbox."""

import json
import os
import re
import signal
import subprocess
import time
import unittest

import boto3

from stack import ACCOUNT, DEPLOY, NAME, POLICY_PARAMETER, REGION, ROLES, OtherRegion, Stack, policy_file

TAG = "team: keep/running"
# What the sandbox cannot do, so that this is seen to change: no IAM, no SetTopicAttributes.
UNKNOWN_TO_THE_SANDBOX = [
    f"role {NAME}",
    f"instance profile {NAME}",
    "role of the instance profile",
    f"policy daemon of role {NAME}",
    f"policy preflight of role {NAME}",
    f"encryption of topic {NAME}-notices",
    f"policy of topic {NAME}-notices",
    f"encryption of topic {NAME}-operators",
    f"policy of topic {NAME}-operators",
]


def eventually(what, condition, secs=60):
    deadline = time.monotonic() + secs
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError(f"not within {secs} s: {what}")


class Server:
    """A process on loopback that prints its address; ended by its id."""

    def __init__(self, test, *command, end=signal.SIGTERM):
        self.log = open(os.path.join(os.environ["SCRATCH"], f"{test.id()}.log"), "w+")
        unbuffered = os.environ | {"PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=unbuffered)
        self.end = end
        test.addCleanup(self.close)
        self.endpoint = eventually("an endpoint", self.address)[0]

    def address(self):
        self.log.seek(0)
        return re.search(r"http://127\.0\.0\.1:\d+", self.log.read())

    def close(self):
        self.process.send_signal(self.end)
        try:
            self.process.wait(60)
        finally:
            self.process.kill()
            self.log.close()

    def environment(self, region):
        return os.environ | {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": region,
        }

    def client(self, service, region=REGION):
        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def set_up(self, *options, region=REGION):
        ran = subprocess.run(
            [DEPLOY / "setup.sh", *options],
            env=self.environment(region),
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert ran.returncode == 0, ran.stderr
        skipped = re.findall(r"(?m)^skipped  (.*): http", ran.stderr)
        return dict(re.findall(r'(?m)^(\w+)="(.*)"$', ran.stdout)), skipped


class OnMoto(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.moto = Server(self, os.environ["MOTO_PYTHON"], "-m", "moto.server", "-H", "127.0.0.1", "-p", "0")
        self.stack = Stack(ExceptionTag=TAG)

    def test_in_another_partition_the_daemon_takes_what_is_made(self):
        region = "eusc-de-east-1"
        environment, skipped = self.moto.set_up(region=region)
        self.assertEqual(skipped, [])
        self.assertRegex(environment["SNS_TOPIC_ARN"], f"^arn:aws-eusc:sns:{region}:")
        ran = subprocess.run(
            [os.environ["ENFORCER"], "check", "--json"],
            env=self.moto.environment(region) | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        findings = {finding["subject"]: finding for finding in json.loads(ran.stdout)["findings"]}
        for subject in ["settings", "queue", "encryption", "topic"]:
            self.assertNotEqual(findings[subject]["state"], "failed", findings[subject])
        self.assertRegex(findings["rule"]["found"], f"^arn:aws-eusc:events:{region}:.* may send")

    def test_twice_for_ecs_and_then_for_ec2(self):
        options = ("--exception-tag", TAG)
        for _ in range(2):
            environment, skipped = self.moto.set_up("--for", "ecs", *options)
            self.assertEqual(skipped, [])
            self.assertEqual(environment["EXCEPTION_TAG"], TAG)
            self.assert_brakes(environment)
            self.assert_queues()
            self.assert_rules()
            self.assert_topics(environment["SNS_TOPIC_ARN"])
            self.assert_roles()
            self.assert_log_group()
            self.assert_role_of_ecs_itself()
        _, skipped = self.moto.set_up("--for", "ec2", *options)
        self.assertEqual(skipped, [])
        self.assert_instance_role()

    def assert_brakes(self, environment):
        """What is set is set as in the stack."""
        daemon, = self.stack.properties("TaskDefinition")["ContainerDefinitions"]
        in_the_stack = {variable["Name"]: variable["Value"] for variable in daemon["Environment"]}
        set_here = {name: value for name, value in environment.items() if name.startswith("ENFORCER_")}
        self.assertEqual({name: in_the_stack.get(name) for name in set_here}, set_here)
        for section in ("BUDGET", "NOTICE", "POLICY", "TOPIC", "AUDIT"):
            self.assertTrue(any(name.startswith(f"ENFORCER_{section}__") for name in environment), section)

    def assert_queues(self):
        sqs = self.moto.client("sqs")
        policies = {"Queue": "QueuePolicy", "DeadLetterQueue": None, "UndeliveredQueue": "UndeliveredQueuePolicy"}
        for queue, policy in policies.items():
            wanted = dict(self.stack.properties(queue))
            # moto forgets this one; the sandbox does not.
            wanted.pop("RedriveAllowPolicy", None)
            url = sqs.get_queue_url(QueueName=wanted.pop("QueueName"))["QueueUrl"]
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
            if policy:
                wanted["Policy"] = self.stack.properties(policy)["PolicyDocument"]
            self.assertEqual({key: self.read(found[key]) for key in wanted}, wanted)

    @staticmethod
    def read(attribute):
        return json.loads(attribute) if attribute[0] in "{tf" or attribute.isdigit() else attribute

    def assert_rules(self, stack=None):
        stack = stack or self.stack
        events = self.moto.client("events", stack.region)
        for wanted in stack.of_type("AWS::Events::Rule").values():
            found = events.describe_rule(Name=wanted["Name"])
            self.assertEqual(json.loads(found["EventPattern"]), wanted["EventPattern"])
            self.assertEqual((found["Description"], found["State"]), (wanted["Description"], wanted["State"]))
            self.assertEqual(events.list_targets_by_rule(Rule=wanted["Name"])["Targets"], wanted["Targets"])

    def assert_topics(self, notices):
        self.assertEqual(notices, self.stack.reference("Notices"))
        for topic in ("Notices", "Operators"):
            arn = self.stack.reference(topic)
            found = self.moto.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
            self.assertEqual(found["KmsMasterKeyId"], self.stack.properties(topic)["KmsMasterKeyId"])
            policy = self.stack.properties(f"{topic}Policy")["PolicyDocument"]
            self.assertEqual(json.loads(found["Policy"]), policy)

    def assert_roles(self):
        iam = self.moto.client("iam")
        for role, name in ROLES.items():
            if role not in self.stack.resources:
                continue
            trust = iam.get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
            self.assertEqual(trust, self.stack.properties(role)["AssumeRolePolicyDocument"])
            found = iam.list_role_policies(RoleName=name)["PolicyNames"]
            policies = {p: iam.get_role_policy(RoleName=name, PolicyName=p)["PolicyDocument"] for p in found}
            self.assertEqual(policies, self.stack.policies(role))

    def assert_log_group(self):
        group, = self.moto.client("logs").describe_log_groups()["logGroups"]
        self.assertEqual(group["logGroupName"], self.stack.reference("LogGroup"))
        self.assertEqual(str(group["retentionInDays"]), self.stack.properties("LogGroup")["RetentionInDays"])

    def assert_role_of_ecs_itself(self):
        # moto spells its name in another way.
        found = self.moto.client("iam").list_roles(PathPrefix="/aws-service-role/ecs.amazonaws.com/")["Roles"]
        self.assertEqual([role["RoleName"].upper() for role in found], ["AWSSERVICEROLEFORECS"])

    def assert_instance_role(self):
        iam = self.moto.client("iam")
        trust = iam.get_role(RoleName=NAME)["Role"]["AssumeRolePolicyDocument"]
        self.assertEqual(trust, policy_file("instance-trust"))
        profile = iam.get_instance_profile(InstanceProfileName=NAME)["InstanceProfile"]
        self.assertEqual([role["RoleName"] for role in profile["Roles"]], [NAME])

    def test_other_regions_send_their_events_here(self):
        watched, other = f"eu-west-1,{REGION}", OtherRegion()
        self.stack = Stack(WatchedRegions=watched)
        for _ in range(2):
            environment, skipped = self.moto.set_up("--for", "ecs", "--regions", watched)
        self.assertEqual(skipped, [])
        self.assertEqual(environment["ENFORCER_SCOPE__REGIONS"], watched)
        self.assert_rules()
        self.assert_roles()
        self.assert_rules(other)
        role = self.moto.client("iam").get_role(RoleName=f"{NAME}-forwarding")["Role"]
        self.assertEqual(role["AssumeRolePolicyDocument"], policy_file("forwarding-trust"))
        sqs = self.moto.client("sqs", other.region)
        url = sqs.get_queue_url(QueueName=f"{NAME}-undelivered")["QueueUrl"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]
        self.assertEqual(json.loads(found["Policy"]), other.properties("UndeliveredQueuePolicy")["PolicyDocument"])

    def test_the_stack_of_another_region_makes_the_same(self):
        other = OtherRegion()
        template = (DEPLOY / other.file).read_text()
        home = [{"ParameterKey": "HomeRegion", "ParameterValue": REGION}]
        stacks = self.moto.client("cloudformation", other.region)
        stacks.create_stack(StackName="forwarding", TemplateBody=template, Parameters=home)
        made, = stacks.describe_stacks(StackName="forwarding")["Stacks"]
        self.assertEqual(made["StackStatus"], "CREATE_COMPLETE")
        events = self.moto.client("events", other.region)
        role, = (r for r in self.moto.client("iam").list_roles()["Roles"] if "Forwarding" in r["RoleName"])
        for wanted in (other.properties("Rule"), other.properties("TagRule")):
            target, = events.list_targets_by_rule(Rule=wanted["Name"])["Targets"]
            self.assertEqual(target, wanted["Targets"][0] | {"RoleArn": role["Arn"]})

    def test_ecs_may_read_a_parameter_with_policies(self):
        for parameter in (POLICY_PARAMETER, "SPECIAL_EXCEPTION/policies"):
            self.moto.set_up("--for", "ecs", "--exception-tag", "a", "--policy-parameter", parameter)
            self.stack = Stack(ExceptionTag="a", PolicyParameter=parameter)
            self.assert_roles()

    def test_a_parameter_that_is_none_or_for_an_instance_is_refused(self):
        for host, parameter in [("ecs", "/"), ("ecs", "a b"), ("ecs", "a|b"), ("ec2", "/policies")]:
            command = [DEPLOY / "setup.sh", "--for", host, "--policy-parameter", parameter]
            ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
            self.assertEqual(ran.returncode, 2, ran.stderr)
            self.assertIn("--policy-parameter", ran.stderr)

    def test_the_tags_whose_changes_are_sent_are_those_of_the_options(self):
        for keys, sent in [("Owner,cost centre", ["a", "Owner", "cost centre"]), ("", ["a"])]:
            self.moto.set_up("--exception-tag", "a", "--tag-keys", keys)
            found = self.moto.client("events").describe_rule(Name=f"{NAME}-tag-changes")
            self.assertEqual(json.loads(found["EventPattern"])["detail"]["changed-tag-keys"], sent)

    def test_operators_are_subscribed_to_their_topic(self):
        self.moto.set_up("--email", "owner@example.com", "--operators", "operator@example.com")
        found = self.moto.client("sns").list_subscriptions()["Subscriptions"]
        self.assertEqual(
            {s["TopicArn"]: s["Endpoint"] for s in found},
            {
                self.stack.reference("Notices"): "owner@example.com",
                self.stack.reference("Operators"): "operator@example.com",
            },
        )

    def test_tag_keys_that_are_none_are_refused(self):
        for keys in (",", "Owner,", "a, b", 'a"b', "a*"):
            command = [DEPLOY / "setup.sh", "--tag-keys", keys]
            ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
            self.assertEqual(ran.returncode, 2, ran.stderr)
            self.assertIn(f"--tag-keys '{keys}': give tag keys", ran.stderr)

    def test_regions_that_are_none_are_refused(self):
        for regions in ("eu", "eu-west-1,", "eu-west-1 eu-west-2", "*"):
            command = [DEPLOY / "setup.sh", "--regions", regions]
            ran = subprocess.run(command, capture_output=True, text=True, timeout=60)
            self.assertEqual(ran.returncode, 2, ran.stderr)
            self.assertIn(f"--regions {regions}: give regions", ran.stderr)

    def test_another_name_and_region_are_in_every_policy(self):
        self.moto.set_up("--name", "guard", region="eu-west-1")
        iam = self.moto.client("iam")
        policies = [
            json.dumps(iam.get_role_policy(RoleName="guard", PolicyName=policy)["PolicyDocument"])
            for policy in ("daemon", "preflight")
        ]
        for policy in policies:
            self.assertNotIn(NAME, policy)
            self.assertNotIn(REGION, policy)
            self.assertIn(f":eu-west-1:{ACCOUNT}:guard-", policy)


class OnTheSandbox(unittest.TestCase):
    region = "us-east-1"

    def setUp(self):
        serve = ("sandbox", "--serve", "--without-daemon")
        self.sandbox = Server(self, os.environ["ENFORCER"], *serve, end=signal.SIGINT)

    def test_a_daemon_works_with_what_was_set_up_twice(self):
        for _ in range(2):
            environment, skipped = self.sandbox.set_up("--exception-tag", TAG, region=self.region)
            self.assertEqual(skipped, UNKNOWN_TO_THE_SANDBOX)
        self.assert_who_may_use_the_dead_letter_queues()
        daemon = self.start(environment)
        ec2 = self.sandbox.client("ec2", self.region)
        exempt, plain = self.launch(ec2, Key=TAG, Value=""), self.launch(ec2, Key="Name", Value="plain")
        eventually("the untagged instance is stopped", lambda: self.state(ec2, plain) == "stopped")
        self.assertEqual(self.state(ec2, exempt), "running")
        daemon.terminate()
        self.assertEqual(daemon.wait(60), 0)

    def assert_who_may_use_the_dead_letter_queues(self):
        sqs, stack = self.sandbox.client("sqs", self.region), Stack()
        for queue in ("DeadLetterQueue", "UndeliveredQueue"):
            url = sqs.get_queue_url(QueueName=stack.attribute(queue, "QueueName"))["QueueUrl"]
            found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedriveAllowPolicy"])
            policy = found["Attributes"]["RedriveAllowPolicy"].replace(self.region, REGION)
            self.assertEqual(json.loads(policy), stack.properties(queue)["RedriveAllowPolicy"])

    def start(self, environment):
        command = [os.environ["ENFORCER"], "run"]
        variables = self.sandbox.environment(self.region) | environment
        # Nobody waits for hours here.
        variables |= {"ENFORCER_ADMIN__LISTEN": "off", "ENFORCER_POLICY__GRACE": "0s"}
        del variables["ENFORCER_POLICY__SINCE"]
        daemon = subprocess.Popen(command, env=variables, stdout=subprocess.DEVNULL)
        self.addCleanup(daemon.kill)
        return daemon

    @staticmethod
    def launch(ec2, **tag):
        tags = [{"ResourceType": "instance", "Tags": [tag]}]
        image = ec2.describe_images()["Images"][0]["ImageId"]
        launched = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, TagSpecifications=tags)
        return launched["Instances"][0]["InstanceId"]

    @staticmethod
    def state(ec2, instance):
        found = ec2.describe_instances(InstanceIds=[instance])
        return found["Reservations"][0]["Instances"][0]["State"]["Name"]
