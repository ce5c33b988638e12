from scionwood import Plugin
from scionwood_atoms.inference.ase_calculator import calculator as calculator
from scionwood_atoms.verbs.choose import choose as choose
from scionwood_atoms.verbs.evaluate import evaluate as evaluate
from scionwood_atoms.verbs.inspect import inspect as inspect

plugin: Plugin
__all__: list[str]
