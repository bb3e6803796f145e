"""True fronts of worlds small enough to solve by hand."""

import numpy as np
import pytest

from llm_nas.domain import FloatArray
from llm_nas.errors import RequestError
from llm_nas.evaluation.front import context_digest, true_front
from llm_nas.evaluation.indicators import Box

#                  best    mid   fast  dominated  chance  no latency
ACCURACY = np.array([94.0, 92.0, 84.0, 91.0, 12.0, 95.0])
LATENCY = np.array([5.0, 3.0, 1.0, 4.0, 0.2, np.nan])


def test_front_of_a_hand_made_world() -> None:
    front = true_front("cifar10", ACCURACY, LATENCY)
    assert front.eligible.tolist() == [True, True, True, True, False, False]
    assert front.indices.tolist() == [2, 1, 0]
    assert front.box == Box((6.0, 1.0), (16.0, 5.0))
    # Staircase (1, 0), (0.2, 0.5), (0, 1) up to (1.1, 1.1).
    assert front.hv == pytest.approx(0.1 * 1.1 + 0.8 * 0.6 + 0.2 * 0.1)
    assert front.unit_box == Box((6.0, 0.2), (88.0, 5.0))


def test_chance_depends_on_the_dataset() -> None:
    assert true_front("cifar100", ACCURACY, LATENCY).indices.tolist() == [4, 2, 1, 0]


def test_a_single_cell_and_a_constant_latency_have_a_box() -> None:
    one = true_front("cifar10", np.array([90.0, 10.0]), np.array([2.0, np.nan]))
    assert one.box == Box((10.0, 2.0), (11.0, 3.0))
    assert one.hv == pytest.approx(1.21)
    flat = true_front("cifar10", np.array([90.0, 80.0]), np.array([2.0, 2.0]))
    assert flat.box == Box((10.0, 2.0), (20.0, 3.0))


@pytest.mark.parametrize(
    ("dataset", "accuracy", "latency"),
    [
        ("mnist", ACCURACY, LATENCY),
        ("cifar10", np.array([14.9, 15.0]), np.array([1.0, 1.0])),
        ("cifar10", np.array([90.0]), np.array([np.nan])),
    ],
)
def test_worlds_without_a_front_are_refused(
    dataset: str, accuracy: FloatArray, latency: FloatArray
) -> None:
    with pytest.raises(RequestError):
        true_front(dataset, accuracy, latency)


def test_digest_tells_tables_apart_but_not_how_they_were_stored() -> None:
    digest = context_digest("cifar10", ACCURACY, LATENCY)
    assert digest == context_digest("cifar10", ACCURACY + 1e-9, LATENCY)
    assert digest != context_digest("cifar100", ACCURACY, LATENCY)
    assert digest != context_digest("cifar10", ACCURACY, LATENCY + 0.001)
