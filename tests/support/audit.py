"""The API server's own record of who asked it for what, and what it refused."""

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

AUDIT_LOG = "audit.log"

#: All that programs with an account of their own ask for, but for Kubernetes' own and the administrator.
_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:masters", "system:nodes", "system:serviceaccounts:kube-system"]},
        {"level": "None", "users": ["system:kube-scheduler", "system:kube-controller-manager"]},
        {"level": "Metadata"},
    ],
}


@dataclass(frozen=True)
class Right:
    """One verb on one resource, as a rule of a Role grants it."""

    verb: str
    resource: str
    group: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}{'.' if self.group else ''}{self.group}"


@dataclass(frozen=True)
class Request:
    """A request to the API server."""

    right: Right
    path: str
    code: int
    allowed: bool


def audit_options(directory: Path) -> list[str]:
    """Options with which an API server keeps ``AUDIT_LOG`` in a directory, one line a request, as it answers."""
    policy = directory / "audit-policy.yaml"
    policy.write_text(yaml.safe_dump(_POLICY))
    return [f"--audit-policy-file={policy}", f"--audit-log-path={directory / AUDIT_LOG}"]


def requests_of(account: str, log: Path) -> list[Request]:
    """What a user, such as ``system:serviceaccount:NAMESPACE:NAME``, asked for."""
    with log.open() as lines:
        entries = [json.loads(line) for line in lines if account in line]
    return [_request(entry) for entry in entries if entry["user"]["username"] == account]


def granted(rules: list[dict[str, list[str]]]) -> set[Right]:
    """Each right of the rules of a Role."""
    return {
        Right(verb, resource, group)
        for rule in rules
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for group in rule["apiGroups"]
    }


def _request(entry: dict) -> Request:
    place = entry.get("objectRef", {})
    resource = "/".join(filter(None, (place.get("resource"), place.get("subresource"))))
    return Request(
        right=Right(entry["verb"], resource, place.get("apiGroup", "")),
        path=entry["requestURI"],
        code=entry.get("responseStatus", {}).get("code", 0),
        allowed=entry.get("annotations", {}).get("authorization.k8s.io/decision") == "allow",
    )
