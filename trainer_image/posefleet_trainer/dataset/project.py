"""Reading a project folder: its labels, the pictures of its labelled frames, and the videos that a manifest selects.

A project is read from a listing of the folder and from its labels files alone; no picture or video is downloaded.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations

from posefleet_api.dataset import Dataset
from posefleet_api.job import Spec
from posefleet_api.training import Predict
from posefleet_trainer.dataset.formats import read_labels
from posefleet_trainer.dataset.formats.labels import LabelTable, Listing, ProjectLabels
from posefleet_trainer.dataset.prepared import SourceFile
from posefleet_trainer.dataset.video_names import check_video_names
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.store.base import Store, StoredObject

#: A folder with more files than this is not one project; most likely the URI names a whole bucket.
MAX_FILES = 1_000_000


@dataclass(frozen=True)
class Project:
    """The data set that a manifest selects from a project folder."""

    uri: str
    labels: ProjectLabels
    labels_files: tuple[SourceFile, ...]
    """Every file that the labels were read from."""
    frames: dict[str, SourceFile]
    """The picture of every row that has a label, by its path."""
    clip_videos: tuple[SourceFile, ...]
    """The videos of ``dataset.videos``; empty if no unsupervised loss is on."""
    predict_videos: tuple[SourceFile, ...]
    warnings: tuple[str, ...]
    """One sentence for each thing that is left out, and for each pattern that matches no file."""


def read_project(store: Store, spec: Spec) -> Project:
    """List the project folder ``store``, read its labels, and find its pictures and videos.

    Raises:
        InvalidInput: the folder is empty, its labels are missing or wrong, the picture of a labelled frame does not
            exist, a frame is labelled for two purposes, two videos to predict would have results of one name, or an
            unsupervised loss is on and there is no video.
        StoreUnreachable: the store did not answer.
    """
    files = _list_files(store)
    labels = read_labels(store, files, spec.dataset)
    for one, other in combinations(labels.tables.values(), 2):
        _check_no_frame_in_both(one, other)
    clips, predicted, warnings = _select_videos(store, files, spec, labels)
    pictures = [_pictures(store, files, table) for table in labels.tables.values()]
    of_tables = [warning for table in labels.tables.values() for warning in table.warnings]
    return Project(
        uri=store.uri,
        labels=labels,
        labels_files=tuple(_source(files[name]) for name in labels.files),
        frames={path: source for of_table in pictures for path, source in of_table.items()},
        clip_videos=clips,
        predict_videos=predicted,
        warnings=(*of_tables, *labels.warnings, *warnings),
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
    files: dict[str, StoredObject] = {}
    for stored in store.list():
        files[stored.key] = stored
        if len(files) > MAX_FILES:
            raise InvalidInput(f"{store.uri} has more than {MAX_FILES:,} files; name the project folder itself")
    if not files:
        raise InvalidInput(f"{store.uri} has no files; upload the project there or correct dataset.uri")
    return files


def _check_no_frame_in_both(one: LabelTable, other: LabelTable) -> None:
    """Raise if a frame is labelled in both tables: the errors of their sets would not be independent."""
    first = {row.path: row for row in one.rows if row.is_labelled}
    both = [row for row in other.rows if row.is_labelled and row.path in first]
    if both:
        row = both[0]
        raise InvalidInput(
            f"{row.file} row {row.line}: {row.path} is labelled in {first[row.path].file} row {first[row.path].line} "
            f"too{_more_rows(len(both))}, and a frame that is evaluated apart may be in no other set; remove it from "
            "one of the two files"
        )


def _pictures(store: Store, files: Listing, table: LabelTable) -> dict[str, SourceFile]:
    """Return the picture of every labelled row by its path."""
    labelled = [row for row in table.rows if row.is_labelled]
    missing = [row for row in labelled if row.path not in files]
    if missing:
        row = missing[0]
        raise InvalidInput(
            f"{row.file} row {row.line}: {row.path} does not exist in {store.uri}{_more_rows(len(missing))}; "
            "upload it or remove the row"
        )
    return {row.path: _source(files[row.path]) for row in labelled}


def _more_rows(count: int) -> str:
    return f" (and {count - 1} more rows)" if count > 1 else ""


def _select_videos(
    store: Store, files: Listing, spec: Spec, labels: ProjectLabels
) -> tuple[tuple[SourceFile, ...], tuple[SourceFile, ...], tuple[str, ...]]:
    """Return the videos for clips, the videos to predict, and a warning for each pattern that matches no file."""
    needs_clips = wants_clips(spec)
    clips: list[str] = []
    missing: list[tuple[str, str]] = []
    if needs_clips:
        clips, unmatched = _matching(files, spec.dataset.videos, _default(Dataset), labels)
        missing += [("dataset.videos", pattern) for pattern in unmatched]
    predicted, unmatched = _matching(files, spec.predict.videos, _default(Predict), labels)
    missing += [("predict.videos", pattern) for pattern in unmatched]
    check_video_names(predicted)
    if needs_clips and not clips:
        raise InvalidInput(
            f"no file in {store.uri} matches dataset.videos ({', '.join(spec.dataset.videos) or 'empty'}), and the "
            "unsupervised losses need videos; upload some, correct dataset.videos, or set the weight of "
            "losses.temporal and losses.pcaSingleView to 0"
        )
    warnings = tuple(f"{field}: no file in {store.uri} matches {pattern}" for field, pattern in missing)
    return tuple(_source(files[key]) for key in clips), tuple(_source(files[key]) for key in predicted), warnings


def _default(model: type[Dataset | Predict]) -> Sequence[str]:
    """Return the patterns for videos of a manifest that names none."""
    default: Sequence[str] = model.model_fields["videos"].default
    return default


def _matching(
    files: Listing, patterns: Sequence[str], default: Sequence[str], labels: ProjectLabels
) -> tuple[list[str], list[str]]:
    """Return the videos that are selected, and the patterns that match no file."""
    if labels.videos is not None and patterns == default:
        return list(labels.videos), [] if labels.videos else list(patterns)
    return select_paths(files, patterns)


def _source(stored: StoredObject) -> SourceFile:
    return SourceFile(path=stored.key, size_bytes=stored.size_bytes, etag=stored.etag)
