"""A Helm chart held against what API servers accept: lint, every value set rendered, each object's schema."""
