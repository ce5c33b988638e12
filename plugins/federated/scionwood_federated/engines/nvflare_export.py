"""A job of NVFlare as a folder. Its files are checked; the engine was not run here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scionwood_federated.engines.exporting import START, export_folder
from scionwood_federated.engines.plan import NetPlan
from scionwood_federated.update.folder import write_json

NAME = "scionwood_federation"
CONTROLLER = "scionwood_controller"
EXECUTOR = "nvflare.app_common.executors.client_api_executor.ClientAPIExecutor"
SCRIPT = "scionwood_site.py"
_CODE = '''"""Written by `scionwood federated export nvflare`."""

from scionwood_federated.engines.nvflare_apps import train

if __name__ == "__main__":
    train()
'''
_RUN = '''"""Written by `scionwood federated export nvflare`."""

from nvflare.app_common.workflows.model_controller import ModelController

from scionwood_federated.engines.nvflare_apps import run_rounds


class Controller(ModelController):
    """Run the rounds of a federation."""

    def __init__(self, start, out, plan):
        super().__init__()
        self._given = (start, out, plan)

    def run(self):
        """Run all rounds."""
        run_rounds(self, *self._given)
'''
_EMPTY: dict[str, Any] = {"task_data_filters": [], "task_result_filters": [], "components": []}
_README = """\
# A federation for NVFlare 2.9

Copy the folder `start` to the server, and give its place in `app/config/config_fed_server.json`.
Each site sets the environment variable `SCIONWOOD_SITE` to a JSON file with its name, its copy of
the recipe and its own options:

    {"site": "SITE", "recipe": "/data/start/recipe.yaml", "overrides": ["data.source=/data/scans"]}

The names of the sites are those of the clients in NVFlare's project. Flower and NVFlare do not fit
into one environment. Nobody ran this job on NVFlare before it was written.
"""


def export_nvflare(start: str | Path, out: str | Path, plan: NetPlan) -> None:
    """Write a job for NVFlare; see `export_folder`.

    Args:
        start: what the first round starts from.
        out: the folder to write.
        plan: the plan.

    Example:
        >>> from pathlib import Path
        >>> from scionwood_federated import NetPlan, begin_round, export_nvflare
        >>> recipe = scionwood.resolve("pde/dynamics", smoke=True)
        >>> start = begin_round(recipe, "round0")
        >>> export_nvflare("round0", "job", NetPlan(sites=("north", "south")))
        >>> Path("job/start").is_dir()
        True
    """
    with export_folder(start, out) as folder:
        (folder / "app" / "config").mkdir(parents=True)
        (folder / "app" / "custom").mkdir()
        (folder / "app" / "custom" / SCRIPT).write_text(_CODE, encoding="utf-8")
        (folder / "app" / "custom" / f"{CONTROLLER}.py").write_text(_RUN, encoding="utf-8")
        (folder / "README.md").write_text(_README, encoding="utf-8")
        write_json(folder / "meta.json", _meta(plan))
        write_json(folder / "app" / "config" / "config_fed_server.json", _server(plan))
        write_json(folder / "app" / "config" / "config_fed_client.json", _client())


def _meta(plan: NetPlan) -> dict[str, Any]:
    return {
        "name": NAME,
        "resource_spec": {},
        "min_clients": plan.least,
        "mandatory_clients": [],
        "deploy_map": {"app": ["@ALL"]},
    }


def _server(plan: NetPlan) -> dict[str, Any]:
    values = {"start": START, "out": "rounds", "plan": plan.dump()}
    workflow = {"id": "rounds", "path": f"{CONTROLLER}.Controller", "args": values}
    return {"format_version": 2, "workflows": [workflow], **_EMPTY}


def _client() -> dict[str, Any]:
    values = {
        "execution_mode": "in_process",
        "task_script_path": SCRIPT,
        "params_exchange_format": "raw",
        "server_expected_format": "raw",
        "params_transfer_type": "FULL",
    }
    executor = {"tasks": ["train"], "executor": {"path": EXECUTOR, "args": values}}
    return {"format_version": 2, "executors": [executor], **_EMPTY}
