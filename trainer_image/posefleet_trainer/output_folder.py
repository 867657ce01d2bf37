"""Where the results of a job lie in its output folder: one key or folder for each."""

MODEL_KEY = "model/model.pt"
MANIFEST_KEY = "model/model.json"

LABELLED_VIDEOS = "labelled_videos"
PAGE = "report/index.html"
SUMMARY = "summary.json"
