# shellcheck shell=bash
# shellcheck disable=SC2154 # What these need is set by setup.sh: account, region, partition, name, tag and so on.
# The steps of setup.sh: each makes one thing, or puts it right, and says so.

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

report_skipped() {
    [ ${#skipped[@]} -gt 0 ] || return 0
    say "${#skipped[@]} steps were skipped; what was set up is not complete:"
    printf '  %s\n' "${skipped[@]}" >&2
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
# word comes last, so that nothing in it is replaced; no policy has two of these.
policy() { # FILE
    local watched=$region external=/EXTERNAL_ID/d
    case $1 in daemon | member) watched=${regions:-$region} ;; esac
    [ -z "$external_id" ] || external="s|EXTERNAL_ID|$external_id|"
    sed -e 's|parameter/ec2-policy-enforcer/policies|parameter/[?]|' -e 's|:role/ec2-policy-enforcer|:role/[%]|g' \
        -e "s|arn:aws:|arn:$partition:|g" -e 's|\["eu-central-1"\]|[@]|g' -e "s|eu-central-1|$region|g" \
        -e 's|\["111122223333"\]|[#]|g' -e "s/123456789012\|111122223333/$account/g" -e "s|ec2-policy-enforcer|$name|g" \
        -e "s|\[@\]|$(json_list "$watched")|g" -e "s|\[#\]|$(json_list "$accounts")|g" -e "s|o-a1b2c3d4e5|$organization|g" \
        -e "s|\"AWS\": \"arn:[^\"]*:role/[^\"]*\"|\"AWS\": \"$daemon_role\"|" -e "s|:role/\[%\]|:role/$member_role|g" \
        -e "s|SPECIAL_EXCEPTION|$tag|g" -e "s|parameter/\[?\]|parameter/${parameter#/}|" -e "$external" "$here/iam/$1.json"
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

role_policy() { # ROLE POLICY [FILE]
    step "policy $2 of role $1" iam put-role-policy --role-name "$1" --policy-name "$2" --policy-document "$(policy "${3:-$2}")"
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
