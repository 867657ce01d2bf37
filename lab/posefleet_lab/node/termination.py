"""What a container leaves behind to say why it ended."""

import os
from pathlib import Path

LIMIT_BYTES = 4096
_LOG_LIMIT_BYTES = 2048
_LOG_LIMIT_LINES = 80


def termination_message(file: Path, policy: str, exit_code: int, log_lines: list[str]) -> str:
    """Return the message file's content, or with FallbackToLogsOnError the log's end of a failed container.

    Bounded as by a kubelet: the last 4096 bytes of the file, 80 lines and 2048 bytes of the log.
    """
    message = _read(file)
    if not message and policy == "FallbackToLogsOnError" and exit_code != 0:
        text = "".join(log_lines[-_LOG_LIMIT_LINES:]).encode()[-_LOG_LIMIT_BYTES:]
        message = text.decode(errors="ignore")
    return message


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, opened.seek(0, os.SEEK_END) - LIMIT_BYTES))
            return opened.read(LIMIT_BYTES).decode(errors="ignore")
    except OSError:
        return ""
