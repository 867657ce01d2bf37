"""Every key and folder of a job's output folder (``spec.output.uri``), with who writes it and who reads it.

Keys are relative to the output folder, and folders end with a slash. ``docs/scientist.md`` explains the files to users.
"""

from posefleet_api.constants import attempt_folder

#: Names the prepared data of the job, so that all its attempts train on the same data. Written by the stage prepare,
#: read by the stages after it (both in ``preparation/``).
PREPARED_POINTER_KEY = "prepared.json"

#: Checkpoints, each a file with a manifest beside it (``training/checkpoint_files.py`` names them). Written while the
#: model trains, read when the next attempt starts.
CHECKPOINTS_FOLDER = "checkpoints/"

#: The folder of what is known of each attempt: logs, summary, and the mark that it has begun.
ATTEMPTS_FOLDER = "attempts/"

#: Names the job that owns the output folder. Written by the stage prepare, read before anything is written to the
#: output folder (``store/fence.py``).
OWNER_KEY = f"{ATTEMPTS_FOLDER}owner.json"

#: The trained model. Written by the stage train; read by later attempts of the job, and by other jobs that start from
#: it with ``checkpoint.resumeFrom``.
MODEL_KEY = "model/model.pt"

#: Checksums of the trained model, written after it: where the manifest exists, the model is complete. Read by later
#: attempts, which then skip the training.
MODEL_MANIFEST_KEY = "model/model.json"

#: CSV files with the predictions on the labelled frames. Written by the stage predict, read by people.
PREDICTIONS_FOLDER = "predictions/"

#: The same for each predicted video, with a manifest. Written by the stage predict; read by later attempts, which skip
#: a video that is done, and by the stage report.
VIDEO_PREDICTIONS_FOLDER = f"{PREDICTIONS_FOLDER}video_preds/"

#: The predicted videos with the keypoints drawn in, as mp4. Written by the stage report, read by people.
LABELLED_VIDEOS_FOLDER = "labelled_videos/"

#: The report, a single HTML file. Written by the stage report, read by people; it links to labelled videos and logs.
REPORT_KEY = "report/index.html"

#: Errors, keypoints and warnings of the job, for programs. Written by the stage report.
SUMMARY_KEY = "summary.json"


def begun_key(attempt: int, job_mark: str) -> str:
    """Return the key whose presence says that an attempt has begun. Written and listed by ``store/fence.py``."""
    return f"{attempt_folder(attempt)}begun-{job_mark}.json"


def node_log_key(attempt: int, node: int) -> str:
    """Return the key of the log of all ranks on a node. Written by the node's launcher, read by people."""
    return f"{attempt_folder(attempt)}node-{node}.log"


def attempt_summary_key(attempt: int) -> str:
    """Return the key of the summary of an attempt. Written by the launcher of node 0, read by people and programs."""
    return f"{attempt_folder(attempt)}summary.json"


def preparation_log_key(number: int) -> str:
    """Return the key of the log of the ``number``-th run of the stage prepare. Written by its launcher."""
    return f"prepare/{number}.log"
