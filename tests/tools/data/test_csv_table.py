"""Tables that people write by hand: what is understood, and what is refused in one line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_nas import Choice, Space
from llm_nas.errors import DataError
from llm_nas.tools.data.csv_table import (
    LARGEST_FILE,
    CsvTable,
    has_column,
    read_accuracies,
    read_latencies,
)

SPACE = Space("toy", [Choice("k", tuple(range(30)), ordered=True)])
FIRST, SECOND = "k=0", "k=1"


def _open(tmp_path: Path, text: str) -> CsvTable:
    path = tmp_path / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return read_latencies(path, SPACE)


def test_a_partial_table_names_its_file(tmp_path: Path) -> None:
    table = _open(tmp_path, f"note,arch,latency_ms\na,{FIRST},1.5\nb,{SECOND},2\n")
    assert table.values == {FIRST: 1.5, SECOND: 2.0}
    assert table.source.startswith("mine.csv (sha256 ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"arch,ms\n{FIRST},1\n", "lacks column latency_ms; needs arch and one of latency_ms, "),
        (f"arch,latency_ms,latency_us\n{FIRST},1,1\n", "latency_ms and latency_us; leave one"),
        (f"latency_ms\n{FIRST}\n", "lacks column arch"),
        ("", "lacks column arch and latency_ms"),
        ("arch,latency_ms\n", "no rows"),
        (f"arch,latency_ms\n{FIRST},nan\n", "no rows with a value"),
        (f"arch,latency_ms\n{FIRST},inf\n", "line 2: latency is inf"),
        (f"arch,latency_ms\n{FIRST},1\n{SECOND},-1\n", "line 3: latency is -1"),
        (f"arch,latency_ms\n{FIRST},0\n", "line 2: latency is 0"),
        (f"arch,latency_ms\n{FIRST},fast\n", "line 2: latency_ms 'fast' is not a number"),
        (f"arch,latency_ms\n{FIRST}\n", "line 2: 1 columns, the header has 2"),
        (f"arch,latency_ms\n{FIRST},1,2\n", "line 2: 3 columns, the header has 2"),
        (f"arch;latency_ms\n{FIRST};1,5\n", r"'1,5' is not a number \(use a decimal point\)"),
        ("arch,latency_ms\nresnet,1\n", "line 2: "),
        (f"arch,latency_ms\n{FIRST},1\n{FIRST},2\n", "line 3: the architecture of line 2 again"),
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
    assert _open(tmp_path, text).values == {FIRST: pytest.approx(1.5)}


def test_a_file_that_cannot_be_a_table_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(DataError, match="larger than 64 MB"):
        read_latencies(tmp_path / "huge.csv", SPACE)
    with pytest.raises(DataError, match="no such file"):
        read_latencies(Path("/dev/zero"), SPACE)


def test_files_that_are_no_csv(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_latencies(tmp_path / "absent.csv", SPACE)
    with pytest.raises(DataError, match="cannot be read"):
        read_latencies(tmp_path, SPACE)
    (tmp_path / "binary.csv").write_bytes(b"arch,latency_ms\n\xff\xfe\x00,1\n")
    with pytest.raises(DataError, match=r"cannot be read|line 2"):
        read_latencies(tmp_path / "binary.csv", SPACE)


@given(values=st.dictionaries(st.integers(0, 29), st.floats(1e-6, 1e6), min_size=1))
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, values: dict[int, float]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    rows = [f"k={k},{value!r}" for k, value in values.items()]
    path.write_text("\n".join(["arch,latency_ms", *rows]), encoding="utf-8")
    assert read_latencies(path, SPACE).values == {f"k={k}": v for k, v in values.items()}


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    assert _open(tmp_path, f"arch,latency_ms\n{FIRST},1\n").values[FIRST] == 1
    assert _open(tmp_path, f"arch,latency_ms\n{FIRST},2\n").values[FIRST] == 2


def test_accuracies_and_tests_stand_in_columns_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"arch,accuracy_pct,test_accuracy_pct\n{FIRST},90,80\n{SECOND},70,\n")
    assert read_accuracies(path, SPACE).values == {FIRST: 90, SECOND: 70}
    assert read_accuracies(path, SPACE, "test_accuracy_pct").values == {FIRST: 80}
    assert has_column(path, "test_accuracy_pct")
    path.write_text(f"arch,accuracy_pct\n{FIRST},101\n")
    with pytest.raises(DataError, match="line 2: accuracy is 101; expected 0 to 100 %"):
        read_accuracies(path, SPACE)
