"""The commands of every field refuse wrong paths and runs before they import torch."""

from importlib.util import find_spec
from pathlib import Path

import pytest

WRONG = """
audio find nope five.txt out.txt -> nope: there is no such file
audio find there nope out.txt -> nope: there is no such file
audio score nope there -> nope: there is no such file
bangla check nope -> nope: there is no such file
bangla score nope -> nope: there is no such file
bangla generate a --run nope -> run nope: there is no such folder
bangla merge new --run nope -> run nope: there is no such folder
biomed classify nope -> nope: there is no such file
biomed classify there -> scionwood fit biomed/few_shot --run run
biomed classify there --run nope -> run nope: there is no such folder
biomed evaluate nope -> nope: there is no such file
biomed evaluate --experts nope -> nope: there is no such file
biomed audit-splits nope -> nope: there is no such file
biomed deidentify-check nope -> nope: there is no such file
biomed deidentify nope new --salt a -> nope: there is no such file
biomed deidentify there there --salt a -> there: it exists already
crash predict nope.k x.vtp -> nope.k: there is no such file
crash predict in.k in.k -> in.k: it exists already
crash predict in.k x.vtp --run crash/transfer_lore -> Did you mean 'transfer_lora'
crash predict in.k x.vtp --run . -> it does not hold a finished run
pde simulate there -> there: it exists already
pde convert nope cache -> nope: there is no such file
pde encode nope latents -> nope: there is no such file
pde decode nope states.nc -> nope: there is no such file
pde rollout nope states.nc -> nope: there is no such file
pde rollout there there -> there: it exists already
pde rollout there states.nc --statistics nope -> nope: there is no such file
pde rollout there states.nc --run pde/dinamics -> Did you mean 'dynamics'
pde evaluate there nope -> nope: there is no such file
pde encode own.nc out --dims x -> x: each word is NAME=WORD
pde rollout own.nc out.nc --conditions viscosity -> viscosity: each word is NAME=NUMBER
pde convert own.nc out --rename q -> q: each word is NAME=WORD
seismic denoise empty/*.sgy out -> empty/*.sgy: no file matches this pattern
seismic denoise empty out -> the folder has no files
seismic denoise empty there -> it is a file, and empty stands for many files
seismic denoise there out.sgy --jobs 2 -> there is one file
seismic denoise nope.sgy x.sgy -> nope.sgy: there is no such file
seismic denoise in.sgy in.sgy -> in.sgy: it exists already
seismic denoise in.sgy x.sgy --run seismic/denoize -> Did you mean 'denoise'
seismic denoise in.sgy x.sgy --run . -> it does not hold a finished run
"""
FILES = ("there", "in.k", "in.sgy", "own.nc")


def test_wrong_paths_and_runs_are_refused_before_torch_is_imported(
    refused_without_torch, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        (tmp_path / name).write_text("*KEYWORD\n")
    (tmp_path / "empty").mkdir()
    lines = [
        line for line in WRONG.strip().splitlines() if find_spec(f"scionwood_{line.split()[0]}")
    ]
    assert lines
    refused_without_torch(*lines)
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, "empty"}


@pytest.mark.slow
def test_unknown_formats_and_numbers_are_refused_before_torch_is_imported(
    python, tmp_path, monkeypatch
):
    pytest.importorskip("scionwood_pde")
    monkeypatch.chdir(tmp_path)
    Path("own.nc").touch()
    lines = ["decode own.nc out.xyz", "rollout own.nc out.xyz", "simulate out.xyz"]
    lines += ["simulate out.nc --parameters viscosity"]
    code = "import sys; from scionwood.cli import main\n"
    code += "for line in sys.argv[1:]: print(main(['pde', *line.split()]), 'torch' in sys.modules)"
    assert python("-c", code, *lines).split() == ["2", "False"] * len(lines)
