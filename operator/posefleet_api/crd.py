"""The CustomResourceDefinition of ``PoseTrainingJob``."""

from typing import Any

from posefleet_api.base import VALIDATIONS
from posefleet_api.constants import GROUP, KIND, PLURAL, SHORT_NAME, SINGULAR, VERSION
from posefleet_api.job import PoseTrainingJob
from posefleet_api.schema import structural_schema

#: Name, type and JSONPath of each column; those with a priority are shown by ``-o wide`` alone.
_COLUMNS: tuple[tuple[str, str, str, int], ...] = (
    ("Phase", "string", ".status.phase", 0),
    ("Progress", "string", ".status.progress.display", 0),
    ("ETA", "string", ".status.progress.eta", 0),
    ("Loss", "number", ".status.progress.loss", 0),
    ("Pixel-Err", "number", ".status.progress.validationPixelError", 0),
    ("GPUs", "integer", ".status.gpus", 0),
    ("Attempt", "integer", ".status.attempt", 0),
    ("Last-Ckpt", "date", ".status.lastCheckpoint.time", 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Step", "integer", ".status.progress.step", 1),
    ("Frames/s", "number", ".status.progress.framesPerSecond", 1),
    ("Report", "string", ".status.artifacts.report", 1),
)


def custom_resource_definition() -> dict[str, Any]:
    """The whole CRD as a manifest."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": SINGULAR,
                "shortNames": [SHORT_NAME],
                "categories": ["all", "posefleet"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": _root_schema()},
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(*column) for column in _COLUMNS],
                }
            ],
        },
    }


def _root_schema() -> dict[str, Any]:
    schema = structural_schema(PoseTrainingJob)
    properties = schema["properties"]
    # The API server owns these three and refuses schemas that say more of them.
    properties["apiVersion"] = {"type": "string"}
    properties["kind"] = {"type": "string"}
    properties["metadata"] = {"type": "object"}
    return {
        "type": "object",
        "description": schema["description"],
        "required": ["spec"],
        "properties": properties,
        VALIDATIONS: schema[VALIDATIONS],
    }


def _column(name: str, kind: str, path: str, priority: int) -> dict[str, Any]:
    return {"name": name, "type": kind, "jsonPath": path, "priority": priority}
