"""Language models of transformers: backbones, conversations, preferences and verified rewards."""

from __future__ import annotations

from scionwood import Plugin
from scionwood.authoring import attach_stub

plugin = Plugin(
    name="language",
    summary="Language models of transformers: conversations, preferences, verified rewards",
    backbones={
        "causal_lm": "scionwood_language.backbones.causal_lm:causal_lm",
        "encoder": "scionwood_language.backbones.encoder:encoder",
        "seq2seq": "scionwood_language.backbones.seq2seq:seq2seq",
        "reward_model": "scionwood_language.backbones.reward_model:reward_model",
        "unir": "scionwood_language.verifiable.backbone:unir",
    },
    data={
        "conversations": "scionwood_language.data.conversations:Conversations",
        "preferences": "scionwood_language.data.preferences:Preferences",
        "verdicts": "scionwood_language.data.preferences:Verdicts",
        "tool_plans": "scionwood_language.data.tool_plans:ToolPlans",
        "code_review": "scionwood_language.data.code_review:CodeReview",
        "mixed_tasks": "scionwood_language.data.generated:MixedTasks",
        "text": "scionwood_language.data.text:Text",
        "digit_strings": "scionwood_language.verifiable.prompts:DigitStrings",
    },
    tasks={
        "sft": "scionwood_language.tasks.sft:Sft",
        "trl": "scionwood_language.tasks.trl:Trl",
        "seq2seq": "scionwood_language.tasks.seq2seq:Seq2Seq",
        "masked_diffusion": "scionwood_language.tasks.masked_diffusion:MaskedDiffusion",
        "grpo": "scionwood_language.verifiable.task:VerifiableReward",
    },
    commands={
        "generate": "scionwood_language.verbs.generate:generate",
        "merge": "scionwood_language.verbs.merge:merge",
        "query_tune": "scionwood_language.verbs.query_tune:query_tune",
    },
    services={"generate": "scionwood_language.inference.service:generate"},
    recipes="scionwood_language.recipes",
    bases="scionwood_language.bases",
    rooms=("chat", "diffusion", "planning", "query", "review", "verifiable"),
    parsers={
        "conversations": "scionwood_language.readers.parsers:Conversations",
        "preferences": "scionwood_language.readers.parsers:Preferences",
    },
)

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
