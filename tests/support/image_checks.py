"""What holds for every image of posefleet."""

import json

from support.images import BuiltImage

_SURROUNDINGS = """
import json, os, pathlib, shutil, tempfile
root = pathlib.Path("/")
def writable(directory):
    try:
        tempfile.TemporaryFile(dir=directory).close()
        return True
    except OSError:
        return False
print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "writable": [name for name in ("/", "/opt/posefleet", "/etc", "/var/tmp", "/tmp") if writable(name)],
    "tools": [name for name in ("gcc", "cc", "make", "pip", "pip3", "uv", "hatchling") if shutil.which(name)],
    "left": [str(file) for pattern in ("run/secrets/*", "opt/build", "src", "dist") for file in root.glob(pattern)],
    "authorities": pathlib.Path("/etc/ssl/certs/ca-certificates.crt").read_text().count("BEGIN CERTIFICATE") > 50,
}))
"""


def check_surroundings(image: BuiltImage) -> None:
    """An ordinary user, /tmp alone to write to, the public authorities, no tools and nothing of the build."""
    ended = image.python(_SURROUNDINGS)

    assert ended.exit_code == 0, ended.output
    assert json.loads(ended.output) == {
        "user": [65532, 65532],
        "writable": ["/tmp"],
        "tools": [],
        "left": [],
        "authorities": True,
    }


def check_nothing_of_the_build_is_told(image: BuiltImage) -> None:
    """Neither configuration nor history names an address, a credential or a certificate."""
    described = json.dumps(image.description).lower()

    assert [word for word in ("http:", "https:", "index-url", "password", "token", "proxy") if word in described] == []


def check_bytecode_is_used(image: BuiltImage, module: str) -> None:
    """``module`` and all that it imports is in the image as bytecode."""
    ended = image.run("-v", "-c", f"import {module}", command=["python3"])
    compiled = [line for line in ended.output.splitlines() if line.startswith("# code object from")]

    assert ended.exit_code == 0, ended.output[-2000:]
    assert len(compiled) > 50
    assert [line for line in compiled if line.rstrip("'").endswith(".py")] == []
