"""Building blocks of the dashboards. The title of a panel is a question; its description explains the answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueTextMode,
    DataSourceRef,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    ScaleDistribution,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
    VariableSort,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${datasource}")
GREEN, YELLOW, RED = "green", "yellow", "red"

#: The value from which a colour applies; None stands for minus infinity.
Step = tuple[float | None, str]


@dataclass(frozen=True)
class Query:
    """A PromQL expression and the legend of its series."""

    expr: str
    legend: str = ""


def new_dashboard(title: str, uid: str, description: str) -> dashboard.Dashboard:
    """Return an empty dashboard with a variable that selects the Prometheus data source."""
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags(["posefleet"])
        .timezone("browser")
        .refresh("30s")
        .time("now-3h", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .link(
            dashboard.DashboardLink("posefleet").type(DashboardLinkType.DASHBOARDS).tags(["posefleet"]).keep_time(True)
        )
    )


def label_variable(name: str, label: str, values: str) -> dashboard.QueryVariable:
    """Return a variable with the values of ``label_values(...)`` in the selected time range."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(values)
        .datasource(PROMETHEUS)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )


def over_time(
    title: str,
    description: str,
    unit: str,
    *queries: Query,
    width: int = 12,
    steps: Sequence[Step] = (),
    stacked: bool = False,
    bars: bool = False,
    logarithmic: bool = False,
    largest: float | None = None,
) -> timeseries.Panel:
    """Return a panel with lines over time, or with bars (``bars``) for counts."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .span(width)
        .height(8)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.LIST)
            .placement(LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .draw_style(GraphDrawStyle.BARS if bars else GraphDrawStyle.LINE)
        .fill_opacity(60 if bars else 25 if stacked else 0)
        .show_points(VisibilityMode.NEVER)
        .targets([_target(query, letter) for query, letter in zip(queries, "ABCDEFGH", strict=False)])
    )
    if stacked:
        panel.stacking(common.StackingConfig().group("A").mode(StackingMode.NORMAL))
    if logarithmic:
        panel.scale_distribution(common.ScaleDistributionConfig().type(ScaleDistribution.LOG).log(10))
    else:
        panel.min(0)
    if largest is not None:
        panel.max(largest)
    if steps:
        panel.thresholds(_thresholds(steps))
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
    return panel


def number(
    title: str, description: str, unit: str, *queries: Query, width: int = 4, steps: Sequence[Step] = ()
) -> stat.Panel:
    """Return a panel that shows current values as large numbers."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .span(width)
        .height(4)
        .color_mode(BigValueColorMode.VALUE if steps else BigValueColorMode.NONE)
        .text_mode(BigValueTextMode.VALUE_AND_NAME if len(queries) > 1 else BigValueTextMode.AUTO)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("none")
        .targets([_target(query, letter).instant() for query, letter in zip(queries, "ABCDEFGH", strict=False)])
    )
    return panel.thresholds(_thresholds(steps)) if steps else panel


def name(title: str, description: str, query: Query, width: int = 4) -> stat.Panel:
    """Return a panel that shows the label values of the current series."""
    return number(title, description, "none", query, width=width).text_mode(BigValueTextMode.NAME)


def ranking(title: str, description: str, unit: str, *queries: Query, width: int = 12) -> bargauge.Panel:
    """Return a panel with one bar for each sum over the selected time range."""
    return (
        bargauge.Panel()
        .title(title)
        .description(description)
        .datasource(PROMETHEUS)
        .unit(unit)
        .min(0)
        .span(width)
        .height(8)
        .orientation(VizOrientation.HORIZONTAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .targets([_target(query, letter).instant() for query, letter in zip(queries, "ABCDEFGH", strict=False)])
    )


def listing(
    title: str, description: str, columns: dict[str, tuple[str, str]], link: tuple[str, str], hidden: Sequence[str] = ()
) -> table.Panel:
    """Return a table whose ``columns`` (name: PromQL, unit) are joined by their labels.

    ``link`` is the column that leads elsewhere, and where to.
    """
    letters = dict(zip(columns, "ABCDEFGH", strict=False))
    panel = table.Panel().title(title).description(description).datasource(PROMETHEUS).span(24).height(9)
    for column, (expr, unit) in columns.items():
        panel.with_target(_target(Query(expr), letters[column]).instant().format(PromQueryFormat.TABLE))
        panel.override_by_name(column, [DynamicConfigValue("unit", unit)])
    panel.override_by_name(link[0], [DynamicConfigValue("links", [{"title": "the job's dashboard", "url": link[1]}])])
    return panel.with_transformation(DataTransformerConfig(id_val="merge", options={})).with_transformation(
        DataTransformerConfig(
            id_val="organize",
            options={
                "excludeByName": {"Time": True, **dict.fromkeys(hidden, True)},
                "renameByName": {f"Value #{letter}": column for column, letter in letters.items()},
            },
        )
    )


def _target(query: Query, letter: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().expr(query.expr).legend_format(query.legend).ref_id(letter).datasource(PROMETHEUS)


def _thresholds(steps: Sequence[Step]) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=color) for value, color in steps])
    )
