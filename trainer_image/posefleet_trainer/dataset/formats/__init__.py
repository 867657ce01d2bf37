"""The formats of projects that the trainer reads, and the choice of the reader of a folder.

The rest of the trainer knows a project's labels only as ``ProjectLabels`` (see ``labels.py``). To add a format:

1. Write a module in this folder with a function that judges by the listing of a folder whether it has the format, and
   one that takes the folder, its listing and ``spec.dataset`` and returns ``ProjectLabels``. It raises
   ``InvalidInput`` with the file, the place in it and the remedy for anything that it cannot read. If it needs a
   library that takes long to import, it imports it inside that function: every job imports this package.
2. Add a ``ProjectFormat`` for it to ``FORMATS``, and its name to ``FormatName`` in ``posefleet_api/dataset.py``.
3. Add ``tests/unit/trainer/dataset/formats/test_<module>.py``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from posefleet_api.dataset import Dataset, FormatName
from posefleet_trainer.dataset.formats.deeplabcut import is_deeplabcut, read_deeplabcut
from posefleet_trainer.dataset.formats.labels import Listing, ProjectLabels
from posefleet_trainer.dataset.formats.lightning_pose import is_lightning_pose, read_lightning_pose
from posefleet_trainer.store.base import Store


@dataclass(frozen=True)
class ProjectFormat:
    """A format of projects and its reader."""

    name: FormatName
    recognises: Callable[[Listing, Dataset], bool]
    """Whether a folder with these files has this format. It looks at the names alone."""
    read: Callable[[Store, Listing, Dataset], ProjectLabels]


#: The formats in the order in which they are tried. The first one also reads folders that no format recognises, so
#: that its messages say what is missing.
FORMATS: tuple[ProjectFormat, ...] = (
    ProjectFormat("lightningPose", is_lightning_pose, read_lightning_pose),
    ProjectFormat("deepLabCut", is_deeplabcut, read_deeplabcut),
)


def read_labels(
    store: Store, files: Listing, dataset: Dataset, formats: Sequence[ProjectFormat] = FORMATS
) -> ProjectLabels:
    """Return the labels of the project folder ``store``, which has ``files``.

    ``dataset.format`` names the reader; with ``auto`` it is the first that recognises the folder.

    Raises:
        InvalidInput: the project cannot be read; the message names the file, the place in it and the remedy.
    """
    chosen = formats[0]
    for candidate in reversed(formats):
        if candidate.name == dataset.format or (dataset.format == "auto" and candidate.recognises(files, dataset)):
            chosen = candidate
    return chosen.read(store, files, dataset)
