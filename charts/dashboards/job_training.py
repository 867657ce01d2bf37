"""Builds the rows of the Job dashboard about training: learning, speed, GPUs, checkpoints, store and preflight."""

from building import GREEN, RED, YELLOW, Query, number, over_time, ranking
from grafana_foundation_sdk.builders.dashboard import Dashboard, Row

LABELS = 'namespace="$namespace", training_job="$job"'
OF_JOB = f"{{{LABELS}}}"


def present(metric: str, *labels: str) -> str:
    """Return the query of a metric of the operator about the job, by ``labels``."""
    by = f" by ({', '.join(labels)}) " if labels else ""
    return f"max{by}(posefleet_job_{metric}{OF_JOB})"


def age(metric: str) -> str:
    """Return the query of the seconds since the time that a metric of the operator holds."""
    return f"time() - {present(metric)}"


def add_learning(board: Dashboard) -> None:
    """Add the row with losses and pixel errors."""
    board.with_row(Row("Learning"))
    board.with_panel(
        over_time(
            "Do the losses fall?",
            "Weighted losses of the last step by term, averaged over the pods.",
            "none",
            Query(f"avg by (term) (posefleet_trainer_loss{OF_JOB})", "{{term}}"),
            logarithmic=True,
        )
    )
    board.with_panel(
        over_time(
            "How far are predictions from the labels?",
            "Mean distance between predictions and labels of the validation set, in pixels of the source frames.",
            "none",
            Query(f"max by (set) (posefleet_trainer_error_pixels{OF_JOB})", "{{set}} (pixels)"),
        )
    )


def add_speed(board: Dashboard) -> None:
    """Add the row with frames per second and the parts of a step."""
    board.with_row(Row("Speed"))
    seconds, count, buckets = (
        f"rate(posefleet_trainer_step_seconds_{part}{OF_JOB}[$__rate_interval])" for part in ("sum", "count", "bucket")
    )
    board.with_panel(
        over_time(
            "How many frames a second does it process?",
            "Frames that the networks of all pods process per second.",
            "short",
            Query(f"sum by (stage) (rate(posefleet_trainer_frames_total{OF_JOB}[$__rate_interval]))", "{{stage}}"),
        )
    )
    board.with_panel(
        over_time(
            "Where does the time of a step go?",
            "Mean duration of each part of a step, measured on the CPU. GPU work that runs asynchronously is "
            "counted where the CPU waits for it, which is mostly in backward and optimizer.",
            "s",
            Query(f"sum by (part) ({seconds}) / sum by (part) ({count})", "{{part}}"),
            stacked=True,
        )
    )
    _data(board, buckets)


def _data(board: Dashboard, buckets: str) -> None:
    board.with_panel(
        over_time(
            "Does training wait for data?",
            "Share of the step time that is spent waiting for frames. Above 30 %, the GPUs are often idle; see the "
            "runbook of PosefleetJobDataBound.",
            "percentunit",
            Query(f"training_job:posefleet_data_wait:ratio_rate5m{OF_JOB}", "waiting"),
            steps=[(None, GREEN), (0.1, YELLOW), (0.3, RED)],
            width=8,
            largest=1,
        )
    )
    board.with_panel(
        over_time(
            "How slow are slow steps?",
            "Time within which 95 % of all steps completed each part.",
            "s",
            Query(f"histogram_quantile(0.95, sum by (le, part) ({buckets}))", "{{part}}"),
            width=8,
        )
    )
    board.with_panel(
        over_time(
            "How many frames a second are decoded?",
            "Video frames and images that each pod decodes per second, on the GPU (NVDEC) or on the CPU.",
            "short",
            Query(f"sum by (pod) (rate(posefleet_trainer_decoded_frames_total{OF_JOB}[$__rate_interval]))", "{{pod}}"),
            width=8,
        )
    )


def add_gpus(board: Dashboard) -> None:
    """Add the row with the use of the GPUs."""
    board.with_row(Row("GPUs"))
    board.with_panel(
        over_time(
            "How busy are its GPUs?",
            "GPU utilization of each pod, measured by the DCGM exporter. For a MIG slice, this is the activity of "
            "its graphics engine.",
            "percentunit",
            Query(f"gpu:posefleet_gpu_utilization:ratio{OF_JOB}", "{{pod}} GPU {{gpu}}"),
            steps=[(None, RED), (0.1, YELLOW), (0.5, GREEN)],
            width=8,
            largest=1,
        )
    )
    board.with_panel(
        over_time(
            "Do its GPUs decode the videos?",
            "Utilization of NVDEC. If it is zero during training, videos are decoded on the CPU.",
            "percentunit",
            Query(f"gpu:posefleet_gpu_decoder_utilization:ratio{OF_JOB}", "{{pod}} GPU {{gpu}}"),
            width=8,
            largest=1,
        )
    )
    board.with_panel(
        over_time(
            "How much GPU memory does it need?",
            "Peak memory of a single process so far; zero on a CPU. If much memory is free, you can increase "
            "training.batchSize.",
            "bytes",
            Query(f"max by (pod) (posefleet_trainer_gpu_memory_peak_bytes{OF_JOB})", "{{pod}}"),
            width=8,
        )
    )


def add_checkpoints(board: Dashboard) -> None:
    """Add the row with the age and the duration of checkpoints."""
    board.with_row(Row("Checkpoints"))
    written = f"posefleet_trainer_checkpoint_seconds_bucket{OF_JOB}"
    board.with_panel(
        over_time(
            "How much work would be lost now?",
            "Age of the newest checkpoint, and the interval set by checkpoint.intervalSeconds.",
            "s",
            Query(age("last_checkpoint_timestamp_seconds"), "age"),
            Query(present("checkpoint_interval_seconds"), "interval"),
        )
    )
    board.with_panel(
        ranking(
            "How long does a checkpoint take?",
            "Time from the start of a checkpoint until it is complete in the store, over the selected time range. "
            "Training continues in the meantime.",
            "s",
            Query(f"histogram_quantile(0.5, sum by (le) (increase({written}[$__range])))", "half of them within"),
            Query(f"histogram_quantile(0.95, sum by (le) (increase({written}[$__range])))", "95 % within"),
        )
    )


def add_store(board: Dashboard) -> None:
    """Add the row with the traffic between the pods, the store and the node caches."""
    board.with_row(Row("Store and cache"))
    board.with_panel(
        over_time(
            "How fast does it exchange data with the store?",
            "Bytes per second of all pods of the job.",
            "Bps",
            Query(
                f"sum by (direction) (rate(posefleet_trainer_store_bytes_total{OF_JOB}[$__rate_interval]))",
                "{{direction}}",
            ),
            width=8,
        )
    )
    board.with_panel(
        over_time(
            "Does the store answer?",
            "Requests that had to be repeated, by pod. If only one pod is affected, check the network of its node.",
            "reqps",
            Query(f"sum by (pod) (rate(posefleet_trainer_store_retries_total{OF_JOB}[$__rate_interval]))", "{{pod}}"),
            steps=[(None, GREEN), (0.02, RED)],
            width=8,
        )
    )
    board.with_panel(
        over_time(
            "How full are the caches of its nodes?",
            "Bytes in the node cache of each pod. The limit is resources.cachePerNode.",
            "bytes",
            Query(f"max by (pod) (posefleet_trainer_cache_bytes{OF_JOB})", "{{pod}}"),
            width=8,
        )
    )


def _found(metric: str, reduction: str = "max", by: str = "pod") -> Query:
    """Build the query of one preflight metric."""
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return Query(f"{reduction} by ({by}) (posefleet_trainer_preflight_{metric}{OF_JOB})", legend)


#: Title, description, unit and query of each panel.
_PREFLIGHT_PANELS = (
    (
        "Can its pods train?",
        "1 where all probes passed. The log of a pod with 0 says why.",
        "none",
        _found("ok", "min"),
    ),
    (
        "How long did the probes take?",
        "Duration of the preflight, which each attempt runs once before its first step.",
        "s",
        _found("seconds"),
    ),
    (
        "How fast is the store?",
        "Throughput when each pod writes and reads a small object. If only one pod is slow, check the network "
        "of its node.",
        "Bps",
        _found("store_bytes_per_second", "max", "pod, direction"),
    ),
    (
        "How much space is free for the cache?",
        "Bytes that are free on the disk of the node.",
        "bytes",
        _found("cache_free_bytes", "min"),
    ),
    (
        "How fast do its ranks exchange gradients?",
        "Throughput of a sum of a few megabytes over all ranks. If it is low between several nodes, see NCCL in "
        "docs/operations.md.",
        "Bps",
        _found("collective_bytes_per_second", "min"),
    ),
    (
        "How long does the smallest exchange take?",
        "Time to sum one number over all ranks.",
        "s",
        _found("collective_latency_seconds"),
    ),
    (
        "Is GPU memory free?",
        "Free memory of the GPU of each pod that has the least; zero on a CPU.",
        "bytes",
        _found("gpu_free_bytes", "min"),
    ),
    (
        "Do its GPUs compute as they should?",
        "Speed of a small matrix product on the slowest GPU of each pod; zero on a CPU.",
        "flops",
        _found("gpu_flops", "min"),
    ),
    ("Do its GPUs decode video?", "1 if NVDEC works on all GPUs of the pod.", "none", _found("nvdec", "min")),
)


def add_preflight(board: Dashboard) -> None:
    """Add the row with each pod's preflight results, which are also in its log and in summary.json."""
    board.with_row(Row("Preflight"))
    for title, description, unit, query in _PREFLIGHT_PANELS:
        board.with_panel(number(title, description, unit, query, width=8))
