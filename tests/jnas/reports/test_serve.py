"""Who may read a report that is served, and when it is read again."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from jnas.reports.run import Run
from jnas.reports.serve import Follower, server
from jnas.runs.database import RunDatabase
from translators.diagnostics import UserError


@pytest.fixture
def port(make_run: Callable[..., Run]) -> Iterator[int]:
    with server(Follower(make_run().directory.root), 0) as found:
        threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield found.server_port
        found.shutdown()


def get(port: int, path: str, **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return connection.getresponse()


def test_the_page_may_ask_its_own_server_alone(port: int) -> None:
    page = get(port, "/").read().decode()
    assert "connect-src 'self'" in page and 'data-live="1"' in page


def test_content_is_sent_once_and_details_by_part(port: int) -> None:
    reply = get(port, "/content.json")
    assert json.loads(reply.read())["trained"] == 4 and reply.headers["Cache-Control"] == "no-store"
    assert get(port, "/content.json", If_None_Match=reply.headers["ETag"]).status == 304
    assert [row["number"] for row in json.loads(get(port, "/part-0.json").read())] == [0, 1, 2, 3, 4]
    assert json.loads(get(port, "/part-7.json").read()) == []


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "localhost@evil.example"]
)
def test_a_name_that_was_bent_to_this_machine_reads_nothing(port: int, host: str) -> None:
    reply = get(port, "/content.json", Host=host)
    assert reply.status == 403 and b"trained" not in reply.read()


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:80"])
def test_this_machine_reads_it_also_through_a_tunnel(port: int, host: str) -> None:
    assert get(port, "/", Host=host).status == 200


@pytest.mark.parametrize("path", ["/run.sqlite", "/../run.sqlite", "/part-x.json", "/configuration.toml"])
def test_no_file_is_served(port: int, path: str) -> None:
    assert get(port, path).status == 404


def test_a_run_is_read_again_when_something_was_written_and_time_has_passed(make_run: Callable[..., Run]) -> None:
    run = make_run(finished=False)
    follower = Follower(run.directory.root)
    first = follower.now()
    assert follower.now()[0] is first[0]
    with RunDatabase.open(run.directory.database) as database:
        database.add_proposal(replace(run.candidates[0], number=1, round=1, parent=0, tree_hash="1" * 64))
    follower._again = float("inf")
    assert follower.now()[0] is first[0]  # too soon: a look costs the search time
    follower._again = 0.0
    found, content, revision = follower.now()
    assert len(found.candidates) == 2 and len(content["candidates"]["number"]) == 2 and revision != first[2]


def test_a_port_that_cannot_be_had_is_a_user_error(make_run: Callable[..., Run], port: int) -> None:
    follower = Follower(make_run(name="other").directory.root)
    for wrong in (port, 70_000):
        with pytest.raises(UserError, match="another port"):
            server(follower, wrong)
