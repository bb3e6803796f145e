"""Latency tables: known devices, and CSV files that people write by hand."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_nas.domain import DEVICES
from llm_nas.errors import DataError, RequestError
from llm_nas.tools.data.pack import PackBenchmark
from llm_nas.tools.latency import LARGEST_FILE, LatencyTable, open_latency, read_csv
from llm_nas.tools.space import nas_bench_201

SPACE = nas_bench_201()
FIRST, SECOND = (SPACE.format(SPACE.cell(i)) for i in (0, 1))


def _open(tmp_path: Path, text: str) -> LatencyTable:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return open_latency(PackBenchmark(), "cifar10", f"mydev={path}")


@pytest.mark.parametrize("device", DEVICES)
def test_known_devices(device: str) -> None:
    table = open_latency(PackBenchmark(), "cifar10", device)
    assert table.name == device
    assert table.missing == (4699 if device == "edgetpu" else 0)
    assert table.values_ms.shape == (SPACE.size,)
    assert "surrogate" in table.source


def test_a_partial_csv_leaves_the_other_cells_unknown(tmp_path: Path) -> None:
    table = _open(tmp_path, f"note,arch,latency_ms\na,{FIRST},1.5\nb,{SECOND},2\n")
    assert table.name == "mydev"
    assert table.values_ms[:2].tolist() == [1.5, 2.0]
    assert table.missing == SPACE.size - 2
    assert table.source.startswith("mine.csv (sha256 ")


def test_a_byte_order_mark_is_no_obstacle(tmp_path: Path) -> None:
    assert _open(tmp_path, f"\ufeffarch,latency_ms\n{FIRST},1\n").values_ms[0] == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"arch,ms\n{FIRST},1\n", "lacks column latency_ms; needs arch and one of latency_ms, "),
        (f"arch,latency_ms,latency_us\n{FIRST},1,1\n", "latency_ms and latency_us; leave one"),
        (f"latency_ms\n{FIRST}\n", "lacks column arch"),
        ("", "lacks column arch and latency_ms"),
        ("arch,latency_ms\n", "no rows"),
        (f"arch,latency_ms\n{FIRST},nan\n", "no rows with a latency"),
        (f"arch,latency_ms\n{FIRST},inf\n", "line 2: latency_ms is inf"),
        (f"arch,latency_ms\n{FIRST},1\n{SECOND},-1\n", "line 3: latency_ms is -1"),
        (f"arch,latency_ms\n{FIRST},0\n", "line 2: latency_ms is 0"),
        (f"arch,latency_ms\n{FIRST},fast\n", "line 2: latency_ms 'fast' is not a number"),
        (f"arch,latency_ms\n{FIRST}\n", "line 2: 1 columns, the header has 2"),
        (f"arch,latency_ms\n{FIRST},1,2\n", "line 2: 3 columns, the header has 2"),
        (f"arch;latency_ms\n{FIRST};1,5\n", r"'1,5' is not a number \(use a decimal point\)"),
        ("arch,latency_ms\nresnet,1\n", "line 2: arch"),
        (f"arch,latency_ms\n{FIRST},1\n{FIRST},2\n", "line 3: the cell of line 2 again"),
    ],
)
def test_a_bad_csv_names_the_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        _open(tmp_path, text)
    assert "mine.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        f"arch,latency_ms\n{FIRST},1.5\n{SECOND},\n",
        f"arch,latency_ms\n\n{FIRST},1.5\n{SECOND},NA\n",
        f"arch,latency_us\n{FIRST},1500\n",
        f"arch,latency_s\r\n{FIRST},0.0015\r\n",
        f"\ufeffArch;Latency_ms;board\n{FIRST};1.5;3\n",
        f"latency_ms\tarch\n1.5\t {FIRST} \n",
        f'"arch","latency_ms"\n"{FIRST}","1.5"\n',
    ],
    ids=["empty", "NA", "us", "s", "spreadsheet", "tabs", "quoted"],
)
def test_tables_as_people_have_them(tmp_path: Path, text: str) -> None:
    table = _open(tmp_path, text)
    assert table.values_ms[0] == pytest.approx(1.5)
    assert table.missing == SPACE.size - 1


def test_a_file_that_cannot_be_a_table_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(DataError, match="larger than 64 MB"):
        read_csv(tmp_path / "huge.csv", SPACE)
    with pytest.raises(DataError, match="no such file"):
        read_csv(Path("/dev/zero"), SPACE)


def test_files_that_are_no_csv(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_csv(tmp_path / "absent.csv", SPACE)
    with pytest.raises(DataError, match="cannot be read"):
        read_csv(tmp_path, SPACE)
    (tmp_path / "binary.csv").write_bytes(b"arch,latency_ms\n\xff\xfe\x00,1\n")
    with pytest.raises(DataError, match=r"cannot be read|line 2"):
        read_csv(tmp_path / "binary.csv", SPACE)


@pytest.mark.parametrize("device", ["toaster", "", "EDGEGPU"])
def test_an_unknown_device_lists_what_is_allowed(device: str) -> None:
    with pytest.raises(RequestError, match=f"device: unknown '{device}'; use one of edgegpu, "):
        open_latency(PackBenchmark(), "cifar10", device)


@pytest.mark.parametrize("device", ["=x.csv", "mydev=", "a b=x.csv", "../x=y.csv"])
def test_a_malformed_csv_device(device: str) -> None:
    with pytest.raises(RequestError, match=r"is not NAME=FILE\.csv"):
        open_latency(PackBenchmark(), "cifar10", device)


def test_a_csv_cannot_pose_as_a_known_device(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="'fpga' is a known device"):
        open_latency(PackBenchmark(), "cifar10", f"fpga={tmp_path / 'x.csv'}")


@given(
    values=st.dictionaries(
        st.integers(0, SPACE.size - 1), st.floats(1e-6, 1e6), min_size=1, max_size=20
    )
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, values: dict[int, float]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    rows = [f"{SPACE.format(SPACE.cell(i))},{v!r}" for i, v in values.items()]
    path.write_text("\n".join(["arch,latency_ms", *rows]), encoding="utf-8")
    found = read_csv(path, SPACE)
    assert {int(i): float(found[i]) for i in np.flatnonzero(~np.isnan(found))} == values
