"""Bad options are one line and exit code 2; hostile values reach the search as they are and the shell not at all."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.launch.launching import PLACES, Pretended, Rule

HOSTILE = [
    "a'b",
    'a"b',
    "$(touch PWNED)",
    "`touch PWNED`",
    "a; touch PWNED",
    "a && touch PWNED | cat > PWNED",
    "${HOME}",
    "\\",
    "\\' ; touch PWNED #",
    "--command=touch PWNED",
    "a b  c",
    "*",
    "~",
    "ünï",
    "- x: {y: [z]}",
    "",
]
NEEDED = {"xpk": ["--cluster", "c1"], "gke": ["--source", "https://example.org/jnas.git@0123abc"]}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["frobnicate"], "frobnicate"),
        (["submit", "--restarts"], "--restarts"),
        (["submit", "--sone", "x"], "--sone"),
        (["submit", "--name", "x; rm -rf /"], "--name"),
        (["submit", "--name", "-x"], "--name"),
        (["submit", "--restarts", "many"], "--restarts"),
        (["submit", "--max-hours", "0"], "--max-hours"),
        (["submit", "--price", "$(id)"], "--price"),
        (["submit", "--config", "quickstart"], "--config"),
        (["submit", "--", "--set", "a=b\nc"], "control character"),
        (["submit", "--", "--set", "key=AIza" + 35 * "x"], "--secret"),
    ],
)
@pytest.mark.parametrize("place", PLACES)
def test_bad_arguments_are_one_line_and_exit_code_2(
    place: str, arguments: list[str], named: str, tmp_path: Path
) -> None:
    pretended = Pretended(tmp_path)
    done = pretended.launch(place, *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert named in done.stderr and "--help" in done.stderr
    assert not pretended.calls()


@pytest.mark.parametrize("place", ["tpu_vm", "queued", "gke", "xpk", "slurm", "sky"])
def test_every_value_is_checked(place: str, tmp_path: Path) -> None:
    pretended = Pretended(tmp_path)
    usage = pretended.launch(place, "help").stdout
    for name in ("project", "zone", "type", "source", "secret", "image", "partition", "infra"):
        if f"--{name}" in usage:
            done = pretended.launch(place, "submit", f"--{name}", "x'; touch PWNED")
            assert done.returncode == 2 and f"--{name}" in done.stderr


def test_a_limit_in_dollars_needs_a_price(tmp_path: Path) -> None:
    pretended = Pretended(tmp_path)
    unknown = pretended.launch("tpu_vm", "submit", "--max-usd", "5", "--zone", "nowhere-1", "--dry-run")
    assert unknown.returncode == 2 and "--price" in unknown.stderr
    given = pretended.launch("tpu_vm", "submit", "--max-usd", "5", "--zone", "nowhere-1", "--price", "2", "--dry-run")
    assert "# dollars an hour: 2; hours: 2.500" in given.stdout and "--hours 2.500" in given.stdout
    both = pretended.launch("tpu_vm", "submit", "--max-usd", "96", "--max-hours", "3", "--dry-run")
    assert "# dollars an hour: 9.60; hours: 3.000" in both.stdout


def test_prices_count_chips_and_know_spot(tmp_path: Path) -> None:
    pretended = Pretended(tmp_path)

    def price(*words: str) -> str:
        return pretended.launch("tpu_vm", "submit", "--dry-run", *words).stdout.split(";")[0].split(": ")[1]

    assert price("--type", "v5p-8", "--zone", "us-central1-a") == "16.80"  # 8 cores are 4 chips
    assert price("--type", "v6e-4", "--zone", "us-east5-a", "--spot") == "4.86"
    assert price("--type", "v9-8", "--zone", "us-east5-a") == "unknown"


def test_hostile_arguments_reach_the_search_whole(tmp_path: Path) -> None:
    pretended = Pretended(tmp_path)
    arguments = ["--", *(word for each in HOSTILE for word in ("--set", each))]
    # The pretended gcloud gives the remote line to a shell, as ssh would; host.sh writes down its arguments.
    pretended.tool(
        "gcloud",
        """#!/bin/bash
cd "$HOME" && mkdir -p jnas && printf '#!/bin/bash\\nprintf "%%s\\\\0" "$@" >"$HOME/got"\\n' >jnas/host.sh
for word in "$@"; do case $word in --command=*) exec bash -c "${word#--command=}" ;; esac; done
""",
    )
    assert pretended.launch("tpu_vm", "submit", *arguments).returncode == 0
    got = (tmp_path / "got").read_text().split("\0")[:-1]
    assert got[got.index("--") :] == arguments
    assert not list(tmp_path.rglob("PWNED"))


@pytest.mark.parametrize("place", PLACES)
def test_hostile_arguments_start_nothing_here(place: str, tmp_path: Path) -> None:
    pretended = Pretended(tmp_path)
    pretended.rules(Rule("describe", out="ACTIVE"))
    for verb in ("submit", "resume"):
        done = pretended.launch(place, verb, *NEEDED.get(place, []), "--dry-run", "--", *HOSTILE)
        assert done.returncode == 0, done.stderr
        assert shlex.split(done.stdout.splitlines()[-1][2:]), "every printed line can be typed"
    assert not list(tmp_path.rglob("PWNED"))
