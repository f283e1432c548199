#!/usr/bin/env bash
# A search as a workload of xpk, on a cluster that xpk made. `launch/xpk.sh help` explains the use.
# shellcheck disable=SC2034,SC2154  # read and set by common.sh
place=xpk
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
option=([cluster]="" [project]="" [zone]="" [type]=v5litepod-8 [image]=docker.io/library/python:3.12 [hosts]=1
  [source]="" [secret]="" [shared]="" [jax]=tpu)
flag=([spot]="")
identity=(name cluster project zone)
at=()

usage() {
  cat <<'HELP'
usage: launch/xpk.sh VERB [OPTION ...] [-- SEARCH ARGUMENT ...]

  submit   build the image with this checkout in it and create the workload; it is restarted --restarts times
  status   the workload in the list of the cluster
  logs     follow the logs of its pods; Ctrl-C leaves the search running
  resume   create it anew: the run continues if its --run-dir is a bucket
  stop     let the search drain; the workload goes, its nodes stay with the cluster, and are billed
  delete   the same; prints how to delete the cluster

  --cluster C        cluster that `xpk cluster create` made: needed
  --project P, --zone Z                                    (default: those that gcloud is set to)
  --type T           TPU type of the cluster               (default: v5litepod-8)
  --spot             on autoprovisioned spot nodes
  --image I          base image with bash, git, make and Python     (default: docker.io/library/python:3.12)
  --source URL@REF   install this commit                   (default: the committed state of this checkout)
  --secret NAME      secret of Secret Manager with the Gemini key; the image needs gcloud for it
  --hosts N, --shared DIR    hosts that preflight compares through a gs:// folder
HELP
}

left_running() {
  xpk workload list "${at[@]}" "--filter-by-job=${option[name]}" | awk -v name="${option[name]}" '$1 == name' || return
  echo "cluster ${option[cluster]}: its nodes are billed until  xpk cluster delete --cluster ${option[cluster]}"
}

create() {
  ((option[hosts] < 2)) || [[ -n ${option[shared]} ]] || fail "--hosts ${option[hosts]}: expected --shared too, to compare them"
  package
  host_line "${option[source]:-./jnas.tar.gz}" 0 secret hosts shared jax
  execute xpk workload create "${at[@]}" "--workload=${option[name]}" "--tpu-type=${option[type]}" --num-slices=1 \
    ${flag[spot]:+--spot} "--base-docker-image=${option[image]}" "--script-dir=$state/package" \
    "--max-restarts=${option[restarts]}" --restart-on-exit-codes=75 --termination-grace-period-seconds=330 \
    "--command=exec bash host.sh run$(quoted "${line[@]}")"
}

drop() { execute xpk workload delete "${at[@]}" "--workload=${option[name]}" --force; }

begin "$@"
at=("--cluster=${option[cluster]}" ${option[project]:+"--project=${option[project]}"} ${option[zone]:+"--zone=${option[zone]}"})
[[ -n ${option[cluster]} ]] || fail "--cluster is needed: the name that xpk cluster create gave it"
require xpk

case $verb in
  submit) create ;;
  resume)
    drop
    create
    ;;
  status) execute xpk workload list "${at[@]}" "--filter-by-job=${option[name]}" ;;
  logs)
    require kubectl
    execute kubectl logs "--selector=jobset.sigs.k8s.io/jobset-name=${option[name]}" --follow --prefix --tail=100
    ;;
  stop) drop ;;
  delete)
    confirm "Delete workload ${option[name]} of cluster ${option[cluster]}?"
    drop
    ;;
esac
