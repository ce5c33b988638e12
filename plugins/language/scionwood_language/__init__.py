"""Language models of transformers: backbones, conversations, preferences and verified rewards."""

from __future__ import annotations

from scionwood import Plugin

plugin = Plugin(
    name="language",
    summary="Language models of transformers: conversations, preferences, verified rewards",
    backbones={
        "causal_lm": "scionwood_language.backbones.causal_lm:causal_lm",
        "encoder": "scionwood_language.backbones.encoder:encoder",
        "seq2seq": "scionwood_language.backbones.seq2seq:seq2seq",
        "unir": "scionwood_language.verifiable.backbone:unir",
    },
    data={
        "conversations": "scionwood_language.data.conversations:Conversations",
        "preferences": "scionwood_language.data.preferences:Preferences",
        "tool_plans": "scionwood_language.data.tool_plans:ToolPlans",
        "code_review": "scionwood_language.data.code_review:CodeReview",
        "mixed_tasks": "scionwood_language.data.generated:MixedTasks",
        "text": "scionwood_language.data.text:Text",
        "digit_strings": "scionwood_language.verifiable.prompts:DigitStrings",
    },
    tasks={
        "sft": "scionwood_language.tasks.sft:Sft",
        "dpo": "scionwood_language.tasks.dpo:DirectPreference",
        "seq2seq": "scionwood_language.tasks.seq2seq:Seq2Seq",
        "masked_diffusion": "scionwood_language.tasks.masked_diffusion:MaskedDiffusion",
        "grpo": "scionwood_language.verifiable.task:VerifiableReward",
    },
    commands={
        "generate": "scionwood_language.cli.generate:generate",
        "merge": "scionwood_language.cli.generate:merge",
        "query_tune": "scionwood_language.cli.query:query_tune",
    },
    recipes="scionwood_language.recipes",
    rooms=("chat", "diffusion", "planning", "query", "review", "verifiable"),
    parsers={
        "conversations": "scionwood_language.readers.parsers:Conversations",
        "preferences": "scionwood_language.data.parsers:Preferences",
    },
    functions={
        "load_tokenizer": "scionwood_language.model.weights:load_tokenizer",
        "load_model": "scionwood_language.model.weights:load_model",
        "encode": "scionwood_language.chat.templates:encode",
        "batches": "scionwood_language.data.batches:Batches",
        "check_length": "scionwood_language.data.batches:check_length",
        "collate_pairs": "scionwood_language.data.batches:collate_pairs",
        "check_shares": "scionwood_language.data.splits:check_shares",
        "split_by_topic": "scionwood_language.data.splits:split_by_topic",
        "read_conversations": "scionwood_language.readers.load:read_conversations",
        "read_all": "scionwood_language.readers.load:read_all",
        "read_pairs": "scionwood_language.readers.pairs:read_pairs",
        "model_of_run": "scionwood_language.inference:model_of_run",
        "model_of_adapter": "scionwood_language.inference:model_of_adapter",
        "without_adapter": "scionwood_language.inference:without_adapter",
        "check_decoding": "scionwood_language.inference:check_decoding",
        "write": "scionwood_language.inference:write",
        "plan": "scionwood_language.planning.planner:plan",
        "save_merged": "scionwood_language.inference:save_merged",
    },
)
