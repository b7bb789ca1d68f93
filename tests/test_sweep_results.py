"""What is said about a sweep agrees with the files of its runs, computed by hand."""

import pytest
from run_folders import change_card, make_run

from fashion import jobs, runs, summary, sweep_results
from fashion.errors import RunError
from fashion.settings import DEFAULTS

GROUP = "sweep-0123abcd"
MANY_WRONG = {(4, 2): 5, (6, 0): 7, (1, 3): 20}  # 268 of 300 right; the others have 288


def add(number: int, created: float, wrong=None, group: str = GROUP, **settings) -> runs.Run:
    """A finished run of the sweep; the name's end has nothing to do with its place."""
    more = {"wrong": wrong} if wrong else {}
    run = make_run(f"20260102-030405-softmax-{9 - number}aaa", **more, **settings)
    runs.set_status(run, group=group, created=created)
    return run


def read(*found: runs.Run) -> list[summary.RunSummary]:
    return [summary.summarise(run) for run in found]


@pytest.fixture
def sweep():
    """Learning rates 0.1 and 0.01 with seeds 1 and 2; the second rate has 20 more mistakes, with seed 2 five fewer."""
    return [
        add(0, 1.0, learning_rate=0.1, seed=1),
        add(1, 2.0, MANY_WRONG, learning_rate=0.01, seed=1),
        add(2, 3.0, learning_rate=0.1, seed=2),
        add(3, 4.0, {(4, 2): 5, (6, 0): 7, (1, 3): 15}, learning_rate=0.01, seed=2),
    ]


def test_the_runs_of_a_sweep_come_in_the_order_in_which_they_are_made(sweep):
    """By the time of their making, as they were all named in the same second; other groups are none."""
    add(4, 0.5, group="rate-0123ab")

    assert [run.id for run in sweep_results.of_group(GROUP)] == [run.id for run in sweep]
    assert sweep_results.of_group("rate-0123ab") == []


def test_seeds_of_the_same_settings_belong_together(sweep):
    """Two combinations with two seeds: 0.96 twice, and 268 and 273 of 300."""
    first, second = sweep_results.combinations(sweep)

    assert (first.label, first.name) == ("0.1", "learning rate 0.1")
    assert first.accuracies("validation") == {1: 0.96, 2: 0.96}
    assert second.accuracies("test") == {1: pytest.approx(268 / 300), 2: pytest.approx(273 / 300)}
    assert second.mean("test") == pytest.approx(0.901667, abs=1e-6)
    assert second.spread("test") == pytest.approx((5 / 300) / 2**0.5)
    assert [one.label for one in sweep_results.ranked([second, first])] == ["0.1", "0.01"]


def test_curves_are_means_with_the_lowest_and_highest_seed(sweep):
    """Of epoch 2, where one seed of 0.1 was changed from 0.8 to 0.6 by hand."""
    log = sweep[2].folder / "log.csv"
    log.write_text(log.read_text().replace("2,0.8,0.7,0.7,0.8", "2,0.8,0.7,0.7,0.6"))

    values = sweep_results.curves(sweep_results.combinations(sweep)).set_index(["combination", "epoch"])

    row = values.loc[("0.1", 2)]
    assert (row.accuracy, row.lowest, row.highest, row.seeds) == (pytest.approx(0.7), 0.6, 0.8, 2)
    assert len(values) == 6


def test_the_table_names_the_best_with_its_seeds_pictures_and_interval(sweep):
    """288 of 300 right: Wilson's interval is 93.1 to 97.7 %."""
    table = sweep_results.table(sweep_results.combinations(sweep), "Learning rate")

    assert table["Learning rate"].tolist() == ["0.1 (best)", "0.01"]
    assert table["Validation accuracy"][0] == "96.0% (93.1% to 97.7%, n = 300)"
    assert table["Spread over seeds"].tolist() == [
        "0.00 points (96.0% to 96.0%)",
        "1.18 points (89.3% to 91.0%)",
    ]
    assert table["Seeds"].tolist() == ["2 of 2", "2 of 2"]


def test_combinations_that_are_equally_good_are_all_called_best(sweep):
    """Rates 0.1 and 0.001 have 0.96 each; 0.01 has less."""
    equal = add(4, 5.0, learning_rate=0.001, seed=1)

    shown = sweep_results.table(sweep_results.combinations([*sweep, equal]), "Learning rate")

    assert shown["Learning rate"].tolist() == ["0.1 (best)", "0.001 (best)", "0.01"]


def test_the_verdict_is_over_seeds_on_the_test_pictures(sweep):
    """Ahead by 6.67 and 5.00 points: mean 5.83, plus or minus 12.706 * 1.1785 / sqrt(2)."""
    sentence = sweep_results.verdict(sweep_results.combinations(sweep))

    assert sentence.startswith(
        "It cannot be told which is better: learning rate 0.1 is 5.83 percentage points of test"
    )
    assert "95 % interval \N{MINUS SIGN}4.76 to 16.42" in sentence


def test_with_one_seed_the_verdict_is_picture_by_picture(sweep):
    """20 pictures that only one has right are no accident of these pictures; over seeds it is said beside."""
    one_seed = sweep_results.combinations(sweep[:2])

    assert sweep_results.verdict(one_seed).startswith(
        "learning rate 0.1 is better than learning rate 0.01: by 6.67"
    )
    assert sweep_results.verdict_of_one_seed(one_seed) == ""
    assert sweep_results.verdict_of_one_seed(sweep_results.combinations(sweep)).startswith(
        "With seed 1 alone: learning"
    )


def test_pictures_are_compared_with_a_seed_that_both_have(sweep):
    """The first seed of one was deleted: seed 2, where 15 of 300 pictures make 5 points, is taken and named."""
    several = sweep_results.combinations([sweep[0], sweep[2], sweep[3]])

    assert sweep_results.verdict(several).startswith(
        "learning rate 0.1 is better than learning rate 0.01: by 5.00"
    )

    third = add(4, 5.0, {(4, 2): 5, (6, 0): 7, (1, 3): 15}, learning_rate=0.01, seed=3)
    words = sweep_results.verdict_of_one_seed(
        sweep_results.combinations([sweep[0], sweep[2], sweep[3], third])
    )
    assert words.startswith("With seed 2 alone: learning rate 0.1 is better than learning rate 0.01: by 5.00")


def test_any_runs_are_compared_over_seeds_or_by_pictures(sweep):
    """Four of a sweep as settings; three without a repetition as runs, named by their ids' ends."""
    assert sweep_results.verdict_of_runs(read(*sweep)).startswith(
        "Of the best two by validation, it cannot be told which is better: learning rate 0.1 is 5.83"
    )
    other = add(4, 5.0, {(4, 2): 5, (6, 0): 7, (1, 3): 30}, learning_rate=0.001, seed=1)
    assert sweep_results.verdict_of_runs(read(other, sweep[1], sweep[0])).startswith(
        "Of the best two by validation, softmax-9aaa is better than softmax-8aaa: by 6.67"
    )


def test_runs_with_nothing_to_choose_have_no_verdict(sweep):
    """The same settings with two seeds."""
    assert sweep_results.verdict_of_runs(read(sweep[0], sweep[2])) == ""


def test_runs_on_other_pictures_are_refused_also_among_several(sweep):
    """One of three was tested on other data; and of three only one was tested."""
    change_card(sweep[1], data_digest="another")
    with pytest.raises(
        RunError,
        match="tested on the same pictures .* Received: runs on .* with different test pictures. Choose",
    ):
        sweep_results.verdict_of_runs(read(*sweep[:3]))

    untested = [
        make_run(f"20260102-030405-cnn-{n}aaa", state="stopped", tested=False, seed=n) for n in (1, 2)
    ]
    with pytest.raises(RunError, match="Received: 1 tested of 3"):
        sweep_results.verdict_of_runs(read(sweep[0], *untested))


def test_one_combination_has_nothing_to_be_better_than(sweep):
    """Seeds alone: a spread, but neither a verdict nor a choice to warn of."""
    (only,) = sweep_results.combinations([sweep[0], sweep[2]])

    assert only.label == "these settings"
    assert (sweep_results.verdict([only]), sweep_results.caveat([only])) == ("", "")


def test_the_caveat_says_among_how_many_was_chosen(sweep):
    """Two, by 300 pictures."""
    assert sweep_results.caveat(sweep_results.combinations(sweep)).startswith(
        "The best of 2 was chosen by the same 300"
    )


def test_the_caveat_counts_the_pictures_of_combinations_that_have_a_result(sweep):
    """The first combination failed before its first epoch: it was judged by none, the others by 300."""
    failed = make_run("20260102-030405-softmax-1aaa", tested=False, learning_rate=10.0, seed=1)
    (failed.folder / "log.csv").unlink()

    caveat = sweep_results.caveat(sweep_results.combinations([failed, *sweep]))

    assert caveat.startswith("The best of 2 was chosen by the same 300")


def test_progress_counts_runs_by_their_arithmetic(sweep):
    """One of two done, the other twice as long and half through: 2 of 3 parts, in 20 s, so 10 s are left."""
    other = add(5, 5.0, epochs=6)
    statuses = {
        sweep[0]: runs.Status(state="finished", started=100.0),
        other: runs.Status(
            state="running", phase="training", started=110.0, epoch=3, num_epochs=6, num_steps=10
        ),
    }

    assert sweep_results.progress(statuses, now=120.0) == (pytest.approx(2 / 3), pytest.approx(10.0))
    waiting = {run: runs.Status(state="queued") for run in sweep}
    assert sweep_results.progress(waiting) == (0.0, None)


def test_a_group_is_queued_whole_and_found_again():
    """What the queue makes of a plan is the sweep."""
    several = [DEFAULTS.replace(architecture="softmax", seed=seed) for seed in (1, 2, 3)]

    jobs.LocalQueue(jobs.Limits()).submit_group(several, GROUP)

    assert [run.settings.seed for run in sweep_results.of_group(GROUP)] == [1, 2, 3]
