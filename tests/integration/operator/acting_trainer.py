"""A trainer that only acts: it says and does what the test's script tells it, as fast as a test needs.

The script is JSON in the variable ACT: from ``prepare`` or ``<attempt>/<rank>`` or ``<attempt>`` to what is done
there: ``after`` seconds end with code ``exit`` and termination message ``message``. Without
a script a pod runs until SIGTERM and ends with 75, as a real one does, with a checkpoint of step ``checkpoint`` if
there is one, after ``stopping`` seconds. With ``saves`` rank 0 reports a new checkpoint every second while it runs.
"""

# ruff: noqa: E402
import signal

# Until here the first process of a container is deaf to SIGTERM. Blocked, it is kept until it is waited for; a handler
# would lose it where it comes just before a sleep.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def main() -> None:
    stages = sys.argv[3]
    job = json.loads(Path(sys.argv[1]).read_text())
    attempt = job.get("status", {}).get("currentAttempt", 0)
    rank = int(os.environ.get("JOB_COMPLETION_INDEX", "0"))
    script = json.loads(os.environ.get("ACT", "{}"))
    part = script.get("prepare", {"exit": 0}) if stages == "prepare" else act_of(script, attempt, rank)
    if rank == 0 and stages != "prepare":
        serve_progress(attempt, part)
    sys.stdout.write(f"acting {stages} attempt {attempt} rank {rank}: {part}\n")
    sys.stdout.flush()
    if signal.sigtimedwait({signal.SIGTERM}, part.get("after", 0.2 if "exit" in part else 3600)):
        time.sleep(part.get("stopping", 0))
        end(75, {"reason": "Preempted", "message": "asked to stop", **checkpoint_of(part, attempt)})
    end(part.get("exit", 0), part.get("message"))


def act_of(script: dict, attempt: int, rank: int) -> dict:
    return script.get(f"{attempt}/{rank}", script.get(str(attempt), {}))


def checkpoint_of(part: dict, attempt: int) -> dict:
    """The checkpoint that is written at the end, if the script says at which step."""
    if "checkpoint" not in part:
        return {}
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    uri = f"s3://lab-results/step-{part['checkpoint']}-attempt-{attempt}"
    return {"lastCheckpoint": {"uri": uri, "step": part["checkpoint"], "time": now, "sha256": "0" * 64}}


def end(code: int, message: dict | None) -> None:
    if message:
        Path(os.environ["POSEFLEET_TERMINATION_LOG"]).write_text(json.dumps(message))
    os._exit(code)


def serve_progress(attempt: int, part: dict) -> None:
    begun = time.time()

    class Progress(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            step = part.get("step", int((time.time() - begun) * 10))
            moment = time.time() if "step" not in part else begun
            report = {
                "attempt": attempt,
                "progress": {"stage": "train", "step": step, "steps": 1000, "percent": min(100, step // 10)},
                "startStep": part.get("start", 0),
                **(checkpoint_of({"checkpoint": step}, attempt) if "saves" in part else {}),
                "lastStepTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)),
            }
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(report).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((os.environ["POD_IP"], 9400), Progress)
    threading.Thread(target=server.serve_forever, daemon=True).start()


main()
