"""The clothing photos as data: read lazily, surveyed, and what is known about their labels. Run: pytest tests/test_clothing.py"""

import dataclasses
import shutil

import clothing_folder
import numpy as np
import pytest
from PIL import Image

from fashion import clothing, clothing_files, datasets
from fashion.errors import DataError


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Two photos per class and split, which count as the published ones, in a data folder of their own."""
    monkeypatch.setenv("FASHION_DATA", str(tmp_path / "data"))
    folder = clothing_folder.write(tmp_path / "data" / clothing.FOLDER, clothing_folder.files())
    monkeypatch.setattr(clothing_files, "SPLIT_SIZES", {"train": 20, "validation": 20, "test": 20})
    monkeypatch.setattr(clothing_files, "DIGEST", clothing_files.survey(folder).digest)
    clothing_files._survey.cache_clear()
    return folder


# Photos


def test_photos_are_an_array_of_squares(root):
    """Number, slice, numbers and truth values choose photos as they do in an array."""
    photos = clothing.load(32).train.images

    assert photos.shape == (20, 32, 32, 3)
    assert photos.dtype == np.uint8
    assert len(photos) == 20
    assert photos[3].shape == (32, 32, 3)
    assert np.array_equal(photos[2:4], np.stack([photos[2], photos[3]]))
    assert np.array_equal(photos[np.array([5, 1])], np.stack([photos[5], photos[1]]))
    assert np.array_equal(photos[np.arange(20) == 7], photos[7][None])
    assert photos[[]].shape == (0, 32, 32, 3)
    assert np.array_equal(np.asarray(photos)[6], photos[6])


def test_a_photo_is_cropped_to_its_middle_or_squashed(root):
    """Of 40 x 60 pixels with a bright upper half, both squares are bright above and black below the middle."""
    photos = clothing.load(20).train.images.at(20)
    photo = photos.paths.index(root / "train" / "t-shirt" / "train-9-1.jpg")

    for fit in ("crop", "squash"):
        square = photos.at(20, fit)[photo].astype(int)
        assert abs(square[:8] - 181).max() <= 3
        assert square[12:].max() <= 3


def test_a_photo_is_turned_as_its_camera_noted(tmp_path):
    """Orientation 6 means: turn by 90 degrees to the right, so the bright upper half comes to lie on the right."""
    (tmp_path / "a.jpg").write_bytes(clothing_folder.jpeg(200, orientation=6))
    photos = clothing.Photos((tmp_path / "a.jpg",), 16)

    assert photos.original(0).size == (60, 40)
    assert photos[0][:, 12:].mean() > 190
    assert photos[0][:, :4].mean() < 5


def test_photos_to_look_at_are_nearly_the_same(root):
    """The faster way to small pictures differs by little, and keeps order and fit."""
    photos = clothing.load(24).train.images

    small = photos.thumbnails(24, [11, 3])

    assert small.shape == (2, 24, 24, 3)
    assert abs(small.astype(int) - photos[[11, 3]].astype(int)).mean() < 3
    assert photos.thumbnails(8).shape == (20, 8, 8, 3)


def test_chosen_photos_keep_their_order(root):
    """`take` gives the photos with these numbers; `at` the same ones at another size."""
    photos = clothing.load(32).train.images
    taken = photos.take(np.array([4, 2]))

    assert taken.paths == (photos.paths[4], photos.paths[2])
    assert taken.at(16).shape == (2, 16, 16, 3)
    assert photos.photo_id(0) == "train-0-0"


def test_a_photo_that_vanished_is_told_in_words(root):
    """The message names class and file, and the command that fetches the photos again."""
    photos = clothing.load().train.images
    photos.paths[0].unlink()

    with pytest.raises(DataError, match="dress/train-0-0.jpg.*--fetch clothing"):
        photos[0]


# The dataset


def test_each_photo_has_the_label_of_its_folder(root):
    """Within a split the photos lie by class, then by name; labels are read-only bytes."""
    data = datasets.load("clothing")

    assert [len(data.split(name)) for name in datasets.SPLIT_NAMES] == [20, 20, 20]
    assert data.info.image_shape == (96, 96, 3)
    assert data.test.labels.tolist() == sorted(list(range(10)) * 2)
    for path, label in zip(data.test.images.paths, data.test.labels, strict=True):
        assert path.parent == root / "test" / clothing.CLASSES_CLOTHING[label]
    assert data.train.labels.dtype == np.uint8
    with pytest.raises(ValueError, match="read-only"):
        data.train.labels[0] = 1


def test_photos_at_another_size_are_the_same_dataset(root):
    """Size and fit change the squares, and neither the digest nor the labels."""
    small, large = datasets.load("clothing"), clothing.load(224, "squash")

    assert large.digest == small.digest
    assert large.info.image_shape == large.test.images.shape[1:] == (224, 224, 3)
    assert large.test.images.fit == "squash"
    assert np.array_equal(large.test.labels, small.test.labels)


def test_complete_photos_are_usable_and_need_no_remark(root):
    """The published photos in the published number: present, without problem or note."""
    status = datasets.status("clothing")

    assert status == datasets.DataStatus("clothing", True, root, ())
    assert datasets.usable()[-1] == "clothing"
    assert datasets.load("clothing").notes == ()


@pytest.mark.parametrize("gone", ["test/hat", "train/t-shirt"])
def test_a_missing_class_is_named(root, gone):
    """Status and the error of loading name the split and the class without photos."""
    shutil.rmtree(root / gone)

    status = datasets.status("clothing")
    assert not status.present
    assert status.problems == (f"{gone} has no photo that can be read.",)
    with pytest.raises(DataError, match=f"{gone} has no photo.*--fetch clothing"):
        clothing.load()


def test_missing_photos_are_told_once():
    """Without the folder, one sentence and not thirty."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASHION_DATA", "/nowhere")
        problems = datasets.status("clothing").problems
        assert len(problems) == 1
        assert "missing" in problems[0]
        assert "clothing" not in datasets.usable()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda content: content[:-40], id="cut off"),
        pytest.param(lambda content: b"<html>", id="no picture"),
        pytest.param(lambda content: b"", id="empty"),
    ],
)
def test_an_unreadable_photo_is_left_out_counted_and_named(root, damage):
    """Nineteen of twenty photos are loaded, their labels fit, and a note names the one that is not."""
    path = root / "train" / "hat" / "train-1-0.jpg"
    content = damage(path.read_bytes())
    path.unlink()
    path.write_bytes(content)

    data = datasets.load("clothing")

    assert len(data.train) == len(data.train.images) == data.info.split_sizes["train"] == 19
    assert data.train.labels.tolist().count(1) == 1
    assert data.notes == ("1 photo cannot be read and is left out: train/hat/train-1-0.jpg.",)
    assert datasets.status("clothing").notes == data.notes


def test_many_unreadable_photos_are_counted_and_three_are_named(root):
    """A note stays short however much is damaged."""
    for path in sorted((root / "train").glob("*/*-0.jpg")):
        path.unlink()
        path.write_bytes(b"not a photo")

    (note,) = datasets.load("clothing").notes

    assert note.startswith("10 photos cannot be read and are left out: train/dress/train-0-0.jpg, ")
    assert note.count(".jpg") == 3
    assert note.endswith("and others.")


def test_a_photo_with_something_behind_it_is_read(root):
    """Some phones append data to a JPEG file; it can be shown all the same."""
    path = root / "train" / "hat" / "train-1-0.jpg"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content + b"more")

    assert len(datasets.load("clothing").train) == 20


def test_a_photo_of_enormous_size_is_left_out(root, monkeypatch):
    """A small file may claim millions of pixels: it is refused before they take memory."""
    path = root / "train" / "hat" / "train-1-0.jpg"
    path.unlink()
    path.write_bytes(clothing_folder.jpeg(9, size=(300, 300)))
    monkeypatch.setattr(clothing_files, "MAX_PIXELS", 80_000)

    assert "train/hat/train-1-0.jpg" in datasets.load("clothing").notes[0]


def test_another_number_of_photos_is_another_version(root):
    """More or fewer photos than published are used, and a note says so."""
    (root / "train" / "hat" / "train-1-0.jpg").unlink()

    data = datasets.load("clothing")

    assert len(data.train) == 19
    assert "Another version" in data.notes[0]
    assert "19 for train" in data.notes[0]


def test_other_bytes_are_another_version(root):
    """The published number of photos with another content has another digest, and a note."""
    path = root / "train" / "hat" / "train-1-0.jpg"
    path.unlink()
    path.write_bytes(clothing_folder.jpeg(77))

    data = datasets.load("clothing")

    assert data.digest != clothing_files.DIGEST
    assert "other names or bytes" in data.notes[0]


def test_looking_at_the_photos_changes_nothing(root):
    """A folder that is given is used as it is."""
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}

    datasets.status("clothing")
    datasets.load("clothing").train.images[0]

    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


# Labels and contributors


def test_doubtful_photos_can_be_left_out(tmp_path):
    """Of three photos, the one on the list goes; the others keep order and label."""
    name = next(iter(clothing.DOUBTFUL))
    paths = tuple(tmp_path / f"{stem}.jpg" for stem in ("a", name, "b"))
    split = datasets.Split("train", clothing.Photos(paths, 64), np.array([3, 0, 5], np.uint8))

    kept = clothing.without_doubtful(split)

    assert clothing.doubtful_positions(split).tolist() == [1]
    assert [path.stem for path in kept.images.paths] == ["a", "b"]
    assert kept.labels.tolist() == [3, 5]
    assert kept.images.side == 64
    assert kept.name == "train"


def test_the_list_of_doubtful_labels_names_classes():
    """26 photos with another label in the full dataset, and the two copies of one photo, each with the other's label."""
    assert len(clothing.DOUBTFUL) == 26 + len(clothing.TWICE)
    assert set(clothing.DOUBTFUL.values()) <= set(clothing.CLASSES_CLOTHING)
    assert [clothing.DOUBTFUL[name] for name in clothing.TWICE] == ["skirt", "shorts"]


@pytest.fixture
def published():
    """The real photos, where they are."""
    if not datasets.status("clothing").present:
        pytest.skip(f"The clothing photos are not in {datasets.data_folder()}; set FASHION_DATA to test them")
    return datasets.load("clothing")


def test_the_published_photos_are_whole(published):
    """3,068, 341 and 372 photos, byte for byte; 6 % of train and 20 % of test are shoes."""
    assert published.notes == ()
    assert published.digest == "66d712aad3cb1079"
    assert [len(published.split(name)) for name in datasets.SPLIT_NAMES] == [3068, 341, 372]
    shoes = clothing.CLASSES_CLOTHING.index("shoes")
    assert [round(100 * (published.split(name).labels == shoes).mean()) for name in datasets.SPLIT_NAMES] == [
        6,
        8,
        20,
    ]


def test_doubtful_labels_differ_from_the_folders(published):
    """25 photos of train and 3 of validation are on the list, each with a label that is not its folder's."""
    left_out = {}
    for name in datasets.SPLIT_NAMES:
        split = published.split(name)
        positions = clothing.doubtful_positions(split)
        left_out[name] = len(split) - len(clothing.without_doubtful(split))
        for position in positions:
            other = clothing.DOUBTFUL[split.images.photo_id(position)]
            assert other != clothing.CLASSES_CLOTHING[split.labels[position]]
    assert left_out == {"train": 25, "validation": 3, "test": 0}


def test_the_two_copies_show_the_same(published):
    """Shrunk to 16 x 16 pixels, they differ by less than one step of 255 on average; so do no two neighbours."""
    by_id = {path.stem: number for number, path in enumerate(published.train.images.paths)}
    first, second = (published.train.images.at(16)[by_id[name]].astype(int) for name in clothing.TWICE)
    another = published.train.images.at(16)[by_id[clothing.TWICE[0]] + 1].astype(int)

    assert abs(first - second).mean() < 1
    assert abs(first - another).mean() > 10


def test_a_digest_needs_only_names_and_bytes(root):
    """Where the folder lies and when it was written does not matter."""
    copy = shutil.copytree(root, root.parent / "elsewhere" / clothing.FOLDER)

    assert clothing_files.survey(copy).digest == clothing_files.survey(root).digest


def test_a_dataset_of_photos_can_be_changed_like_any_other(root):
    """Split and Dataset are the usual frozen dataclasses: a part can be replaced."""
    data = clothing.load(64)
    fewer = dataclasses.replace(data, train=clothing.without_doubtful(data.train))

    assert len(fewer.train) == 20
    assert isinstance(fewer.train.images.original(0), Image.Image)
