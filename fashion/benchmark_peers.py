"""Published programs that our recipes are compared with, as a reader of their pages would write them. For measuring
processes only.

Each is a function of a `Task` that trains, leaves everything else as its page has it, and returns the model; the clock is
told where an epoch begins and ends. What differs from the pages is said in each docstring. They get raw pictures, as
ours do, and bring their own preprocessing. Frameworks are imported late, so that plain PyTorch runs without Keras.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Clock(Protocol):
    """Counts the seconds of training; see `benchmark_recipe_cell.Clock`."""

    def epoch_begins(self) -> None: ...

    def epoch_ends(self, count_correct) -> None: ...


@dataclass(frozen=True)
class Task:
    """What to learn from and what to be tested on.

    train_images, test_images: uint8 (n, 28, 28), 0 to 255; labels: uint8 (n,), 0 to 9. device: "cpu" or "gpu:N".
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    epochs: int
    batch_size: int
    seed: int
    device: str


def keras_convnet(task: Task, clock: Clock):
    """Keras' example "Simple MNIST convnet" (F. Chollet, keras.io/examples/vision/mnist_convnet), on Fashion-MNIST.

    Its `validation_split=0.1` is left out, so that it too learns from all pictures.
    """
    import keras
    from keras import layers

    keras.utils.set_random_seed(task.seed)
    x_train = np.expand_dims(task.train_images.astype("float32") / 255, -1)
    x_test = np.expand_dims(task.test_images.astype("float32") / 255, -1)
    y_train = keras.utils.to_categorical(task.train_labels, 10)
    model = keras.Sequential(
        [
            keras.Input(shape=(28, 28, 1)),
            layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
            layers.MaxPooling2D(pool_size=(2, 2)),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
    model.fit(
        x_train,
        y_train,
        batch_size=task.batch_size,
        epochs=task.epochs,
        callbacks=[_timing(clock, x_test, task.test_labels)],
        verbose=0,
    )
    return model


def tensorflow_tutorial(task: Task, clock: Clock):
    """TensorFlow's tutorial "Basic classification: Classify images of clothing" (tensorflow.org/tutorials/keras).

    It is written for all of Keras' frameworks, and its progress bar is left out.
    """
    import keras

    keras.utils.set_random_seed(task.seed)
    train_images, test_images = task.train_images / 255.0, task.test_images / 255.0
    model = keras.Sequential(
        [
            keras.Input(shape=(28, 28)),
            keras.layers.Flatten(),
            keras.layers.Dense(128, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(
        train_images,
        task.train_labels,
        batch_size=task.batch_size,
        epochs=task.epochs,
        callbacks=[_timing(clock, test_images, task.test_labels)],
        verbose=0,
    )
    return model


def _timing(clock: Clock, test_images: np.ndarray, test_labels: np.ndarray):
    """A Keras callback that tells the clock of each epoch."""
    import keras

    class Timing(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            clock.epoch_begins()

        def on_epoch_end(self, epoch, logs=None):
            float(logs["loss"])  # waits until a graphics card has really done the work
            clock.epoch_ends(self._count_correct)

        def _count_correct(self) -> int:
            answers = self.model.predict(test_images, batch_size=500, verbose=0)
            return int((np.asarray(answers).argmax(axis=1) == test_labels).sum())

    return Timing()


def torch_device(device: str) -> str:
    """PyTorch's name of "cpu" or "gpu:N", in a process that sees no other card."""
    import torch

    if device == "cpu":
        return "cpu"
    return "mps" if torch.backends.mps.is_available() else "cuda"


def plain_torch(task: Task, clock: Clock):
    """The network of `keras_convnet` in PyTorch alone, written as its tutorial "Quickstart" writes one: Dataset,
    DataLoader, nn.Sequential, a loop.

    Adam with Keras' rate of 0.001 instead of the tutorial's SGD, so that it learns as the others do; its DataLoader turns
    pictures to tensors one by one, as the tutorial's `ToTensor` does. Weights begin as PyTorch's defaults have them.
    """
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, Dataset

    class Pictures(Dataset):
        def __init__(self, images, labels):
            self.images, self.labels = torch.from_numpy(images), labels.astype(np.int64)

        def __len__(self):
            return len(self.labels)

        def __getitem__(self, index):
            return self.images[index].unsqueeze(0).float() / 255, self.labels[index]

    torch.manual_seed(task.seed)
    device = torch_device(task.device)
    train = DataLoader(
        Pictures(task.train_images.copy(), task.train_labels), batch_size=task.batch_size, shuffle=True
    )
    test = DataLoader(Pictures(task.test_images.copy(), task.test_labels), batch_size=500)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(1600, 10),
    ).to(device)
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)

    def count_correct() -> int:
        model.eval()
        correct = 0
        with torch.no_grad():
            for x, y in test:
                correct += int((model(x.to(device)).argmax(1).cpu() == y).sum())
        return correct

    for _ in range(task.epochs):
        clock.epoch_begins()
        model.train()
        for x, y in train:
            loss = loss_fn(model(x.to(device)), y.to(device))
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        float(loss.detach())  # waits until a graphics card has really done the work
        clock.epoch_ends(count_correct)
    return model


PROGRAMS = {
    "keras-convnet": keras_convnet,
    "tensorflow-tutorial": tensorflow_tutorial,
    "plain-torch": plain_torch,
}
