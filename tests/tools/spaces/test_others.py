"""HW-GPT-Bench's columns, users' files, nested spaces, pools and partitions by name."""

from pathlib import Path

import numpy as np
import pytest

from llm_nas.choices import Choice
from llm_nas.domain import TaskShape
from llm_nas.errors import RequestError
from llm_nas.tools.niches import open_partition
from llm_nas.tools.spaces import NestedSpace, Pool, Space, open_space

FILES = Path(__file__).parent / "files"


def test_hwgpt_columns(tables: Path) -> None:
    with np.load(tables / "hwgpt" / "hwgpt_s.npz") as file:
        names = ("embed_dim", "n_layer", "bias", "n_head", "mlp_ratio", "params", "macs")
        table = {name: file[name] for name in names}
    space = open_space("hwgpt-s")
    archs: list[str] = []
    for row in range(0, 10_000, 10):
        layers = int(table["n_layer"][row])
        values = {"embed": int(table["embed_dim"][row]), "layers": layers}
        values["bias"] = int(table["bias"][row])
        for layer in range(layers):
            values[f"heads{layer + 1}"] = int(table["n_head"][row, layer])
            values[f"mlp{layer + 1}"] = int(table["mlp_ratio"][row, layer])
        archs.append(space.arch(values))
    known = space.quantities(archs)
    np.testing.assert_allclose(known["params_m"] * 1e6, table["params"][::10], rtol=1e-12)
    np.testing.assert_allclose(known["macs_m"] * 1e6, table["macs"][::10], rtol=1e-12)
    assert archs[0].startswith("embed=384 layers=10 bias=0 heads1=12 mlp1=2 heads2=4 mlp2=3 ")
    assert len(archs[0].split()) == 23


@pytest.mark.parametrize(
    ("name", "arch", "params", "macs"),
    [
        (
            "hwgpt-s",
            "embed=384 layers=10 bias=0 heads1=12 mlp1=2 heads2=4 mlp2=3 heads3=12 mlp3=4 "
            "heads4=12 mlp4=2 heads5=4 mlp5=3 heads6=4 mlp6=3 heads7=4 mlp7=2 heads8=8 mlp8=3 "
            "heads9=12 mlp9=2 heads10=4 mlp10=4",
            58_468_608,
            320_757_301_248,
        ),
        (
            "anb",
            "e1=6 k1=3 l1=1 se1=0 e2=4 k2=5 l2=2 se2=0 e3=6 k3=3 l3=3 se3=0 e4=6 k4=5 l4=3 se4=0 "
            "e5=6 k5=5 l5=2 se5=0 e6=1 k6=3 l6=2 se6=0 e7=1 k7=3 l7=2 se7=0",
            2_501_160,
            415_361_072 - 39_637_184,  # published, less what it counts for norms and pools
        ),
    ],
)
def test_a_published_network_of_each_table(name: str, arch: str, params: int, macs: int) -> None:
    known = open_space(name).quantities([arch])
    assert known["params_m"][0] == pytest.approx(params / 1e6, rel=1e-12)
    assert known["macs_m"][0] == pytest.approx(macs / 1e6, rel=1e-12)


@pytest.mark.parametrize(("name", "size"), [("wide.py", 19.0), ("gpt.py", 40.0)])
def test_huge_spaces_from_a_short_file(name: str, size: float) -> None:
    assert len((FILES / name).read_text().splitlines()) <= 40
    assert open_space(str(FILES / name)).log10_size > size


@pytest.mark.parametrize(
    ("text", "variable", "says"),
    [
        ("x = 1\n", "", "no variable 'space'"),
        ("space = 3\n", "", "is a int, no space"),
        ("a = 1\nb = a / 0\n", "", r"line 2: ZeroDivisionError"),
        ("a = = 1\n", "", r"line 1: SyntaxError"),
        ("from llm_nas import Space\nmine = Space('m', [])\n", ":mine", "it has no choices"),
    ],
)
def test_files_that_are_no_space(tmp_path: Path, text: str, variable: str, says: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(text)
    with pytest.raises(RequestError, match=says) as caught:
        open_space(f"{path}{variable}")
    assert "\n" not in str(caught.value)


def test_a_file_may_define_its_space_by_the_tasks_shape(tmp_path: Path) -> None:
    path = tmp_path / "shaped.py"
    path.write_text(
        "from llm_nas import Choice, Space\n"
        "def mine(shape):\n"
        "    return Space('m', [Choice('a', (1, 2))], size_of=lambda v: v['a'] * shape.classes)\n"
    )
    space = open_space(f"{path}:mine", TaskShape(classes=7))
    assert space.quantities(["a=2"])["size"][0] == 14
    with pytest.raises(RequestError, match="no such file"):
        open_space(str(tmp_path / "other.py"))


def test_what_a_model_does_not_pick_is_inactive() -> None:
    space = open_space(str(FILES / "tree.py"))
    rng = np.random.default_rng(0)
    for _ in range(200):
        values = space.values(space.sample(rng))
        depth = int(values["depth"])
        kernels = [n for n in values if n.endswith("kernel")]
        ratios = [n for n in values if n.endswith("ratio")]
        assert len(kernels) == depth
        assert len(ratios) == (depth if values["kind"] == "bottleneck" else 0)
    with pytest.raises(RequestError, match="the tree has no 'deep'; there are depth"):
        NestedSpace("wrong", {"depth": (1, 2)}, lambda pick: pick("deep")).parse("depth=1")


LINE = Space("line", [Choice(f"k{i}", (1, 2, 3), ordered=True) for i in range(1, 5)])
ROWS = ["k1=1 k2=1 k3=1 k4=1", "k1=1 k2=1 k3=1 k4=2", "k1=1 k2=1 k3=2 k4=2", "k1=3 k2=3 k3=3 k4=3"]


def test_a_pool_answers_with_its_nearest_rows() -> None:
    pool = Pool(LINE, ROWS, name="rows", latencies_ms=dict(zip(ROWS, (4.0, 3, 2, 1), strict=True)))
    assert list(pool.neighbours(ROWS[0])) == [ROWS[1]]
    assert set(pool.neighbours(ROWS[1])) == {ROWS[0], ROWS[2]}
    rng = np.random.default_rng(0)
    crossed = {pool.cross(ROWS[0], ROWS[3], rng) for _ in range(50)}
    assert crossed <= {ROWS[1], ROWS[2]}
    with pytest.raises(RequestError, match="none of the 4 measured rows; near: 'k1=1 k2=1"):
        pool.parse("k1=1 k2=2 k3=1 k4=1")
    with pytest.raises(RequestError, match="no rows"):
        Pool(LINE, [])


def test_rows_of_a_space_without_sizes_are_dealt_by_latency() -> None:
    rng = np.random.default_rng(0)
    archs = list(dict.fromkeys(LINE.sample(rng) for _ in range(60)))
    known = {arch: 1.0 + place for place, arch in enumerate(archs)}
    partition = open_partition(None, Pool(LINE, archs, latencies_ms=known))
    assert partition.name == "quantiles:latency_ms"
    assert partition.niche_of(archs[0]) == "Q0"
    assert partition.niche_of(archs[-1]) == "Q5"
    assert open_partition(None, LINE).name == "none"


def test_quantiles_are_of_equal_share() -> None:
    space = open_space("anb")
    partition = open_partition(None, space)
    assert partition.name == "quantiles:macs_m"
    rng = np.random.default_rng(9)
    held = [partition.niche_of(space.sample(rng)) for _ in range(1200)]
    assert all(130 < held.count(niche.id) < 270 for niche in partition.niches)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("halves", "expected none, random, count:GROUP=VALUE"),
        ("quantiles:weight", "knows draw, not 'weight'"),
        ("quantiles:draw:1", "2 to 24 parts"),
        ("count:m=1", "no group 'm'; groups of line: k"),
        ("count:k=9", "k can be 1, 2, 3, not '9'"),
    ],
)
def test_partitions_that_do_not_exist(name: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        open_partition(name, LINE)


def test_counts_are_niches() -> None:
    partition = open_partition("count:k=2", LINE)
    assert [niche.rule for niche in partition.niches][:2] == [
        "exactly 0 of k = 2",
        "exactly 1 of k = 2",
    ]
    assert partition.niche_of(ROWS[2]) == "N2"
