"""The page of a review: over HTTP with its token, and in a real browser with the keyboard."""

import json
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from threading import Thread

import numpy as np
import pydicom
import pytest
from browsing import opened_tab, until
from PIL import Image

from scionwood.cli import main
from scionwood_deid import OptionError
from scionwood_deid.look import read_looks
from scionwood_deid.review_page import ReviewServer
from scionwood_deid.reviewing import Review
from scionwood_deid.sheets import Sheets

from .named import reads_name, write

KINDS = {"1": "CR of MONOCHROME1", "2": "colour of CR", "3": "CT", "4": "RT portal"}
FRAMES = 14

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom, about odd headers


@pytest.fixture
def clean(tmp_path):
    """Copies of four images of one frame, and one of 14 frames on two sheets."""
    scans = tmp_path / "scans"
    scans.mkdir()
    for name, kind in KINDS.items():
        write(scans / f"{name}.dcm", kind)
    write(scans / "5.dcm", "US without a modality", frames=FRAMES, bits=8)
    words = [str(scans), str(tmp_path / "clean"), "--salt", "pepper"]
    assert main(["biomed", "deidentify", *words]) == 0
    return tmp_path / "clean"


@contextmanager
def serving(folder):
    """Serve a review of copies until the block ends."""
    review = Review(folder, folder.with_name("kept"), "A. Reader", "page")
    with ReviewServer(Sheets(review)) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def asked(server, path, body=None, **headers):
    """Return the status, the headers and the content of an answer."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    content = None if body is None else json.dumps(body)
    kind = {} if body is None else {"Content-Type": "application/json"}
    connection.request("GET" if body is None else "POST", path, content, kind | headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_only_who_knows_the_token_is_answered(clean):
    with serving(clean) as server:
        name = server.sheets.review.images[0].name
        good = f"/{server.token}/"
        status, headers, content = asked(server, good)
        assert status == 200
        assert b"Look at the pixels" in content
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        host = f"evil.example:{server.server_port}"
        drop = {"name": name, "decision": "drop", "regions": ""}
        for path, body, more in (
            ("/", None, {}),
            ("/x/", None, {}),
            (f"/{server.token[:-1]}/", None, {}),
            (good, None, {"Host": host}),
            (good, None, {"Origin": "http://evil.example"}),
            ("/x/decide", drop, {}),
            (f"{good}decide", drop, {"Origin": "http://evil.example"}),
        ):
            assert asked(server, path, body, **more)[0] == 403
        assert asked(server, f"{good}decide", drop, **{"Content-Type": "text/plain"})[0] == 400
        assert asked(server, f"{good}picture/0/../../../etc/passwd")[0] == 422
        assert asked(server, f"{good}page.html")[0] == 422
        assert server.sheets.review.looks == {}
        with pytest.raises(OptionError, match="port"):
            ReviewServer(server.sheets, server.server_port)


def test_an_image_is_not_kept_before_all_of_its_frames_were_sent(clean):
    with serving(clean) as server:
        (number,) = [at for at, i in enumerate(server.sheets.review.images) if i.frames > 1]
        name = server.sheets.review.images[number].name
        keep = {"name": name, "decision": "keep", "regions": ""}
        missing = FRAMES
        for frame in range(FRAMES):
            status, _, content = asked(server, f"/{server.token}/decide", keep)
            assert status == 422
            assert f"{missing} of {FRAMES} frames were not shown" in json.loads(content)["error"]
            missing -= 1
            for view in ("window", "spread"):
                path = f"/{server.token}/picture/{number}/{frame}/{view}"
                status, headers, content = asked(server, path)
                assert (status, headers["Content-Type"]) == (200, "image/png")
        assert asked(server, f"/{server.token}/decide", keep)[0] == 200
        for bad in ({}, [], {"name": name, "decision": "hide"}, {"name": 3, "decision": "keep"}):
            assert asked(server, f"/{server.token}/decide", bad)[0] == 422
    assert read_looks(clean.with_name("kept") / "review.csv")[name].how == "page"


@pytest.fixture(scope="module")
def tab():
    with opened_tab() as tab:
        yield tab


LOADED = "document.images.length && [...document.images].every(i => i.complete && i.naturalWidth)"
CHOSEN = "document.querySelector('figure.chosen figcaption').textContent"
PLACE = """(() => { const box = document.querySelector('figure img').getBoundingClientRect();
  return [box.left, box.top, box.width]; })()"""
SAID = "document.getElementById('said').textContent"


def press(tab, key):
    """Press a key when the pictures are there."""
    until(tab, LOADED)
    until(tab, "!busy")
    text = {"text": key} if len(key) == 1 else {}
    tab.ask("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
    tab.ask("Input.dispatchKeyEvent", type="keyUp", key=key)
    time.sleep(0.05)
    until(tab, "!busy")


def opened(tab, server):
    tab.problems.clear()
    size = {"width": 1440, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    tab.ask("Emulation.setDeviceMetricsOverride", **size)
    tab.ask("Page.navigate", url=server.address)
    until(tab, "document.readyState === 'complete' && document.querySelectorAll('figure').length")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_person_looks_and_decides_with_the_keyboard_alone(clean, tab, tmp_path):
    kept = clean.with_name("kept")
    with serving(clean) as server:
        server.sheets.obstacle = "so that no region is proposed"
        names = [image.name for image in server.sheets.review.images]
        many = next(image.name for image in server.sheets.review.images if image.frames > 1)
        single = [name for name in names if name != many]
        opened(tab, server)
        assert tab.value("document.querySelectorAll('figure').length") == 4
        until(tab, LOADED)
        assert tab.value("document.scrollingElement.scrollWidth - innerWidth") <= 0
        tab.picture(tmp_path / "page.png")
        assert np.asarray(Image.open(tmp_path / "page.png")).std() > 20
        assert single[0] in tab.value(CHOSEN)
        press(tab, "b")
        assert "no region to blank" in tab.value(SAID)
        press(tab, "e")
        for letter in "0 0 200 24":
            tab.ask("Input.dispatchKeyEvent", type="char", text=letter)
        assert tab.value("document.activeElement.value") == "0 0 200 24"
        assert tab.value("document.querySelectorAll('figure.chosen .box').length") == 2
        tab.ask("Input.dispatchKeyEvent", type="keyDown", key="Enter")
        press(tab, "b")
        assert "look at what is left" in tab.value(SAID)
        assert not reads_name(kept / single[0])
        until(tab, LOADED)
        pixels = tab.value("""(() => { const image = document.querySelector('figure.chosen img');
            const area = document.createElement('canvas').getContext('2d');
            area.drawImage(image, 0, 0);
            const data = area.getImageData(6, 6, 130, 12).data.filter((_, at) => at % 4 === 0);
            return Math.max(...data) - Math.min(...data); })()""")
        assert pixels == 0  # what the person sees is the new copy, without the name
        press(tab, "k")
        assert not reads_name(kept / single[0])  # the blanked copy is kept, not the former one
        assert single[1] in tab.value(CHOSEN)
        press(tab, "d")
        assert not (kept / single[1]).exists()
        press(tab, "k")
        assert single[3] in tab.value(CHOSEN)
        press(tab, "o")
        press(tab, "ArrowRight")
        press(tab, "a")
        until(tab, "document.querySelectorAll('figure').length === 12")
        press(tab, "k")
        assert "frames were not shown" in tab.value(SAID)
        press(tab, " ")
        until(tab, "document.querySelectorAll('figure').length === 2")
        press(tab, "z")
        assert tab.value("!!document.querySelector('figure.whole')")
        press(tab, "k")
        until(tab, "document.getElementById('progress').textContent.includes('All images are')")
        press(tab, "u")
        assert tab.value(SAID) == "All images are decided."
        assert [each for each in tab.problems if "422" not in each] == []
    looks = read_looks(kept / "review.csv")
    assert [looks[name].decision for name in single] == ["blank", "drop", "keep", "keep"]
    assert looks[many].decision == "keep"
    assert {look.how for look in looks.values()} == {"page"}
    for name in names:
        assert (clean / name).exists()
        if looks[name].decision != "drop":
            assert pydicom.dcmread(kept / name).PatientIdentityRemoved == "YES"
    assert main(["biomed", "deidentify-check", str(kept)]) == 0


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_box_can_be_drawn_and_the_page_says_whether_a_detector_ran(clean, tab):
    with serving(clean) as server:
        opened(tab, server)
        until(tab, LOADED)
        said = tab.value("document.getElementById('detector').textContent")
        assert said.startswith(("No detector ran: ", "A text detector marks "))
        until(tab, "state.figures[0].columns > 0")
        box = tab.value(PLACE)
        scale = box[2] / 200
        places = [("mousePressed", 10, 4), ("mouseMoved", 60, 14), ("mouseReleased", 110, 24)]
        for kind, x, y in places:
            where = {"x": box[0] + x * scale, "y": box[1] + y * scale}
            tab.ask("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **where)
        until(tab, "document.getElementById('regions').value")
        x, y, width, height = map(
            int, tab.value("parsed(state.boxes[state.figures[0].name]).at(-1)")
        )
        assert np.allclose([x, y, width, height], [10, 4, 100, 20], atol=2)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_five_hundred_frames_take_fifty_keys_and_leave_time_to_look(tmp_path, tab):
    """Ten minutes for 500 frames are 1.2 s a frame: the page itself may take a quarter of it."""
    clean = tmp_path / "clean"
    clean.mkdir()
    for at in range(480):
        write(clean / f"{at:03d}.dcm", ("CT", "MR", "CR")[at % 3])
    write(clean / "cine.dcm", "US that says NO", frames=20, bits=8)
    with serving(clean) as server:
        opened(tab, server)
        start, keys = time.monotonic(), 0
        left = 1
        while left:
            frames = tab.value("state.figures[0].frames")
            press(tab, "a" if frames == 1 else " ")
            keys += 1
            until(tab, LOADED)
            left = tab.value("state.sheets - 1 - state.at")
        press(tab, "k" if tab.value("state.figures[0].frames") > 1 else "a")
        seconds = time.monotonic() - start
        until(tab, "document.getElementById('progress').textContent.includes('All images are')")
    print(f"{keys + 1} keys, {seconds:.0f} s")
    assert keys + 1 <= 50
    assert seconds < 150
