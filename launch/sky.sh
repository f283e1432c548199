#!/usr/bin/env bash
# A search as a managed job of SkyPilot, on whatever cloud it finds. `launch/sky.sh help` explains the use.
# shellcheck disable=SC2034,SC2154  # read and set by common.sh
place=sky
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
option=([infra]=gcp [type]=tpu-v5litepod-8 [zone]="" [source]="" [secret]="" [jax]=tpu [cpus]="" [memory]="")
flag=([spot]="")
identity=(name)

usage() {
  cat <<'HELP'
usage: launch/sky.sh VERB [OPTION ...] [-- SEARCH ARGUMENT ...]

  submit   render the task and hand it over; SkyPilot finds a machine, and a new one after pre-emption, and with
           --restarts (however many) after exit code 75
  status   the jobs that are not finished
  logs     follow the log; Ctrl-C leaves the search running
  resume   hand the same task over again
  stop     cancel the job; its machine goes with it
  delete   the same; SkyPilot's own controller stays, and stops itself when idle

  --infra I          CLOUD, CLOUD/REGION or CLOUD/REGION/ZONE                 (default: gcp)
  --type T           accelerator and count as SkyPilot writes them, or none    (default: tpu-v5litepod-8)
  --zone ZONE        only to look the price up
  --spot             cheaper, and may be taken away at any time
  --cpus N, --memory GB                                    at least, such as 8+
  --source URL@REF   install this commit                   (default: this checkout is copied over)
  --secret NAME      variable of your environment that holds the Gemini key, passed on under that name
  --jax EXTRA        tpu, cuda12, cuda13 or none            (default: tpu)
HELP
}

left_running() {
  sky jobs queue --skip-finished | awk -v name="${option[name]}" 'index($0, name)' || return
  sky status | awk 'index($0, "sky-jobs-controller") && /UP|INIT/ { print $0 "  (end it with sky down)" }'
}

task() { # YAML; every value is a JSON string, so that none can be read as anything else
  host_line "${option[source]:-.}" 0 jax
  cat <<YAML
name: $(json "${option[name]}")
workdir: $(json "$root")
resources:
  infra: $(json "${option[infra]}")
YAML
  [[ ${option[type]} == none ]] || echo "  accelerators: $(json "${option[type]}")"
  [[ -z ${option[cpus]} ]] || echo "  cpus: $(json "${option[cpus]}")"
  [[ -z ${option[memory]} ]] || echo "  memory: $(json "${option[memory]}")"
  cat <<YAML
  use_spot: $([[ -n ${flag[spot]} ]] && echo true || echo false)
YAML
  ((option[restarts] == 0)) || printf '  job_recovery:\n    recover_on_exit_codes: [75]\n'
  [[ -z ${option[secret]} ]] || printf 'secrets:\n  %s: null\n' "${option[secret]}"
  echo "run: $(json "bash launch/host.sh run$(quoted "${line[@]}")")"
}

launch() {
  [[ -z ${option[secret]} || ${option[secret]} =~ ^[A-Z_][A-Z0-9_]*$ ]] || fail "--secret '${option[secret]}': expected the name of a variable"
  render task.yaml task
  execute sky jobs launch --name "${option[name]}" ${option[secret]:+--secret "${option[secret]}"} --detach-run --yes "$state/task.yaml"
}

begin "$@"
require sky

case $verb in
  submit | resume) launch ;;
  status) execute sky jobs queue --skip-finished ;;
  logs) execute sky jobs logs --name "${option[name]}" --follow ;;
  stop) execute sky jobs cancel --name "${option[name]}" --yes ;;
  delete)
    confirm "Cancel the job ${option[name]} and delete its machine?"
    execute sky jobs cancel --name "${option[name]}" --yes
    ;;
esac
