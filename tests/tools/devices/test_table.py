"""Devices from tables and sums: exact, quick, and clear about what they do not have."""

import time
from pathlib import Path

import numpy as np
import pytest

from llm_nas import Choice, Space
from llm_nas.domain import Failure, Timing
from llm_nas.errors import DataError, RequestError
from llm_nas.tools.data import nb201_tables
from llm_nas.tools.data.public.anb import measured_rows
from llm_nas.tools.devices import open_device
from llm_nas.tools.devices.sums import FBNET_DEVICES, FBNET_FILE
from llm_nas.tools.devices.table import TableDevice
from llm_nas.tools.spaces import open_space

TOY = Space("toy", [Choice("k", (1, 3, 5, 7), ordered=True)])


def _table(name: str, space: str, task: str, data_dir: Path | None = None) -> TableDevice:
    device = open_device(name, open_space(space), task, data_dir=data_dir)
    assert isinstance(device, TableDevice)
    return device


@pytest.fixture(autouse=True)
def _pack(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLM_NAS_DATA", "")


def test_every_tabulated_device_answers() -> None:
    for space, task, names in (
        ("nb201", "cifar10", "edgegpu raspi4 edgetpu pixel3 eyeriss fpga"),
        ("anb", "imagenet", "a100 rtx3090 tpuv2 tpuv3 zcu102 vck190"),
        (
            "hwgpt-s",
            "openwebtext",
            "a100 a40 a6000 h100 rtx2080 rtx3080 v100 p100 "
            "cpu_a6000 cpu_alldlc cpu_meta cpu_mlgpu cpu_p100 helix_cpu",
        ),
    ):
        family, rng = open_space(space), np.random.default_rng(0)
        archs = [family.sample(rng) for _ in range(5)]
        for name in names.split():
            device = open_device(name, family, task)
            assert device.exact
            assert device.name == name
            for arch, answer in zip(archs, device.measure(archs), strict=True):
                assert answer.arch == arch
                if device.supports(arch) is None:
                    assert isinstance(answer, Timing)
                    assert answer.low_ms == answer.median_ms == answer.high_ms > 0


def test_what_edgetpu_lacks_is_said() -> None:
    device, archs = _table("edgetpu", "nb201", "cifar10"), nb201_tables().archs
    values = device.latencies_ms(archs)
    assert int(np.isnan(values).sum()) == 4699
    missing = archs[int(np.flatnonzero(np.isnan(values))[0])]
    assert device.supports(missing) == "edgetpu: HW-NAS-Bench has it as 'not available'"
    (answer,) = device.measure([missing])
    assert isinstance(answer, Failure)
    assert answer.stage == "time"
    assert device.latencies_ms([]).shape == (0,)


@pytest.mark.parametrize(
    ("space", "task", "name"), [("nb201", "cifar10", "fpga"), ("anb", "imagenet", "zcu102")]
)
def test_three_thousand_networks_are_quick(space: str, task: str, name: str) -> None:
    device = _table(name, space, task)
    family, rng = open_space(space), np.random.default_rng(0)
    archs = [family.sample(rng) for _ in range(3000)]
    device.measure(archs[:10])
    started = time.process_time()
    answers = device.measure(archs)
    assert time.process_time() - started < 0.2  # .04 s on an idle core
    values = [answer.median_ms for answer in answers if isinstance(answer, Timing)]
    np.testing.assert_allclose(values, device.latencies_ms(archs))


def test_sums_add_up(tables: Path) -> None:
    """The slow way: each layer's entry looked up by itself."""
    space, device = open_space("fbnet"), _table("raspi4", "fbnet", "digits", tables)
    with np.load(tables / FBNET_FILE) as file:
        row = file["lut_metrics"].tolist().index("raspi4_latency")
        operations = file["ops"].tolist()
        table, fixed = file["lut_cifar100"][row], file["lut_fixed_cifar100"][row]
    arch = space.sample(np.random.default_rng(3))
    expected = float(sum(fixed))
    for layer, value in enumerate(space.values(arch).values()):
        expected += float(table[layer, operations.index(value)])
    assert device.latencies_ms([arch])[0] == pytest.approx(expected)
    assert _table("raspi4", "fbnet", "imagenet", tables).latencies_ms([arch])[0] != expected
    with pytest.raises(RequestError, match="no network of 22 known operations"):
        device.latencies_ms(["op1=k3_e1"])


@pytest.mark.parametrize("name", FBNET_DEVICES)
def test_sums_of_every_device(name: str, tables: Path) -> None:
    (answer,) = _table(name, "fbnet", "digits", tables).measure(
        [open_space("fbnet").sample(np.random.default_rng(0))]
    )
    assert isinstance(answer, Timing)


def test_without_the_look_up_tables_one_line_says_so() -> None:
    with pytest.raises(DataError, match=r"^device raspi4: fbnet_hwnasbench.npz is not there"):
        open_device("raspi4", open_space("fbnet"), "digits")


def test_rows_know_their_architectures(tables: Path) -> None:
    rows, published = _table("tpuv3", "anb-rows", "imagenet", tables), measured_rows(tables)
    assert rows.archs is not None
    assert len(rows.archs) == len(published.archs) - 44  # so many were not timed there


def test_users_tables_know_their_architectures(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("arch,latency_us\nk=1,1500\nk=3,\n")
    device = open_device(f"my.board={path}", TOY, "whatever.csv")
    assert isinstance(device, TableDevice)
    assert (device.name, device.archs) == ("my.board", ("k=1",))
    assert device.latencies_ms(["k=1", "k=3"]).tolist() == [
        1.5,
        pytest.approx(np.nan, nan_ok=True),
    ]
    assert device.source.startswith("t.csv (sha256 ")


@pytest.mark.parametrize("device", ["=x.csv", "mydev=", "a b=x.csv", "../x=y.csv", "..=y.csv"])
def test_a_malformed_device(device: str) -> None:
    with pytest.raises(RequestError, match=r"is not NAME=FILE\.csv"):
        open_device(device, TOY, "t.csv")


def test_unknown_devices_and_files(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="unknown 'toaster' for anb; use one of a100, rtx3090"):
        open_device("toaster", open_space("anb"), "imagenet")
    with pytest.raises(RequestError, match="'a100' is a known device"):
        open_device(f"a100={tmp_path / 'x.csv'}", open_space("anb"), "imagenet")
    with pytest.raises(DataError, match="no such file"):
        open_device(f"mine={tmp_path / 'x.csv'}", TOY, "t.csv")
