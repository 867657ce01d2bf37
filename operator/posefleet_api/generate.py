"""Write the CRD, its copy in the chart and docs/manifest.md from the API's models, or check with --check that they are
up to date.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from posefleet_api.base import VALIDATIONS
from posefleet_api.constants import API_VERSION, GROUP, KIND, PLURAL, SHORT_NAME
from posefleet_api.crd import Schema, custom_resource_definition, split_default, structural_schema
from posefleet_api.job import PoseTrainingJob

_NOTE = "# Written by `make generate` from operator/posefleet_api; edit the models there.\n"


def generated_files() -> dict[Path, str]:
    """Return path in the repository and content of every generated file."""
    crd = yaml.safe_dump(custom_resource_definition(), sort_keys=False, width=110, allow_unicode=True)
    name = f"{GROUP}_{PLURAL}.yaml"
    return {
        Path("crds") / name: _NOTE + crd,
        Path("charts") / "posefleet" / "files" / "crds" / name: _NOTE + crd,
        Path("docs") / "manifest.md": manifest_reference(),
    }


def main() -> None:
    """Entry point of ``posefleet-generate``."""
    write_or_check(generated_files(), __doc__ or "")


def write_or_check(files: Mapping[Path, str], description: str, root: Path = Path()) -> None:
    """Write generated files below ``--root``, or with ``--check`` exit with an error if one of them is out of date.

    Args:
        files: path below the root and content of every file.
        description: what the command does, for its help.
        root: the default of ``--root``.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--root", type=Path, default=root, help="the repository")
    parser.add_argument("--check", action="store_true", help="change nothing; fail if a file is out of date")
    arguments = parser.parse_args()
    stale = {path: text for path, text in files.items() if _content(arguments.root / path) != text}
    if arguments.check:
        if stale:
            sys.exit(f"out of date: {', '.join(map(str, stale))}; run `make generate`")
        return
    for path, text in stale.items():
        target = arguments.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


_HEAD = f"""# The manifest of a {KIND}

Written by `make generate` from the API's models; `kubectl explain {SHORT_NAME}.spec` shows the same.
The administrator of a cluster can set other defaults for the fields that say so.
`apiVersion: {API_VERSION}`, `kind: {KIND}`.
"""


def manifest_reference() -> str:
    """Return the page as Markdown, with a table for ``spec`` and one for ``status``."""
    properties = structural_schema(PoseTrainingJob)["properties"]
    sections = [_HEAD]
    for name in ("spec", "status"):
        sections.append(f"## {name}\n\n{properties[name]['description']}\n\n{_table(name, properties[name])}")
    return "\n".join(sections)


def _table(name: str, schema: Schema) -> str:
    rows = [
        f"| `{path}` | {_kind(field)} | {_default(field, required)} | {_meaning(field)} |"
        for path, field, required in _fields(name, schema)
    ]
    return "\n".join(["| field | type | default | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _fields(path: str, schema: Schema) -> Iterator[tuple[str, Schema, bool]]:
    for name, field in schema.get("properties", {}).items():
        inside = f"{path}.{name}"
        yield inside, field, name in schema.get("required", ())
        yield from _fields(inside, field)
        if "items" in field:
            yield from _fields(f"{inside}[]", field["items"])


def _kind(field: Schema) -> str:
    if values := field.get("enum"):
        return " or ".join(f"`{value or _plain('')}`" for value in values)
    if field.get("x-kubernetes-int-or-string"):
        return "name or number"
    if field.get("type") == "array":
        return f"list of {_kind(field['items'])}"
    if isinstance(field.get("additionalProperties"), dict):
        return "map of strings"
    return str(field["type"]) + _bounds(field)


def _bounds(field: Schema) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    words = []
    if low is not None:
        words.append(("> " if field.get("exclusiveMinimum") else "≥ ") + _plain(low))
    if high is not None:
        words.append(("< " if field.get("exclusiveMaximum") else "≤ ") + _plain(high))
    return f" {', '.join(words)}" if words else ""


def _default(field: Schema, required: bool) -> str:
    _, usual = split_default(field["description"])
    if usual is not None:
        return f"`{usual}`, or your cluster's" if usual != "none" else "your cluster's"
    if "default" in field:
        return f"`{_plain(field['default'])}`" if "properties" not in field else _plain_object(field["default"])
    return "**must be given**" if required else ""


def _plain_object(value: Any) -> str:
    return "" if not value else f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _meaning(field: Schema) -> str:
    notes = [str(rule["message"]) for rule in field.get(VALIDATIONS, ())]
    text, _ = split_default(field["description"])
    return " ".join([text, *(f"*{note[0].upper()}{note[1:]}.*" for note in notes)]).replace("|", "\\|")
