"""Keep the losses that the tests compare with TRL's, beside each other.

    python -m pytest -s -m slow -k trl tests/bangla/tasks/test_families.py | \\
        python benchmarks/bangla_trl.py    # needs `pip install trl`; two minutes on one core

The models are tiny ones with random weights, in the architectures and with the chat templates of
their families. Sums of log-probabilities are of whole answers, some hundred nats each.
"""

from __future__ import annotations

import json
import re
import sys

from runner import machine, write


def main() -> None:
    records = [json.loads(text) for text in re.findall(r"\{\"family\".*?\}", sys.stdin.read())]
    rows = []
    for record in records:
        mode = record.get("mode", "log-probabilities of DPO")
        off = abs(record["ours"] - record["trl"]) if "mode" in record else record["difference"]
        row = {
            "device": "cpu",
            "family": record["family"],
            "mode": mode,
            "difference": f"{off:.2g}",
        }
        rows.append(row | machine())
        print(row)
    write("bangla_trl", rows)


if __name__ == "__main__":
    main()
