"""A Helm chart held against what API servers accept: linted, rendered with every value set, each object against its schema."""
