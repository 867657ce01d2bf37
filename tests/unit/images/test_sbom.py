"""The bill of materials of an image."""

from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from sbom import bill_of_materials

INVENTORY = {
    "python": [
        {"name": "kopf", "version": "1.45.2", "license": "MIT"},
        {"name": "old-wheel", "version": "1.0", "license": "Copyright (c) somebody\n\nPermission is hereby granted"},
        {"name": "odd-wheel", "version": "2.0", "license": "a licence of our own"},
    ],
    "debian": "Package: tini\nStatus: install ok installed\nArchitecture: amd64\nVersion: 0.19.0-1\n"
    "Description: tiny init\n for containers\n\n"
    "Package: gone\nStatus: deinstall ok config-files\nArchitecture: amd64\nVersion: 1\n\n",
    "interpreter": "3.11.2",
    "system": {"ID": "debian", "VERSION_ID": "12"},
}
BOM = bill_of_materials("lab:5000/posefleet-operator:1", INVENTORY)


def test_the_bill_names_python_and_debian_packages_by_their_purls() -> None:
    assert {str(component.purl) for component in BOM.components if component.purl} == {
        "pkg:pypi/kopf@1.45.2",
        "pkg:pypi/old-wheel@1.0",
        "pkg:pypi/odd-wheel@2.0",
        "pkg:deb/debian/tini@0.19.0-1?arch=amd64&distro=debian-12",
    }


def test_the_subject_is_the_image_and_depends_on_everything() -> None:
    subject = BOM.metadata.component

    assert subject is not None
    assert (subject.name, subject.version) == ("lab:5000/posefleet-operator", "1")
    of_subject = next(dependency for dependency in BOM.dependencies if dependency.ref == subject.bom_ref)
    assert len(of_subject.dependencies) == len(BOM.components)


def test_the_bill_is_valid_cyclonedx() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(JsonV1Dot6(BOM).output_as_string()) is None


def test_licences_are_kept_unless_they_are_whole_texts() -> None:
    licences = {component.name: len(component.licenses) for component in BOM.components if component.purl}

    assert licences == {"kopf": 1, "odd-wheel": 1, "old-wheel": 0, "tini": 0}
