"""What a child is credited with."""

import numpy as np
import pytest

from llm_nas.domain import Measurement, Niche
from llm_nas.graph.views import front_gains
from llm_nas.ports import NicheView


def cell(name: str, accuracy_pct: float, latency_ms: float, niche: str = "S0") -> Measurement:
    return Measurement(
        arch=name,
        niche=niche,
        generation=0,
        predicted_accuracy_pct=accuracy_pct,
        latency_ms=latency_ms,
    )


def view(*measured: Measurement) -> NicheView:
    return NicheView(
        dataset="cifar10",
        device="toy",
        niche=Niche(id="S0", rule="any"),
        generation=1,
        generations=2,
        slots=2,
        archive=(),
        measured=measured,
        gaps_ms=(),
        failures=(),
    )


def test_the_order_of_children_earns_nothing() -> None:
    before = view(cell("a", 80.0, 1.0), cell("b", 90.0, 2.0))
    children = [cell("c", 88.0, 1.5), cell("d", 88.0, 1.5), cell("e", 95.0, 1.2)]
    forth, back = front_gains(before, children), front_gains(before, children[::-1])
    np.testing.assert_allclose(forth, back[::-1])
    assert forth[0] == forth[1] > 0.0
    assert forth[2] > forth[0]


def test_a_cell_that_another_niche_beats_earns_nothing() -> None:
    before = view(cell("a", 95.0, 1.0, niche="S4"), cell("b", 70.0, 3.0))
    assert front_gains(before, [cell("c", 90.0, 2.0)])[0] == pytest.approx(0.0)
    assert front_gains(before, []) == ()
    assert front_gains(view(), [cell("c", 90.0, 2.0)])[0] > 0.0
