"""The stage report: labelled videos, the report page, and the summary of the job."""
