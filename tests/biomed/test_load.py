"""Models load without a network, from a folder and from the cache of the hub, in a new process."""

import json
import shutil

import pytest

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
                       "context": model.context_length}
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


@pytest.mark.slow
def test_models_load_from_a_folder_and_from_the_cache_without_network(biomedclip, tmp_path):
    text = [path for path in biomedclip.iterdir() if path.name not in (CONFIG, WEIGHTS)]
    cached(tmp_path / "hub", TEXT, text)
    for name, files in ((MODEL, [CONFIG, WEIGHTS]), ("hospital/weightless", [CONFIG])):
        snapshot = cached(tmp_path / "hub", name, [biomedclip / file for file in files])
        record = json.loads((snapshot / CONFIG).read_text())
        record["model_cfg"]["text_cfg"] |= {"hf_model_name": TEXT, "hf_tokenizer_name": TEXT}
        (snapshot / CONFIG).write_text(json.dumps(record))
    names = [str(biomedclip), MODEL, f"hf-hub:{MODEL}", "hospital/weightless", "hospital/absent"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_HOME", str(tmp_path))
        patch.delenv("HF_HUB_CACHE", raising=False)
        code, out, err = run_python(["-c", CHILD, *names])
    assert code == 0, err
    folder, *hub, weightless, absent = json.loads(out.splitlines()[-1]).values()
    # CPU time, so that a busy machine does not matter; a download would take longer.
    assert folder["seconds"] <= 10
    assert folder["tried"] == []
    for way in hub:
        assert way["tried"] == []
        assert (way["logits"], way["context"]) == (folder["logits"], 256)
    assert "could not be loaded" in weightless["error"]
    assert "hospital/absent" in absent["error"]
    assert "folder that was downloaded" in absent["error"]
