"""Resolves the CloudFormation intrinsics of a deployed template to plain values.

Only those that the template's API uses; anything else is an error rather than a guess.
"""

import re
from collections.abc import Mapping
from typing import Any

from local.settings import ACCOUNT, REGION

PSEUDO_PARAMETERS = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}
PLACEHOLDER = re.compile(r"\$\{([A-Za-z0-9:]+)\}")


class Resolver:
    """Values of one stack: its parameters, its resources' physical ids, its conditions."""

    def __init__(
        self,
        *,
        stack_name: str,
        parameters: Mapping[str, str],
        physical_ids: Mapping[str, str],
        conditions: Mapping[str, Any],
    ) -> None:
        self.references = {
            **PSEUDO_PARAMETERS,
            "AWS::StackName": stack_name,
            **parameters,
            **physical_ids,
        }
        self.conditions = conditions

    def resolve(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            name, argument = next(iter(value.items()))
            if name == "Ref" or name.startswith("Fn::"):
                return self._intrinsic(name, argument)
        return {key: self.resolve(item) for key, item in value.items()}

    def holds(self, condition: Any) -> bool:
        """Whether a condition, named or written out, is true."""
        if isinstance(condition, str):
            return self.holds(self.conditions[condition])
        name, argument = next(iter(condition.items()))
        match name:
            case "Condition":
                return self.holds(argument)
            case "Fn::Equals":
                left, right = self.resolve(argument)
                return bool(left == right)
            case "Fn::Not":
                return not self.holds(argument[0])
            case "Fn::And":
                return all(self.holds(part) for part in argument)
            case "Fn::Or":
                return any(self.holds(part) for part in argument)
        raise NotImplementedError(f"condition {name}")

    def _intrinsic(self, name: str, argument: Any) -> Any:
        match name:
            case "Ref":
                return self.references[argument]
            case "Fn::Sub" if isinstance(argument, str):
                return PLACEHOLDER.sub(lambda found: self.references[found[1]], argument)
            case "Fn::If":
                condition, then, otherwise = argument
                return self.resolve(then if self.holds(condition) else otherwise)
            case "Fn::Split":
                separator, text = argument
                return self.resolve(text).split(separator)
        raise NotImplementedError(f"intrinsic {name}")
