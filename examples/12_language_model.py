"""What would a language model be asked, and what would it cost? Without a key.

`control:nonsense` answers every question with valid nonsense. It goes through the same prompts,
schemas, caps and records as a real model, and shows what an answer adds by adding nothing.
"""

import json
import tempfile
from pathlib import Path

from llm_nas import SearchRequest, search

with tempfile.TemporaryDirectory() as folder:
    home = Path(folder)
    report = search(
        SearchRequest(
            space="nb201",
            device="edgegpu",
            trainings=24,
            model="control:nonsense",
            out=home / "run",
            store=home / "store",
        )
    )
    print(f"hv {report.hv:.3f} of the true front, {report.cost.calls} calls")
    for role, used in report.cost.roles.items():
        print(f"{role}: {used.calls} calls, {used.tokens_in} tokens in, {used.tokens_out} out")
    events = [json.loads(line) for line in (home / "run" / "trace.jsonl").open()]
    calls = [event for event in events if event["event"] == "call"]
    print(f"first call: {calls[0]['role']} in niche {calls[0]['niche']}" if calls else "no call")
