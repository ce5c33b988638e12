"""The commands generate and merge."""

import json

from case_table import table

from scionwood.cli import main
from scionwood_bangla.model.weights import causal_lm


def test_generate_prints_the_text_with_its_faults(capsys):
    command = ["bangla", "generate", "শিক্ষককে জিজ্ঞেস করো, তিনি কবে আসবেন।", "--register", "apni"]
    assert main([*command, "--max-new-tokens", "24"]) == 0
    out = capsys.readouterr().out
    assert "; undecided: " in out
    assert "levels: " in out
    assert main([*command, "--json", "--max-new-tokens", "24"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert {"text", "faults", "levels", "ended"} <= record.keys()


@table(
    ("options", "reason"),
    [
        (["--register", "vous"], "not a level"),
        (["--run", "nowhere"], "no such"),
        (["--peft", "nowhere"], "no such file"),
        (["--run", "bangla/register_tiny", "--peft", "."], "only one"),
    ],
)
def test_generate_refuses_invalid_options(options, reason, capsys):
    assert main(["bangla", "generate", "কেমন আছেন?", *options]) == 2
    assert reason in capsys.readouterr().err


def test_merge_writes_a_model_folder(run, tmp_path, capsys):
    target = tmp_path / "merged"
    command = ["bangla", "merge", str(target), "--run", str(run)]
    assert main(command) == 0
    assert "use it as backbone.model" in capsys.readouterr().out
    assert causal_lm(model=str(target)).config.model_type == "llama"
    assert main(command) == 2
    assert "exists already" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
