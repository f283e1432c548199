#!/usr/bin/env bash
# A search as a SLURM job of one node, requeued until it is done. `launch/slurm.sh help` explains the use.
# shellcheck disable=SC2034,SC2154  # read and set by common.sh
place=slurm
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
option=([source]="$root" [secret]="" [jax]="" [partition]="" [account]="" [gres]="" [time]="" [cpus]="" [memory]="")
identity=(name)

usage() {
  cat <<'HELP'
usage: launch/slurm.sh VERB [OPTION ...] [-- SEARCH ARGUMENT ...]

  submit   queue the job; 120 s before its time is over it drains and, with --restarts, queues again
  status   the job in the queue, or how it ended
  logs     follow its log, a file here; Ctrl-C leaves the search running
  resume   queue it again: the run continues
  stop     let the search drain, which ends the job
  delete   cancel the job at once; the log and the runs stay

  --partition, --account, --gres, --time, --cpus, --memory   of sbatch (cpus: --cpus-per-task, memory: --mem)
  --source DIR       a checkout that the nodes see too     (default: this one)
  --secret FILE      KEY=VALUE lines for the search's environment, read on the node
  --jax EXTRA        cuda12 or cuda13: install jax[EXTRA] as well
HELP
}

user=$(id -un)

left_running() {
  squeue "--name=${option[name]}" "--user=$user" --noheader "--format=job %i %T %M of %l"
}

submit() {
  local words=(sbatch "--job-name=${option[name]}" --nodes=1 --ntasks=1 --requeue --open-mode=append --export=NONE
    --signal=B:USR1@120 "--output=$state/host.log") name
  for name in partition account gres time; do [[ -z ${option[$name]} ]] || words+=("--$name=${option[$name]}"); done
  words+=(${option[cpus]:+"--cpus-per-task=${option[cpus]}"} ${option[memory]:+"--mem=${option[memory]}"})
  host_line "${option[source]}" "${option[restarts]}" secret jax
  execute "${words[@]}" "$root/launch/host.sh" run --work "$state" "${line[@]}"
}

begin "$@"

case $verb in
  submit | resume)
    require sbatch
    running=$(ask squeue "--name=${option[name]}" "--user=$user" --noheader --format=%i) ||
      stop_with 1 "$verb failed: $(reason 1)"
    [[ -z $running ]] || stop_with 1 "job $running has the name ${option[name]}; stop it, or give another --name"
    submit
    ;;
  status)
    require squeue
    execute squeue "--name=${option[name]}" "--user=$user" "--format=%i %T %M %l %R"
    execute sacct "--name=${option[name]}" "--user=$user" --allocations "--format=JobID,State,ExitCode,Elapsed,End"
    ;;
  logs) execute tail -n 100 -F "$state/host.log" ;;
  stop) execute scancel "--name=${option[name]}" "--user=$user" --batch --signal=TERM ;;
  delete)
    confirm "Cancel the jobs named ${option[name]}?"
    execute scancel "--name=${option[name]}" "--user=$user"
    ;;
esac
