"""Every message exists in Bangla, and says its words in both languages."""

import ast
import json
from pathlib import Path

from bangla_labelled import letters, sentences

import bangla_checker
from bangla_checker import check_text, normalise
from bangla_checker.command import main
from bangla_checker.messages import Message, catalogue, said

PACKAGE = Path(bangla_checker.__file__).parent


def test_every_template_has_the_same_words_in_bangla():
    templates = {
        node.args[0].value
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Message"
        if node.args and isinstance(node.args[0], ast.Constant)
    }
    assert len(templates) > 12
    assert templates <= catalogue().keys()
    for english, bangla in catalogue().items():
        words = {name for part in english.split("{")[1:] if (name := part.split("}")[0])}
        assert all(f"{{{name}}}" in bangla for name in words), english


def test_what_the_checker_says_of_labelled_texts_is_all_in_the_catalogue():
    known = catalogue()
    texts = [item.text for item in sentences()] + [item["text"] for item in letters()]
    for text in texts:
        findings = check_text(text, letter=None, chandrabindu=True)
        reasons = [item.reason for item in findings.undecided]
        reasons += [word for fault in findings.faults for word in (fault.reason, fault.question)]
        for reason in filter(None, reasons):
            assert getattr(reason, "template", reason) in known, reason


def test_a_message_is_said_in_bangla_with_the_words_inside_it():
    message = Message("{first} or {second}", first="tui", second="apni")
    assert (str(message), said(message, "bn")) == ("tui or apni", "তুই বা আপনি")
    assert said(Message("line {line}", line=12), "bn") == "সারি ১২"


def test_the_command_explains_in_bangla(tmp_path, capsys):
    path = tmp_path / "letter.txt"
    path.write_text("আপনি কেমন আছ?", "utf-8")
    assert main([str(path), "--language", "bn"]) == 1
    assert normalise("আপনি কর্তার সঙ্গে আছ মেলে না") in normalise(capsys.readouterr().out)
    assert main([str(path), "--language", "bn", "--json", "--exit-zero"]) == 0
    (fault,) = json.loads(capsys.readouterr().out)["faults"]
    assert normalise(fault["reason"]) == normalise("আপনি কর্তার সঙ্গে আছ মেলে না")
