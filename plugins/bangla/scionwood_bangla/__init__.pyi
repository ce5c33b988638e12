from bangla_checker import Fault as Fault
from bangla_checker import Findings as Findings
from bangla_checker import check_text as check_text
from bangla_checker import normalise as normalise
from bangla_checker import restate as restate
from scionwood import Plugin
from scionwood_bangla.evaluation.scores import score_texts as score_texts
from scionwood_bangla.inference import Writer as Writer
from scionwood_bangla.text.examples import Example as Example
from scionwood_bangla.text.reading import read_text as read_text
from scionwood_bangla.verbs.generate import GenerateOptions as GenerateOptions
from scionwood_bangla.verbs.generate import GenerateRequest as GenerateRequest
from scionwood_bangla.verbs.generate import generate as generate
from scionwood_bangla.verbs.options import CheckRequest as CheckRequest
from scionwood_language import Answer as Answer
from scionwood_language import Decoding as Decoding
from scionwood_language import merge as merge

plugin: Plugin
__all__: list[str]
