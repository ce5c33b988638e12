from scionwood import Plugin
from scionwood_scale.graph import CudaGraph as CudaGraph
from scionwood_scale.prefix.cache import FrozenPrefix as FrozenPrefix
from scionwood_scale.prefix.callback import PrefixCache as PrefixCache

plugin: Plugin
__all__: list[str]
