"""The steps of a reconcile. Each reads an observation, asks the policies, and writes into the plan."""
