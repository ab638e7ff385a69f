"""One life of the daemon with policies in Cedar, on instances as moto describes them."""

from world import LOG, OUTCOMES_SECS, SUBJECT, VISIBILITY_SECS
from world import Notices, Queue
from world import end_daemon, event, expect, launch, start_daemon, state, wait_until

POLICY_LOG = f"{LOG}.policies"

POLICIES = """
@id("small-only") @mode("enforce") @description("Ask in #cloud for an exception.")
forbid (principal, action == Action::"run", resource in Region::"us-east-1")
unless { ["t3.micro", "t3.small"].contains(resource.instanceType) };

@id("owned") @mode("warn")
forbid (principal == Account::"123456789012", action == Action::"run", resource)
unless { resource.hasTag("Owner") && resource.getTag("Owner") like "*@example.com" };
"""

OWNER = {"Owner": "web@example.com"}
EXEMPTION = "To exempt the instance, give it the tag SPECIAL_EXCEPTION."


class PolicyRun:
    def __init__(self):
        self.queue = Queue("policy-events", VisibilityTimeout=str(VISIBILITY_SECS))
        self.notices = Notices("policy-violations")
        self.large = launch({}, "m5.large")
        self.unowned = launch({"Owner": "web"})
        self.compliant = launch(OWNER)
        self.exempt = launch({"SPECIAL_EXCEPTION": ""}, "m5.large")
        for instance in (self.large, self.unowned, self.compliant, self.exempt):
            self.queue.send(event(instance))

    def live(self):
        settings = {"ENFORCER_POLICY__BUILTIN": "false", "ENFORCER_POLICY__INLINE": POLICIES}
        with open(POLICY_LOG, "wb") as log:
            daemon = start_daemon(self.queue, self.notices, log, **settings)
            try:
                wait_until(lambda: self.is_done() or daemon.poll() is not None, OUTCOMES_SECS)
            finally:
                self.exit_code = end_daemon(daemon)

    def is_done(self):
        return self.queue.counts() == (0, 0) and len(self.notices.read()) >= 2

    def an_instance_that_violates_an_enforced_policy_is_stopped_and_told_why(self):
        expect("state", state(self.large), "stopped")
        text = (
            f"EC2 {self.large} Stopped\nPolicy owned\n"
            f"Policy small-only: Ask in #cloud for an exception.\n{EXEMPTION}"
        )
        expect("notices", self.notices.about(self.large), [(SUBJECT, text)])

    def an_instance_that_violates_a_policy_that_warns_is_told_and_runs(self):
        expect("state", state(self.unowned), "running")
        text = f"EC2 {self.unowned} violates owned\nPolicy owned\n{EXEMPTION}"
        expect("notices", self.notices.about(self.unowned), [(SUBJECT, text)])

    def compliant_and_exempt_instances_run_without_a_notice(self):
        for instance in (self.compliant, self.exempt):
            expect("state", state(instance), "running")
            expect("notices", self.notices.about(instance), [])
        expect("messages left in the queue", self.queue.counts(), (0, 0))
        expect("exit code", self.exit_code, 0)
