#!/usr/bin/env bash
# A search on a Cloud TPU VM or a slice of several hosts. `launch/tpu_vm.sh help` explains the use.
# shellcheck disable=SC2034,SC2154  # read and set by common.sh
place=tpu_vm
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=launch/tpu.sh
source "$root/launch/tpu.sh"

usage() {
  cat <<'HELP'
usage: launch/tpu_vm.sh VERB [OPTION ...] [-- SEARCH ARGUMENT ...]

  submit   create the machine (it costs money from here on), install jnas, check every worker, start the search
  status   state of the machine, and of the search on each worker
  logs     follow the log of one worker; Ctrl-C leaves the search running
  resume   continue: on the machine if it is there, else on a new one
  stop     let the search drain; the machine stays, and is billed
  fetch    copy the run directories of one worker to runs/NAME/ here
  delete   delete the machine and everything on it

HELP
  tpu_usage
}

left_running() {
  gcloud compute tpus tpu-vm list "${at[@]}" "--format=value[separator=' '](name.basename(),acceleratorType.basename(),state)"
}

create() {
  execute gcloud compute tpus tpu-vm create "${option[name]}" "${at[@]}" "--accelerator-type=${option[type]}" \
    "--version=${option[version]}" ${flag[spot]:+--spot}
}

begin "$@"
place_options

case $verb in
  submit)
    create
    start_on_workers
    ;;
  resume)
    found=$(ask gcloud compute tpus tpu-vm describe "${option[name]}" "${at[@]}" "--format=value(state)") ||
      absent || stop_with 1 "resume failed: $(reason 1)"
    case $found in
      "" | READY) [[ -n $found || -n $dry_run ]] || create ;;
      PREEMPTED | TERMINATED)
        execute gcloud compute tpus tpu-vm delete "${option[name]}" "${at[@]}" --quiet
        create
        ;;
      *) stop_with 1 "the machine is $found: wait until it is READY, or delete it" ;;
    esac
    start_on_workers
    ;;
  status)
    execute gcloud compute tpus tpu-vm describe "${option[name]}" "${at[@]}" \
      "--format=value[separator=' '](state,health,acceleratorType)"
    on all "cd jnas && bash host.sh status"
    ;;
  delete)
    confirm "Delete TPU VM ${option[name]} in ${option[zone]} and everything on it?"
    execute gcloud compute tpus tpu-vm delete "${option[name]}" "${at[@]}" --quiet
    ;;
  *) with_workers ;;
esac
