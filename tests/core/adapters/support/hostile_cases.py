"""Hostile versions of a saved LoRA adapter of `adapter_nets.Net`: each case changes a folder."""

from __future__ import annotations

import pickle

import torch
from harms import (
    CONFIG,
    KEY,
    MANIFEST,
    OTHER,
    TENSORS,
    Bomb,
    Harm,
    claim,
    cut,
    directory,
    endless,
    fifo,
    forged_head,
    forged_stem,
    grow,
    header,
    huge,
    link,
    link_inside,
    option,
    other,
    overlap,
    pickled,
    plain,
    raw_option,
    repeat_name,
    socket_file,
    tensors,
    text,
    whole_stem,
    wide_header,
)

REDOS = "(([a-z_.0-9])+)+X"
VERBOSE = "(?x:([a-z_.0-9]+)#\n+X)"
"""A repeated group that a comment of the verbose mode hides from a reader of the pattern."""
CASES: dict[str, Harm] = {
    # values
    "NaN": tensors(lambda s: s[KEY].fill_(float("nan"))),
    "infinity": tensors(lambda s: s[KEY].fill_(float("inf"))),
    "one value of 1e38": tensors(lambda s: s[KEY][0].fill_(1e38)),
    "one value of -1e7": tensors(lambda s: s[KEY][0].fill_(-1e7)),
    # names and shapes
    "a weight of the base": tensors(
        lambda s: s.update({"base_model.model.stem.0.weight": torch.full((16, 16), 9.0)})
    ),
    "a wrapped weight of the base": tensors(
        lambda s: s.update({"base_model.model.blocks.0.fc1.base_layer.weight": torch.ones(32, 16)})
    ),
    "a weight of the head": tensors(
        lambda s: s.update({"base_model.model.decoder.0.weight": torch.ones(8, 16)})
    ),
    "an adapter on another module": tensors(
        lambda s: s.update({KEY.replace("blocks.0.fc1", "stem.0"): torch.ones(4, 16)})
    ),
    "a name without a module": tensors(lambda s: s.update({"x": torch.ones(1)})),
    "a tensor is missing": tensors(lambda s: s.pop(KEY)),
    "no tensors": tensors(lambda s: s.clear()),
    "another rank": tensors(lambda s: s.update({KEY: torch.ones(5, 16)})),
    "a transposed tensor": tensors(lambda s: s.update({KEY: torch.ones(16, 4)})),
    "an empty tensor": tensors(lambda s: s.update({KEY: torch.ones(0, 16)})),
    "whole numbers for weights": tensors(
        lambda s: s.update({KEY: torch.ones(4, 16, dtype=torch.int32)})
    ),
    "8-bit floats": tensors(lambda s: s.update({KEY: torch.ones(4, 16).to(torch.float8_e5m2)})),
    # the container
    "truncated": cut,
    "bytes after the end": grow,
    "an empty file": text(TENSORS, b""),
    "seven bytes": text(TENSORS, b"1234567"),
    "a header of 200 MB": huge,
    "a header of 6 MB": wide_header,
    "a header of 2^63 bytes": endless,
    "a header that is not JSON": header(lambda r: "{nonsense"),
    "a header that is a list": header(lambda r: "[]"),
    "a deep header": header(lambda r: "[" * 100_000),
    "a name twice": header(repeat_name),
    "overlapping tensors": header(overlap),
    "a gap": header(lambda r: r.pop(KEY)),
    "a negative dimension": header(lambda r: r[KEY].update(shape=[-4, -16])),
    "dimensions that overflow": header(lambda r: r[KEY].update(shape=[1 << 47, 1 << 47])),
    "offsets past the end": header(lambda r: r[KEY].update(data_offsets=[0, 1 << 40])),
    "two tensors in the same bytes": header(
        lambda r: r[KEY].update(data_offsets=r[OTHER]["data_offsets"], shape=r[OTHER]["shape"])
    ),
    "offsets backwards": header(lambda r: r[KEY].update(data_offsets=[256, 0])),
    "an unknown dtype": header(lambda r: r[KEY].update(dtype="Q7")),
    "an entry without a shape": header(lambda r: r[KEY].pop("shape")),
    "a shape of strings": header(lambda r: r[KEY].update(shape=["4", "16"])),
    "a pickle alone": pickled,
    "a pickle under the right name": text(TENSORS, pickle.dumps(Bomb())),
    # sizes
    "r = 10^7 without such tensors": option(r=10**7),
    "r = 10^12": option(r=10**12),
    "r = -1": option(r=-1),
    "r = 0": option(r=0),
    "a rank of 10^7 for one layer": option(rank_pattern={"fc1": 10**7}),
    "r as text": option(r="4"),
    "lora_alpha = 1e30": option(lora_alpha=1e30),
    "lora_alpha = 10^30": option(lora_alpha=10**30),
    "lora_alpha is NaN": raw_option("lora_alpha", "NaN"),
    "lora_alpha is 1e999": raw_option("lora_alpha", "1e999"),
    "an alpha of 1e30 for one layer": option(alpha_pattern={"fc1": 1e30}),
    # what the config asks for
    "an unknown method": plain(peft_type="EVIL"),
    "a method of another case": plain(peft_type="lora"),
    "no method": option(peft_type=None),
    "a list for a method": option(peft_type=["LORA"]),
    "another method than claimed": option(peft_type="ADALORA"),
    "XLoRA, which loads other folders": other(peft_type="XLORA", adapters={"a": "/etc"}),
    "an unknown option": option(run_this="import evil_module"),
    "megatron": option(megatron_config={"a": 1}, megatron_core="evil_module"),
    "replicated layers": option(layer_replication=[[0, 10**9]]),
    "biases of the base": option(bias="all"),
    "PiSSA, which rewrites the base": option(init_lora_weights="pissa"),
    "KaSA, which rewrites the base": option(kasa_config={}),
    "arrow": option(arrow_config={"top_k": 2}),
    "a language model's task": option(task_type="CAUSAL_LM"),
    "an unknown task": option(task_type="evil"),
    "a token that does not exist": option(trainable_token_indices={"embed": [10**9]}),
    "a whole module without its tensors": option(modules_to_save=["stem"]),
    "a whole module of the base": whole_stem,
    "a whole module beside scionwood.json": forged_stem,
    "a whole module that scionwood.json declares": forged_head,
    "features of a language model": option(task_type="FEATURE_EXTRACTION"),
    "classes of a language model": plain(task_type="SEQ_CLS"),
    "tokens of a language model": option(task_type="TOKEN_CLS"),
    "answers of a language model": plain(task_type="QUESTION_ANS"),
    "targets that are a number": option(target_modules=5),
    "targets that are numbers": plain(target_modules=[1, None]),
    "an exclusion that is a truth value": plain(exclude_modules=True),
    "modules to save that are a number": option(modules_to_save=1.5),
    "modules to save that are one text": option(modules_to_save="stem"),
    "a rank pattern that is a list": option(rank_pattern=[1]),
    "an alpha pattern that is a text": plain(alpha_pattern="blocks"),
    "a layers pattern that is a number": plain(
        target_modules=["fc1"], layers_to_transform=[0], layers_pattern=7
    ),
    "a prompt from a file": other(
        peft_type="MULTITASK_PROMPT_TUNING", prompt_tuning_init_state_dict_path="/etc/passwd"
    ),
    "a shadow model from the hub": other(peft_type="SHADOW", shadow_model="evil/repo"),
    "a tokenizer with options": other(
        peft_type="PROMPT_TUNING", tokenizer_kwargs={"trust_remote_code": True}
    ),
    # patterns
    "a hanging target pattern": plain(target_modules=REDOS),
    "a hanging pattern of optional parts": plain(target_modules=".?" * 60 + "X"),
    "a hanging pattern of alternatives": plain(target_modules="(.|.|.)" * 40 + "X"),
    "a hanging pattern of many repeats": plain(target_modules=".*" * 12 + "X"),
    "a hidden repeat": plain(target_modules=VERBOSE),
    "a hidden repeat in an exclusion": plain(exclude_modules=VERBOSE),
    "a hidden repeat in a rank pattern": option(rank_pattern={VERBOSE: 4}),
    "a hidden repeat in an alpha pattern": plain(alpha_pattern={VERBOSE: 4}),
    "a hidden repeat in a module to save": plain(modules_to_save=[VERBOSE]),
    "a hidden repeat in a layers pattern": plain(
        target_modules=["fc1"], layers_to_transform=[0], layers_pattern=VERBOSE
    ),
    "a hidden repeat in a list of targets": plain(target_modules=[VERBOSE, "fc1"]),
    "a lookahead": plain(target_modules="(?!stem).*fc1"),
    "a backreference": plain(target_modules=r"(.*)\.\1"),
    "a possessive repeat": plain(target_modules="(?:.*+)*+X"),
    "half a character": plain(target_modules="\ud800.*"),
    "many bounded patterns": option(
        rank_pattern={f"(?:[a-z.]{{0,30}}){{30}}{n}": 4 for n in range(1000)}
    ),
    "many alternatives": plain(target_modules="|".join(["(a.*b.*)"] * 5000)),
    "a hanging module to save": option(modules_to_save=[REDOS]),
    "a hanging layers pattern": plain(
        target_modules=["fc1"], layers_to_transform=[0], layers_pattern=REDOS
    ),
    "an invalid pattern": plain(target_modules="blocks.(((("),
    "a pattern of a megabyte": plain(target_modules="a" * (1 << 20) + "("),
    "ten thousand patterns": option(rank_pattern={f"m{i}.*": 4 for i in range(10_000)}),
    "a pattern that matches nothing": plain(target_modules="nothing"),
    # the manifest
    "another base": claim(base={"sha256": "0" * 64}, base_sketch=None),
    "no hash": claim(base={}),
    "a module that does not exist": claim(modules=["evil"]),
    "a module of the head": claim(modules=["decoder.0"]),
    "fewer modules": claim(modules=["blocks.0.fc1"]),
    "more modules": claim(
        modules=["stem.0", "blocks.0.fc1", "blocks.0.fc2", "blocks.1.fc1", "blocks.1.fc2"]
    ),
    "modules that are numbers": claim(modules=[1, 2]),
    "untied tensors that are numbers": claim(untied=[1]),
    "an untied tensor that does not exist": claim(untied=["blocks.0.fc1.evil"]),
    "an untied tensor of a frozen layer": claim(untied=["stem.0.weight"]),
    "the whole model untied": claim(untied=[""]),
    "a newer format": claim(format=99),
    "a manifest that is a list": text(MANIFEST, "[]"),
    "a plugin that is not there": lambda folder: (
        option(peft_type="EVIL")(folder),
        claim(peft_type="EVIL", method="evil/module")(folder),
    )[0],
    # JSON
    "a million brackets": text(CONFIG, "[" * 10**6),
    "a deep option": raw_option("alpha_pattern", '{"a":' * 50 + "1" + "}" * 50),
    "a JSON of 5 MB": text(CONFIG, b" " * (5 << 20)),
    "a key twice": text(CONFIG, '{"peft_type": "LORA", "peft_type": "EVIL"}'),
    "not UTF-8": text(CONFIG, b"\xff\xfe{}"),
    "a number of a million digits": raw_option("r", "1" * 10**6),
    "a config that is empty": text(CONFIG, b""),
    # the file system
    "tensors behind a link": link(TENSORS, "/etc/passwd"),
    "a config behind a link": link(CONFIG, "/etc/passwd"),
    "a manifest behind a link": link(MANIFEST, "/dev/zero"),
    "a link in a circle": link(CONFIG, CONFIG),
    "a link inside the folder": link_inside,
    "a device": link(TENSORS, "/dev/zero"),
    "a pipe as the config": fifo(CONFIG),
    "a pipe as the manifest": fifo(MANIFEST),
    "a pipe as the tensors": fifo(TENSORS),
    "a socket": socket_file,
    "a folder for tensors": directory,
    "no config": lambda folder: (folder / CONFIG).unlink(),
    "no tensors file": lambda folder: (folder / TENSORS).unlink(),
}
