from scionwood import Plugin
from scionwood_atoms.inference.ase_calculator import calculator as calculator
from scionwood_atoms.verbs.checkpoint import write_checkpoint as write_checkpoint
from scionwood_atoms.verbs.choose import choose as choose
from scionwood_atoms.verbs.evaluate import evaluate as evaluate
from scionwood_atoms.verbs.inspect import inspect as inspect
from scionwood_atoms.verbs.md import md as md
from scionwood_atoms.verbs.options import MdOptions as MdOptions
from scionwood_atoms.verbs.predict import predict as predict
from scionwood_atoms.verbs.relax import relax as relax
from scionwood_atoms.verbs.select import select as select

plugin: Plugin
__all__: list[str]
