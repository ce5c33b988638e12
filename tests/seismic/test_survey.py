"""The command `denoise` on the files of a survey."""

import json
from pathlib import Path

import pytest

from scionwood.cli import main
from scionwood_batch import Row, read_manifest
from scionwood_seismic import DenoiseOptions
from scionwood_seismic.verbs.survey import Summary, is_survey, words

SAID = {
    "interval": "4 ms",
    "model": "shot",
    "gathers": 3,
    "light": "yellow",
    "lights": {"yellow": 1, "green": 2},
    "passed": 1,
}


def test_folders_and_patterns_stand_for_many_files(tmp_path):
    odd = tmp_path / "line[1].sgy"
    odd.touch()
    assert is_survey(tmp_path)
    assert is_survey(tmp_path / "*.sgy")
    assert not is_survey(odd)
    assert not is_survey(tmp_path / "line1.sgy")
    (tmp_path / ".zgroup").touch()
    assert not is_survey(tmp_path)


def test_the_options_of_a_call_are_those_of_its_command_line():
    options = DenoiseOptions(common_mode=True, gate="report", dt=0.002, strong=0.85)
    line = words(options, qc=None, save_noise=Path("n/{name}"))
    assert line == ["--gate=report", "--common-mode", "--dt=0.002", "--save-noise=n/{name}"]


def test_each_file_has_a_line_with_its_light(capsys):
    summary = Summary(4)
    summary.add(Row("a.sgy", "in/a.sgy", status="skipped"), SAID)
    summary.add(Row("b.sgy", "in/b.sgy", status="failed", error="ReadError: it is cut"), {})
    finer = SAID | {"interval": "2 ms", "light": "green", "lights": {"green": 3}, "passed": 0}
    summary.add(Row("c.sgy", "in/c.sgy", status="done"), finer)
    summary.add(Row("d.sgy", "in/d.sgy", status="done"), {})
    summary.close()
    lines = capsys.readouterr().out.splitlines()
    facts = "3 gathers at 4 ms, model shot; harm gate: 1 yellow, 2 green (1 passed through"
    assert lines[0].startswith(f"yellow in/a.sgy: {facts} unchanged) (done before)")
    assert lines[1].startswith("failed in/b.sgy: ReadError: it is cut (2 of 4, ")
    assert lines[2].startswith("green  in/c.sgy: 3 gathers at 2 ms, model shot; harm gate: 3 green")
    assert lines[2].endswith(" left)")
    assert lines[3].startswith("grey   in/d.sgy: denoised")
    assert "several sample intervals (2 ms in 1, 4 ms in 1)" in lines[4]
    assert lines[5] == "4 of 4 files: 1 yellow, 1 green, 1 grey, 1 failed; 1 done before"
    assert summary.failed == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_survey_of_several_intervals_with_a_damaged_file(segy, tmp_path, capsys):
    pytest.importorskip("distributed")
    folder, target = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name, interval in (("a.sgy", 4000), ("b.sgy", 2000)):
        segy(interval=interval).rename(folder / name)
    (folder / "bad.sgy").write_bytes((folder / "a.sgy").read_bytes()[:5000])
    command = ["seismic", "denoise", str(folder), str(target), "--jobs", "1"]
    with pytest.raises(SystemExit) as ended:
        main([*command, "--qc", str(tmp_path / "qc" / "{stem}.png")])
    assert ended.value.code == 1
    said = capsys.readouterr().out
    assert "failed " in said
    assert "several sample intervals (2 ms in 1, 4 ms in 1)" in said
    assert "1 failed; 0 done before" in said
    rows = read_manifest(target)
    assert {name: row.status for name, row in rows.items()} == {
        "a.sgy": "done",
        "b.sgy": "done",
        "bad.sgy": "failed",
    }
    assert (tmp_path / "qc" / "b.png").is_file()
    assert json.loads((target / "b.sgy.json").read_text())["interval"] == "2 ms"
    segy().replace(folder / "bad.sgy")  # mended
    assert main([*command, "--qc", str(tmp_path / "qc" / "{stem}.png")]) == 0
    assert "2 done before" in capsys.readouterr().out
