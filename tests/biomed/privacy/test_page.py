"""The page of de-identification shows the measured numbers."""

import csv
from pathlib import Path

ROOT = Path(__file__).parents[3]
NAMES = {
    "scionwood": "scionwood",
    "dicom-anonymizer": "dicom-anonymizer 2.1, rules 2026c",
    "dicognito": "dicognito 0.19",
}
COLUMNS = ("survive_table", "survive_rest", "copied", "worse", "ms_per_file")


def test_the_table_is_that_of_the_benchmark():
    page = (ROOT / "docs/fields/biomed/deidentify.md").read_text("utf-8")
    with (ROOT / "benchmarks/results/biomed_deidentify.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["tool"] for row in rows] == list(NAMES)
    for row in rows:
        cells = [NAMES[row["tool"]], *(row[column] for column in COLUMNS)]
        assert f"| {' | '.join(cells)} |" in page
    assert f"{rows[0]['planted_table']} attributes" in page.replace("each of ", "")
    assert f"{int(rows[0]['planted_rest']):,} others" in page
    assert f"{rows[0]['files']} files" in page
