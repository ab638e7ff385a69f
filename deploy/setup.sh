#!/usr/bin/env bash
# Makes what the daemon needs with the AWS CLI, for those who do not deploy the stack: queues, rules,
# topics and role. Run it again at any time: it puts right what differs and leaves the rest alone.
#
#   deploy/setup.sh [--for ec2|ecs] [--name NAME] [--exception-tag TAG] [--email ADDRESS]
#                   [--operators ADDRESS] [--tag-keys TAG,…] [--regions REGION,…] [--policy-parameter NAME]
#
# --email is told of stops, --operators what the daemon tells those who run it. --tag-keys names tags
# besides the exception tag whose changes are sent: those of owners and those that policies mention.
# --regions names the regions whose instances count, if it is not the queue's own alone; each of the
# others gets a rule that sends its events here. --policy-parameter, for ECS alone, names the SSM
# parameter with the policies in Cedar: ECS may read it then.
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
skipped=()

say() {
    echo "$*" >&2
}

refuse() {
    say "$*"
    exit 2
}

while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || refuse "usage: setup.sh [--for ec2|ecs] [--name NAME] [--exception-tag TAG] [--email ADDRESS] [--operators ADDRESS] [--tag-keys TAG,…] [--regions REGION,…] [--policy-parameter NAME]"
    case $1 in
        --for) host=$2 ;;
        --name) name=$2 ;;
        --exception-tag) tag=$2 ;;
        --email) email=$2 ;;
        --operators) operators=$2 ;;
        --tag-keys) tag_keys=$2 ;;
        --regions) regions=$2 ;;
        --policy-parameter) parameter=$2 ;;
        *) refuse "unknown option $1" ;;
    esac
    shift 2
done

tag_key='^[[:alnum:]+=._:/@-]([[:alnum:] +=._:/@-]{0,126}[[:alnum:]+=._:/@-])?$'
region_name='[a-z]{2,12}(-[a-z]{2,12})+-[0-9]{1,2}'
[[ $host == ec2 || $host == ecs ]] || refuse "--for $host: give ec2 or ecs"
[[ $name =~ ^[a-z][a-z0-9-]{0,46}[a-z0-9]$ ]] || refuse "--name $name: give 2 to 48 lower-case letters, digits and hyphens"
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

# Version 1 of the AWS CLI heeds AWS_ENDPOINT_URL for every service but SQS.
aws() {
    command aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} "$@"
}

# An AWS of one's own may know fewer calls. AWS itself knows them all: there, a failure is one.
lacks_the_call() { # MESSAGE
    [ -n "${AWS_ENDPOINT_URL:-}" ] &&
        grep -qE '\((UnknownOperationException|InvalidAction|MissingAuthenticationToken)\)' <<<"$1"
}

# IAM says the one of roles that belong to a service, the other of all others.
is_there_already() { # MESSAGE
    grep -qE 'has been taken in this account|\(EntityAlreadyExists\)' <<<"$1"
}

# step WHAT COMMAND...: runs an AWS CLI command; ends the script if it fails, unless what it makes is
# there already, or the call does not exist there.
step() {
    local what=$1 error
    shift
    if error=$(aws "$@" 2>&1 >/dev/null) || is_there_already "$error"; then
        say "done     $what"
    elif lacks_the_call "$error"; then
        say "skipped  $what: $AWS_ENDPOINT_URL does not know $1 $2"
        skipped+=("$what")
    else
        say "failed   $what: ${error#$'\n'}"
        exit 1
    fi
}

exists() {
    aws "$@" >/dev/null 2>&1
}

arn() { # SERVICE RESOURCE
    echo "arn:$partition:$1:$region:$account:$2"
}

json_list() { # WORD,…
    echo "[\"${1//,/\",\"}\"]"
}

# The policies of deploy/iam, for this account, region, name, parameter and tag. What may hold any
# word comes last, so that nothing in it is replaced; no policy has both.
policy() { # FILE
    local watched=$region
    [ "$1" != daemon ] || watched=${regions:-$region}
    sed -e 's|parameter/ec2-policy-enforcer/policies|parameter/[?]|' -e "s|arn:aws:|arn:$partition:|g" -e 's|\["eu-central-1"\]|[@]|g' -e "s|eu-central-1|$region|g" \
        -e "s|123456789012|$account|g" -e "s|ec2-policy-enforcer|$name|g" -e "s|\[@\]|$(json_list "$watched")|g" \
        -e "s|SPECIAL_EXCEPTION|$tag|g" -e "s|parameter/\[?\]|parameter/${parameter#/}|" "$here/iam/$1.json"
}

# As the value of an attribute, JSON is a string in JSON.
quoted() {
    tr -d '\n' | sed -e 's|["\\]|\\&|g' -e 's|.*|"&"|'
}

queue_url() { # NAME
    aws sqs get-queue-url --queue-name "$1" --query QueueUrl --output text
}

queue() { # NAME ATTRIBUTES; leaves its URL in $url
    if ! url=$(queue_url "$1" 2>/dev/null); then
        step "queue $1" sqs create-queue --queue-name "$1"
        url=$(queue_url "$1")
    fi
    step "attributes of queue $1" sqs set-queue-attributes --queue-url "$url" --attributes "$2"
}

role() { # NAME TRUST DESCRIPTION
    if exists iam get-role --role-name "$1"; then
        step "trust of role $1" iam update-assume-role-policy --role-name "$1" --policy-document "$(policy "$2")"
    else
        step "role $1" iam create-role --role-name "$1" --description "$3" --assume-role-policy-document "$(policy "$2")"
    fi
}

role_policy() { # ROLE POLICY
    step "policy $2 of role $1" iam put-role-policy --role-name "$1" --policy-name "$2" --policy-document "$(policy "$2")"
}

topic() { # WORD; leaves its ARN in $arn
    arn=$(aws sns create-topic --name "$name-$1" --query TopicArn --output text)
    say "done     topic $name-$1"
    step "encryption of topic $name-$1" sns set-topic-attributes --topic-arn "$arn" \
        --attribute-name KmsMasterKeyId --attribute-value alias/aws/sns
    # Without this policy everybody in the account may publish without asking IAM.
    step "policy of topic $name-$1" sns set-topic-attributes --topic-arn "$arn" \
        --attribute-name Policy --attribute-value "$(policy "$1-topic-policy")"
}

subscribe() { # ARN ADDRESS
    step "subscription of $2, which SNS asks to confirm" sns subscribe --topic-arn "$1" \
        --protocol email --notification-endpoint "$2"
}

undelivered_queue() {
    queue "$name-undelivered" '{"SqsManagedSseEnabled":"true","MessageRetentionPeriod":"1209600",
        "RedriveAllowPolicy":'"$nobody"',"Policy":'"$(policy undelivered-queue-policy | quoted)"'}'
}

target() { # ID ARN [ROLE]
    echo '[{"Id":"'"$1"'","Arn":"'"$2"'",'"${3:+\"RoleArn\":\"$3\",}"'
        "DeadLetterConfig":{"Arn":"'"$(arn sqs "$name-undelivered")"'"},
        "RetryPolicy":{"MaximumEventAgeInSeconds":86400,"MaximumRetryAttempts":185}}]'
}

rule() { # NAME DESCRIPTION PATTERN TARGETS
    local refused
    step "rule $1" events put-rule --name "$1" --state ENABLED --description "$2" --event-pattern "$3"
    # EventBridge answers 200 even if it took no target.
    refused=$(aws events put-targets --rule "$1" --query 'FailedEntries[].ErrorMessage' --output text --targets "$4")
    [ -z "$refused" ] || [ "$refused" = None ] || { say "failed   target of the rule $1: $refused"; exit 1; }
    say "done     target of the rule $1"
}

# The rules for starts and for changes of tags that matter.
rules() { # WHERETO REGIONS TARGETS
    local regions=${2:+"\"region\":$(json_list "$2"),"}
    rule "$name-events" "Sends the start of every EC2 instance to $1." '{"source":["aws.ec2"],'"$regions"'
        "detail-type":["EC2 Instance State-change Notification"],"detail":{"state":["running"]}}' "$3"
    rule "$name-tag-changes" "Sends changes of tags that matter, of EC2 instances, to $1." '{"source":["aws.tag"],'"$regions"'
        "detail-type":["Tag Change on Resource"],"detail":{"service":["ec2"],"resource-type":["instance"],
        "changed-tag-keys":'"$(json_list "$tag${tag_keys:+,$tag_keys}")"'}}' "$3"
}

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
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}
[ -n "$region" ] || refuse "no region: set AWS_REGION"
export AWS_REGION=$region AWS_DEFAULT_REGION=$region
read -r account partition < <(aws sts get-caller-identity --query '[Account,Arn]' --output text |
    sed -E 's/^([0-9]{12})[[:space:]]+arn:([^:]+):.*/\1 \2/')
say "account $account, region $region, tag '$tag'"

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
nobody=$(quoted <<<'{"redrivePermission":"denyAll"}')
# A message that waits for a planned stop is received every 12 h, and an outage costs a few receives.
redrive=$(quoted <<<'{"deadLetterTargetArn":"'"$(arn sqs "$name-dead-letters")"'","maxReceiveCount":50}')

queue "$name-dead-letters" '{"SqsManagedSseEnabled":"true","MessageRetentionPeriod":"1209600",
    "RedriveAllowPolicy":'"$sources"'}'
undelivered_queue
queue "$name-events" '{"SqsManagedSseEnabled":"true","VisibilityTimeout":"60",
    "ReceiveMessageWaitTimeSeconds":"20","MessageRetentionPeriod":"864000",
    "RedrivePolicy":'"$redrive"',"Policy":'"$(policy events-queue-policy | quoted)"'}'
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

if [ ${#skipped[@]} -gt 0 ]; then
    say "${#skipped[@]} steps were skipped; what was set up is not complete:"
    printf '  %s\n' "${skipped[@]}" >&2
fi

printf '%s="%s"\n' SQS_QUEUE_URL "$events_url" SNS_TOPIC_ARN "$topic_arn" EXCEPTION_TAG "$tag"
# The brakes, which are off unless they are set: docs/src/settings.md tells what each one does.
printf 'ENFORCER_%s="%s"\n' TOPIC__OPERATORS_ARN "$operators_arn" \
    POLICY__GRACE 4h POLICY__SINCE 2026-01-01 POLICY__EXCEPTION_EXPIRES true POLICY__TAG_CHANGES true \
    BUDGET__STOPS 20 BUDGET__WINDOW 10m NOTICE__DIGEST true NOTICE__ATTRIBUTES true AUDIT__TO stdout
[ -z "$regions" ] || printf '%s="%s"\n' ENFORCER_SCOPE__REGIONS "$regions"
