"""Which heads, layers and widths of my transformer can go?

A small encoder over pieces of a time series, looked at before a search: what can be chosen, what
every choice weighs, and whether the smallest network is small enough.
"""

from torch import Tensor, nn
from torch.nn import functional

PIECE, WIDTH, HEADS = 4, 32, 4


class Attention(nn.Module):
    """Self-attention whose heads can be counted."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = HEADS
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """`(n, pieces, width)` to the same."""
        n, pieces, _ = x.shape
        q, k, v = (
            part(x).reshape(n, pieces, self.num_heads, -1).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        told = functional.scaled_dot_product_attention(q, k, v)
        y: Tensor = self.out(told.transpose(1, 2).reshape(n, pieces, -1))
        return y


class Layer(nn.Module):
    """Attention and a small network, each beside a short cut."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.attention = Attention()
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 64), nn.GELU(), nn.Linear(64, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        """`(n, pieces, width)` to the same."""
        x = x + self.attention(self.norm1(x))
        y: Tensor = self.mlp(self.norm2(x))
        return x + y


class Encoder(nn.Module):
    """From `(n, 1, length)` to three classes."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces = nn.Conv1d(1, WIDTH, PIECE, PIECE)
        self.layers = nn.Sequential(*(Layer() for _ in range(3)))
        self.head = nn.Linear(WIDTH, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Logits."""
        logits: Tensor = self.head(self.layers(self.pieces(x).transpose(1, 2)).mean(1))
        return logits


def make_model() -> nn.Module:
    """The encoder, untrained."""
    return Encoder()


def main() -> None:
    """Print the table of the space around it."""
    from llm_nas.domain import TaskShape
    from llm_nas.tools.spaces import open_space
    from llm_nas.tools.spaces.table import table_of

    series = TaskShape(channels=1, height=1, width=48, classes=3)
    table = table_of(open_space(f"around:{__file__}:make_model", series))
    for row in table.rows:
        print(f"{row.choice:3} {row.values!s:22} {100 * (row.share or 0):5.1f} %  {row.words}")
    for network in table.networks:
        print(f"{network.which}: {network.macs_m:.3f} M multiply-adds")


if __name__ == "__main__":
    main()
