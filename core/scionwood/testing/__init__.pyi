from scionwood.testing.fuzzing.corpus import replay as replay
from scionwood.testing.fuzzing.parser import Parser as Parser
from scionwood.testing.rules import CheckAdvice as CheckAdvice
from scionwood.testing.rules import CheckFailure as CheckFailure
from scionwood.testing.rules import NothingToCheck as NothingToCheck
from scionwood.testing.runner import CHECKS as CHECKS
from scionwood.testing.runner import Outcome as Outcome
from scionwood.testing.runner import parametrize_with_checks as parametrize_with_checks
from scionwood.testing.runner import run_checks as run_checks

__all__: list[str]
