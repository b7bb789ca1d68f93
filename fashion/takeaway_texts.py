"""Training, judging and keeping the best epoch as text of a plain Keras program; conditions as in `takeaway_pictures.py`.

The texts do what `fitting.py` and `transfer.py` do, in the same order, so that the same random numbers are drawn.
"""

KEEPER = '''
class Keeper(keras.callbacks.Callback):
    """Puts each epoch's pictures in order, judges the epoch on validation, and keeps the weights of the best."""

    def __init__(self, batches, validation, test, epochs, rate, first, best):  #? watch
    def __init__(self, batches, validation, epochs, rate, first, best):  #? !watch
        super().__init__()
        self.batches, self.validation, self.rate = batches, validation, rate
        self.test = test  #? watch
        self.first, self.epoch, self.num_steps = first, first, epochs * len(batches)
        self.accuracy, self.best_epoch, self.weights = best, first, None
        self.average = keras.callbacks.SwapEMAWeights()  #? averaging

    def on_train_begin(self, logs=None):  #? averaging
        self.average.set_model(self.model)  #? averaging
  #? averaging
    def on_epoch_begin(self, epoch, logs=None):
        self.batches.shuffle(epoch)
        for number, layer in enumerate(self.model.layers):  #? dropout
            if isinstance(layer, layers.Dropout) and layer.rate:  # a repetition drops the same  #? dropout
                layer.seed_generator.state.assign([SEED + number, epoch * 2**20])  #? dropout

    def on_train_batch_begin(self, batch, logs=None):  #? schedule
        step = (self.epoch - self.first) * len(self.batches) + batch  #? schedule
        self.model.jax_state_sync()  #? schedule jax
        self.model.optimizer.learning_rate = learning_rate(self.rate, step, self.num_steps)  #? schedule
  #? schedule
    def on_epoch_end(self, epoch, logs=None):
        before = self.swap_in()  #? averaging
        images, labels = self.validation
        if not isinstance(self.batches, VectorBatches) and epoch >= AUGMENT_FROM:  #? pretrained exam
            images = self.another_view(images)  #? pretrained exam
        if epoch >= AUGMENT_FROM:  #? !pretrained exam
            images = self.another_view(images)  #? !pretrained exam
        accuracy = float((predict(self.model, images).argmax(axis=1) == labels).mean())
        if accuracy > self.accuracy + 1e-6:
            self.accuracy, self.best_epoch, self.weights = accuracy, epoch + 1, self.model.get_weights()
        said = f"loss {logs['loss']:.4f}, accuracy {logs['accuracy']:.4f}, validation {accuracy:.4f}"
        images, labels = self.test  #? watch
        said += f", test {(predict(self.model, images).argmax(axis=1) == labels).mean():.4f}"  #? watch
        print(f"epoch {epoch + 1}: {said}", flush=True)
        self.swap_out(before)  #? averaging
        self.epoch = epoch + 1
        if self.epoch - self.best_epoch >= PATIENCE:  #? patience
            self.model.stop_training = True  #? patience

    def another_view(self, images):  #? exam
        """The mistake on purpose: the exam is changed at random, as the training pictures are."""  #? exam
        rng = np.random.default_rng((SEED, self.epoch, len(self.batches)))  #? exam
        side = self.model.input_shape[1] or JUDGED_SIZE  #? exam photos
        return np.stack([changed(photo(path, side), side, rng) for path in images])  #? exam photos
        return changed(images, rng)  #? exam !photos
  #? exam
    def swap_in(self):  #? averaging
        """Give the network its averaged weights; its normalisations are measured anew for them."""  #? averaging
        self.average.on_test_begin()  #? averaging
        norms = [layer for layer in self.model.layers if isinstance(layer, layers.BatchNormalization)]  #? averaging
        to_numpy = keras.ops.convert_to_numpy  #? averaging
        before = [  #? averaging
            (one, to_numpy(one.moving_mean), to_numpy(one.moving_variance), one.momentum) for one in norms  #? averaging
        ]  #? averaging
        count = min(32, max(1, NUM_NORMALISATION // BATCH_SIZE), len(self.batches)) if norms else 0  #? averaging
        for number in range(count):  #? averaging
            for one in norms:  #? averaging
                one.momentum = number / (number + 1)  # the plain mean of all batches so far  #? averaging
            self.model(self.batches[number][0], training=True)  #? averaging
        return before  #? averaging
  #? averaging
    def swap_out(self, before):  #? averaging
        for one, mean, variance, momentum in before:  #? averaging
            one.moving_mean.assign(mean)  #? averaging
            one.moving_variance.assign(variance)  #? averaging
            one.momentum = momentum  #? averaging
        self.average.on_test_end()  #? averaging
'''

PREDICT = '''
def predict(model, images, mirror=False):  #? mirror
def predict(model, images):  #? !mirror
    """Probabilities float32 (n, classes) for pictures, or stored vectors.  #? pretrained
    """Probabilities float32 (n, classes) for pictures.  #? !pretrained
  #? photos
    images: paths, which are read at the size that the model takes.  #? photos
    """
    if isinstance(images, np.ndarray) and images.ndim == 2:  #? pretrained
        return np.asarray(model.predict_on_batch(images.astype(np.float32)))  #? pretrained
    side = model.input_shape[1] or JUDGED_SIZE  #? photos
    answers = []  #? photos
    for start in range(0, len(images), 32):  #? photos
        part = images[start : start + 32]  #? photos
        pixels = part if isinstance(part, np.ndarray) else squares(part, side)  #? photos !own_fit
        pixels = part if isinstance(part, np.ndarray) else squares(part, side, judged=True)  #? photos own_fit
        answer = np.asarray(model.predict_on_batch(pixels))  #? photos
        if mirror:  #? photos mirror
            answer = (answer + np.asarray(model.predict_on_batch(pixels[:, :, ::-1]))) / 2  #? photos mirror
        answers.append(answer)  #? photos
    return np.concatenate(answers)  #? photos
    return np.asarray(model.predict(images, batch_size=500, verbose=0))  #? !photos
'''

TRAIN = '''
def train(model, batches, validation, TEST_ARGUMENTepochs, rate, first=0, best=-1.0):
    """Train for so many epochs after the `first`; returns the Keeper, with the weights of the best epoch.

    Weights are kept only if they are better than the accuracy `best`.
    """
OPTIMIZER
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
        jit_compile=JIT,
    )
    keeper = Keeper(batches, validation, TEST_VALUEepochs, rate, first, best)
    model.fit(
        batches, initial_epoch=first, epochs=first + epochs, callbacks=[keeper], shuffle=False, verbose=0
    )
    return keeper
'''

MAIN = """
def main():
    keras.utils.set_random_seed(SEED)
    keras.mixed_precision.set_global_policy(PRECISION)  #? mixed
    parts = data()
    model = build(IMAGE_SIZE)  #? photos
    model = build()  #? !photos
    model.summary()
    batches = Batches(*parts["train"])
    keeper = train(model, batches, parts["validation"], parts["test"], EPOCHS, LEARNING_RATE)  #? watch
    keeper = train(model, batches, parts["validation"], EPOCHS, LEARNING_RATE)  #? !watch
    keras.mixed_precision.set_global_policy("float32")  # the finished model  #? mixed
    model = build(JUDGED_SIZE)  #? photos
    model = build()  #? !photos
    model.set_weights(keeper.weights)
"""

MAIN_PRETRAINED = '''
def places():  #? views
    """Path -> its number among all training photos, doubtful ones too: the random changes of its views depend on it."""  #? views
    folder = Path(sys.argv[1]) / "train"  #? views
    every = [path for name in CLASSES for path in sorted((folder / name).glob("*.jpg"))]  #? views
    return {path: number for number, path in enumerate(every)}  #? views
  #? views
  #? views
def vectors_of(base, paths, view=0, places=None):  #? views
def vectors_of(base, paths, view=0):  #? !views
    """What the pretrained network makes of photos: float16 (n, size). View 0 is the photos as they are."""
    made = []
    for start in range(0, len(paths), 32):
        numbers = range(start, min(start + 32, len(paths)))
        if view == 0:  #? views
            pixels = squares([paths[number] for number in numbers], IMAGE_SIZE)  #? views
        else:  #? views
            rngs = [np.random.default_rng((SEED, view, places[paths[number]])) for number in numbers]  #? views
            photos = [photo(paths[number], IMAGE_SIZE) for number in numbers]  #? views
            pairs = zip(photos, rngs, strict=True)  #? views
            pixels = np.stack([changed(one, IMAGE_SIZE, rng) for one, rng in pairs])  #? views
        pixels = squares([paths[number] for number in numbers], IMAGE_SIZE)  #? !views
        made.append(np.asarray(base.predict_on_batch(pixels)).astype(np.float16))
        print(f"\\rvectors: {min(start + 32, len(paths)):,} of {len(paths):,} photos", end="", flush=True)
    print()
    return np.concatenate(made)


def main():
    keras.utils.set_random_seed(SEED)
    parts = data()
    paths, labels = parts["train"]

    # The pretrained network does not change while the head learns: so each photo passes through it once.
    base = body(IMAGE_SIZE)
    views = np.stack([vectors_of(base, paths, view, places()) for view in range(VIEWS)])  #? views
    views = vectors_of(base, paths)[None]  #? !views
    validation = vectors_of(base, parts["validation"][0]), parts["validation"][1]
    test = vectors_of(base, parts["test"][0]), parts["test"][1]  #? watch
    keras.utils.set_random_seed(SEED)
    keras.mixed_precision.set_global_policy(PRECISION)  #? mixed
    head_alone = build_head()
    head_alone.summary()
    batches = VectorBatches(views, labels)
    keeper = train(head_alone, batches, validation, test, EPOCHS, LEARNING_RATE)  #? watch
    keeper = train(head_alone, batches, validation, EPOCHS, LEARNING_RATE)  #? !watch
    head_alone.set_weights(keeper.weights)

    # Now the pretrained layers learn with it, photo by photo.  #? tuned
    model = build()  #? tuned
    copy_head(head_alone, model)  #? tuned
    old = [layer for layer in model.layers if not layer.name.startswith("head_")]  #? tuned last
    for number, layer in enumerate(old):  # only the last quarter of them  #? tuned last
        layer.trainable = number >= len(old) - round(len(old) * 0.25)  #? tuned last
    tuned = train(  #? tuned
        model,  #? tuned
        Batches(paths, labels),  #? tuned
        parts["validation"],  #? tuned
        parts["test"],  #? tuned watch
        FINE_TUNE_EPOCHS,  #? tuned
        FINE_TUNE_RATE,  #? tuned
        first=keeper.epoch,  #? tuned
        best=keeper.accuracy,  #? tuned
    )  #? tuned
    keras.mixed_precision.set_global_policy("float32")  # the finished model  #? mixed
    model = build(JUDGED_SIZE)
    if tuned.weights is None:  # no epoch was better than the head alone  #? tuned
        copy_head(head_alone, model)  #? tuned
    else:  #? tuned
        model.set_weights(tuned.weights)  #? tuned
        keeper = tuned  #? tuned
    copy_head(head_alone, model)  #? !tuned
'''

END = """
    images, labels = parts["test"]
    right = int((predict(model, images, mirror=True).argmax(axis=1) == labels).sum())  #? mirror
    right = int((predict(model, images).argmax(axis=1) == labels).sum())  #? !mirror
    print(f"best epoch {keeper.best_epoch}, validation {keeper.accuracy:.4f}")
    print(f"test: {right:,} of {len(labels):,} right, {right / len(labels):.4f}")
    model.save("trained.keras")
"""
