"""What is refused before a worker is asked; the application runs without one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from case_table import table
from fastapi.testclient import TestClient

from scionwood_serve import Counters, Limits, RequestLimits, ServingError
from scionwood_serve.shadow.background import LatencyBudget, read_latency_budget
from scionwood_serve.verbs.run import run
from scionwood_serve.web.application import inside

SERVICE = "/v1/seismic/denoise?file=a.sgy"


@pytest.fixture(scope="module")
def client(make_client: Callable[[Limits], TestClient], tmp_path_factory) -> TestClient:
    root = tmp_path_factory.mktemp("runs")
    client = make_client(Limits(1 << 20, 0, token="secret", root=root, hosts=("testserver",)))
    client.headers["Authorization"] = "Bearer secret"
    return client


@table(
    ("method", "path", "given", "status", "rule"),
    [
        ("POST", SERVICE + "&gaet=off", {}, 422, "there is no such option"),
        ("POST", SERVICE + "&gate=maybe", {}, 422, "Input should be 'blend', 'report' or 'off'"),
        ("POST", SERVICE + "&dt=inf", {}, 422, "it is not finite"),
        ("POST", SERVICE + "&adapter=none", {}, 404, "the field seismic has: clean"),
        ("POST", SERVICE, {}, 503, "0 requests are under way"),
        ("POST", "/v1/seismic/nothing", {}, 404, "Not Found"),
        ("POST", SERVICE, {"Authorization": "Bearer wrong"}, 401, "it is missing or wrong"),
        ("POST", SERVICE, {"Host": "evil.example"}, 403, "this server is called testserver"),
        ("GET", "/adapters", {"Origin": "http://evil.example"}, 403, "pages of other sites"),
        *[
            ("GET", path, bad, status, rule)
            for path in ("/openapi.json", "/docs", "/metrics", "/adapters", "/nothing")
            for bad, status, rule in (
                ({"Authorization": ""}, 401, "it is missing or wrong"),
                ({"Host": "evil.example"}, 403, "this server is called testserver"),
            )
        ],
        ("GET", "/v1/results/guess/page", {}, 404, "it is not kept any more"),
        ("PUT", "/adapters/clean", {}, 422, "Field required"),
    ],
)
def test_a_refusal_has_value_rule_and_remedy(client, method, path, given, status, rule):
    answer = client.request(method, path, headers=given, content=b"{}")
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert rule in error["rule"]
    assert error["remedy"]
    assert error["value"]


@table("path", ["..", "../..", "/etc", "nowhere", "a\0b", "link"])
def test_only_folders_below_the_root_are_taken(path, tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path)
    with pytest.raises(ServingError):
        inside(tmp_path / "root", path)
    (tmp_path / "root" / "run").mkdir()
    assert inside(tmp_path / "root", "run") == (tmp_path / "root" / "run").resolve()


@table(
    ("options", "rule"),
    [
        ({"host": "0.0.0.0"}, "there is no token"),
        ({"limits": RequestLimits(root=Path())}, "it needs a token"),
        (
            {"limits": RequestLimits(root=Path()), "token": "t"},
            "runs that are put need a signature",
        ),
        ({"shadow": "seismic/denoise", "slack": "fast"}, "it is no target"),
        ({"port": 0}, "decodes files of others in children"),
    ],
    ids=["host", "root", "unsigned", "slack", "readers"],
)
def test_what_a_server_does_not_start_with(options, rule, monkeypatch):
    monkeypatch.setenv("SCIONWOOD_SERVE_TOKEN", options.pop("token", ""))
    monkeypatch.setenv("SCIONWOOD_READERS", "inline")
    with pytest.raises(ServingError, match=rule):
        run(["seismic/denoise"], **options)


def test_slack_is_a_percentile_and_a_time():
    assert read_latency_budget("p95=200ms") == LatencyBudget(0.95, 0.2)
    assert read_latency_budget("p99=2s").seconds == 2


def test_percentiles_are_those_of_the_last_minute(monkeypatch):
    counters = Counters()
    monkeypatch.setattr("time.monotonic", lambda: 0.0)
    counters.answered("a", "b", 200, 9.0)
    monkeypatch.setattr("time.monotonic", lambda: 61.0)
    for number in range(100):
        counters.answered("a", "b", 200, number / 100)
    counters.answered("a", "b", 422, 9.0)  # a refusal is quick, and does not count
    assert counters.percentile(0.95) == 0.95
    assert b'scionwood_requests_total{adapter="b",service="a",status="422"} 1.0' in counters.text()
