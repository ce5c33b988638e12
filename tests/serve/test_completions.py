"""Language runs by OpenAI's API: a real server, and refusals without one."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from case_table import table
from plain_figures import undrawn
from serve_client import TOKEN, Server, running

import scionwood
from scionwood_serve import ServingError, Version
from scionwood_serve.web.completions import _read
from scionwood_serve.worker.engine import services_of

pytestmark = pytest.mark.timeout(900)
MESSAGES = [{"role": "user", "content": "What comes after 41?"}]


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of two language runs."""
    folder, words = tmp_path_factory.mktemp("talker"), []
    for seed, name in enumerate(("one", "two")):
        changes = [f"seed={seed}", "trainer.max_steps=30", "trainer.enable_progress_bar=false"]
        recipe = scionwood.resolve("language/sft", changes, smoke=True)
        with undrawn():
            words.append(f"{name}={scionwood.fit(recipe, run_dir=folder / name)}")
    with running(folder / "server", *words) as server:
        yield server


def ask(server: Server, path: str = "chat/completions", **body: object):
    main = {"messages": MESSAGES} if path.startswith("chat") else {"prompt": "What comes"}
    whole = {"model": "one", "temperature": 0, "max_tokens": 8, **main, **body}
    headers = {"Content-Type": "application/json"}
    return server.ask("POST", f"/v1/{path}", json.dumps(whole).encode(), headers=headers)


@pytest.mark.slow
def test_a_stream_joins_to_the_answer_and_each_model_has_its_own(talker):
    whole = ask(talker, logprobs=True, top_logprobs=2).json()
    [choice] = whole["choices"]
    assert choice["finish_reason"] in ("stop", "length")
    assert all(len(entry["top_logprobs"]) == 2 for entry in choice["logprobs"]["content"])
    lines = ask(talker, stream=True).body.decode().split("\n\n")
    assert lines[-2] == "data: [DONE]"
    events = [json.loads(line.removeprefix("data: ")) for line in lines[:-2]]
    deltas = [event["choices"][0]["delta"].get("content", "") for event in events]
    assert "".join(deltas) == choice["message"]["content"]
    other = ask(talker, "completions", model="two").json()
    assert other["model"].startswith("two@")
    assert other["usage"]["completion_tokens"] <= 8


@pytest.mark.slow
def test_answers_together_are_those_of_each_alone(talker):
    bodies = [
        {"model": name, "seed": n, "temperature": 1} for n in range(4) for name in ("one", "two")
    ]
    alone = [ask(talker, "completions", **body).json()["choices"] for body in bodies]
    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda body: ask(talker, "completions", **body), bodies))
    assert [answer.json()["choices"] for answer in answers] == alone


@pytest.mark.slow
def test_a_client_that_goes_away_stops_its_answer(talker):
    openai = pytest.importorskip("openai", reason="the client of OpenAI")
    url = f"http://127.0.0.1:{talker.port}/v1"
    with openai.OpenAI(base_url=url, api_key=TOKEN, max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["one", "two"]
        options = {"model": "one", "messages": MESSAGES, "max_tokens": 900, "stream": True}
        stream = client.chat.completions.create(**options, temperature=2, seed=5)
        next(iter(stream))
        stream.close()
        with pytest.raises(openai.NotFoundError, match="the field language has: one, two"):
            client.chat.completions.create(model="three", messages=MESSAGES)
    folder = Path(talker.log).parent
    end = time.monotonic() + 60
    while list(folder.rglob("answer.jsonl")) and time.monotonic() < end:
        time.sleep(0.1)
    assert ask(talker).status == 200


@table(
    ("body", "match"),
    [
        ({"n": 2}, "n: 2: this server does not do it"),
        ({"model": None}, "it has no `model` and `messages`"),
        ({"banana": 1}, "banana"),
    ],
)
def test_what_the_server_does_not_do_is_refused_by_name(body, match, tmp_path):
    path = tmp_path / "request.json"
    path.write_text(json.dumps({"model": "one", "messages": MESSAGES, **body}))
    with pytest.raises(ServingError, match=match):
        _read(path, is_chat=True)


def test_a_run_without_a_service_is_refused():
    version = Version("x", "0", Path(), ("methods",), "methods/x", "")
    with pytest.raises(ServingError, match="has a service"):
        services_of(version)
