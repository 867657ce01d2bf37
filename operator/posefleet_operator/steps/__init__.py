"""The steps of a reconcile: each looks at an observation, asks the policies, and writes into the plan."""
