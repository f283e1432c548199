"""Probing in child processes: hostile or broken classes are answers, and later classes are still probed."""

import os
import subprocess

from jnas.library import probing
from jnas.library.workers import probe_all

HEAD = "from translators.runtime import nn, ops\n\n\n"
SOUND = HEAD + (
    "class Sound(nn.Module):\n    def forward(self, x):\n        print('noise on standard output')\n"
    "        return x * 2\n"
)
ENDLESS = HEAD + "class Endless(nn.Module):\n    def __init__(self):\n        while True:\n            pass\n"
GREEDY = HEAD + (
    "class Greedy(nn.Module):\n    def __init__(self):\n        self.kept = []\n        while True:\n"
    "            self.kept.append('x' * 100000000)\n"
)
BROKEN = HEAD + "class Broken(nn.Module:\n"


def jobs(folder, **sources):
    for name, text in sources.items():
        (folder / f"{name.lower()}.py").write_text(text)
        yield {
            "name": f"{name.lower()}.{name}",
            "folder": str(folder),
            "arguments": [],
            "calls": [],
            "description": "",
            "provenance": {},
        }


def own(name):
    return {
        "name": name,
        "folder": None,
        "arguments": [],
        "calls": [],
        "description": "d",
        "provenance": {"package": "jnas"},
    }


def test_answers_come_in_order_and_keep_what_was_known():
    seen = []
    answers = probe_all([own("jnas.Activation"), own("jnas.MaxPool")], progress=lambda done, total: seen.append(done))
    assert [(a["name"], a["status"]) for a in answers] == [
        ("jnas.Activation", "placeable"),
        ("jnas.MaxPool", "placeable"),
    ]
    assert answers[0]["block"]["description"] == "d" and answers[0]["block"]["provenance"] == {"package": "jnas"}
    assert seen == [1, 2]


def test_classes_that_hang_grow_or_do_not_parse_cost_only_themselves(tmp_path):
    listed = list(jobs(tmp_path, First=SOUND, Endless=ENDLESS, Greedy=GREEDY, Broken=BROKEN, Sound=SOUND))
    listed[0]["name"] = "first.Sound"  # the first answer waits for the imports, so that its limit is another
    answers = probe_all(listed, workers=1, time_limit=3.0)
    assert [answer["status"] for answer in answers] == ["placeable", "timeout", "crashed", "refused", "placeable"]
    assert "3 s" in answers[1]["reason"]
    assert all(answer["block"] is None for answer in answers[1:4])


def test_a_class_that_takes_too_much_processor_time_says_so_itself(monkeypatch, tmp_path):
    (job,) = jobs(tmp_path, Endless=ENDLESS)
    monkeypatch.setattr(probing, "TIME_LIMIT", 0.5)
    found = probing.answer(job)
    assert (found["status"], found["reason"], found["block"]) == ("crashed", "takes longer than 0.5 s", None)


def test_no_worker_is_left_and_none_sees_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("SECRET_KEY", "planted")
    environments = []
    popen = subprocess.Popen

    def spy(*args, **kwargs):
        environments.append((process := popen(*args, **kwargs), kwargs["env"]))
        return process

    monkeypatch.setattr(subprocess, "Popen", spy)
    probe_all([own("jnas.Activation"), *jobs(tmp_path, Endless=ENDLESS)], workers=1, time_limit=2.0)
    assert environments
    for process, environment in environments:
        assert process.poll() is not None
        assert "planted" not in environment.values() and set(environment) < {
            *os.environ,
            "JAX_PLATFORMS",
            "PYTHONHASHSEED",
            "PYTHONPATH",
            "PYTHONSAFEPATH",
        }
