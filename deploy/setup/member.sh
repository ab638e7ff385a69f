# shellcheck shell=bash
# shellcheck disable=SC2154 # What these need is set by setup.sh: account, region, partition, name and so on.
# Other accounts whose instances count: what setup.sh does for them in the daemon's account, and with
# --member in theirs.

is_given() { # OPTION
    local option
    for option in "${given[@]}"; do
        [ "$option" != "$1" ] || return 0
    done
    return 1
}

# The options for other accounts; leaves in $members whose policies these need, or nothing.
check_accounts() {
    [[ -z $accounts || $accounts == any || $accounts =~ ^[0-9]{12}(,[0-9]{12})*$ ]] ||
        refuse "--accounts $accounts: give account ids of 12 digits with commas between them, or any"
    [[ -z $organization || $organization =~ ^o-[a-z0-9]{10,32}$ ]] ||
        refuse "--organization $organization: give the id of an organization, such as o-a1b2c3d4e5"
    [[ -z $external_id || $external_id =~ ^[A-Za-z0-9+=,.@:/_-]{2,200}$ ]] ||
        refuse "--external-id '$external_id': give 2 to 200 letters, digits and + = , . @ : / _ -"
    [[ $member_role =~ ^[A-Za-z0-9_-]{1,40}$ ]] ||
        refuse "--member-role '$member_role': give at most 40 letters, digits, hyphens and underscores"
    [[ $accounts != any || -n $organization ]] ||
        refuse "--accounts any needs --organization: any account of which organization?"
    [[ -z $organization || -n $accounts ]] ||
        refuse "--organization needs --accounts: which of its accounts count, or any"
    is_given --member || [ -z "$home_region" ] || refuse "--home-region is for --member"
    members=
    [ -z "$accounts" ] || members=accounts
    [ -z "$organization" ] || members=organization
}

check_member() {
    local option
    [[ $daemon_role =~ ^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$ ]] ||
        refuse "--member '$daemon_role': give the ARN of the daemon's role, such as arn:aws:iam::123456789012:role/ec2-policy-enforcer; the daemon's stack has it as its output DaemonRoleArn"
    [ -n "$home_region" ] ||
        refuse "--member needs --home-region: the region of the daemon's queue, such as eu-central-1"
    [[ $home_region =~ ^$region_name$ ]] || refuse "--home-region $home_region: give a region such as eu-central-1"
    [[ $name =~ ^[A-Za-z][A-Za-z0-9-]{0,59}$ ]] ||
        refuse "--name $name: give the name of the daemon's stack, or what setup.sh was given there"
    for option in --for --email --operators --policy-parameter --accounts --organization; do
        ! is_given "$option" || refuse "$option is for the daemon's own account, not for --member"
    done
    regions=${regions:-$home_region}
}

# In the daemon's account: the daemon may take the roles of members, and other regions of theirs may
# send to the bus. Who may send to the queue says its policy.
let_members_in() {
    if [ -z "$members" ]; then
        ! exists iam get-role-policy --role-name "$name" --policy-name members ||
            step "no policy members of role $name" iam delete-role-policy --role-name "$name" --policy-name members
    else
        role_policy "$name" members "$members-members"
        say "members need setup.sh --member arn:$partition:iam::$account:role/$name --home-region $region"
    fi
    if [ -n "$members" ] && [ ${#elsewhere[@]} -gt 0 ]; then
        bus_policy
    elif [[ $'\n'$(statements_of_bus)$'\n' == *$'\n'"$name-bus"$'\n'* ]]; then
        step "no statement of members for the bus" events remove-permission --statement-id "$name-bus"
    fi
}

statements_of_bus() {
    aws events describe-event-bus --query Policy --output text 2>/dev/null |
        grep -oE '"Sid": ?"[^"]*"' | cut -d '"' -f 4
}

# The policy of a bus can only be set as a whole, but for statements without conditions like ours.
bus_policy() {
    local others
    others=$(statements_of_bus | grep -vxF "$name-bus" || true)
    if [ -n "$others" ]; then
        say "failed   policy of the event bus, which has statements of others: ${others//$'\n'/, }. Add this one by hand:"
        policy "$members-bus-policy" >&2
        exit 1
    fi
    step "policy of the event bus" events put-permission --policy "$(policy "$members-bus-policy")"
}

# In an account that the daemon of another one watches.
set_up_member() {
    local central watched
    IFS=: read -r _ _ _ _ central _ <<<"$daemon_role"
    [ "$central" != "$account" ] ||
        refuse "account $account is the daemon's own: run this with credentials of the account that it is to watch"
    # First of all: EventBridge takes no role that was made a few seconds ago.
    for watched in ${regions//,/ }; do
        events_role "$watched"
    done
    role "$member_role" member-trust "What the daemon of another account may do here"
    role_policy "$member_role" member
    for watched in ${regions//,/ }; do
        send_from "$watched"
    done
}

# By these names the policies of the queue and of the bus know the roles.
events_role() { # REGION
    local account=$central region=$home_region events=$member_role-events file=member-events
    [ "$1" = "$home_region" ] || { events=$events-$1 file=forwarding; }
    role "$events" forwarding-trust "Lets a rule send events to the daemon of another account"
    role_policy "$events" "$file"
}

# To the queue in its own region, to the bus from others.
send_from() { # REGION
    local region=$1 id=queue to=sqs:$home_region:$central:$name-events sender=$member_role-events
    local -x AWS_REGION=$region AWS_DEFAULT_REGION=$region
    [ "$region" = "$home_region" ] || { id=bus to=events:$home_region:$central:event-bus/default sender=$sender-$region; }
    say "region $region"
    undelivered_queue
    rules "another account" "$region" "$(target "$id" "arn:$partition:$to" "arn:$partition:iam::$account:role/$sender")"
}
