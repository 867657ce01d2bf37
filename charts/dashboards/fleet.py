"""Builds the Fleet dashboard, which shows the GPUs and jobs of the cluster and the state of the operator."""

from building import GREEN, RED, YELLOW, Query, label_variable, listing, name, new_dashboard, number, over_time, ranking
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

_OF = '{namespace=~"$namespace"}'
_JOB_DASHBOARD = (
    "/d/posefleet-job?var-datasource=${datasource}&var-namespace=${__data.fields.namespace}"
    "&var-job=${__data.fields.training_job}&${__url_time_range}"
)


def fleet() -> Dashboard:
    """Return the Fleet dashboard."""
    board = new_dashboard(
        "posefleet / Fleet", "posefleet-fleet", "All PoseTrainingJobs: phases, queues, GPUs, attempts, data, operator."
    ).with_variable(
        label_variable("namespace", "Namespace", "label_values(posefleet_jobs, namespace)")
        .multi(True)
        .include_all(True)
        .all_value(".*")
    )
    _jobs(board)
    _gpus(board)
    _waiting(board)
    _attempts(board)
    _data(board)
    _operator(board)
    return board


def _per_job(metric: str, *labels: str) -> str:
    return f"max by (namespace, training_job{''.join(', ' + label for label in labels)}) (posefleet_job_{metric}{_OF})"


def _jobs(board: Dashboard) -> None:
    board.with_row(Row("Jobs"))
    board.with_panel(
        over_time(
            "How many jobs are in which phase?",
            "PoseTrainingJobs by phase. Finished jobs are counted until they are deleted "
            "(spec.ttlSecondsAfterFinished).",
            "short",
            Query(f"sum by (phase) (max by (namespace, phase) (posefleet_jobs{_OF}))", "{{phase}}"),
            width=24,
            stacked=True,
        )
    )
    columns = {
        "Phase": (_per_job("phase", "phase"), "none"),
        "Progress": (_per_job("progress_ratio", "stage"), "percentunit"),
        "Ends in": (_per_job("eta_seconds"), "s"),
        "GPUs": (_per_job("allocated_gpus"), "none"),
        "Attempts": (_per_job("attempts"), "none"),
        "Failed": (_per_job("failed_attempts"), "none"),
    }
    board.with_panel(
        listing(
            "Which jobs are unfinished?",
            "Jobs that are not finished. The name of a job links to its dashboard. Progress and remaining time "
            "refer to the current stage.",
            columns,
            link=("training_job", _JOB_DASHBOARD),
            hidden=["Value #A"],
        )
    )


def _gpus(board: Dashboard) -> None:
    board.with_row(Row("GPUs"))
    allocated = f"sum({_per_job('allocated_gpus')})"
    board.with_panel(
        over_time(
            "How many GPUs do jobs hold, wait for, and keep busy?",
            "Held: GPUs of jobs whose pods are all running. Waiting: GPUs requested by jobs that are not running "
            "yet. Busy: held GPUs multiplied by their utilization as measured by the DCGM exporter.",
            "short",
            Query(allocated, "held"),
            Query(f"sum({_per_job('requested_gpus')}) - {allocated}", "waited for"),
            Query(f"sum(gpu:posefleet_gpu_utilization:ratio{_OF})", "busy"),
        )
    )
    board.with_panel(
        over_time(
            "How much of the held GPU time is useful?",
            "GPU-seconds per second. Useful GPU-seconds led to a checkpoint or a result; the others were lost with "
            "pods that were preempted or failed. The values are averages over an hour, because checkpoints are "
            "minutes apart.",
            "short",
            Query(f"sum(rate(posefleet_allocated_gpu_seconds_total{_OF}[1h]))", "held"),
            Query(f"sum(rate(posefleet_useful_gpu_seconds_total{_OF}[1h]))", "useful"),
        )
    )
    board.with_panel(
        over_time(
            "Which namespaces lose GPU time? (goodput)",
            "Useful share of the held GPU-seconds over an hour. If it is low, attempts fail or are preempted long "
            "after their last checkpoint; lower checkpoint.intervalSeconds, or check why attempts end.",
            "percentunit",
            Query(f"namespace:posefleet_goodput:ratio_rate1h{_OF}", "{{namespace}}"),
            width=24,
            steps=[(None, RED), (0.8, YELLOW), (0.95, GREEN)],
            largest=1,
        )
    )


def _waiting(board: Dashboard) -> None:
    board.with_row(Row("Waiting"))
    board.with_panel(
        over_time(
            "Which attempts wait for their pods, and for how long?",
            "Time since the creation of each attempt whose pods are not all running yet. It waits for a node with "
            "free resources, for Kueue, or for an image.",
            "s",
            Query(
                f"(time() - {_per_job('attempt_start_timestamp_seconds')}) unless on (namespace, training_job) "
                f"posefleet_job_attempt_running_timestamp_seconds{_OF} or 0 * {_per_job('attempts')}",
                "{{namespace}}/{{training_job}}",
            ),
            width=24,
            steps=[(None, GREEN), (3600, RED)],
        )
    )
    for title, metric, description in (
        (
            "How long did attempts wait?",
            "posefleet_queue_wait_seconds",
            "Time from the creation of an attempt until all its pods were running, as quantiles over the selected "
            "time range.",
        ),
        (
            "How long until the first training step?",
            "posefleet_time_to_first_step_seconds",
            "Time from the creation of an attempt to its first step. It includes the queue, pulling images, "
            "imports, and copying data into the node cache.",
        ),
    ):
        queries = [
            Query(f"histogram_quantile({share}, sum by (le) (increase({metric}_bucket{_OF}[$__range])))", legend)
            for share, legend in ((0.5, "half of them within"), (0.9, "nine of ten within"), (0.99, "99 % within"))
        ]
        board.with_panel(ranking(title, description, "s", *queries))


def _attempts(board: Dashboard) -> None:
    board.with_row(Row("Attempts"))
    ended = f"posefleet_attempts_total{_OF}"
    board.with_panel(
        over_time(
            "How do attempts end?",
            "Attempts by outcome. Preempted attempts were ended by the cluster and do not use up the budget. Failed "
            "and stalled attempts count against failurePolicy.maxFailures.",
            "short",
            Query(f"sum by (outcome) (increase({ended}[$__rate_interval]))", "{{outcome}}"),
            bars=True,
            stacked=True,
        )
    )
    failed = 'posefleet_attempts_total{namespace=~"$namespace", outcome!="Succeeded"}'
    board.with_panel(
        ranking(
            "Why did attempts end early?",
            "Attempts in the selected time range that did not succeed, by reason. docs/metrics.md lists the reasons.",
            "short",
            Query(f"topk(10, sum by (outcome, reason) (increase({failed}[$__range])))", "{{outcome}}: {{reason}}"),
        )
    )


def _data(board: Dashboard) -> None:
    board.with_row(Row("Data"))
    board.with_panel(
        over_time(
            "How fast do pods exchange data with the store?",
            "Bytes per second of all pods of all jobs. Pods download prepared data and videos, and upload proxies, "
            "checkpoints and results.",
            "Bps",
            Query(
                f"sum by (direction) (rate(posefleet_trainer_store_bytes_total{_OF}[$__rate_interval]))",
                "{{direction}}",
            ),
        )
    )
    board.with_panel(
        over_time(
            "Does the store answer?",
            "Requests per second that had to be repeated. If there are more than a few, the store is overloaded or "
            "unavailable.",
            "reqps",
            Query(
                f"sum by (namespace) (rate(posefleet_trainer_store_retries_total{_OF}[$__rate_interval]))",
                "{{namespace}}",
            ),
            steps=[(None, GREEN), (0.02, RED)],
        )
    )
    _throughput(board)


def _throughput(board: Dashboard) -> None:
    hits, misses = (
        f"sum by (namespace) (rate(posefleet_trainer_cache_{kind}_total{_OF}[$__rate_interval]))"
        for kind in ("hits", "misses")
    )
    board.with_panel(
        over_time(
            "How many files come from the node caches?",
            "Share of files that were in the node's cache when a pod requested them. The others were downloaded.",
            "percentunit",
            Query(f"{hits} / ({hits} + {misses})", "{{namespace}}"),
            largest=1,
        )
    )
    board.with_panel(
        over_time(
            "How many frames a second does the fleet process?",
            "Frames per second that all jobs process in training and prediction.",
            "short",
            Query(
                f"sum by (stage) (rate(posefleet_trainer_frames_total{_OF}[$__rate_interval]))",
                "{{stage}}",
            ),
        )
    )


def _operator(board: Dashboard) -> None:
    board.with_row(Row("Operator"))
    board.with_panel(
        number(
            "Does an operator lead?",
            "Number of operators that hold the Lease. If there is none, no job is reconciled.",
            "none",
            Query("sum(posefleet_operator_leading)"),
            steps=[(None, RED), (1, GREEN), (2, RED)],
        )
    )
    board.with_panel(
        number(
            "When was the last reconcile?",
            "Time since the last successful reconcile of an unfinished job. Each unfinished job is reconciled at "
            "least every five minutes. The panel is empty if there are no unfinished jobs.",
            "s",
            Query(
                "time() - max(posefleet_reconcile_last_success_timestamp_seconds) "
                "and sum(posefleet_jobs{phase!~'Succeeded|Failed'}) > 0"
            ),
            steps=[(None, GREEN), (600, YELLOW), (900, RED)],
        )
    )
    board.with_panel(
        name(
            "Which versions of the operator run?",
            "If several versions run for longer than an upgrade takes, check the Deployment.",
            Query("count by (version) (posefleet_operator_info)", "{{version}}"),
            width=8,
        )
    )
    board.with_panel(
        name(
            "Which versions of the trainer run?",
            "A running attempt keeps its image; the next attempt uses the new one.",
            Query("count by (version) (posefleet_trainer_info)", "{{version}}"),
            width=8,
        )
    )
    _reconciles(board)


def _reconciles(board: Dashboard) -> None:
    buckets = "sum by (le) (rate(posefleet_reconcile_seconds_bucket[$__rate_interval]))"
    board.with_panel(
        over_time(
            "How long does a reconcile take?",
            "Time to decide what a job needs and to apply it. If it takes seconds, the API server is slow.",
            "s",
            Query(f"histogram_quantile(0.5, {buckets})", "half of them within"),
            Query(f"histogram_quantile(0.99, {buckets})", "99 % within"),
            width=8,
        )
    )
    board.with_panel(
        over_time(
            "Do reconciles fail?",
            "Reconciles that failed and are retried. Conflicts are harmless. Refused means that the API server "
            "rejects an object of a job; the conditions of the job say why.",
            "cps",
            Query("sum by (reason) (rate(posefleet_reconcile_errors_total[$__rate_interval]))", "{{reason}}"),
            width=8,
        )
    )
    board.with_panel(
        over_time(
            "How many requests does the operator send?",
            "Requests to the API server, without watches. They follow from what happens to jobs.",
            "reqps",
            Query("sum by (method) (rate(posefleet_api_requests_total[$__rate_interval]))", "{{method}}"),
            width=8,
        )
    )
    board.with_panel(
        over_time(
            "Does the operator pause?",
            "Longest time since its start for which an operator did only one thing. Seconds mean that it lacks CPU.",
            "s",
            Query("posefleet_event_loop_longest_iteration_seconds", "{{instance}}"),
            width=8,
        )
    )
    board.with_panel(
        over_time(
            "How much memory does the operator take?",
            "Resident memory of each operator. Expect about 100 MB plus some kB for each job and pod.",
            "bytes",
            Query("process_resident_memory_bytes and on (job, instance) posefleet_operator_info", "{{instance}}"),
            width=8,
        )
    )
