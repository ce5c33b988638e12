from scionwood import Plugin
from scionwood_methods.attachment import adapt as adapt
from scionwood_methods.attachment import method_config as method_config
from scionwood_methods.composition import AdapterGates as AdapterGates
from scionwood_methods.composition import composed as composed
from scionwood_methods.diagnosis.run import diagnose_run as diagnose_run
from scionwood_methods.selection.options import ProxyRun as ProxyRun
from scionwood_methods.verbs.diagnose import diagnose as diagnose
from scionwood_methods.verbs.select import select_examples as select_examples
from scionwood_methods.verbs.sequence import learn_sequence as learn_sequence
from scionwood_methods.verbs.study import study as study

plugin: Plugin
__all__: list[str]
