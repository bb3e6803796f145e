"""Graph networks: layers of message passing, built for node features of any width."""

from llm_nas import Choice, Space
from llm_nas.conditions import Bound, Is


def there(layer: int) -> Bound:
    return Bound(choice="layers", relation="ge", value=layer)


choices = [
    Choice("layers", (1, 2, 3, 4), ordered=True),
    Choice("hidden", (16, 32, 64, 128), ordered=True),
    Choice("pooling", ("mean", "sum", "max", "attention")),
    Choice("pool_heads", (1, 2, 4), True, Is(choice="pooling", values=("attention",))),
]
for layer in range(1, 5):
    choices += [
        Choice(f"conv{layer}", ("gcn", "gat", "sage", "gin"), active_when=there(layer)),
        Choice(f"norm{layer}", ("batch", "layer", "none"), active_when=there(layer)),
        Choice(f"dropout{layer}", (0.0, 0.2, 0.5), ordered=True, active_when=there(layer)),
    ]

space = Space("graphs", choices)
