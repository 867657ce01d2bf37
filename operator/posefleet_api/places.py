"""Where in a job's output lies what both operator and trainer name."""


def attempt_folder(number: int) -> str:
    """The folder of an attempt's logs (``node-<i>.log``) and of its ``summary.json``, below the output."""
    return f"attempts/{number}/"


def attempt_logs(output_uri: str, number: int) -> str:
    """``attempt_folder`` as a URI."""
    return f"{output_uri.rstrip('/')}/{attempt_folder(number)}"
