"""Makes the same calls to moto and to the sandbox, and asserts that both answer alike.

Left out is what moto accepts and AWS documents as refused: tags of unknown instances, tag keys of
AWS, JSON by protocol without a default. There the sandbox's own tests follow AWS.

usage: agree.py MOTO SANDBOX, which are endpoints
"""

import json
import re
import sys
import time
import uuid

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

REGION = "us-east-1"
# A member account of a sandbox with two accounts, and its role.
MEMBER = "200000000001"
ROLE = f"arn:aws:iam::{MEMBER}:role/ec2-policy-enforcer"
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
NO_RETRIES = Config(retries={"total_max_attempts": 1})


class Aws:
    """One of the two, with names of its own, so that a run finds nothing of an earlier one."""

    def __init__(self, endpoint, credentials=CREDENTIALS):
        def client(service):
            return boto3.client(
                service, endpoint_url=endpoint, region_name=REGION, config=NO_RETRIES, **credentials
            )

        self.endpoint = endpoint
        self.sqs, self.sns, self.ec2 = client("sqs"), client("sns"), client("ec2")
        self.sts = client("sts")
        self.suffix = uuid.uuid4().hex[:8]

    def name(self, what):
        return f"{what}-{self.suffix}"

    def queue(self, what, **more):
        url = self.sqs.create_queue(QueueName=self.name(what), **more)["QueueUrl"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, answer["Attributes"]["QueueArn"]

    def topic(self, what):
        return self.sns.create_topic(Name=self.name(what))["TopicArn"]

    def bodies(self, url):
        """What is in the queue, oldest first, and is then gone."""
        bodies = []
        while messages := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            bodies += [
                (message["Body"], message.get("MessageAttributes", {})) for message in messages
            ]
        return bodies

    def launch(self, tags=None, count=1):
        image = self.ec2.describe_images(Filters=[{"Name": "root-device-type", "Values": ["ebs"]}])
        pairs = [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
        answer = self.ec2.run_instances(
            ImageId=image["Images"][0]["ImageId"],
            InstanceType="t3.micro",
            MinCount=count,
            MaxCount=count,
            TagSpecifications=[{"ResourceType": "instance", "Tags": pairs}] if pairs else [],
        )
        ids = [instance["InstanceId"] for instance in answer["Instances"]]
        self.ec2.get_waiter("instance_running").wait(InstanceIds=ids, WaiterConfig={"Delay": 1})
        return ids

    def member(self, given):
        """The same with the credentials of a role."""
        return Aws(self.endpoint, {
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": given["SecretAccessKey"],
            "aws_session_token": given["SessionToken"],
        })

    def ids(self):
        pages = self.ec2.get_paginator("describe_instances").paginate()
        reservations = [one for page in pages for one in page["Reservations"]]
        return [one["InstanceId"] for few in reservations for one in few["Instances"]]

    def described(self, instance):
        answer = self.ec2.describe_instances(InstanceIds=[instance])
        return answer["Reservations"][0]["Instances"][0]

    def tags(self, instance):
        return {tag["Key"]: tag["Value"] for tag in self.described(instance).get("Tags", [])}

    def stop(self, instance):
        self.ec2.stop_instances(InstanceIds=[instance])
        self.ec2.get_waiter("instance_stopped").wait(
            InstanceIds=[instance], WaiterConfig={"Delay": 1}
        )


def code(call, **parameters):
    """The code of the error with which a call is refused; None if it is not."""
    try:
        call(**parameters)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return None


def pairs(tags):
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def attribute(data_type, value):
    return {"DataType": data_type, "StringValue": value}


def queue_tags_are_added_overwritten_and_removed(aws):
    url, _ = aws.queue("tags", tags={"Owner": "web"})
    seen = [aws.sqs.list_queue_tags(QueueUrl=url)["Tags"]]
    aws.sqs.tag_queue(QueueUrl=url, Tags={"hold/all": "2026-11-26T03:08:39Z", "Owner": "db"})
    seen.append(aws.sqs.list_queue_tags(QueueUrl=url)["Tags"])
    aws.sqs.untag_queue(QueueUrl=url, TagKeys=["Owner", "unknown"])
    seen.append(aws.sqs.list_queue_tags(QueueUrl=url)["Tags"])
    aws.sqs.untag_queue(QueueUrl=url, TagKeys=["hold/all"])
    seen.append(aws.sqs.list_queue_tags(QueueUrl=url).get("Tags", {}))
    return seen


def queue_tags_that_cannot_be_are_refused(aws):
    url, _ = aws.queue("refused")
    many = {f"key-{number}": "" for number in range(51)}
    return [
        code(aws.sqs.tag_queue, QueueUrl=url, Tags=many),
        code(aws.sqs.tag_queue, QueueUrl=url, Tags={}),
        code(aws.sqs.tag_queue, QueueUrl=url + "-missing", Tags={"key": ""}),
        aws.sqs.list_queue_tags(QueueUrl=url).get("Tags", {}),
    ]


def tags_of_instances_are_created_overwritten_and_deleted(aws):
    first, second = aws.launch({"Name": "web"}, count=2)
    aws.ec2.create_tags(Resources=[first, second], Tags=pairs({"Name": "db", "KEEP": ""}))
    seen = [aws.tags(first), aws.tags(second)]
    aws.ec2.delete_tags(Resources=[first], Tags=[{"Key": "KEEP"}, {"Key": "unknown"}])
    aws.ec2.delete_tags(Resources=[second], Tags=[{"Key": "Name", "Value": "other"}])
    return seen + [aws.tags(first), aws.tags(second)]


def an_instance_has_fifty_tags_at_most(aws):
    (instance,) = aws.launch()
    def tag(tags):
        return code(aws.ec2.create_tags, Resources=[instance], Tags=pairs(tags))
    fifty = {f"key-{number}": "" for number in range(50)}
    refused = [tag(fifty), tag({"Name": "web"}), tag({"key-7": "again"})]
    return [refused, len(aws.tags(instance)), aws.tags(instance)["key-7"]]


def a_stop_and_a_start_tell_the_states_and_the_reason(aws):
    (instance,) = aws.launch()
    aws.stop(instance)
    stopped = aws.described(instance)
    reason = stopped["StateTransitionReason"]
    seen = [bool(re.match(r"User initiated \(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (GMT|UTC)\)$", reason))]
    seen += [stopped["StateReason"]]
    changes = aws.ec2.start_instances(InstanceIds=[instance])["StartingInstances"]
    seen += [(changes[0]["PreviousState"]["Name"], changes[0]["CurrentState"]["Name"])]
    aws.ec2.get_waiter("instance_running").wait(
        InstanceIds=[instance], WaiterConfig={"Delay": 1}
    )
    # moto keeps the launch time of before, and AWS does not.
    return seen + [aws.described(instance)["StateTransitionReason"]]


def an_instance_that_is_unknown_cannot_be_started(aws):
    (instance,) = aws.launch()
    aws.stop(instance)
    refused = code(aws.ec2.start_instances, InstanceIds=[instance, "i-0123456789abcdef0"])
    return [refused, aws.described(instance)["State"]["Name"]]


def notices_carry_their_attributes(aws):
    topic = aws.topic("attributes")
    wrapped, raw = aws.queue("wrapped"), aws.queue("raw")
    aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=wrapped[1])
    aws.sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=raw[1], Attributes={"RawMessageDelivery": "true"}
    )
    attributes = {
        "kind": attribute("String", "outcome"),
        "policy": attribute("String.Array", '["owner","builtin"]'),
        "count": attribute("Number", "3"),
    }
    aws.sns.publish(TopicArn=topic, Message="stopped", MessageAttributes=attributes)
    aws.sns.publish_batch(
        TopicArn=topic,
        PublishBatchRequestEntries=[
            {"Id": "a", "Message": "again", "MessageAttributes": {"kind": attribute("String", "x")}}
        ],
    )
    envelopes = [json.loads(body)["MessageAttributes"] for body, _ in aws.bodies(wrapped[0])]
    return [envelopes, aws.bodies(raw[0])]


def attributes_that_cannot_be_are_refused(aws):
    topic = aws.topic("refused")
    def publish(**attributes):
        return code(aws.sns.publish, TopicArn=topic, Message="x", MessageAttributes=attributes)
    return [
        # AWS has a code of its own for attributes, ParameterValueInvalid, and moto the usual one.
        publish(kind=attribute("Text", "x")) is not None,
        publish(kind=attribute("String", "x")) is not None,
    ]


def each_protocol_gets_its_own_text(aws):
    topic, (url, arn) = aws.topic("structure"), aws.queue("structure")
    aws.sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    for message in ({"default": "plain", "sqs": "for queues"}, {"default": "plain"}):
        aws.sns.publish(TopicArn=topic, Message=json.dumps(message), MessageStructure="json")
    texts = [json.loads(body)["Message"] for body, _ in aws.bodies(url)]
    return [texts, code(aws.sns.publish, TopicArn=topic, Message="{", MessageStructure="json")]


def a_filter_policy_lets_some_notices_pass(aws):
    topic, (url, arn) = aws.topic("filter"), aws.queue("filter")
    policy = {"owner": ["web", {"prefix": "db-"}], "policy": ["builtin"]}
    aws.sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint=arn,
        Attributes={"FilterPolicy": json.dumps(policy), "RawMessageDelivery": "true"},
    )
    for owner, policies in (("web", ["a", "builtin"]), ("db-1", ["builtin"]), ("app", ["builtin"]), ("web", ["a"])):
        attributes = {
            "owner": attribute("String", owner),
            "policy": attribute("String.Array", json.dumps(policies)),
        }
        message = f"{owner} {policies}"
        aws.sns.publish(TopicArn=topic, Message=message, MessageAttributes=attributes)
    aws.sns.publish(TopicArn=topic, Message="no attributes")
    return [body for body, _ in aws.bodies(url)]


def subscriptions_are_listed_changed_and_ended(aws):
    topic, (_, arn) = aws.topic("listed"), aws.queue("listed")
    subscription = aws.sns.subscribe(
        TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    def listed():
        found = aws.sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        return [(one["Protocol"], one["SubscriptionArn"] == subscription) for one in found]
    seen = [listed()]
    aws.sns.set_subscription_attributes(
        SubscriptionArn=subscription, AttributeName="FilterPolicy", AttributeValue='{"kind": ["x"]}'
    )
    attributes = aws.sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    seen += [json.loads(attributes["FilterPolicy"]), attributes["FilterPolicyScope"]]
    seen += [attributes["RawMessageDelivery"], attributes["PendingConfirmation"]]
    seen += [code(
        aws.sns.set_subscription_attributes,
        SubscriptionArn=subscription,
        AttributeName="FilterPolicy",
        AttributeValue=json.dumps({f"key-{number}": ["x"] for number in range(6)}),
    )]
    aws.sns.unsubscribe(SubscriptionArn=subscription)
    return seen + [listed()]


def a_role_is_assumed_for_an_hour(aws):
    answer = aws.sts.assume_role(RoleArn=ROLE, RoleSessionName="agree")
    given, user = answer["Credentials"], answer["AssumedRoleUser"]
    left = given["Expiration"].timestamp() - time.time()
    seen = [given["AccessKeyId"][:4], len(given["AccessKeyId"]), len(given["SecretAccessKey"])]
    seen += [round(left / 60), user["Arn"], re.sub(r"^AROA\w+:", "", user["AssumedRoleId"])]
    return seen + [code(aws.sts.assume_role, RoleArn=ROLE, RoleSessionName="s" * 65)]


def the_credentials_of_a_role_act_upon_its_account(aws):
    given = aws.sts.assume_role(RoleArn=ROLE, RoleSessionName="agree")["Credentials"]
    member = aws.member(given)
    identity = member.sts.get_caller_identity()
    seen = [identity["Account"], identity["Arn"]]
    (own,), (theirs,) = aws.launch(), member.launch({"Name": "web"})
    seen += [own in aws.ids(), own in member.ids(), theirs in aws.ids(), theirs in member.ids()]
    seen += [code(aws.ec2.stop_instances, InstanceIds=[theirs])]
    member.stop(theirs)
    owners = {one["OwnerId"] for one in member.ec2.describe_instances()["Reservations"]}
    return seen + [member.described(theirs)["State"]["Name"], member.tags(theirs), owners]


CHECKS = [
    queue_tags_are_added_overwritten_and_removed,
    queue_tags_that_cannot_be_are_refused,
    tags_of_instances_are_created_overwritten_and_deleted,
    an_instance_has_fifty_tags_at_most,
    a_stop_and_a_start_tell_the_states_and_the_reason,
    an_instance_that_is_unknown_cannot_be_started,
    notices_carry_their_attributes,
    attributes_that_cannot_be_are_refused,
    each_protocol_gets_its_own_text,
    a_filter_policy_lets_some_notices_pass,
    subscriptions_are_listed_changed_and_ended,
    a_role_is_assumed_for_an_hour,
    the_credentials_of_a_role_act_upon_its_account,
]


def differences(check, both):
    """What each of the two said, if that is not the same."""
    said = []
    for name, aws in both.items():
        try:
            said.append((name, check(aws)))
        except Exception as error:
            return f"{name}: {type(error).__name__}: {error}"
    (_, theirs), (_, ours) = said
    return None if theirs == ours else "\n  ".join(f"{name}: {value!r}" for name, value in said)


def main():
    moto, sandbox = sys.argv[1:]
    both = {"moto": Aws(moto), "sandbox": Aws(sandbox)}
    failed = 0
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        difference = differences(check, both)
        failed += difference is not None
        print(f"FAIL {name}\n  {difference}" if difference else f"PASS {name}", flush=True)
    print(f"{len(CHECKS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
