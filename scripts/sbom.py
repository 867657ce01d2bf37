"""Write the CycloneDX bill of materials of an image: ``sbom.py localhost/posefleet-operator:0.1.0 operator.cdx.json``.

What is listed is what the image itself says it has: its Python distributions, those of its Debian packages, and the
system it stands on.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from build_image import find_builder
from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_PYTHON = "/opt/posefleet/bin/python3"

#: Runs inside the image, which has no tools of ours.
_INVENTORY = """
import importlib.metadata, json, pathlib, platform
python = [{"name": d.metadata["Name"], "version": d.version,
           "license": d.metadata.get("License-Expression") or d.metadata.get("License") or ""}
          for d in importlib.metadata.distributions()]
status = pathlib.Path("/var/lib/dpkg/status")
print(json.dumps({"python": python, "debian": status.read_text() if status.exists() else "",
                  "interpreter": platform.python_version(), "system": platform.freedesktop_os_release()}))
"""


def bill_of_materials(image: str, inventory: Mapping[str, Any]) -> Bom:
    """Return the bill of materials of ``image`` from the output of ``_INVENTORY`` in it."""
    bom = Bom()
    name, _, version = image.rpartition(":")
    subject = Component(name=name, version=version, type=ComponentType.CONTAINER, bom_ref=image)
    bom.metadata.component = subject
    system = inventory["system"]
    components = [
        Component(name=system["ID"], version=system.get("VERSION_ID"), type=ComponentType.OPERATING_SYSTEM),
        Component(name="cpython", version=inventory["interpreter"], type=ComponentType.PLATFORM),
        *map(_distribution, inventory["python"]),
        *_debian_packages(inventory["debian"], system),
    ]
    for component in components:
        bom.components.add(component)
    bom.register_dependency(subject, components)
    return bom


def _distribution(found: Mapping[str, str]) -> Component:
    purl = PackageURL("pypi", name=found["name"], version=found["version"])
    return Component(
        name=found["name"], version=found["version"], purl=purl, bom_ref=str(purl), licenses=_licences(found["license"])
    )


def _licences(text: str) -> Iterable[License]:
    """Return the licence if the wheel names it. Older wheels contain the whole text instead."""
    return [LicenseFactory().make_from_string(text)] if text and "\n" not in text else []


def _debian_packages(status: str, system: Mapping[str, str]) -> Iterable[Component]:
    for paragraph in filter(None, status.split("\n\n")):
        fields = HeaderParser().parsestr(paragraph)
        if "installed" not in str(fields["Status"]).split():
            continue
        name, version = str(fields["Package"]), str(fields["Version"])
        qualifiers = {"arch": str(fields["Architecture"]), "distro": f"{system['ID']}-{system.get('VERSION_ID', '')}"}
        purl = PackageURL("deb", namespace=system["ID"], name=name, version=version, qualifiers=qualifiers)
        yield Component(name=name, version=version, purl=purl, bom_ref=str(purl))


def read_inventory(image: str, builder: str) -> dict[str, Any]:
    """Start ``image`` once and return the inventory that it prints."""
    if builder == "docker":
        output = _run("docker", "run", "--rm", "--entrypoint", _PYTHON, image, "-c", _INVENTORY)
    else:
        container = _run("buildah", "from", "--pull-never", image).strip()
        try:
            output = _run("buildah", "run", "--isolation", "chroot", container, "--", _PYTHON, "-c", _INVENTORY)
        finally:
            _run("buildah", "rm", container)
    return dict(json.loads(output))


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    """Write the bill of materials of one image."""
    parser = argparse.ArgumentParser(description="Write the CycloneDX bill of materials of an image.")
    parser.add_argument("image", help="name and tag of an image that buildah or docker has")
    parser.add_argument("output", type=Path, help="the file to write")
    arguments = parser.parse_args(sys.argv[1:])
    bom = bill_of_materials(arguments.image, read_inventory(arguments.image, find_builder()))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    arguments.output.write_text(JsonV1Dot6(bom).output_as_string(indent=2) + "\n")


if __name__ == "__main__":
    main()
