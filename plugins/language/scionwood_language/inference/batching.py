"""Answer several requests together: requests join and leave between two tokens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, Literal, NamedTuple, final

import torch
from peft import LoraConfig, get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from scionwood import RecipeError
from scionwood_language.inference.grammar import Grammar, tokens_of
from scionwood_language.inference.writer import end_tokens

Finish = Literal["stop", "length", "cancelled"]
"""Why an answer ended: the model or a stop text ended it, its limit did, or nobody waits."""

PREFIXES, SHORTEST = 4, 16
"""The prompts whose keys and values are kept, and the fewest tokens that are worth a copy."""


@dataclass(eq=False)
class Request:
    """A text that a model goes on with.

    Attributes:
        tokens: the prompt.
        tell: called with each piece of the answer: `text`, and `tokens` with the alternatives of
            each new token. The last call has `finish` and the numbers of tokens.
        max_tokens: the most new tokens.
        temperature: the divisor of the logits; 0 takes the most probable token.
        top_p: samples come from the most probable tokens that together reach this probability.
        stop: texts that end the answer and are no part of it.
        logprobs: how many alternatives of each token are told; `None` tells none.
        seed: the seed of the samples.
        schema: the JSON schema of the answer; `None` for any text.
        adapter: the name by which its adapter was adopted; `None` for that of the model.
        is_cancelled: whether nobody waits for the answer any more.
    """

    tokens: list[int]
    tell: Callable[[dict[str, Any]], None]
    max_tokens: int = 256
    temperature: float = 1.0
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    logprobs: int | None = None
    seed: int = 0
    schema: Mapping[str, Any] | None = None
    adapter: str | None = None
    is_cancelled: Callable[[], bool] = lambda: False
    written: list[int] = field(default_factory=list)
    sent: int = 0
    finish: Finish | None = None
    grammar: Grammar | None = None

    def __post_init__(self) -> None:
        """Make the generator of the samples, which no other request draws from."""
        self.generator = torch.Generator().manual_seed(self.seed)


class Prefix(NamedTuple):
    """A prompt that was read, with its keys and values in each layer."""

    adapter: str | None
    tokens: list[int]
    layers: list[tuple[Tensor, Tensor]]


@final
class Batcher:
    """Writes the answers of several requests together, one token of each at a time.

    A request joins as soon as there is room, and leaves when its answer ends, so that a short
    answer does not wait for a long one. The others are padded on the left. Together with others a
    sum may round in another order, so that two equally probable tokens may change places.

    LoRA adapters of several runs on one base share its batch, see `adopt`. A prompt that begins as
    one of the last prompts did is read from its first new token on.

    Args:
        model: a causal language model of transformers, with or without an adapter.
        tokenizer: its tokenizer.
        capacity: the most answers at a time.

    Raises:
        RecipeError: the model is no causal language model, or its adapter puts virtual tokens
            before the text.
    """

    def __init__(self, model: Any, tokenizer: Any, capacity: int = 8) -> None:
        configs = getattr(model, "peft_config", {}).values()
        if any(config.is_prompt_learning for config in configs):
            rule = "its adapter puts virtual tokens before a text, which has no place in a batch"
            raise RecipeError("the run", rule, "Use lora, or scionwood language generate")
        if not hasattr(model, "generate") or model.config.is_encoder_decoder:
            rule = "it is no causal language model"
            raise RecipeError("the run", rule, "Use a run on language/causal_lm")
        self.model, self.tokenizer = model.eval(), tokenizer
        self.ends = end_tokens(model, tokenizer)
        self.context = getattr(model.config, "max_position_embeddings", None)
        cache = DynamicCache(config=model.config)
        # Layers that keep a window or a state cannot be padded on the left: one answer at a time.
        self.capacity = (
            capacity if all(type(layer) is DynamicLayer for layer in cache.layers) else 1
        )
        self.adapters: dict[str, str] = {}
        self._prefixes: deque[Prefix] = deque(maxlen=PREFIXES if self.capacity > 1 else 0)
        self._grammar_tokens: Any = None
        self.waiting: deque[Request] = deque()
        self.rows: list[Request] = []
        self._cache: Any = None
        self._mask = torch.empty(0)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is under way or waits."""
        return bool(self.rows or self.waiting)

    def adopt(self, other: Any, name: str) -> bool:
        """Take the adapter of another model on the same base into this batch, if that is possible.

        Both must be plain LoRA, and all other weights equal.

        Returns:
            Whether it was taken.
        """
        if self.capacity == 1 or not (_is_plain_lora(self.model) and _is_plain_lora(other)):
            return False
        weights, others = _base_weights(self.model), _base_weights(other)
        if weights.keys() != others.keys() or not all(
            value.data_ptr() == others[key].data_ptr() or torch.equal(value, others[key])
            for key, value in weights.items()
        ):
            return False
        self.adapters[name] = f"adopted{len(self.adapters)}"
        [(active, config)] = other.peft_config.items()
        state = get_peft_model_state_dict(other, adapter_name=active)
        self.model.add_adapter(self.adapters[name], config)
        set_peft_model_state_dict(self.model, state, adapter_name=self.adapters[name])
        self.model.eval()
        return True

    def add(self, request: Request) -> None:
        """Let a request wait for its turn.

        Raises:
            RecipeError: its prompt is empty, or leaves no room in the context of the model.
        """
        if not request.tokens:
            raise RecipeError("the prompt", "it has no token", "Send a text")
        if request.schema is not None:
            self._grammar_tokens = self._grammar_tokens or tokens_of(self.tokenizer, self.ends)
            request.grammar = Grammar(self._grammar_tokens, request.schema)
        if self.context is not None and len(request.tokens) >= self.context:
            rule = f"the context of the model has {self.context} tokens"
            raise RecipeError(f"a prompt of {len(request.tokens)} tokens", rule, "Send less")
        if self.context is not None:
            request.max_tokens = min(request.max_tokens, self.context - len(request.tokens))
        self.waiting.append(request)

    @torch.no_grad()
    def step(self) -> None:
        """Write the next token of every answer, after new requests have joined."""
        for request in self.rows:
            if request.is_cancelled():
                self._end(request, "cancelled")
        self._keep([row for row, request in enumerate(self.rows) if request.finish is None])
        if self.rows:
            self._write()
        while self.waiting and len(self.rows) < self.capacity:
            self._join(self.waiting.popleft())

    def _write(self) -> None:
        device = self._mask.device
        tokens = torch.tensor([[request.written[-1]] for request in self.rows], device=device)
        lengths = [[len(request.tokens) + len(request.written) - 1] for request in self.rows]
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self.rows), 1)], 1)
        out = self.model(
            input_ids=tokens,
            attention_mask=self._mask,
            position_ids=torch.tensor(lengths, device=device),
            past_key_values=self._cache,
            use_cache=True,
            **self._adapter_names(self.rows),
        )
        for request, logits in zip(self.rows, out.logits[:, -1], strict=True):
            self._take(request, logits)
        self._keep([row for row, request in enumerate(self.rows) if request.finish is None])

    def _join(self, request: Request) -> None:
        """Read a prompt, write its first token, and put its cache beside the others."""
        if request.is_cancelled():
            self._end(request, "cancelled")
            return
        device = next(self.model.parameters()).device
        cache, start = self._begun(request)
        mask = torch.ones(1, len(request.tokens), dtype=torch.long, device=device)
        out = self.model(
            input_ids=torch.tensor([request.tokens[start:]], device=device),
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            **self._adapter_names([request]),
        )
        layers = [(layer.keys, layer.values) for layer in cache.layers]
        self._prefixes.append(Prefix(request.adapter, request.tokens, layers))
        self._take(request, out.logits[0, -1])
        if request.finish is not None:
            return
        if not self.rows:
            self._cache, self._mask = cache, mask
        else:
            width = max(mask.shape[1], self._mask.shape[1])
            self._mask = torch.cat([_padded(self._mask, width, 1), _padded(mask, width, 1)])
            pairs: list[tuple[Any, Any]] = list(zip(self._cache.layers, cache.layers, strict=True))
            for layer, joining in pairs:
                keys = [_padded(layer.keys, width, 2), _padded(joining.keys, width, 2)]
                layer.keys = torch.cat(keys)
                values = [_padded(layer.values, width, 2), _padded(joining.values, width, 2)]
                layer.values = torch.cat(values)
        self.rows.append(request)

    def _begun(self, request: Request) -> tuple[Any, int]:
        """Return the cache of the longest known beginning of a prompt, and its length."""
        cache, best, start = DynamicCache(config=self.model.config), None, 0
        for prefix in self._prefixes:
            pairs = zip(prefix.tokens, request.tokens[:-1], strict=False)  # the last one is read
            length = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
            if prefix.adapter == request.adapter and length > max(start, SHORTEST):
                best, start = prefix, length
        for at, (keys, values) in enumerate(best.layers if best else []):
            cache.update(keys[:, :, :start], values[:, :, :start], at)
        return cache, start

    def _adapter_names(self, rows: list[Request]) -> dict[str, Any]:
        if not self.adapters:
            return {}
        active = self.model.active_adapter
        return {"adapter_names": [self.adapters.get(r.adapter or "", active) for r in rows]}

    def _keep(self, rows: list[int]) -> None:
        """Drop the rows that have ended, and the columns that only they needed."""
        if len(rows) == len(self.rows):
            return
        self.rows = [self.rows[row] for row in rows]
        if not rows:
            self._cache = None
            return
        chosen = torch.tensor(rows, device=self._mask.device)
        mask = self._mask[chosen]
        start = int(mask.any(0).nonzero()[0])
        self._mask = mask[:, start:]
        for layer in self._cache.layers:
            layer.keys = layer.keys[chosen, :, start:]
            layer.values = layer.values[chosen, :, start:]

    def _take(self, request: Request, logits: Tensor) -> None:
        """Choose the next token of an answer, and tell the text that is certain."""
        if request.grammar is not None:
            logits = request.grammar.masked(logits)
        token = _pick(logits, request)
        entries = [] if request.logprobs is None else [self._alternatives(logits, token, request)]
        is_end = token in self.ends
        if not is_end:
            request.written.append(token)
            is_end = request.grammar is not None and request.grammar.take(token)
        text = self.tokenizer.decode(request.written, skip_special_tokens=True)
        stops = [at for at in map(text.find, request.stop) if at >= 0]
        if stops:
            text = text[: min(stops)]
        if is_end or stops or len(request.written) >= request.max_tokens:
            request.finish = "stop" if is_end or stops else "length"
        elif uncertain := _held_back(text, request.stop):
            text = text[:-uncertain]
        piece, request.sent = text[request.sent :], max(request.sent, len(text))
        if piece or entries:
            request.tell({"text": piece, "tokens": entries})
        if request.finish is not None:
            self._end(request, request.finish)

    def _alternatives(self, logits: Tensor, token: int, request: Request) -> dict[str, Any]:
        nats = logits.float().log_softmax(-1)
        best = nats.topk(request.logprobs or 0)
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return {
            "token": self.tokenizer.decode([token]),
            "logprob": float(nats[token]),
            "top": [[self.tokenizer.decode([other]), value] for other, value in pairs],
        }

    def _end(self, request: Request, finish: Finish) -> None:
        request.finish = finish
        counts = {"prompt_tokens": len(request.tokens), "completion_tokens": len(request.written)}
        request.tell({"finish": finish, **counts})


def _is_plain_lora(model: Any) -> bool:
    configs = list(getattr(model, "peft_config", {}).values())
    return bool(configs) and all(
        type(config) is LoraConfig
        and not (config.use_dora or config.modules_to_save or config.bias != "none")
        for config in configs
    )


def _base_weights(model: Any) -> dict[str, Tensor]:
    named_tensors = model.state_dict(keep_vars=True).items()
    bare = ((name.replace(".base_layer", ""), value) for name, value in named_tensors)
    return {name: value.detach() for name, value in bare if "lora_" not in name}


def _padded(tensor: Tensor, width: int, axis: int) -> Tensor:
    shape = list(tensor.shape)
    shape[axis] = width - shape[axis]
    return torch.cat([tensor.new_zeros(shape), tensor], axis) if shape[axis] else tensor


def _pick(logits: Tensor, request: Request) -> int:
    if request.temperature == 0:
        return int(logits.argmax())
    shares, order = (logits.float().cpu() / request.temperature).softmax(-1).sort(descending=True)
    # The token that crosses the limit belongs to the choice, so that there is always one.
    shares[shares.cumsum(-1) - shares >= request.top_p] = 0
    return int(order[torch.multinomial(shares, 1, generator=request.generator)])


def _held_back(text: str, stops: tuple[str, ...]) -> int:
    """Return how many characters at the end may change: a part of a letter, or of a stop text."""
    longest = len(text) - len(text.rstrip("\ufffd"))
    for stop in stops:
        for size in range(1, min(len(stop), len(text) + 1)):
            if text.endswith(stop[:size]):
                longest = max(longest, size)
    return longest
