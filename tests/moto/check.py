"""Runs the daemon against a moto server and asserts, from outside, what it did.

usage: check.py ENDPOINT DAEMON LOG
"""

import json
import math
import signal
import sys
import time

from accounts import ACCOUNT_LOG, AccountRun
from policies import POLICY_LOG, PolicyRun
from world import LOG, OUTCOMES_SECS, SUBJECT, VISIBILITY_SECS
from world import Notices, Queue
from world import end_daemon, event, expect, launch, start_daemon, state, wait_until


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


class Run:
    """One life of the daemon, on a queue with every kind of event."""

    def __init__(self):
        self.dead_letters = Queue("dead-letters")
        redrive = {"deadLetterTargetArn": self.dead_letters.arn, "maxReceiveCount": 10}
        self.queue = Queue(
            "events", VisibilityTimeout=str(VISIBILITY_SECS), RedrivePolicy=json.dumps(redrive)
        )
        self.notices = Notices("violations")

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
    run, policy_run, account_run = Run(), PolicyRun(), AccountRun()
    run.live()
    policy_run.live()
    account_run.live()
    verdicts = [
        judge(check)
        for check in (
            run.an_exempt_instance_keeps_running_without_a_notice,
            run.a_violator_is_stopped_and_announced,
            run.an_instance_with_no_tags_at_all_is_stopped_and_announced,
            run.an_event_without_a_usable_instance_id_stays_and_does_nothing,
            run.sigterm_drains_and_leaves_only_what_was_rejected,
            policy_run.an_instance_that_violates_an_enforced_policy_is_stopped_and_told_why,
            policy_run.an_instance_that_violates_a_policy_that_warns_is_told_and_runs,
            policy_run.compliant_and_exempt_instances_run_without_a_notice,
            account_run.violators_of_every_account_are_stopped_and_announced_and_nothing_else,
            account_run.notices_and_the_audit_trail_name_the_account,
        )
    ]
    failed = verdicts.count(False)
    if failed:
        for path in (LOG, POLICY_LOG, ACCOUNT_LOG):
            with open(path, errors="replace") as log:
                print(f"The daemon's log:\n{log.read()}")
    print(f"{verdicts.count(True)} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
