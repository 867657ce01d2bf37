"""``KEEP=1``: everything stays up, with the commands to look around, until Ctrl-C."""

import signal

from posefleet_demo.kubectl import Kubectl
from posefleet_demo.steps import console
from posefleet_lab.cluster import Cluster


def stay(cluster: Cluster, kubectl: Kubectl, metrics_port: int) -> None:
    """Print how to look around, and wait for Ctrl-C."""
    store = cluster.store
    console.print(
        f"""
Everything stays up. In another terminal:

  export KUBECONFIG={cluster.kubeconfig}
  {kubectl.binary} -n {kubectl.namespace} get ptj,jobs,pods
  {kubectl.binary} -n {kubectl.namespace} describe ptj
  {kubectl.binary} -n {kubectl.namespace} get events
  {kubectl.binary} -n {kubectl.namespace} logs -l posefleet.io/component=attempt
  {kubectl.binary} explain ptj.spec.training
  curl http://127.0.0.1:{metrics_port}/metrics

  MinIO console {store.console}; its user and password are in the Secret lab-s3:
  {kubectl.binary} -n {kubectl.namespace} get secret lab-s3 -o jsonpath='{{.data}}'

Ctrl-C here stops everything.""",
        markup=False,
    )
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("stopping")
