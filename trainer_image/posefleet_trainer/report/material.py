"""What the report is made of."""

from dataclasses import dataclass

from posefleet_trainer.context import Context
from posefleet_trainer.dataset.prepared import Prepared, keypoint_numbers
from posefleet_trainer.models.trained import TrainedModel
from posefleet_trainer.prediction.csv_files import VideoFiles
from posefleet_trainer.prediction.results import Poses, PredictedVideo, Predictions
from posefleet_trainer.report.drawing import Style
from posefleet_trainer.report.palette import keypoint_colours
from posefleet_trainer.store.cache import NodeCache


@dataclass(frozen=True)
class Material:
    """The job, its results, and how keypoints look."""

    context: Context
    prepared: Prepared
    model: TrainedModel
    predictions: Predictions
    style: Style
    cache: NodeCache

    def poses(self, predicted: PredictedVideo) -> Poses:
        """Of one video, read from the output folder."""
        context = self.context
        files = VideoFiles(context.output, context.cache_directory, self.predictions.keypoints)
        return files.poses(predicted)

    @classmethod
    def of(cls, context: Context, prepared: Prepared, model: TrainedModel, predictions: Predictions) -> "Material":
        """With the colours and the skeleton of the job's keypoints."""
        names = predictions.keypoints
        pairs = [keypoint_numbers(pair, names, "dataset.skeleton") for pair in context.job.spec.dataset.skeleton]
        style = Style(keypoint_colours(len(names)), [(first, second) for first, second in pairs])
        cache = NodeCache(context.cache_directory, context.cache_bytes)
        return cls(context, prepared, model, predictions, style, cache)
