"""Methods for language models are refused by name on any other network, also in a recipe."""

import pytest
from case_table import table

from scionwood import AdapterError, build, resolve
from scionwood.adapters.methods import LANGUAGE_ONLY

OPTIONS = {"xlora": "hidden_size: 8, adapters: {a: /}", "poly": "r: 2", "shadow": "r: 2"}


def test_the_options_cover_all_methods():
    assert OPTIONS.keys() == LANGUAGE_ONLY


@table("targets", ["", ", targets: linear"])
@table("method", sorted(LANGUAGE_ONLY))
@pytest.mark.filterwarnings("ignore:.*top_k_lora")
def test_a_recipe_with_such_a_method_is_refused_by_name(tmp_path, toy_plugin, method, targets):
    text = "task: toy/regress\nbackbone: toy/mlp\ndata: toy/regression\n"
    path = tmp_path / "recipe.yaml"
    path.write_text(f"{text}adapter: {{name: {method}, {OPTIONS[method]}{targets}}}\n")
    with pytest.raises(AdapterError, match=f"method '{method}' on .*: it needs a language model"):
        build(resolve(path))
