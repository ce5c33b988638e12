"""The survey and the doctor survive plugins that hang or end their process."""

import time

import pytest

from scionwood import Plugin
from scionwood.plugins.survey import doctor, survey

GOOD = "from scionwood import Plugin; plugin = Plugin(name='good', tasks={'sum': 'math:fsum'})"
SEVEN = {
    "imports": "import not_there",
    "exits": "raise SystemExit(3)",
    "syntax": "def",
    "version": "from scionwood import Plugin; plugin = Plugin(name='version', api=99)",
    "hangs": "import time; time.sleep(600)",
    "ends": "import os; os._exit(7)",
    "twice": GOOD,
}
WORDS = {
    "imports": "ModuleNotFoundError",
    "exits": "SystemExit",
    "syntax": "SyntaxError",
    "version": "API 99",
    "hangs": "hangs at import",
    "ends": "ends its process",
    "twice": "two distributions",
}


@pytest.mark.slow
def test_seven_broken_plugins_do_not_hide_a_working_one(distribution):
    for name, code in SEVEN.items():
        distribution(name, code)
    distribution("twice", GOOD, dist="fake-again")
    distribution("good", GOOD)
    start = time.monotonic()
    entries = {item.name: item for item in survey(timeout=1)}
    assert time.monotonic() - start < 30  # the hanging plugin sleeps for 600
    for name, words in WORDS.items():
        assert words in entries[name].problem, name
    assert entries["good"].plugin == Plugin(name="good", tasks={"sum": "math:fsum"})


def test_the_doctor_imports_every_component(alone, distribution):
    distribution("ends", SEVEN["ends"])
    distribution("hangs", SEVEN["hangs"])
    lost = GOOD.replace("good", "lost").replace("math:fsum", "not_there:x")
    distribution("lost", lost)
    distribution("good", GOOD)
    faults = {name: "; ".join(texts) for name, texts in doctor(timeout=10).items()}
    assert "code 7" in faults["ends"]
    assert "hangs" in faults["hangs"]
    assert "not_there:x" in faults["lost"]
    assert faults["good"] == ""
