"""The archive of Accel-NASBench: units, gaps, repeats, and files that are no such archive."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_nas.errors import DataError
from llm_nas.tools.data.public.anb import CSV_FILE, ROWS_FILE, measured_rows, read_archive
from llm_nas.tools.data.rows import load


def _record(kernel: int, top1: float, a100: float | None = 1000.0) -> dict[str, Any]:
    choices = {
        f"block{stage}_{part}": value
        for stage in range(7)
        for part, value in (("e", 1), ("k", kernel), ("l", 2), ("se", False))
    }
    speeds = {
        name: {"throughput_mean": 500.0}
        for name in ("throughput_3090", "throughput_tpuv2", "throughput_tpuv3")
    }
    latencies = {name: {"latency_mean": 3.0} for name in ("latency_zcu102", "latency_vck190")}
    return {
        "architecture": choices,
        "metrics": {"val_top1": top1},
        "model_info": {"macs": 100.0, "params": 2.0},
        "platform_perf": {**speeds, **latencies, "throughput_a100": {"throughput_mean": a100}},
    }


def _archive(path: Path, *texts: str) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for number, text in enumerate(texts):
            member = tarfile.TarInfo(f"./anb_dataset_jsons/result_{number}.json")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def test_throughputs_become_ms_and_repeats_are_averaged(tmp_path: Path) -> None:
    records = [_record(3, 50.0), _record(5, 60.0, None), _record(3, 52.0, 500.0)]
    rows = read_archive(_archive(tmp_path / "a.tar.gz", *map(json.dumps, records)))
    assert [arch.split(" ")[1] for arch in rows.archs] == ["k1=3", "k1=5"]
    assert rows.archs[0].startswith("e1=1 k1=3 l1=2 se1=0 e2=1 ")
    np.testing.assert_allclose(rows.quantities["imagenet"], [51.0, 60.0])
    np.testing.assert_allclose(rows.quantities["a100"], [1.5, np.nan])
    np.testing.assert_allclose(rows.quantities["zcu102"], [3.0, 3.0])
    rows.save(tmp_path / "rows.npz")
    again = load(tmp_path / "rows.npz")
    assert again.archs == rows.archs
    np.testing.assert_allclose(again.quantities["a100"], rows.quantities["a100"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", r"result_0\.json: unexpected content"),
        ("{", "not a readable archive"),
        ("x" * 70_000, "larger than the published archive"),
    ],
)
def test_what_is_no_such_archive_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_archive(_archive(tmp_path / "a.tar.gz", text))
    with pytest.raises(DataError, match="no such file"):
        read_archive(tmp_path / "absent.tar.gz")
    (tmp_path / "cut.tar.gz").write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(DataError, match="not a readable archive"):
        read_archive(tmp_path / "cut.tar.gz")


def test_the_published_rows_are_all_there(tables: Path) -> None:
    rows = measured_rows(tables)
    assert len(set(rows.archs)) == len(rows.archs) == 5125
    missing = {name: int(np.isnan(values).sum()) for name, values in rows.quantities.items()}
    assert missing["imagenet"] == missing["a100"] == 0
    assert missing["tpuv3"] == 44
    assert 1000 / np.nanmin(rows.quantities["tpuv3"]) == pytest.approx(1803, abs=3)


def test_rows_come_from_the_named_directory_or_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, cache = tmp_path / "named", tmp_path / "cache"
    monkeypatch.setenv("LLM_NAS_DATA", str(named))
    monkeypatch.setattr("llm_nas.tools.data.locate.user_cache", lambda: cache)
    with pytest.raises(DataError, match="run llm-nas data fetch"):
        measured_rows()
    archive = _archive(tmp_path / "a.tar.gz", json.dumps(_record(3, 50.0)))
    read_archive(archive).save(cache / ROWS_FILE)
    assert measured_rows().quantities["imagenet"].tolist() == [50.0]
    read_archive(_archive(archive, json.dumps(_record(3, 60.0)))).save(named / ROWS_FILE)
    assert measured_rows().quantities["imagenet"].tolist() == [60.0]


def test_a_damaged_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / CSV_FILE.parent).mkdir()
    for content in (b"\x1f\x8b\x08", gzip.compress(b"id,val_top1\n0,1\n"), gzip.compress(b"")):
        (tmp_path / CSV_FILE).write_bytes(content)
        with pytest.raises(DataError, match=r"anb\.csv\.gz.*(not a readable|unexpected|no netw)"):
            measured_rows(tmp_path)
