"""Keypoints in a manifest: by name, or by number from 0."""

from collections.abc import Sequence

from posefleet_trainer.errors import InvalidInput


def resolve(references: Sequence[str | int], names: Sequence[str], where: str = "the manifest") -> list[int]:
    """The numbers of the keypoints that ``references`` name.

    Raises:
        InvalidInput: no such keypoint; ``where`` says which field has it.
    """
    return [_number(reference, names, where) for reference in references]


def _number(reference: str | int, names: Sequence[str], where: str) -> int:
    if isinstance(reference, int):
        if reference < len(names):
            return reference
        raise InvalidInput(f"{where} names keypoint {reference}; the labels have numbers 0 to {len(names) - 1}")
    if reference in names:
        return names.index(reference)
    raise InvalidInput(f"{where} names keypoint {reference!r}; the labels have {', '.join(names)}")
