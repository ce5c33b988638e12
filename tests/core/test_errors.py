"""Errors state value, rule and remedy, belong to one tree, and can be pickled."""

import pickle

from case_table import table

from scionwood import errors

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.ScionwoodError)
]


@table("kind", KINDS)
def test_a_message_says_value_rule_and_remedy_also_when_it_was_pickled(kind):
    error = kind("a.sgy", "has 3600 bytes at least", "Fetch it again")
    assert isinstance(error, errors.ScionwoodError)
    for each in (error, pickle.loads(pickle.dumps(error))):
        assert str(each) == "a.sgy: has 3600 bytes at least. Fetch it again"
        assert (type(each), each.remedy) == (kind, "Fetch it again")


@table("kind", [k for k in KINDS if k is not errors.ScionwoodError])
def test_every_error_is_also_a_builtin_exception(kind):
    own = {errors.ScionwoodError, Exception, BaseException, object, *KINDS}
    assert set(kind.__mro__) - own


def test_an_empty_rule_leaves_no_colon():
    assert str(errors.PluginError("gone")) == "gone"


@table("kind", KINDS)
def test_control_characters_of_a_file_are_escaped_and_the_attributes_keep_them(kind):
    name = "a\x1b[2J\r\n\x9b1m\u202e\ud800\u2028.sgy"
    error = kind(name, "has \x07 in\nit", "Rename\tit")
    told = r"a\x1b[2J\r\n\x9b1m\u202e\ud800\u2028.sgy: has \x07 in" + "\nit. Rename\tit"
    assert str(error) == told
    assert (error.value, str(pickle.loads(pickle.dumps(error)))) == (name, told)


def test_letters_of_any_language_stay():
    text = "ক্ষ ক্‍ষ é α → “x” 🌱"  # noqa: RUF001
    assert errors.visible(text) == text
