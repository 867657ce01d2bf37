"""Which labelled frames the page shows."""

from posefleet_trainer.report.pictures import worst_rows


def test_frames_that_were_not_trained_on_are_the_worst_first(made):
    results = made.results().predictions.frames
    sets = [results.sets[row] for row in worst_rows(results, 100)]
    assert "train" in sets
    assert "train" not in sets[: len(sets) - sets.count("train")]
