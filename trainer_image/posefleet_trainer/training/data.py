"""The data of a training: prepared files on this node, split into sets and opened for the loader."""

from dataclasses import dataclass

from posefleet_api.job import Spec
from posefleet_trainer.context import Rank
from posefleet_trainer.dataset.frame_archive import FrameArchive
from posefleet_trainer.dataset.prepared import Prepared, Video
from posefleet_trainer.dataset.split import SetName, frames_of_set
from posefleet_trainer.errors import InvalidInput
from posefleet_trainer.loading.clips import ClipLoader, ClipVideo
from posefleet_trainer.loading.devices import choose_devices
from posefleet_trainer.loading.labelled import FrameStore, LabelledLoader
from posefleet_trainer.loading.loader import TrainingLoader
from posefleet_trainer.models.coordinates import Grid, image_grid
from posefleet_trainer.preparation.load import Fetched
from posefleet_trainer.training.plan import Plan
from posefleet_trainer.video.index import VideoIndex


@dataclass(frozen=True)
class TrainingData:
    """The opened data; its files stay on this node's disk until their cache is closed."""

    training: FrameStore
    validation: FrameStore
    clips: list[ClipVideo]


def open_data(spec: Spec, prepared: Prepared, fetched: Fetched) -> TrainingData:
    """Open the labelled frames and the proxies of the videos for clips.

    Raises:
        InvalidInput: there is nothing to train on.
    """
    image = image_grid(spec.model)
    archive = FrameArchive(fetched.path(prepared.frames_archive))

    def frames(wanted: SetName) -> FrameStore:
        of_set = frames_of_set(prepared.frames, spec.dataset.split, spec.training.seed, wanted)
        return FrameStore(archive, of_set, image)

    training = frames("train")
    if not training.frames:
        raise InvalidInput("no labelled frame is left to train on: label more, or lower dataset.split")
    clips = [_clip_video(fetched, video) for video in prepared.clip_videos]
    return TrainingData(training=training, validation=frames("validation"), clips=clips)


def open_loader(data: TrainingData, plan: Plan, rank: Rank, seed: int, first_step: int, threads: int) -> TrainingLoader:
    """Open the loader of the batches of ``rank`` from ``first_step`` on, on the GPU where this machine allows it."""
    image = data.training.image
    devices = choose_devices(rank.local_index, image, has_clips=bool(data.clips))
    labelled = LabelledLoader(
        data.training, plan.frame_share(rank.index), seed, first_step, device_id=devices.frames, threads=threads
    )
    clips = None
    if data.clips:
        begins = max(first_step, plan.first_clip_step)
        share = plan.clip_share(rank.index)
        clips = ClipLoader(
            data.clips,
            share,
            seed,
            begins,
            clip_length=plan.clip_length,
            image=image,
            device_id=devices.clips,
            threads=threads,
        )
    return TrainingLoader(
        labelled, clips, first_step=first_step, first_clip_step=plan.first_clip_step, steps=plan.steps
    )


def _clip_video(fetched: Fetched, video: Video) -> ClipVideo:
    assert video.proxy is not None, "prepare makes a proxy of every video that clips come from"
    assert video.proxy_index is not None
    index = VideoIndex.load(fetched.path(video.proxy_index))
    return ClipVideo(fetched.path(video.proxy), index, video.source.path, Grid(video.height, video.width))
