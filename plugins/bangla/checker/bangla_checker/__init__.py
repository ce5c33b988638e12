"""Check how a Bangla text addresses people, and rewrite it at one level of address."""

from __future__ import annotations

from bangla_checker.checks import check_text as check_text
from bangla_checker.checks.findings import RULES as RULES
from bangla_checker.checks.findings import Fault as Fault
from bangla_checker.checks.findings import Findings as Findings
from bangla_checker.checks.findings import Undecided as Undecided
from bangla_checker.checks.letters import looks_like_letter as looks_like_letter
from bangla_checker.checks.letters import parts as parts
from bangla_checker.checks.letters import structure_score as structure_score
from bangla_checker.command import Output as Output
from bangla_checker.command import Request as Request
from bangla_checker.command import run as run
from bangla_checker.errors import CheckerError as CheckerError
from bangla_checker.errors import OptionError as OptionError
from bangla_checker.errors import SaveError as SaveError
from bangla_checker.errors import TextError as TextError
from bangla_checker.lexicon import LEVELS as LEVELS
from bangla_checker.lexicon import SUBJECTS as SUBJECTS
from bangla_checker.lexicon import TENSES as TENSES
from bangla_checker.lexicon import Pronoun as Pronoun
from bangla_checker.lexicon import Reading as Reading
from bangla_checker.lexicon import forms as forms
from bangla_checker.lexicon import inflect as inflect
from bangla_checker.lexicon import pronoun_for as pronoun_for
from bangla_checker.lexicon import pronoun_of as pronoun_of
from bangla_checker.lexicon import readings as readings
from bangla_checker.lexicon import verb_names as verb_names
from bangla_checker.lexicon.levels import levels_of as levels_of
from bangla_checker.lexicon.words import is_homograph as is_homograph
from bangla_checker.lexicon.words import polite_calls as polite_calls
from bangla_checker.reports.report import as_json as as_json
from bangla_checker.reports.report import as_text as as_text
from bangla_checker.rewriter.restate import Rewriting as Rewriting
from bangla_checker.rewriter.restate import is_right as is_right
from bangla_checker.rewriter.restate import restate as restate
from bangla_checker.rewriter.restate import rewrite as rewrite
from bangla_checker.text.normalise import BENGALI as BENGALI
from bangla_checker.text.normalise import normalise as normalise
from bangla_checker.text.reading import MOJIBAKE as MOJIBAKE
from bangla_checker.text.reading import is_bijoy as is_bijoy
from bangla_checker.text.reading import mixed_words as mixed_words
from bangla_checker.text.reading import read_text as read_text
from bangla_checker.text.reading import require_bangla as require_bangla
