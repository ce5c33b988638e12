"""What becomes of jobs whose files are damaged, whose workers die, and of those that are done."""

import os
import sys
from collections import Counter
from pathlib import Path

import pytest

from scionwood_batch import Job, Row, jobs_for, jobs_over, read_manifest, run
from scionwood_batch.errors import BatchError
from scionwood_batch.manifest import MANIFEST, Manifest
from scionwood_batch.running import plan


@pytest.fixture
def copy(client, here):
    """Map `many/copy` over the texts in `in`; return the status of each, by name."""

    def run_it(*options, sources="in/*.txt", command="many/copy", **more):
        rows = run(command, jobs_for([sources], "out/{name}"), options, client=client, **more)
        return {Path(row.target).stem: row for row in rows}

    return run_it


def statuses(rows):
    return {name: row.status for name, row in rows.items()}


def test_each_result_is_that_of_the_command(copy, here):
    rows = copy("--upper", "--times=2")
    assert Counter(statuses(rows).values()) == {"done": 6}
    assert (here / "out/3.txt").read_text() == "TEXT 3TEXT 3"
    assert read_manifest(here / "out") == {row.target: row for row in rows.values()}
    row = rows["3"]
    assert (row.source, row.command, row.error) == ("in/3.txt", "many/copy", "")
    assert row.stamp[0] == 6
    assert len({each.worker for each in rows.values()}) <= 2


def test_an_error_of_one_file_is_its_row(copy, here):
    for number, text in enumerate(("damaged", "bug", "exit", "nothing")):
        (here / f"in/{number}.txt").write_text(text)
    rows = copy()
    assert statuses(rows) == dict.fromkeys("0123", "failed") | dict.fromkeys("45", "done")
    assert [rows[number].error for number in "0123"] == [
        "ReadError: in/0.txt: it is damaged. Copy it again",
        "ZeroDivisionError: a fault of the plugin",
        "it says why",
        "the command ended, but there is no out/3.txt",
    ]
    assert sorted(path.stem for path in (here / "out").glob("*.txt")) == ["4", "5"]


def test_a_job_whose_worker_is_killed_runs_again(copy, here):
    (here / "in/2.txt").write_text("kill once")
    assert set(statuses(copy()).values()) == {"done"}
    assert (here / "in/2.killed").exists()
    assert (here / "out/2.txt").read_text() == "kill once"


def test_what_is_done_is_skipped(copy, here):
    copy()
    before = (here / "out" / MANIFEST).read_bytes()
    assert set(statuses(copy()).values()) == {"skipped"}
    assert (here / "out" / MANIFEST).read_bytes() == before


def test_a_changed_source_and_a_missing_result_run_again(copy, here):
    copy()
    (here / "in/1.txt").write_text("other")
    (here / "out/4.txt").unlink()
    again = [name for name, status in statuses(copy()).items() if status == "done"]
    assert sorted(again) == ["1", "4"]
    assert (here / "out/1.txt").read_text() == "other"


def test_changed_weights_of_a_run_of_one_job_run_that_job_again(copy, here):
    for number in range(6):
        adapter = here / f"runs/{number}/adapter"
        adapter.mkdir(parents=True)
        adapter.with_name("recipe.yaml").touch()
        (adapter / "adapter_model.safetensors").write_bytes(b"1")
    options = {"command": "many/use"}
    assert set(statuses(copy("--run=runs/{stem}", **options)).values()) == {"done"}
    (here / "runs/3/adapter/adapter_model.safetensors").write_bytes(b"2")
    with pytest.raises(BatchError, match=r"1 targets exist.*out/3.txt"):
        copy("--run=runs/{stem}", **options)
    again = statuses(copy("--run=runs/{stem}", force=True, **options))
    assert again["3"] == "done"


@pytest.mark.parametrize("named", ["more.txt", "more/{stem}.txt"])
def test_a_changed_file_that_an_option_names_is_not_passed_over(named, copy, here):
    (here / "more").mkdir()
    for name in ("more.txt", *(f"more/{number}.txt" for number in range(6))):
        (here / name).write_text("before")
    words, options = ("--more", named), {"command": "many/join"}
    assert set(statuses(copy(*words, **options)).values()) == {"done"}
    assert set(statuses(copy(*words, **options)).values()) == {"skipped"}
    (here / named.format(stem=3)).write_text("afterwards")
    with pytest.raises(BatchError, match="targets exist"):
        copy(*words, **options)
    copy(*words, force=True, **options)
    assert (here / "out/3.txt").read_text().endswith("afterwards")


def test_failed_files_run_again_and_alone_if_asked(copy, here):
    (here / "in/2.txt").write_text("damaged")
    copy()
    (here / "in/2.txt").write_text("mended")
    (here / "in/9.txt").write_text("new")
    assert statuses(copy(retry_failed=True)) == {"2": "done"}
    assert statuses(copy(retry_failed=True)) == {}
    assert statuses(copy()) == dict.fromkeys("012345", "skipped") | {"9": "done"}


def test_results_with_other_options_are_replaced_only_if_asked(copy, here):
    copy()
    with pytest.raises(BatchError, match=r"6 targets exist.*out/0.txt.*--force"):
        copy("--upper")
    assert (here / "out/0.txt").read_text() == "text 0"
    assert set(statuses(copy("--upper", force=True)).values()) == {"done"}
    assert (here / "out/0.txt").read_text() == "TEXT 0"


def test_a_file_that_no_map_has_made_is_replaced_only_if_asked(copy, here):
    (here / "out").mkdir()
    (here / "out/3.txt").write_text("mine")
    with pytest.raises(BatchError, match=r"1 targets exist.*out/3.txt"):
        copy()
    assert not (here / "out" / MANIFEST).exists()
    assert (here / "out/3.txt").read_text() == "mine"
    assert set(statuses(copy(force=True)).values()) == {"done"}
    assert (here / "out/3.txt").read_text() == "text 3"


def test_a_map_that_was_stopped_may_replace_what_it_had_begun(copy, here):
    rows = copy()
    queued = [Row(**{**vars(row), "status": "queued"}) for row in rows.values()]
    manifest = Manifest(here / "out" / MANIFEST)
    manifest.append(queued[:2])  # as a process leaves them that ends before the answer
    manifest.close()
    assert Counter(statuses(copy()).values()) == {"done": 2, "skipped": 4}


def test_rows_are_in_the_manifest_before_their_jobs_run(client, here):
    rows = run("many/copy", jobs_for(["in"], "out/{name}"), client=client)
    first = next(rows)
    recorded = read_manifest(here / "out")
    assert len(recorded) == 6
    assert recorded[first.target] == first
    assert {row.status for row in recorded.values()} == {"queued", "done"}
    rows.close()
    Manifest(here / "out" / MANIFEST).close()  # nobody holds it any more


def test_commands_that_read_nothing_are_mapped_over_an_option(client, here):
    jobs = jobs_over("seed", range(3), "d/{seed:03}.txt")
    assert {row.status for row in run("many/draw", jobs, client=client)} == {"done"}
    texts = [(here / f"d/{seed:03}.txt").read_text() for seed in range(3)]
    assert texts == [f"{seed} 1 False" for seed in range(3)]  # one thread, and torch is not needed


def test_commands_without_force_and_with_resume(copy, here):
    assert set(statuses(copy(command="many/plain")).values()) == {"done"}
    assert set(statuses(copy(command="many/tell", force=True)).values()) == {"done"}
    assert (here / "out/0.txt").read_text() == "force True resume False"
    (here / "out/0.txt").unlink()
    copy(command="many/tell")
    assert (here / "out/0.txt").read_text() == "force False resume True"


def test_a_command_may_start_processes_of_its_own(client, here):
    (row,) = run("many/hire", [Job(Path("a"), Path("in/0.txt"))], client=client)
    assert row.error == ""
    assert (here / "a").read_text() == "by another"


def test_further_outputs_have_a_field(copy, here):
    with pytest.raises(BatchError, match=r"--log all.log: all jobs would write to it"):
        copy("--log", "all.log")
    copy("--log", "{stem}.log")
    assert sorted(path.name for path in here.glob("*.log")) == [f"{i}.log" for i in range(6)]


def test_wrong_options_are_refused_before_anything_starts(copy, here, capsys):
    with pytest.raises(SystemExit) as stop:
        copy("--uper")
    assert stop.value.code == 2
    assert "--upper" in capsys.readouterr().err
    with pytest.raises(BatchError, match="before the --"):
        copy("--force")
    assert not (here / "out").exists()


@pytest.mark.parametrize(
    ("command", "jobs", "message"),
    [
        ("many/draw", [Job(Path("a"), Path("in/0.txt"))], "it reads no source"),
        ("many/copy", jobs_over("times", range(2), "{times}"), "it reads a source"),
        ("many/draw", jobs_over("sed", range(2), "{sed}"), "Did you mean 'seed'"),
        ("many/copy", [Job(Path("a"), Path("in/0.txt"))] * 2, "would both be written"),
    ],
)
def test_jobs_that_do_not_fit_the_command_are_refused(here, command, jobs, message):
    with pytest.raises(BatchError, match=message):
        plan(command, jobs)


def test_no_workers_are_refused(here):
    rows = run("many/copy", jobs_for(["in"], "out/{name}"), workers=0)
    with pytest.raises(BatchError, match="at least one is needed"):
        next(rows)


def test_a_changed_file_in_a_folder_changes_its_stamp(many, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.zarr/c").mkdir(parents=True)
    (tmp_path / "a.zarr/zarr.json").touch()
    (tmp_path / "a.zarr/c/0").write_bytes(b"1")
    ((_, before),) = plan("many/copy", jobs_for(["a.zarr"], "out/{name}")).todo
    (tmp_path / "a.zarr/c/0").write_bytes(b"22")
    ((_, after),) = plan("many/copy", jobs_for(["a.zarr"], "out/{name}")).todo
    assert before.stamp != after.stamp


def test_a_full_disk_in_the_middle_leaves_rows_and_nothing_half_written(client, here, disk):
    place = disk("256k")
    jobs = jobs_for(["in"], str(place / "{name}"))
    options = ["--times", "10000"]  # 60,000 bytes each
    rows = list(run("many/copy", jobs, options, client=client))
    states = Counter(row.status for row in rows)
    assert states["done"] >= 3
    assert states["failed"] == 6 - states["done"] > 0
    assert all("Free space" in row.error for row in rows if not row.good)
    assert read_manifest(place) == {row.target: row for row in rows}
    assert {path.stat().st_size for path in place.glob("*.txt")} == {60_000}
    assert len(list(place.glob("*.txt"))) == states["done"]
    again = {row.status for row in run("many/copy", jobs, options, client=client)}
    assert again == {"skipped", "failed"}


def test_the_package_that_is_not_installed_is_named(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(BatchError, match=r"pip install distributed filelock"):
        list(run("many/copy", jobs_for(["in"], "out/{name}"), workers=1))
    assert not os.path.exists("out")
