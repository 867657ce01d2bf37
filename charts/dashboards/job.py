"""Builds the Job dashboard, which shows one PoseTrainingJob from its first step to its last."""

import json
from urllib.parse import quote

from building import (
    PROMETHEUS,
    Query,
    label_variable,
    name,
    new_dashboard,
    number,
    over_time,
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
from job_training import (
    OF_JOB,
    add_checkpoints,
    add_gpus,
    add_learning,
    add_preflight,
    add_speed,
    add_store,
    age,
    present,
)

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
                f"max by (attempt) (posefleet_job_attempt_start_timestamp_seconds{OF_JOB})",
                "attempt {{attempt}} starts",
                "blue",
            )
        )
        .annotation(
            _annotation(
                "Attempts that end",
                f"max by (attempt, outcome, reason) (posefleet_job_attempt_end_timestamp_seconds{OF_JOB})",
                "attempt {{attempt}} ends: {{outcome}}, {{reason}}",
                "orange",
            )
        )
    )
    _progress(board)
    add_learning(board)
    add_speed(board)
    add_gpus(board)
    add_checkpoints(board)
    add_store(board)
    add_preflight(board)
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


def _progress(board: Dashboard) -> None:
    board.with_row(Row("Progress"))
    board.with_panel(
        name(
            "In which phase is the job?",
            "The phase is shown until the job is finished.",
            Query(present("phase", "phase"), "{{phase}}"),
        )
    )
    board.with_panel(
        number(
            "How far is it?",
            "Share of the current stage (train, predict or report) that is done.",
            "percentunit",
            Query(present("progress_ratio", "stage"), "{{stage}}"),
        )
    )
    board.with_panel(
        number(
            "When is the stage done?",
            "Estimated time until the current stage is done, at the current speed.",
            "s",
            Query(present("eta_seconds"), "left"),
        )
    )
    _attempts_and_gpus(board)
    _history(board)


def _attempts_and_gpus(board: Dashboard) -> None:
    board.with_panel(
        number(
            "How many attempts did it take?",
            "Failed attempts count against failurePolicy.maxFailures; preempted attempts do not.",
            "none",
            Query(present("attempts"), "in all"),
            Query(present("failed_attempts"), "failed"),
        )
    )
    board.with_panel(
        number(
            "How many GPUs does it hold?",
            "The job holds its GPUs while all its pods run. Until then it only requests them.",
            "none",
            Query(present("allocated_gpus"), "held"),
            Query(present("requested_gpus"), "asked for"),
        )
    )
    board.with_panel(
        number(
            "When did it last make progress?",
            "Time since the last step, video or batch of frames was finished. An alert fires after half of "
            "failurePolicy.stallSeconds, and the attempt ends after all of it.",
            "s",
            Query(age("last_step_timestamp_seconds"), "ago"),
            Query(present("stall_timeout_seconds"), "limit"),
        )
    )


def _history(board: Dashboard) -> None:
    board.with_panel(
        over_time(
            "How did it progress?",
            "Share of each stage that is done. It decreases when an attempt resumes from an older checkpoint.",
            "percentunit",
            Query(present("progress_ratio", "stage"), "{{stage}}"),
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
