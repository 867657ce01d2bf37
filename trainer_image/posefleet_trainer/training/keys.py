"""Where the trained model lies in the output folder."""

MODEL_KEY = "model/model.pt"
MANIFEST_KEY = "model/model.json"
