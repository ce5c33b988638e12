"""The normaliser gives every text one spelling."""

import unicodedata

from case_table import table
from hypothesis import given
from hypothesis import strategies as st

from bangla_checker import normalise

TABLE = {
    "yya as one character": ("\u09df", "\u09af\u09bc"),
    "rra as one character": ("\u09dc", "\u09a1\u09bc"),
    "rha as one character": ("\u09dd", "\u09a2\u09bc"),
    "o in two halves": ("ক\u09c7\u09be", "ক\u09cb"),
    "au in two halves": ("ক\u09c7\u09d7", "ক\u09cc"),
    "o in the wrong order": ("ক\u09be\u09c7", "ক\u09cb"),
    "au in the wrong order": ("ক\u09d7\u09c7", "ক\u09cc"),
    "dot behind a sign": ("\u09af\u09be\u09bc", "\u09af\u09bc\u09be"),
    "dot between the halves of o": ("\u09a1\u09c7\u09bc\u09be", "\u09a1\u09bc\u09cb"),
    "nasalisation before a sign": ("ত\u0981\u09beর", "ত\u09be\u0981র"),
    "visarga before a sign": ("দ\u0983\u09c1", "দ\u09c1\u0983"),
    "two dots": ("\u09af\u09bc\u09bc", "\u09af\u09bc"),
    "the letter aa in two": ("\u0985\u09be", "\u0986"),
    "ra as ba with a dot": ("\u09ac\u09bc", "\u09b0"),
    "khanda ta with a joiner": ("হঠাত\u09cd\u200d", "হঠা\u09ce"),
    "ya-phala after ra keeps its joiner": ("র\u200d\u09cdয", "র\u200d\u09cdয"),
    "ya-phala after ra with the other joiner": ("র\u200c\u09cdয", "র\u200d\u09cdয"),
    "a non-joiner within a word stays": ("উদ\u09cd\u200cঘাটন", "উদ\u09cd\u200cঘাটন"),
    "a non-joiner at its end goes": ("করি\u200c ", "করি "),
    "a joiner without effect goes": ("ক\u200dরি", "করি"),
    "a joiner within an emoji stays": ("\U0001f468\u200d\U0001f469", "\U0001f468\u200d\U0001f469"),
    "a bar for the danda": ("করি |", "করি ।"),
    "a bar of a table stays": ("| করি | খাই |x", "| করি । খাই |x"),
    "currency numerator for the danda": ("করি\u09f7", "করি।"),
    "curly quotes": ("“করি” ‘খাই’", "\"করি\" 'খাই'"),
    "no-break and zero-width spaces": ("আমি\u00a0করি\u200b", "আমি করি"),
    "line ends": ("আমি\r\nতুমি\r", "আমি\nতুমি\n"),
}


@table(("given_text", "wanted"), TABLE.values(), ids=TABLE.keys())
def test_each_spelling_has_one_normal_form(given_text, wanted):
    assert normalise(given_text) == wanted
    assert normalise(unicodedata.normalize("NFD", given_text)) == wanted


@given(st.text('কতবরযড়অাে\u09d7োৌঁংঃ\u09bc\u09cd\u200c\u200d|।১1a \u200b৷"‘\r\n', max_size=12))
def test_is_idempotent_on_noise(noise):
    once = normalise(noise)
    assert normalise(once) == once
