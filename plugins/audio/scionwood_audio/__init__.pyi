from scionwood import Plugin
from scionwood_audio.errors import RateError as RateError
from scionwood_audio.errors import TorchaudioError as TorchaudioError
from scionwood_audio.errors import WindowMismatchError as WindowMismatchError
from scionwood_audio.evaluation.scores import score_events as score_events
from scionwood_audio.inference.finding import find as find
from scionwood_audio.inference.spotting import Spotter as Spotter
from scionwood_audio.inference.spotting import Stream as Stream
from scionwood_audio.verbs.options import FindOptions as FindOptions
from scionwood_audio.verbs.options import LayersOptions as LayersOptions
from scionwood_audio.verbs.score import layers as layers
from scionwood_audio.verbs.words import SpotOptions as SpotOptions
from scionwood_audio.verbs.words import compare as compare
from scionwood_audio.verbs.words import enrol as enrol
from scionwood_audio.verbs.words import spot as spot

plugin: Plugin
__all__: list[str]
