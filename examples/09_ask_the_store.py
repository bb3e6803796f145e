"""What did earlier searches teach? Ask in words, or look at a claim and its evidence."""

import tempfile
from pathlib import Path

from llm_nas import HeuristicStore, SearchRequest, search
from llm_nas.tools.spaces import open_space

with tempfile.TemporaryDirectory() as folder:
    home = Path(folder)
    request = SearchRequest(
        space="nb201", device="fpga", trainings=36, out=home / "run", store=home / "store"
    )
    search(request)
    with HeuristicStore.open(home / "store", space=open_space("nb201")) as store:
        answer = store.ask("accurate below 2 ms on fpga")
        print(answer.understood)
        for network in answer.architectures:
            print(f"{network.latency_ms:.2f} ms  {network.value:.2f} %  {network.arch}")
        for finding in answer.claims:
            print(f"{finding.advice}: {finding.statement} ({finding.status})")
        for note in answer.notes:
            print("note:", note)
