"""Kubernetes objects as the plain dictionaries that the API server sends: names, times, quantities."""

import math
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Any

Manifest = dict[str, Any]
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"n": "1e-9", "u": "1e-6", "m": "1e-3", "k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12", "P": "1e15"}


def name_of(manifest: Manifest) -> str:
    """Return the object's name."""
    return str(manifest["metadata"]["name"])


def namespace_of(manifest: Manifest) -> str:
    """Return the object's namespace."""
    return str(manifest["metadata"]["namespace"])


def uid_of(manifest: Manifest) -> str:
    """Return the object's uid."""
    return str(manifest["metadata"]["uid"])


def key_of(manifest: Manifest) -> str:
    """Return ``namespace/name``."""
    return f"{namespace_of(manifest)}/{name_of(manifest)}"


def timestamp(moment: datetime) -> str:
    """Format a moment as Kubernetes does: in UTC, with whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(moment: datetime) -> str:
    """Format a moment as Kubernetes' MicroTime, with microseconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_timestamp(text: str) -> datetime:
    """Parse the output of ``timestamp`` or ``micro_timestamp``."""
    return datetime.fromisoformat(text)


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


def parse_quantity(text: str) -> Decimal:
    """Parse a quantity such as ``500m`` or ``64Gi`` into its base unit, cores or bytes. Raises ValueError."""
    for suffix, factor in _BINARY.items():
        if text.endswith(suffix):
            return Decimal(text.removesuffix(suffix)) * factor
    if text and text[-1] in _DECIMAL:
        return Decimal(text[:-1]) * Decimal(_DECIMAL[text[-1]])
    try:
        return Decimal(text)
    except ArithmeticError:
        raise ValueError(f"{text!r} is not a Kubernetes quantity") from None


def in_units_of(text: str, divisor: str) -> int:
    """Return a quantity in units of ``divisor``, rounded up as the downward API does."""
    unit = parse_quantity(divisor) or Decimal(1)
    return int((parse_quantity(text) / unit).to_integral_value(ROUND_CEILING))


def to_bytes(text: str) -> int:
    """Return a memory quantity in bytes, rounded up."""
    return math.ceil(parse_quantity(text))
