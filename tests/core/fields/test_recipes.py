"""The recipes of the fields explain themselves."""

import re
from itertools import pairwise
from pathlib import Path

from case_table import table

CONFIGS = Path(__file__).parents[3] / "configs"
SEISMIC = ("das_vsp", "adapt_to_survey", "field_lora", "shot", "stack", "das", "station")
NAMES = [*(f"pde/{name}" for name in ("autoencode", "dynamics", "generate"))]
NAMES += [f"seismic/{name}" for name in SEISMIC]
RANGES = {"highest_snr"}
"""Keys that share the comment of the key before them, as the end of a range."""


@table("name", NAMES)
def test_every_key_has_a_comment_above_it(name):
    lines = (CONFIGS / f"{name}.yaml").read_text("utf-8").partition("\nsmoke:")[0].splitlines()
    assert lines[0].startswith("# ")
    for above, line in pairwise(lines):
        key = re.match(r"( *)(\w+):", line)
        if key and key[2] != "name" and key[2] not in RANGES:
            assert above.lstrip().startswith("#"), line
        assert len(line) <= 120
