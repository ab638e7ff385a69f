"""Runs the daemon against a moto server and asserts, from outside, what it did.

usage: check.py ENDPOINT DAEMON LOG
"""

import datetime
import json
import math
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

    def __init__(self):
        self.topic_arn = SNS.create_topic(Name="violations")["TopicArn"]
        self.queue = Queue("subscriber")
        SNS.subscribe(TopicArn=self.topic_arn, Protocol="sqs", Endpoint=self.queue.arn)
        self.seen = []

    def read(self):
        while messages := self.queue.take():
            envelopes = [json.loads(message["Body"]) for message in messages]
            self.seen += [(envelope.get("Subject"), envelope["Message"]) for envelope in envelopes]
        return self.seen

    def about(self, instance):
        return [notice for notice in self.read() if instance in notice[1]]


def launch(tags):
    """Returns the id of a running instance with these tags."""
    image = EC2.describe_images(Filters=[{"Name": "root-device-type", "Values": ["ebs"]}])["Images"][0]
    pairs = [{"Key": key, "Value": value} for key, value in tags.items()]
    specification = [{"ResourceType": "instance", "Tags": pairs}] if pairs else []
    answer = EC2.run_instances(
        ImageId=image["ImageId"],
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        TagSpecifications=specification,
    )
    instance = answer["Instances"][0]["InstanceId"]
    wait_until(lambda: state(instance) == "running", 30)
    return instance


def state(instance):
    reservations = EC2.describe_instances(InstanceIds=[instance])["Reservations"]
    return reservations[0]["Instances"][0]["State"]["Name"]


def event(instance):
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
        "account": ACCOUNT,
        "time": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": [f"arn:aws:ec2:{REGION}:{ACCOUNT}:instance/{instance}"] if instance else [],
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


def start_daemon(queue, notices, log):
    environment = {
        "AWS_ENDPOINT_URL": ENDPOINT,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": CREDENTIALS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": CREDENTIALS["aws_secret_access_key"],
        "AWS_EC2_METADATA_DISABLED": "true",
        "ENFORCER_ADMIN__LISTEN": "off",
        "SQS_QUEUE_URL": queue.url,
        "SNS_TOPIC_ARN": notices.topic_arn,
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


def receive_again(queue, expected):
    """Waits for messages that are still in flight to come back, and returns them."""
    received = []
    # A test may have received them just before: they are invisible for a visibility timeout then.
    deadline = time.monotonic() + 2 * VISIBILITY_SECS + 10
    while len(received) < expected and time.monotonic() < deadline:
        received += queue.receive(wait_secs=2)
    return received


def receives_allowed(message, exited):
    """How often a message can have been received by now if nobody touched its visibility."""
    first = int(message["Attributes"]["ApproximateFirstReceiveTimestamp"]) / 1000
    allowed = 1 + math.floor((time.time() - first) / VISIBILITY_SECS)
    # What the polls in flight bring is worked on in a drain, and can be this one once more.
    return allowed + 1 if exited - first > VISIBILITY_SECS - 1 else allowed


def expect(what, seen, wanted):
    if seen != wanted:
        raise AssertionError(f"{what}: {seen!r}, wanted {wanted!r}")


class Run:
    """One life of the daemon, on a queue with every kind of event."""

    def __init__(self):
        self.dead_letters = Queue("dead-letters")
        redrive = {"deadLetterTargetArn": self.dead_letters.arn, "maxReceiveCount": 10}
        self.queue = Queue(
            "events", VisibilityTimeout=str(VISIBILITY_SECS), RedrivePolicy=json.dumps(redrive)
        )
        self.notices = Notices()

        self.exempt = [launch({"SPECIAL_EXCEPTION": "approved"}), launch({"SPECIAL_EXCEPTION": ""})]
        # A tag key that differs only in its case exempts nobody.
        self.violator = launch({"Name": "web", "special_exception": "true"})
        self.untagged = launch({})
        # No event names these two, so nothing may happen to them.
        self.bystanders = [launch({}), launch({"Name": "bystander"})]

        self.rejected = [event(None), event("i-*")]
        reported = [*self.exempt, self.violator, self.untagged]
        self.events = {instance: event(instance) for instance in reported}
        for body in [*self.rejected, *self.events.values()]:
            self.queue.send(body)

    def live(self):
        with open(LOG, "wb") as log:
            daemon = start_daemon(self.queue, self.notices, log)
            try:
                wait_until(lambda: self.is_done() or daemon.poll() is not None, OUTCOMES_SECS)
                self.died_early = daemon.poll() is not None
            finally:
                self.exit_code = end_daemon(daemon)
        self.exited = time.time()
        self.counts = self.queue.counts()
        self.remaining = receive_again(self.queue, sum(self.counts))
        self.remaining_bodies = [message["Body"] for message in self.remaining]

    def is_done(self):
        stopped = all(state(instance) == "stopped" for instance in (self.violator, self.untagged))
        only_rejected = self.queue.counts() == (0, len(self.rejected))
        return stopped and only_rejected and len(self.notices.read()) >= 2

    def an_exempt_instance_keeps_running_without_a_notice(self):
        for instance in self.exempt:
            expect("state", state(instance), "running")
            expect("notices", self.notices.about(instance), [])
            expect("event still queued", self.events[instance] in self.remaining_bodies, False)

    def a_violator_is_stopped_and_announced(self):
        self.expect_stopped_and_announced(self.violator)

    def an_instance_with_no_tags_at_all_is_stopped_and_announced(self):
        self.expect_stopped_and_announced(self.untagged)

    def expect_stopped_and_announced(self, instance):
        expect("state", state(instance), "stopped")
        expect("notices", self.notices.about(instance), [(SUBJECT, f"EC2 {instance} Stopped")])
        expect("event still queued", self.events[instance] in self.remaining_bodies, False)

    def an_event_without_a_usable_instance_id_stays_and_does_nothing(self):
        for body in self.rejected:
            expect("event still queued", body in self.remaining_bodies, True)
        for message in self.remaining:
            receives = int(message["Attributes"]["ApproximateReceiveCount"])
            allowed = receives_allowed(message, self.exited)
            expect(f"{receives} receives within the {allowed} allowed", receives <= allowed, True)
        expect("dead letters", self.dead_letters.counts(), (0, 0))
        expect("bystanders", [state(instance) for instance in self.bystanders], ["running"] * 2)
        expect("number of notices", len(self.notices.read()), 2)

    def sigterm_drains_and_leaves_only_what_was_rejected(self):
        expect("ended before SIGTERM", self.died_early, False)
        expect("exit code", self.exit_code, 0)
        expect("messages left in the queue", sum(self.counts), len(self.rejected))


def judge(check):
    name = check.__name__.replace("_", " ")
    try:
        check()
    except Exception as error:
        print(f"FAIL {name}: {error}", flush=True)
        return False
    print(f"PASS {name}", flush=True)
    return True


def main():
    # A run that is told to end takes its daemon with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run = Run()
    run.live()
    verdicts = [
        judge(check)
        for check in (
            run.an_exempt_instance_keeps_running_without_a_notice,
            run.a_violator_is_stopped_and_announced,
            run.an_instance_with_no_tags_at_all_is_stopped_and_announced,
            run.an_event_without_a_usable_instance_id_stays_and_does_nothing,
            run.sigterm_drains_and_leaves_only_what_was_rejected,
        )
    ]
    failed = verdicts.count(False)
    if failed:
        with open(LOG, errors="replace") as log:
            print(f"The daemon's log:\n{log.read()}")
    print(f"{verdicts.count(True)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
