"""Questions to Prometheus and Alertmanager over their HTTP APIs."""

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from ..errors import LabError

_SECONDS = 10.0


@dataclass(frozen=True)
class Sample:
    """One series' labels and its value now."""

    labels: dict[str, str]
    value: float


def answer(url: str, **parameters: str) -> Any:
    """Return the JSON that a server answers. Raises LabError with the server's own words."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    address = f"{url}?{urlencode(parameters)}" if parameters else url
    try:
        with opener.open(address, timeout=_SECONDS) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise LabError(f"{address}: {error.code} {error.read().decode(errors='replace')}") from None
    except OSError as error:
        raise LabError(f"{address}: {error}") from None


def samples(url: str, expression: str) -> list[Sample]:
    """Return what a PromQL expression gives now, an instant vector or a scalar. Raises LabError."""
    data = answer(f"{url}/api/v1/query", query=expression)["data"]
    if data["resultType"] == "scalar":
        return [Sample({}, float(data["result"][1]))]
    return [Sample(series["metric"], float(series["value"][1])) for series in data["result"]]
