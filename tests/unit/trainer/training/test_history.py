from posefleet_trainer.training.history import History


def test_an_epoch_is_the_mean_of_its_steps():
    history = History()
    history.add({"heatmap": 1.0})
    history.add({"heatmap": 3.0, "temporal": 2.0})
    history.close_epoch(2, 1, 0.001, 4.5)

    (record,) = history.records
    assert record["losses"] == {"heatmap": 2.0, "temporal": 1.0}
    assert (record["step"], record["epoch"], record["validation_pixel_error"]) == (2, 1, 4.5)


def test_an_interrupted_record_is_the_same_as_one_that_was_not():
    whole, part = History(), History()
    for history in (whole, part):
        history.add({"heatmap": 0.1})
    resumed = History(part.state())
    for history in (whole, resumed):
        history.add({"heatmap": 0.7})
        history.close_epoch(2, 1, 0.001, None)

    assert whole.records == resumed.records


def test_a_state_does_not_change_with_the_history_it_was_taken_of():
    history = History()
    history.close_epoch(1, 1, 0.001, None)
    state = history.state()
    history.close_epoch(2, 2, 0.001, None)
    assert len(state["records"]) == 1
