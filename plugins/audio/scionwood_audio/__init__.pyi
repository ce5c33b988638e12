from scionwood import Plugin
from scionwood_audio.errors import RateError as RateError
from scionwood_audio.errors import WindowMismatchError as WindowMismatchError
from scionwood_audio.verbs.layers import LayersOptions as LayersOptions
from scionwood_audio.verbs.layers import layers as layers

plugin: Plugin
__all__: list[str]
