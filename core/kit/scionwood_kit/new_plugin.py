"""Write a new plugin from the template: a distribution that installs and passes its checks."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from keyword import iskeyword
from pathlib import Path
from re import fullmatch
from string import Template
from tempfile import TemporaryDirectory

from scionwood import __version__
from scionwood.cli.command import prints
from scionwood.errors import OutputExistsError, PluginError
from scionwood.plugins import discovery
from scionwood.plugins.plugin import API
from scionwood_sandbox.files import writing

_ENDING = ".tmpl"
_RENAMED = {"gitignore": ".gitignore"}


def _show(written: Path) -> None:
    name = written.name
    print(f"{written}\npip install -e {written}\nscionwood check {name}")


@prints(_show)
def new(name: str, folder: Path = Path()) -> Path:
    """Write a plugin that passes its checks, whole or not at all.

    Args:
        name: its name in lower case, as in hydrology.
        folder: where to write.

    Returns:
        The new folder, ready for `pip install -e`.

    Raises:
        PluginError: the name is not snake_case, is a command, or belongs to a plugin.
        OutputExistsError: the folder exists.
        WriteError: the folder cannot be written.

    Example:
        >>> from scionwood_kit import new
        >>> new("hydrology").name
        'hydrology'
    """
    _validate(name)
    target = folder / name
    if target.exists():
        remedy = "Choose another name, or another folder: scionwood new NAME FOLDER"
        raise OutputExistsError(str(target), "the folder of a new plugin must not exist", remedy)
    words = {
        "name": name,
        "title": name.replace("_", " "),
        "package": f"scionwood_{name}",
        "distribution": f"scionwood-{name.replace('_', '-')}",
        "core": __version__,
        "api": str(API),
    }
    with writing(target):
        folder.mkdir(parents=True, exist_ok=True)
        # The folder gets its name when it is complete.
        with TemporaryDirectory(prefix=f".{name}-", dir=folder) as temporary:
            part = Path(temporary) / name
            part.mkdir()
            _copy(files("scionwood_kit") / "template", part, words)
            part.rename(target)
    return target


def _validate(name: str) -> None:
    if not fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or iskeyword(name):
        rule = "a plugin's name is snake_case: lower-case letters, digits, single underscores"
        raise PluginError(f"{name!r}", rule, "Such as hydrology or my_optics")
    if name in discovery.verbs():
        rule = "it is a command of scionwood, which would hide the plugin"
        raise PluginError(f"{name!r}", rule, "Choose another name")
    reserved = {*discovery.entries(), *discovery.extras()}
    if name in reserved:
        remedy = f"Choose another name than {', '.join(sorted(reserved))}"
        raise PluginError(f"{name!r}", "a plugin has this name", remedy)


def _copy(source: Traversable, target: Path, words: dict[str, str]) -> None:
    for item in source.iterdir():
        if item.is_dir() and item.name != "__pycache__":
            folder = target / (words["package"] if item.name == "package" else item.name)
            folder.mkdir()
            _copy(item, folder, words)
        elif item.name.endswith(_ENDING):
            plain = item.name.removesuffix(_ENDING)
            text = Template(item.read_text("utf-8")).substitute(words)
            (target / _RENAMED.get(plain, plain)).write_text(text, "utf-8")
