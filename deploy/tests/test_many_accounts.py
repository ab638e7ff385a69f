"""The commands of the book's page "Many accounts" do on moto what the page says."""

import json
import re

from stack import DAEMON_ROLE, MEMBER, NAME, REGION, ROOT, Member, OtherRegion, Stack
from test_readme import AWS, Commands, blocks
from test_setup_member import Moto

# moto has no ECS that the stack could be deployed to.
PLAYED = AWS + 'aws() { case "$*" in *"cloudformation deploy "*) ;; *) command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@" ;; esac; }\n'


class ManyAccounts(Commands):
    maxDiff = None

    def setUp(self):
        self.text = (ROOT / "docs/src/many-accounts.md").read_text()

    def section(self, title):
        self.blocks = blocks(re.sub(r"(?m)^   ", "", re.search(rf"(?ms)^## {title}$(.*?)^## ", self.text)[1]))

    def as_daemon(self, moto):
        return moto.environment(REGION) | {"AWS_DEFAULT_REGION": REGION}

    def test_a_stack_set_is_made_and_sends_when_all_is_proved_and_an_account_goes_out(self):
        moto = Moto(self)
        moto.client("organizations").create_organization()
        self.section("In an organization")
        variables = self.as_daemon(moto)
        stacks = moto.client("cloudformation")
        stacks.create_stack(StackName=NAME, TemplateBody=json.dumps({
            "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}, "Outputs": {"DaemonRoleArn": {"Value": DAEMON_ROLE}},
        }))
        shown = self.run_all(PLAYED + self.take("organization="), variables)
        self.assertEqual(shown.strip(), DAEMON_ROLE)
        self.run_all(PLAYED + self.take("daemon="), variables)
        self.assert_stack_set(stacks, "DISABLED")
        self.run_all(PLAYED + self.take("aws cloudformation update-stack-set"), variables)
        self.assert_stack_set(stacks, "ENABLED")
        self.assertEqual(self.blocks, {})
        self.section("Take an account out")
        self.run_all(PLAYED + self.take("aws cloudformation delete-stack-instances"), variables)
        self.assertEqual(self.blocks, {})

    def assert_stack_set(self, stacks, state):
        found = stacks.describe_stack_set(StackSetName="ec2-policy-enforcer-member")["StackSet"]
        self.assertEqual(found["TemplateBody"], (ROOT / "deploy/member.yaml").read_text())
        given = {p["ParameterKey"]: p.get("ParameterValue") for p in found["Parameters"]}
        wanted = {"RuleState": state}
        if state == "DISABLED":
            # moto forgets the values that an update leaves as they are.
            wanted |= {"DaemonRoleArn": DAEMON_ROLE, "HomeRegion": REGION, "ExternalId": "fleet"}
            wanted |= {"WatchedRegions": f"{REGION},{OtherRegion.region}"}
        self.assertEqual({key: given[key] for key in wanted}, wanted)
        self.assertLessEqual(given.keys(), Member().template["Parameters"].keys())

    def test_a_stack_is_made_in_each_member_of_no_organization(self):
        moto = Moto(self)
        self.section("Without an organization")
        self.run_all(PLAYED + self.take("aws cloudformation deploy"), self.as_daemon(moto))
        variables = moto.variables_of_member() | {"AWS_DEFAULT_REGION": "us-east-1"}
        self.run_all(AWS + self.take("daemon="), variables)
        self.assertEqual(self.blocks, {})
        trust = moto.member("iam").get_role(RoleName=NAME)["Role"]["AssumeRolePolicyDocument"]
        self.assertEqual(trust, Member(ExternalId="fleet").properties("MemberRole")["AssumeRolePolicyDocument"])
        rule = moto.member("events").describe_rule(Name=f"{NAME}-events")
        self.assertEqual(rule["State"], "DISABLED")

    def test_setup_makes_both_sides(self):
        moto, top = Moto(self), self.checkout()
        self.section("Without CloudFormation")
        self.run_all(self.take("deploy/setup.sh --accounts"), self.as_daemon(moto), top)
        told = (top / "environment").read_text()
        self.assertIn(f'ENFORCER_ACCOUNTS__IDS="{MEMBER},444455556666"\n', told)
        self.assertIn(f'ENFORCER_ACCOUNTS__ROLE="arn:aws:iam::{{account}}:role/{NAME}"\n', told)
        self.assertIn('ENFORCER_ACCOUNTS__EXTERNAL_ID="fleet"\n', told)
        self.run_all(self.take("deploy/setup.sh --member"), moto.variables_of_member(), top)
        self.assertEqual(self.blocks, {})
        for region in (REGION, OtherRegion.region):
            wanted = Member(region).properties("Rule")
            found = moto.member("events", region).list_targets_by_rule(Rule=wanted["Name"])["Targets"]
            self.assertEqual(found, wanted["Targets"])

    def test_the_stacks_have_the_parameters(self):
        known = {stack.file: stack.template["Parameters"].keys() for stack in (Stack(), OtherRegion(), Member())}
        commands = re.findall(r"aws (?:.* )?cloudformation (?:deploy|create-stack-set) (?:.*\\\n)*.*", self.text)
        self.assertEqual(len(commands), 5)
        for command in commands:
            template = re.search(r"deploy/(\S+\.yaml)", command)[1]
            named = re.findall(r'[\s"]([A-Z]\w+)=', command.replace("ParameterKey=", "").replace(",ParameterValue", ""))
            self.assertLessEqual(set(named) - {"Enabled"}, known[template], command)

    def test_what_is_proved_is_asked_of_the_check(self):
        self.section("Prove it")
        for begin in ("deploy/check-task", "ec2-policy-enforcer check"):
            self.assertIn(f"--account {MEMBER}", self.take(begin))
        self.assertEqual(self.blocks, {})

    def test_what_could_not_be_sent_is_read_with_a_profile(self):
        self.section("What cannot be sent")
        # Run in test_redrive.
        self.assertEqual(self.take("deploy/redrive-undelivered").split()[1:], [NAME, OtherRegion.region, "member"])
        self.assertEqual(self.blocks, {})
