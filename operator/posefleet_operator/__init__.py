"""The posefleet operator turns each ``PoseTrainingJob`` into prepare Jobs and gangs of trainer pods.

``main`` runs the process and leads while it holds the Lease. ``cluster`` watches the API server, keeps a cache of what
it has seen, and polls the trainers. ``controller`` has one worker per job, which takes an ``observation``, computes a
``plan`` with ``reconcile``, and has the ``executor`` carry it out. ``reconcile`` is a pure function, a list of
``steps``, whose decisions are made by ``policies`` and whose objects are made by ``builders``.
"""
