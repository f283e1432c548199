#!/usr/bin/env bash
# A search on a Cloud TPU VM, from creating the machine to deleting it. `launch/tpu_vm.sh help` explains the use.
set -euo pipefail

usage() {
  cat <<'HELP'
usage: launch/tpu_vm.sh VERB [OPTION ...] [-- SEARCH ARGUMENT ...]

  create   ask Google Cloud for the TPU VM (costs money from here on)
  push     copy the committed state of this checkout to every worker and install it there
  run      start the same `python -m jnas.search SEARCH ARGUMENT ...` on every worker, in the background;
           the same line again continues the run
  logs     follow the log of one worker
  status   state of the machine, and whether the search is alive on each worker
  fetch    copy the run directories of one worker to runs/NAME/ here
  delete   delete the TPU VM and everything on it; gcloud asks first

  --name NAME        name of the machine                 (default: jnas)
  --zone ZONE        zone                                (default: us-west4-a)
  --type TYPE        accelerator type                    (default: v5litepod-8)
  --version VERSION  software of the machine             (default: v2-alpha-tpuv5-lite)
  --project PROJECT  project                             (default: the one that gcloud is set to)
  --worker WORKER    whose log or runs, 0, 1, ...        (default: 0)
  --spot             create: a cheaper machine that may be taken away at any time
  --dry-run          print the commands and run none
  --help             this page
HELP
}

fail() {
  echo "tpu_vm.sh: $1; see launch/tpu_vm.sh --help" >&2
  exit 2
}

root=$(cd "$(dirname "$0")/.." && pwd)
verb=help name=jnas zone=us-west4-a type=v5litepod-8 version=v2-alpha-tpuv5-lite worker=0 dry_run=""
common=() extra=() arguments=()

if (($#)); then
  verb=$1
  shift
fi
while (($#)); do
  option=$1
  shift
  case $option in
    --name | --zone | --type | --version | --worker | --project)
      (($#)) || fail "$option needs a value"
      [[ $1 =~ ^[A-Za-z0-9][A-Za-z0-9._:-]*$ ]] || fail "$option '$1' is not a name"
      case $option in
        --project) common+=("--project=$1") ;;
        *) printf -v "${option#--}" '%s' "$1" ;;
      esac
      shift
      ;;
    --spot) extra+=(--spot) ;;
    --dry-run) dry_run=yes ;;
    --help) verb=help ;;
    --)
      arguments=("$@")
      break
      ;;
    *) fail "unknown option '$option'" ;;
  esac
done
common+=("--zone=$zone")

quoted() { # the words as a shell reads them, each after a space
  local word quote="'\\''"
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]]; then printf ' %s' "$word"; else printf " '%s'" "${word//\'/$quote}"; fi
  done
}

execute() { # prints the command as it could be typed, then runs it
  printf '+%s\n' "$(quoted "$@")"
  [[ -n $dry_run ]] || "$@"
}

tpu() { execute gcloud compute tpus tpu-vm "$@"; }

on() { # on WORKER COMMAND: in a shell of that worker, or of all
  tpu ssh "$name" "${common[@]}" "--worker=$1" "--command=$2"
}

require() {
  [[ -n $dry_run ]] || command -v "$1" >/dev/null || fail "$1 is not installed"
}

# What the workers' shells expand, not this one. The image's Python is older than ours, hence uv.
# A worker that was pushed to before keeps its runs and its environment.
# shellcheck disable=SC2016
install='set -e
mkdir -p jnas && tar -xzf jnas.tar.gz -C jnas && cd jnas
python3 -m pip install --user --quiet uv && export PATH="$HOME/.local/bin:$PATH"
uv python install --quiet 3.12
command -v make >/dev/null || sudo apt-get install --yes --quiet make
make PYTHON="$(uv python find --no-project 3.12)" .venv/.material
.venv/bin/python -m pip install --quiet --upgrade "jax[tpu]"'

# shellcheck disable=SC2016
alive='[ -f search.pid ] && kill -0 "$(cat search.pid)" 2>/dev/null'

case $verb in
  help | --help | -h) usage ;;
  create)
    require gcloud
    tpu create "$name" "${common[@]}" "--accelerator-type=$type" "--version=$version" ${extra[@]+"${extra[@]}"}
    ;;
  push)
    require gcloud
    require git
    archive=${TMPDIR:-/tmp}/$name-push.tar.gz
    execute git -C "$root" archive --format=tar.gz "--output=$archive" HEAD
    tpu scp "$archive" "$name:jnas.tar.gz" "${common[@]}" --worker=all
    on all "$install"
    ;;
  run)
    require gcloud
    search="python -m jnas.search$(quoted ${arguments[@]+"${arguments[@]}"})"
    on all "cd jnas || exit 1
if $alive; then echo 'a search is running already: see logs' >&2; exit 1; fi
nohup .venv/bin/$search >>search.log 2>&1 </dev/null &
echo \$! >search.pid"
    ;;
  logs)
    require gcloud
    on "$worker" "tail -n 100 -F jnas/search.log"
    ;;
  status)
    require gcloud
    tpu describe "$name" "${common[@]}" "--format=value(state,health,acceleratorType)"
    on all "cd jnas || exit 1
if $alive; then echo searching; else echo idle; fi
tail -n 1 search.log"
    ;;
  fetch)
    require gcloud
    execute mkdir -p "$root/runs/$name"
    tpu scp --recurse "$name:jnas/runs/*" "$root/runs/$name/" "${common[@]}" "--worker=$worker"
    ;;
  delete)
    require gcloud
    tpu delete "$name" "${common[@]}"
    ;;
  *) fail "unknown verb '$verb'" ;;
esac
