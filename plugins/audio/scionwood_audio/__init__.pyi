from scionwood import Plugin
from scionwood_audio.errors import RateError as RateError
from scionwood_audio.errors import WindowMismatchError as WindowMismatchError

plugin: Plugin
__all__: list[str]
