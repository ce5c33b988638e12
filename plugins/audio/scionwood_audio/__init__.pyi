from scionwood import Plugin
from scionwood_audio.errors import RateError as RateError
from scionwood_audio.errors import WindowMismatchError as WindowMismatchError
from scionwood_audio.evaluation.scores import score_events as score_events
from scionwood_audio.inference.finding import find as find
from scionwood_audio.verbs.options import FindOptions as FindOptions

plugin: Plugin
__all__: list[str]
