"""The Job dashboard: one PoseTrainingJob from the first step to the last."""

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
* Of pods that still exist: `kubectl logs -n ${namespace} -l posefleet.io/job=${job} --prefix --tail=-1`
* Of every attempt, in the store: `kubectl get ptj ${job} -n ${namespace} -o jsonpath='{.status.attempts[*].logs}'`
* What happened, in sentences: `kubectl describe ptj ${job} -n ${namespace}`
* With Loki: the link *Logs in Loki* at the top
"""


def job() -> Dashboard:
    """The whole dashboard."""
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
    """A mark at the time that a gauge's value is (Grafana takes milliseconds)."""
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
    """Grafana's Explore with the logs of the job's pods; variables stay readable for Grafana to fill in."""
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
            "A finished job has no phase here.",
            Query(_present("phase", "phase"), "{{phase}}"),
        )
    )
    board.with_panel(
        number(
            "How far is it?",
            "Of the stage: train, predict, report.",
            "percentunit",
            Query(_present("progress_ratio", "stage"), "{{stage}}"),
        )
    )
    board.with_panel(
        number("When is the stage done?", "At the present rate.", "s", Query(_present("eta_seconds"), "left"))
    )
    board.with_panel(
        number(
            "How many attempts did it take?",
            "Failed ones count against failurePolicy.maxAttempts; preempted ones do not.",
            "none",
            Query(_present("attempts"), "in all"),
            Query(_present("failed_attempts"), "failed"),
        )
    )
    board.with_panel(
        number(
            "How many GPUs does it hold?",
            "Held while all pods run; asked for until then.",
            "none",
            Query(_present("allocated_gpus"), "held"),
            Query(_present("requested_gpus"), "asked for"),
        )
    )
    board.with_panel(
        number(
            "When did it last make progress?",
            "Time since the last step, video or batch of frames. Half of failurePolicy.stallSeconds raises an alert, "
            "all of it ends the attempt.",
            "s",
            Query(_age("last_step_timestamp_seconds"), "ago"),
            Query(_present("stall_timeout_seconds"), "limit"),
        )
    )
    _history(board)


def _history(board: Dashboard) -> None:
    board.with_panel(
        over_time(
            "How did it progress?",
            "The share of each stage that is done. A fall marks an attempt that resumed from an older checkpoint.",
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
            "The pods of the last three attempts stay, a running one counted; those of suspended and stalled attempts "
            "are deleted at once. All logs are kept in the job's output."
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
            "The weighted losses of the last step by term, averaged over the pods.",
            "none",
            Query(f"avg by (term) (posefleet_trainer_loss{_OF})", "{{term}}"),
            logarithmic=True,
        )
    )
    board.with_panel(
        over_time(
            "How far are predictions from the labels?",
            "Mean distance to the labels of the validation set, in pixels of the source frames.",
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
            "How many frames a second does it work through?",
            "Frames through the network, of all pods.",
            "short",
            Query(f"sum by (stage) (rate(posefleet_trainer_frames_total{_OF}[$__rate_interval]))", "{{stage}}"),
        )
    )
    board.with_panel(
        over_time(
            "Where does the time of a step go?",
            "Mean seconds of a step's parts, on the CPU's clock: work that a GPU does later shows up where the CPU "
            "waits for it, mostly in backward and optimizer.",
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
            "The share of step time spent waiting for frames. Above 30 %, the GPUs starve: see the runbook of "
            "PosefleetJobDataBound.",
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
            "95 % of all steps had done each part within this time.",
            "s",
            Query(f"histogram_quantile(0.95, sum by (le, part) ({buckets}))", "{{part}}"),
            width=8,
        )
    )
    board.with_panel(
        over_time(
            "How many frames a second are decoded?",
            "Video frames and images, by pod; on the GPU (NVDEC) or on the CPU.",
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
            "GPU use of each pod as the DCGM exporter measures it; of a MIG slice, its engine's activity.",
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
            "Use of NVDEC. At zero while training, videos are decoded on the CPU.",
            "percentunit",
            Query(f"gpu:posefleet_gpu_decoder_utilization:ratio{_OF}", "{{pod}} GPU {{gpu}}"),
            width=8,
            largest=1,
        )
    )
    board.with_panel(
        over_time(
            "How much GPU memory does it need?",
            "The most that one process has held so far; zero on a CPU. Room for a larger training.batchSize?",
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
            "The age of the newest checkpoint, beside the interval that checkpoint.everyMinutes asks for.",
            "s",
            Query(_age("last_checkpoint_timestamp_seconds"), "age"),
            Query(_present("checkpoint_interval_seconds"), "interval"),
        )
    )
    board.with_panel(
        ranking(
            "How long does a checkpoint take?",
            "From its start until it is complete in the store, over the time shown; training goes on meanwhile.",
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
            "Bytes a second of all its pods.",
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
            "Requests that had to be repeated, by pod. One pod alone: look at its node's network.",
            "reqps",
            Query(f"sum by (pod) (rate(posefleet_trainer_store_retries_total{_OF}[$__rate_interval]))", "{{pod}}"),
            steps=[(None, GREEN), (0.02, RED)],
            width=8,
        )
    )
    board.with_panel(
        over_time(
            "How full are the caches of its nodes?",
            "Bytes in the node cache of each pod; resources.cachePerNode is the limit.",
            "bytes",
            Query(f"max by (pod) (posefleet_trainer_cache_bytes{_OF})", "{{pod}}"),
            width=8,
        )
    )


def _preflight(board: Dashboard) -> None:
    """What each pod found out about its machine before it trained; the same is in its log and in summary.json."""
    board.with_row(Row("Preflight"))

    def found(metric: str, reduction: str = "max", by: str = "pod") -> Query:
        legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
        return Query(f"{reduction} by ({by}) (posefleet_trainer_preflight_{metric}{_OF})", legend)

    for title, description, unit, query in (
        (
            "Can its pods train?",
            "1 where all probes passed. The log of a pod with 0 says why.",
            "none",
            found("ok", "min"),
        ),
        ("How long did the probes take?", "Once for each attempt, before its first step.", "s", found("seconds")),
        (
            "How fast is the store?",
            "One small object to and from the store, from each pod. One slow pod: look at its node's network.",
            "Bps",
            found("store_bytes_per_second", "max", "pod, direction"),
        ),
        ("Has the cache room?", "Bytes that the node's disk has for it.", "bytes", found("cache_free_bytes", "min")),
        (
            "How fast do its ranks exchange gradients?",
            "A few megabytes summed over all ranks. Slow among several nodes: see NCCL in docs/operations.md.",
            "Bps",
            found("collective_bytes_per_second", "min"),
        ),
        (
            "How long does the least exchange take?",
            "One number summed over all ranks.",
            "s",
            found("collective_latency_seconds"),
        ),
        ("Is GPU memory free?", "The least of the pod's GPUs; zero on a CPU.", "bytes", found("gpu_free_bytes", "min")),
        (
            "Do its GPUs compute as they should?",
            "A small matrix product on the slowest GPU of a pod; zero on a CPU.",
            "flops",
            found("gpu_flops", "min"),
        ),
        ("Do its GPUs decode video?", "1 where NVDEC works on all of a pod's GPUs.", "none", found("nvdec", "min")),
    ):
        board.with_panel(number(title, description, unit, query, width=8))
