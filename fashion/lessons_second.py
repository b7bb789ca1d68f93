"""The lessons 8.8 to 8.15 of the course, as data: words, settings of the runs, and the course's own results."""

from fashion import lessons_homework
from fashion.lessons_first import HEAD
from fashion.lessons_form import COURSE_URL, Experiment, Lesson, Published, Question
from fashion.settings import RunSettings

_XCEPTION = "Xception, frozen, new head, batch 32, Adam, learning rate 0.001, on a GPU"
# Small enough that all photos pass through it within seconds: for lessons in which the photos themselves change.
_SMALL = HEAD.replace(architecture="mobilenetv2-035")
# Strong changes, so that the harder exam shows; drawn garments, so that it needs no download.
_CHANGED = RunSettings(
    dataset="sketches",
    width=0.5,
    num_train=2000,
    batch_size=64,
    epochs=10,
    flip=True,
    shift=4,
    rotate=30.0,
    zoom=0.3,
    erase=0.5,
)
_WITHOUT_STORED = (
    "Vectors that are not stored yet are computed first: every photo passes once through a small network, about 20 s per "
    "run on two free cores. They are kept for the next time."
)

INNER_LAYER = Lesson(
    slug="inner-layer",
    number="8.8",
    title="Adding more layers",
    idea=(
        "So far the head was one layer: each class is a weighted sum of the vector's numbers. An **inner layer** between "
        "vector and classes can combine them first: *collar and buttons, but no sleeves*. It has a size, its number of units, "
        "and between the layers stands a **ReLU**, which sets negative numbers to zero; without it two layers would do no more "
        "than one. More units can learn more, and learn by heart more too: 1,000 units on 1,280 numbers are 1.3 million "
        "parameters, for 3,068 photos. Whether it helps is not a matter of opinion: try."
    ),
    picture="A vector leads to an inner layer of units and from there to ten classes.",
    expect=Question(
        text="Which inner layer will be best on validation?",
        options=("10", "100", "1000", "no real difference"),
    ),
    experiments=(
        Experiment(
            key="inner-layer",
            title="Inner layers of 10, 100 and 1000 units, ten epochs each",
            varies="inner layer",
            runs=tuple((f"{size}", HEAD.replace(inner_width=size)) for size in (10, 100, 1000)),
        ),
    ),
    published=(
        Published(label="10", accuracy=0.8152, note="epoch 6; training 0.946"),
        Published(label="100", accuracy=0.8152, note="epoch 9; training 0.992"),
        Published(label="1000", accuracy=0.8123, note="epoch 7; training 0.969"),
    ),
    source=COURSE_URL,
    about=f"{_XCEPTION}, 150 pixels, ten epochs.",
    conclusion="The course gained nothing either: without regularisation a larger head only learns by heart faster.",
    check="Which inner layer had the highest accuracy on its *training* photos in the last epoch?",
    judge="most training",
)

DROPOUT = Lesson(
    slug="dropout",
    number="8.9",
    title="Regularisation and dropout",
    idea=(
        "A logo on the chest may be in all the t-shirts of the training photos. A network that relies on it is right in "
        "training and wrong elsewhere: it **overfits**. **Dropout** makes that harder: in each step a random share of the "
        "values is set to zero, so the network cannot lean on any one of them and has to know several signs of a t-shirt. In "
        "prediction nothing is dropped. It slows learning, so it needs more epochs; too much of it, and even the training "
        "photos are not learned. Such means against overfitting are called **regularisation**."
    ),
    picture="A layer of units of which some are crossed out, others in each step.",
    expect=Question(
        text="Which dropout will have the smallest gap between training and validation accuracy?",
        options=("0", "0.2", "0.5", "0.8"),
    ),
    experiments=(
        Experiment(
            key="dropout",
            title="Four dropouts with an inner layer of 100, thirty epochs each",
            varies="dropout",
            runs=tuple(
                (f"{rate:g}", HEAD.replace(dropout=rate, inner_width=100, epochs=30))
                for rate in (0.0, 0.2, 0.5, 0.8)
            ),
            note="Here dropout stands before the inner layer and before the last one; in the course only before the last.",
        ),
    ),
    published=(
        Published(label="0", accuracy=0.8416, note="epoch 4; mean of the last five 0.8287; training 0.9987"),
        Published(
            label="0.2", accuracy=0.8446, note="epoch 5; mean of the last five 0.8182; training 0.9928"
        ),
        Published(
            label="0.5", accuracy=0.8534, note="epoch 21; mean of the last five 0.8293; training 0.9645"
        ),
        Published(
            label="0.8", accuracy=0.8328, note="epoch 28; mean of the last five 0.8234; training 0.7256"
        ),
    ),
    source=COURSE_URL,
    about=f"{_XCEPTION}, 150 pixels, inner layer of 100, thirty epochs.",
    conclusion=(
        "Training accuracy is measured while values are dropped, so with much dropout it may lie below validation. A small gap "
        "alone is no success: what counts is validation."
    ),
    check="Which dropout had the smallest gap between training and validation accuracy in the last epoch?",
    judge="smallest gap",
)

AUGMENTATION = Lesson(
    slug="augmentation",
    number="8.10",
    title="Data augmentation",
    idea=(
        "More photos are better, but photographing is work. A mirrored t-shirt is still a t-shirt, and so is one that is cut "
        "closer, turned a little or lit differently. **Augmentation** makes such changes at random, so that the network never "
        "sees quite the same photo twice. It is for training photos only. A well-known mistake is to change the validation "
        "photos too: then one no longer measures how good the network is on real photos, and compares settings on another, "
        "harder exam. The course's own notebook made it (its notes say so). Here it is a switch that is off by default, to be "
        "made once on purpose; the final test is never touched."
    ),
    picture="One photo of a garment becomes four: mirrored, cut closer, turned, brighter. Validation photos stay as they are.",
    expect=Question(
        text="Will four changed views of each photo improve validation accuracy?",
        options=("by more than 3 points", "by less than 3 points", "it will fall"),
    ),
    experiments=(
        Experiment(
            key="augmentation",
            title="The photos as they are, against four stored views of each",
            varies="training photos",
            runs=(
                ("as they are", _SMALL.replace(inner_width=100, dropout=0.2, epochs=20)),
                (
                    "four views",
                    _SMALL.replace(
                        inner_width=100,
                        dropout=0.2,
                        epochs=20,
                        views=4,
                        flip=True,
                        crop=0.3,
                        rotate=10.0,
                        colour=0.2,
                    ),
                ),
            ),
            note="It needs the photos. " + _WITHOUT_STORED,
        ),
        Experiment(
            key="augmented-validation",
            title="The mistake: one training, judged on validation pictures as they are, and on changed ones",
            varies="validation pictures",
            measure="mistake",
            runs=(("as they are", _CHANGED), ("changed too", _CHANGED.replace(augment_validation=True))),
            note=(
                "Drawn garments and a small CNN from scratch, so it needs no download. Seed and all settings but the switch are "
                "the same, so both runs learn the same."
            ),
        ),
    ),
    published=(
        Published(
            label="course, as committed",
            accuracy=0.8328,
            note="epoch 9 of 11; augmentation is commented out there",
        ),
        Published(
            label="book, augmented",
            accuracy=0.8534,
            note="epoch 44 of 50, clean validation; 27 s an epoch instead of 16",
        ),
    ),
    source=COURSE_URL,
    about="Xception at 150 pixels. In the committed notebook the augmentation is switched off, so its number is without.",
    conclusion=(
        "On a frozen network augmentation helps little: its vectors hardly change when a photo is mirrored. It pays when the "
        "network itself is fine-tuned, or trained from scratch."
    ),
    check="Which training photos gave the better validation accuracy for you?",
    judge="best",
)

LARGER = Lesson(
    slug="larger-input",
    number="8.11",
    title="A larger input",
    idea=(
        "At 96 pixels buttons vanish, and a shirt looks like a t-shirt with sleeves. A **larger input** shows the network "
        "more, and it costs with its area: 299 pixels are four times the work of 150, and of the memory too. So one develops "
        "at a small size, where a run takes seconds, and repeats only the best settings at the large one. A network should be "
        "used near the size that it was pretrained at, 224 for this one: much smaller, and the cloth looks finer than it ever "
        "was; larger, and after a point nothing is gained."
    ),
    picture="The same garment in four squares of growing size; under each a bar for its cost, growing with the area.",
    expect=Question(text="Which size will be best on validation?", options=("96", "150", "224", "299")),
    experiments=(
        Experiment(
            key="larger-input",
            title="The same photos at 96, 150, 224 and 299 pixels",
            varies="image size",
            runs=tuple((f"{size}", _SMALL.replace(image_size=size)) for size in (96, 150, 224, 299)),
            note="It needs the photos. " + _WITHOUT_STORED,
        ),
    ),
    published=(
        Published(label="150", accuracy=0.8358, note="epoch 6; 16 s an epoch"),
        Published(
            label="299", accuracy=0.9032, note="epoch 13 of 21; 75 s an epoch; also other settings, see below"
        ),
    ),
    source=COURSE_URL,
    about=(
        "Xception. The 299 pixel run differs in more than its size: learning rate 0.0005, inner layer 100, dropout 0.2, "
        "augmentation, and its validation photos were augmented too. On test it had 0.8978 of 372 photos."
    ),
    conclusion="The step to 299 pixels, with the changes made beside it, is the only one of the course whose gain is larger than chance on 341 photos.",
    check="Which size had the best validation accuracy for you?",
    judge="best",
)

USING = Lesson(
    slug="using-the-model",
    number="8.12",
    title="Using the model",
    idea=(
        "A finished run is a folder with a file in it, the **model**. Whoever loads it can predict, without the training photos "
        "and without knowing how it was made. Before it is used it takes its one exam: the **test** photos, which had no part "
        "in learning or choosing. Then a photo goes in, prepared *exactly* as in training (same size, same cut, same scaling), "
        "and ten probabilities come out. The largest is the answer; how large it is, is what the network claims. Prediction "
        "needs no TensorFlow: here a small program, LiteRT, does it within milliseconds."
    ),
    picture="A model file is loaded; test photos give one accuracy, a new photo gives an answer.",
    expect=Question(
        text="Compared with validation, test accuracy of the same model will be …",
        options=("higher", "about the same", "lower"),
    ),
    published=(
        Published(
            label="course, test",
            accuracy=0.8978,
            n=372,
            note="xception_v4_1_13_0.903 at 299 pixels, loss 0.2939",
        ),
        Published(label="book, large, test", accuracy=0.9032, n=372, note="loss 0.2493; validation 0.894"),
        Published(label="book, small, test", accuracy=0.7984, n=372, note="loss 0.8131"),
    ),
    source=COURSE_URL,
    about="Test accuracies on 372 photos.",
    conclusion=(
        "In these photos the people differ: 332 of the 341 validation photos come from people who also gave training photos, the "
        "test photos come from five people of whom none did. So validation answers *new photos, same people*, test *new people*."
    ),
    check="Does the 95 % interval of the test accuracy hold the validation accuracy of the model that you asked?",
)

SUMMARY = Lesson(
    slug="summary",
    number="8.13",
    title="Summary",
    idea=(
        "A photo is an array. A convolution finds patterns in it; a pretrained network has learned which ones to look for. "
        "Transfer learning keeps it and trains a new head. The learning rate comes first, since everything else depends on it. "
        "Checkpoints keep the best epoch. Inner layers, dropout and augmentation are tried one at a time, on validation photos, "
        "and believed only when the difference is larger than chance. A larger input comes last, because it is dear. Then the "
        "test photos are looked at, once. That is the whole method, for clothes or for anything else."
    ),
    picture="The steps of the course in a row, from photo to tested model.",
    expect=Question(
        text="In how many of your experiments was the winner ahead of the runner-up by more than chance?",
        options=("none", "one or two", "most"),
    ),
    conclusion="With 341 photos a difference must be some three points before it means much; more photos, or several seeds, tell more.",
    check="In how many of your experiments was the lead of the best run larger than chance?",
)

MORE = Lesson(
    slug="explore-more",
    number="8.14",
    title="Explore more",
    idea=(
        "Nothing so far depends on TensorFlow. **Keras 3** runs the same network on **PyTorch** or **JAX** as well: results "
        "agree up to chance, speed differs. Nor does it depend on one pretrained network. Small ones (MobileNet) fit into a "
        "phone, large ones (Xception, ResNet) see more and cost more; newer ones (EfficientNetV2) are often better *and* "
        "cheaper. Which one to take is a question of accuracy per second, so both must be measured, on the same photos. Since "
        "2025 the course itself shows this module in PyTorch, with MobileNetV2."
    ),
    picture="Three frameworks and three pretrained networks, each pair leading to the same head.",
    expect=Question(
        text="Which pretrained network will be best on validation?",
        options=("EfficientNetV2-B0", "MobileNetV2", "MobileNetV2, 0.35 wide"),
    ),
    experiments=(
        Experiment(
            key="bases",
            title="The same head on three pretrained networks, 224 pixels",
            varies="pretrained network",
            runs=(
                ("EfficientNetV2-B0", HEAD),
                ("MobileNetV2", HEAD.replace(architecture="mobilenetv2")),
                ("MobileNetV2, 0.35 wide", _SMALL),
            ),
            note="It needs the photos for networks whose vectors are not stored: about a minute each on two free cores.",
        ),
        Experiment(
            key="frameworks",
            title="The same run in each framework that is installed",
            varies="framework",
            runs=(
                ("TensorFlow", HEAD),
                ("PyTorch", HEAD.replace(framework="torch")),
                ("JAX", HEAD.replace(framework="jax")),
            ),
            note="Each framework needs a process of its own, so this takes longer to start.",
        ),
    ),
    published=(
        Published(
            label="MobileNetV2, PyTorch",
            accuracy=0.815,
            note="learning rate 0.001, 224 pixels; the course's workshop of 2025",
        ),
    ),
    source=COURSE_URL.replace("notebook.ipynb", "pytorch/README.md"),
    about="The course's PyTorch workshop: MobileNetV2 at 224 pixels, several learning rates; the best is shown.",
    conclusion="Same seed, another framework: not the same numbers, since each draws its random numbers its own way.",
    check="Which pretrained network had the best validation accuracy for you?",
    judge="best",
)

HOMEWORK = Lesson(
    slug="homework",
    number="8.15",
    title="Homework",
    idea=(
        "The homework trains a small network **from scratch**, nothing pretrained, on two classes: one convolution with 32 "
        "filters of 3x3, max pooling of 2x2, flatten, a dense layer of 64, and one last unit with a *sigmoid*, the probability "
        "of the second class. The optimizer is SGD with learning rate 0.002 and momentum 0.8. It asks how many parameters "
        "there are, then for the median of training accuracy and the standard deviation of training loss over ten epochs, and "
        "for the same with augmentation. Where do eleven million parameters come from, if the convolution has 896? Build it up "
        "layer by layer."
    ),
    picture="The homework's network: a photo, 32 filters, pooling, flatten to a long row, a dense layer of 64, one unit.",
    expect=Question(
        text="Which layer holds nearly all of the 11,215,873 parameters?",
        options=("the convolution", "the dense layer of 64", "the last unit"),
    ),
    experiments=tuple(
        Experiment(
            key=f"homework-{side}",
            title=f"The homework's network at {side} pixels: ten epochs, then ten more with augmentation",
            varies="image size",
            measure="homework",
            runs=((f"{side} pixels", lessons_homework.settings(side)),),
            note=lessons_homework.NOTE,
        )
        for side in lessons_homework.SIZES
    ),
    source=COURSE_URL.replace("08-deep-learning/notebook.ipynb", "cohorts"),
    about=(
        "Solutions of the cohorts: median training accuracy 0.576 and standard deviation of training loss 0.014 in 2021 (cats and "
        "dogs), 0.907 and 0.105 in 2022 (dinos and dragons), 0.745 and 0.091 in 2023 (bees and wasps). *Your answers won't match "
        "exactly: select the closest*, says the course."
    ),
    conclusion=(
        "Flattening is what makes it large: each of the 64 units has a weight for every one of 74 x 74 x 32 numbers. A mean over "
        "all positions instead of flattening, as in later networks, would need 32 weights per unit."
    ),
    check="How many parameters has this network on photos of 200 x 200 pixels?",
)

SECOND = (INNER_LAYER, DROPOUT, AUGMENTATION, LARGER, USING, SUMMARY, MORE, HOMEWORK)
