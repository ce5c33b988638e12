from scionwood import Plugin
from scionwood_bangla.checker import Fault as Fault
from scionwood_bangla.checker import Findings as Findings
from scionwood_bangla.checker import check_text as check_text
from scionwood_bangla.checker.restate import restate as restate
from scionwood_bangla.checker.scores import score_texts as score_texts
from scionwood_bangla.evaluation.quality import Quality as Quality
from scionwood_bangla.evaluation.quality import judge_answer as judge_answer
from scionwood_bangla.inference import Writer as Writer
from scionwood_bangla.readers.load import read_examples as read_examples
from scionwood_bangla.text.examples import Example as Example
from scionwood_bangla.text.normalise import normalise as normalise
from scionwood_bangla.text.reading import read_text as read_text
from scionwood_bangla.verbs.evaluate import EvaluateOptions as EvaluateOptions
from scionwood_bangla.verbs.evaluate import evaluate as evaluate
from scionwood_bangla.verbs.generate import GenerateOptions as GenerateOptions
from scionwood_bangla.verbs.generate import GenerateRequest as GenerateRequest
from scionwood_bangla.verbs.generate import generate as generate
from scionwood_bangla.verbs.options import AddressOptions as AddressOptions
from scionwood_bangla.verbs.options import CheckRequest as CheckRequest
from scionwood_bangla.verbs.options import ExampleOptions as ExampleOptions
from scionwood_bangla.verbs.options import WriterOptions as WriterOptions
from scionwood_bangla.verbs.prefer import PreferOptions as PreferOptions
from scionwood_bangla.verbs.prefer import prefer as prefer
from scionwood_language import Answer as Answer
from scionwood_language import Decoding as Decoding
from scionwood_language import merge as merge

plugin: Plugin
__all__: list[str]
