"""The labelled videos and the page that a person looks at."""
