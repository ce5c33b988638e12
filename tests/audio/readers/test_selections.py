"""Selections: three formats are read by their content and written whole, and faults are named."""

import pytest
from case_table import table
from hypothesis import given, settings
from hypothesis import strategies as st

from scionwood import OutputExistsError, ReadError, WriteError
from scionwood_audio.readers.selections import Selection, read_selections, write_selections

RAVEN = (
    "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\t"
    "Species\tNotes\r\n"
    "1\tWaveform 1\t1\t0.5\t1.25\t2000\t5000\tParus major\tfaint\r\n"
    "1\tSpectrogram 1\t1\t0.5\t1.25\t2000\t5000\tParus major\tfaint\r\n"
    "2\tSpectrogram 1\t1\t3\t4\t2000\t5000\tParus major\t\r\n"
)
HEADER = "Begin Time (s)\tEnd Time (s)\tLabel\n"

seconds = st.floats(0, 1e6, allow_subnormal=False)
words = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


@st.composite
def selections(draw):
    start, low = draw(seconds), draw(st.none() | st.floats(0, 1e5))
    length, width = draw(st.floats(0.001, 60)), draw(st.floats(1, 1e4))
    high = None if low is None else low + width
    score = draw(st.none() | st.floats(0, 1))
    return Selection(start, start + length, draw(words), low, high, score)


@pytest.mark.parametrize("name", ["found.txt", "found.labels.txt", "found.csv"])
@given(wanted=st.lists(selections(), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_what_is_written_is_read_again(name, wanted, tmp_path_factory):
    path = tmp_path_factory.mktemp("selections") / name
    write_selections(path, wanted)
    if "labels" in name:  # which has no scores
        wanted = [selection._replace(score=None) for selection in wanted]
    assert [selection[:6] for selection in read_selections(path)] == [s[:6] for s in wanted]


def test_a_table_of_raven_keeps_one_row_a_selection_and_its_other_columns(tmp_path):
    (tmp_path / "in.txt").write_text(RAVEN, encoding="utf-8-sig", newline="")
    found = read_selections(tmp_path / "in.txt")
    assert [(s.start, s.end, s.label) for s in found] == [
        (0.5, 1.25, "Parus major"),
        (3.0, 4.0, "Parus major"),
    ]
    scored = [selection._replace(score=0.5) for selection in found]
    write_selections(tmp_path / "out.txt", scored)
    rows = (tmp_path / "out.txt").read_text().splitlines()
    header = rows[0].split("\t")
    assert header[:5] == RAVEN.split("\t")[:5]
    assert header[5:] == ["Annotation", "Low Freq (Hz)", "High Freq (Hz)", "Score", "Notes"]
    assert rows[1] == "1\tSpectrogram 1\t1\t0.5\t1.25\tParus major\t2000\t5000\t0.5\tfaint"


def test_audacity_has_frequencies_on_a_second_line(tmp_path):
    path = tmp_path / "labels.txt"
    path.write_text("0.5\t1.5\tsong\n\\\t2000.0\t5000.0\n2\t3\tcall\twith tab\n\\\t-1\t900\n")
    assert [selection[:5] for selection in read_selections(path)] == [
        (0.5, 1.5, "song", 2000.0, 5000.0),
        (2.0, 3.0, "call\twith tab", None, 900.0),
    ]


@table(
    "content, message",
    [
        pytest.param("", "empty", id="empty"),
        pytest.param("birds\nbirds\n", "no column start and no column end", id="no table"),
        pytest.param("Begin Time (s)\tLabel\n1\tx\n", "no column End Time", id="column missing"),
        pytest.param(
            "start,end,label,label\n1,2,x,y\n", "label: it names a column twice", id="column twice"
        ),
        pytest.param(
            HEADER + "1,5\t2,5\tx\n", "line 2: '1,5': it is a decimal comma", id="comma in a table"
        ),
        pytest.param("1,5\t2,5\tx\n", "line 1: '1,5': it is a decimal comma", id="comma in labels"),
        pytest.param("start,end,label\n1,5,2,5,x\n", "line 2: it has 5 values", id="comma in CSV"),
        pytest.param("start;end;label\n1,5;2,5;x\n", "semicolons", id="semicolons"),
        pytest.param("1,5;2,5;x\n", "semicolons", id="semicolons alone"),
        pytest.param("start,end,label\nnan,2,x\n", "line 2: nan: times, frequencies", id="NaN"),
        pytest.param(HEADER + "1\tinf\tx\n", "line 2: inf: times", id="infinite"),
        pytest.param(HEADER + "\n2\t1\tx\n", "line 3: start 2, end 1", id="backwards"),
        pytest.param("2\t2\tx\n", "line 1: start 2, end 2: a selection ends after", id="a point"),
        pytest.param("-1\t2\tx\n", "line 1: start -1: times count", id="negative"),
        pytest.param(
            "start,end,label,low,high\n1,2,x,900,100\n", "low 900.0, high 100.0", id="band"
        ),
        pytest.param("start,end,score\n1,2,inf\n", "inf: times", id="score"),
        pytest.param("start,end,label\n1:30,2,x\n", "'1:30': it is no number", id="no number"),
        pytest.param("start,end,label\n1_0,20,x\n", "'1_0': it is no number", id="underscore"),
        pytest.param(RAVEN[:-30], "line 4: it has 3 values, and the header names 9", id="cut"),
        pytest.param("1\t2\tx\n\\\t100\n", "line 2: ", id="frequencies alone"),
        pytest.param(
            "Begin Time (s)\tEnd Time (s)\tBegin File\n1\t2\ta.wav\n3\t4\tb.wav\n",
            "b.wav: its selections belong to several recordings",
            id="two recordings",
        ),
    ],
)
def test_a_fault_is_named_with_its_line_and_value(content, message, tmp_path):
    path = tmp_path / "in.txt"
    path.write_text(content, newline="")
    with pytest.raises(ReadError) as error:
        read_selections(path)
    assert message in str(error.value)
    assert error.value.remedy


@pytest.mark.parametrize("content", [b"RIFF\x24\x00\xff\xfeWAVE", "1\t2\tx".encode("utf-16")])
def test_a_sound_and_utf_16_are_no_selections(content, tmp_path):
    (tmp_path / "in.txt").write_bytes(content)
    with pytest.raises(ReadError, match="UTF"):
        read_selections(tmp_path / "in.txt")


@table(
    "name, selection, message",
    [
        pytest.param("a.csv", Selection(float("nan"), 1.0), "selection 1: nan", id="NaN"),
        pytest.param("a.txt", Selection(2.0, 1.0), "selection 1: start 2, end 1", id="backwards"),
        pytest.param("a.txt", Selection(1.0, 2.0, "a\tb"), "a value holds a tab", id="tab"),
        pytest.param(
            "a.csv", Selection(1.0, 2.0, "\ud800"), "half a character", id="half a character"
        ),
        pytest.param("a.xlsx", Selection(1.0, 2.0), "its ending names no format", id="ending"),
    ],
)
def test_what_cannot_be_written_leaves_no_file(name, selection, message, tmp_path):
    with pytest.raises(WriteError, match=message):
        write_selections(tmp_path / name, [selection])
    assert not list(tmp_path.iterdir())


def test_a_file_that_exists_is_replaced_only_by_force(tmp_path):
    path = tmp_path / "a.csv"
    write_selections(path, [Selection(1.0, 2.0)])
    with pytest.raises(OutputExistsError):
        write_selections(path, [])
    write_selections(path, [], force=True)
    assert read_selections(path) == []
