"""Discovery: problems are values, names are unique, and every message has a remedy."""

import pytest

import scionwood
from scionwood import Plugin, PluginError, find, load
from scionwood.authoring import plugins, refresh
from scionwood.plugins import discovery
from scionwood.plugins.plugin import FUNCTIONS

GOOD = """
from scionwood import Plugin
plugin = Plugin(name="good", summary="fine", tasks={"sum": "math:fsum", "lost": "math:nothing"})
"""

BROKEN = {
    "an import error": ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
    "a syntax error": ("def", "SyntaxError"),
    "an exit at import": ("raise SystemExit(3)", "SystemExit: 3"),
    "no plugin": ("plugin = 1", "int, not a scionwood.Plugin"),
    "a newer API": (
        "from scionwood import Plugin; plugin = Plugin(name='bad', api=99)",
        "Take a newer Scionwood",
    ),
    "an older API": (
        "from scionwood import Plugin; plugin = Plugin(name='bad', api=0)",
        "Upgrade the plugin",
    ),
    "another name": ("from scionwood import Plugin; plugin = Plugin(name='x')", "unlike"),
}


@pytest.mark.parametrize(("code", "problem"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_is_reported_and_does_not_stop_the_others(distribution, code, problem):
    distribution("bad", code)
    distribution("good", GOOD)
    entries = {item.name: item for item in plugins()}
    assert problem in entries["bad"].problem
    assert entries["bad"].distributions == ("fake-bad 1.0",)
    assert entries["good"].plugin is not None
    with pytest.raises(PluginError, match="bad"):
        load("tasks", "bad/any")


def test_ctrl_c_passes_through(distribution):
    distribution("bad", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        find("bad")


def test_two_distributions_with_one_name_are_an_error_that_names_both(distribution):
    distribution("good", GOOD, dist="fake-one")
    distribution("good", GOOD, dist="fake-two")
    problem = find("good").problem
    assert "fake-one 1.0" in problem
    assert "fake-two 1.0" in problem
    assert "Uninstall one" in problem


def test_the_same_plugin_in_two_distributions_is_not_an_error(distribution):
    distribution("good", GOOD, dist="fake-one", module="fake_good")
    distribution("good", GOOD, dist="fake-two", module="fake_good")
    assert isinstance(find("good").plugin, Plugin)


def test_load_imports_one_component(distribution):
    distribution("good", GOOD)
    assert load("tasks", "good/sum")([1, 2]) == 3


@pytest.mark.parametrize(
    ("reference", "remedy"),
    [
        ("good/sums", "Did you mean 'sum'"),
        ("good/lost", "math:nothing"),
        ("sum", "Did you mean 'good/sum'"),
        ("goood/sum", "Did you mean 'good'"),
    ],
)
def test_a_wrong_reference_suggests_the_nearest_right_one(distribution, reference, remedy):
    distribution("good", GOOD)
    with pytest.raises(PluginError, match=remedy):
        load("tasks", reference)


def test_a_plugin_named_like_a_command_of_the_core_is_listed_with_that_problem(distribution):
    for name in FUNCTIONS:
        distribution(name, f"from scionwood import Plugin; plugin = Plugin(name={name!r})")
    for name in FUNCTIONS:
        assert f"named like the command `scionwood {name}`" in find(name).problem


def test_a_missing_plugin_of_an_extra_suggests_its_pip_command(monkeypatch):
    lines = [
        'scionwood-hydrology==0.1.0; extra == "hydrology"',
        'tensorboard>=2; extra == "tensorboard"',
    ]
    monkeypatch.setattr(discovery, "requires", lambda name: lines)
    assert discovery.extras() == ("hydrology",)
    with pytest.raises(PluginError, match="clone of Scionwood: pip install -e plugins/hydrology"):
        load("tasks", "hydrology/runoff")


def test_the_extras_of_this_distribution_are_read_from_its_metadata():
    assert "seismic" in discovery.extras()
    assert not {"dev", "all", "tensorboard"} & set(discovery.extras())


def test_an_environment_variable_switches_plugins_off(distribution, monkeypatch):
    distribution("good", GOOD)
    monkeypatch.setenv("SCIONWOOD_DISABLE", "other, good")
    refresh()
    assert "good" not in {item.name for item in plugins()}
    assert "switched off by SCIONWOOD_DISABLE" in find("good").problem
    assert "switched off" not in find("goo").problem  # a part of a name is another name
    monkeypatch.setenv("SCIONWOOD_DISABLE", "*")
    refresh()
    assert plugins() == []


def test_refresh_sees_a_plugin_that_was_installed_since(distribution):
    assert find("good").plugin is None
    distribution("good", GOOD)  # refreshes
    assert find("good").plugin is not None


def test_plugins_have_short_texts_and_tables_in_notebooks(distribution):
    code = "from scionwood import Plugin\nplugin = Plugin('sea', '<b>waves</b>', data={'d': 'x:y'})"
    distribution("sea", code)
    distribution("bad", "raise ValueError('<i>no</i>')")
    found = discovery.plugins()
    assert "waves" not in repr(discovery.find("sea"))
    assert "problem='ValueError: <i>no</i>'" in repr(discovery.find("bad"))
    assert repr(discovery.record("sea")) == "Plugin('sea', 1 data)"
    for page in (found, discovery.record("sea")):
        assert "&lt;b&gt;waves&lt;/b&gt;" in page._repr_html_()
        assert "<b>" not in page._repr_html_()
    assert "&lt;i&gt;no&lt;/i&gt;" in found._repr_html_()


def test_dir_shows_public_names_only():
    hidden = {"annotations", "import_module", "attach_stub", "Any"}
    assert not hidden & set(dir(scionwood))
    assert set(scionwood.__all__) <= set(dir(scionwood))
