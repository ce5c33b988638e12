"""Audits from end to end: of shipped runs, of changed files, and by the command line."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

import scionwood
from scionwood.cli import main
from scionwood_audit import Audit, AuditError, Row, audit_adapter, audit_run, write, write_card


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return Path(scionwood.pull("seismic/denoise", tmp_path / "run"))


def test_a_shipped_run_is_audited_with_every_part_and_one_page(tmp_path):
    audit = audit_run("seismic/denoise")
    assert audit.verdict == "no reference"
    counts = audit.counts()
    assert counts["structure"]["kept"] >= 15
    assert counts["behaviour"] == {"kept": 8, "skipped": 1}
    page = write(audit, tmp_path / "out").read_text()
    assert "<script" not in page
    assert "flat events" in page
    assert "never calls an adapter" in page
    stored = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert stored["verdict"] == "no reference"
    assert len(stored["rows"]) == len(audit.rows)
    with pytest.raises(scionwood.OutputExistsError, match=r"audit\.html"):
        write(audit, tmp_path / "out")


def test_a_replaced_weight_file_is_refused_with_all_that_is_wrong(run):
    path = run / "adapter" / "adapter_model.safetensors"
    tensors = load_file(path)
    name = next(iter(tensors))
    tensors[name] = tensors[name] * float("nan")
    save_file(tensors, path)
    config = json.loads((run / "adapter" / "adapter_config.json").read_text())
    (run / "adapter" / "adapter_config.json").write_text(json.dumps({**config, "surprise": 1}))
    audit = audit_run(run)
    assert audit.verdict == "refused"
    broken = {row.name for row in audit.rows if row.status == "broken"}
    assert {"files.json", "config: options", "tensors: values"} <= broken
    assert not [row for row in audit.rows if row.part == "behaviour"]  # nothing was loaded


def test_the_recipe_of_a_probe_gives_the_base(run):
    audit = audit_adapter(run / "adapter", probe="seismic/denoise")
    assert audit.counts()["behaviour"] == {"kept": 8}
    assert audit.verdict == "no reference"
    assert audit_adapter(run / "adapter", probe="pde/dynamics").verdict == "refused"


def test_the_command_prints_a_verdict_and_its_status_says_whether_something_is_broken(
    run, tmp_path, capsys
):
    folder = shutil.copytree(run / "adapter", tmp_path / "adapter")
    assert main(["audit", "adapter", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "no reference"
    (folder / "adapter_model.safetensors").unlink()
    assert main(["audit", "adapter", str(folder), str(tmp_path / "out")]) == 1
    assert "refused" in capsys.readouterr().out
    assert (tmp_path / "out" / "audit.html").is_file()


def test_the_verdict_is_never_safe():
    rows = [Row("structure", "files", "kept"), Row("behaviour", "noise", "kept")]
    assert Audit("x", rows).verdict == "no reference"
    assert Audit("x", rows, references=12).verdict == "consistent with 12 references"
    broken = [*rows, Row("behaviour", "noise", "broken")]
    assert Audit("x", broken, references=12).verdict == "anomalous"


def test_the_card_of_a_run_states_what_its_probes_found(run, tmp_path):
    kept = Row("behaviour", "noise alone", "kept", "0.01", "at most 0.25", "noise is no signal")
    lost = Row("behaviour", "scale", "broken", "0.3", "at most 0.1", "the scale is estimated")
    before = (run / "README.md").read_text()
    write_card(Audit("a run", [kept, lost]), run)
    text = write_card(Audit("a run", [kept]), run).read_text()
    assert text.startswith(before.strip())
    assert text.count("## Behaviour") == 1
    assert text.endswith("| noise alone | 0.01 | at most 0.25 | kept |\n")
    assert scionwood.find_run(run) == run  # its files are still those of its list
    with pytest.raises(AuditError, match="no probe ran"):
        write_card(Audit("a run", []), run)
    with pytest.raises(AuditError, match="the run has no card"):
        write_card(Audit("a run", [kept]), tmp_path)


def test_the_cards_of_shipped_runs_name_the_limits_that_they_break():
    table = Path(__file__).parents[2] / "benchmarks" / "results" / "audit_probes.csv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["result"] == "broken"]
    assert rows
    for row in rows:
        card = scionwood.find_run(row["run"], quiet=True) / "README.md"
        assert f"- **{row['probe']}** is broken" in card.read_text("utf-8"), (
            f"write it: scionwood audit run {row['run']} --card"
        )
