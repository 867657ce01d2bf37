"""The pods of a process node: the order of their containers, their status and their end."""
