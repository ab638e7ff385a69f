"""A moto server with queues, a topic and instances, and the daemon that runs against it."""

import datetime
import json
import signal
import subprocess
import sys
import time
import uuid

import boto3

ENDPOINT, DAEMON, LOG = sys.argv[1:]

REGION = "us-east-1"
ACCOUNT = "123456789012"  # moto's
CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
SUBJECT = "EC2 Violated Company Policy!! Manager will be Notified!!"

# Long enough that the daemon is done before a rejected message comes back, short enough to wait for.
VISIBILITY_SECS = 15
OUTCOMES_SECS = 60  # on a loaded machine; idle, the daemon needs two or three
EXIT_SECS = 35  # the daemon's drain and its last round, and some more


def client(service):
    return boto3.client(service, endpoint_url=ENDPOINT, region_name=REGION, **CREDENTIALS)


EC2, SNS, SQS = client("ec2"), client("sns"), client("sqs")


class Queue:
    def __init__(self, name, **attributes):
        self.url = SQS.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.arn = self.attributes("QueueArn")["QueueArn"]

    def attributes(self, *names):
        answer = SQS.get_queue_attributes(QueueUrl=self.url, AttributeNames=list(names))
        return answer["Attributes"]

    def send(self, body):
        SQS.send_message(QueueUrl=self.url, MessageBody=body)

    def counts(self):
        """(messages that a receive would find, messages in flight)"""
        names = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
        answer = self.attributes(*names)
        return tuple(int(answer[name]) for name in names)

    def receive(self, wait_secs=0):
        answer = SQS.receive_message(
            QueueUrl=self.url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=wait_secs,
            MessageSystemAttributeNames=["All"],
        )
        return answer.get("Messages", [])

    def take(self):
        """Receives and deletes what is there."""
        messages = self.receive()
        for message in messages:
            SQS.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])
        return messages


class Notices:
    """What a subscriber of the topic gets."""

    def __init__(self, name):
        self.topic_arn = SNS.create_topic(Name=name)["TopicArn"]
        self.queue = Queue(f"{name}-subscriber")
        SNS.subscribe(TopicArn=self.topic_arn, Protocol="sqs", Endpoint=self.queue.arn)
        self.seen = []
        # The message attributes of each text.
        self.attributes = {}

    def read(self):
        while messages := self.queue.take():
            envelopes = [json.loads(message["Body"]) for message in messages]
            self.seen += [(envelope.get("Subject"), envelope["Message"]) for envelope in envelopes]
            for envelope in envelopes:
                self.attributes[envelope["Message"]] = envelope.get("MessageAttributes", {})
        return self.seen

    def about(self, instance):
        return [notice for notice in self.read() if instance in notice[1]]


def launch(tags, instance_type="t3.micro", ec2=EC2):
    """Returns the id of a running instance with these tags."""
    image = ec2.describe_images(Filters=[{"Name": "root-device-type", "Values": ["ebs"]}])["Images"][0]
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    specification = [{"ResourceType": "instance", "Tags": pairs}] if pairs else []
    answer = ec2.run_instances(
        ImageId=image["ImageId"],
        InstanceType=instance_type,
        MinCount=1,
        MaxCount=1,
        TagSpecifications=specification,
    )
    instance = answer["Instances"][0]["InstanceId"]
    wait_until(lambda: state(instance, ec2) == "running", 30)
    return instance


def state(instance, ec2=EC2):
    reservations = ec2.describe_instances(InstanceIds=[instance])["Reservations"]
    return reservations[0]["Instances"][0]["State"]["Name"]


def event(instance, account=ACCOUNT):
    """The state-change event of this instance; moto sends none itself."""
    now = datetime.datetime.now(datetime.timezone.utc)
    detail = {"instance-id": instance, "state": "running"}
    if instance is None:
        del detail["instance-id"]
    return json.dumps({
        "version": "0",
        "id": str(uuid.uuid4()),
        "detail-type": "EC2 Instance State-change Notification",
        "source": "aws.ec2",
        "account": account,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:ec2:{REGION}:{account}:instance/{instance}"] if instance else [],
        "detail": detail,
    })


def wait_until(condition, secs):
    """Tells whether the condition came true in time."""
    deadline = time.monotonic() + secs
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def start_daemon(queue, notices, log, **settings):
    environment = {
        "AWS_ENDPOINT_URL": ENDPOINT,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
        "AWS_EC2_METADATA_DISABLED": "true",
        "ENFORCER_ADMIN__LISTEN": "off",
        "SQS_QUEUE_URL": queue.url,
        "SNS_TOPIC_ARN": notices.topic_arn,
        **settings,
    }
    return subprocess.Popen(
        [DAEMON, "run"],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )


def end_daemon(daemon):
    """Sends SIGTERM and returns the exit code, None if it had to be killed."""
    daemon.send_signal(signal.SIGTERM)
    try:
        return daemon.wait(EXIT_SECS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
        return None


def expect(what, seen, wanted):
    if seen != wanted:
        raise AssertionError(f"{what}: {seen!r}, wanted {wanted!r}")
