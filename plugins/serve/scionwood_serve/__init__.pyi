from scionwood import Plugin
from scionwood_serve.exports.vllm import export_vllm as export_vllm
from scionwood_serve.verbs.export import export as export
from scionwood_serve.versions.problem import ServingError as ServingError
from scionwood_serve.versions.registry import VersionRegistry as VersionRegistry
from scionwood_serve.versions.snapshot import Version as Version
from scionwood_serve.versions.snapshot import take_version as take_version
from scionwood_serve.web.counters import Counters as Counters
from scionwood_serve.web.limits import Limits as Limits
from scionwood_serve.web.limits import RequestLimits as RequestLimits
from scionwood_serve.worker.options import EngineOptions as EngineOptions
from scionwood_serve.worker.sharing import Pool as Pool

plugin: Plugin
__all__: list[str]
