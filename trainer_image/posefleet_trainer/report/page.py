"""The page ``report/index.html``: one file that needs nothing else."""

from datetime import datetime
from pathlib import Path

from posefleet_trainer.report.material import Material
from posefleet_trainer.report.summary import errors_by_set, warnings_of


def render_page(material: Material, now: datetime) -> str:
    """The page as HTML. Names, paths and warnings in it are other people's text, and are escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template("template.html").render(
        job=material.context.job,
        written=now,
        keypoints=material.predictions.keypoints,
        errors=errors_by_set(material.predictions.frames),
        warnings=warnings_of(material),
    )
