"""Without a network: a folder, and what the hub's cache holds, load in another process."""

from __future__ import annotations

import json
import shutil

import pytest

from scionwood import WeightsError
from scionwood.testing.child import run_python
from scionwood_biomed.backbones import clip
from scionwood_biomed.model.load import CONFIG

MODEL, TEXT = "hospital/biomedclip-shape", "hospital/bert-shape"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
WEIGHTS = "open_clip_model.safetensors"

CHILD = """
import json, sys, time
from scionwood.testing.offline import offline
import torch
from scionwood import WeightsError
from scionwood_biomed.backbones import clip
image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
found = {}
for name in sys.argv[1:]:
    with offline() as tried, torch.no_grad():
        start = time.process_time()
        try:
            model = clip(model=name).eval()
        except WeightsError as error:
            found[name] = {"error": str(error), "tried": tried}
            continue
        spent = time.process_time() - start
        tokens = model.tokenize(["a photo of a cyst", "healthy tissue"])
        found[name] = {"seconds": spent, "tried": tried, "logits": model(image, tokens).tolist(),
                       "context": model.context_length, "mean": model.mean, "std": model.std}
print(json.dumps(found))
"""


def cached(hub, name, files):
    """A repository as huggingface_hub leaves it in its cache."""
    home = hub / f"models--{name.replace('/', '--')}"
    snapshot = home / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text(COMMIT)
    for path in files:
        shutil.copy(path, snapshot / path.name)
    return snapshot


@pytest.fixture(scope="module")
def found(biomedclip, tmp_path_factory):
    """What became of a folder, a cached model, and one whose weights are not in the cache."""
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


def test_a_folder_loads_in_ten_seconds_without_asking_anyone(found):
    assert found["folder"]["tried"] == []
    # CPU time, so that a busy machine does not matter; a download would take longer.
    assert found["folder"]["seconds"] <= 10


def test_its_config_says_length_mean_and_deviation(found):
    assert found["folder"]["context"] == 256
    assert found["folder"]["mean"] == pytest.approx([0.48145466, 0.4578275, 0.40821073])
    assert found["folder"]["std"] == pytest.approx([0.26862954, 0.26130258, 0.27577711])


@pytest.mark.parametrize("way", ["name", "url"])
def test_a_name_of_the_hub_loads_from_the_cache_and_is_the_same_model(way, found):
    assert found[way]["tried"] == []
    assert found[way]["logits"] == found["folder"]["logits"]
    assert found[way]["context"] == 256


def test_a_model_without_its_weights_is_refused_and_not_made_random(found, biomedclip, tmp_path):
    assert "could not be loaded" in found["weightless"]["error"]
    folder = shutil.copytree(biomedclip, tmp_path / "model")
    (folder / WEIGHTS).unlink()
    with pytest.raises(WeightsError, match="could not be loaded"):
        clip(model=str(folder))


def test_what_is_not_in_the_cache_says_what_to_give_instead(found):
    assert "hospital/absent" in found["absent"]["error"]
    assert "folder that was downloaded" in found["absent"]["error"]
