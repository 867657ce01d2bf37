"""Whole pods: the order of their containers, their status and their end."""
