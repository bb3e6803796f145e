"""HW-GPT-Bench S: 10,000 language models of the GPT-2 small family on fourteen devices.

Source: automl/HW-GPT-Bench, Apache-2.0. Perplexity is with weights inherited from a supernet;
latency is the median of ten, bf16, 1,024 tokens. The project publishes pickles, so the arrays are
read from `hwgpt/hwgpt_s.npz` in a directory of tables.
"""

from pathlib import Path

import numpy as np

from llm_nas.domain import Arch
from llm_nas.tools.data.npz import TableFile
from llm_nas.tools.data.rows import Rows, merged

FILE = Path("hwgpt") / "hwgpt_s.npz"
SOURCE = "HW-GPT-Bench S (automl/HW-GPT-Bench @ c730d4b, Apache-2.0)"
TASK = "openwebtext"
DEVICES = (
    "a100 a40 a6000 h100 rtx2080 rtx3080 v100 p100 "
    "cpu_a6000 cpu_alldlc cpu_meta cpu_mlgpu cpu_p100 helix_cpu"
).split()


def read_table(path: Path) -> Rows:
    """The rows of the table; `DataError` when it is missing or damaged."""
    file = TableFile(path, {})
    names = ("embed_dim", "n_layer", "bias", "n_head", "mlp_ratio")
    columns = [file.read(name).tolist() for name in names]
    archs = [_text(*row) for row in zip(*columns, strict=True)]
    table = {TASK: file.read("ppl").astype(np.float64)}
    for device in DEVICES:
        column = "lat_ms_P100" if device == "p100" else f"lat_ms_{device}"
        table[device] = file.read(column).astype(np.float64)
    return merged("hwgpt-s", SOURCE, archs, table)


def _text(embed: int, layers: int, bias: bool, heads: list[int], mlp: list[int]) -> Arch:
    per_layer = (f"heads{i + 1}={heads[i]} mlp{i + 1}={mlp[i]}" for i in range(layers))
    return f"embed={embed} layers={layers} bias={int(bias)} {' '.join(per_layer)}"
