"""Similar training photos are found from a few numbers each."""

import io

import numpy as np
import pytest

from fashion import neighbours
from fashion.errors import ModelError
from fashion.neighbours import Neighbours


@pytest.fixture
def vectors() -> np.ndarray:
    """Three clouds of forty points in 200 dimensions, far apart."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 200)) * 5
    return np.concatenate([centre + rng.normal(size=(40, 200)) for centre in centres])


@pytest.fixture
def found(vectors) -> Neighbours:
    names = [f"photo-{number}" for number in range(120)]
    return Neighbours.fit(vectors, names, np.repeat([4, 7, 9], 40))


def test_a_training_photo_is_its_own_nearest(found, vectors):
    """Its own vector gives it back with a similarity of one, then others of its cloud."""
    first, *others = found.nearest(vectors[50], 10)

    assert (first.photo, first.label) == ("photo-50", 7)
    assert first.similarity == pytest.approx(1.0, abs=0.01)
    assert {one.label for one in others} == {7}
    assert [one.similarity for one in others] == sorted((one.similarity for one in others), reverse=True)


def test_few_components_order_as_the_whole_vectors_do(found, vectors):
    """The similarity in 64 numbers is close to that in all 200 after centring."""
    centred = vectors - vectors.mean(axis=0)
    query = centred[100]
    whole = centred @ query / np.linalg.norm(centred, axis=1) / np.linalg.norm(query)

    for one in found.nearest(vectors[100], 40):
        assert one.similarity == pytest.approx(whole[int(one.photo.split("-")[1])], abs=0.25)


def test_a_written_file_reads_back(found, vectors, tmp_path):
    """The answers before and after are the same; a folder without the file has no neighbours."""
    assert neighbours.read(tmp_path) is None
    with open(tmp_path / neighbours.FILE, "wb") as file:
        np.savez(file, **found.arrays())

    assert neighbours.read(tmp_path).nearest(vectors[3]) == found.nearest(vectors[3])


def test_a_damaged_file_is_told(tmp_path):
    """The message names the run and what to do."""
    buffer = io.BytesIO()
    np.savez(buffer, other=np.zeros(3))
    whole = buffer.getvalue()
    changed = bytearray(whole)
    changed[150] ^= 1
    for content in (b"", b"no zip at all", whole, whole[: len(whole) // 2], bytes(changed)):
        (tmp_path / neighbours.FILE).write_bytes(content)

        with pytest.raises(ModelError, match="must be a file written by the worker"):
            neighbours.read(tmp_path)
