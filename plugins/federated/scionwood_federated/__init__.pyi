from scionwood import Plugin
from scionwood_federated.checks import SiteScore as SiteScore
from scionwood_federated.checks import rank_by_losses as rank_by_losses
from scionwood_federated.checks import rank_sites as rank_sites
from scionwood_federated.engines.flower_export import export_flower as export_flower
from scionwood_federated.engines.plan import NetPlan as NetPlan
from scionwood_federated.privacy.differential import Privacy as Privacy
from scionwood_federated.rules.averages import FactorMeanWarning as FactorMeanWarning
from scionwood_federated.rules.averages import exact as exact
from scionwood_federated.rules.pooled import Pooled as Pooled
from scionwood_federated.rules.registry import RULES as RULES
from scionwood_federated.rules.registry import apply as apply
from scionwood_federated.schedule import NetOptions as NetOptions
from scionwood_federated.schedule import Plan as Plan
from scionwood_federated.schedule import Schedule as Schedule
from scionwood_federated.simulation.comparison import Comparison as Comparison
from scionwood_federated.simulation.crossing import losses_at as losses_at
from scionwood_federated.update.folder import begin_round as begin_round
from scionwood_federated.update.folder import read_update as read_update
from scionwood_federated.update.folder import update_of as update_of
from scionwood_federated.update.folder import write_update as write_update
from scionwood_federated.update.pooling import PoolReport as PoolReport
from scionwood_federated.update.pooling import pool as pool
from scionwood_federated.update.record import FederationError as FederationError
from scionwood_federated.update.record import Site as Site
from scionwood_federated.update.record import Update as Update
from scionwood_federated.update.record import poolable as poolable
from scionwood_federated.update.training import train_site as train_site
from scionwood_federated.verbs.simulate import simulate as simulate

plugin: Plugin
__all__: list[str]
