#!/usr/bin/env bash
# The only script that runs where the search runs, alone: install jnas, check the host, and run the same
# `python -m jnas.search` line everywhere. State lies in WORK: code/, host.log, host.pid, host.exit.
#   host.sh prepare | run | start | status | stop  [OPTION ...] [-- SEARCH ARGUMENT ...]
# prepare installs and checks, run does that and searches, start is run in the background, stop lets it drain.
set -euo pipefail

RESUMABLE=75 # EX_TEMPFAIL: drained, the same line continues
DRAIN=300    # seconds until a search that was asked to stop is killed
work=$HOME/jnas source="" jax="" secret="" restarts=0 hours="" hosts=1 chips="" shared="" verb=${1:-}
(($#)) && shift
options=("$@") search=()

say() { echo "host $(hostname): $1" >&2; }

fail() { say "$1" && exit 2; }

while (($#)); do
  case $1 in
    --work | --source | --jax | --secret | --restarts | --hours | --hosts | --chips | --shared)
      (($# > 1)) || fail "$1 needs a value"
      printf -v "${1#--}" '%s' "$2"
      ;;
    --)
      search=("${@:2}")
      break
      ;;
    *) fail "unknown option '$1'" ;;
  esac
  shift 2
done

alive() { [[ -f $work/host.pid ]] && kill -0 "$(<"$work/host.pid")" 2>/dev/null; }

# Sets python. The images of some clouds have a Python older than ours, hence uv; files in $work/code survive an update.
install() {
  local code=$work/code new_enough='import sys; sys.exit(sys.version_info < (3, 11))' base=python3
  case $source in
    *.tar.gz) mkdir -p "$code" && tar -xzf "$source" -C "$code" ;;
    *://*@*)
      [[ -d $code/.git ]] || git clone --quiet "${source%@*}" "$code"
      git -C "$code" fetch --quiet origin && git -C "$code" checkout --quiet --detach "${source##*@}"
      ;;
    *) code=$(cd "$source" && pwd) || return ;;
  esac
  python=$code/.venv/bin/python
  if ! python3 -c "$new_enough" 2>/dev/null; then
    python3 -m pip install --user --quiet uv && export PATH="$HOME/.local/bin:$PATH"
    uv python install --quiet 3.12 && base=$(uv python find --no-project 3.12)
  fi
  command -v make >/dev/null || sudo -n apt-get install --yes --quiet make
  make --quiet -C "$code" PYTHON="$base" .venv/.material
  [[ -z $jax ]] || "$python" -m pip install --quiet --upgrade "jax[$jax]"
}

# A secret is named, never passed: a path is a file of KEY=VALUE lines on this host, else Secret Manager knows it.
read_secret() {
  local line file=${secret/#\~/$HOME}
  case $secret in
    "") ;;
    /* | ./* | "~"/*)
      [[ -r $file ]] || fail "--secret $secret: no file of KEY=VALUE lines that can be read there"
      while IFS= read -r line || [[ -n $line ]]; do
        [[ ! $line =~ ^[A-Za-z_][A-Za-z0-9_]*= ]] || export "${line?}"
      done <"$file"
      ;;
    *)
      GEMINI_API_KEY=$(gcloud secrets versions access latest "--secret=$secret") ||
        fail "--secret $secret: Secret Manager does not give it; grant this machine roles/secretmanager.secretAccessor"
      export GEMINI_API_KEY
      ;;
  esac
}

prepare() {
  [[ -n $source ]] || fail "--source is missing: an archive, a folder or URL@COMMIT"
  mkdir -p "$work"
  read_secret
  install || fail "jnas could not be installed from $source; see the lines above"
  ulimit -l unlimited 2>/dev/null || true # TPU runtimes lock memory
  "$python" -m jnas.preflight --hosts "$hosts" ${chips:+--chips "$chips"} ${shared:+--shared "$shared"} -- "${search[@]}"
}

# Rounds end at nine tenths of the hours, for the final training to fit; at all of them the search is stopped.
run() {
  local code limit=0 stopping="" requeue="" child=""
  prepare
  if [[ -n $hours ]]; then
    limit=$(awk -v hours="$hours" 'BEGIN { printf "%.0f", hours * 3600 }')
    search+=(--max-hours "$(awk -v hours="$hours" 'BEGIN { printf "%.4f", hours * 0.9 }')")
  fi
  trap 'stopping=yes; [[ -z $child ]] || kill -TERM "$child" 2>/dev/null || true' TERM INT HUP
  trap 'requeue=yes; [[ -z $child ]] || kill -TERM "$child" 2>/dev/null || true' USR1 # SLURM: the time is nearly over
  while :; do
    SECONDS=0
    timeout --preserve-status --kill-after="$DRAIN" "$limit" "$python" -m jnas.search "${search[@]}" &
    child=$!
    [[ -z $stopping$requeue ]] || kill -TERM "$child" 2>/dev/null || true # a signal that came before the line above
    while :; do # a trapped signal ends `wait` before the child ends
      code=0
      wait "$child" || code=$?
      kill -0 "$child" 2>/dev/null || break
    done
    child=""
    ((code < 128)) || code=$RESUMABLE # killed at any instant, a run can be continued
    if ((limit > 0 && SECONDS >= limit)); then
      say "the $hours hours are over; a larger limit continues the run"
      return 0
    fi
    ((code == RESUMABLE)) || return "$code"
    [[ -z $stopping ]] || { say "drained; the same line continues" && return "$code"; }
    if [[ -n $requeue ]]; then
      ((${SLURM_RESTART_COUNT:-0} >= restarts)) || scontrol requeue "$SLURM_JOB_ID"
      return "$code"
    fi
    ((restarts-- > 0)) || return "$code"
    say "the search was interrupted and goes on; $restarts restarts left"
  done
}

case $verb in
  prepare) prepare ;;
  run)
    mkdir -p "$work"
    echo $$ >"$work/host.pid"
    rm -f "$work/host.exit"
    trap 'echo $? >"$work/host.exit"' EXIT
    run
    ;;
  start)
    alive && fail "a search is running here already; stop it first, or look at its log"
    mkdir -p "$work" && rm -f "$work/host.exit"
    setsid nohup bash "$0" run "${options[@]}" >>"$work/host.log" 2>&1 </dev/null &
    echo $! >"$work/host.pid"
    ;;
  status)
    if alive; then echo searching; elif [[ -f $work/host.exit ]]; then echo "ended $(<"$work/host.exit")"; else echo idle; fi
    [[ ! -f $work/host.log ]] || tail -n 1 "$work/host.log"
    ;;
  stop)
    alive || { echo "nothing is searching here" && exit 0; }
    kill -TERM "$(<"$work/host.pid")"
    for ((left = DRAIN; left > 0; left--)); do alive || { echo stopped && exit 0; } && sleep 1; done
    fail "the search has not drained within $DRAIN seconds; look at its log"
    ;;
  *) fail "unknown verb '$verb': prepare, run, start, status or stop" ;;
esac
