#!/usr/bin/env bash
# Makes what the daemon needs with the AWS CLI, for those who do not deploy the stack: queues, rules,
# topics and role. Run it again at any time: it puts right what differs and leaves the rest alone.
#
#   deploy/setup.sh [--for ec2|ecs] [--name NAME] [--exception-tag TAG] [--email ADDRESS]
#                   [--operators ADDRESS] [--tag-keys TAG,…] [--regions REGION,…] [--policy-parameter NAME]
#                   [--accounts ACCOUNT,…|any] [--organization ID] [--external-id ID] [--member-role NAME]
#   deploy/setup.sh --member ROLE_ARN --home-region REGION [--name NAME] [--exception-tag TAG]
#                   [--tag-keys TAG,…] [--regions REGION,…] [--external-id ID] [--member-role NAME]
#
# --email is told of stops, --operators what the daemon tells those who run it. --tag-keys names tags
# besides the exception tag whose changes are sent: those of owners and those that policies mention.
# --regions names the regions whose instances count, if it is not the queue's own alone; each of the
# others gets a rule that sends its events here. --policy-parameter, for ECS alone, names the SSM
# parameter with the policies in Cedar: ECS may read it then.
# --accounts names other accounts whose instances count, and --organization the one that they are in,
# if they are: their rules may send here then, and the daemon may take their roles. Each of them needs
# the second form, with credentials of that account: it makes the role that the daemon with ROLE_ARN
# takes, and rules that send to its queue in --home-region. --external-id is what the daemon shows to
# take these roles, --member-role how they are called; --name and --regions are those of the daemon.
# Account, region and credentials are the AWS CLI's own. The daemon's environment goes to stdout,
# everything else to stderr.
set -euo pipefail
# The shell's character classes then mean the same everywhere, and no answer waits for a pager.
export LC_ALL=C.UTF-8 AWS_PAGER=''

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
host=ec2
name=ec2-policy-enforcer
tag=SPECIAL_EXCEPTION
email=
operators=
tag_keys=Owner
regions=
parameter=
accounts=
organization=
external_id=
member_role=ec2-policy-enforcer
daemon_role=
home_region=
given=()
skipped=()

say() {
    echo "$*" >&2
}

refuse() {
    say "$*"
    exit 2
}

# shellcheck source=deploy/setup/steps.sh
. "$here/setup/steps.sh"
# shellcheck source=deploy/setup/member.sh
. "$here/setup/member.sh"

usage() {
    refuse "usage: $(sed -nE '4,$ { /^#$/d; /^#   /!q; s/^# +//; p }' "${BASH_SOURCE[0]}")"
}

while [ $# -gt 0 ]; do
    # Without a value of these two it is told later what it would be.
    case $1 in --member | --home-region) [[ $# -ge 2 && $2 != --* ]] || set -- "$1" "" "${@:2}" ;; esac
    [ $# -ge 2 ] || usage
    given+=("$1")
    case $1 in
        --for) host=$2 ;;
        --name) name=$2 ;;
        --exception-tag) tag=$2 ;;
        --email) email=$2 ;;
        --operators) operators=$2 ;;
        --tag-keys) tag_keys=$2 ;;
        --regions) regions=$2 ;;
        --policy-parameter) parameter=$2 ;;
        --accounts) accounts=$2 ;;
        --organization) organization=$2 ;;
        --external-id) external_id=$2 ;;
        --member-role) member_role=$2 ;;
        --member) daemon_role=$2 ;;
        --home-region) home_region=$2 ;;
        *) refuse "unknown option $1" ;;
    esac
    shift 2
done

tag_key='^[[:alnum:]+=._:/@-]([[:alnum:] +=._:/@-]{0,126}[[:alnum:]+=._:/@-])?$'
region_name='[a-z]{2,12}(-[a-z]{2,12})+-[0-9]{1,2}'
[[ $host == ec2 || $host == ecs ]] || refuse "--for $host: give ec2 or ecs"
is_given --member || [[ $name =~ ^[a-z][a-z0-9-]{0,46}[a-z0-9]$ ]] ||
    refuse "--name $name: give 2 to 48 lower-case letters, digits and hyphens"
[[ $tag =~ $tag_key && ${tag,,} != aws:* ]] ||
    refuse "--exception-tag '$tag': give 1 to 128 letters, digits, spaces and + - = . _ : / @, not starting with aws:"
while IFS= read -r -d , key; do
    [[ $key =~ $tag_key ]] ||
        refuse "--tag-keys '$tag_keys': give tag keys with commas between them, such as Owner,Project"
done <<<"${tag_keys:+$tag_keys,}"
[[ -z $regions || $regions =~ ^$region_name(,$region_name)*$ ]] ||
    refuse "--regions $regions: give regions with commas between them, such as eu-central-1,eu-west-1"
[[ -z $parameter || $parameter =~ ^/?[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*$ ]] ||
    refuse "--policy-parameter $parameter: give the name of an SSM parameter, such as /$name/policies"
[[ -z $parameter || $host == ecs ]] ||
    refuse "--policy-parameter is for ECS; on an instance policies are files, see docs/src/systemd.md"
check_accounts
! is_given --member || check_member

# Rules in another region whose target is the bus of this one. They see only their own region's events:
# two regions that send to each other would otherwise never end.
forward_from() { # REGION
    local bus forwarder region=$region
    bus=$(arn events event-bus/default)
    forwarder=arn:$partition:iam::$account:role/$name-forwarding
    region=$1
    local -x AWS_REGION=$region AWS_DEFAULT_REGION=$region
    say "region $region"
    undelivered_queue
    rules "another region" "$region" "$(target bus "$bus" "$forwarder")"
}

# Version 1 of the AWS CLI reads AWS_DEFAULT_REGION only.
region=${home_region:-${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}}
[ -n "$region" ] || refuse "no region: set AWS_REGION"
export AWS_REGION=$region AWS_DEFAULT_REGION=$region
read -r account partition < <(aws sts get-caller-identity --query '[Account,Arn]' --output text |
    sed -E 's/^([0-9]{12})[[:space:]]+arn:([^:]+):.*/\1 \2/')
say "account $account, region $region, tag '$tag'"
nobody=$(quoted <<<'{"redrivePermission":"denyAll"}')

if is_given --member; then
    set_up_member
    report_skipped
    exit
fi

elsewhere=()
for watched in ${regions//,/ }; do
    [ "$watched" = "$region" ] || elsewhere+=("$watched")
done
# First of all: EventBridge takes no role that was made a few seconds ago.
if [ ${#elsewhere[@]} -gt 0 ]; then
    role "$name-forwarding" forwarding-trust "Lets rules of other regions send events to this one"
    role_policy "$name-forwarding" forwarding
fi

# The dead-letter queues keep messages for longer than the queue: a message keeps the time at which
# it was first sent.
sources=$(quoted <<<'{"redrivePermission":"byQueue","sourceQueueArns":["'"$(arn sqs "$name-events")"'"]}')
# A message that waits for a planned stop is received every 12 h, and an outage costs a few receives.
redrive=$(quoted <<<'{"deadLetterTargetArn":"'"$(arn sqs "$name-dead-letters")"'","maxReceiveCount":50}')

queue "$name-dead-letters" '{"SqsManagedSseEnabled":"true","MessageRetentionPeriod":"1209600",
    "RedriveAllowPolicy":'"$sources"'}'
undelivered_queue
queue "$name-events" '{"SqsManagedSseEnabled":"true","VisibilityTimeout":"60",
    "ReceiveMessageWaitTimeSeconds":"20","MessageRetentionPeriod":"864000",
    "RedrivePolicy":'"$redrive"',"Policy":'"$(policy "${members:-events}-queue-policy" | quoted)"'}'
events_url=$url

rules "the queue" "$regions" "$(target queue "$(arn sqs "$name-events")")"

if [ "$host" = ecs ]; then
    # Where ECS was never used it has no role of its own, and its first calls fail until it has.
    step "role of ECS itself" iam create-service-linked-role --aws-service-name ecs.amazonaws.com
    role "$name" task-trust "What the daemon may do"
    role "$name-execution" task-trust "What ECS may do to start the daemon"
    role_policy "$name-execution" execution
    [ -z "$parameter" ] || role_policy "$name-execution" policies
    exists logs create-log-group --log-group-name "/ecs/$name" || true
    step "log group /ecs/$name" logs put-retention-policy --log-group-name "/ecs/$name" --retention-in-days 365
else
    role "$name" instance-trust "What the daemon may do"
    exists iam get-instance-profile --instance-profile-name "$name" ||
        step "instance profile $name" iam create-instance-profile --instance-profile-name "$name"
    profile_role=$(aws iam get-instance-profile --instance-profile-name "$name" \
        --query 'InstanceProfile.Roles[].RoleName' --output text 2>/dev/null || true)
    [ "$profile_role" = "$name" ] ||
        step "role of the instance profile" iam add-role-to-instance-profile --instance-profile-name "$name" --role-name "$name"
fi
role_policy "$name" daemon
role_policy "$name" preflight
let_members_in

topic notices
topic_arn=$arn
topic operators
operators_arn=$arn
# SNS suspends an address that gets more than 10 messages a second: the daemon sends 9 at most.
[ -z "$email" ] || subscribe "$topic_arn" "$email"
[ -z "$operators" ] || subscribe "$operators_arn" "$operators"

for watched in "${elsewhere[@]}"; do
    forward_from "$watched"
done

report_skipped

printf '%s="%s"\n' SQS_QUEUE_URL "$events_url" SNS_TOPIC_ARN "$topic_arn" EXCEPTION_TAG "$tag"
# The brakes, which are off unless they are set: docs/src/settings.md tells what each one does.
printf 'ENFORCER_%s="%s"\n' TOPIC__OPERATORS_ARN "$operators_arn" \
    POLICY__GRACE 4h POLICY__SINCE 2026-01-01 POLICY__EXCEPTION_EXPIRES true POLICY__TAG_CHANGES true \
    BUDGET__STOPS 20 BUDGET__WINDOW 10m NOTICE__DIGEST true NOTICE__ATTRIBUTES true AUDIT__TO stdout
[ -z "$regions" ] || printf '%s="%s"\n' ENFORCER_SCOPE__REGIONS "$regions"
[ -z "$accounts" ] || printf 'ENFORCER_ACCOUNTS__%s="%s"\n' IDS "$accounts" \
    ROLE "arn:$partition:iam::{account}:role/$member_role"
[ -z "$accounts" ] || [ -z "$external_id" ] || printf 'ENFORCER_ACCOUNTS__EXTERNAL_ID="%s"\n' "$external_id"
