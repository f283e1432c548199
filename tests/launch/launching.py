"""Runs launchers with pretended tools, which write down how they were called and answer by the first rule that fits."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash") or "bash"
PLACES = ("local", "tpu_vm", "queued", "gke", "xpk", "slurm", "sky")
TOOLS = ("gcloud", "kubectl", "xpk", "sky", "sbatch", "squeue", "sacct", "scancel", "scontrol", "sleep")
TOOL = r"""#!/bin/bash
call="${0##*/} $*"
printf '%s\n' "${call//$'\n'/ }" >>"$PRETENDED/calls"
number=0
while IFS='|' read -r pattern times code out err; do
  number=$((number + 1))
  [[ $call =~ $pattern ]] || continue
  used=0
  [[ ! -f $PRETENDED/used.$number ]] || read -r used <"$PRETENDED/used.$number"
  ((times == 0 || used < times)) || continue
  echo $((used + 1)) >"$PRETENDED/used.$number"
  [[ -z $out ]] || printf '%b\n' "$out"
  [[ -z $err ]] || printf '%b\n' "$err" >&2
  [[ $code != hang ]] || exec /bin/sleep 20
  exit "$code"
done <"$PRETENDED/rules"
"""


@dataclass(frozen=True)
class Rule:
    """Answers calls that match `pattern`, the first `times` of them or all; `code` may be "hang"."""

    pattern: str
    code: int | str = 0
    out: str = ""
    error: str = ""
    times: int = 0


class Pretended:
    """A PATH of pretended tools in front of the system's, and a place for what launchers remember."""

    def __init__(self, folder: Path, tools: Sequence[str] = TOOLS) -> None:
        self.folder = folder / "pretended"
        self.tools, self.state = folder / "tools", folder / "state"
        for each in (self.folder, self.tools):
            each.mkdir(parents=True)
        for name in tools:
            self.tool(name, TOOL)
        self.tool("id", "#!/bin/sh\necho someone\n")
        self.path = f"{self.tools}:/usr/bin:/bin"
        self.rules()

    def tool(self, name: str, text: str) -> None:
        (self.tools / name).write_text(text)
        (self.tools / name).chmod(0o755)

    def rules(self, *rules: Rule) -> None:
        lines = [f"{rule.pattern}|{rule.times}|{rule.code}|{rule.out}|{rule.error}\n" for rule in rules]
        (self.folder / "rules").write_text("".join(lines))

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": self.path,
            "HOME": str(self.folder.parent),
            "PRETENDED": str(self.folder),
            "JNAS_LAUNCH_HOME": str(self.state),
        }

    def calls(self) -> list[str]:
        """How the tools were called so far."""
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def start(self, place: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [BASH, str(ROOT / "launch" / f"{place}.sh"), *arguments],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def launch(self, place: str, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BASH, str(ROOT / "launch" / f"{place}.sh"), *arguments],
            cwd=ROOT,
            env=self.environment,
            input=answer,
            capture_output=True,
            text=True,
            timeout=60,
        )


def until(condition, seconds: float = 20.0) -> bool:
    """Waits for a condition; whether it came true."""
    end = time.monotonic() + seconds
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return bool(met)


def signal_group(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> None:
    os.killpg(process.pid, number)
