"""The label formats that the trainer reads, and the function that picks the reader of a labels file.

The rest of the trainer knows labels only as a ``LabelTable`` (see ``labels.py``). To add a format:

1. Write a module in this folder with a function that takes the bytes of a labels file and its path inside the project
   folder, and returns a ``LabelTable``. It raises ``InvalidInput`` with the file, the place in it and the remedy for
   anything that it cannot read. If it needs a library that takes long to import, it imports it inside that function:
   every job imports this package.
2. Add a ``LabelFormat`` for it to ``FORMATS``. Formats that share a suffix also need ``recognises``, which tells them
   apart by the content of the file.
3. Add ``tests/unit/trainer/dataset/formats/test_<module>.py``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from posefleet_trainer.dataset.formats.labels import LabelTable
from posefleet_trainer.dataset.formats.lightning_pose import parse_lightning_pose


def _any_content(content: bytes) -> bool:
    return True


@dataclass(frozen=True)
class LabelFormat:
    """A label format and its reader."""

    suffixes: tuple[str, ...]
    """Endings of the names of its files, such as ``.csv``."""
    read: Callable[[bytes, str], LabelTable]
    """Takes the content of a labels file and its path inside the project folder."""
    recognises: Callable[[bytes], bool] = _any_content
    """Whether the content of a file with one of the suffixes has this format."""


#: The formats in the order in which they are tried. The first one also reads files that no format recognises, so that
#: its error messages explain what a labels file must contain.
FORMATS: tuple[LabelFormat, ...] = (LabelFormat((".csv",), parse_lightning_pose),)


def read_labels(content: bytes, name: str, formats: Sequence[LabelFormat] = FORMATS) -> LabelTable:
    """Return the labels in ``content``, the bytes of the file ``name`` of a project folder, whatever its format.

    Raises:
        InvalidInput: the file is not a valid labels file; the message names the file, the place and the remedy.
    """
    for label_format in formats:
        if name.endswith(label_format.suffixes) and label_format.recognises(content):
            return label_format.read(content, name)
    return formats[0].read(content, name)


def may_be_labels(name: str) -> bool:
    """Return whether a file with this name may be a labels file, judging by its suffix alone."""
    return any(name.endswith(label_format.suffixes) for label_format in FORMATS)
