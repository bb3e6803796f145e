"""A run says when its cells leave the range its predictor was trained on."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest

from llm_nas.cli.search import show
from llm_nas.domain import SearchReport
from llm_nas.graph import rundir
from llm_nas.graph.build import build_graph, run_config
from llm_nas.graph.context import Inputs, open_context
from llm_nas.graph.search import search
from llm_nas.graph.story import tell
from llm_nas.graph.trace import read_trace
from llm_nas.ports import Benchmark
from llm_nas.tools.partition import make_partition
from llm_nas.tools.predictor import PredictorOptions, TrainedPredictor, fit_predictor
from llm_nas.tools.predictor_features import build_features
from llm_nas.tools.space import nas_bench_201
from tests.graph.requests import RequestMaker

SPACE = nas_bench_201()


@pytest.fixture
def poor(pack: Benchmark) -> TrainedPredictor:
    """Labels from cells with no 3x3 convolution."""
    pool = np.flatnonzero(make_partition(SPACE).labels() == 0)
    train = np.random.default_rng(0).permutation(pool)[:100].astype(np.int64)
    accuracy = pack.validation_accuracy_pct("cifar10")[train]
    features = build_features(pack, "cifar10", SPACE)
    return fit_predictor(features, train, accuracy, 0, PredictorOptions(model="trees"))


def test_a_run_beyond_its_labels_sounds_the_alarm(
    pack: Benchmark,
    poor: TrainedPredictor,
    request_of: RequestMaker,
    capsys: pytest.CaptureFixture[str],
) -> None:
    request = request_of()
    run, folder = rundir.create(request)
    inputs = Inputs(benchmark=pack, predicted_pct=poor.predict_all(), picture=False)
    opened = replace(open_context(run, folder, request, inputs), trained=poor)
    with closing(opened):
        build_graph().invoke(
            {"request": request.model_dump(mode="json"), "run_dir": str(folder)},
            run_config(opened),
            context=opened,
        )
    report = SearchReport.model_validate(rundir.read_json(folder / rundir.RESULT))
    assert report.drift is not None
    assert report.drift.alarm
    assert report.drift.cells == report.evaluations
    events = [e for e in read_trace(folder) if e.event == "drift"]
    assert events[0].data["alarm"]
    assert [e.data["alarm"] for e in events] == [n % 2 == 0 for n in range(len(events))]
    assert "outside the predictor's training range: alarm" in "\n".join(tell(events))
    show(report)
    assert f"drift alarm: {report.drift.outside} of 30 cells" in capsys.readouterr().out


def test_a_run_inside_its_range_is_quiet(
    pack: Benchmark, request_of: RequestMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    report = search(request_of(labels=100), Inputs(benchmark=pack, picture=False))
    assert report.drift is not None
    assert not report.drift.alarm
    assert not [e for e in read_trace(report.out) if e.event == "drift"]
    show(report)
    shown = capsys.readouterr().out
    assert "drift" not in shown
    point = report.front[0]
    assert point.interval_pct is not None
    low, high = point.interval_pct
    assert low <= point.predicted_accuracy_pct <= high
    assert f"({low:.1f}-{high:.1f})" in shown


def test_given_predictions_have_no_range(inputs: Inputs, request_of: RequestMaker) -> None:
    report = search(request_of(), inputs)
    assert report.drift is None
