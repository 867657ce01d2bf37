from pathlib import Path

from posefleet_api.generate import generated_files

_ROOT = Path(__file__).parents[3]


def test_generated_files_are_up_to_date():
    stale = [str(path) for path, text in generated_files().items() if (_ROOT / path).read_text() != text]
    assert stale == [], "run `make generate`"
