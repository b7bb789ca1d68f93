"""What each block of a large network makes of one picture: its feature maps, read from `model.tflite` with every step kept.

For looking, not for answers, which `predictor.py` gives. It loads the model anew at each call and lets go of it, since keeping
all steps of the largest shipped network takes 150 MB.
"""

import re
import threading
from dataclasses import dataclass

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from fashion.errors import ModelError
from fashion.runs import Run

MAX_MAPS = 24
_BLOCK = re.compile(r"block_?(\d+)")
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True, eq=False)
class BlockMaps:
    """After one block: the maps that answer most strongly, float32 (h, w, at most `MAX_MAPS`), strongest first, of `num_maps`."""

    block: int
    maps: np.ndarray
    num_maps: int


def of_picture(run: Run, image: np.ndarray) -> list[BlockMaps]:
    """After each block, first to last, for a picture uint8 (side, side, 3), of any side that the network can take.

    Empty where the model names no blocks. Raises ModelError where it cannot be read or does not take the picture.
    """
    with _ONE_AT_A_TIME:
        try:
            network = Interpreter(
                str(run.folder / "model.tflite"),
                num_threads=2,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
                experimental_preserve_all_tensors=True,
            )
            given = network.get_input_details()[0]
            if image.shape[2:] != (int(given["shape"][3]),):
                raise ValueError(f"a network for {given['shape'][3]} channels")
            network.resize_tensor_input(given["index"], (1, *image.shape))
            network.allocate_tensors()
            network.set_tensor(given["index"], image[None].astype(given["dtype"]))
            network.invoke()
            found = {number: network.get_tensor(index)[0] for number, index in _ends(network).items()}
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelError(
                f"model.tflite of {run.id} must take a picture of shape {image.shape}. Received: {str(error)[:200]}. Choose "
                "another model."
            ) from None
    return [_strongest(number, found[number]) for number in sorted(found)]


def _ends(network: Interpreter) -> dict[int, int]:
    """The last tensor of each block that is shaped like a picture: number of the block -> its index."""
    ends = {}
    for tensor in network.get_tensor_details():
        shape = tensor["shape"]
        named = _BLOCK.search(tensor["name"].rpartition(";")[2])
        if named and len(shape) == 4 and shape[0] == 1 and shape[1] == shape[2] > 3 and shape[3] > 1:
            ends[int(named[1])] = tensor["index"]
    return ends


def _strongest(block: int, values: np.ndarray) -> BlockMaps:
    order = np.argsort(-values.max(axis=(0, 1)), kind="stable")[:MAX_MAPS]
    return BlockMaps(block, values[:, :, order].copy(), values.shape[2])
