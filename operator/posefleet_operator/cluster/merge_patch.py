"""JSON merge patches (RFC 7386): the smallest change of an object, which spares what this version does not know."""

from collections.abc import Mapping, Sequence
from typing import Any

#: The fields by which the items of a list are told apart, as in the list-maps of the CRD.
_KEYS = ("type", "number")


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merge patch that turns ``old`` into ``new``. Neither may contain None, which means removal.

    Lists are replaced as a whole, because a merge patch cannot change a part of one.
    """
    patch: dict[str, Any] = dict.fromkeys(old.keys() - new.keys())
    for name, value in new.items():
        before = old.get(name)
        if name in old and _same(before, value):
            continue
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            patch[name] = difference(before, value)
        else:
            patch[name] = value
    return patch


def patched(target: Any, patch: Any) -> Any:
    """Return ``target`` after a merge patch, as RFC 7386 defines it."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = patched(result.get(name), value)
    return result


def carried_over(stored: Any, known: Any, new: Any) -> Any:
    """Return ``new`` together with what ``stored`` has beyond ``known``.

    Args:
        stored: the part of an object as the API server has it, perhaps with fields of a newer version.
        known: the same as this version has read and would write it.
        new: what this version wants in its place.
    """
    if isinstance(stored, Mapping) and isinstance(known, Mapping) and isinstance(new, Mapping):
        unknown = {name: value for name, value in stored.items() if name not in known and name not in new}
        return unknown | {name: carried_over(stored.get(name), known.get(name), value) for name, value in new.items()}
    if isinstance(new, list) and (key := _key_of(new)):
        before, read = _by_key(stored, key), _by_key(known, key)
        return [carried_over(before.get(item[key]), read.get(item[key]), item) for item in new]
    return new


def _same(old: Any, new: Any) -> bool:
    """Return whether two values are equal in JSON, in which True is not 1."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(_same(old[name], new[name]) for name in old)
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same, old, new))
    return bool(old == new) and isinstance(old, bool) == isinstance(new, bool)


def _key_of(items: Sequence[Any]) -> str:
    return next((key for key in _KEYS if items and all(isinstance(i, Mapping) and key in i for i in items)), "")


def _by_key(items: Any, key: str) -> dict[Any, Any]:
    return {i[key]: i for i in items if isinstance(i, Mapping) and key in i} if isinstance(items, list) else {}
