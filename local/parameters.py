"""What a user sets of the template: `make up PARAMS="Name=value …"`, and the file `.env`.

A line of `.env` is `Name=value`, where the name is a parameter of `template.yaml`, or
`SECRET_<NAME>=<JSON>`: a secret that is stored in the local cloud before the deploy.
`SECRET_STRIPE` also sets `StripeSecretArn`; every other name is a provider of `ProviderConfig`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.errors import BadParameter
from local.resolve import Resolver
from local.settings import PARAMETERS, STACK_NAME

SECRET_PREFIX = "SECRET_"
# A value goes on to the next `Name=`, so that JSON needs no quotation marks around it.
ASSIGNMENT = re.compile(r"(?:^|\s)([A-Za-z][A-Za-z0-9_]*)=")
FIXED = {name: PARAMETERS[name] for name in ("Stage", "TestHooks")}


@dataclass(frozen=True)
class Choices:
    """Parameters of the template by name, and the text of secrets by their name in AWS."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def apply(self, secretsmanager: Any) -> dict[str, str]:
        """Store the secrets; returns the parameters to deploy with."""
        arns = {name: _put_secret(secretsmanager, name, text) for name, text in self.items()}
        stripe = arns.get(secret_name("STRIPE"))
        return ({"StripeSecretArn": stripe} if stripe else {}) | dict(self.parameters)

    def items(self) -> list[tuple[str, str]]:
        return sorted(self.secrets.items())


def read_choices(text: str, env_file: Path | None) -> Choices:
    """Both sources together; what stands in ``text`` counts more.

    Raises:
        BadParameter: a line or a word that is no assignment, or a fixed parameter.
    """
    lines = env_file.read_text(encoding="utf-8").splitlines() if env_file else []
    assigned = {name: value for line in lines for name, value in _of_line(line, env_file)}
    assigned |= dict(_of_text(text))
    for name in FIXED.keys() & assigned.keys():
        raise BadParameter(f"{name} is always {FIXED[name]} in the local cloud.")
    return Choices(
        parameters={n: v for n, v in assigned.items() if not n.startswith(SECRET_PREFIX)},
        secrets={
            secret_name(name.removeprefix(SECRET_PREFIX)): value
            for name, value in assigned.items()
            if name.startswith(SECRET_PREFIX)
        },
    )


def secret_name(name: str) -> str:
    """The name in AWS of `SECRET_<name>`; of a provider's, the one that the template expects."""
    if name == "STRIPE":
        return f"{STACK_NAME}/stripe"
    return f"{STACK_NAME}/providers/{name.lower().replace('_', '-')}"


def check(choices: Choices, template: Mapping[str, Any]) -> None:
    """Refuse what the template does not take, as CloudFormation would.

    Raises:
        BadParameter: an unknown name, a value that is not allowed, a rule that is broken.
    """
    known = template["Parameters"]
    for name, value in choices.parameters.items():
        if name not in known:
            raise BadParameter(f"{name} is no parameter of template.yaml: {', '.join(known)}.")
        allowed = [str(each) for each in known[name].get("AllowedValues", [value])]
        if value not in allowed:
            raise BadParameter(f"{name} is one of {', '.join(allowed)}, not {value!r}.")
        if re.fullmatch(known[name].get("AllowedPattern", ".*"), value, re.DOTALL) is None:
            reason = known[name].get("ConstraintDescription", "has another pattern")
            raise BadParameter(f"{name} {reason}")
    defaults = {name: str(definition["Default"]) for name, definition in known.items()}
    stripe = {"StripeSecretArn": "stored"} if secret_name("STRIPE") in choices.secrets else {}
    values = {**defaults, **PARAMETERS, **stripe, **choices.parameters}
    resolver = Resolver(
        stack_name=STACK_NAME,
        parameters=values,
        physical_ids={},
        conditions=template["Conditions"],
    )
    for rule in template.get("Rules", {}).values():
        if "RuleCondition" in rule and not resolver.holds(rule["RuleCondition"]):
            continue
        for assertion in rule["Assertions"]:
            if not resolver.holds(assertion["Assert"]):
                raise BadParameter(assertion["AssertDescription"])


def _of_line(line: str, env_file: Path | None) -> list[tuple[str, str]]:
    stripped = line.strip().removeprefix("export ")
    if not stripped or stripped.startswith("#"):
        return []
    name, equals, value = stripped.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name):
        raise BadParameter(f"{env_file}: this line is no NAME=value: {line}")
    return [(name, _unquoted(value.strip()))]


def _of_text(text: str) -> list[tuple[str, str]]:
    found = list(ASSIGNMENT.finditer(text))
    start = found[0].start() if found else len(text)
    if text[:start].strip():
        raise BadParameter(f"PARAMS is a list of Name=value, not {text[:start].strip()!r}.")
    if not found:
        return []
    ends = [*(match.start() for match in found[1:]), len(text)]
    return [
        (match[1], _unquoted(text[match.end() : end].strip()))
        for match, end in zip(found, ends, strict=True)
    ]


def _unquoted(value: str) -> str:
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if is_quoted else value


def _put_secret(secretsmanager: Any, name: str, text: str) -> str:
    try:
        arn: str = secretsmanager.create_secret(Name=name, SecretString=text)["ARN"]
    except secretsmanager.exceptions.ResourceExistsException:
        arn = secretsmanager.put_secret_value(SecretId=name, SecretString=text)["ARN"]
    return arn
