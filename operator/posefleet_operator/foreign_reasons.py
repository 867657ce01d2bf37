"""Reasons that other components give, such as the kubelet and the scheduler, and that the registry need not know."""

import re
from typing import Final

from posefleet_operator.reasons import REGISTRY, Reason

_MAX_LENGTH: Final = 128
_CAMEL_CASE: Final = re.compile("[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
#: The kubelet appends the name of a resource to this when a node turns out to have too little of it.
_OUT_OF: Final = "OutOf"


def reason_named(name: str) -> Reason:
    """Return the registered reason of that name, or one for a word that the cluster has made up."""
    return REGISTRY.get(name) or Reason(camel_case(name), "", severity="Warning")


def camel_case(word: str) -> str:
    """Return ``word`` as a reason that a condition and an event may have: one CamelCase word of 128 characters.

    A word that is one already is not changed. ``OutOfnvidia.com/gpu`` becomes ``OutOfGpu``, ``shut down`` becomes
    ``ShutDown``, and a word without a Latin letter becomes ``Unknown``. No registered reason is ever returned for
    another word.
    """
    if len(word) <= _MAX_LENGTH and _CAMEL_CASE.fullmatch(word):
        return word
    if word.startswith(_OUT_OF) and "/" in word:
        word = f"{_OUT_OF} {word.rpartition('/')[2]}"
    parts = re.findall("[A-Za-z0-9]+", word)
    joined = "".join(part[0].upper() + part[1:] for part in parts).lstrip("0123456789")[:_MAX_LENGTH]
    return joined if joined not in REGISTRY and joined else f"Unknown{joined}"[:_MAX_LENGTH]
