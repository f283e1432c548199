# shellcheck shell=bash
# Sourced by tpu_vm.sh and queued.sh: what both do with the workers of a TPU once Google Cloud has given it.
# shellcheck disable=SC2034,SC2154  # read and set by common.sh
option=([project]="" [zone]=us-west4-a [type]=v5litepod-8 [version]=v2-alpha-tpuv5-lite
  [source]="" [secret]="" [hosts]=1 [shared]="" [jax]=tpu [worker]=0 [patience]=1800)
flag=([spot]="")
identity=(name project zone)
more_verbs=fetch
at=()

tpu_usage() {
  cat <<'HELP'
  --project PROJECT  project                               (default: the one that gcloud is set to)
  --zone ZONE        zone                                  (default: us-west4-a)
  --type TYPE        accelerator type                      (default: v5litepod-8)
  --version VERSION  software of the machine               (default: v2-alpha-tpuv5-lite)
  --spot             cheaper, and may be taken away at any time
  --hosts N          hosts of the slice, that preflight compares            (default: 1)
  --shared DIR       a gs:// folder through which they compare              (default: over JAX)
  --source URL@REF   install this commit                   (default: the committed state of this checkout)
  --secret NAME      secret of Secret Manager with the Gemini key
  --worker N         whose log or runs                     (default: 0)
  --patience S       seconds until a silent worker counts as lost           (default: 1800)
HELP
}

place_options() {
  require gcloud
  require timeout
  at=(${option[project]:+"--project=${option[project]}"} "--zone=${option[zone]}")
}

on() { # on WORKER COMMAND: in a shell of that worker, or of all
  execute timeout --foreground "${option[patience]}" gcloud compute tpus tpu-vm ssh "${option[name]}" "${at[@]}" "--worker=$1" "--command=$2"
}

start_on_workers() {
  local coordinator="" files=("$state/package/host.sh")
  [[ -n ${option[source]} ]] || files+=("$state/package/jnas.tar.gz")
  ((option[hosts] < 2)) || [[ -n ${option[shared]} ]] || coordinator="JAX_COORDINATOR_ADDRESS=auto "
  package
  on all "mkdir -p jnas"
  execute timeout --foreground "${option[patience]}" gcloud compute tpus tpu-vm scp "${files[@]}" \
    "${option[name]}:jnas/" "${at[@]}" --worker=all
  host_line "${option[source]:-./jnas.tar.gz}" "${option[restarts]}" secret hosts shared jax
  on all "cd jnas && ${coordinator}bash host.sh prepare$(quoted "${line[@]}")"
  on all "cd jnas && ${coordinator}bash host.sh start$(quoted "${line[@]}")"
}

with_workers() { # the verbs that need nothing but the workers
  case $verb in
    logs) execute gcloud compute tpus tpu-vm ssh "${option[name]}" "${at[@]}" "--worker=${option[worker]}" \
      "--command=tail -n 100 -F jnas/host.log" ;;
    stop) on all "cd jnas && bash host.sh stop" ;;
    fetch)
      execute mkdir -p "$root/runs/${option[name]}"
      execute gcloud compute tpus tpu-vm scp --recurse "${option[name]}:jnas/runs/*" "$root/runs/${option[name]}/" \
        "${at[@]}" "--worker=${option[worker]}"
      ;;
  esac
}
