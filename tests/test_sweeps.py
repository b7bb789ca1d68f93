"""Several values of some settings become the runs that were meant, and nothing a stranger writes becomes anything else."""

import pytest

from fashion import estimate, sweeps
from fashion.errors import SettingsError
from fashion.settings import DEFAULTS, PHOTO_DEFAULTS

BASE = DEFAULTS.replace(architecture="softmax", schedule="constant", optimizer="adam", seed=5)


@pytest.mark.parametrize(
    ("name", "text", "values"),
    [
        ("learning_rate", "0.1, 0.01,0.001", (0.1, 0.01, 0.001)),
        ("learning_rate", " 1e-2;0.1 \n0.01 ", (0.01, 0.1)),
        ("epochs", "2 4", (2, 4)),
        ("optimizer", "adam,sgd", ("adam", "sgd")),
        ("flip", "false,true", (False, True)),
    ],
)
def test_values_are_read_in_their_order_and_each_once(name, text, values):
    """Commas, semicolons and spaces separate; 1e-2 and 0.01 are the same number."""
    assert sweeps.parse_values(name, text) == values


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("learning_rate", "0.1, fast", "`learning_rate` must be a number. Received: learning_rate='fast'"),
        ("learning_rate", "nan", "Received: learning_rate=nan"),
        ("epochs", "1, 5000", "between 1 and 200. Received: epochs=5000"),
        ("epochs", "1.5", "a whole number. Received: epochs='1.5'"),
        ("epochs", " , ", "1 to 8 different values, such as 0.1, 0.01. Received: 0"),
        ("epochs", "1 2 3 4 5 6 7 8 9", "Received: 9. Leave some out"),
        ("schedule", "cosine,range-test", "no way to learn"),
        ("optimizer", "../../etc", "Received: optimizer='../../etc'"),
        ("dataset", "clothing", "Received: 'dataset'"),
        ("__class__", "x", "Received: '__class__'"),
    ],
)
def test_values_that_cannot_be_used_are_named(name, text, words):
    """The error says which value it was and what would do."""
    with pytest.raises(SettingsError) as caught:
        sweeps.parse_values(name, text)

    assert words in str(caught.value)


def test_a_link_gives_back_what_was_written():
    """Numbers, choices and switches, in their order."""
    varied = {"learning_rate": (0.1, 0.01), "optimizer": ("adam", "sgd"), "nesterov": (True, False)}

    text = sweeps.write(varied)

    assert text == "learning_rate:0.1,0.01;optimizer:adam,sgd;nesterov:true,false"
    assert sweeps.read(text) == (varied, [])


def test_a_hostile_link_is_ignored_and_named():
    """What can be used of it is used; every other part is told."""
    varied, problems = sweeps.read("epochs:1,2;<script>:1;learning_rate:inf;seed:1,2;;epochs")

    assert varied == {"epochs": (1, 2)}
    assert len(problems) == 4
    assert all(problem.startswith("From the link: ") for problem in problems)


def test_a_text_that_is_too_long_is_refused_whole():
    """Cut after 400 characters, its last number would be another one; told once, not for each part."""
    varied, problems = sweeps.read("epochs:1,2;learning_rate:" + "0.1," * 100)

    assert varied == {}
    assert ["at most 400 characters. Received: 425" in problem for problem in problems] == [True]
    with pytest.raises(SettingsError, match="at most 400 characters. Received: 401"):
        sweeps.parse_values("epochs", " " * 400 + "1")


def test_a_link_with_too_many_settings_loses_the_last():
    """Four settings, of which three are kept."""
    varied, problems = sweeps.read("epochs:1,2;dropout:0,0.1;learning_rate:0.1,1;batch_size:8,16")

    assert list(varied) == ["epochs", "dropout", "learning_rate"]
    assert "Received: 4. batch_size left out" in problems[0]


@pytest.mark.parametrize(
    ("text", "count", "told"), [("3", 3, 0), ("0", 1, 1), ("11", 1, 1), ("²", 1, 1), ("-2", 1, 1)]
)
def test_seeds_of_a_link_are_one_to_ten(text, count, told):
    """Anything else is one seed, and said."""
    found, problems = sweeps.read_seeds(text)

    assert (found, len(problems)) == (count, told)


def test_every_combination_is_made_with_the_first_seed_before_the_next():
    """Two by two with seeds 5 and 6, all eight written out."""
    planned = sweeps.plan(BASE, {"learning_rate": (0.1, 0.01), "epochs": (1, 2)}, 2)

    assert [(one.learning_rate, one.epochs, one.seed) for one in planned] == [
        (0.1, 1, 5), (0.1, 2, 5), (0.01, 1, 5), (0.01, 2, 5),
        (0.1, 1, 6), (0.1, 2, 6), (0.01, 1, 6), (0.01, 2, 6),
    ]  # fmt: skip
    assert planned[0] == BASE.replace(learning_rate=0.1, epochs=1)


def test_only_seeds_is_a_sweep_too():
    """Nothing varied: the same settings three times."""
    assert [one.seed for one in sweeps.plan(BASE, {}, 3)] == [5, 6, 7]


def test_what_a_combination_has_no_use_for_does_not_double_it():
    """Momentum belongs to SGD: Adam once, SGD with each momentum."""
    planned = sweeps.plan(BASE, {"optimizer": ("adam", "sgd"), "momentum": (0.0, 0.5)})

    assert [(one.optimizer, one.momentum) for one in planned] == [("adam", 0.9), ("sgd", 0.0), ("sgd", 0.5)]


def test_a_combination_that_contradicts_itself_is_named():
    """Weight decay needs SGD or AdamW; which of the combinations it was is said first."""
    with pytest.raises(
        SettingsError, match="not possible: optimizer Adam, weight decay 0.1. `weight_decay` works with"
    ):
        sweeps.plan(BASE, {"optimizer": ("adamw", "adam"), "weight_decay": (0.0, 0.1)})


def test_a_range_test_is_no_sweep():
    """Its accuracy means nothing, so it cannot be the base either."""
    with pytest.raises(SettingsError, match="cannot be compared"):
        sweeps.plan(BASE.replace(schedule="range-test", learning_rate=1.0), {"epochs": (1, 2)})


def test_seeds_beyond_the_largest_are_refused():
    """They count up from the seed of the form."""
    with pytest.raises(SettingsError, match="seed"):
        sweeps.plan(BASE.replace(seed=int(sweeps.FIELDS["seed"].high)), {}, 2)


def test_more_than_the_limit_is_refused_with_number_and_time():
    """25 are one too many; 24 are not."""
    guess = estimate.Estimate(7200.0, 3600.0, 9000.0, "a guess")

    words = sweeps.refusal([BASE] * 25, guess)

    assert "At most 24 runs" in words
    assert "Received: 25, which would take about 2 h" in words
    assert sweeps.refusal([BASE] * 24, guess) is None


def test_more_runs_are_expected_to_take_longer():
    """Also where each takes next to nothing, as a process has something to do for each."""
    one, six = sweeps.expected([BASE]), sweeps.expected([BASE] * 6)

    assert six.seconds > one.seconds + 5
    assert six.low < six.seconds < six.high


def test_pretrained_networks_are_offered_for_photos_only():
    """They need colours."""
    assert "efficientnetv2-b0" in sweeps.choices("architecture", PHOTO_DEFAULTS.dataset)
    assert "efficientnetv2-b0" not in sweeps.choices("architecture", "fashion-mnist")
    assert "range-test" not in sweeps.choices("schedule", "fashion-mnist")
    assert sweeps.choices("epochs", "fashion-mnist") == {}
