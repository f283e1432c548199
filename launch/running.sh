# shellcheck shell=bash
# Sourced by common.sh: commands are shown, run and explained when they fail, and whatever happened, the launcher's last
# lines say what is still running and billed.
# shellcheck disable=SC2154  # place, root, state, verb, identity: of common.sh
errors=/dev/null billed=", and billed while it runs"
exec 4>&1 # what a dry run says inside $(...)

watch_the_end() {
  mkdir -p "$state"
  errors=$(mktemp)
  trap 'finish $?' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

require() {
  [[ -n $dry_run ]] || command -v "$1" >/dev/null || fail "$1 is not installed"
}

execute() { # prints the command as it could be typed, then runs it; a failure ends the launcher with a reason
  local code=0
  printf '+%s\n' "$(quoted "$@")"
  [[ -z $dry_run ]] || return 0
  { "$@" 2>&1 1>&3 3>&- 4>&- | tee "$errors" >&2 || code=${PIPESTATUS[0]}; } 3>&1
  ((code == 0)) || stop_with "$code" "$verb failed: $(reason "$code")"
}

ask() { # the same for a question whose failure is an answer: nothing is printed but the answer, why stays in $errors
  if [[ -n $dry_run ]]; then printf '+%s\n' "$(quoted "$@")" >&4; else "$@" 2>"$errors"; fi
}

absent() { grep -qiE 'not[ _]?found' "$errors"; } # whether the last failure says that there is no such thing

reason() { # what the last failure means and what to do, by its exit code and by what the tool wrote
  local text
  text=$(tr '[:upper:]\n' '[:lower:] ' <"$errors")
  case $1:$text in
    124:*) echo "no answer in time: a host is slow or unreachable; resume tries again" ;;
    *quota* | *maxsubmitjob* | *"job violates"*) echo "the quota is used up; ask for more, or take another --zone or size" ;;
    *capacity* | *stockout* | *"enough resources"* | *"provision all possible"*) echo "no capacity there now; take another --zone, or launch/queued.sh, which waits" ;;
    *"project"*"does not exist"* | *"invalid project"* | *"unknown project"*) echo "there is no such project; check --project" ;;
    *"permission"* | *forbidden* | *unauthorized* | *denied*) echo "permission denied; log in, or ask the owner for the role" ;;
    *"no matches for kind"*) echo "the cluster has no JobSet; install it: https://jobset.sigs.k8s.io/docs/installation" ;;
    *"already exists"* | *already_exists*) echo "the name is taken; resume or delete what has it, or give another --name" ;;
    *"not found"* | *not_found* | *notfound*) echo "nothing has that name there; check --name and where you look, or submit" ;;
    *invalid* | *unrecognized*) echo "a value is refused; check the options against launch/$place.sh --help" ;;
    255:* | *connect* | *network* | *resolve* | *unreachable* | *"timed out"* | *timeout* | *"code 255"* | *"code [255]"*)
      echo "the connection broke; what runs there goes on, and the same line again looks at it"
      ;;
    *) echo "the command above ended with code $1" ;;
  esac
}

confirm() {
  local answer=""
  [[ -z $dry_run && -z ${flag[yes]} ]] || return 0
  read -r -p "$1 [y/N] " answer || true
  [[ $answer == [yY]* ]] || stop_with 1 "nothing was deleted; --yes does not ask"
}

package() { # makes $state/package: host.sh, and unless --source says where code comes from, this checkout as committed
  execute mkdir -p "$state/package"
  execute cp "$root/launch/host.sh" "$state/package/host.sh"
  [[ -n ${option[source]} ]] || execute git -C "$root" archive --format=tar.gz "--output=$state/package/jnas.tar.gz" HEAD
}

render() { # render FILE COMMAND: what COMMAND prints becomes $state/FILE, and is shown
  local text
  text=$("$2")
  printf '+ write %s\n%s\n' "$state/$1" "$text"
  [[ -n $dry_run ]] || printf '%s\n' "$text" >"$state/$1"
}

this() { # the line that does VERB to what this launcher started
  local name
  printf 'launch/%s.sh %s' "$place" "$1"
  for name in "${identity[@]}"; do [[ -z ${option[$name]} ]] || printf ' --%s %s' "$name" "${option[$name]}"; done
}

finish() { # finish CODE
  local left
  trap - EXIT INT TERM
  # A refused submit must not replace the line of what runs under that name.
  [[ $1 != 0 && -f $state/line ]] || mv "$state/line.new" "$state/line" 2>/dev/null || true
  rm -f "$state/line.new"
  [[ $verb != delete || $1 != 0 ]] || rm -f "$state/line"
  if [[ $1 != 2 || -s $errors ]]; then
    if ! left=$(left_running 2>"$errors"); then
      printf 'cannot tell what is still running and billed: %s; look with\n  %s\n' "$(reason 1)" "$(this status)"
    elif [[ -n $left ]]; then
      printf 'still there%s:\n%s\nend it with\n  %s\n' "$billed" "$left" "$(this delete)"
    else
      echo "nothing of it is left running"
    fi >&2
  fi
  rm -f "$errors"
  exit "$1"
}
