"""Plain LoRA folders for vLLM, where its own resolver finds them by name."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from scionwood import find_run
from scionwood.authoring import atomic_folder, check_target, reading, writing
from scionwood_serve.versions.problem import ServingError
from scionwood_serve.versions.snapshot import check_name

SCRIPT = """\
#!/bin/sh
# vLLM loads an adapter at its first request: {{"model": "{first}"}}. Its documentation calls
# changes of adapters at run time a risk, so keep this server away from strangers.
cd "$(dirname "$0")"
export VLLM_ALLOW_RUNTIME_LORA_UPDATING=true
export VLLM_PLUGINS=lora_filesystem_resolver
export VLLM_LORA_RESOLVER_CACHE_DIR="$PWD/adapters"
exec vllm serve {base} --enable-lora --max-lora-rank {rank} --host 127.0.0.1
"""

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The ranks that `--max-lora-rank` takes."""


def export_vllm(
    runs: dict[str, str | Path], folder: Path, *, base: str = "", force: bool = False
) -> Path:
    """Write the adapters of language runs as folders that vLLM's resolver finds, and its command.

    Args:
        runs: the run by the name of its adapter.
        folder: the folder to write: `adapters/NAME` and `serve.sh`.
        base: the model as vLLM is to load it, a folder or owner/name; by default as the adapters
            name it.
        force: replace an existing folder.

    Raises:
        ServingError: an adapter is not plain LoRA, the bases differ, or none is named.
        TrainingError: a run is not finished.
        OutputExistsError: the folder exists and `force` is false.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_serve import export_vllm
        >>> made = export_vllm({"letters": "bangla/register_tiny"}, Path("vllm"), base="my/model")
        >>> sorted(path.name for path in (made / "adapters" / "letters").iterdir())
        ['adapter_config.json', 'adapter_model.safetensors']
    """
    check_target(folder, force)
    run_folders = {check_name(name): find_run(run, quiet=True) for name, run in runs.items()}
    configs = {name: _plain(name, run) for name, run in run_folders.items()}
    base = base or _common_base(configs)
    rank = max(int(config["r"]) for config in configs.values())
    if rank > RANKS[-1]:
        raise ServingError(f"rank {rank}", f"vLLM takes at most {RANKS[-1]}", "Train a smaller one")
    with writing(folder), atomic_folder(folder, overwrite=force) as part:
        for name, run in run_folders.items():
            target = part / "adapters" / name
            target.mkdir(parents=True)
            weights = (run / "adapter" / "adapter_model.safetensors").read_bytes()
            (target / "adapter_model.safetensors").write_bytes(weights)
            config = configs[name] | {"base_model_name_or_path": base}
            (target / "adapter_config.json").write_text(json.dumps(config, indent=1), "utf-8")
        script = part / "serve.sh"
        text = SCRIPT.format(
            first=next(iter(run_folders)),
            base=shlex.quote(base),
            rank=next(r for r in RANKS if r >= rank),
        )
        script.write_text(text, encoding="utf-8")
        script.chmod(0o755)
    return folder


def _plain(name: str, run: Path) -> dict[str, Any]:
    """Return the configuration of an adapter if vLLM computes it as peft does."""
    path = run / "adapter" / "adapter_config.json"
    if not path.is_file():
        raise ServingError(f"run {name}", "it has no adapter", "Export a run with LoRA")
    with reading(path, "configuration"):
        config: dict[str, Any] = json.loads(path.read_text("utf-8"))
    faults = {
        f"its method is {config.get('peft_type')}": config.get("peft_type") != "LORA",
        "it is DoRA": config.get("use_dora"),
        "it trains biases": config.get("bias", "none") != "none" or config.get("lora_bias"),
        "it replaces whole modules": config.get("modules_to_save"),
        "it trains tokens": config.get("trainable_token_indices"),
        "it has a trained head": (run / "head.safetensors").is_file(),
        "its layers differ in rank": config.get("rank_pattern") or config.get("alpha_pattern"),
    }
    for rule, is_so in faults.items():
        if is_so:
            remedy = "vLLM takes plain LoRA; serve this one with scionwood serve run"
            raise ServingError(f"run {name}", rule, remedy)
    return config


def _common_base(configs: dict[str, dict[str, Any]]) -> str:
    bases = {str(config.get("base_model_name_or_path") or "") for config in configs.values()}
    if len(bases) != 1 or not (base := bases.pop()):
        rule = "the adapters do not name one model"
        raise ServingError("base", rule, "Name it: --base owner/name or a folder")
    return base
