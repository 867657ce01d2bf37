"""What Kueue and the operator write on each other's objects."""

from typing import Final

#: Label of a Job that hands it over to a LocalQueue.
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
#: Label of a Workload, which holds the uid of its Job.
JOB_UID_LABEL: Final = "kueue.x-k8s.io/job-uid"
#: Annotation of a Workload, whose value Kueue adds to its priority if its feature PriorityBoost is on.
PRIORITY_BOOST_ANNOTATION: Final = "kueue.x-k8s.io/priority-boost"
