from scionwood.adapters.attaching import attach as attach
from scionwood.adapters.buffers import BaseChangedWarning as BaseChangedWarning
from scionwood.adapters.fresh import FrozenHeadWarning as FrozenHeadWarning
from scionwood.adapters.head import eval_frozen_norms as eval_frozen_norms
from scionwood.adapters.head import freeze as freeze
from scionwood.adapters.head import unfreeze as unfreeze
from scionwood.adapters.head_file import load_head as load_head
from scionwood.adapters.head_file import save_head as save_head
from scionwood.adapters.identity import base_hash as base_hash
from scionwood.adapters.identity import remembered_hash as remembered_hash
from scionwood.adapters.load import load_adapter as load_adapter
from scionwood.adapters.methods import config_class as config_class
from scionwood.adapters.operate import allocate as allocate
from scionwood.adapters.operate import compose as compose
from scionwood.adapters.operate import merge as merge
from scionwood.adapters.operate import unmerge as unmerge
from scionwood.adapters.peft_types import peft_method as peft_method
from scionwood.adapters.reporting import Report as Report
from scionwood.adapters.reporting import parameter_groups as parameter_groups
from scionwood.adapters.reporting import report as report
from scionwood.adapters.save import adapter_state as adapter_state
from scionwood.adapters.save import save_adapter as save_adapter
from scionwood.adapters.tuner import LayerTuner as LayerTuner

__all__: list[str]
