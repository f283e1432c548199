#!/usr/bin/env bash
# A search on this machine, in the background. `launch/local.sh help` explains the use.
# shellcheck disable=SC2034,SC2154  # read and set by common.sh
place=local
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
option=([source]="$root" [secret]="" [jax]="")
identity=(name) billed=""

usage() {
  cat <<'HELP'
usage: launch/local.sh VERB [OPTION ...] [-- SEARCH ARGUMENT ...]

  submit   install jnas in this checkout's .venv, check, start the search in the background
  status   whether it is searching, and the last line of its log
  logs     follow its log; Ctrl-C leaves the search running
  resume   continue the run
  stop     let the search drain
  delete   forget the log and the submitted line; runs stay

  --source DIR       the checkout to run, or URL@REF       (default: this one)
  --secret FILE      KEY=VALUE lines for the search's environment, read when it starts
  --jax EXTRA        cuda12, cuda13 or tpu: install jax[EXTRA] as well
HELP
}

left_running() {
  [[ ! -f $state/host.pid ]] || ! kill -0 "$(<"$state/host.pid")" 2>/dev/null || echo "process $(<"$state/host.pid")"
}

begin "$@"

case $verb in
  submit | resume)
    host_line "${option[source]}" "${option[restarts]}" secret jax
    execute bash "$root/launch/host.sh" start --work "$state" "${line[@]}"
    ;;
  status | stop) execute bash "$root/launch/host.sh" "$verb" --work "$state" ;;
  logs) execute tail -n 100 -F "$state/host.log" ;;
  delete)
    confirm "Delete $state?"
    execute bash "$root/launch/host.sh" stop --work "$state"
    execute rm -rf "$state"
    ;;
  *) fail "unknown verb '$verb'" ;;
esac
