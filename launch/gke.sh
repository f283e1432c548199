#!/usr/bin/env bash
# A search on TPU nodes of a GKE cluster, as a JobSet. `launch/gke.sh help` explains the use.
# shellcheck disable=SC2034,SC2154  # read and set by common.sh
place=gke
# shellcheck source=launch/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
option=([context]="" [namespace]=default [accelerator]=tpu-v5-lite-podslice [topology]=2x4 [hosts]=1 [chips]=8
  [image]=docker.io/library/python:3.12 [source]="" [secret]="" [account]="" [shared]="" [jax]=tpu)
flag=([spot]="")
identity=(name context namespace)
at=()

usage() {
  cat <<'HELP'
usage: launch/gke.sh VERB [OPTION ...] [-- SEARCH ARGUMENT ...]

  submit   render the manifest and create it; Kubernetes restarts after pre-emption, and --restarts times after code 75
  status   the JobSet and its pods
  logs     follow the logs of all pods; Ctrl-C leaves the search running
  resume   create it anew: the run continues if its --run-dir is a bucket
  stop     let the search drain and suspend the JobSet, which frees the nodes
  delete   delete the JobSet and what came with it

  --source URL@REF   the commit that the pods install: needed
  --context C, --namespace N                               of kubectl (default: the current one, default)
  --accelerator A, --topology T                            node labels (default: tpu-v5-lite-podslice, 2x4)
  --hosts N, --chips N                                     hosts, chips of each (default: 1, 8)
  --spot             on spot nodes only
  --image I          with bash, git, make and Python       (default: docker.io/library/python:3.12)
  --secret S         Kubernetes secret whose keys become environment variables, such as GEMINI_API_KEY
  --account A        Kubernetes service account, for buckets
  --shared DIR       a gs:// folder through which preflight compares the hosts
HELP
}

left_running() {
  kubectl get pods "${at[@]}" --selector="jobset.sigs.k8s.io/jobset-name=${option[name]}" --no-headers \
    --field-selector='status.phase!=Succeeded,status.phase!=Failed' \
    --output=custom-columns=POD:.metadata.name,PHASE:.status.phase,NODE:.spec.nodeName
}

manifest() { # every value is a JSON string, so that none can be read as anything else; $$ is a dollar to Kubernetes
  host_line "${option[source]}" 0 hosts chips shared jax
  sed '/^ *$/d' <<YAML
apiVersion: jobset.x-k8s.io/v1alpha2
kind: JobSet
metadata:
  name: $(json "${option[name]}")
  namespace: $(json "${option[namespace]}")
spec:
  failurePolicy:
    maxRestarts: ${option[restarts]}
    rules:
    - {name: hopeless, action: FailJobSet, onJobFailureReasons: [PodFailurePolicy]}
  replicatedJobs:
  - name: search
    replicas: 1
    template:
      spec:
        completionMode: Indexed
        parallelism: ${option[hosts]}
        completions: ${option[hosts]}
        backoffLimit: 0
        podFailurePolicy:
          rules:
          - {action: Ignore, onPodConditions: [{type: DisruptionTarget, status: "True"}]}
          - {action: FailJob, onExitCodes: {containerName: search, operator: NotIn, values: [75]}}
        template:
          spec:
            restartPolicy: Never
            terminationGracePeriodSeconds: 330
            automountServiceAccountToken: false
            ${option[account]:+serviceAccountName: $(json "${option[account]}")}
            nodeSelector:
              cloud.google.com/gke-tpu-accelerator: $(json "${option[accelerator]}")
              cloud.google.com/gke-tpu-topology: $(json "${option[topology]}")
              ${flag[spot]:+cloud.google.com/gke-spot: \"true\"}
            containers:
            - name: search
              image: $(json "${option[image]}")
              command: [bash, /launch/host.sh, run, --work, /work]
              args: [$(json "${line[@]//\$/\$\$}")]
              workingDir: /work
              env: [{name: HOME, value: /work}]
              ${option[secret]:+envFrom: [{secretRef: {name: $(json "${option[secret]}")\}\}]}
              resources: {limits: {google.com/tpu: ${option[chips]}}}
              securityContext:
                privileged: false
                allowPrivilegeEscalation: false
                capabilities: {drop: [ALL], add: [SYS_RESOURCE]}
                seccompProfile: {type: RuntimeDefault}
              volumeMounts:
              - {name: work, mountPath: /work}
              - {name: launch, mountPath: /launch, readOnly: true}
            volumes:
            - {name: work, emptyDir: {}}
            - {name: launch, configMap: {name: $(json "${option[name]}-host")}}
YAML
}

create() {
  [[ ${option[source]} == *://*@* ]] || fail "--source '${option[source]}': expected URL@REF, the commit that the pods install"
  ((option[hosts] < 2)) || [[ -n ${option[shared]} ]] || fail "--hosts ${option[hosts]}: expected --shared too, to compare them"
  render manifest.yaml manifest
  execute kubectl delete configmap "${option[name]}-host" "${at[@]}" --ignore-not-found
  execute kubectl create configmap "${option[name]}-host" "${at[@]}" "--from-file=host.sh=$root/launch/host.sh"
  execute kubectl create "${at[@]}" "--filename=$state/manifest.yaml"
}

begin "$@"
at=(${option[context]:+"--context=${option[context]}"} "--namespace=${option[namespace]}")
require kubectl

case $verb in
  submit) create ;;
  resume)
    execute kubectl delete jobset "${option[name]}" "${at[@]}" --ignore-not-found --wait
    create
    ;;
  status)
    execute kubectl get jobset "${option[name]}" "${at[@]}"
    execute kubectl get pods "${at[@]}" "--selector=jobset.sigs.k8s.io/jobset-name=${option[name]}" --output=wide
    ;;
  logs) execute kubectl logs "${at[@]}" "--selector=jobset.sigs.k8s.io/jobset-name=${option[name]}" --follow --prefix \
    --tail=100 "--max-log-requests=${option[hosts]}" ;;
  stop) execute kubectl patch jobset "${option[name]}" "${at[@]}" --type=merge '--patch={"spec":{"suspend":true}}' ;;
  delete)
    confirm "Delete JobSet ${option[name]} in namespace ${option[namespace]}?"
    execute kubectl delete jobset "${option[name]}" "${at[@]}" --ignore-not-found --wait
    execute kubectl delete configmap "${option[name]}-host" "${at[@]}" --ignore-not-found
    ;;
esac
