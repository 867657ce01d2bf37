from pathlib import Path

from posefleet_api.generate import generated_files, manifest_reference

_ROOT = Path(__file__).parents[3]


def test_generated_files_are_up_to_date():
    stale = [str(path) for path, text in generated_files().items() if (_ROOT / path).read_text() != text]
    assert stale == [], "run `make generate`"


def test_an_empty_text_is_shown_as_it_is_written():
    """Within backticks Markdown shows entities letter by letter."""
    assert "&" not in manifest_reference()
    assert '| `""` |' in manifest_reference()
