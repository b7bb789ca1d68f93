"""How much memory a run will take, so that one which would not fit is refused before it starts.

A formula from the settings alone, fitted to measured peaks so that it errs upwards; nothing is measured here.
"""

import math

from fashion import architectures
from fashion.errors import JobError
from fashion.pretrained import BASES
from fashion.settings import HOMEWORK, PHOTOS, RunSettings

# Peak memory of the worker in MB, and in brackets what the formula says. Keras 3.15 on TensorFlow, float32, two cores, two
# heaps (see jobs.worker_environment); "all" and "last" are what was fine-tuned, the number is the batch size:
#   EfficientNetV2-B0, 224 px  head 1470 (1490), last/32 1706 (1760), all/8 2113 (2120), all/16 2667 (2670)
#   Xception, 299 px           head 2153 until the vectors were made (2300)
# and with a heap per thread, which took about 120 MB more:
#   MobileNetV2 0.35           96 px head 1104 (1230), all/32 1439 (1460); 224 px all/32 2334 (2520), all/96 4040 (5110)
#   from scratch, 224 px       residual/32 2393 (2870), small CNN with an inner layer/32 2205 (2340)
#   from scratch, 28 px        residual, four times as wide/256 1792 (2200)
# The homework's network, batches of 20, trained and tested only: 150 px 1359 (1530), 200 px 1743 (1780); exported as well,
# 200 px 2669 (2990), since the converter holds its 20 million numbers many times.
_FRAMEWORK_BYTES = 1_200e6
_NUMBER_BYTES = 4  # float32
# How often each parameter is held, by what learns: weights, gradients, averages of Adam, checkpoints, the exported model,
# and for a pretrained network the program that computes its gradients.
_COPIES = {"none": 3, "last": 8, "all": 16, "from scratch": 10, "measured": 4, "exported": 19}
_BESIDE_OUTPUTS = 1.05  # of what a layer needs while it computes
_JUDGED_PICTURES, _JUDGED_PHOTOS = 500, 32  # at a time
# What of the layers' outputs is held at once while judging, and below the layers that learn.
_JUDGING_SHARE, _FIXED_SHARE = 0.1, 0.05

SERVER_BYTES = 400e6
"""What the server takes beside a worker: 310 MB after a tour of all pages, and room for some photo models."""

# Numbers that all layers of a pretrained base put out for one photo at its own size; all layers, and its last quarter.
_OUTPUTS = {
    "efficientnetv2-b0": (16_164_752, 2_027_328),
    "mobilenetv2": (21_964_208, 1_700_736),
    "mobilenetv2-035": (9_624_992, 708_032),
    "xception": (63_247_022, 7_743_096),
    "efficientnetv2-b1": (25_192_116, 3_213_552),
    "resnet50v2": (31_528_684, 2_786_560),
}


def worker_bytes(settings: RunSettings, export: bool = True) -> int:
    """The most memory that the worker of this run is expected to take on the CPU.

    export: whether it exports the model in the end, which runs of an experiment do not.
    """
    num_parameters, _ = architectures.cost_of(settings)
    learns = settings.fine_tune if settings.pretrained else "from scratch"
    copies = _COPIES[learns]
    if settings.architecture == HOMEWORK:
        copies = _COPIES["exported" if export else "measured"]
    outputs, learned = _outputs(settings, settings.image_size)
    if learns == "none":
        training = 0.0  # vectors are small
    elif settings.mean_of:  # photos pass through it, but nothing learns
        training, copies = settings.batch_size * _FIXED_SHARE * outputs, _COPIES["last"]
    else:
        training = settings.batch_size * (learned + _FIXED_SHARE * (outputs - learned))
    judged_at_once = _JUDGED_PHOTOS if settings.dataset in PHOTOS else _JUDGED_PICTURES
    judging = (
        judged_at_once
        * _JUDGING_SHARE
        * _outputs(settings, max(settings.judged_size, settings.image_size))[0]
    )
    numbers = num_parameters * copies + _BESIDE_OUTPUTS * max(training, judging)
    return round(_FRAMEWORK_BYTES + _NUMBER_BYTES * numbers)


def refusal(settings: RunSettings, limit_bytes: float, export: bool = True) -> str | None:
    """Why a run with these settings would not fit, and what to do; None if it fits, or computes on a graphics card.

    limit_bytes: for the server and one worker together. export: as for `worker_bytes`.
    """
    if settings.device != "cpu":
        return None
    need = worker_bytes(settings, export) + SERVER_BYTES
    if need <= limit_bytes:
        return None
    advice = []
    if settings.num_epochs > settings.epochs or not settings.pretrained:
        fitting = _fitting_batch_size(settings, limit_bytes)
        if fitting:
            advice.append(f"a batch size of {fitting}")
    if settings.dataset in PHOTOS:
        advice.append("smaller pictures")
    if settings.pretrained and settings.fine_tune == "all":
        advice.append("fine-tuning of the last blocks only")
    if not settings.pretrained and settings.width > 1:
        advice.append("less width")
    if settings.inner_width and worker_bytes(settings.replace(inner_width=0)) < 0.8 * worker_bytes(settings):
        advice.append("a smaller inner layer")
    choose = f"Choose {' or '.join(advice)}" if advice else "Choose a smaller network"
    return (
        f"A run must fit into the {limit_bytes / 1e6:,.0f} MB that are set for the app and one training together. "
        f"Received settings that need about {need / 1e6:,.0f} MB. {choose}; on a machine with more memory, set "
        "FASHION_MEMORY_MB to more before starting the app, or train from the command line, which has no such limit."
    )


def check(settings: RunSettings, limit_bytes: float, export: bool = True) -> None:
    """Raise JobError where `refusal` has something to say."""
    words = refusal(settings, limit_bytes, export)
    if words:
        raise JobError(words)


def _fitting_batch_size(settings: RunSettings, limit_bytes: float) -> int | None:
    """The largest power of two from 8 on, below the present batch size, that would fit; None if none does."""
    size = 2 ** math.ceil(math.log2(settings.batch_size) - 1)
    while size >= 8:
        if worker_bytes(settings.replace(batch_size=size)) + SERVER_BYTES <= limit_bytes:
            return size
        size //= 2
    return None


def _outputs(settings: RunSettings, side: int) -> tuple[float, float]:
    """Numbers that the layers put out for one picture of this side: all layers, and those that learn."""
    if settings.pretrained:
        every, last = _OUTPUTS[settings.architecture]
        scale = (side / BASES[settings.architecture].size) ** 2
        learned = {"none": 0, "last": last, "all": every}[settings.fine_tune]
        return every * scale, learned * scale
    channels = architectures.input_shape(settings)[2]
    layers = architectures.layers_of(settings, architectures.num_classes(settings))
    rows = architectures.table(layers, (side, side, channels))
    every = sum(math.prod(row.output_shape) for row in rows)
    return every, every
