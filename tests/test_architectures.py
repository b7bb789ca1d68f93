"""The layer table, computed without Keras, says what Keras then builds."""

import json
import os
import subprocess
import sys

import pytest

from fashion import architectures
from fashion.architectures import cost_of, layers_of, table
from fashion.runs import ROOT
from fashion.settings import SCRATCH, RunSettings

CASES = [RunSettings(architecture=name, width=width) for name in SCRATCH for width in (0.5, 2.0)]
CASES += [RunSettings(architecture="resnet", inner_width=0)]
PHOTOS = RunSettings(dataset="clothing", image_size=96)
PHOTO_CASES = [
    PHOTOS.replace(architecture="cnn", width=0.5),
    PHOTOS.replace(architecture="mobilenetv2-035", inner_width=16),
    PHOTOS.replace(architecture="efficientnetv2-b0", inner_width=0, image_size=150),
]

_BUILD = """
import json, sys
from fashion import networks
from fashion.settings import RunSettings
for values in json.loads(sys.argv[1]):
    settings = RunSettings.from_json(values)
    side = settings.image_size
    if settings.pretrained:
        model = networks.build_pretrained(settings, 10, side=side)
    else:
        shape = (side, side, 3) if settings.dataset == "clothing" else (side, side)
        model = networks.build(settings, shape, 10)
    shapes = [list(layer.output.shape[1:]) for layer in model.layers]
    print(json.dumps({"parameters": model.count_params(), "shapes": shapes}))
"""


@pytest.fixture(scope="module")
def built() -> list[dict]:
    """Parameters and shapes of the networks as Keras builds them, of all cases."""
    done = subprocess.run(
        [sys.executable, "-c", _BUILD, json.dumps([case.to_json() for case in CASES + PHOTO_CASES])],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(found) == len(CASES + PHOTO_CASES)
    return found


def test_keras_builds_what_the_table_says(built):
    """Parameters and the shapes between layers agree for every architecture, at two widths."""
    for case, keras_model in zip(CASES, built[: len(CASES)], strict=True):
        rows = table(layers_of(case), (28, 28, 1))
        assert sum(row.num_parameters for row in rows) == keras_model["parameters"], case.architecture
        # Keras lists input, channel axis and scaling first.
        assert [list(row.output_shape) for row in rows] == keras_model["shapes"][3:], case.architecture


def test_networks_for_photos_are_what_the_table_says(built):
    """From scratch or pretrained, parameters and the shapes after the base agree with what Keras builds."""
    for case, keras_model in zip(PHOTO_CASES, built[len(CASES) :], strict=True):
        rows = table(layers_of(case), architectures.input_shape(case))
        assert cost_of(case)[0] == keras_model["parameters"], case.architecture
        assert [list(row.output_shape) for row in rows] == keras_model["shapes"][-len(rows) :]


def test_a_pretrained_network_costs_with_the_area_of_its_input():
    """Twice the side, four times the multiply-adds; at its own size EfficientNetV2-B0 needs 0.72 billion."""
    small, large = (
        cost_of(PHOTOS.replace(architecture="efficientnetv2-b0", image_size=size, inner_width=0))[1]
        for size in (112, 224)
    )

    assert large == 716_806_176 + 1280 * 10
    assert (large - 12_800) == 4 * (small - 12_800)


def test_softmax_regression_by_hand():
    """784 pixels times ten classes and ten biases; one multiplication per weight."""
    assert cost_of(RunSettings(architecture="softmax")) == (7850, 7840)


def test_a_convolution_by_hand():
    """The small CNN's first layer: 9 weights for each of 32 filters, at each of 784 places; then it is halved."""
    convolution, pooling, normalisation = table(layers_of(RunSettings()), (28, 28, 1))[:3]

    assert (convolution.num_parameters, convolution.num_multiply_adds) == (288, 225_792)
    assert pooling.output_shape == (14, 14, 32)
    assert normalisation.num_parameters == 128


def test_twice_the_width_costs_about_four_times():
    """The help text of the setting says so; it holds for networks made of convolutions."""
    narrow, wide = (cost_of(RunSettings(architecture="resnet", width=width))[1] for width in (1.0, 2.0))

    assert wide / narrow == pytest.approx(4.0, rel=0.1)


def test_the_narrowest_network_still_has_filters():
    """Rounding to multiples of four never reaches zero."""
    sizes = [layer.size for layer in layers_of(RunSettings(width=0.25)) if layer.kind == "conv"]

    assert sizes == [8, 16]
    assert architectures.table(layers_of(RunSettings(width=0.25)), (28, 28, 1))
