"""Models load without a network, from a folder and from the cache of the hub, in a new process."""

from __future__ import annotations

import json
import shutil

import pytest

from scionwood import WeightsError
from scionwood_biomed.backbones import ClipBackbone
from scionwood_biomed.model.load import CONFIG
from scionwood_kit.child import run_python

MODEL, TEXT = "hospital/biomedclip-shape", "hospital/bert-shape"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = "open_clip_model.safetensors"

CHILD = """
import json, sys, time
from scionwood_kit.offline import offline
import torch
from scionwood import WeightsError
from scionwood_biomed.backbones import ClipBackbone
image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
outcomes = {}
for name in sys.argv[1:]:
    with offline() as tried, torch.no_grad():
        start = time.process_time()
        try:
            model = ClipBackbone(model=name).eval()
        except WeightsError as error:
            outcomes[name] = {"error": str(error), "tried": tried}
            continue
        spent = time.process_time() - start
        tokens = model.tokenize(["a photo of a cyst", "healthy tissue"])
        outcomes[name] = {"seconds": spent, "tried": tried, "logits": model(image, tokens).tolist(),
                       "context": model.context_length, "mean": model.mean, "std": model.std}
print(json.dumps(outcomes))
"""


def cached(hub, name, files):
    """Write a repository as huggingface_hub stores it in its cache."""
    home = hub / f"models--{name.replace('/', '--')}"
    snapshot = home / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    for path in files:
        shutil.copy(path, snapshot / path.name)
    return snapshot


@pytest.fixture(scope="module")
def outcomes(biomedclip, tmp_path_factory):
    """The outcomes for a folder, a cached model, and models that are not fully in the cache."""
    home = tmp_path_factory.mktemp("huggingface")
    text = [path for path in biomedclip.iterdir() if path.name not in (CONFIG, WEIGHTS)]
    cached(home / "hub", TEXT, text)
    for name, files in ((MODEL, [CONFIG, WEIGHTS]), ("hospital/weightless", [CONFIG])):
        snapshot = cached(home / "hub", name, [biomedclip / file for file in files])
        record = json.loads((snapshot / CONFIG).read_text())
        record["model_cfg"]["text_cfg"] |= {"hf_model_name": TEXT, "hf_tokenizer_name": TEXT}
        (snapshot / CONFIG).write_text(json.dumps(record))
    names = [str(biomedclip), MODEL, f"hf-hub:{MODEL}", "hospital/weightless", "hospital/absent"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_HOME", str(home))
        patch.delenv("HF_HUB_CACHE", raising=False)
        code, out, err = run_python(["-c", CHILD, *names])
    assert code == 0, err
    ways = ("folder", "name", "url", "weightless", "absent")
    return dict(zip(ways, json.loads(out.splitlines()[-1]).values(), strict=True))


def test_folder_loads_in_ten_seconds_without_network(outcomes):
    assert outcomes["folder"]["tried"] == []
    # CPU time, so that a busy machine does not matter; a download would take longer.
    assert outcomes["folder"]["seconds"] <= 10


def test_config_gives_context_length_mean_and_standard_deviation(outcomes):
    assert outcomes["folder"]["context"] == 256
    assert outcomes["folder"]["mean"] == pytest.approx([0.48145466, 0.4578275, 0.40821073])
    assert outcomes["folder"]["std"] == pytest.approx([0.26862954, 0.26130258, 0.27577711])


@pytest.mark.parametrize("way", ["name", "url"])
def test_a_name_of_the_hub_loads_from_the_cache_and_is_the_same_model(way, outcomes):
    assert outcomes[way]["tried"] == []
    assert outcomes[way]["logits"] == outcomes["folder"]["logits"]
    assert outcomes[way]["context"] == 256


def test_refuses_a_model_without_its_weights(outcomes, biomedclip, tmp_path):
    assert "could not be loaded" in outcomes["weightless"]["error"]
    folder = shutil.copytree(biomedclip, tmp_path / "model")
    (folder / WEIGHTS).unlink()
    with pytest.raises(WeightsError, match="could not be loaded"):
        ClipBackbone(model=str(folder))


def test_model_outside_the_cache_has_a_remedy(outcomes):
    assert "hospital/absent" in outcomes["absent"]["error"]
    assert "folder that was downloaded" in outcomes["absent"]["error"]
