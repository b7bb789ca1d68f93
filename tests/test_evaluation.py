"""Evaluation against counts by hand, published intervals and a search over all temperatures."""

import numpy as np
import pytest

from fashion import evaluation

CLASSES = ("coat", "dress", "bag")

# Six pictures: the first three right, then coat taken for dress (twice) and dress taken for bag.
PROBABILITIES = np.array(
    [[0.8, 0.1, 0.1], [0.3, 0.6, 0.1], [0.0, 0.1, 0.9], [0.4, 0.5, 0.1], [0.1, 0.7, 0.2], [0.2, 0.2, 0.6]]
)
LABELS = np.array([0, 1, 2, 0, 0, 1], dtype=np.uint8)


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def drawn_from(probabilities, seed=0):
    """Labels that come true with exactly these probabilities."""
    chance = np.random.default_rng(seed).random((len(probabilities), 1))
    return (probabilities.cumsum(axis=1) < chance).sum(axis=1).clip(max=probabilities.shape[1] - 1)


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_interval_matches_published_values(correct, n, low, high):
    """Textbook values to four digits; 81 of 263 is the example of Newcombe (1998), table I."""
    assert evaluation.wilson_interval(correct, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("confidence", "z"), [(0.90, 1.644854), (0.95, 1.959964), (0.99, 2.575829)])
def test_wilson_ends_are_the_accuracies_just_not_rejected(confidence, z):
    """The observed share lies z standard errors from either end, which is how the interval is defined."""
    for end in evaluation.wilson_interval(37, 60, confidence):
        assert abs(37 / 60 - end) == pytest.approx(z * (end * (1 - end) / 60) ** 0.5, rel=1e-6)


def test_wilson_interval_covers_the_true_share_as_often_as_it_says():
    """Of 4,000 experiments with a true share of 0.9 and 50 pictures, about 95 % of intervals hold 0.9."""
    counts = np.random.default_rng(0).binomial(50, 0.9, 4000).tolist()

    holds = [low <= 0.9 <= high for low, high in (evaluation.wilson_interval(count, 50) for count in counts)]

    assert 0.93 < np.mean(holds) < 0.98


def test_wilson_interval_ends_exactly_at_zero_and_one():
    """No rounding is left over where all or none are correct, so that charts and words show 0 and 100 %."""
    assert {evaluation.wilson_interval(0, n)[0] for n in range(1, 300)} == {0.0}
    assert {evaluation.wilson_interval(n, n)[1] for n in range(1, 300)} == {1.0}


def test_wilson_interval_of_nothing_is_everything():
    """Without a single picture every accuracy is possible."""
    assert evaluation.wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((11, 10), "`correct` must be from 0 to n. Received: correct=11, n=10"),
        ((-1, 10), "`correct` must be from 0 to n"),
        ((5, 10, 95), "`confidence` must be between 0 and 1. Received: confidence=95"),
    ],
)
def test_wilson_interval_refuses_impossible_counts(arguments, words):
    """More right than there are, or a confidence in percent, is an error in words."""
    with pytest.raises(ValueError, match=words):
        evaluation.wilson_interval(*arguments)


def test_paired_difference_uses_only_the_pictures_on_which_the_models_differ():
    """Six pictures only b has right and two only a: 4 of 100 more, and by hand from -0.0179 to 0.0963."""
    correct_a = np.array([True] * 82 + [False] * 18)
    correct_b = np.array([False] * 2 + [True] * 86 + [False] * 12)

    difference, low, high = evaluation.paired_difference(correct_a, correct_b)

    assert difference == pytest.approx(0.04)
    # (6.5 - 2.5) / 102 plus or minus 1.96 * sqrt((9 / 102 - (4 / 102) ** 2) / 102)
    assert (low, high) == pytest.approx((-0.01793, 0.09636), abs=5e-6)


def test_independent_difference_agrees_with_the_example_of_its_paper():
    """Newcombe 1998, table II, example a: 56 of 70 against 48 of 80 gives 0.0524 to 0.3339."""
    few = evaluation.Accuracy(48 / 80, 48, 80, *evaluation.wilson_interval(48, 80))
    many = evaluation.Accuracy(56 / 70, 56, 70, *evaluation.wilson_interval(56, 70))

    assert evaluation.independent_difference(few, many) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert evaluation.independent_difference(many, few) == pytest.approx((-0.2, -0.3339, -0.0524), abs=5e-5)


def test_paired_difference_of_a_model_with_itself_is_zero_within_a_small_interval():
    """The same model twice: no difference, and the interval is far narrower than that of one accuracy."""
    correct = np.random.default_rng(0).random(1000) < 0.9

    difference, low, high = evaluation.paired_difference(correct, correct)

    assert difference == 0
    assert -0.003 < low < 0 < high < 0.003


def test_paired_difference_covers_the_true_difference_as_often_as_it_says():
    """Two models that differ by 0.05 on paired pictures: about 95 % of 1,500 intervals hold it."""
    rng = np.random.default_rng(1)
    holds = []
    for _ in range(1500):
        cell = rng.choice(4, size=200, p=[0.80, 0.10, 0.05, 0.05])  # both, only b, only a, none
        _, low, high = evaluation.paired_difference(np.isin(cell, [0, 2]), np.isin(cell, [0, 1]))
        holds.append(low <= 0.05 <= high)

    assert 0.93 < np.mean(holds) < 0.97


@pytest.mark.parametrize(
    ("correct_a", "correct_b", "words"),
    [
        (np.array([True]), np.array([True, False]), r"of the same shape \(n,\). Received: bool \(1,\) and"),
        (np.array([1, 0]), np.array([True, False]), "must be bool"),
        (np.array([], bool), np.array([], bool), "at least one picture"),
    ],
)
def test_paired_difference_refuses_what_is_not_paired(correct_a, correct_b, words):
    """Other lengths, numbers instead of right and wrong, and no pictures are errors in words."""
    with pytest.raises(ValueError, match=words):
        evaluation.paired_difference(correct_a, correct_b)


def test_accuracy_is_three_of_six_with_its_interval():
    """Half of six right: the Wilson interval is symmetric about a half."""
    result = evaluation.accuracy(PROBABILITIES, LABELS)

    assert (result.value, result.correct, result.n) == (0.5, 3, 6)
    assert result.low == pytest.approx(0.1876, abs=5e-5)
    assert result.low + result.high == pytest.approx(1)


def test_float16_probabilities_are_accepted():
    """Rows stored in float16 sum to 1 only roughly, and give the same accuracy."""
    assert evaluation.accuracy(PROBABILITIES.astype(np.float16), LABELS).correct == 3


def test_of_equal_probabilities_the_first_class_is_the_prediction():
    """As NumPy's argmax has it, everywhere alike."""
    probabilities = np.array([[0.5, 0.5, 0.0]])

    assert evaluation.accuracy(probabilities, np.array([0])).correct == 1
    assert evaluation.cell_members(probabilities, np.array([1]), true=1, predicted=0).tolist() == [0]


def test_confusion_matrix_has_a_row_per_true_class():
    """Counted by hand: coats are once found and twice called a dress."""
    matrix = evaluation.confusion_matrix(LABELS, PROBABILITIES.argmax(axis=1), 3)

    assert matrix.tolist() == [[1, 2, 0], [0, 1, 1], [0, 0, 1]]
    assert matrix.dtype == np.int64


def test_confusion_matrix_of_many_uint8_labels_matches_a_loop():
    """Small label types do not overflow, and classes that never occur keep their row and column."""
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 19, (2, 3000)).astype(np.uint8)
    expected = np.zeros((20, 20), int)
    for true, guess in zip(labels, predicted, strict=True):
        expected[true, guess] += 1

    np.testing.assert_array_equal(evaluation.confusion_matrix(labels, predicted, 20), expected)


def test_confusion_pairs_lists_mistakes_by_frequency():
    """The diagonal and the empty cells are left out; equals stay in the order of the classes."""
    matrix = [[9, 1, 2], [0, 9, 0], [1, 4, 9]]

    pairs = evaluation.confusion_pairs(matrix, CLASSES, count=3)

    assert pairs.values.tolist() == [["bag", "dress", 4], ["coat", "bag", 2], ["coat", "dress", 1]]
    assert list(pairs.columns) == ["true", "predicted", "count"]
    assert len(evaluation.confusion_pairs(matrix, CLASSES, count=99)) == 4
    assert len(evaluation.confusion_pairs(np.eye(3, dtype=int), CLASSES, count=5)) == 0


def test_per_class_counts_recall_and_precision_by_hand():
    """Coat: 1 of 3 found, nothing else called a coat. Dress: 1 of 2 found, 3 called so."""
    table = evaluation.per_class(PROBABILITIES, LABELS, CLASSES)

    assert list(table.columns) == ["class", "n", "correct", "accuracy", "low", "high", "precision"]
    assert table["class"].tolist() == list(CLASSES)
    assert table["n"].tolist() == [3, 2, 1]
    assert table["correct"].tolist() == [1, 1, 1]
    assert table["accuracy"].tolist() == pytest.approx([1 / 3, 1 / 2, 1])
    assert table["precision"].tolist() == pytest.approx([1, 1 / 3, 1 / 2])
    assert table["low"].tolist() == pytest.approx([0.0615, 0.0945, 0.2065], abs=5e-5)
    assert table["high"].tolist() == pytest.approx([0.7923, 0.9055, 1.0], abs=5e-5)


def test_per_class_without_pictures_or_predictions_is_nan_and_not_zero():
    """No bags in the data, and no dress ever predicted: unknown is not the same as bad."""
    probabilities = np.array([[0.9, 0.1, 0.0], [0.8, 0.1, 0.1]])

    table = evaluation.per_class(probabilities, np.array([0, 1]), CLASSES).set_index("class")

    assert np.isnan(table.loc["bag", ["accuracy", "low", "high"]].astype(float)).all()
    assert np.isnan(table.loc["dress", "precision"])
    assert table.loc["dress", "accuracy"] == 0


def test_cell_members_come_most_confident_first():
    """Coats called a dress: picture 4 with 0.7 before picture 3 with 0.5."""
    assert evaluation.cell_members(PROBABILITIES, LABELS, true=0, predicted=1).tolist() == [4, 3]
    assert evaluation.cell_members(PROBABILITIES, LABELS, true=2, predicted=0).tolist() == []


def test_cell_members_of_all_cells_are_all_pictures_once():
    """The cells part the pictures as the confusion matrix counts them."""
    rng = np.random.default_rng(0)
    probabilities, labels = rng.dirichlet([1, 1, 1], 200), rng.integers(0, 3, 200)
    matrix = evaluation.confusion_matrix(labels, probabilities.argmax(axis=1), 3)

    cells = [[evaluation.cell_members(probabilities, labels, t, p) for p in range(3)] for t in range(3)]

    assert [[len(cell) for cell in row] for row in cells] == matrix.tolist()
    assert sorted(np.concatenate([cell for row in cells for cell in row])) == list(range(200))


def test_most_confident_mistakes_are_sorted_and_cut():
    """Of the three mistakes, the two surest: 0.7 for dress, 0.6 for bag."""
    table = evaluation.most_confident_mistakes(PROBABILITIES, LABELS, count=2)

    assert table.to_dict("list") == {
        "index": [4, 5],
        "true": [0, 1],
        "predicted": [1, 2],
        "probability": [0.7, 0.6],
        "true_probability": [0.1, 0.2],
    }
    assert len(evaluation.most_confident_mistakes(PROBABILITIES, LABELS, count=99)) == 3


def test_reliability_counts_by_hand():
    """Confidences 0.8, 0.6, 0.9, 0.5, 0.7, 0.6 in five ranges; an end belongs to the range below it."""
    table = evaluation.reliability(PROBABILITIES, LABELS, bins=5)

    assert table["low"].tolist() == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8])
    assert table["high"].tolist() == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert table["n"].tolist() == [0, 0, 3, 2, 1]
    assert table["confidence"].tolist()[2:] == pytest.approx([1.7 / 3, 0.75, 0.9])
    assert table["accuracy"].tolist()[2:] == pytest.approx([1 / 3, 1 / 2, 1])
    assert table["accuracy_low"].tolist()[2:] == pytest.approx([0.0615, 0.0945, 0.2065], abs=5e-5)
    assert table["accuracy_high"].tolist()[2:] == pytest.approx([0.7923, 0.9055, 1.0], abs=5e-5)
    assert table.loc[:1, ["confidence", "accuracy", "accuracy_low", "accuracy_high"]].isna().all(axis=None)


def test_reliability_takes_a_float16_confidence_above_one():
    """A row that sums to 1.005 by rounding lands in the highest range."""
    table = evaluation.reliability(np.array([[1.005, 0.0], [1.0, 0.0]]), np.array([0, 0]))

    assert table["n"].tolist() == [0] * 9 + [2]
    assert table["confidence"].iloc[-1] == 1


def test_expected_calibration_error_is_the_weighted_gap():
    """By hand: (3 * |1/3 - 1.7/3| + 2 * |0.5 - 0.75| + 1 * |1 - 0.9|) / 6."""
    assert evaluation.expected_calibration_error(PROBABILITIES, LABELS, bins=5) == pytest.approx(1.3 / 6)


def test_calibrated_probabilities_have_almost_no_calibration_error():
    """Labels drawn from the probabilities themselves: no gap but chance; sharpened ones are far off."""
    probabilities = softmax(np.random.default_rng(0).normal(0, 1.5, (20_000, 10)))
    labels = drawn_from(probabilities)
    sharpened = evaluation.apply_temperature(probabilities, 0.4)

    assert evaluation.expected_calibration_error(probabilities, labels) < 0.01
    assert evaluation.expected_calibration_error(sharpened, labels) > 0.1


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 2.5])
def test_fit_temperature_finds_the_one_that_was_applied(true_temperature):
    """Labels follow softmax(s), the model says softmax(s * T): the fit gives T back, within chance."""
    scores = np.random.default_rng(0).normal(0, 1.5, (20_000, 5))
    labels = drawn_from(softmax(scores))

    fitted = evaluation.fit_temperature(softmax(scores * true_temperature), labels)

    assert fitted == pytest.approx(true_temperature, rel=0.05)
    assert isinstance(fitted, float)


def test_no_temperature_is_better_than_the_fitted_one():
    """A plain search over 3,000 temperatures finds the same minimum of the likelihood."""
    rng = np.random.default_rng(3)
    scores, labels = rng.normal(0, 3, (300, 4)), rng.integers(0, 4, 300)
    labels[:200] = scores[:200].argmax(axis=1)
    temperatures = np.exp(np.linspace(-3, 3, 3001))
    losses = [
        -np.log(softmax(scores / temperature)[np.arange(300), labels]).mean() for temperature in temperatures
    ]

    fitted = evaluation.fit_temperature(softmax(scores), labels)

    assert fitted == pytest.approx(temperatures[np.argmin(losses)], rel=0.003)


def test_fit_temperature_ends_at_its_limits_and_stays_finite():
    """All right asks for ever more confidence, all wrong for ever less; zeros in the file do no harm."""
    probabilities = np.array([[0.7, 0.3], [0.4, 0.6], [1.0, 0.0]], dtype=np.float16)

    assert evaluation.fit_temperature(probabilities, np.array([0, 1, 0])) == pytest.approx(
        np.exp(-3), rel=1e-3
    )
    assert evaluation.fit_temperature(probabilities, np.array([1, 0, 1])) == pytest.approx(
        np.exp(3), rel=1e-3
    )


def test_fit_temperature_of_a_model_that_knows_nothing_is_one():
    """Even probabilities stay even at any temperature."""
    assert evaluation.fit_temperature(np.full((4, 2), 0.5), np.array([0, 1, 1, 1])) == 1.0


def test_apply_temperature_by_hand():
    """At temperature 0.5 odds are squared: 0.8 to 0.2 becomes 16 to 1; at 2 their root, 2 to 1."""
    probabilities = np.array([[0.8, 0.2]], dtype=np.float32)

    assert evaluation.apply_temperature(probabilities, 0.5)[0].tolist() == pytest.approx([16 / 17, 1 / 17])
    assert evaluation.apply_temperature(probabilities, 2.0)[0].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert evaluation.apply_temperature(probabilities, 1.0)[0].tolist() == pytest.approx([0.8, 0.2])


@pytest.mark.parametrize("temperature", [0.05, 20.0])
def test_apply_temperature_keeps_the_prediction_and_the_sum(temperature):
    """Certain, even and ordinary rows alike sum to 1 and keep their first choice."""
    probabilities = np.array([[1.0, 0.0, 0.0], [0.2, 0.2, 0.6], [0.0, 0.5, 0.5]], dtype=np.float16)

    changed = evaluation.apply_temperature(probabilities, temperature)

    assert changed.sum(axis=1).tolist() == pytest.approx([1, 1, 1])
    assert changed.argmax(axis=1).tolist() == [0, 2, 1]


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_apply_temperature_refuses_what_is_no_temperature(temperature):
    """Only finite numbers above 0 are temperatures."""
    with pytest.raises(ValueError, match="`temperature` must be a number above 0"):
        evaluation.apply_temperature(PROBABILITIES, temperature)


@pytest.mark.parametrize(
    ("probabilities", "labels", "words"),
    [
        (PROBABILITIES[0], LABELS[:1], r"`probabilities` must be floating-point .* Received: float64 \(3,\)"),
        (PROBABILITIES > 0.5, LABELS, "Received: bool"),
        (PROBABILITIES * 1.02, LABELS, "sum to 1 in each row. Received: row 0 with sum 1.02 .* 6 such rows"),
        (np.array([[1.5, -0.5]]), np.array([0]), "0 or more .* lowest -0.5"),
        (np.array([[np.nan, 1.0]]), np.array([0]), "sum to 1 in each row. Received: row 0 with sum nan"),
        (PROBABILITIES, LABELS[:5], "Received: 5 labels for 6 rows"),
        (PROBABILITIES, LABELS + 1, "`labels` must be from 0 to 2. Received: 1 to 3"),
        (PROBABILITIES, LABELS.astype(int) - 1, "`labels` must be from 0 to 2. Received: -1 to 1"),
        (PROBABILITIES, LABELS.astype(float), "`labels` must be whole numbers"),
        (PROBABILITIES, np.eye(3, dtype=int)[LABELS], "not names or one-hot rows"),
    ],
)
@pytest.mark.parametrize(
    "function",
    [
        evaluation.accuracy,
        evaluation.reliability,
        evaluation.expected_calibration_error,
        evaluation.fit_temperature,
        lambda probabilities, labels: evaluation.per_class(probabilities, labels, CLASSES),
        lambda probabilities, labels: evaluation.cell_members(probabilities, labels, 0, 1),
        lambda probabilities, labels: evaluation.most_confident_mistakes(probabilities, labels, 3),
    ],
)
def test_arrays_of_another_form_are_refused_in_words(function, probabilities, labels, words):
    """Every function says which array is wrong, what it was and what is expected."""
    with pytest.raises(ValueError, match=words):
        function(probabilities, labels)


@pytest.mark.parametrize(
    "function", [evaluation.accuracy, evaluation.expected_calibration_error, evaluation.fit_temperature]
)
def test_a_figure_over_no_pictures_is_refused(function):
    """No pictures, no accuracy: an error in words and not a division by zero."""
    with pytest.raises(ValueError, match="needs at least one picture. Received: n=0"):
        function(np.zeros((0, 3)), np.zeros(0, np.uint8))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: evaluation.confusion_matrix([0, 1], [0], 2), "same length. Received: 2 and 1"),
        (lambda: evaluation.confusion_matrix([0, 2], [0, 1], 2), "`labels` must be from 0 to 1"),
        (lambda: evaluation.confusion_matrix([0, 1], [0, 2], 2), "`predicted` must be from 0 to 1"),
        (lambda: evaluation.confusion_pairs(np.eye(2), CLASSES, 3), r"shape=\(2, 2\) for 3 classes"),
        (lambda: evaluation.confusion_pairs(np.eye(3), CLASSES, -1), "`count` must be 0 or more"),
        (lambda: evaluation.per_class(PROBABILITIES, LABELS, ("a", "b")), "2 names for 3 columns"),
        (lambda: evaluation.cell_members(PROBABILITIES, LABELS, 3, 0), "`true` must be from 0 to 2"),
        (lambda: evaluation.most_confident_mistakes(PROBABILITIES, LABELS, -1), "`count` must be 0 or more"),
        (
            lambda: evaluation.reliability(PROBABILITIES, LABELS, 0),
            "`bins` must be a whole number of 1 or more",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_words(call, words):
    """A message names the argument and what was received."""
    with pytest.raises(ValueError, match=words):
        call()
