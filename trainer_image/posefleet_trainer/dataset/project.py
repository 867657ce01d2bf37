"""Reading a project folder: its labels, the pictures of its labelled frames, and the videos that a manifest selects.

A project is read from a listing of the folder and from its labels files alone; no picture or video is downloaded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from posefleet_api.job import Spec
from posefleet_trainer.dataset.formats import may_be_labels, read_labels
from posefleet_trainer.dataset.formats.labels import LabelTable
from posefleet_trainer.dataset.prepared import SourceFile
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import Store, StoredObject

#: A folder with more files than this is not one project; most likely the URI names a whole bucket.
MAX_FILES = 1_000_000
_SHOWN_NAMES = 5

Listing = dict[str, StoredObject]
"""The files of the project folder by their paths inside it."""


@dataclass(frozen=True)
class Project:
    """The data set that a manifest selects from a project folder."""

    uri: str
    labels: LabelTable
    out_of_distribution: LabelTable | None
    """The labels file with ``_new`` in its name, if there is one."""
    labels_files: tuple[SourceFile, ...]
    frames: dict[str, SourceFile]
    """The picture of every row that has a label, by its path."""
    clip_videos: tuple[SourceFile, ...]
    """The videos of ``dataset.videos``; empty if no unsupervised loss is on."""
    predict_videos: tuple[SourceFile, ...]
    warnings: tuple[str, ...]
    """One sentence for each pattern that matches no file."""

    @property
    def tables(self) -> tuple[LabelTable, ...]:
        """The labels files, the in-distribution one first."""
        return (self.labels,) if self.out_of_distribution is None else (self.labels, self.out_of_distribution)


def read_project(store: Store, spec: Spec) -> Project:
    """List the project folder ``store``, read its labels files, and find its pictures and videos.

    Raises:
        InvalidInput: the folder is empty, the labels file is missing or wrong, the picture of a labelled frame does
            not exist, a frame is labelled in both labels files, or an unsupervised loss is on and there is no video.
        StoreUnreachable: the store did not answer.
    """
    files = _list_files(store)
    labels = _read_table(store, files, spec.dataset.labels)
    new_name = _new_name(spec.dataset.labels)
    new = _read_table(store, files, new_name) if new_name in files else None
    if new is not None:
        _check_keypoints_equal(store, labels, new)
        _check_no_frame_in_both(labels, new)
    tables = [labels] if new is None else [labels, new]
    clips, predicted, warnings = _select_videos(store, files, spec)
    return Project(
        uri=store.uri,
        labels=labels,
        out_of_distribution=new,
        labels_files=tuple(_source(files[table.name]) for table in tables),
        frames={path: source for table in tables for path, source in _pictures(store, files, table).items()},
        clip_videos=clips,
        predict_videos=predicted,
        warnings=warnings,
    )


def wants_clips(spec: Spec) -> bool:
    """Return whether an unsupervised loss is on, so that training reads clips of unlabelled video."""
    return bool(spec.losses.on)


def select_paths(paths: Iterable[str], patterns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the paths that match any of the patterns, sorted, and the patterns that match no path."""
    known = sorted(paths)
    found = {pattern: [path for path in known if matches(path, pattern)] for pattern in patterns}
    selected = sorted({path for matching in found.values() for path in matching})
    return selected, [pattern for pattern in patterns if not found[pattern]]


def matches(path: str, pattern: str) -> bool:
    """Return whether ``path`` matches ``pattern``, such as ``videos/*.mp4``.

    ``*`` matches within one folder and ``**`` any number of folders. The time is proportional to the product of the
    numbers of folders, whatever the pattern: patterns come from manifests, and none may keep the process busy.
    """
    folders, segments = path.split("/"), pattern.split("/")
    # matched[i]: whether the segments that have been looked at, the last ones, match folders[i:].
    matched = [False] * len(folders) + [True]
    for segment in reversed(segments):
        longer = [False] * (len(folders) + 1)
        longer[-1] = segment == "**" and matched[-1]
        for place in range(len(folders) - 1, -1, -1):
            if segment == "**":
                longer[place] = matched[place] or longer[place + 1]
            else:
                longer[place] = matched[place + 1] and fnmatchcase(folders[place], segment)
        matched = longer
    return matched[0]


def _list_files(store: Store) -> Listing:
    files: Listing = {}
    for stored in store.list():
        files[stored.key] = stored
        if len(files) > MAX_FILES:
            raise InvalidInput(f"{store.uri} has more than {MAX_FILES:,} files; name the project folder itself")
    if not files:
        raise InvalidInput(f"{store.uri} has no files; upload the project there or correct dataset.uri")
    return files


def _read_table(store: Store, files: Listing, name: str) -> LabelTable:
    if name not in files:
        candidates = sorted(key for key in files if may_be_labels(key) and "/" not in key)
        hint = f"; the folder has {', '.join(candidates[:_SHOWN_NAMES])}" if candidates else ""
        raise InvalidInput(f"{store.uri}{name} does not exist{hint}; upload it or correct dataset.labels")
    return read_labels(store.read(name), name)


def _new_name(name: str) -> str:
    """Return the name of the out-of-distribution labels: ``CollectedData.csv`` gives ``CollectedData_new.csv``."""
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}_new{path.suffix}"))


def _check_keypoints_equal(store: Store, labels: LabelTable, new: LabelTable) -> None:
    if new.keypoints != labels.keypoints:
        raise InvalidInput(
            f"{store.uri}{new.name} has other keypoints than {labels.name}; both need the same, in the same order"
        )


def _check_no_frame_in_both(labels: LabelTable, new: LabelTable) -> None:
    """Raise if a frame is labelled in both files: its error would not be one of a frame unlike the training frames."""
    training = {row.path for row in labels.rows if row.is_labelled}
    both = [row for row in new.rows if row.is_labelled and row.path in training]
    if both:
        raise InvalidInput(
            f"{new.name} row {both[0].line}: {both[0].path} is labelled in {labels.name} too{_more_rows(len(both))}, "
            "so that it would train and count as out-of-distribution; remove it from one of the two files"
        )


def _pictures(store: Store, files: Listing, table: LabelTable) -> dict[str, SourceFile]:
    """Return the picture of every labelled row by its path."""
    labelled = [row for row in table.rows if row.is_labelled]
    missing = [row for row in labelled if row.path not in files]
    if missing:
        row = missing[0]
        raise InvalidInput(
            f"{table.name} row {row.line}: {row.path} does not exist in {store.uri}{_more_rows(len(missing))}; "
            "upload it or remove the row"
        )
    return {row.path: _source(files[row.path]) for row in labelled}


def _more_rows(count: int) -> str:
    return f" (and {count - 1} more rows)" if count > 1 else ""


def _select_videos(
    store: Store, files: Listing, spec: Spec
) -> tuple[tuple[SourceFile, ...], tuple[SourceFile, ...], tuple[str, ...]]:
    """Return the videos for clips, the videos to predict, and a warning for each pattern that matches no file."""
    needs_clips = wants_clips(spec)
    clips, unmatched = select_paths(files, spec.dataset.videos if needs_clips else [])
    predicted, unmatched_predicted = select_paths(files, spec.predict.videos)
    if needs_clips and not clips:
        raise InvalidInput(
            f"no file in {store.uri} matches dataset.videos ({', '.join(spec.dataset.videos) or 'empty'}), and the "
            "unsupervised losses need videos; upload some, correct dataset.videos, or set the weight of "
            "losses.temporal and losses.pcaSingleView to 0"
        )
    missing = [("dataset.videos", pattern) for pattern in unmatched]
    missing += [("predict.videos", pattern) for pattern in unmatched_predicted]
    warnings = tuple(f"{field}: no file in {store.uri} matches {pattern}" for field, pattern in missing)
    return tuple(_source(files[key]) for key in clips), tuple(_source(files[key]) for key in predicted), warnings


def _source(stored: StoredObject) -> SourceFile:
    return SourceFile(path=stored.key, size_bytes=stored.size_bytes, etag=stored.etag)
