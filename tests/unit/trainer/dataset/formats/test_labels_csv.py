import csv
import io
import math
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from posefleet_trainer.dataset.formats.labels import LabelTable
from posefleet_trainer.dataset.formats.labels_csv import parse_labels_csv
from posefleet_trainer.errors import InvalidInput
from unit.trainer.dataset.projects import labels_csv

GOOD = labels_csv({"labeled-data/a.png": [(1.5, 2.0), None], "labeled-data/b.png": [(3.0, 4.25), (5.0, 6.0)]})


def refusal(text: str | bytes) -> str:
    with pytest.raises(InvalidInput) as refused:
        parse_labels_csv(text.encode() if isinstance(text, str) else text, "Labels.csv")
    assert str(refused.value).startswith("Labels.csv")
    return str(refused.value)


def test_labels_are_read_with_their_lines():
    table = parse_labels_csv(GOOD.encode(), "Labels.csv")
    assert table.keypoints == ("nose", "tail")
    assert [(row.line, row.path, row.points) for row in table.rows] == [
        (4, "labeled-data/a.png", ((1.5, 2.0), None)),
        (5, "labeled-data/b.png", ((3.0, 4.25), (5.0, 6.0))),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        GOOD + "\n,,,,\n\n",
        GOOD.replace(",,", ",nan,NaN,", 1).replace(",NaN,\n", ",NaN\n"),
        GOOD.replace("labeled-data/", "labeled-data\\"),
        GOOD.replace(",", ";"),
        "\ufeff" + GOOD.replace(",", ";").replace("1.5", "1,5").replace("4.25", "4,25"),
        GOOD.replace(",", ";").replace("scorer", '"scorer"'),
        GOOD.replace("scorer", "Scorer").replace("coords", " coords "),
    ],
)
def test_what_programs_make_of_the_same_labels_reads_the_same(text: str):
    assert [row.points for row in parse_labels_csv(text.encode(), "L").rows] == [
        row.points for row in parse_labels_csv(GOOD.encode(), "L").rows
    ]


def test_paths_in_three_columns_are_joined():
    text = "scorer,,,me,me\nbodyparts,,,nose,nose\ncoords,,,x,y\nlabeled-data,vid,a.png,1,2\n"
    table = parse_labels_csv(text.encode(), "L")
    assert [row.path for row in table.rows] == ["labeled-data/vid/a.png"]


VISIBLE = (
    "scorer,me,me,me,me,me,me\nbodyparts,nose,nose,nose,tail,tail,tail\ncoords,x,y,visible,x,y,visible\n"
    "labeled-data/a.png,1,2,2,,,0\n"
    "labeled-data/b.png,3,4,2.0,,,1\n"
    "labeled-data/c.png,5,6,,7,8,1.0\n"
    "labeled-data/d.png,,,,9,10,0\n"
)


def test_occluded_keypoints_are_kept_apart_from_those_that_nobody_labelled():
    table = parse_labels_csv(VISIBLE.encode(), "L.csv")
    assert table.keypoints == ("nose", "tail")
    assert [(row.points, row.occluded) for row in table.rows] == [
        (((1.0, 2.0), None), frozenset()),
        (((3.0, 4.0), None), {1}),
        (((5.0, 6.0), None), {1}),
        ((None, None), frozenset()),
    ]
    assert table.warnings == ("L.csv: 1 keypoint(s) are marked as occluded and have x and y, which are not used",)
    assert parse_labels_csv(VISIBLE.replace(",7,8,", ",,,").encode(), "L.csv").warnings == ()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "1,2,2,",
            "1,2,3,",
            "row 4 (labeled-data/a.png), keypoint nose: '3' is not a visibility; write 0 (not labelled)",
        ),
        (
            "1,2,2,",
            ",,2,",
            "row 4 (labeled-data/a.png), keypoint nose is marked as visible and has no x and y; fill them",
        ),
        (
            "x,y,visible,x,y,visible",
            "x,y,visible,x,y,likelihood",
            "columns 5 to 7 are 'tail' 'x', 'tail' 'y', 'tail' 'lik",
        ),
        (
            ",tail,tail,tail",
            ",tail,tail",
            "has 5 bodyparts and 6 coords columns; there must be the same number of both, th",
        ),
    ],
)
def test_mistakes_in_visibilities_are_named(old: str, new: str, words: str):
    assert words in refusal(VISIBLE.replace(old, new, 1))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a.png,1,2\n", "row 1 begins with 'a.png', not scorer"),
        ("scorer,me,me\nbodyparts,nose,nose\n", "has no coords row"),
        ("scorer,me,me\ncoords,x,y\n", "row 2 begins with 'coords', not bodyparts"),
        ("scorer,me,me\nindividuals,a,a\nbodyparts,nose,nose\ncoords,x,y\n", "row 2 names individuals"),
        (GOOD.replace("coords,x,y", "coords,y,x"), "columns 2 to 3 are 'nose' 'y', 'nose' 'x'"),
        (GOOD.replace("nose,nose", "nose,ear"), "every keypoint needs the columns x, y in this order"),
        (GOOD.replace("nose", "tail"), "names 'tail' twice"),
        (GOOD.replace("nose", ""), "the keypoint name ''"),
        ("scorer,m,m,m\nbodyparts,nose,nose,nose\ncoords,x,y,likelihood\n", "has 3 bodyparts and 3 coords columns"),
        (GOOD + "labeled-data/c.png,1,2\n", "row 6 has 3 columns, the header has 5"),
        (GOOD + "labeled-data/c.png,1,2,3,4,5\n", "row 6 has 6 columns, the header has 5"),
        (GOOD.replace("4.25", "4,25"), "row 5 has 6 columns"),
        (GOOD.replace("4.25", "left"), "row 5 (labeled-data/b.png), column nose.y: 'left' is not a number"),
        (GOOD.replace("4.25", "inf"), "column nose.y: 'inf' is not a number"),
        (GOOD.replace("4.25", "1_0"), "column nose.y: '1_0' is not a number"),
        (GOOD.replace("4.25", ""), "row 5 (labeled-data/b.png), keypoint nose has x but no y"),
        (GOOD.replace("b.png", "a.png"), "rows 4 and 5 both label labeled-data/a.png"),
        (GOOD.replace("labeled-data/b", "../b"), "row 5: '../b.png' is not a path inside the project folder"),
        (GOOD.replace("labeled-data/b", "/etc/b"), "is not a path inside the project folder"),
        (GOOD.replace("labeled-data/b.png", ""), "row 5: '' is not a path"),
        (GOOD.encode("utf-16"), "is not UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n", "is not UTF-8 text"),
        ("x" * 200_000, "is not CSV"),
    ],
)
def test_mistakes_are_named_by_row_column_and_remedy(text: str | bytes, words: str):
    assert words in refusal(text)


def test_every_message_says_what_to_do():
    assert refusal("").endswith("as Lightning Pose and DeepLabCut write them")
    assert "write pixels, or leave it empty if unlabelled" in refusal(GOOD.replace("4.25", "left"))


names = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF, exclude_categories=["C", "Z"]), min_size=1)
numbers = st.floats(-1e6, 1e6, allow_nan=False)
points = st.none() | st.tuples(numbers, numbers)


@given(data=st.data(), keypoints=st.lists(names, min_size=1, max_size=5, unique=True))
def test_labels_that_were_written_are_read_back(data: st.DataObject, keypoints: list[str]):
    stems = data.draw(st.lists(st.text(alphabet="abé ._-", max_size=8), unique=True, max_size=5))
    paths = [f"labeled-data/x{stem}x.png" for stem in stems]
    rows = {path: data.draw(st.tuples(*[points] * len(keypoints))) for path in paths}
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["scorer", *["me"] * 2 * len(keypoints)])
    writer.writerow(["bodyparts", *[name for name in keypoints for _ in "xy"]])
    writer.writerow(["coords", *["x", "y"] * len(keypoints)])
    for path, labels in rows.items():
        writer.writerow([path, *[value for point in labels for value in (point or (math.nan, ""))]])

    table = parse_labels_csv(text.getvalue().encode(), "L")

    assert table.keypoints == tuple(keypoints)
    assert {row.path: row.points for row in table.rows} == rows


def outcome(content: bytes) -> LabelTable | str:
    """The labels, or the words of the refusal."""
    try:
        return parse_labels_csv(content, "L")
    except InvalidInput as error:
        return str(error)


@given(st.binary(max_size=300) | st.text(alphabet='scorebdypat,xyn\n\r"1.;\0\ufeff', max_size=200).map(str.encode))
@example(b'"')
@example(b"scorer\nbodyparts\ncoords\n")
def test_no_bytes_make_it_fail_otherwise_than_by_a_refusal(content: bytes):
    read = outcome(content)
    assert read.startswith("L") if isinstance(read, str) else read.keypoints


@given(st.integers(0, len(GOOD) - 1), st.characters())
def test_one_changed_character_is_read_or_refused_with_a_remedy(place: int, character: str):
    changed = GOOD[:place] + character + GOOD[place + 1 :]
    read = outcome(changed.encode(errors="surrogatepass"))
    assert not isinstance(read, str) or "; " in read


def test_real_project_is_read():
    path = Path(__file__).parents[5].parent / "shared/data/mirror-mouse-example/CollectedData.csv"
    if not path.exists():
        pytest.skip(f"the real data are not here: {path}")
    table = parse_labels_csv(path.read_bytes(), path.name)
    assert (len(table.rows), len(table.keypoints)) == (90, 17)
    missing = sum(point is None for row in table.rows for point in row.points)
    assert missing / (90 * 17) == pytest.approx(0.088, abs=0.001)
