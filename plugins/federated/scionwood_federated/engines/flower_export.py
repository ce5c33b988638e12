"""A Flower app as a folder: two lines of code, the plan, and the start of the first round."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from scionwood.authoring import atomic_folder, writing
from scionwood_federated.engines.plan import NetPlan
from scionwood_federated.update.folder import RECIPE, read_start
from scionwood_federated.update.record import FederationError

START = "start"
"""The folder of the start in an app."""

_CODE = '"""Written by `scionwood federated export flower`."""\n\n'
_CODE += "from scionwood_federated.engines.flower_apps import {name}_app\n\n"
_CODE += "app = {name}_app()\n"
_PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "scionwood-federation"
version = "1.0.0"
description = "Sites that cannot share data train one adapter"
license = "Apache-2.0"
dependencies = ["flwr>=1.42,<1.43", "scionwood-federated"]

[tool.hatch.build.targets.wheel]
packages = ["scionwood_app"]

[tool.flwr.app]
publisher = "scionwood"
fab-exclude = ["start/**"]

[tool.flwr.app.components]
serverapp = "scionwood_app.server_app:app"
clientapp = "scionwood_app.client_app:app"

[tool.flwr.app.config]
"""


def export_flower(start: str | Path, out: str | Path, plan: NetPlan) -> None:
    """Write an app for Flower, which appears as a whole.

    Args:
        start: what the first round starts from, as `begin` or `pool` wrote it.
        out: the folder to write.
        plan: the plan.

    Raises:
        FederationError: the start has no recipe.
        AdapterFileError: the start is damaged.
        OutputExistsError: `out` exists.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_federated import NetPlan, begin_round, export_flower
        >>> recipe = scionwood.resolve("pde/dynamics", smoke=True)
        >>> start = begin_round(recipe, "round0")
        >>> export_flower("round0", "job", NetPlan(sites=("north", "south")))
        >>> Path("job/start").is_dir()
        True
    """
    read_start(start)
    if not (Path(start) / RECIPE).is_file():
        raise FederationError(f"start {start}", "it has no recipe", "Write it with begin")
    with writing(out), atomic_folder(out) as folder:
        shutil.copytree(start, folder / START)
        (folder / "scionwood_app").mkdir()
        (folder / "scionwood_app" / "__init__.py").write_text('"""A federation."""\n')
        for name in ("server", "client"):
            (folder / "scionwood_app" / f"{name}_app.py").write_text(_CODE.format(name=name))
        values = {**plan.dump(), "start": START, "out": "rounds", "wait": 600.0}
        lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
        text = _PROJECT + "\n".join(lines) + "\n"
        (folder / "pyproject.toml").write_text(text, encoding="utf-8")


def plan_of(app: str | Path) -> NetPlan:
    """Return the plan of an app that `export_flower` wrote.

    Raises:
        FederationError: the folder is no such app.
    """
    import tomllib

    path = Path(app) / "pyproject.toml"
    try:
        record = tomllib.loads(path.read_text(encoding="utf-8"))
        return NetPlan.parse(record["tool"]["flwr"]["app"]["config"])
    except (OSError, tomllib.TOMLDecodeError, KeyError, ValueError) as error:
        remedy = "Write it: scionwood federated export flower"
        raise FederationError(
            f"app {app}", f"it is no app of a federation ({error})", remedy
        ) from error
