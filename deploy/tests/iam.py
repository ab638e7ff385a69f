"""What a policy says of a request, as IAM evaluates it; as much of that as deploy/iam uses."""

from fnmatch import fnmatchcase


def listed(value):
    return value if isinstance(value, list) else [value]


def like(pattern, text):
    # Only * and ? are wildcards in IAM.
    return fnmatchcase(text, pattern.replace("[", "[[]"))


def arn_like(pattern, arn):
    patterns, parts = pattern.split(":", 5), arn.split(":", 5)
    return len(patterns) == len(parts) and all(map(like, patterns, parts))


COMPARISONS = {
    "StringEquals": str.__eq__,
    "StringEqualsIgnoreCase": lambda wanted, text: wanted.lower() == text.lower(),
    "StringLike": like,
    "ArnLike": arn_like,
    "ArnEquals": arn_like,
}


def request(action, resource, principal=None, tags=None, resource_tags=None, region="eu-central-1", **keys):
    """A request; `tags` are those that it sets or removes, None if it names none, `keys` others of its context."""
    context = {"aws:RequestedRegion": region, "aws:PrincipalArn": principal}
    context |= {f"{key.replace('_', ':', 1)}": value for key, value in keys.items()}
    if tags is not None:
        context["aws:TagKeys"] = list(tags)
        context |= {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    context |= {f"aws:ResourceTag/{key}": value for key, value in (resource_tags or {}).items()}
    # The names of keys are compared without case, and so are the keys of tags in them.
    context = {key.lower(): listed(value) for key, value in context.items() if value is not None}
    return {"action": action, "resource": resource, "context": context}


def holds(operator, key, wanted, context):
    values = context.get(key.lower())
    if operator == "Null":
        return (values is None) == (wanted == "true")
    of_set, _, plain = operator.rpartition(":")
    base = plain.replace("Not", "", 1)
    if values is None:
        return of_set == "ForAllValues" or base != plain
    matches = [any(COMPARISONS[base](one, value) for one in listed(wanted)) != (base != plain) for value in values]
    return any(matches) if of_set == "ForAnyValue" else all(matches)


def applies(statement, asked):
    return (
        any(like(action.lower(), asked["action"].lower()) for action in listed(statement["Action"]))
        and any(like(resource, asked["resource"]) for resource in listed(statement["Resource"]))
        and all(
            holds(operator, key, wanted, asked["context"])
            for operator, keys in statement.get("Condition", {}).items()
            for key, wanted in keys.items()
        )
    )


def names(principals, principal):
    """Whether the principals of a resource's policy are, or have in them, that service, or that role."""
    (kind, named), = principals.items()
    if kind == "Service" or not principal.startswith("arn:"):
        return kind == "Service" and principal in listed(named)
    return any(one in ("*", principal, principal.split(":")[4]) for one in listed(named))


def allowed_by(policy, principal, asked):
    """Whether the policy of a resource lets a service or a role do it."""
    statements = [statement for statement in policy["Statement"] if names(statement["Principal"], principal)]
    return effect(statements, asked) == "Allow"


def effect(statements, asked):
    """Deny, Allow, or None where no statement applies."""
    effects = {statement["Effect"] for statement in statements if applies(statement, asked)}
    return "Deny" if "Deny" in effects else "Allow" if effects else None
