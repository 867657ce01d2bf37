"""The posefleet API: the manifest, the status, and the messages between trainer and operator, as pydantic models.

``job`` has the whole resource. Its spec is in ``dataset``, ``model``, ``training`` and ``resources``, its status in
``status``, and what a trainer sends to the operator in ``outcomes``. The models are the only source of ``crds/`` and
of ``docs/manifest.md``, which ``generate`` writes.
"""
