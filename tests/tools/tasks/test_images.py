"""Images as people have them: every file is used, or named in one line."""

import io
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import pytest
from PIL import Image

from llm_nas.errors import DataError, RequestError
from llm_nas.tools.tasks.arrays import Digits, Npz
from llm_nas.tools.tasks.folders import Folder
from llm_nas.tools.tasks.held_out import open_held_out
from llm_nas.tools.tasks.labelled import fit_data, stratified
from llm_nas.tools.tasks.sources import open_source

Arrays: TypeAlias = dict[str, np.ndarray[tuple[int, ...], np.dtype[Any]]]


def picture(seed: int, size: tuple[int, int] = (24, 20), mode: str = "RGB") -> Image.Image:
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).convert(mode)


def class_folders(root: Path, names: tuple[str, ...] = ("cat", "dog"), count: int = 8) -> Path:
    for place, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for number in range(count):
            picture(100 * place + number).save(root / name / f"{number}.png")
    return root


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return class_folders(tmp_path / "photos")


def test_hostile_files_are_used_or_named_in_one_line(photos: Path) -> None:
    cats = photos / "cat"
    (cats / "empty.jpg").write_bytes(b"")
    (cats / "readme.txt").write_text("no image")
    picture(1, (1, 1)).save(cats / "dot.png")
    whole = io.BytesIO()
    picture(2, (64, 64)).save(whole, "JPEG")
    (cats / "cut.jpg").write_bytes(whole.getvalue()[:400])
    used = ("cmyk.jpg", "żółw 🐢.png", "new\nline.png", "wrong.gif", "grey.png", "clear.png")
    picture(3, mode="CMYK").save(cats / used[0])
    picture(4).save(cats / used[1])
    picture(5).save(cats / used[2])
    picture(6).save(cats / used[3], "PNG")
    picture(7, mode="L").save(cats / used[4])
    Image.new("RGBA", (20, 20), (255, 0, 0, 0)).save(cats / used[5])
    (photos / "lonely").mkdir()
    picture(8).save(photos / "lonely" / "one.png")
    (photos / ".hidden").mkdir()

    folder = Folder(photos)
    train, _ = folder.fit()
    test = folder.test()

    notes = folder.notes
    assert folder.classes == ("cat", "dog")
    assert len(train) + len(test) == 8 + 8 + len(used)
    for name, reason in (
        ("empty.jpg", "0 bytes"),
        ("readme.txt", "no image"),
        ("dot.png", "1 x 1 pixels"),
        ("class lonely", "1 usable images"),
    ):
        assert sum(name in note and reason in note for note in notes) == 1
    assert any("cut.jpg" in note for note in notes)
    assert not any("\n" in note for note in notes)
    assert len(notes) == 5


@pytest.mark.slow
def test_forty_megapixels_are_shrunk(photos: Path) -> None:
    Image.new("RGB", (8000, 5000), "red").save(photos / "cat" / "huge.jpg")
    folder = Folder(photos)
    assert len(folder.fit()[0]) + len(folder.test()) == 17
    assert folder.notes == ()


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    class_folders(tmp_path, count=0)
    for name in ("cat", "dog"):
        for number in range(6):
            Image.new("RGBA", (16, 16), (9, 9, 9, 0)).save(tmp_path / name / f"{number}.png")
    train, _ = Folder(tmp_path).fit()
    assert (train.pixels == 255).all()


def test_splits_never_share_an_image(photos: Path) -> None:
    source = open_source(str(photos))
    data = fit_data(source, seed=3)
    parts = [data.train, data.validation, open_held_out(str(photos))]
    seen = [pixels.tobytes() for part in parts for pixels in part.pixels]
    assert len(seen) == len(set(seen)) == 16
    assert all(set(part.labels) == {0, 1} for part in parts)


def test_the_test_split_does_not_depend_on_the_seed_and_the_validation_split_does() -> None:
    digits = Digits()
    first, again, other = (fit_data(digits, seed) for seed in (0, 0, 1))
    assert (first.train.labels == again.train.labels).all()
    assert not np.array_equal(first.validation.pixels, other.validation.pixels)
    both = [np.sort(np.concatenate([d.train.labels, d.validation.labels])) for d in (first, other)]
    assert np.array_equal(both[0], both[1])
    assert len(digits.test()) + len(both[0]) == 1797


def test_named_folders_are_the_splits(tmp_path: Path) -> None:
    for part, count in (("train", 7), ("val", 5), ("test", 6)):
        class_folders(tmp_path / part, count=count)
    folder = Folder(tmp_path)
    train, validation = folder.fit()
    assert validation is not None
    assert (len(train), len(validation), len(folder.test())) == (14, 10, 12)


def test_stratified_takes_some_of_every_class() -> None:
    labels = np.repeat(np.arange(3), (100, 20, 5))
    kept, taken = stratified(labels, 0.2, np.random.default_rng(0))
    assert np.bincount(labels[taken]).tolist() == [20, 4, 1]
    assert sorted([*kept, *taken]) == list(range(125))


def write(path: Path, **arrays: np.ndarray[tuple[int, ...], np.dtype[Any]]) -> str:
    np.savez(path, allow_pickle=False, **arrays)
    return str(path)


def test_npz_in_all_usual_layouts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (20, 6, 7, 3), dtype=np.uint8)
    y = np.array(["a", "b"] * 10)
    want = base.transpose(0, 3, 1, 2)
    layouts: list[np.ndarray[Any, np.dtype[Any]]] = [base, want, base / 255.0, base * 1.0]
    for number, x in enumerate(layouts):
        source = Npz(Path(write(tmp_path / f"{number}.npz", x_train=x, y_train=y, x_test=x[:4],
                                y_test=y[:4])))  # fmt: skip
        train, validation = source.fit()
        assert validation is None
        assert np.array_equal(train.pixels, want)
        assert np.array_equal(source.test().pixels, want[:4])
        assert source.classes == ("a", "b")
        assert source.test().labels.tolist() == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("arrays", "said"),
    cast(
        list[tuple[Arrays, str]],
        [
            ({"x_train": np.zeros((9, 4, 4))}, "no y_train"),
            (
                {"x_train": np.zeros((12, 4)), "y_train": np.arange(12) % 2 == 0},
                "expected (n, h, w)",
            ),
            (
                {"x_train": np.zeros((12, 4, 4)) - 1, "y_train": np.arange(12) % 2},
                "0..1 or 0..255",
            ),
            ({"x_train": np.zeros((12, 4, 4)), "y_train": np.zeros(12, int)}, "two classes"),
            ({"x_train": np.zeros((12, 4, 4)), "y_train": np.arange(12) // 11}, "has 1 images"),
            ({"x_train": np.zeros((12, 5, 5, 5)), "y_train": np.arange(12) % 2}, "channels"),
            ({"x_train": np.zeros((10, 4, 4)), "y_train": np.arange(12) % 2}, "differ"),
        ],
    ),
)
def test_npz_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, arrays: Arrays, said: str
) -> None:
    path = Path(write(tmp_path / "x.npz", **arrays))
    with pytest.raises(DataError) as caught:
        Npz(path).fit()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_npz_with_a_pickle_inside_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, x_train=np.array([{}], dtype=object), y_train=np.array([{}], dtype=object))
    with pytest.raises(DataError):
        Npz(path)
    (tmp_path / "y.npz").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(DataError):
        Npz(tmp_path / "y.npz")


def test_what_is_no_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="expected digits"):
        open_source("nonsense")
    (tmp_path / "only").mkdir()
    with pytest.raises(DataError, match="two folders"):
        open_source(str(tmp_path))
