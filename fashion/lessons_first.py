"""The lessons 8.1 to 8.7 of the course, as data: words, settings of the runs, and the course's own results."""

from fashion.lessons_form import BOOK_URL, COURSE_URL, Experiment, Lesson, Published, Question
from fashion.settings import PHOTO_DEFAULTS, RunSettings

HEAD = PHOTO_DEFAULTS.replace(epochs=10, dropout=0.0)
"""What most experiments begin from: a new last layer on stored vectors, as in the course's first network."""

_XCEPTION = "Xception at 150 pixels, frozen, new head, batch 32, Adam, on a GPU"

INTRODUCTION = Lesson(
    slug="introduction",
    number="8.1",
    title="Fashion classification",
    idea=(
        "A photo goes in, the name of a garment comes out: t-shirt, dress, shoes or one of seven others. Nobody writes rules "
        "for that. A network is shown some 3,000 photos with their names and adjusts its numbers until its answers fit. "
        "**Training** photos are for learning, **validation** photos for choosing settings, **test** photos for one honest "
        "look at the end. All of it is arithmetic, billions of multiplications, and the question of this project is what "
        "computes them: a processor (CPU) does a few at a time, a graphics card (GPU) thousands. Which is faster, for which "
        "network, by how much? First measure this machine."
    ),
    picture="A photo of a garment goes into a network; out come ten bars, one for each class, the t-shirt's the longest.",
    expect=Question(
        text="How many small pictures (28x28) does this machine's processor learn from in a second, with a small CNN?",
        options=("fewer than 1,000", "1,000 to 10,000", "more than 10,000"),
    ),
    experiments=(
        Experiment(
            key="introduction",
            title="Three epochs of a small CNN on drawn garments, on each device of this machine",
            varies="device",
            measure="speed",
            runs=(
                ("CPU", RunSettings(dataset="sketches", width=0.5, num_train=4000, batch_size=64, epochs=3)),
            ),
            note="It needs no download. With a graphics card that is seen here, the same run is made on it too.",
        ),
    ),
    source=COURSE_URL,
    about=(
        "On the author's GPU an epoch of 3,068 photos took 20 s at first and then 16 s (Xception, 150 pixels); at 299 pixels "
        "75 s. The same test took 83 s on a CPU where the GPU needed 8 s."
    ),
    conclusion=(
        "The first epoch is slower than the others: the framework prepares its program. A small network can be faster on the "
        "CPU, since a GPU spends its time waiting for work; large ones rarely are. The Benchmark page measures where they cross."
    ),
    check="How many pictures a second did the CPU learn from in your run?",
    judge="speed",
)

ARRAYS = Lesson(
    slug="tensorflow",
    number="8.2",
    title="TensorFlow and Keras",
    idea=(
        "To a computer a photo is a box of numbers, an **array**: height x width x 3. Each number says how much red, green or "
        "blue there is at one spot, from 0 (none) to 255 (full), a type called *uint8*. A network computes with decimals "
        "(*float32*), so the first thing it does is to scale them, often to the range from -1 to 1. Several photos of one "
        "size are stacked into a **batch** with four axes. **TensorFlow** computes with such arrays, on CPU or GPU; "
        "**Keras** is the layer above it in which one writes networks."
    ),
    picture="A photo comes apart into three sheets of numbers: red, green and blue.",
    expect=Question(
        text="How many numbers is a colour photo of 224 x 224 pixels?",
        options=("50,176", "150,528", "224"),
    ),
    conclusion=(
        "A colour photo of 224 x 224 pixels is 224 x 224 x 3 = 150,528 numbers. Halving its side leaves a quarter of them, and of "
        "the work. That is why networks see photos at "
        "150, 224 or 299 pixels, not at the 12 million of a phone."
    ),
    check="How many numbers does the array of *your* picture hold?",
    source=COURSE_URL,
    about="The course loads photos at 299x299: an array of shape (299, 299, 3), type uint8.",
)

PRETRAINED = Lesson(
    slug="pretrained",
    number="8.3",
    title="Pretrained networks",
    idea=(
        "Training a large network takes days on many GPUs and a million photos. Others have done it and publish the result. "
        "These networks learned **ImageNet**: 1.28 million photos of 1,000 kinds, from goldfish to volcano. Ask one about a "
        "garment and it answers in its own words, *jersey* for a t-shirt, or picks what lies beside it. It cannot say what it "
        "has no word for. But to tell 1,000 kinds apart it has learned to see edges, cloth, buttons, collars; and that can be "
        "used again."
    ),
    picture="A photo goes through a large network that was trained before; it answers with words such as jersey.",
    expect=Question(
        text="What will a network with ImageNet's 1,000 words call your garment?",
        options=("by its right name", "by a related word", "something else altogether"),
    ),
    conclusion=(
        "What such a network says is limited by its words, what it sees is not. The next lessons keep its eyes and give it our "
        "ten words. A confidence is a claim: over 1,000 words it is spread thinner than over ten."
    ),
    check="What do the probabilities of the five words add up to for your picture?",
    source=COURSE_URL,
    about=(
        "The course's t-shirt, through Xception at 299 pixels: jersey 0.679, bulletproof_vest 0.040, sweatshirt 0.035."
    ),
)

CONVOLUTION = Lesson(
    slug="convolution",
    number="8.4",
    title="Convolutional networks",
    idea=(
        "A **convolution** slides a small window of numbers, the *kernel*, over the picture. At each position it multiplies "
        "the nine pixels under the window by its nine numbers and adds them up: one number of the output. A kernel that is "
        "positive on one side and negative on the other answers to edges. The same nine numbers serve every position, so few "
        "are to be learned. A layer has many kernels, its *filters*; nobody designs them, training finds them. **Pooling** "
        "then keeps the largest of each four numbers and makes the map smaller, so that later layers see more of the garment."
    ),
    picture="A window of three by three slides over a picture; nine products are added to one number of the output.",
    expect=Question(
        text="A kernel's nine numbers add up to zero. What does it answer where the picture has one even colour?",
        options=("0", "the colour", "255"),
    ),
    conclusion=(
        "A kernel whose numbers add up to zero answers 0 to any even colour: it sees only changes. In a trained network edges come "
        "first, parts of garments later: each block of the network sees a larger part of the picture, in fewer and "
        "fewer positions, with more and more filters."
    ),
    check="What is the output at the position that you chose, with the kernel that you chose?",
    source=COURSE_URL,
    about="The course explains this on drawings; its networks have kernels of 3x3 and pooling of 2x2.",
)

TRANSFER = Lesson(
    slug="transfer-learning",
    number="8.5",
    title="Transfer learning",
    idea=(
        "Take a pretrained network, cut off its last layer, the 1,000 words, and put a new one for our ten classes in its "
        "place. What is left of it turns each photo into a **vector**, here 1,280 numbers that describe what it sees. Only the "
        "new layer, the **head**, is trained; the rest stays *frozen*. So each photo needs to pass through the large network "
        "only once: the vectors are stored, and the head learns from them within seconds, on any laptop. The course pushes "
        "every photo through the network in every epoch, and needs a GPU for it."
    ),
    picture="Photos pass once through a frozen network; their vectors are stored; only a small new head learns.",
    expect=Question(
        text="How many of 341 validation photos will be right after ten epochs of a new head?",
        options=("about half", "about two thirds", "more than four of five"),
    ),
    experiments=(
        Experiment(
            key="transfer-learning",
            title="A new last layer on stored vectors, ten epochs",
            varies="head",
            runs=(("new head", HEAD),),
        ),
    ),
    published=(
        Published(
            label="course, 10 epochs",
            accuracy=0.8299,
            note="best in epoch 7; last 0.7889, training 0.9876; learning rate 0.01, 16 s an epoch on a GPU",
        ),
    ),
    source=COURSE_URL,
    about=f"{_XCEPTION}, learning rate 0.01.",
    conclusion=(
        "Another base and another size than the course's, so the difference is not due to the head alone. Always saying "
        "t-shirt would be right on 24 % of the validation photos; that is the line to beat."
    ),
    check="In which epoch was validation accuracy best in your run?",
    judge="best epoch",
)

LEARNING_RATE = Lesson(
    slug="learning-rate",
    number="8.6",
    title="The learning rate",
    idea=(
        "After each batch the network's numbers take a small step in the direction that lowers the error. The **learning "
        "rate** is the length of that step, and the most important setting of all. Too small, and the curve crawls: after ten "
        "epochs it is still rising. Too large, and steps overshoot: the loss jumps about, validation gets worse while training "
        "gets better. In between lies a range, often ten times wide, in which it hardly matters. One finds it by trying a few "
        "values, each ten times the last; or in one short run, a **range test**, whose rate rises at each step until the loss "
        "explodes."
    ),
    picture="Three ways down a valley: tiny steps that do not arrive, good steps, and steps that leap from side to side.",
    expect=Question(
        text="Which learning rate will give the best validation accuracy in ten epochs?",
        options=("0.0001", "0.001", "0.01", "0.1"),
    ),
    experiments=(
        Experiment(
            key="learning-rate",
            title="Four learning rates, ten epochs each",
            varies="learning rate",
            runs=tuple(
                (f"{rate:g}", HEAD.replace(learning_rate=rate)) for rate in (0.0001, 0.001, 0.01, 0.1)
            ),
        ),
        Experiment(
            key="range-test",
            title="A range test: one run, from 0.000001 up to 1",
            varies="test",
            measure="range",
            runs=(
                (
                    "range test",
                    HEAD.replace(schedule="range-test", learning_rate=1.0, epochs=2, label_smoothing=0.0),
                ),
            ),
            note="It ends as soon as the loss has risen to four times its least value, which is no failure here.",
        ),
    ),
    published=(
        Published(label="0.0001", accuracy=0.7889, note="epoch 10, still rising; training 0.7806"),
        Published(label="0.001", accuracy=0.8299, note="epoch 9; last 0.8240, training 0.9505"),
        Published(label="0.01", accuracy=0.8211, note="epoch 9; last 0.7889, training 0.9817"),
        Published(label="0.1", accuracy=0.7889, note="epoch 10; validation loss 6.0 to 8.6"),
    ),
    source=COURSE_URL,
    about=f"{_XCEPTION}, ten epochs.",
    conclusion=(
        "The course chose 0.001: not for the highest number, which lies within chance of 0.01's, but because training and "
        "validation stay together. On 341 photos two accuracies differ by chance by several points."
    ),
    check="Which learning rate had the best validation accuracy for you?",
    judge="best",
)

CHECKPOINTS = Lesson(
    slug="checkpoints",
    number="8.7",
    title="Checkpoints",
    idea=(
        "The last epoch is rarely the best one. Validation accuracy rises, wavers and often falls again while training "
        "accuracy goes on rising: the network learns its photos by heart. So after each epoch one looks at validation and "
        "saves the network if it is the best so far, a **checkpoint**. At the end one keeps the best, not the last. There is a "
        "price: the best of many epochs is partly luck, so its validation accuracy is a little too good to be true. Only the "
        "test photos, looked at once, tell how good it is."
    ),
    picture="A curve of validation accuracy that rises and falls; the highest point is marked best, the end is marked last.",
    expect=Question(
        text="Thirty epochs with a large learning rate: where will the best epoch be?",
        options=("in the first ten", "in the middle", "in the last ten"),
    ),
    experiments=(
        Experiment(
            key="checkpoints",
            title="Thirty epochs, learning rate 0.01, an inner layer of 100",
            varies="run",
            runs=(
                ("30 epochs", HEAD.replace(epochs=30, learning_rate=0.01, inner_width=100, snapshots=True)),
            ),
        ),
    ),
    published=(
        Published(
            label="course, checkpoint",
            accuracy=0.8358,
            note="best in epoch 6; last 0.8328, training 0.9498; learning rate 0.001",
        ),
    ),
    source=COURSE_URL,
    about=f"{_XCEPTION}, ModelCheckpoint on validation accuracy. The book's runs: {BOOK_URL}",
    conclusion=(
        "Every run of this app keeps its best epoch, also when it is stopped or cut off, and tests only that one. "
        "Here all epochs were kept, so that you can see what the others would have come to."
    ),
    check="In which epoch was validation accuracy best in your run?",
    judge="best epoch",
)

FIRST = (INTRODUCTION, ARRAYS, PRETRAINED, CONVOLUTION, TRANSFER, LEARNING_RATE, CHECKPOINTS)
