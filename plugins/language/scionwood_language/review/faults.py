"""Twelve classic faults of novices in Java, each with a right line and a wrong one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Fault:
    """A kind of fault.

    Attributes:
        name: its class, as a review names it.
        what: what is wrong, one sentence.
        hint: what to think about, which is not the solution.
        body: the lines of a right method; `@` marks the line that the fault changes.
        wrong: the faulty line.
        returns: the type of the method.
    """

    name: str
    what: str
    hint: str
    body: tuple[str, ...]
    wrong: str
    returns: str = "int"


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


_SUM = ("int total = 0;", "@for (int i = 0; i < {a}.length; i++) {{", "    total += {a}[i];", "}}")
FAULTS: tuple[Fault, ...] = (
    Fault(
        "off by one",
        "The loop runs one step too far.",
        "Which is the last index of an array?",
        (*_SUM, "return total;"),
        "for (int i = 0; i <= {a}.length; i++) {{",
    ),
    Fault(
        "comparison of texts",
        "Two texts are compared by identity.",
        "When are two texts the same object, and when do they only look alike?",
        ("String {b} = read();", '@if ({b}.equals("yes")) {{', "    return 1;", "}}", "return 0;"),
        'if ({b} == "yes") {{',
    ),
    Fault(
        "missing return",
        "One way through the method returns nothing.",
        "What does the method give back if the condition is false?",
        ("if ({a}.length > 0) {{", "    return {a}[0];", "}}", "@return -1;"),
        "int {b} = -1;",
    ),
    Fault(
        "integer division",
        "The division drops the fraction.",
        "Of which type are both operands?",
        ("int {b} = {a}.length;", "@return sum({a}) / (double) {b};"),
        "return sum({a}) / {b};",
        "double",
    ),
    Fault(
        "shadowed variable",
        "A new variable hides the one that should change.",
        "Which of the two variables with this name does the caller see?",
        (
            "int {b} = 0;",
            "for (int x : {a}) {{",
            "@    {b} = Math.max({b}, x);",
            "}}",
            "return {b};",
        ),
        "    int largest = Math.max({b}, x);",
    ),
    Fault(
        "assignment in a condition",
        "The condition assigns instead of comparing.",
        "What is the value of an assignment?",
        ("boolean {b} = isEmpty({a});", "@if ({b}) {{", "    return 0;", "}}", "return {a}[0];"),
        "if ({b} = true) {{",
    ),
    Fault(
        "wrong accumulator",
        "The result starts with a value that decides it.",
        "With which start does a product stay what it is?",
        ("@int {b} = 1;", "for (int x : {a}) {{", "    {b} *= x;", "}}", "return {b};"),
        "int {b} = 0;",
    ),
    Fault(
        "missing null check",
        "The method fails if nothing was given.",
        "What may the caller pass, other than an array?",
        ("@if ({a} == null || {a}.length == 0) {{", "    return 0;", "}}", "return {a}[0];"),
        "if ({a}.length == 0) {{",
    ),
    Fault(
        "endless loop",
        "The loop never comes to its end.",
        "Which variable of the condition changes inside the loop?",
        ("int {b} = {a}.length;", "while ({b} > 0) {{", "@    {b} -= 1;", "}}", "return {b};"),
        "    {a}[0] += 1;",
    ),
    Fault(
        "misplaced semicolon",
        "The condition has an empty body.",
        "What belongs to the condition: the block, or what stands before it?",
        ("int {b} = {a}[0];", "@if ({b} < 0) {{", "    {b} = 0;", "}}", "return {b};"),
        "if ({b} < 0); {{",
    ),
    Fault(
        "ignored result",
        "The result of a call is thrown away.",
        "Does a text change, or does the call give a new one?",
        ("String {b} = read();", "@{b} = {b}.trim();", "return {b}.length();"),
        "{b}.trim();",
    ),
    Fault(
        "wrong operator",
        "The two conditions are joined by the wrong operator.",
        "Can a number be below the one bound and above the other?",
        (
            "int {b} = {a}[0];",
            "@if ({b} < 0 || {b} > 100) {{",
            "    return -1;",
            "}}",
            "return {b};",
        ),
        "if ({b} < 0 && {b} > 100) {{",
    ),
)
"""The faults, in the order in which they are drawn."""

_NAMES = ("values", "numbers", "marks", "prices", "scores", "temps")
_OTHERS = ("result", "best", "answer", "count", "first", "value")
_METHODS = ("compute", "evaluate", "process", "check", "find", "handle")


def program(fault: Fault, random: Random) -> Program:
    """Return a program with a fault, with names and harmless lines that are drawn.

    Args:
        fault: the kind of fault.
        random: the generator.
    """
    names: Mapping[str, str] = {"a": random.choice(_NAMES), "b": random.choice(_OTHERS)}
    lines = [f"class Task{random.randrange(1000)} {{"]
    for number in range(random.randrange(3)):
        lines.append(f"    static final int LIMIT_{number} = {random.randrange(100)};")
    lines.append(f"    static {fault.returns} {random.choice(_METHODS)}(int[] {names['a']}) {{")
    solution, at = "", 0
    for line in fault.body:
        is_faulty = line.startswith("@")
        text = (fault.wrong if is_faulty else line).format(**names)
        lines.append(f"        {text}")
        if is_faulty:
            at, solution = len(lines), line.removeprefix("@").format(**names).strip()
    lines += ["    }", "}"]
    return Program("\n".join(lines), at, fault, solution)
