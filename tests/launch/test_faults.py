"""Whatever goes wrong at a cloud: a clear line, the exit code of what failed, and nothing billed goes unmentioned."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.launch.launching import Pretended, Rule, signal_group, until

MACHINE = Rule("tpu-vm list", out="jnas v5litepod-8 READY")
REQUEST = Rule("queued-resources list", out="jnas ACTIVE")
POD = Rule("kubectl get pods", out="jnas-search-0-0 Running node-1")
HINT = {
    "tpu_vm": "launch/tpu_vm.sh delete --name jnas --zone us-west4-a",
    "queued": "launch/queued.sh delete --name jnas --zone us-west4-a",
    "gke": "launch/gke.sh delete --name jnas --namespace default",
    "xpk": "launch/xpk.sh delete --name jnas --cluster c1",
    "slurm": "launch/slurm.sh delete --name jnas",
    "sky": "launch/sky.sh delete --name jnas",
}
SOURCE = ["--source", "https://example.org/jnas.git@0123abc"]


@dataclass(frozen=True)
class Fault:
    """What the tools answer, and what has to come of it; `billed` says whether something is left that costs money."""

    line: list[str]
    rules: list[Rule]
    code: int
    says: str
    billed: bool
    calls: list[str] = field(default_factory=list)  # patterns of calls, in this order among others
    never: str = "no such call"


FAULTS = {
    "quota": Fault(
        ["tpu_vm", "submit"],
        [Rule("tpu-vm create", 1, error="ERROR: RESOURCE_EXHAUSTED: Quota limit TPUV5sPerProject has been exceeded")],
        1,
        "the quota is used up",
        billed=False,
        never="ssh",
    ),
    "zone without capacity": Fault(
        ["tpu_vm", "submit"],
        [Rule("tpu-vm create", 1, error="ERROR: There is no more capacity in the zone us-west4-a")],
        1,
        "no capacity there now",
        billed=False,
    ),
    "name already exists": Fault(
        ["tpu_vm", "submit"],
        [Rule("tpu-vm create", 1, error="ERROR: (gcloud) ALREADY_EXISTS: Resource already exists"), MACHINE],
        1,
        "the name is taken",
        billed=True,
    ),
    "permission denied": Fault(
        ["tpu_vm", "submit"],
        [Rule("tpu-vm create", 1, error="ERROR: PERMISSION_DENIED: Permission tpu.nodes.create denied on projects/p")],
        1,
        "permission denied",
        billed=False,
    ),
    "wrong project": Fault(
        ["tpu_vm", "submit", "--project", "nope"],
        [Rule("create", 1, error="ERROR: The project property is set to a value that does not exist: nope")],
        1,
        "there is no such project",
        billed=False,
    ),
    "ssh fails on one worker": Fault(
        ["tpu_vm", "submit"],
        [
            Rule("host.sh prepare", 1, error="##### Command execution on worker 3 failed with exit status code 255"),
            MACHINE,
        ],
        1,
        "the connection broke",
        billed=True,
        never="host.sh start",
    ),
    "preflight refuses a worker": Fault(
        ["tpu_vm", "submit"],
        [Rule("host.sh prepare", 2, error="error: w-1: chips: 0 found"), MACHINE],
        2,
        "ended with code 2",
        billed=True,
        never="host.sh start",
    ),
    "slow host": Fault(
        ["tpu_vm", "submit", "--patience", "1"],
        [Rule("host.sh prepare", "hang"), MACHINE],
        124,
        "a host is slow or unreachable",
        billed=True,
        never="host.sh start",
    ),
    "copy fails": Fault(
        ["tpu_vm", "submit"],
        [Rule("tpu-vm scp", 1, error="scp: write: No space left on device"), MACHINE],
        1,
        "ended with code 1",
        billed=True,
    ),
    "network drops in the logs": Fault(
        ["tpu_vm", "logs"],
        [Rule("tail", 255, out="step 1", error="Connection to 1.2.3.4 closed by remote host."), MACHINE],
        255,
        "the connection broke; what runs there goes on",
        billed=True,
    ),
    "nobody can say what is left": Fault(
        ["tpu_vm", "stop"],
        [Rule("tpu-vm", 1, error="ERROR: network is unreachable")],
        1,
        "cannot tell what is still running and billed: the connection broke",
        billed=False,
    ),
    "half deleted": Fault(
        ["tpu_vm", "resume"],
        [Rule("describe", 0, out="DELETING"), Rule("tpu-vm list", out="jnas v5litepod-8 DELETING")],
        1,
        "the machine is DELETING",
        billed=True,
        never="ssh",
    ),
    "resume after pre-emption": Fault(
        ["tpu_vm", "resume"],
        [Rule("describe", 0, out="PREEMPTED"), MACHINE],
        0,
        "",
        billed=True,
        calls=["tpu-vm delete .*--quiet", "tpu-vm create", "host.sh prepare", "host.sh start"],
    ),
    "resume of a machine that is gone": Fault(
        ["tpu_vm", "resume"],
        [Rule("describe", 1, error="ERROR: NOT_FOUND: Resource was not found"), MACHINE],
        0,
        "",
        billed=True,
        calls=["tpu-vm create", "host.sh start"],
    ),
    "deleted already": Fault(
        ["tpu_vm", "delete", "--yes"],
        [Rule("delete", 1, error="ERROR: NOT_FOUND: The specified TPU node was not found")],
        1,
        "nothing has that name there",
        billed=False,
    ),
    "delete not confirmed": Fault(
        ["tpu_vm", "delete"], [MACHINE], 1, "nothing was deleted", billed=True, never="delete"
    ),
    "request refused": Fault(
        ["queued", "submit"],
        [Rule("describe", out="WAITING_FOR_RESOURCES", times=2), Rule("describe", out="FAILED")],
        75,
        "the TPU was refused or taken away (FAILED)",
        billed=False,
        calls=["queued-resources create", "queued-resources delete .*--force --quiet"],
    ),
    "spot taken away, then granted": Fault(
        ["queued", "submit", "--spot", "--restarts", "1"],
        [
            Rule("describe", out="ACTIVE", times=2),
            Rule("describe", out="SUSPENDED", times=1),
            Rule("describe", out="ACTIVE"),
            Rule("host.sh status", out="searching", times=1),
            Rule("host.sh status", out="ended 0"),
            REQUEST,
        ],
        0,
        "",
        billed=True,
        calls=[
            "create .*--spot",
            "host.sh start",
            "delete .*--force",
            "create .*--spot",
            "host.sh start",
            "host.sh status",
        ],
    ),
    "spot taken away once too often": Fault(
        ["queued", "resume", "--restarts", "1"],
        [Rule("describe", out="ACTIVE", times=2), Rule("describe", out="SUSPENDED")],
        75,
        "no restart is left",
        billed=False,
        calls=["host.sh start", "delete .*--force", "create", "delete .*--force"],
    ),
    "a look at the request fails once": Fault(
        ["queued", "submit"],
        [Rule("describe", 1, error="ERROR: connection reset", times=1), Rule("describe", out="ACTIVE"), REQUEST],
        0,
        "",
        billed=True,
        calls=["host.sh start"],
    ),
    "looks at the request go on failing": Fault(
        ["queued", "submit"],
        [Rule("describe", 1, error="ERROR: connection reset"), REQUEST],
        1,
        "the connection broke",
        billed=True,
        never="queued-resources delete",
    ),
    "the search itself fails": Fault(
        ["queued", "submit", "--restarts", "3"],
        [Rule("describe", out="ACTIVE"), Rule("host.sh status", out="ended 2"), REQUEST],
        1,
        "the search failed",
        billed=True,
        never="queued-resources delete",
    ),
    "cluster without JobSet": Fault(
        ["gke", "submit", *SOURCE],
        [Rule("kubectl create .*filename", 1, error="error: no matches for kind JobSet in version v1alpha2")],
        1,
        "the cluster has no JobSet",
        billed=False,
    ),
    "namespace forbidden": Fault(
        ["gke", "submit", *SOURCE],
        [Rule("kubectl create configmap", 1, error="Error from server (Forbidden): configmaps is forbidden")],
        1,
        "permission denied",
        billed=False,
        never="filename",
    ),
    "JobSet exists": Fault(
        ["gke", "submit", *SOURCE],
        [Rule("kubectl create .*filename", 1, error="Error from server (AlreadyExists): jobsets already exists"), POD],
        1,
        "the name is taken",
        billed=True,
    ),
    "API server gone in the logs": Fault(
        ["gke", "logs"],
        [Rule("kubectl", 1, error="Unable to connect to the server: dial tcp: i/o timeout")],
        1,
        "cannot tell what is still running",
        billed=False,
    ),
    "pods outlive the JobSet": Fault(["gke", "delete", "--yes"], [POD], 0, "", billed=True),
    "no such cluster": Fault(
        ["xpk", "submit", "--cluster", "c1"],
        [Rule("workload create", 1, error="[XPK] cluster c1 not found")],
        1,
        "nothing has that name there",
        billed=True,
    ),
    "invalid partition": Fault(
        ["slurm", "submit", "--partition", "nope"],
        [Rule("sbatch", 1, error="sbatch: error: invalid partition specified: nope")],
        1,
        "a value is refused",
        billed=False,
    ),
    "too many jobs": Fault(
        ["slurm", "submit"],
        [Rule("sbatch", 1, error="sbatch: error: QOSMaxSubmitJobPerUserLimit: Job violates accounting/QOS policy")],
        1,
        "the quota is used up",
        billed=False,
    ),
    "job of that name runs": Fault(
        ["slurm", "resume"],
        [Rule("squeue .*format=%i", out="17"), Rule("squeue", out="job 17 RUNNING")],
        1,
        "job 17 has the name jnas",
        billed=True,
        never="sbatch",
    ),
    "scheduler down": Fault(
        ["slurm", "submit"],
        [Rule("squeue", 1, error="slurm_load_jobs error: Unable to contact slurm controller (connect failure)")],
        1,
        "cannot tell what is still running and billed: the connection broke",
        billed=False,
        never="sbatch",
    ),
    "no cloud has the machine": Fault(
        ["sky", "submit"],
        [Rule("jobs launch", 1, error="Failed to provision all possible launchable resources")],
        1,
        "no capacity there now",
        billed=False,
    ),
    "controller stays": Fault(
        ["sky", "delete", "--yes"], [Rule("sky status", out="sky-jobs-controller-1 gcp UP")], 0, "sky down", billed=True
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_fault(name: str, tmp_path: Path) -> None:
    fault, pretended = FAULTS[name], Pretended(tmp_path)
    pretended.rules(*fault.rules)
    done = pretended.launch(*fault.line)
    assert done.returncode == fault.code, done.stderr
    assert fault.says in done.stderr
    told = "still there, and billed while it runs" in done.stderr
    assert told == fault.billed, done.stderr
    if fault.billed:
        assert HINT[fault.line[0]] in done.stderr
    else:
        assert "left running" in done.stderr or "cannot tell" in done.stderr
    calls = iter(pretended.calls())
    for pattern in fault.calls:
        assert any(_fits(pattern, call) for call in calls), f"{pattern} is not among\n" + "\n".join(pretended.calls())
    assert not any(_fits(fault.never, call) for call in pretended.calls())


def _fits(pattern: str, call: str) -> bool:
    return re.search(pattern, call) is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_submit_says_what_it_leaves(number: int, tmp_path: Path) -> None:
    pretended = Pretended(tmp_path)
    pretended.rules(Rule("host.sh prepare", "hang"), MACHINE)
    process = pretended.start("tpu_vm", "submit")
    assert until(lambda: any("host.sh prepare" in call for call in pretended.calls()))
    signal_group(process, number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert "jnas v5litepod-8 READY" in said and HINT["tpu_vm"] in said


@pytest.mark.parametrize("place", ["tpu_vm", "queued", "gke", "xpk", "slurm", "sky"])
def test_without_its_tool_a_launcher_says_so(place: str, tmp_path: Path) -> None:
    pretended = Pretended(tmp_path, tools=())
    for name in ("bash", "dirname", "awk", "mkdir", "mktemp", "rm"):
        (pretended.tools / name).symlink_to(f"/usr/bin/{name}")
    pretended.path = str(pretended.tools)
    done = pretended.launch(place, "submit", *(["--cluster", "c1"] if place == "xpk" else []))
    assert done.returncode == 2
    assert "is not installed" in done.stderr and done.stderr.count("\n") == 1


def test_later_verbs_remember_the_submitted_line(tmp_path: Path) -> None:
    pretended = Pretended(tmp_path)
    pretended.rules(Rule("describe", out="READY"))
    line = ["--zone", "us-east5-b", "--yes", "--", "--set", "a=it's $(touch x)\\ b"]
    assert pretended.launch("tpu_vm", "submit", *line).returncode == 0
    assert pretended.launch("tpu_vm", "resume").returncode == 0
    first, second = (call for call in pretended.calls() if "host.sh start" in call)
    assert first == second and "--zone=us-east5-b" in first
    refused = pretended.launch("tpu_vm", "delete")
    assert refused.returncode == 1, "a --yes given to submit does not confirm a later delete"
    assert pretended.launch("tpu_vm", "delete", answer="y\n").returncode == 0
    assert "gcloud compute tpus tpu-vm delete jnas --zone=us-east5-b --quiet" in pretended.calls()
