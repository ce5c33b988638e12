from scionwood import Plugin
from scionwood_pde.adapters.published import adopt as adopt
from scionwood_pde.readers.files import open_states as open_states
from scionwood_pde.readers.files import write_states as write_states
from scionwood_pde.readers.states import as_dataset as as_dataset
from scionwood_pde.verbs.accessor import register as register
from scionwood_pde.verbs.choose import ChooseOptions as ChooseOptions
from scionwood_pde.verbs.choose import choose as choose
from scionwood_pde.verbs.convert import convert as convert
from scionwood_pde.verbs.decode import decode as decode
from scionwood_pde.verbs.encode import encode as encode
from scionwood_pde.verbs.evaluate import Scores as Scores
from scionwood_pde.verbs.evaluate import evaluate as evaluate
from scionwood_pde.verbs.options import DecodeOptions as DecodeOptions
from scionwood_pde.verbs.options import EncodeOptions as EncodeOptions
from scionwood_pde.verbs.options import Placing as Placing
from scionwood_pde.verbs.options import RolloutOptions as RolloutOptions
from scionwood_pde.verbs.rollout import rollout as rollout
from scionwood_pde.verbs.simulate import simulate as simulate

plugin: Plugin
__all__: list[str]
