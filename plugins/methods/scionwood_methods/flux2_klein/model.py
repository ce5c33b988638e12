"""FLUX.2 Klein as a base for adapters, and its flow-matching loss.

The networks and their layout are those of `Flux2KleinPipeline` in diffusers. Only random weights of
a tiny size have run here; nobody has tried the published weights with this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Literal, final

import torch
from torch import Tensor, nn

from scionwood import AdapterError, PluginError, WeightsError

REMEDY = "pip install 'diffusers>=0.42' 'transformers>=5.23' pillow"
PARTS = ("transformer", "vae", "text_encoder", "tokenizer", "scheduler")
"""Folders of the published layout."""

LAYERS = (9, 18, 27)
"""Layers of the published text encoder whose outputs the transformer reads."""

_DOUBLE = (
    r"transformer\.transformer_blocks\.\d+\.attn\."
    r"(to_[qkv]|to_out\.0|add_[qkv]_proj|to_add_out)"
)
_SINGLE = r"transformer\.single_transformer_blocks\.\d+\.attn\.(to_qkv_mlp_proj|to_out)"

Precision = Literal["float32", "bfloat16"]


@final
class Flux2Klein(nn.Module):
    """The transformer of FLUX.2 Klein, with the networks that encode pictures and prompts.

    With data z, normal noise e and z_s = (1 - s) z + s e, the transformer predicts the velocity
    e - z from z_s, the share s of noise, and the prompt.

    Args:
        pipeline: a `Flux2KleinPipeline`. It shares the networks, so that it draws pictures with
            whatever adapter is attached to them.
        layers: layers of the text encoder whose outputs are read.
        words: tokens to which prompts are filled up or cut.
        card: entries for the model card.

    Source: the pipeline of diffusers; flow matching: Lipman et al. 2023, arXiv:2210.02747.
    """

    adapter_targets: ClassVar[Mapping[str, str]] = {"attention": f"{_DOUBLE}|{_SINGLE}"}

    def __init__(
        self, pipeline: Any, *, layers: Sequence[int], words: int, card: Mapping[str, str]
    ) -> None:
        super().__init__()
        self.transformer, self.vae = pipeline.transformer, pipeline.vae
        self.text_encoder = pipeline.text_encoder
        self.pipeline = pipeline
        self.layers, self.words, self.card = tuple(layers), words, dict(card)

    def forward(self, z: Tensor, share: Tensor, text: Tensor) -> Tensor:
        """Return the velocity from data to noise.

        Args:
            z: latents with noise, (batch, channel, row, column).
            share: the share of noise, (batch,), 0 to 1.
            text: encoded prompts, (batch, word, feature).

        Returns:
            The shape of z.
        """
        rows, columns = z.shape[2:]
        # Positions as (time, row, column, word): pictures have rows and columns, prompts only
        # words.
        places = torch.cartesian_prod(
            torch.arange(1), torch.arange(rows), torch.arange(columns), torch.arange(1)
        )
        words = torch.arange(text.shape[1])
        order = torch.stack([torch.zeros_like(words)] * 3 + [words], dim=1)
        (velocity,) = self.transformer(
            hidden_states=z.flatten(2).transpose(1, 2).to(self.transformer.dtype),
            timestep=share.to(self.transformer.dtype),
            guidance=None,
            encoder_hidden_states=text.to(self.transformer.dtype),
            img_ids=places.to(z.device),
            txt_ids=order.to(z.device),
            return_dict=False,
        )
        velocity_map: Tensor = velocity.transpose(1, 2).unflatten(2, (rows, columns)).to(z.dtype)
        return velocity_map

    @torch.no_grad()
    def encode(self, pictures: Tensor) -> Tensor:
        """Return the normalised latents of pictures (batch, 3, row, column) from -1 to 1.

        Returns:
            (batch, channel, row / 16, column / 16) with the published autoencoder.

        Raises:
            AdapterError: a side is not a multiple of the stride.
        """
        # The transformer reads 2 x 2 latents as one token.
        stride = 2 * self.pipeline.vae_scale_factor
        rows, columns = pictures.shape[2:]
        if rows % stride or columns % stride:
            rule = f"its sides must be multiples of {stride}"
            raise AdapterError(f"pictures of {rows} x {columns}", rule, "Crop or resize them")
        packed, _ = self.pipeline.prepare_image_latents(
            list(pictures.unsqueeze(1)), 1, None, pictures.device, self.vae.dtype
        )
        tokens = packed[0].unflatten(0, (len(pictures), -1)).transpose(1, 2)
        z: Tensor = tokens.unflatten(2, (rows // stride, columns // stride)).float()
        return z

    @torch.no_grad()
    def texts(self, prompts: Sequence[str]) -> Tensor:
        """Return encoded prompts, (batch, word, feature)."""
        encoded, _ = self.pipeline.encode_prompt(
            list(prompts),
            device=self.text_encoder.device,
            max_sequence_length=self.words,
            text_encoder_out_layers=self.layers,
        )
        text: Tensor = encoded
        return text

    def losses(self, z: Tensor, text: Tensor) -> Tensor:
        """Return the flow-matching loss of each picture, (batch,).

        The share of noise is the sigmoid of a normal number (Esser et al. 2024, arXiv:2403.03206).

        Args:
            z: latents of pictures, from `encode`.
            text: their prompts, from `texts`. Give the empty prompt to about a tenth of the
                pictures, because guidance compares with it.
        """
        share = torch.randn(len(z), device=z.device).sigmoid()
        noise = torch.randn_like(z)
        part = share.view(-1, 1, 1, 1)
        predicted = self((1 - part) * z + part * noise, share, text)
        errors: Tensor = (predicted - (noise - z)).square().flatten(1).mean(1)
        return errors

    def example_input(self) -> tuple[Tensor, ...]:
        """Return latents of 2 x 2 cells, a share of noise, and a prompt of two words."""
        random = torch.Generator().manual_seed(0)
        config = self.transformer.config
        shapes = (1, config.in_channels, 2, 2), (1, 2, config.joint_attention_dim)
        z, text = (torch.randn(shape, generator=random) for shape in shapes)
        return z, torch.full((1,), 0.5), text


def flux2_klein(
    *, weights: str | Path = "none", precision: Precision = "float32", init_seed: int = 0
) -> Flux2Klein:
    """Build FLUX.2 Klein; an adapter goes on the attention of its transformer.

    Args:
        weights: `none` (random and tiny, to try a recipe), or a folder in the layout of diffusers
            with `transformer`, `vae`, `text_encoder`, `tokenizer` and `scheduler`, which you
            downloaded under its licence. Pickled weights are not read.
        precision: of the weights of a folder.
        init_seed: seed of random weights.

    Raises:
        PluginError: diffusers is missing or too old.
        WeightsError: the folder is incomplete, or a part cannot be read.

    Source: `Flux2KleinPipeline` of diffusers.
    """
    library, _ = _libraries()
    if str(weights) == "none":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(init_seed)
            parts = _random_parts()
        card = {"architecture": "FLUX.2 Klein, tiny", "weights": "random, seeded"}
        options: dict[str, Any] = {"layers": (1, 2, 3), "words": 16}
    else:
        parts = _read_parts(Path(weights), getattr(torch, precision))
        name = Path(weights).name
        card = {"architecture": "FLUX.2 Klein", "weights": f"folder {name}, {precision}"}
        options = {"layers": LAYERS, "words": 512}
    pipeline = library.Flux2KleinPipeline(**parts)
    for name in ("transformer", "vae", "text_encoder"):
        parts[name].eval()
    return Flux2Klein(pipeline, card={**card, "source": "diffusers"}, **options)


def _libraries() -> tuple[Any, Any]:
    """Return diffusers and transformers.

    Raises:
        PluginError: diffusers is missing, or too old to know FLUX.2 Klein.
    """
    try:
        library = import_module("diffusers")
        library.Flux2KleinPipeline  # noqa: B018  # diffusers imports it at this point
    except (ImportError, AttributeError) as error:
        rule = f"FLUX.2 Klein needs diffusers 0.42 or later ({error})"
        raise PluginError("diffusers", rule, REMEDY) from error
    return library, import_module("transformers")


def _read_parts(folder: Path, dtype: torch.dtype) -> dict[str, Any]:
    """Return the parts in a folder; each class is named here and not by the folder.

    Raises:
        WeightsError: see `flux2_klein`.
    """
    missing = [name for name in PARTS if not (folder / name).is_dir()]
    if missing:
        rule = f"it has no folder {', '.join(missing)}"
        raise WeightsError(str(folder), rule, "Give the folder of a download of FLUX.2 Klein")
    library, texts = _libraries()
    kinds = {
        "transformer": library.Flux2Transformer2DModel,
        "vae": library.AutoencoderKLFlux2,
        "text_encoder": texts.Qwen3ForCausalLM,
    }
    options = {"local_files_only": True, "use_safetensors": True}
    places = {name: str(folder / name) for name in PARTS}
    scheduler = library.FlowMatchEulerDiscreteScheduler
    try:
        parts = {
            name: kind.from_pretrained(places[name], torch_dtype=dtype, **options)
            for name, kind in kinds.items()
        }
        parts["tokenizer"] = texts.Qwen2TokenizerFast.from_pretrained(
            places["tokenizer"], local_files_only=True
        )
        parts["scheduler"] = scheduler.from_pretrained(places["scheduler"], local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        rule = f"a part cannot be read ({type(error).__name__}: {error})"
        raise WeightsError(str(folder), rule, "Download it again, as safetensors") from error
    return parts


def _random_parts() -> dict[str, Any]:
    """Return tiny networks with random weights, and a tokenizer of bytes."""
    library, texts = _libraries()
    alphabet = sorted(import_module("tokenizers").pre_tokenizers.ByteLevel.alphabet())
    end = "<|endoftext|>"
    vocabulary = {token: number for number, token in enumerate([*alphabet, end])}
    tokenizer = texts.Qwen2TokenizerFast(vocab=vocabulary, merges=[], pad_token=end, eos_token=end)
    tokenizer.chat_template = "{{ messages[0]['content'] }}"
    encoder = texts.Qwen3Config(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
    )
    return {
        "scheduler": library.FlowMatchEulerDiscreteScheduler(),
        "vae": library.AutoencoderKLFlux2(
            block_out_channels=(8, 16),
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=4,
            sample_size=16,
        ),
        "text_encoder": texts.Qwen3ForCausalLM(encoder),
        "tokenizer": tokenizer,
        "transformer": library.Flux2Transformer2DModel(
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=48,
            axes_dims_rope=(4, 4, 4, 4),
            guidance_embeds=False,
        ),
    }
