"""Patterns of files inside the project folder, such as ``videos/*.mp4``."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from posefleet_api.job import Spec
from posefleet_trainer.dataset.formats.labels import LabelRow, LabelTable
from posefleet_trainer.dataset.formats.lightning_pose import parse_labels
from posefleet_trainer.dataset.prepared import SourceFile
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import Store, StoredObject


def matches(path: str, pattern: str) -> bool:
    """Whether ``pattern`` covers ``path``. ``*`` stays within one folder, ``**`` covers any number of folders."""
    return _segments_match(path.split("/"), pattern.split("/"))


def _segments_match(path: Sequence[str], pattern: Sequence[str]) -> bool:
    # One column of the table "does this tail of the pattern match that tail of the path", from the pattern's end.
    tail = [False] * len(path) + [True]
    for segment in reversed(pattern):
        longer = [False] * (len(path) + 1)
        longer[-1] = segment == "**" and tail[-1]
        for place in range(len(path) - 1, -1, -1):
            if segment == "**":
                longer[place] = tail[place] or longer[place + 1]
            else:
                longer[place] = tail[place + 1] and fnmatchcase(path[place], segment)
        tail = longer
    return tail[0]


def select(paths: Iterable[str], patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """The paths that any pattern covers, sorted, and the patterns that cover none."""
    known = sorted(paths)
    found = {pattern: [path for path in known if matches(path, pattern)] for pattern in patterns}
    selected = sorted({path for covered in found.values() for path in covered})
    return selected, [pattern for pattern in patterns if not found[pattern]]


#: More is no project folder but a whole archive.
MAX_FILES = 1_000_000
_SHOWN = 5


@dataclass(frozen=True)
class Project:
    """What a job's data set consists of; read from listings and labels files alone."""

    uri: str
    labels: LabelTable
    out_of_distribution: LabelTable | None
    """The labels file with ``_new`` in its name, if there is one."""
    labels_files: tuple[SourceFile, ...]
    frames: dict[str, SourceFile]
    """The picture of every row that has a label."""
    clip_videos: tuple[SourceFile, ...]
    predict_videos: tuple[SourceFile, ...]
    warnings: tuple[str, ...]

    @property
    def tables(self) -> tuple[LabelTable, ...]:
        """The labels files, the in-distribution one first."""
        return (self.labels,) if self.out_of_distribution is None else (self.labels, self.out_of_distribution)


def read_project(store: Store, spec: Spec) -> Project:
    """List the folder, read its labels files, find its videos.

    Raises:
        InvalidInput: no folder, no or wrong labels, frames without a file or in both labels files, no videos for an
            unsupervised loss.
        StoreUnreachable: the store did not answer.
    """
    files = _listing(store)
    labels = _labels(store, files, spec.dataset.labels)
    shifted = _new_name(spec.dataset.labels)
    new = _labels(store, files, shifted) if shifted in files else None
    if new is not None and new.keypoints != labels.keypoints:
        raise InvalidInput(
            f"{store.uri}{new.name} has other keypoints than {labels.name}; both need the same, in the same order"
        )
    if new is not None:
        _check_apart(labels, new)
    tables = [labels] if new is None else [labels, new]
    clips, predicted, warnings = _videos(store, files, spec)
    return Project(
        uri=store.uri,
        labels=labels,
        out_of_distribution=new,
        labels_files=tuple(_source(files[table.name]) for table in tables),
        frames={path: source for table in tables for path, source in _frames(store, files, table).items()},
        clip_videos=clips,
        predict_videos=predicted,
        warnings=warnings,
    )


def wants_clips(spec: Spec) -> bool:
    """Whether an unsupervised loss is on, which reads unlabelled video."""
    losses = spec.losses
    chosen = (losses.temporal, losses.pca_single_view, losses.pca_multi_view, losses.unimodal)
    return any(loss is not None for loss in chosen)


def is_labelled(row: LabelRow) -> bool:
    """Whether the row has a point at all."""
    return any(point is not None for point in row.points)


def _listing(store: Store) -> dict[str, StoredObject]:
    files: dict[str, StoredObject] = {}
    for stored in store.list():
        files[stored.key] = stored
        if len(files) > MAX_FILES:
            raise InvalidInput(f"{store.uri} has more than {MAX_FILES:,} files; name the project folder itself")
    if not files:
        raise InvalidInput(f"{store.uri} has no files; upload the project there or correct dataset.uri")
    return files


def _labels(store: Store, files: dict[str, StoredObject], name: str) -> LabelTable:
    if name not in files:
        tables = [key for key in files if key.endswith(".csv") and "/" not in key]
        hint = f"; the folder has {', '.join(sorted(tables)[:_SHOWN])}" if tables else ""
        raise InvalidInput(f"{store.uri}{name} does not exist{hint}; upload it or correct dataset.labels")
    return parse_labels(store.read(name), name)


def _check_apart(labels: LabelTable, new: LabelTable) -> None:
    """A frame that trains tells nothing of frames that are unlike those of training."""
    training = {row.path for row in labels.rows if is_labelled(row)}
    both = [row for row in new.rows if is_labelled(row) and row.path in training]
    if both:
        rest = f" (and {len(both) - 1} more rows)" if len(both) > 1 else ""
        raise InvalidInput(
            f"{new.name} row {both[0].line}: {both[0].path} is labelled in {labels.name} too{rest}, so that it would "
            "train and count as out-of-distribution; remove it from one of the two files"
        )


def _new_name(name: str) -> str:
    """``CollectedData.csv`` to ``CollectedData_new.csv``."""
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}_new{path.suffix}"))


def _frames(store: Store, files: dict[str, StoredObject], table: LabelTable) -> dict[str, SourceFile]:
    labelled = [row for row in table.rows if is_labelled(row)]
    missing = [row for row in labelled if row.path not in files]
    if missing:
        row = missing[0]
        rest = f" (and {len(missing) - 1} more rows)" if len(missing) > 1 else ""
        raise InvalidInput(
            f"{table.name} row {row.line}: {row.path} does not exist in {store.uri}{rest}; upload it or remove the row"
        )
    return {row.path: _source(files[row.path]) for row in labelled}


def _videos(
    store: Store, files: dict[str, StoredObject], spec: Spec
) -> tuple[tuple[SourceFile, ...], tuple[SourceFile, ...], tuple[str, ...]]:
    clips, unmatched = select(files, spec.dataset.videos if wants_clips(spec) else [])
    predicted, unmatched_predicted = select(files, spec.predict.videos)
    if wants_clips(spec) and not clips:
        raise InvalidInput(
            f"no file in {store.uri} matches dataset.videos ({', '.join(spec.dataset.videos) or 'empty'}), and the "
            "unsupervised losses need videos; upload some, correct dataset.videos, or write losses: {}"
        )
    missing = [("dataset.videos", pattern) for pattern in unmatched]
    missing += [("predict.videos", pattern) for pattern in unmatched_predicted]
    warnings = tuple(f"{field}: no file in {store.uri} matches {pattern}" for field, pattern in missing)
    return tuple(_source(files[key]) for key in clips), tuple(_source(files[key]) for key in predicted), warnings


def _source(stored: StoredObject) -> SourceFile:
    return SourceFile(path=stored.key, size_bytes=stored.size_bytes, etag=stored.etag)
