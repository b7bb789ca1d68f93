"""Recipes: settings that reach a good accuracy soon, for a class that has minutes; and who they are compared with.

The benchmark's second question trains each of them with several seeds and asks what accuracy a minute buys; the Train
page offers them, and fits one to a time budget. No Keras here.
"""

from dataclasses import dataclass

from fashion.settings import DEFAULTS, PHOTO_DEFAULTS, PHOTOS, RunSettings, defaults_for


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A named way to train on Fashion-MNIST.

    settings: of our own worker's run; None for a `peer`, a published program that is measured as it was published
    (see `benchmark_peers.py`), with its number of epochs and the page it comes from.
    family: recipes of one family are one line of the chart, from short to long.
    """

    name: str
    title: str
    about: str
    family: str
    settings: RunSettings | None = None
    peer: str = ""
    epochs: int = 0
    source: str = ""


_QUICK = "Quick CNN"
# More epochs see more of each garment than there is: mirrored pictures and pulled-in weights keep the network from
# learning them by heart, and a wider network has more to learn with.
_LONGER = DEFAULTS.replace(
    width=1.0, epochs=5, batch_size=128, learning_rate=0.02, optimizer="adamw", weight_decay=0.05, flip=True
)
_KERAS_CONVNET = "https://keras.io/examples/vision/mnist_convnet/"
_TENSORFLOW_TUTORIAL = "https://www.tensorflow.org/tutorials/keras/classification"

RECIPES: tuple[Recipe, ...] = (
    Recipe(
        name="keras-convnet",
        title="Keras' convnet example",
        about="Two convolutions of 32 and 64 filters, pooling, dropout 0.5, Adam, batch 128, 15 epochs.",
        family="Keras' convnet example",
        peer="keras-convnet",
        epochs=15,
        source=_KERAS_CONVNET,
    ),
    Recipe(
        name="tensorflow-tutorial",
        title="TensorFlow's first tutorial",
        about="A multilayer perceptron: one dense layer of 128, Adam, batch 32, 10 epochs.",
        family="TensorFlow's first tutorial",
        peer="tensorflow-tutorial",
        epochs=10,
        source=_TENSORFLOW_TUTORIAL,
    ),
    Recipe(
        name="quick-1",
        title="Quick CNN, 1 epoch",
        about="The default settings of the Train page, for one epoch.",
        family=_QUICK,
        settings=DEFAULTS.replace(epochs=1),
    ),
    Recipe(
        name="default",
        title="Quick CNN, 2 epochs",
        about="The default settings of the Train page: a strided network of half width, Adam, one-cycle up to 0.03, batch 256.",
        family=_QUICK,
        settings=DEFAULTS,
    ),
    Recipe(
        name="quick-5",
        title="Quick CNN, 5 epochs",
        about="Twice the width, AdamW, batch 128, and pictures mirrored at random.",
        family=_QUICK,
        settings=_LONGER,
    ),
    Recipe(
        name="quick-16",
        title="Quick CNN, 16 epochs",
        about="The same with dropout and a smaller learning rate, computed in bfloat16.",
        family=_QUICK,
        settings=_LONGER.replace(
            epochs=16, learning_rate=0.008, weight_decay=0.02, dropout=0.2, precision="mixed_bfloat16"
        ),
    ),
)
"""In the order of the chart, and those of a family from short to long. How they were found: docs/benchmark.md."""


def beginnings(dataset: str) -> dict[str, RunSettings]:
    """Where to begin with these pictures: a name, and settings that belong together."""
    if dataset in PHOTOS:
        fine_tuned = PHOTO_DEFAULTS.replace(
            batch_size=16,
            fine_tune="last",
            fine_tune_epochs=3,
            flip=True,
            crop=0.3,
            colour=0.2,
            rotate=10.0,
            predict_fit="between",
        )
        return {
            "Head on stored vectors": PHOTO_DEFAULTS,
            "Fine-tune the last blocks": fine_tuned,
            "CNN from scratch, for contrast": defaults_for(dataset, "resnet"),
        }
    return {
        "Good in seconds": DEFAULTS,
        "Better in a minute": _LONGER,
        "Small CNN, plain Adam": defaults_for(dataset, "cnn"),
        "Multilayer perceptron": defaults_for(dataset, "mlp"),
    }
