#!/usr/bin/env bash
# A search on a TPU that is queued for, on demand or spot, and asked for again when it is taken away.
# shellcheck disable=SC2034,SC2154  # read and set by common.sh
place=queued
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=launch/tpu.sh
source "$root/launch/tpu.sh"
option+=([valid-for]="" [every]=60)

usage() {
  cat <<'HELP'
usage: launch/queued.sh VERB [OPTION ...] [-- SEARCH ARGUMENT ...]

  submit   queue for the TPU, wait until it is there (costs money from then on), install, check, start; with
           --restarts N stay and start again on a new TPU when this one is taken away
  status   state of the request, and of the search on each worker
  logs     follow the log of one worker; Ctrl-C leaves the search running
  resume   go on waiting, or continue the search, on a new TPU if the old one is gone
  stop     let the search drain; the TPU stays, and is billed
  fetch    copy the run directories of one worker to runs/NAME/ here
  delete   delete the request and the TPU with everything on it

  --valid-for D      give the request up after D, such as 6h   (default: never)
  --every S          seconds between two looks                 (default: 60)
HELP
  tpu_usage
}

queue() { gcloud compute tpus queued-resources "$@"; }

left_running() { queue list "${at[@]}" "--format=value[separator=' '](name.basename(),state.state)"; }

request() {
  execute gcloud compute tpus queued-resources create "${option[name]}" "${at[@]}" "--node-id=${option[name]}" \
    "--accelerator-type=${option[type]}" "--runtime-version=${option[version]}" ${flag[spot]:+--spot} \
    ${option[valid-for]:+"--valid-until-duration=${option[valid-for]}"}
}

drop() { execute gcloud compute tpus queued-resources delete "${option[name]}" "${at[@]}" --force --quiet; }

look() { # sets found to the state of the request, or to nothing when there is none; three failures in a row end it
  local try
  for try in 1 2 3; do
    found=$(ask gcloud compute tpus queued-resources describe "${option[name]}" "${at[@]}" "--format=value(state.state)") && break
    ! absent || return 0
    ((try < 3)) || stop_with 1 "$verb failed: $(reason 1); what was asked for stands"
    sleep "${option[every]}"
  done
  [[ -z $dry_run ]] || found=ACTIVE
}

granted() { # waits; false when the request came to nothing
  local said=""
  while look; do
    [[ $found == "$said" ]] || echo "request: ${found:-gone}"
    said=$found
    case $found in
      ACTIVE) return ;;
      "" | FAILED | SUSPENDED | SUSPENDING | DELETING) return 1 ;;
    esac
    sleep "${option[every]}"
  done
}

searched() { # waits; false when the TPU was taken away first
  local answer
  while sleep "${option[every]}" && look && [[ $found == ACTIVE ]]; do
    answer=$(ask gcloud compute tpus tpu-vm ssh "${option[name]}" "${at[@]}" --worker=0 \
      "--command=cd jnas && bash host.sh status") || continue
    case $answer in
      *searching*) ;;
      *"ended 75"*) stop_with 75 "the search was stopped: resume continues it" ;;
      *idle*) on all "cd jnas && bash host.sh start$(quoted "${line[@]}")" ;;
      *"ended 0"*) return ;;
      *) stop_with 1 "the search failed: launch/queued.sh logs says why" ;;
    esac
  done
  return 1
}

follow() { # the whole life of a request, again after each loss
  local left=${option[restarts]}
  while :; do
    if granted; then
      start_on_workers
      [[ -z $dry_run ]] && ((option[restarts] > 0)) || return 0
      ! searched || return 0
    fi
    drop
    ((left-- > 0)) || stop_with 75 "the TPU was refused or taken away (${found:-gone}), and no restart is left: resume"
    request
  done
}

begin "$@"
place_options

case $verb in
  submit)
    request
    follow
    ;;
  resume)
    look
    case $found in
      "") request ;;
      FAILED | SUSPENDED) drop && request ;;
    esac
    follow
    ;;
  status)
    look
    echo "request: ${found:-gone}"
    [[ $found != ACTIVE ]] || on all "cd jnas && bash host.sh status"
    ;;
  delete)
    confirm "Delete the request ${option[name]} in ${option[zone]}, its TPU and everything on it?"
    drop
    ;;
  *) with_workers ;;
esac
