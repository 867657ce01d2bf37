"""The stateless sampler and the DALI pipelines for labelled frames and clips."""
