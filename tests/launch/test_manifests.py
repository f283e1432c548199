"""What is rendered fits the schema of who reads it, asks for no privilege, and holds values as they were given."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.launch.launching import ROOT, Pretended
from tests.launch.test_options import HOSTILE

jsonschema = pytest.importorskip("jsonschema")
yaml = pytest.importorskip("yaml")
SCHEMAS = Path(__file__).parent / "schemas"
SOURCE = ["--source", "https://example.org/jnas.git@0123abc"]


def rendered(folder: Path, place: str, *arguments: str, verb: str = "submit") -> dict[str, Any]:
    """The file that a launcher writes."""
    pretended = Pretended(folder)
    done = pretended.launch(place, verb, *arguments)
    assert done.returncode == 0, done.stderr
    (path,) = pretended.state.rglob("*.yaml")
    return yaml.safe_load(path.read_text())


def valid(document: dict[str, Any], schema: str) -> None:
    jsonschema.Draft202012Validator(json.loads((SCHEMAS / schema).read_text())).validate(document)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--spot", "--secret", "gemini", "--account", "searcher", "--restarts", "4"],
        ["--hosts", "4", "--chips", "4", "--shared", "gs://b/x", "--topology", "4x4", "--max-hours", "9"],
        ["--namespace", "research", "--name", "second"],
        ["--", "--set", *HOSTILE],
    ],
)
def test_jobset_fits_its_schema(arguments: list[str], tmp_path: Path) -> None:
    valid(rendered(tmp_path, "gke", *SOURCE, *arguments), "jobset.json")


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec.update(privileged=True),
        lambda spec: spec["replicatedJobs"][0].pop("template"),
        lambda spec: spec["failurePolicy"].update(maxRestarts="3"),
        lambda spec: spec["failurePolicy"]["rules"][0].update(action="Restart"),
        lambda spec: spec["replicatedJobs"][0]["template"]["spec"].update(backOffLimit=0),
        lambda spec: _container(spec)["securityContext"].update(privileged=True),
        lambda spec: _container(spec).update(env=[{"name": "GEMINI_API_KEY", "value": "AIza"}]),
        lambda spec: _container(spec)["resources"]["limits"].update({"google.com/tpu": "eight"}),
    ],
)
def test_the_schema_refuses(change: Any, tmp_path: Path) -> None:
    document = rendered(tmp_path, "gke", *SOURCE)
    change(document["spec"])
    with pytest.raises(jsonschema.ValidationError):
        valid(document, "jobset.json")


def _container(spec: dict[str, Any]) -> dict[str, Any]:
    return spec["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]["containers"][0]


def test_jobset_holds_arguments_as_given_and_secrets_by_name(tmp_path: Path) -> None:
    document = rendered(tmp_path, "gke", *SOURCE, "--secret", "gemini", "--", *HOSTILE)
    container = _container(document["spec"])
    arguments = container["args"]
    # Kubernetes reads $$ as $ and would put a variable in place of $(NAME).
    assert [word.replace("$$", "$") for word in arguments[arguments.index("--") + 1 :]] == HOSTILE
    assert "$(" not in "".join(arguments).replace("$$", "")
    assert container["envFrom"] == [{"secretRef": {"name": "gemini"}}]
    assert "gemini" not in "".join(arguments)


def test_a_pod_has_no_privilege_and_time_to_drain(tmp_path: Path) -> None:
    document = rendered(tmp_path, "gke", *SOURCE)
    pod = document["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]
    context = pod["containers"][0]["securityContext"]
    assert context["privileged"] is context["allowPrivilegeEscalation"] is False
    assert context["capabilities"]["drop"] == ["ALL"] and pod["automountServiceAccountToken"] is False
    assert "hostNetwork" not in pod and all("hostPath" not in volume for volume in pod["volumes"])
    drain = next(line for line in (ROOT / "launch" / "host.sh").read_text().splitlines() if line.startswith("DRAIN="))
    assert pod["terminationGracePeriodSeconds"] > int(drain.removeprefix("DRAIN=").split()[0])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--type", "none", "--cpus", "8+", "--memory", "32+", "--jax", "none", "--infra", "aws"],
        ["--type", "L4:1", "--jax", "cuda12", "--spot", "--secret", "GEMINI_API_KEY", "--restarts", "1"],
        ["--infra", "gcp/us-west4/us-west4-a", "--", *HOSTILE],
    ],
)
def test_sky_task_fits_its_schema(arguments: list[str], tmp_path: Path) -> None:
    document = rendered(tmp_path, "sky", *arguments)
    valid(document, "sky_task.json")
    line = shlex.split(document["run"])
    assert line[:3] == ["bash", "launch/host.sh", "run"]
    given = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    assert line[line.index("--") + 1 :] == given


def test_a_sky_secret_is_passed_on_by_name(tmp_path: Path) -> None:
    document = rendered(tmp_path, "sky", "--secret", "GEMINI_API_KEY")
    assert document["secrets"] == {"GEMINI_API_KEY": None}
    refused = Pretended(tmp_path / "second").launch("sky", "submit", "--secret", "AIzaSyKEY=x")
    assert refused.returncode == 2 and "expected the name of a variable" in refused.stderr
