"""Labelled videos and the page."""
