"""Twelve classic faults, planted into real programs: functions of Python's standard library."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from random import Random


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Attributes:
        name: its class, as a review names it.
        what: what is wrong, one sentence.
        hint: what to think about, which is not the solution.
        templates: a pattern of a right line, and what takes its place; three each.
    """

    name: str
    what: str
    hint: str
    templates: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Program:
    """A program with one fault.

    Attributes:
        code: the program.
        line: the number of the faulty line, from 1.
        fault: the kind of fault.
        solution: the right line, which no review may show.
    """

    code: str
    line: int
    fault: Fault
    solution: str


FAULTS: tuple[Fault, ...] = (
    Fault(
        "off by one",
        "A range is one step too long.",
        "Which is the last place that exists?",
        ((r"range\(([^(),]+)\)", r"range(\1 + 1)"), (r"(len\(\w+\)) - 1", r"\1"), (r"\[1:", "[0:")),
    ),
    Fault(
        "wrong bound",
        "A comparison treats the bound itself wrongly.",
        "What shall happen if both sides are equal?",
        ((" <= ", " < "), (" >= ", " > "), (" < ", " <= ")),
    ),
    Fault(
        "comparison by identity",
        "Two values are compared as objects.",
        "When are two objects the same, and when do they only look alike?",
        ((" == ", " is "), (" != ", " is not "), (" not in ", " is not ")),
    ),
    Fault(
        "inverted condition",
        "A condition says the opposite.",
        "In which case shall the block run?",
        (("if not ", "if "), (r"if ([\w.]+):", r"if not \1:"), (r" is None", " is not None")),
    ),
    Fault(
        "wrong logic",
        "Two conditions are joined in the wrong way.",
        "Must both hold, or is one enough?",
        ((" and ", " or "), (" or ", " and "), (r"\ball\(", "any(")),
    ),
    Fault(
        "missing return",
        "A value is computed and not handed back.",
        "What does the caller get?",
        ((r"return (\w+\()", r"\1"), (r"return (\w+)$", r"\1"), (r"return (.+ .+)", r"\1")),
    ),
    Fault(
        "wrong arithmetic",
        "A calculation uses the wrong operation.",
        "Try it with small numbers: does the result grow as it should?",
        ((r" \+ ", " - "), (" - ", " + "), (r" \* ", " + ")),
    ),
    Fault(
        "wrong division",
        "A division gives another kind of result.",
        "Is the quotient wanted, its whole part, or the rest?",
        ((" // ", " / "), (" / ", " // "), (" % ", " // ")),
    ),
    Fault(
        "wrong start",
        "A variable begins with a value that spoils the result.",
        "With which start does the first step give the right value?",
        ((r"^(\s*\w+) = 0$", r"\1 = 1"), (r" = \[\]$", " = None"), (r" \+= ", " = ")),
    ),
    Fault(
        "ignored result",
        "The result of a call is thrown away.",
        "Does the call change its argument, or give a new value?",
        (
            (r"^(\s*)\w+ = (\w+\()", r"\1\2"),
            (r"^(\s*)\w+ = (\w+\.\w+\()", r"\1\2"),
            (r"^(\s*)\w+ = (\w+\.\w+\.\w+\()", r"\1\2"),
        ),
    ),
    Fault(
        "wrong place",
        "Another element of the sequence is read.",
        "Which element does the name of the variable promise?",
        ((r"\[0\]", "[1]"), (r"\[-1\]", "[0]"), (r"\[1\]", "[0]")),
    ),
    Fault(
        "lost error",
        "A problem is not reported to the caller.",
        "What happens next after the bad case?",
        (("raise ", "return "), (r"except [\w., ()]+:", "except:"), (r"\bcontinue$", "break")),
    ),
)
"""The faults, in the order in which they are drawn."""

MODULES = """
argparse ast base64 bisect calendar cmd codecs colorsys configparser copy csv datetime difflib dis
email.utils fnmatch fractions ftplib functools gettext glob gzip heapq html http.client imaplib
inspect ipaddress json.decoder linecache locale mimetypes netrc ntpath numbers optparse os
pickletools pkgutil platform plistlib posixpath pprint pstats quopri random re reprlib sched shlex
shutil smtplib statistics string sysconfig tarfile textwrap tokenize traceback types urllib.parse
uuid warnings wave weakref zipfile
"""
LINES, LONGEST = range(7, 19), 550
"""The lines of a program, and its most characters; a longer one costs many tokens."""


@cache
def programs() -> tuple[str, ...]:
    """Return functions of the standard library without comments, by name; no two are alike."""
    codes: dict[str, str] = {}
    for module in MODULES.split():
        tree = ast.parse(inspect.getsource(import_module(module)))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                if ast.get_docstring(node) is not None:
                    node.body = node.body[1:] or [ast.Pass()]
                code = ast.unparse(node)
                if len(code.splitlines()) in LINES and len(code) <= LONGEST:
                    codes.setdefault(code, f"{module}.{node.name}")
    return tuple(sorted(codes, key=codes.__getitem__))


def plant(fault: Fault, template: int, sources: Sequence[str], random: Random) -> Program | None:
    """Return a program with a fault on one of its lines, or `None` if the template fits nowhere."""
    pattern, wrong = fault.templates[template]
    for code in random.sample(list(sources), len(sources)):
        lines = code.splitlines()
        places = [at for at in range(1, len(lines)) if re.search(pattern, lines[at])]
        for at in random.sample(places, len(places)):
            changed = re.sub(pattern, wrong, lines[at], count=1)
            faulty = "\n".join([*lines[:at], changed, *lines[at + 1 :]])
            if changed.strip() and lines[at].strip() not in faulty and _compiles(faulty):
                return Program(faulty, at + 1, fault, lines[at].strip())
    return None


def _compiles(code: str) -> bool:
    try:
        ast.parse(code)
    except SyntaxError:
        return False
    return True
