"""Which commands can be mapped, and on what a result depends."""

import json
from pathlib import Path

import pytest
from case_table import table

from scionwood_batch.errors import BatchError
from scionwood_batch.jobs import Job
from scionwood_batch.lifting import also_read, key, lift

JOB = Job(Path("out/a"), Path("in/a"), {"stem": "a"})


@table(
    ("command", "reads"),
    [("many/copy", True), ("many/plain", True), ("many/tell", True), ("many/draw", False)],
)
def test_commands_of_source_and_target_or_target_only(many, command, reads):
    assert lift(command).reads is reads


@table(
    ("command", "reads"),
    [
        ("biomed/deidentify", True),
        ("crash/predict", True),
        ("crash/simulate", False),
        ("pde/rollout", True),
        ("pde/simulate", False),
        ("seismic/denoise", True),
    ],
)
def test_commands_of_the_fields(command, reads):
    pytest.importorskip(f"scionwood_{command.partition('/')[0]}")
    assert lift(command).reads is reads


@table(
    ("command", "takes"),
    [("many/show", "source"), ("many/pair", "first, second"), ("many/mix", "first, second")],
)
def test_other_commands_are_refused(many, command, takes):
    with pytest.raises(BatchError, match=rf"{command}: it takes \({takes}\), not one input"):
        lift(command)


def test_the_fields_of_a_class_of_options_count_as_options(tmp_path, monkeypatch):
    pytest.importorskip("scionwood_seismic")
    monkeypatch.chdir(tmp_path)
    Path("a.sgy").touch()
    lifted = lift("seismic/denoise")
    assert {"run", "tile", "qc"} < lifted.options
    arguments = lifted.parse(["a.sgy", "b.sgy", "--run", "seismic/denoise", "--tile", "64"])
    assert arguments["tile"] == 64
    assert also_read(lifted, arguments).keys() == {"run"}


def test_force_and_resume_are_given_where_the_command_has_them(many):
    def last(command, **options):
        return lift(command).argv(JOB, ["--times", "2"], **options)[-1]

    assert last("many/copy", replace=False) == "--force"
    assert last("many/tell", replace=False) == "--resume"
    assert last("many/tell", replace=True) == "--force"
    assert last("many/plain", replace=True) == "2"


def test_a_path_is_never_an_option(many):
    job = Job(Path("-out"), Path("-in"))
    assert lift("many/plain").argv(job, [], replace=False) == ["./-in", "./-out"]


def test_a_key_depends_on_the_command_the_options_and_the_runs(many):
    copy, tell = lift("many/copy"), lift("many/tell")
    base = key(copy, JOB, ["--times", "2"], {})
    assert key(copy, JOB, ["--times=2"], {}) == base
    others = [
        key(copy, JOB, ["--times", "3"], {}),
        key(copy, JOB, [], {}),
        key(tell, JOB, ["--times", "2"], {}),
        key(copy, JOB, ["--times", "2"], {"run": "0"}),
        key(copy, Job(JOB.target, JOB.source, {}, ("--seed=1",)), ["--times", "2"], {}),
    ]
    assert len({base, *others}) == 6


def test_weights_are_those_of_the_run(many, tmp_path):
    (tmp_path / "adapter").mkdir()
    (tmp_path / "recipe.yaml").touch()
    (tmp_path / "adapter/adapter_model.safetensors").write_bytes(b"1")
    first = also_read(lift("many/copy"), {"run": tmp_path, "times": 3})
    (tmp_path / "adapter/adapter_model.safetensors").write_bytes(b"2")
    second = also_read(lift("many/copy"), {"run": str(tmp_path)})
    assert list(first) == ["run"]
    assert first != second
    assert json.loads(json.dumps(first)) == first
    assert also_read(lift("many/copy"), {"run": None, "times": 3}) == {}
