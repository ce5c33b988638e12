"""A real server: five fields, refusals, swaps, a worker that is killed, and a drained end."""

from __future__ import annotations

import base64
import os
import signal
import time
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from urllib.parse import urlencode

import pytest
from serve_client import Answer, Server, running
from serve_hostile import nan_line, requests, write_states
from serve_versions import make_versions

import scionwood
from scionwood_kit.fuzzing.corpus import load_case
from scionwood_serve.worker.engine import RUNNING

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
SERVICE = "seismic/denoise"
ROOT = Path(__file__).parents[2]
PATIENCE = 400
"""Seconds for a step that is quick on a machine with nothing else to do."""


def command(run: str | Path, source: Path, target: Path) -> bytes:
    """What `scionwood seismic denoise --gate off` writes."""
    scionwood.load("commands", SERVICE)(source, target, run=run, gate="off", tta="none", force=True)
    return target.read_bytes()


def test_an_answer_equals_that_of_the_command(server, line, tmp_path):
    answer = server.post(SERVICE, line.read_bytes(), "line.sgy", gate="off")
    assert answer.status == 200, answer.body
    assert answer.body == command(SERVICE, line, tmp_path / "clean.sgy")
    assert answer.headers["x-scionwood-adapter"] == "clean"
    (clean,) = [a for a in server.ask("GET", "/adapters").json() if a["name"] == "clean"]
    assert answer.version == clean["version"]
    assert answer.headers["x-scionwood-base"] == clean["base"]
    assert 'filename="line_clean.sgy"' in answer.headers["content-disposition"]


def test_a_folder_of_results_is_a_zip_archive(server, tmp_path):
    scionwood.load("readers", "crash/mesh").write_sample(tmp_path / "part.vtk")
    body = (tmp_path / "part.vtk").read_bytes()
    options = {"clamped": "ends", "units": "mm, ms, kg", "thickness": 2}
    answer = server.post("crash/predict", body, "part.vtk", **options)
    assert answer.status == 200, answer.body
    with zipfile.ZipFile(BytesIO(answer.body)) as archive:
        assert "states.pvd" in archive.namelist()


def test_hostile_requests_are_refused_and_the_worker_lives(server, line, tmp_path):
    worker, states = server.worker(), write_states(tmp_path / "states.nc")
    every = requests(line.read_bytes(), states)
    assert len(every) >= 20
    for each in every:
        query = {**each.query, **({"file": each.file} if each.file else {})}
        path = f"/v1/{each.service}?{urlencode(query)}"
        answer = server.ask("POST", path, each.body(), headers=each.headers)
        assert 400 <= answer.status < 500, (each.name, answer.status, answer.body[:500])
        error = answer.error
        assert error["value"], each.name
        assert error["rule"], each.name
        assert "/tmp" not in str(error), (each.name, error)
    assert server.worker() == worker
    assert server.post(SERVICE, line.read_bytes(), "line.sgy").status == 200


def test_a_gather_of_nan_passes_through_unchanged(server, line):
    bad = nan_line(line.read_bytes())
    answer = server.post(SERVICE, bad, "line.sgy")
    assert (answer.status, answer.body[3600:]) == (200, bad[3600:])


def test_a_page_is_kept_under_an_address_that_the_answer_gives(server, line):
    answer = server.post(SERVICE, line.read_bytes(), "line.sgy", page="true")
    address = answer.headers["link"].partition("<")[2].partition(">")[0]
    page = server.ask("GET", address)
    assert page.status == 200
    assert b"<html" in page.body
    assert "sandbox" in page.headers["content-security-policy"]


def test_no_request_is_lost_and_none_is_off_its_version(line, tmp_path):
    swaps, wave = 4, 12
    runs = make_versions(SERVICE, tmp_path / "runs", swaps + 1)
    wanted = [command(run, line, tmp_path / f"{run.name}.sgy") for run in runs]
    assert len(set(wanted)) == swaps + 1
    root = ("--root", str(tmp_path / "runs"), "--unsigned")
    with running(tmp_path / "s", f"clean={runs[0]}", *root) as server:
        of = {server.ask("GET", "/adapters").json()[0]["version"]: 0}

        def one() -> Answer:
            return server.post(SERVICE, line.read_bytes(), "line.sgy", gate="off")

        answers = [one()]
        with ThreadPoolExecutor(8) as pool:
            asked = []
            for number in range(1, swaps + 1):
                asked += [pool.submit(one) for _ in range(wave)]  # under way while it switches
                put = server.put("clean", runs[number].name)
                assert put.status == 200, put.body
                of[put.json()["version"]] = number
                answers.append(one())
                assert answers[-1].version == put.json()["version"]
            answers += [each.result() for each in asked]
        assert {answer.status for answer in answers} == {200}
        assert [a for a in answers if a.body != wanted[of[a.version]]] == []
        assert {answer.version for answer in answers} == set(of)
        old = next(v for v, number in of.items() if number == swaps - 1)
        kept = server.post(SERVICE, line.read_bytes(), "a.sgy", adapter=f"clean@{old}", gate="off")
        assert kept.body == wanted[swaps - 1]
        assert server.put("clean", runs[0].name, token="wrong").status == 401
        assert server.put("clean", "../s").status == 403


def test_a_killed_worker_comes_back_with_its_versions(line, tmp_path):
    runs = make_versions(SERVICE, tmp_path / "runs", 2)
    root = ("--root", str(tmp_path / "runs"), "--unsigned")
    with running(tmp_path / "s", f"clean={runs[0]}", *root) as server:
        version = server.put("clean", runs[1].name).json()["version"]
        before = server.post(SERVICE, line.read_bytes(), "line.sgy", gate="off")
        with ThreadPoolExecutor(4) as pool:
            asked = [
                pool.submit(server.post, SERVICE, remarked(line, n), "line.sgy", gate="off")
                for n in range(3)
            ]
            time.sleep(0.1)
            os.kill(server.worker(), signal.SIGKILL)
            asked.append(
                pool.submit(server.post, SERVICE, remarked(line, 3), "line.sgy", gate="off")
            )
            answers = [each.result() for each in asked]
        refused = [answer for answer in answers if answer.status != 200]
        assert len(refused) <= 1  # the one that was under way; nobody can know that it is innocent
        assert all("it is not tried again" in answer.error["rule"] for answer in refused)
        served = [answer for answer in answers if answer.status == 200]
        assert {answer.version for answer in served} == {version}
        assert {answer.body[3600:] for answer in served} == {before.body[3600:]}


def remarked(line: Path, number: int) -> bytes:
    """The same gather in a file of other bytes."""
    text = f"C 1 number {number}".ljust(80).encode("cp037")
    return text + line.read_bytes()[80:]


def test_a_decoder_that_hangs_and_dies_holds_up_nobody(pair, line, tmp_path):
    worker, states = pair.worker(), write_states(tmp_path / "states.nc")
    pair.post("pde/rollout", states, "states.nc", steps=1)  # libraries are imported
    with ThreadPoolExecutor(1) as pool:
        hangs = pool.submit(pair.post, "pde/rollout", corpus("pde-netcdf-nc-time"), "a.nc")
        _until_under_way(pair)
        assert pair.post(SERVICE, line.read_bytes(), "line.sgy").status == 200
        assert pair.post("pde/rollout", states, "states.nc", steps=1).status == 200
        assert not hangs.done()
        for decoder in pair.decoders():
            os.kill(decoder, signal.SIGSEGV)  # as a flaw in a library would
        answer = hangs.result()
    assert (answer.status, "died of SIGSEGV" in answer.error["rule"]) == (422, True), answer.body
    assert pair.worker() == worker
    assert pair.post("pde/rollout", states, "states.nc", steps=1).status == 200


def test_an_upload_that_ended_a_worker_is_not_tried_again(pair, line):
    bad, worker = corpus("pde-netcdf-nc-time"), pair.worker()
    with ThreadPoolExecutor(2) as pool:
        deadly = pool.submit(pair.post, "pde/rollout", bad, "a.nc")
        _until_under_way(pair)
        os.kill(worker, signal.SIGSEGV)
        good = pool.submit(pair.post, SERVICE, line.read_bytes(), "line.sgy")
        first, other = deadly.result(), good.result()
    assert (first.status, other.status) == (422, 200), (first.body, other.body)
    assert "the worker ended (SIGSEGV) on it in pde/rollout" in first.error["rule"]
    worker = pair.worker()
    again = pair.post("pde/rollout", bad, "other_name.nc", steps=1)
    assert (again.status, again.error) == (422, first.error)
    assert pair.worker() == worker


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two fields, whose folder of requests lies beside its log."""
    folder = tmp_path_factory.mktemp("pair")
    words = ("pde/dynamics", SERVICE, "--state", str(folder / "state"))
    with running(folder, *words) as found:
        yield found


def _until_under_way(server: Server) -> None:
    end = time.monotonic() + PATIENCE
    while not list(server.log.parent.glob(f"state/requests/*/{RUNNING}")):
        assert time.monotonic() < end
        time.sleep(0.02)
    time.sleep(0.3)  # its decoder has begun


def corpus(start: str) -> bytes:
    """A file that once hung or ended its decoder."""
    path = next((ROOT / "tests" / "core" / "fuzzing" / "corpus").glob(f"{start}*.json"))
    (packed,) = load_case(path).content.values()
    return zlib.decompress(base64.b64decode(packed))


def test_sigterm_to_the_whole_group_answers_what_is_under_way(line, tmp_path):
    with running(tmp_path / "s", "seismic/denoise") as server:
        server.post(SERVICE, line.read_bytes(), "line.sgy")
        with ThreadPoolExecutor(1) as pool:
            asked = _under_way(pool, server, line)
            os.kill(server.worker(), signal.SIGTERM)  # as a service manager does
            server.process.send_signal(signal.SIGTERM)
            assert asked.result().status == 200
        assert server.process.wait(PATIENCE) == 0
        assert server.process.stdout is not None
        assert server.process.stdout.read() == "stopped: all requests are answered\n"


def _under_way(pool: ThreadPoolExecutor, server: Server, line: Path) -> Future[Answer]:
    """Return a request that is seen to be under way; one that was answered before is no such."""
    for _ in range(20):
        asked = pool.submit(server.post, SERVICE, line.read_bytes(), "line.sgy", page="true")
        while not asked.done():
            if b"requests_under_way 1" in server.ask("GET", "/metrics").body:
                return asked
    raise AssertionError("each request was answered before it was seen")
