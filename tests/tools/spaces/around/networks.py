"""Small networks of many kinds, written as people write theirs: nothing here knows the project."""
# mypy: disable-error-code="no-any-return"

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    def __init__(self, inn: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inn, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.down = nn.Sequential()
        if stride > 1 or inn != out:
            self.down = nn.Sequential(nn.Conv2d(inn, out, 1, stride), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.down(x))


def residual() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, 1, 2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        BasicBlock(8, 8),
        BasicBlock(8, 16, 2),
        BasicBlock(16, 16),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    )


class DenseLayer(nn.Module):
    def __init__(self, inn: int, growth: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(inn)
        self.conv = nn.Conv2d(inn, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.conv(F.relu(self.norm(x)))], 1)


class Dense(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.block = nn.Sequential(DenseLayer(8, 8), DenseLayer(16, 8))
        self.transition = nn.Sequential(nn.BatchNorm2d(24), nn.ReLU(), nn.Conv2d(24, 12, 1))
        self.norm = nn.BatchNorm2d(12)
        self.fc = nn.Linear(12, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.transition(self.block(self.stem(x)))
        x = F.avg_pool2d(x, 2)
        return self.fc(F.relu(self.norm(x)).mean((2, 3)))


class Grouped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.expand = nn.Conv2d(16, 32, 1, groups=4)
        self.deep = nn.Conv2d(32, 32, 3, padding=1, groups=32)
        self.wide = nn.Conv2d(32, 32, 3, padding=1, groups=8)
        self.norm = nn.GroupNorm(4, 32)
        self.fc = nn.Linear(32 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.expand(F.relu(self.stem(x))))
        x = F.relu(self.norm(self.wide(F.relu(self.deep(x)))))
        return self.fc(F.adaptive_avg_pool2d(x, 2).flatten(1))


class Gate(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(width, width // 4, 1)
        self.fc2 = nn.Conv2d(width // 4, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        scale = F.relu(self.fc1(F.adaptive_avg_pool2d(x, 1)))
        return x * torch.sigmoid(self.fc2(scale))


class MobileBlock(nn.Module):
    def __init__(self, inn: int, out: int, stride: int) -> None:
        super().__init__()
        wide = 4 * inn
        self.adds = stride == 1 and inn == out
        self.body = nn.Sequential(
            nn.Conv2d(inn, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.Hardswish(),
            nn.Conv2d(wide, wide, 5, stride, 2, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.Hardswish(),
            Gate(wide),
            nn.Conv2d(wide, out, 1, bias=False),
            nn.BatchNorm2d(out),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.adds else self.body(x)


def gated() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1),
        MobileBlock(8, 8, 1),
        MobileBlock(8, 16, 2),
        MobileBlock(16, 16, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Conv2d(16, 10, 1),
        nn.Flatten(),
    )


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q, self.k, self.v = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        n, length, _ = x.shape
        q, k, v = (
            part(x).reshape(n, length, self.heads, -1).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        told = F.scaled_dot_product_attention(q, k, v)
        return self.out(told.transpose(1, 2).reshape(n, length, -1))


class EncoderLayer(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.mlp = nn.Sequential(nn.Linear(width, 48), nn.GELU(), nn.Linear(48, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 24, 4, 4)
        self.place = nn.Parameter(torch.randn(1, 16, 24) * 0.02)
        self.layers = nn.Sequential(EncoderLayer(24, 4), EncoderLayer(24, 4))
        self.head = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2) + self.place
        return self.head(self.layers(x).mean(1))


class Torchs(nn.Module):
    """With torch's own encoder layer, whose weights lie outside of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 24, 4, 4)
        layer = nn.TransformerEncoderLayer(24, 4, 48, batch_first=True, dropout=0.0)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.patch(x).flatten(2).transpose(1, 2)).mean(1))


class Shared(nn.Module):
    """One block used twice, and two layers that hold one matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.block = BasicBlock(16, 16)
        self.one = nn.Linear(16, 16)
        self.other = nn.Linear(16, 16)
        self.other.weight = self.one.weight
        self.wide = nn.Linear(16, 32)
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(F.avg_pool2d(self.block(self.stem(x)), 2)).mean((2, 3))
        x = F.relu(self.other(F.relu(self.one(x))))
        return self.fc(F.relu(self.wide(x)))


class Fused(nn.Module):
    """Queries, keys and values in one layer, and a width that is written down."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 24, 4, 4)
        self.qkv = nn.Linear(24, 72)
        self.proj = nn.Linear(24, 24)
        self.mlp = nn.Sequential(nn.Linear(24, 48), nn.ReLU(), nn.Linear(48, 24))
        self.head = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(x).reshape(x.shape[0], -1, 3, 4, 6).permute(2, 0, 3, 1, 4)
        told = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape[0], -1, 24)
        return self.head((self.mlp(x + self.proj(told))).mean(1))


class Shuffled(nn.Module):
    """Channels are cut in two by hand and dealt anew."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.side = nn.Conv2d(8, 8, 3, padding=1)
        self.last = nn.Conv2d(16, 16, 1)
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.stem(x).chunk(2, 1)
        x = torch.cat([first, F.relu(self.side(second))], 1)
        n, _, h, w = x.shape
        x = x.reshape(n, 2, -1, h, w).transpose(1, 2).reshape(n, -1, h, w)
        return self.fc(F.relu(self.last(x)).mean((2, 3)))


def broken() -> nn.Module:
    return nn.Linear(7, 10)


def fixed() -> nn.Module:
    """Nothing but a classifier: there is nothing to change."""
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 10))


def _stirred(network: nn.Module) -> nn.Module:
    """Batch norms as after a training."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.3)
            nn.init.normal_(module.bias, 0.0, 0.3)
            module.running_mean = torch.randn_like(module.bias) * 0.3
    return network


KINDS = {
    "residual": residual,
    "dense": Dense,
    "grouped": Grouped,
    "gated": gated,
    "attention": Transformer,
    "torchs": Torchs,
    "shared": Shared,
    "fused": Fused,
    "shuffled": Shuffled,
}


def make(kind: str) -> nn.Module:
    torch.manual_seed(1)
    return _stirred(KINDS[kind]())


def make_residual() -> nn.Module:
    return make("residual")


def make_dense() -> nn.Module:
    return make("dense")


def make_grouped() -> nn.Module:
    return make("grouped")


def make_gated() -> nn.Module:
    return make("gated")


def make_attention() -> nn.Module:
    return make("attention")


def make_torchs() -> nn.Module:
    return make("torchs")


def make_shared() -> nn.Module:
    return make("shared")


def make_fused() -> nn.Module:
    return make("fused")


def make_shuffled() -> nn.Module:
    return make("shuffled")


def recurrent() -> nn.Module:
    """Gives more than one tensor, of images it cannot take."""
    return nn.LSTM(16, 10)


class Averaging(nn.Module):
    """Divides by what all channels say together: fewer channels would say something else."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.last = nn.Conv2d(16, 16, 1)
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x / (1 + x.abs().mean(1, keepdim=True))
        return self.fc(F.relu(self.last(x)).mean((2, 3)))


def make_averaging() -> nn.Module:
    torch.manual_seed(1)
    return Averaging()
