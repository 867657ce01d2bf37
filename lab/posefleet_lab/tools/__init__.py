"""The programs that the lab runs, each built once from a Go module or installed once from a Python wheel."""
