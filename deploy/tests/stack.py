"""The template as CloudFormation would see it, with the names that the files in deploy/ use."""

import copy
import json
import re
import sys
from pathlib import Path

import yaml

DEPLOY = Path(__file__).parent.parent
ROOT = DEPLOY.parent

ACCOUNT = "123456789012"
MEMBER = "111122223333"
REGION = "eu-central-1"
NAME = "ec2-policy-enforcer"
DAEMON_ROLE = f"arn:aws:iam::{ACCOUNT}:role/{NAME}"
# The parameters with which the daemon watches other accounts.
ORGANIZATION = {"Accounts": "any", "OrganizationId": "o-a1b2c3d4e5"}
LISTED = {"Accounts": f"{MEMBER},444455556666"}

PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::StackName": NAME,
    "AWS::URLSuffix": "amazonaws.com",
}
NETWORK = {
    "VpcId": "vpc-0123456789abcdef0",
    "SubnetIds": ["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"],
}
# What deploy/iam/policies.json lets ECS read.
POLICY_PARAMETER = f"/{NAME}/policies"
# CloudFormation makes these names up; the files in deploy/ choose them.
ROLES = {
    "TaskRole": NAME,
    "ExecutionRole": f"{NAME}-execution",
    "ForwardingRole": f"{NAME}-forwarding",
    "ChatRole": f"{NAME}-chat",
    "UndoRole": f"{NAME}-undo",
    "MemberRole": NAME,
    "EventsRole": f"{NAME}-events",
}
NO_VALUE = object()


class Loader(yaml.SafeLoader):
    pass


def intrinsic(loader, suffix, node):
    name = suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}"
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    if isinstance(node, yaml.MappingNode):
        return {name: loader.construct_mapping(node, deep=True)}
    text = loader.construct_scalar(node)
    return {name: text.split(".", 1) if suffix == "GetAtt" else text}


Loader.add_multi_constructor("!", intrinsic)


class Stack:
    """The template with every intrinsic function carried out."""

    file = "cloudformation.yaml"
    account = ACCOUNT
    region = REGION

    def __init__(self, **parameters):
        self.template = yaml.load((DEPLOY / self.file).read_text(), Loader)
        declared = self.template["Parameters"]
        self.parameters = {name: str(of["Default"]) for name, of in declared.items() if "Default" in of}
        self.parameters |= NETWORK | parameters
        self.resources = {
            name: self.resolved(resource)
            for name, resource in self.template["Resources"].items()
            if "Condition" not in resource or self.holds(resource["Condition"])
        }

    def properties(self, name):
        return self.resources[name]["Properties"]

    def of_type(self, kind):
        return {n: r["Properties"] for n, r in self.resources.items() if r["Type"] == kind}

    def policies(self, role):
        """The inline policies of a role by their name, read if they are strings."""
        named = {p["PolicyName"]: p["PolicyDocument"] for p in self.properties(role)["Policies"]}
        return {n: json.loads(d) if isinstance(d, str) else d for n, d in named.items()}

    def managed_policy(self, name):
        document = self.properties(name)["PolicyDocument"]
        return json.loads(document) if isinstance(document, str) else document

    def are_refused(self):
        """Whether CloudFormation refuses the parameters before it makes anything."""
        rules = self.template.get("Rules", {}).values()
        asked = [rule for rule in rules if self.resolved(rule.get("RuleCondition", True))]
        return not all(self.resolved(a["Assert"]) for rule in asked for a in rule["Assertions"])

    def read(self):
        """The stack without functions and strings of JSON, for tools that cannot read these."""
        resources = copy.deepcopy(self.resources)
        for resource in resources.values():
            resource.pop("Condition", None)
        for role in ROLES.keys() & resources.keys():
            for policy in resources[role]["Properties"].get("Policies", []):
                policy["PolicyDocument"] = self.policies(role)[policy["PolicyName"]]
        for name in self.of_type("AWS::IAM::ManagedPolicy"):
            resources[name]["Properties"]["PolicyDocument"] = self.managed_policy(name)
        return {"AWSTemplateFormatVersion": "2010-09-09", "Resources": resources}

    def holds(self, condition):
        return self.resolved(self.template["Conditions"][condition])

    def resolved(self, value):
        if isinstance(value, list):
            return [r for r in map(self.resolved, value) if r is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (function, argument), = value.items()
            if function == "Condition" and isinstance(argument, str):
                return self.holds(argument)
            if function == "Ref" or function.startswith("Fn::"):
                return self.carried_out(function, argument)
        fields = {key: self.resolved(field) for key, field in value.items()}
        return {key: field for key, field in fields.items() if field is not NO_VALUE}

    def carried_out(self, function, argument):
        match function:
            case "Ref":
                return self.reference(argument)
            case "Fn::GetAtt":
                return self.attribute(*argument)
            case "Fn::Sub":
                text, extra = argument if isinstance(argument, list) else (argument, {})
                return self.substituted(text, self.resolved(extra))
            case "Fn::Join":
                return argument[0].join(self.resolved(argument[1]))
            case "Fn::Select":
                return self.resolved(argument[1])[int(self.resolved(argument[0]))]
            case "Fn::Split":
                return self.resolved(argument[1]).split(argument[0])
            case "Fn::If":
                return self.resolved(argument[1 if self.holds(argument[0]) else 2])
            case "Fn::Equals":
                # To CloudFormation, numbers are strings.
                return str(self.resolved(argument[0])) == str(self.resolved(argument[1]))
            case "Fn::Not":
                return not self.resolved(argument[0])
            case "Fn::And":
                return all(self.resolved(argument))
            case "Fn::Or":
                return any(self.resolved(argument))
        raise ValueError(f"{function} is not known to this test")

    def substituted(self, text, extra):
        def value(match):
            name = match[1]
            if name in extra:
                return extra[name]
            return self.attribute(*name.split(".", 1)) if "." in name else self.reference(name)

        return re.sub(r"\$\{([A-Za-z0-9:.]+)\}", value, text)

    def reference(self, name):
        if name == "AWS::NoValue":
            return NO_VALUE
        known = PSEUDO | {"AWS::AccountId": self.account, "AWS::Region": self.region} | self.parameters
        if name in known:
            return known[name]
        properties = self.template["Resources"][name].get("Properties", {})
        match self.template["Resources"][name]["Type"]:
            case "AWS::SQS::Queue":
                return f"https://sqs.{self.region}.amazonaws.com/{self.account}/{self.resolved(properties['QueueName'])}"
            case "AWS::SNS::Topic":
                return f"arn:aws:sns:{self.region}:{self.account}:{self.resolved(properties['TopicName'])}"
            case "AWS::Logs::LogGroup":
                return self.resolved(properties["LogGroupName"])
            case "AWS::Events::Rule":
                return self.resolved(properties["Name"])
            case "AWS::IAM::ManagedPolicy":
                return f"arn:aws:iam::{self.account}:policy/{name}"
            case "AWS::Chatbot::CustomAction":
                return f"arn:aws:chatbot::{self.account}:custom-action/{self.resolved(properties['ActionName'])}"
            case "AWS::EC2::SecurityGroup":
                return "sg-0123456789abcdef0"
        return name

    def attribute(self, name, attribute):
        resource = self.template["Resources"][name]
        match resource["Type"], attribute:
            case "AWS::SQS::Queue", "QueueName":
                return self.resolved(resource["Properties"]["QueueName"])
            case "AWS::SQS::Queue", "Arn":
                return f"arn:aws:sqs:{self.region}:{self.account}:{self.attribute(name, 'QueueName')}"
            case "AWS::Events::Rule", "Arn":
                return f"arn:aws:events:{self.region}:{self.account}:rule/{self.reference(name)}"
            case "AWS::IAM::Role", "Arn":
                named = self.resolved(resource["Properties"].get("RoleName"))
                return f"arn:aws:iam::{self.account}:role/{named or ROLES[name]}"
            case "AWS::CloudWatch::Alarm", "Arn":
                named = self.resolved(resource["Properties"]["AlarmName"])
                return f"arn:aws:cloudwatch:{self.region}:{self.account}:alarm:{named}"
            case "AWS::SNS::Topic", "TopicName":
                return self.reference(name).rpartition(":")[2]
            case "AWS::ECS::Service", "Name":
                return name
        raise ValueError(f"{name}.{attribute} is not known to this test")


class OtherRegion(Stack):
    """The stack of a region that sends its events to the one with the daemon."""

    file = "other-region.yaml"
    region = "eu-west-1"

    def __init__(self, **parameters):
        super().__init__(**{"HomeRegion": REGION} | parameters)


class Member(Stack):
    """The stack of an account that the daemon of another one watches."""

    file = "member.yaml"
    account = MEMBER

    def __init__(self, region=REGION, **parameters):
        self.region = region
        super().__init__(**{"DaemonRoleArn": DAEMON_ROLE, "HomeRegion": REGION} | parameters)


class Dashboard(Stack):
    """The stack with the dashboard."""

    file = "dashboard.yaml"

    def __init__(self, **parameters):
        super().__init__(**{"ClusterName": "Cluster", "ServiceName": "Service"} | parameters)


class Chat(Stack):
    """The stack that shows notices in a chat."""

    file = "chat.yaml"
    CHANNELS = {
        "SlackWorkspaceId": "T0123ABCD",
        "SlackChannelId": "C0123ABCD",
        "TeamsTenantId": "01234567-89ab-cdef-0123-456789abcdef",
        "TeamsTeamId": "01234567-89ab-cdef-0123-456789abcdef",
        "TeamsChannelId": "19%3a0123456789abcdef%40thread.tacv2",
    }

    def __init__(self, **parameters):
        topic = f"arn:aws:sns:{REGION}:{ACCOUNT}:{NAME}-notices"
        super().__init__(**{"NoticesTopicArn": topic} | self.CHANNELS | parameters)


class People(Stack):
    """The stack with what people may do."""

    file = "people.yaml"

    def __init__(self, **parameters):
        operators = f"arn:aws:iam::{ACCOUNT}:role/operators"
        super().__init__(**{"UndoPrincipals": operators} | parameters)


def policy_file(name):
    return json.loads((DEPLOY / "iam" / f"{name}.json").read_text())


if __name__ == "__main__":
    kinds = {kind.file: kind for kind in (Stack, OtherRegion, Member, Dashboard, Chat, People)}
    given = dict(argument.split("=", 1) for argument in sys.argv[2:])
    print(json.dumps(kinds[sys.argv[1]](**given).read(), indent=2))
