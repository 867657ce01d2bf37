"""The posefleet operator: it turns one ``PoseTrainingJob`` into prepare Jobs and gangs of trainer pods.

Events fill a cache and wake one task per job; each task observes, reconciles (a pure function) and
performs the plan that comes out of it.
"""
