from scionwood import Plugin
from scionwood_audit.audits import write as write
from scionwood_audit.cohort import Cohort as Cohort
from scionwood_audit.cohort import Weights as Weights
from scionwood_audit.cohort import compare as compare
from scionwood_audit.cohort import weights_of as weights_of
from scionwood_audit.corruption.battery import draw_and_test as draw_and_test
from scionwood_audit.evaluation.carded import write_card as write_card
from scionwood_audit.evaluation.shown import page_of as page_of
from scionwood_audit.record import Audit as Audit
from scionwood_audit.record import AuditError as AuditError
from scionwood_audit.record import Row as Row
from scionwood_audit.verbs.audit import audit_adapter as audit_adapter
from scionwood_audit.verbs.audit import audit_run as audit_run
from scionwood_audit.verbs.audit import audit_training as audit_training

plugin: Plugin
__all__: list[str]
