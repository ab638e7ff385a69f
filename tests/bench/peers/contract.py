"""The contract as a plain boto3 loop: what a first version of the daemon would be.

usage: contract.py --threads N

Each thread receives ten messages and then settles one after the other: DescribeTags,
StopInstances, Publish, DeleteMessage. It neither logs nor batches nor looks again. Prints the CPU
seconds spent before the first receive, and ends with 0 on SIGTERM.
"""

import argparse
import json
import os
import signal
import threading
import time

import boto3
from botocore.config import Config

SUBJECT = "EC2 Violated Company Policy!! Manager will be Notified!!"
EXCEPTION_TAG = "SPECIAL_EXCEPTION"
QUEUE_URL = os.environ["SQS_QUEUE_URL"]
TOPIC_ARN = os.environ["SNS_TOPIC_ARN"]

parser = argparse.ArgumentParser()
parser.add_argument("--threads", type=int, default=1)
THREADS = parser.parse_args().threads


def client(service):
    config = Config(max_pool_connections=THREADS)
    region = os.environ["AWS_REGION"]
    return boto3.client(service, region_name=region, config=config)


EC2, SNS, SQS = client("ec2"), client("sns"), client("sqs")


def settle(message):
    instance = json.loads(message["Body"])["detail"]["instance-id"]
    tags = EC2.describe_tags(Filters=[{"Name": "resource-id", "Values": [instance]}])["Tags"]
    if not any(tag["Key"] == EXCEPTION_TAG for tag in tags):
        EC2.stop_instances(InstanceIds=[instance])
        SNS.publish(TopicArn=TOPIC_ARN, Subject=SUBJECT, Message=f"EC2 {instance} Stopped")
    SQS.delete_message(QueueUrl=QUEUE_URL, ReceiptHandle=message["ReceiptHandle"])


def work():
    while True:
        answer = SQS.receive_message(
            QueueUrl=QUEUE_URL, MaxNumberOfMessages=10, WaitTimeSeconds=20
        )
        for message in answer.get("Messages", []):
            settle(message)


signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
print(time.process_time(), flush=True)
for _ in range(THREADS):
    threading.Thread(target=work, daemon=True).start()
# Between the signals, this thread has nothing to do.
while True:
    signal.pause()
