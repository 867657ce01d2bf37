"""Paths and names in text, for containers that run without a mount namespace.

Where no namespace is to be had, a container sees the host's files under the host's names. What it
was told to find at ``/etc/posefleet`` or at ``<pod>.<service>`` is replaced in its command and
environment by where that really is.
"""

import re
from collections.abc import Mapping

_END_OF_NAME = r"(?![A-Za-z0-9_.-])"


def translate(text: str, paths: Mapping[str, str], names: Mapping[str, str]) -> str:
    """Replace whole paths (and what lies below them) and whole host names in a text."""
    if paths:
        text = _replace(text, paths, r"(?<![A-Za-z0-9_./-])(?:{})" + r"(?=$|[/:,;\s\"'])")
    if names:
        text = _replace(text, names, r"(?<![A-Za-z0-9_.-])(?:{})" + _END_OF_NAME)
    return text


def names_of_service(text: str, service: str, namespace: str) -> set[str]:
    """Return the names in a text that a Service gives, or will give, to pods in ``namespace``."""
    suffix = rf"{re.escape(service)}(?:\.{re.escape(namespace)}(?:\.svc(?:\.cluster\.local)?)?)?"
    return set(re.findall(rf"(?<![A-Za-z0-9_.-])[a-z0-9][a-z0-9-]*\.{suffix}{_END_OF_NAME}", text))


def _replace(text: str, table: Mapping[str, str], pattern: str) -> str:
    longest_first = sorted(table, key=len, reverse=True)
    expression = pattern.format("|".join(re.escape(key) for key in longest_first))
    return re.sub(expression, lambda match: table[match[0]], text)
