"""Conversion refuses files that are not what they should be."""

from pathlib import Path

import numpy as np
import pytest

from llm_nas.errors import DataError
from llm_nas.tools.data.npz import write_atomically
from llm_nas.tools.data.public.nb201 import convert


def test_missing_csv(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nats_bench\.csv: cannot be read"):
        convert(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "lacks column CIFAR10TestAccuracy200Epochs"),
        (
            "CIFAR10TestAccuracy200Epochs,CIFAR100TestAccuracy200Epochs,"
            "ImageNetTestAccuracy200Epochs,ArchitectureString\n1,2,3,none\n",
            "line 2: arch",
        ),
        (
            "CIFAR10TestAccuracy200Epochs,CIFAR100TestAccuracy200Epochs,"
            "ImageNetTestAccuracy200Epochs,ArchitectureString\n"
            "1,2,many,|none~0|+|none~0|none~1|+|none~0|none~1|none~2|\n",
            "line 2: a value is missing or not a number",
        ),
        (
            "CIFAR10TestAccuracy200Epochs,CIFAR100TestAccuracy200Epochs,"
            "ImageNetTestAccuracy200Epochs,ArchitectureString\n"
            "1,2,3,|none~0|+|none~0|none~1|+|none~0|none~1|none~2|\n",
            "does not cover all 15625 cells",
        ),
    ],
)
def test_bad_accuracy_csv(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "nats_bench.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        convert(tmp_path, tmp_path / "out")


def test_atomic_write_leaves_the_old_file_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_atomically(tmp_path / "t.npz", {"a": np.arange(3)})
    before = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(DataError, match="No space left on device"):
        write_atomically(path, {"a": np.arange(4)})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["t.npz"]


def test_atomic_write_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_atomically(tmp_path / "file" / "t.npz", {"a": np.arange(3)})
