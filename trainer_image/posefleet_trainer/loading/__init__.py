"""Loading of batches: which frames and clips a step trains on, and their decoding and augmentation with DALI."""
