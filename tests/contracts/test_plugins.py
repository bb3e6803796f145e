"""What others bring keeps the contracts, is found by every kind of name, and fails in one line."""

from pathlib import Path
from typing import Any, cast

import pytest

from llm_nas import plugins
from llm_nas.cli import run
from llm_nas.domain import Candidate, ContextName, Failure, SearchRequest
from llm_nas.errors import ModelReplyError, RequestError
from llm_nas.evaluation.truth import open_truth
from llm_nas.experiments.methods import make_method
from llm_nas.experiments.setting import Order
from llm_nas.graph.search import search
from llm_nas.plugins import Kind, run_file
from llm_nas.ports import Device, Partition, SearchSpace, Task
from llm_nas.testing import (
    DesignerContract,
    DeviceContract,
    MethodContract,
    PartitionContract,
    SpaceContract,
    TaskContract,
)
from llm_nas.tools.contexts import parse_context
from llm_nas.tools.devices import open_device
from llm_nas.tools.niches import open_partition
from llm_nas.tools.spaces import open_space
from llm_nas.tools.tasks import open_task

EXAMPLES = Path(__file__).parents[2] / "examples"
SPACE = str(EXAMPLES / "03_space.py")
TASK = f"{EXAMPLES / '04_task.py'}:Formula"
DEVICE = f"{EXAMPLES / '05_device.py'}:Board"
DESIGNER = f"{EXAMPLES / '06_designer.py'}:Neighbours"
METHOD = f"{EXAMPLES / '07_method.py'}:Climber"


@pytest.fixture
def space() -> SearchSpace:
    return open_space(SPACE)


class TestSpace(SpaceContract):
    builds = 0


class TestNiches(PartitionContract):
    @pytest.fixture
    def partition(self, space: SearchSpace) -> Partition:
        return open_partition(None, space)


class TestTask(TaskContract):
    @pytest.fixture
    def task(self, space: SearchSpace) -> Task:
        return open_task(TASK, space)


class TestDevice(DeviceContract):
    @pytest.fixture
    def device(self, space: SearchSpace) -> Device:
        return open_device(DEVICE, space, TASK)


class TestDesigner(DesignerContract):
    @pytest.fixture
    def make(self) -> Any:
        return plugins.find("designers", DESIGNER)


class TestMethod(MethodContract):
    @pytest.fixture
    def make(self) -> Any:
        return plugins.find("methods", METHOD)


def test_a_designer_that_forgets_the_niche_fails_its_suite(space: SearchSpace) -> None:
    cls: Any = plugins.find("designers", DESIGNER)

    class Lost(cls):  # type: ignore[misc]
        def propose(self, view: Any, heuristics: Any, rng: Any) -> Any:
            given = cast("list[Candidate]", super().propose(view, heuristics, rng))
            return [c.model_copy(update={"niche": "elsewhere"}) for c in given]

    suite = DesignerContract()
    partition = open_partition(None, space)
    from llm_nas.tools.spaces import NicheMoves

    with pytest.raises(AssertionError):
        suite.test_it_proposes_candidates_for_its_niche(
            space, partition, Lost(space, NicheMoves(space, partition)), 5
        )


def test_a_method_that_repeats_itself_fails_its_suite(space: SearchSpace) -> None:
    cls: Any = plugins.find("methods", METHOD)

    class Stuck(cls):  # type: ignore[misc]
        def ask(self) -> str:
            if not hasattr(self, "first"):
                self.first = cast("str", super().ask())
            return self.first

    with pytest.raises(AssertionError, match="asked for twice"):
        MethodContract().test_it_asks_for_members_each_once(space, cast("Any", Stuck))


def test_five_parts_of_ones_own_search_and_compare(tmp_path: Path) -> None:
    request = SearchRequest(
        space=SPACE,
        task=TASK,
        device=DEVICE,
        designer=DESIGNER,
        trainings=14,
        opening=8,
        batch=6,
        out=tmp_path / "run",
        store=tmp_path / "store",
    )
    report = search(request)
    assert (report.space, report.task, report.device) == ("stack", "formula", "board")
    assert report.hv is not None
    assert 0.5 < report.hv <= 1.0
    assert report.proposals_by["neighbours"].novel > 0
    context = parse_context(f"{SPACE}/{TASK}/{DEVICE}")
    assert context == ContextName(space=SPACE, task=TASK, device=DEVICE)
    order = Order(context=context, seed=0, trainings=6, opening=4, batch=2)
    assert len(make_method(METHOD)(order).rows) == 6
    assert len(make_method(f"designer:{DESIGNER}")(order).rows) == 6


def test_truth_stands_beside_the_task_and_not_on_it(space: SearchSpace) -> None:
    truth = open_truth(ContextName(space=SPACE, task=TASK, device=DEVICE), space)
    assert truth is not None
    assert truth.archs is not None
    assert len(truth.archs) == len(set(truth.archs)) == 9 * (4 + 16 + 64)
    assert not hasattr(open_task(TASK, space), "tested")


PACKAGE = """
from llm_nas import Choice, Space
space = Space("packed", [Choice("a", (1, 2, 3)), Choice("b", (1, 2))])
def shaped(shape):
    return Space("shaped", [Choice("a", tuple(range(1, shape.classes + 1)))])
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with entry points, as pip leaves it."""
    (tmp_path / "brought_pkg.py").write_text(PACKAGE)
    info = tmp_path / "brought_pkg-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: brought-pkg\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[llm_nas.spaces]\npacked = brought_pkg:space\n")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.usefixtures("package")
def test_entry_points_and_modules_are_found_by_name() -> None:
    assert plugins.names("spaces") == ("packed",)
    assert open_space("packed").name == "packed"
    assert open_space("brought_pkg:shaped").log10_size == pytest.approx(1.0)
    with pytest.raises(RequestError, match=r"expected .*packed"):
        open_space("unpacked")


def test_a_module_of_the_working_directory_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lying_here.py").write_text(PACKAGE)
    monkeypatch.chdir(tmp_path)
    assert open_space("lying_here:space").name == "packed"


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("tasks", "no_such_module:Task", "no module 'no_such_module'"),
        ("tasks", "json:Task", "there is no 'Task' in it"),
        ("tasks", "json:dumps", "TypeError"),
        ("devices", "json:JSONDecoder", "no device: it has no"),
        ("methods", "nowhere.py:Method", "nowhere.py: no such file"),
        ("designers", "nobody", "no installed package brings it"),
    ],
)
def test_what_is_no_part_is_told_in_one_line(kind: Kind, name: str, says: str) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        plugins.opened(kind, name)
    assert "\n" not in str(caught.value)


def test_errors_of_parts_are_failures_of_what_they_were_asked(
    space: SearchSpace, tmp_path: Path
) -> None:
    from llm_nas.agents.brought import BroughtDesigner

    bad = tmp_path / "bad.py"
    bad.write_text(
        "from llm_nas.domain import ACCURACY\n"
        "class Task:\n"
        "    name, metric, chance, source = 'bad', ACCURACY, None, 'bad'\n"
        "    def __init__(self, space): pass\n"
        "    def train(self, arch, fidelity, seed): return 1 / 0\n"
        "class Device:\n"
        "    name, exact, source = 'bad', True, 'bad'\n"
        "    def __init__(self, space, shape): pass\n"
        "    def supports(self, arch): return None\n"
        "    def measure(self, archs): return []\n"
        "class Designer:\n"
        "    source = 'bad'\n"
        "    def propose(self, view, heuristics, rng): raise KeyError('x')\n"
    )
    arch = next(iter(space.neighbours("layers=1 kernel=3 activation=relu width1=16")))
    failed = open_task(f"{bad}:Task", space).train(arch, 1.0, 0)
    assert isinstance(failed, Failure)
    assert failed.reason == "ZeroDivisionError: division by zero"
    (answer,) = open_device(f"{bad}:Device", space, f"{bad}:Task").measure([arch])
    assert isinstance(answer, Failure)
    designer = BroughtDesigner(run_file(bad).Designer())
    with pytest.raises(ModelReplyError, match="designer bad: KeyError"):
        designer.propose(None, (), None)  # type: ignore[arg-type]


def test_a_designer_of_ones_own_excludes_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    named = ["--designer", DESIGNER, "--model", "control:nonsense"]
    assert run(["search", "--space", "nb201", *named]) == 2
    assert "--designer" in capsys.readouterr().err
