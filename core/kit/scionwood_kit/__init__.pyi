from scionwood_kit.fuzzing.corpus import replay as replay
from scionwood_kit.fuzzing.parser import Parser as Parser
from scionwood_kit.new_plugin import new as new
from scionwood_kit.rules import CheckAdvice as CheckAdvice
from scionwood_kit.rules import CheckFailure as CheckFailure
from scionwood_kit.rules import NothingToCheck as NothingToCheck
from scionwood_kit.runner import CHECKS as CHECKS
from scionwood_kit.runner import Outcome as Outcome
from scionwood_kit.runner import parametrize_with_checks as parametrize_with_checks
from scionwood_kit.runner import run_checks as run_checks
from scionwood_kit.shipping import ship as ship

__all__: list[str]
