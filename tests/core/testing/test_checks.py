"""Every check passes a sound plugin, and says of an empty one that there is nothing to check."""

import pytest
from case_table import table

from scionwood import Plugin
from scionwood_kit import CHECKS, NothingToCheck

BY_NAME = {check.__name__: check for check in CHECKS}
LONG = ("check_adapter_survives_a_fresh_process", "check_exports")
"""Checks that start a process or export."""
TRAINING = ("check_recipes_run", "check_loss_falls")
ABSENT = {
    "check_trainer_parts_build",
    "check_trainer_parts_run",
    "check_shipped_runs",
    "check_probes",
    "check_pairs",
    "check_services",
    "check_services_refuse_damage",
}
"""What the plugin of `scionwood new` does not have."""
NOTHING = {
    **dict.fromkeys(
        [
            *LONG[:1],
            "check_attach_is_identity",
            "check_only_adapter_trains",
            "check_trainable_tensors_get_gradients",
            "check_base_is_untouched_by_a_step",
            "check_merge_equals_unmerged",
        ],
        "no backbones and no adapter methods",
    ),
    **{name: "no backbones" for name in BY_NAME if name.startswith("check_backbones_")},
    **{name: "no data" for name in BY_NAME if name.startswith("check_data_")},
    **{name: "no readers" for name in BY_NAME if name.startswith("check_readers_")},
    "check_exports": "no backbones",
    "check_trainer_parts_build": "no callbacks, loggers, optimisers or schedules",
    "check_trainer_parts_run": "no callbacks, loggers, optimisers or schedules",
    "check_vocabulary": "no commands",
}


@pytest.mark.parametrize("training", [False, True])
def test_a_sound_plugin_passes(sample, training, subtests):
    plugin = sample.plugin()
    for name, check in BY_NAME.items():
        if name not in LONG and name not in ABSENT and (name in TRAINING) == training:
            with subtests.test(name):
                assert not check(plugin)


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_a_sound_plugin_passes_a_long_check(sample, name):
    assert not BY_NAME[name](sample.plugin())


@table("name", NOTHING)
def test_a_plugin_without_such_parts_has_nothing_to_check(name):
    with pytest.raises(NothingToCheck, match=NOTHING[name]):
        BY_NAME[name](Plugin("x"))
