"""Log lines that a scientist can read with ``kubectl logs``."""

import logging
import sys


def configure_logs(rank: int, world: int) -> None:
    """Log to stderr. Ranks beyond the first say only what is wrong, so that a gang speaks with one voice."""
    who = f" rank {rank}/{world}" if world > 1 else ""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO if rank == 0 else logging.WARNING,
        format=f"%(asctime)s %(levelname)-7s{who} %(message)s",
        datefmt="%H:%M:%S",
        force=True,
    )
    for chatty in (
        "urllib3",
        "PIL",
        "pytorch_lightning",
        "lightning.pytorch",
        "lightning.fabric",
        "timm",
    ):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)
    logging.getLogger("py.warnings").setLevel(logging.ERROR)
