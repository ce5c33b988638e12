"""The card is a model card that a reader and the Hugging Face hub understand; the report too."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from case_table import table
from huggingface_hub import ModelCard, ModelCardData
from run_column import column

from scionwood.adapters import Report
from scionwood.recipes.recipe import resolve
from scionwood.training.card import Card, metadata, write_card
from scionwood.training.figures import metrics_figure, svg
from scionwood.training.run_page import numbers, write_report

Fit = Callable[..., Path]
COUNTS = Report(128, 17, 833, 688)
ROWS = [
    {"step": "1", "train_loss": "0.9"},
    {"step": "2", "train_loss": "0.7", "val_loss": "0.8", "val_mae": "0.6"},
    {"step": "4", "train_loss": "0.3", "val_loss": "0.5", "val_mae": "0.40004"},
]


def card(**changes: Any) -> Card:
    base = {"architecture": "an MLP", "weights": "random", "licence": "Apache-2.0; made here"}
    given = Card(resolve("toy/regress"), base, COUNTS, 4, "val_loss", "min", ROWS, [])
    return replace(given, **changes)


def facts(folder: Path, given: Card) -> ModelCardData:
    return ModelCard(f"---\n{metadata(folder, given)}\n---\n").data


@pytest.mark.usefixtures("pictures")
def test_the_card_and_the_report_of_a_run(toy_fit: Fit) -> None:
    run = toy_fit("trainer.max_steps=4", "seed=3")
    data = ModelCard.load(run / "README.md").data
    manifest = json.loads((run / "adapter" / "scionwood.json").read_text())
    assert f"base_sha256:{manifest['base']['sha256']}" in str(data.tags)
    assert data.library_name == "peft"
    assert data.license == "apache-2.0"
    assert data.base_model is None, "the base is not on the hub"
    assert data.tags[:3] == ["scionwood", "scionwood:toy", "lora"]
    (first, *others) = data.eval_results
    assert first.metric_name == "val_loss"
    best = min(column(run, "val_loss"))
    assert first.metric_value == pytest.approx(best, rel=1e-5)
    assert (first.dataset_name, first.dataset_split) == ("toy/regression", "validation")
    assert {each.metric_type for each in others} == {"mae", "worst"}

    text = (run / "README.md").read_text().partition("\n---\n")[2]
    places = [text.index(f"## {title}") for title in ("Results", "Use", "Facts")]
    assert places == sorted(places)
    assert text.count("\n") < 45, "it fits on one screen"
    for fact in (
        f"| val_loss (chose the step; lower is better) | {best:.4g} |",
        "seed 3",
        "Apache-2.0",
        "A lora adapter on `toy/mlp`",
        "128 of the adapter, 17 of the head; 17.41% train",
        "It does not load the head (`head.safetensors`, 17 parameters)",
        "**its output differs**",
    ):
        assert fact in text

    page = (run / "report.html").read_text()
    parts = ['class="numbers"', 'class="lead"', "Curves", "Data", "Facts", "Use"]
    places = [page.index(part if "=" in part else f"<h2>{part}</h2>") for part in parts]
    assert places == sorted(places)
    assert page.count('src="data:image/png;base64,') == 1
    assert page.count("data:image/svg+xml;base64,") == 2, "the curves, light and dark"
    assert not re.search(r'(src|href)="(?!data:)', page), "no link leads out of the file"
    assert all(re.findall(r'<img alt="([^"]*)"', page))


def test_an_adapter_without_a_head_is_complete_for_peft(tmp_path: Path) -> None:
    write_card(tmp_path, card(counts=Report(128, 0, 833, 705)))
    text = (tmp_path / "README.md").read_text()
    assert "Plain peft opens the adapter" in text
    assert "differs" not in text


@pytest.mark.parametrize("name", ["frozen", "full"])
def test_a_baseline_has_no_adapter(name: str, tmp_path: Path) -> None:
    given = card(recipe=resolve("toy/regress", [f"adapter={name}"]))
    write_card(tmp_path, given)
    text = (tmp_path / "README.md").read_text()
    assert facts(tmp_path, given).library_name == "scionwood"
    assert {"frozen": "The head alone of", "full": "All weights of"}[name] in text
    assert "peft" not in text


@table(
    ("base", "wanted"),
    [
        ({"weights": "hf.co/timm/vit_small.lvd1689m"}, "timm/vit_small.lvd1689m"),
        ({"weights": "hf.co/thuerey-group/Tadpole@main"}, "thuerey-group/Tadpole"),
        ({"weights": "HuggingFaceTB/SmolLM2-135M, main"}, "HuggingFaceTB/SmolLM2-135M"),
        ({"hub_id": "owner/name", "weights": "a copy"}, "owner/name"),
        ({"weights": "local file a.pth"}, None),
        ({"weights": "shipped, made here"}, None),
        ({}, None),
    ],
)
def test_a_base_on_the_hub_is_named(base: dict[str, str], wanted: str | None, tmp_path) -> None:
    data = facts(tmp_path, card(base=base))
    assert data.base_model == wanted
    assert data.get("base_model_relation") == ("adapter" if wanted else None)


@table(
    ("text", "wanted"),
    [
        ("Apache-2.0 (https://www.apache.org/licenses/LICENSE-2.0); made here", "apache-2.0"),
        ("MIT", "mit"),
        ("CC-BY-NC-4.0, see the site", "cc-by-nc-4.0"),
        ("DINOv3 License (https://ai.meta.com/dinov3)", "other"),
        ("none (random weights)", None),
        ("see the model's own card", None),
        ("MITRE terms", None),
        ("", None),
    ],
)
def test_licences_are_named_as_the_hub_names_them(text: str, wanted: str | None, tmp_path) -> None:
    data = facts(tmp_path, card(base={"licence": text}))
    assert data.license == wanted
    if wanted == "other":
        assert data.license_name == "dinov3-license"
        assert data.license_link == "https://ai.meta.com/dinov3"


def test_a_run_without_validation_says_so(tmp_path: Path) -> None:
    given = card(rows=ROWS[:1], step=1)
    write_card(tmp_path, given)
    write_report(tmp_path, given)
    for name in ("README.md", "report.html"):
        assert "Nothing was validated." in (tmp_path / name).read_text()
    assert facts(tmp_path, given).eval_results is None
    assert "Nothing was measured." in (tmp_path / "README.md").read_text()
    assert numbers(given).items[0].value == "not measured"


def test_a_value_that_is_not_finite_is_stated_and_left_out_of_the_metadata(tmp_path) -> None:
    rows = [{**ROWS[-1], "val_loss": "nan", "val_mae": "inf", "val_snr": "3"}]
    given = card(rows=rows)
    write_card(tmp_path, given)
    write_report(tmp_path, given)
    for name in ("README.md", "report.html"):
        assert "Not a finite number: val_loss, val_mae." in (tmp_path / name).read_text()
    assert [each.metric_name for each in facts(tmp_path, given).eval_results] == ["val_snr"]
    assert numbers(given).items[0].value == "not a number"


def test_hostile_names_cannot_leave_the_metadata_or_the_page(tmp_path: Path) -> None:
    base = {"weights": 'x\n---\n"<script>', "licence": "MIT\ntags: [a]", "hub_id": "a/b\nc: d"}
    given = card(base=base)
    write_card(tmp_path, given)
    write_report(tmp_path, given)
    data = ModelCard.load(tmp_path / "README.md").data
    assert data.base_model == "a/b"
    assert data.get("c") is None
    assert "<script>" not in (tmp_path / "report.html").read_text()


def test_the_report_begins_with_five_numbers() -> None:
    score, trained, steps, seed, base = numbers(card()).items
    assert (score.label, score.value) == ("validation loss", "0.5")
    assert score.note == "val_loss; lower is better"
    assert (trained.value, trained.note) == ("145", "17.41% of 833")
    assert (steps.value, steps.note) == ("4", "exported: step 4")
    assert seed.value == "0"
    assert (base.value, base.note) == ("mlp", "weights: random")


@pytest.mark.usefixtures("pictures")
def test_curves_are_the_same_each_time_and_survive_any_values() -> None:
    assert svg(metrics_figure(ROWS, 4)) == svg(metrics_figure(ROWS, 4))
    assert svg(metrics_figure(ROWS, 4)) != svg(metrics_figure(ROWS, 4, dark=True))
    odd = [{"step": str(n), "train_loss": str(v)} for n, v in enumerate([1e9, math.nan, 1e-3])]
    (axis,) = metrics_figure(odd).axes
    assert axis.get_yscale() == "log"
    many = [{"step": str(n), "train_loss": str(1 / n)} for n in range(1, 200)]
    (axis,) = metrics_figure(many).axes
    assert [line.get_label() for line in axis.lines][-1] == "training, running median"
    assert svg(metrics_figure([]))
