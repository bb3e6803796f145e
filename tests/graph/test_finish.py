"""From a run's front to a file that runs anywhere."""

import json
import subprocess
import sys
import venv
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from llm_nas.domain import FrontPoint, Label, Measurement, SearchReport, SearchRequest
from llm_nas.errors import RequestError
from llm_nas.graph.ending.baselines import BaselineWork, read_baselines
from llm_nas.graph.ending.finish import finish, lineage, read_report
from llm_nas.graph.ending.pick import knee, pick
from llm_nas.graph.ending.real import Closer
from llm_nas.tools.devices.real import open_real_device
from llm_nas.tools.export.onnx_file import export
from llm_nas.tools.spaces import open_space
from llm_nas.tools.tasks import shape_of
from llm_nas.tools.tasks.held_out import open_held_out
from llm_nas.tools.tasks.real import open_real_task


def point(latency_ms: float, value: float, arch: str = "a") -> FrontPoint:
    return FrontPoint(
        metric="accuracy_pct", arch=arch, niche="0", value=value, latency_ms=latency_ms
    )


FRONT = [point(1, 50), point(2, 80), point(4, 85), point(9, 90)]


def test_picks() -> None:
    assert knee(FRONT).latency_ms == 2
    assert pick(FRONT, "3").latency_ms == 4
    assert pick(FRONT, "under 5 ms").latency_ms == 4
    assert pick(FRONT, "below 1.5").latency_ms == 1
    assert knee([point(1, 50)]).latency_ms == 1
    for wish in ("0", "5", "under 1 ms", "best", "under x"):
        with pytest.raises(RequestError):
            pick(FRONT, wish)
    with pytest.raises(RequestError, match="no front"):
        pick([], "knee")


def report(run: Path, arch: str, **changes: object) -> None:
    run.mkdir()
    made = SearchReport(
        protocol=2,
        run="r",
        request=SearchRequest(space="mobile", task="digits", device="host", epochs=2),
        space="mobile",
        task="digits",
        device="host",
        metric="accuracy_pct",
        data_source="",
        seed=0,
        model="offline",
        trainings=1,
        front=(point(0.05, 60, arch),),
        hv=None,
        out=run,
    ).model_copy(update=changes)
    (run / "result.json").write_text(made.model_dump_json())


def test_runs_on_tables_cannot_be_finished(tmp_path: Path) -> None:
    tables = SearchRequest(space="nb201", task="cifar10", device="edgegpu")
    report(tmp_path / "run", "x", request=tables)
    with pytest.raises(RequestError, match="comes from tables"):
        read_report(tmp_path / "run")
    with pytest.raises(RequestError, match="no finished run"):
        finish(tmp_path)


def test_lineage_is_read_from_the_trace(tmp_path: Path) -> None:
    event = {"generation": 3, "data": {"arch": "a", "origin": "advisor", "reason": "gap"}}
    (tmp_path / "trace.jsonl").write_text(json.dumps(event) + "\n{broken\n")
    assert lineage(tmp_path, "a") == {"origin": "advisor", "reason": "gap", "generation": 3}
    assert lineage(tmp_path / "none", "a") == {}


def small_arch() -> str:
    space = open_space("mobile", shape_of("digits"))
    rng = np.random.default_rng(0)
    archs = [space.sample(rng) for _ in range(200)]
    return archs[int(np.argmin(space.quantities(archs)["macs_m"]))]


@pytest.mark.slow
def test_a_finished_file_gives_the_accuracy_of_its_card(tmp_path: Path) -> None:
    report(tmp_path / "run", small_arch())
    said: list[str] = []
    made = finish(tmp_path / "run", pick="1", epochs=2, precision="int8", say=said.append)
    folder, card = made.folder, made.card
    assert {p.name for p in folder.iterdir()} >= {
        "model.onnx", "weights.safetensors", "card.md", "card.json", "predict.py"
    }  # fmt: skip
    assert [figures.precision for figures in card.files] == ["int8", "fp32"]
    assert card.epochs == 2
    images = open_held_out("digits")
    np.savez(tmp_path / "test.npz", x=images.scaled(), y=images.labels)
    program = (
        "import sys, numpy, onnxruntime\n"
        "d = numpy.load(sys.argv[2])\n"
        "s = onnxruntime.InferenceSession(sys.argv[1])\n"
        "print((s.run(None, {'image': d['x']})[0].argmax(1) == d['y']).mean() * 100)\n"
    )
    files = [str(folder / "model.onnx"), str(tmp_path / "test.npz")]
    command = [sys.executable, "-c", program, *files]
    alone = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert float(alone) == pytest.approx(card.files[0].test_accuracy_pct)
    Image.new("L", (30, 20), 128).save(tmp_path / "grey.png")
    script = (folder / "predict.py").read_text()
    assert len(script.splitlines()) == 15
    run = [sys.executable, str(folder / "predict.py"), str(tmp_path / "grey.png")]
    assert len(subprocess.run(run, capture_output=True, check=True).stdout.splitlines()) == 5


@pytest.mark.slow
def test_a_run_ends_with_exports_test_accuracies_and_baselines(tmp_path: Path) -> None:
    shape = shape_of("digits")
    space = open_space("mobile", shape)
    task = open_real_task("digits", space, epochs=1, folder=tmp_path / "weights", isolated=False)
    device = open_real_device("host", space, shape)
    arch = small_arch()
    task.train(arch, 1.0, 0)
    row = Measurement(arch=arch, niche="0", generation=0, value=50.0, latency_ms=0.05,
                      latency_low_ms=0.05, latency_high_ms=0.05)  # fmt: skip
    said: list[str] = []
    work = BaselineWork(task, device, tmp_path, 0, 2, said.append)
    work.time()
    assert work.known.span_ms == 1.1 * max(t.median_ms for t in work.known.timings.values())
    work.train(stop=lambda: len(said) == 1)
    assert len(work.known.rows) == 1
    again = BaselineWork(task, device, tmp_path, 0, 2, said.append)
    again.time()
    again.train()
    device.close()
    assert again.known.rows[0] == work.known.rows[0]
    assert read_baselines(tmp_path) == again.known
    closing = Closer(task, tmp_path, 0, again.known).close([row])
    assert (tmp_path / closing.onnx[arch]).is_file()
    assert closing.baseline_trainings == 2.0
    assert [row.family for row in closing.baselines] == ["mobilenetv2", "mobilenetv3"]
    assert len(said) == 2
    assert closing.beside.hv_baselines == 1.0
    assert closing.failures == ()
    other = row.model_copy(update={"arch": space.sample(np.random.default_rng(9))})
    unknown = Closer(task, tmp_path, 0, again.known).close([other])
    assert [failure.stage for failure in unknown.failures] == ["export"]


@pytest.mark.slow
def test_an_exported_file_runs_where_only_onnxruntime_and_numpy_are(tmp_path: Path) -> None:
    task = open_real_task(
        "digits", open_space("mobile", shape_of("digits")), epochs=2, folder=tmp_path,
        isolated=False,
    )  # fmt: skip
    arch = small_arch()
    label = task.train(arch, 1.0, 0)
    assert isinstance(label, Label)
    export(task.trained(arch, 0), task.shape, tmp_path / "model.onnx", "trace")
    images = task.data.validation
    np.savez(tmp_path / "validation.npz", x=images.scaled(), y=images.labels)
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=True)
    python = bare / "bin" / "python"
    wanted = [f"{name}=={version(name)}" for name in ("onnxruntime", "numpy")]
    install: list[str | Path] = [python, "-m", "pip", "install", "-q", *wanted]
    if subprocess.run(install, capture_output=True, check=False).returncode:
        pytest.skip("packages cannot be installed here")
    program = (
        "import sys, numpy, onnxruntime\n"
        "d = numpy.load(sys.argv[2])\n"
        "s = onnxruntime.InferenceSession(sys.argv[1])\n"
        "print((s.run(None, {'image': d['x']})[0].argmax(1) == d['y']).mean() * 100)\n"
        "assert 'torch' not in sys.modules\n"
    )
    files = [tmp_path / "model.onnx", tmp_path / "validation.npz"]
    done = subprocess.run([python, "-I", "-c", program, *files], capture_output=True, text=True)
    assert float(done.stdout) == pytest.approx(label.value)
