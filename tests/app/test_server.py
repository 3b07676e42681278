"""The server: who may ask, what is told, and tabs that do not disturb each other."""

from __future__ import annotations

import json
import re
from threading import Event, Thread

import pytest

pytest.importorskip("uvicorn")
pytest.importorskip("httpx2")

from starlette.testclient import TestClient

from neurotopo.app.guard import HEADERS
from neurotopo.app.server import make_app
from neurotopo.app.worker import Worker
from tests.support.app_jobs import jobs

TOKEN, HOST = "a-token", "127.0.0.1:8123"
OWN = {"Origin": f"http://{HOST}", "Content-Type": "application/json"}


@pytest.fixture(scope="module")
def app():
    made = make_app(TOKEN, 8123, start={"model": "testbed:gpt2", "models": ["testbed:gpt2"]})
    yield made
    made.state.server.close_all()


@pytest.fixture(scope="module")
def client(app):
    with TestClient(app, base_url=f"http://{HOST}", raise_server_exceptions=False) as made:
        yield made


@pytest.fixture
def acting(app):
    """The server with the jobs for tests in place of those of tables."""
    server = app.state.server
    kept, server.workers["tables"] = server.workers["tables"], Worker({}, jobs)
    yield server
    server.workers["tables"].close()
    server.workers["tables"] = kept


def post(client, name, content, **headers):
    body = content if isinstance(content, str) else json.dumps(content)
    return client.post(f"/{TOKEN}/api/{name}", content=body, headers={**OWN, **headers})


def opened(client):
    return post(client, "session", {}).json()["session"]


def run(client, session, job, arguments):
    lines = post(client, "job", {"session": session, "job": job, "arguments": arguments}).text
    return [event for line in lines.splitlines() if (event := json.loads(line))]


def test_the_page_and_its_parts_are_served(client):
    page = client.get(f"/{TOKEN}/")
    assert page.status_code == 200
    assert '<script src="app.js">' in page.text
    assert "neurotopoExplorer" in client.get(f"/{TOKEN}/app.js").text
    assert ".ntx" in client.get(f"/{TOKEN}/app.css").text
    assert client.get(f"/{TOKEN}/icon.svg").headers["content-type"] == "image/svg+xml"
    # all of it comes from here, and no script or style stands in the page
    assert not re.search(r"https?://|<style|style=|onclick|<script>", page.text)


@pytest.mark.parametrize(
    "path", ["/", "/app.js", "/wrong/", "/a-toke/", "/a-token2/", "//", "/A-TOKEN/", "/a-token"]
)
def test_without_the_token_nothing_is_served(client, path):
    reply = client.get(path)
    assert reply.status_code == 403
    assert "token" in reply.text
    assert TOKEN not in reply.text


def test_a_wrong_token_does_nothing(client, app):
    n = len(app.state.server.sessions)
    reply = client.post("/wrong/api/session", content="{}", headers=OWN)
    assert reply.status_code == 403
    assert len(app.state.server.sessions) == n


@pytest.mark.parametrize("host", ["evil.example:8123", "127.0.0.1", "127.0.0.1:80", "[::1]:8123"])
def test_other_names_of_this_address_are_refused(client, host):
    reply = client.get(f"/{TOKEN}/", headers={"Host": host})
    assert reply.status_code == 403
    assert "127.0.0.1" in reply.text


def test_localhost_is_this_address(client):
    assert client.get(f"/{TOKEN}/", headers={"Host": "localhost:8123"}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "https://127.0.0.1:8123"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
def test_other_pages_are_refused(client, headers):
    assert post(client, "session", {}, **headers).status_code == 403
    if "Content-Type" not in headers:
        assert client.get(f"/{TOKEN}/", headers=headers).status_code == 403


def test_a_request_that_changes_something_needs_its_origin(client):
    headers = {"Content-Type": "application/json"}
    assert client.post(f"/{TOKEN}/api/session", content="{}", headers=headers).status_code == 403


@pytest.mark.parametrize("path", [f"/{TOKEN}/", "/", f"/{TOKEN}/nowhere", f"/{TOKEN}/api/session"])
def test_every_reply_has_the_policy(client, path):
    reply = client.get(path)
    for name, value in HEADERS.items():
        assert reply.headers[name] == value
    policy = reply.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ({"session": "unknown"}, "reload the page"),
        ({}, "reload the page"),
    ],
)
def test_faulty_requests_are_told(client, content, message):
    for name in ("job", "table", "cancel", "close"):
        reply = post(client, name, content)
        assert reply.status_code in (400, 410)
        assert message in reply.json()["error"]


def test_unknown_jobs_and_steps_out_of_order_are_told(client):
    session = opened(client)
    for job, arguments, message in (
        ("delete", {}, "there is no job 'delete'"),
        ("find", [], "there is no job 'find'"),
        ("edit", {"groups": []}, "find the neurons of a fact first"),
        ("cluster", {}, "there is no table"),
    ):
        reply = post(client, "job", {"session": session, "job": job, "arguments": arguments})
        assert reply.status_code == 400
        assert message in reply.json()["error"]
    for kind, status in (("fact.json", 400), ("table.py", 400), ("other.txt", 404)):
        assert client.get(f"/{TOKEN}/api/save/{kind}?session={session}").status_code == status
    assert client.get(f"/{TOKEN}/api/save/fact.py?session=other").status_code == 410


def test_too_large_a_table_is_refused_by_its_size(client):
    session = opened(client)
    reply = post(client, "table", {"session": session, "name": "a.csv", "text": "1" * 5_000_001})
    assert reply.status_code == 400
    assert "5,000,001 characters, more than 5,000,000" in reply.json()["error"]
    reply = post(client, "table", {"session": session, "name": "a.csv", "text": "1" * 21_000_000})
    assert reply.status_code == 413


def test_two_tabs_have_their_own_tables_and_results(client):
    one, other = opened(client), opened(client)
    tables = {one: "0\n0.1\n5\n5.2\n", other: "0\n1\n2\n90\n91\n92\n"}
    for session, text in tables.items():
        table = {"session": session, "name": "t.csv", "text": text}
        assert post(client, "table", table).status_code == 200
    given = {"reading": {}, "paper": True, "parameters": {}}
    found = {session: run(client, session, "cluster", given)[-1]["result"] for session in tables}
    assert found[one]["labels"] == [0, 0, 1, 1]
    assert found[other]["labels"] == [0, 0, 0, 1, 1, 1]
    for session, labels in ((one, [0, 0, 1, 1]), (other, [0, 0, 0, 1, 1, 1])):
        reply = client.get(f"/{TOKEN}/api/save/table.json?session={session}")
        assert reply.json()["labels"] == labels
        assert 'filename="neurotopo_table.json"' in reply.headers["Content-Disposition"]


def test_a_job_is_cancelled_and_the_tab_works_on(client, acting):
    session, other = opened(client), opened(client)
    acting.sessions.get(session).table = {"name": "t.csv", "text": "0"}
    given = {"session": session, "job": "cluster", "arguments": {}}
    started = Event()
    session_of = acting.sessions.get(session)
    reply = {}

    def ask():
        reply["text"] = post(client, "job", given).text
        started.set()

    thread = Thread(target=ask)
    thread.start()
    while session_of.job is None:
        started.wait(0.02)
    assert post(client, "job", given).status_code == 409  # one job at a time
    assert post(client, "cancel", {"session": other}).status_code == 200  # of no concern
    started.wait(0.5)
    assert session_of.job is not None
    assert post(client, "cancel", {"session": session}).status_code == 200
    thread.join(timeout=60)
    assert json.loads(reply["text"].splitlines()[-1]) == {"cancelled": True}
    assert run(client, session, "example", {})[-1]["result"]["said"] == {}


def test_the_oldest_idle_tab_is_forgotten(client, app):
    first = opened(client)
    for _ in range(32):
        opened(client)
    assert len(app.state.server.sessions) == 32
    assert post(client, "cancel", {"session": first}).status_code == 410
    last = opened(client)
    assert post(client, "close", {"session": last}).status_code == 200
    assert post(client, "cancel", {"session": last}).status_code == 410
