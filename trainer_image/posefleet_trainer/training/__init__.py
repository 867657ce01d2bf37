"""The LightningModule, resume, preemption."""
