"""Builds the Job dashboard, which shows one PoseTrainingJob from its first step to its last."""

import json
from urllib.parse import quote

from building import (
    GREEN,
    PROMETHEUS,
    RED,
    YELLOW,
    Query,
    label_variable,
    name,
    new_dashboard,
    number,
    over_time,
    ranking,
)
from grafana_foundation_sdk.builders import text
from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    Row,
)
from grafana_foundation_sdk.models.dashboard import DashboardLinkType
from grafana_foundation_sdk.models.text import TextMode

_LABELS = 'namespace="$namespace", training_job="$job"'
_OF = f"{{{_LABELS}}}"

_WHERE_LOGS_ARE = """\
* Logs of pods that still exist: `kubectl logs -n ${namespace} -l posefleet.io/job=${job} --prefix --tail=-1`
* Logs of every attempt: `kubectl get ptj ${job} -n ${namespace} -o jsonpath='{.status.attempts[*].logs}'`
* Events and conditions: `kubectl describe ptj ${job} -n ${namespace}`
* If you use Loki: the link *Logs in Loki* at the top
"""


def job() -> Dashboard:
    """Return the Job dashboard."""
    board = (
        new_dashboard(
            "posefleet / Job", "posefleet-job", "One PoseTrainingJob: progress, learning, speed, GPUs, store."
        )
        .with_variable(DatasourceVariable("loki").label("Loki").type("loki"))
        .with_variable(label_variable("namespace", "Namespace", "label_values(posefleet_job_attempts, namespace)"))
        .with_variable(
            label_variable("job", "Job", 'label_values(posefleet_job_attempts{namespace="$namespace"}, training_job)')
        )
        .link(DashboardLink("Logs in Loki").type(DashboardLinkType.LINK).icon("doc").url(_loki()).target_blank(True))
        .annotation(
            _annotation(
                "Attempts that start",
                f"max by (attempt) (posefleet_job_attempt_start_timestamp_seconds{_OF})",
                "attempt {{attempt}} starts",
                "blue",
            )
        )
        .annotation(
            _annotation(
                "Attempts that end",
                f"max by (attempt, outcome, reason) (posefleet_job_attempt_end_timestamp_seconds{_OF})",
                "attempt {{attempt}} ends: {{outcome}}, {{reason}}",
                "orange",
            )
        )
    )
    _progress(board)
    _learning(board)
    _speed(board)
    _gpus(board)
    _checkpoints(board)
    _store(board)
    _preflight(board)
    return board


def _annotation(title: str, expr: str, label: str, color: str) -> AnnotationQuery:
    """Build an annotation at the time that is a gauge's value, converted to Grafana's milliseconds."""
    return (
        AnnotationQuery()
        .name(title)
        .datasource(PROMETHEUS)
        .icon_color(color)
        .expr(f"{expr} * 1000")
        .title_format(label)
        .step("30s")
        .use_value_for_time(True)
    )


def _loki() -> str:
    """Return the URL of the job's logs in Grafana's Explore, with variables unescaped so that Grafana replaces them."""
    query = {"refId": "A", "expr": '{namespace="${namespace}", pod=~"${job}-(a[0-9]+|prepare)-.*"}'}
    pane = {"datasource": "${loki}", "queries": [query], "range": {"from": "${__from}", "to": "${__to}"}}
    panes = quote(json.dumps({"logs": pane}, separators=(",", ":")), safe="${}:,")
    return f"/explore?schemaVersion=1&panes={panes}"


def _present(metric: str, *labels: str) -> str:
    by = f" by ({', '.join(labels)}) " if labels else ""
    return f"max{by}(posefleet_job_{metric}{_OF})"


def _age(metric: str) -> str:
    return f"time() - {_present(metric)}"


def _progress(board: Dashboard) -> None:
    board.with_row(Row("Progress"))
    board.with_panel(
        name(
            "In which phase is the job?",
            "The phase is shown until the job is finished.",
            Query(_present("phase", "phase"), "{{phase}}"),
        )
    )
    board.with_panel(
        number(
            "How far is it?",
            "Share of the current stage (train, predict or report) that is done.",
            "percentunit",
            Query(_present("progress_ratio", "stage"), "{{stage}}"),
        )
    )
    board.with_panel(
        number(
            "When is the stage done?",
            "Estimated time until the current stage is done, at the current speed.",
            "s",
            Query(_present("eta_seconds"), "left"),
        )
    )
    _attempts_and_gpus(board)
    _history(board)


def _attempts_and_gpus(board: Dashboard) -> None:
    board.with_panel(
        number(
            "How many attempts did it take?",
            "Failed attempts count against failurePolicy.maxAttempts; preempted attempts do not.",
            "none",
            Query(_present("attempts"), "in all"),
            Query(_present("failed_attempts"), "failed"),
        )
    )
    board.with_panel(
        number(
            "How many GPUs does it hold?",
            "The job holds its GPUs while all its pods run. Until then it only requests them.",
            "none",
            Query(_present("allocated_gpus"), "held"),
            Query(_present("requested_gpus"), "asked for"),
        )
    )
    board.with_panel(
        number(
            "When did it last make progress?",
            "Time since the last step, video or batch of frames was finished. An alert fires after half of "
            "failurePolicy.stallSeconds, and the attempt ends after all of it.",
            "s",
            Query(_age("last_step_timestamp_seconds"), "ago"),
            Query(_present("stall_timeout_seconds"), "limit"),
        )
    )


def _history(board: Dashboard) -> None:
    board.with_panel(
        over_time(
            "How did it progress?",
            "Share of each stage that is done. It decreases when an attempt resumes from an older checkpoint.",
            "percentunit",
            Query(_present("progress_ratio", "stage"), "{{stage}}"),
            width=16,
            largest=1,
        )
    )
    board.with_panel(
        text.Panel()
        .title("Where are the logs?")
        .description(
            "The pods of the last three attempts, including a running one, are kept. The pods of suspended and "
            "stalled attempts are deleted immediately. All logs are kept in the job's output."
        )
        .mode(TextMode.MARKDOWN)
        .content(_WHERE_LOGS_ARE)
        .span(8)
        .height(8)
    )


def _learning(board: Dashboard) -> None:
    board.with_row(Row("Learning"))
    board.with_panel(
        over_time(
            "Do the losses fall?",
            "Weighted losses of the last step by term, averaged over the pods.",
            "none",
            Query(f"avg by (term) (posefleet_trainer_loss{_OF})", "{{term}}"),
            logarithmic=True,
        )
    )
    board.with_panel(
        over_time(
            "How far are predictions from the labels?",
            "Mean distance between predictions and labels of the validation set, in pixels of the source frames.",
            "none",
            Query(f"max by (set) (posefleet_trainer_error_pixels{_OF})", "{{set}} (pixels)"),
        )
    )


def _speed(board: Dashboard) -> None:
    board.with_row(Row("Speed"))
    seconds, count, buckets = (
        f"rate(posefleet_trainer_step_seconds_{part}{_OF}[$__rate_interval])" for part in ("sum", "count", "bucket")
    )
    board.with_panel(
        over_time(
            "How many frames a second does it process?",
            "Frames that the networks of all pods process per second.",
            "short",
            Query(f"sum by (stage) (rate(posefleet_trainer_frames_total{_OF}[$__rate_interval]))", "{{stage}}"),
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
            Query(f"training_job:posefleet_data_wait:ratio_rate5m{_OF}", "waiting"),
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
            Query(f"sum by (pod) (rate(posefleet_trainer_decoded_frames_total{_OF}[$__rate_interval]))", "{{pod}}"),
            width=8,
        )
    )


def _gpus(board: Dashboard) -> None:
    board.with_row(Row("GPUs"))
    board.with_panel(
        over_time(
            "How busy are its GPUs?",
            "GPU utilization of each pod, measured by the DCGM exporter. For a MIG slice, this is the activity of "
            "its graphics engine.",
            "percentunit",
            Query(f"gpu:posefleet_gpu_utilization:ratio{_OF}", "{{pod}} GPU {{gpu}}"),
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
            Query(f"gpu:posefleet_gpu_decoder_utilization:ratio{_OF}", "{{pod}} GPU {{gpu}}"),
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
            Query(f"max by (pod) (posefleet_trainer_gpu_memory_peak_bytes{_OF})", "{{pod}}"),
            width=8,
        )
    )


def _checkpoints(board: Dashboard) -> None:
    board.with_row(Row("Checkpoints"))
    written = f"posefleet_trainer_checkpoint_seconds_bucket{_OF}"
    board.with_panel(
        over_time(
            "How much work would be lost now?",
            "Age of the newest checkpoint, and the interval set by checkpoint.everyMinutes.",
            "s",
            Query(_age("last_checkpoint_timestamp_seconds"), "age"),
            Query(_present("checkpoint_interval_seconds"), "interval"),
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


def _store(board: Dashboard) -> None:
    board.with_row(Row("Store and cache"))
    board.with_panel(
        over_time(
            "How fast does it exchange data with the store?",
            "Bytes per second of all pods of the job.",
            "Bps",
            Query(
                f"sum by (direction) (rate(posefleet_trainer_store_bytes_total{_OF}[$__rate_interval]))",
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
            Query(f"sum by (pod) (rate(posefleet_trainer_store_retries_total{_OF}[$__rate_interval]))", "{{pod}}"),
            steps=[(None, GREEN), (0.02, RED)],
            width=8,
        )
    )
    board.with_panel(
        over_time(
            "How full are the caches of its nodes?",
            "Bytes in the node cache of each pod. The limit is resources.cachePerNode.",
            "bytes",
            Query(f"max by (pod) (posefleet_trainer_cache_bytes{_OF})", "{{pod}}"),
            width=8,
        )
    )


def _found(metric: str, reduction: str = "max", by: str = "pod") -> Query:
    """Build the query of one preflight metric."""
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    return Query(f"{reduction} by ({by}) (posefleet_trainer_preflight_{metric}{_OF})", legend)


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


def _preflight(board: Dashboard) -> None:
    """Add the row with each pod's preflight results, which are also in its log and in summary.json."""
    board.with_row(Row("Preflight"))
    for title, description, unit, query in _PREFLIGHT_PANELS:
        board.with_panel(number(title, description, unit, query, width=8))
