"""The posefleet API: what a manifest may say, what a status says, and what trainer and operator tell each other.

The pydantic models here are the only source of ``crds/`` and of ``docs/manifest.md``.
"""
